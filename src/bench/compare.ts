import type { Case, CaseLine } from './case.ts';
import { casesOf } from './kinds.ts';
import { gflops, measure } from './measure.ts';
import type { Peer } from './peer.ts';
import type { Roofline } from './roofline.ts';

/** One measured cell. */
export interface BenchRow {
  readonly case: string;
  readonly peer: string;
  readonly threads: number;
  /** Median over the rounds of each round's median; null where it failed. */
  readonly ms: number | null;
  readonly gflops: number | null;
  /** How many times as long as ours it took; null for ours. */
  readonly ratio: number | null;
  /** Of ours: the time that the roofline allows over the time taken. */
  readonly ofRoof: number | null;
  readonly error?: string;
}

export interface CompareOptions {
  readonly threads: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly peers: readonly Peer[];
  readonly roof: Roofline;
}

const middle = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]!;

/** The least time that arithmetic and memory allow, in ms: FLOPs over the peaks, declared bytes over the bandwidth. */
function floorOf(c: Case, roof: Roofline): number {
  const { f32, bf16 } = c.least ?? { f32: c.flop, bf16: 0 };
  return Math.max(f32 / roof.gflops + bf16 / roof.bf16Gflops, (c.bytes ?? 0) / roof.gbs) / 1e6;
}

/** Times a line's cases here and at the peers, in turn, round by round. */
export const compare = (line: CaseLine, options: CompareOptions): Promise<readonly BenchRow[]> =>
  compareCases(line, casesOf(line, options.threads), options);

/** The same of cases that are there already. */
export async function compareCases(
  line: CaseLine,
  cases: readonly Case[],
  { threads, seconds, rounds, peers, roof }: CompareOptions,
): Promise<readonly BenchRow[]> {
  const times = new Map<string, number[]>();
  const errors = new Map<string, string>();
  const note = (key: string, ms: number): void => void times.set(key, [...(times.get(key) ?? []), ms]);
  const key = (peer: string, name: string): string => `${peer}\n${name}`;
  for (let round = 0; round < rounds && cases.length > 0; round++) {
    for (const c of cases) {
      const found = await measure(c, seconds);
      if ('error' in found) errors.set(key('ours', c.name), found.error);
      else note(key('ours', c.name), found.median);
    }
    for (const peer of peers) {
      for (const t of await peer.measure(line, seconds)) note(key(peer.name, t.case), t.ms);
    }
  }
  return cases.flatMap((c) =>
    ['ours', ...peers.map((p) => p.name)].flatMap((peer): BenchRow[] => {
      const [found, ours] = [times.get(key(peer, c.name)), times.get(key('ours', c.name))];
      const error = errors.get(key(peer, c.name));
      const head = { case: c.name, peer, threads };
      if (error !== undefined) return [{ ...head, ms: null, gflops: null, ratio: null, ofRoof: null, error }];
      if (!found) return [];
      const ms = middle(found);
      const ratio = peer === 'ours' || !ours ? null : ms / middle(ours);
      const roofShare = floorOf(c, roof) / ms;
      return [{ ...head, ms, gflops: gflops(c, ms), ratio, ofRoof: peer === 'ours' ? roofShare : null }];
    }),
  );
}
