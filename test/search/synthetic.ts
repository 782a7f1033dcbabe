import { Random } from '../../src/base/philox.ts';
import type { Table } from './table.ts';

/** A table of main effects plus effects of pairs, of known size: `pairs` is the weight of the latter. `trap`: a member that is good alone, among bad ones. */
export function synthetic(seed: number, size: { positions: number; digits: number }, pairs: number): Table {
  const { positions, digits } = size;
  const random = new Random('table', seed);
  const main = Array.from({ length: positions }, () => Array.from({ length: digits }, () => random.normal()));
  const both = Array.from({ length: positions }, () =>
    Array.from({ length: positions }, () => Array.from({ length: digits * digits }, () => random.normal())),
  );
  const value = new Map<string, number>();
  for (let i = 0; i < digits ** positions; i++) {
    const d = Array.from({ length: positions }, (_, p) => Math.floor(i / digits ** p) % digits);
    let v = 0;
    for (let p = 0; p < positions; p++) {
      v += main[p]![d[p]!]!;
      for (let q = 0; q < p; q++) v += (pairs * both[p]![q]![d[p]! * digits + d[q]!]!) / Math.sqrt(positions);
    }
    value.set(d.join(''), v);
  }
  return { positions, digits, value };
}
