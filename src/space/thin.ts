import type { Entry, Table } from './table.ts';
import type { Flows } from './types.ts';

/**
 * For the ends of the range of depth: of entries that differ in depth alone, those that no other one exceeds (or undercuts) in every tensor. Depth only
 * ever grows by what follows, the more the deeper the input, so the others cannot lead to an end.
 */
export function thinByDepth(flows: Flows, end: 'min' | 'max'): (table: Table) => Table {
  const reaches = (a: readonly number[], b: readonly number[]): boolean =>
    a.every((d, i) => (end === 'max' ? d >= b[i]! : d <= b[i]!));
  return (table) => {
    // Values are numbered below 0.
    if (table.length < 2 || table[0]!.out.some((id) => id < 0)) return table;
    const groups = new Map<string, { entry: Entry; depths: readonly number[] }[]>();
    for (const entry of table) {
      const key = `${entry.out.map(flows.flat).join()};${entry.uses.map((u) => u.id).join()};${entry.reads.id};${entry.cost.join()}`;
      const depths = entry.out.flatMap(flows.depths);
      const group = groups.get(key);
      if (!group) groups.set(key, [{ entry, depths }]);
      else if (!group.some((g) => reaches(g.depths, depths))) {
        groups.set(key, [...group.filter((g) => !reaches(depths, g.depths)), { entry, depths }]);
      }
    }
    return [...groups.values()].flatMap((g) => g.map((x) => x.entry));
  };
}
