// Plans run by the program `replay` (cpp/replay), where the addon of the instruction set cannot be loaded here.
import { spawnSync } from 'node:child_process';
import type { NativeArray } from './run-op.ts';

export interface Replay {
  readonly plan: Uint8Array;
  readonly threads: number;
  /** Bytes by which every buffer is off its alignment. */
  readonly offset: number;
  readonly externals: readonly NativeArray[];
}

const word = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
const bytesOf = (a: NativeArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const blob = (bytes: Uint8Array): readonly Uint8Array[] => [word(bytes.length), bytes];

/** What the externals of each run hold after it. `command`: the program with what emulates its machine before it. */
export function replay(command: string, runs: readonly Replay[]): readonly (readonly NativeArray[])[] {
  const [program, ...args] = command.split(' ');
  const input = Buffer.concat(
    runs.flatMap(({ plan, threads, offset, externals }) => [
      word(threads),
      word(offset),
      ...blob(plan),
      word(externals.length),
      ...externals.flatMap((e) => blob(bytesOf(e))),
    ]),
  );
  const { status, signal, error, stdout, stderr } = spawnSync(program!, args, { input, maxBuffer: 2 ** 30 });
  if (status !== 0) throw error ?? new Error(`${command}: exit ${status}, signal ${signal}: ${String(stderr)}`);
  let at = 0;
  const take = (): Uint8Array => {
    const length = stdout.readUInt32LE(at);
    at += 4 + length;
    return stdout.subarray(at - length, at);
  };
  return runs.map(({ externals }) => {
    const wrong = new TextDecoder().decode(take());
    if (wrong) throw new Error(wrong);
    return externals.map((e) => {
      const found = e.slice();
      bytesOf(found).set(take());
      return found;
    });
  });
}
