import { writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { Random } from '../../src/base/philox.ts';
import type { ExternalArray } from '../../src/native/door.ts';
import { prepare } from '../../src/native/native.ts';
import type { PreparedPlan } from '../../src/native/native.ts';
import type { DoorError } from './raw-plan.ts';

const SLOWEST_MS = 2000;
const WORTH_RUNNING = 1 << 20;
/** Elements on both sides of every array of a run; they must stay as they are. The address sanitizer sees more without them. */
const MARGIN = Number(process.env['TENON_FUZZ_MARGIN'] ?? 64);
const MARK = 113;

const NASTY = [0, 1, 2, 3, 4, 7, 8, 63, 64, 127, 128, 255, 256, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const NASTY_LONG = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 40n,
  2n ** 40n + 1n,
  2n ** 46n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
];

// One to four changes: bytes, words of both sizes, stretches moved or swapped, tails cut.
export function mutate(seed: Uint8Array, random: Random): Uint8Array {
  let bytes = seed.slice();
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  for (let n = 1 + random.below(4); n > 0; n--) {
    const data = new DataView(bytes.buffer);
    const kind = random.below(7);
    if (kind === 0) bytes[random.below(bytes.length)] = random.below(256);
    if (kind === 1) data.setUint32(4 * random.below(bytes.length >> 2), pick(NASTY), true);
    if (kind === 2) data.setBigUint64(8 * random.below(bytes.length >> 3), pick(NASTY_LONG), true);
    if (kind === 3) data.setUint32(4 * random.below(bytes.length >> 2), random.below(12), true);
    if (kind === 4) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    if (kind === 5) {
      const length = 8 * (1 + random.below(12));
      const from = 8 * random.below(Math.max(1, (bytes.length - length) >> 3));
      bytes.copyWithin(8 * random.below(Math.max(1, (bytes.length - length) >> 3)), from, from + length);
    }
    if (kind === 6 && random.below(10) === 0) {
      bytes = bytes.slice(0, 8 * (1 + random.below(bytes.length >> 3)));
      if (bytes.length >= 48) new DataView(bytes.buffer).setBigUint64(40, BigInt(bytes.length), true);
    }
  }
  return bytes;
}

// Externals of a valid plan, if all are small.
function externalsFor(bytes: Uint8Array, steps: number): ExternalArray[] | null {
  const data = new DataView(bytes.buffer, bytes.byteOffset);
  const [names, views, externals] = [data.getUint32(16, true), data.getUint32(20, true), data.getUint32(28, true)];
  if (Number(data.getBigUint64(32, true)) > WORTH_RUNNING) return null;
  let at = 64;
  for (let i = 0; i < names; i++) at += 4 + Math.ceil(data.getUint32(at, true) / 4) * 4;
  at = Math.ceil(at / 8) * 8;
  const arrays = new Array<ExternalArray>(externals);
  for (let i = 0; i < views; i++, at += 88) {
    if (bytes[at] !== 2) continue;
    const rank = bytes[at + 2]!;
    let n = bytes[at + 3]! & 1 ? steps : 1;
    for (let d = 0; d < rank; d++) n *= Number(data.getBigUint64(at + 16 + 8 * d, true));
    if (n > WORTH_RUNNING) return null;
    arrays[data.getUint32(at + 4, true)] = guarded(bytes[at + 1]!, n);
  }
  return arrays;
}

function guarded(dtype: number, length: number): ExternalArray {
  const Type = [Float32Array, Int32Array, Uint8Array][dtype]!;
  const room = new Type(length + 2 * MARGIN).fill(MARK);
  const array = room.subarray(MARGIN, MARGIN + length);
  for (let k = 0; k < length; k++) array[k] = (k * 7) % 13;
  return array;
}

function isUntouchedAround(array: ExternalArray): boolean {
  const Type = array.constructor as typeof Float32Array;
  const before = new Type(array.buffer as ArrayBuffer, 0, MARGIN);
  const after = new Type(array.buffer as ArrayBuffer, array.byteOffset + array.byteLength, MARGIN);
  return before.every((v) => v === MARK) && after.every((v) => v === MARK);
}

export function isNamed(error: DoorError): void {
  assert.ok(error.code === 'TENON_BAD_PLAN', `${error.code} ${error.message}`);
  assert.ok(error.argument !== '', error.message);
}

/** Runs a valid plan if it is small; tells whether it did. */
export function runIt(plan: PreparedPlan, bytes: Uint8Array): boolean {
  const externals = externalsFor(bytes, 2);
  if (!externals || plan.scratchBytes > 64 * WORTH_RUNNING) return false;
  try {
    plan.runSync(null, externals, { steps: 2, threads: 2 });
  } catch (error) {
    const { code } = error as DoorError;
    assert.ok(['TENON_BAD_INDEX', 'TENON_BAD_ARGUMENT', 'TENON_NO_MEMORY'].includes(code), (error as Error).message);
  }
  assert.ok(externals.every(isUntouchedAround), 'a kernel wrote outside of its output');
  return true;
}

/** Prepares each of the plans and runs the valid ones. TENON_FUZZ_LOG names a file that holds the last one: for crashes. */
export function attack(plans: readonly (() => Uint8Array)[]): { readonly ran: number; readonly refused: number } {
  const log = process.env['TENON_FUZZ_LOG'];
  let ran = 0,
    refused = 0;
  for (const make of plans) {
    const bytes = make();
    if (log) writeFileSync(log, bytes);
    const start = performance.now();
    const plan = prepared(bytes);
    if (!plan) refused++;
    else if (runIt(plan, bytes)) ran++;
    plan?.close();
    const took = performance.now() - start;
    assert.ok(took < SLOWEST_MS, `one took ${took} ms: ${Buffer.from(bytes).toString('base64')}`);
  }
  return { ran, refused };
}

function prepared(bytes: Uint8Array): PreparedPlan | null {
  try {
    return prepare(bytes);
  } catch (error) {
    isNamed(error as DoorError);
    return null;
  }
}
