import type { ProfileRow } from '../train/profile.ts';
import { short, table } from './format.ts';

const rate = (work: number, ms: number): string => (work === 0 || ms === 0 ? '-' : (work / ms / 1e6).toFixed(1));

/** Where the time of a training step goes: an op a row, the slowest first. */
export function profileTable(rows: readonly ProfileRow[]): readonly string[] {
  const total = rows.reduce((sum, r) => sum + r.ms, 0);
  const cells = (name: string, r: Omit<ProfileRow, 'op' | 'layer'>): string[] => [
    name,
    String(r.uses),
    r.ms.toFixed(4),
    `${total > 0 ? ((100 * r.ms) / total).toFixed(1) : '0.0'}%`,
    rate(r.flops, r.ms),
    short(r.bytes),
    rate(r.bytes, r.ms),
  ];
  const sum = (of: (r: ProfileRow) => number): number => rows.reduce((s, r) => s + of(r), 0);
  const all = { uses: sum((r) => r.uses), ms: total, flops: sum((r) => r.flops), bytes: sum((r) => r.bytes) };
  return table(
    ['op', 'uses', 'ms a step', 'share', 'GFLOP/s', 'bytes', 'GB/s'],
    [...rows.map((r) => cells(r.op, r)), cells('a step', all)],
  );
}
