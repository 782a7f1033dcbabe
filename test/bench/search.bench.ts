// Searchers on a table of trained architectures: mean regret after 32 .. 256 evaluations, beside the closed form of random search without replacement.
// node --import tsx test/bench/search.bench.ts [--table FILE.csv] [--seeds N] [--searchers a,b]
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SEARCHERS } from '../../src/search/index.ts';
import { digitSpace, regrets } from '../search/table.ts';
import type { Table } from '../search/table.ts';

const root = join(import.meta.dirname, '..', '..');
const { values: given } = parseArgs({
  options: {
    table: { type: 'string', default: join(root, '..', 'shared', 'data', 'nas-bench-macro.csv') },
    seeds: { type: 'string', default: '20' },
    searchers: { type: 'string', default: 'random,evolution,mcts' },
    args: { type: 'string', default: '{}' },
  },
});
const AT = [32, 64, 128, 256] as const;

/** `arch` has a digit a position; the value is the mean of the columns `acc…`. */
function readTable(file: string): Table {
  const [header, ...rows] = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((l) => l.split(','));
  const columns = header!.flatMap((name, i) => (name.startsWith('acc') ? [i] : []));
  const value = new Map(rows.map((r) => [r[0]!, columns.reduce((n, c) => n + Number(r[c]), 0) / columns.length]));
  return {
    positions: rows[0]![0]!.length,
    digits: 1 + Math.max(...rows.flatMap((r) => [...r[0]!].map(Number))),
    value,
  };
}

// E[best of n drawn without replacement] over sorted values: the i-th best is the best with probability C(N-1-i, n-1) / C(N, n).
function randomRegret(table: Table, n: number): number {
  const sorted = [...table.value.values()].sort((a, b) => b - a);
  let chance = n / sorted.length;
  let regret = 0;
  for (let i = 0; i < sorted.length - n + 1; i++) {
    regret += chance * (sorted[0]! - sorted[i]!);
    chance *= (sorted.length - i - n) / (sorted.length - 1 - i);
  }
  return regret;
}

const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;

if (!existsSync(given.table)) console.log(`skipped: there is no table ${given.table}`);
else {
  const table = readTable(given.table);
  const space = digitSpace(table);
  console.log(
    `${given.table}: ${table.value.size} members, ${given.seeds} seeds; mean regret after ${AT.join(', ')} (share that found the optimum)`,
  );
  console.log(`random (exact)  ${AT.map((n) => randomRegret(table, n).toFixed(3)).join('         ')}`);
  for (const name of given.searchers.split(',')) {
    const def = SEARCHERS.get(name)!;
    const started = performance.now();
    const runs = Array.from({ length: Number(given.seeds) }, (_, seed) =>
      regrets(space, table, def, { seed, at: AT, args: JSON.parse(given.args) as Record<string, number> }),
    );
    const ms = (performance.now() - started) / runs.length / AT.at(-1)!;
    const cells = AT.map((_, i) => {
      const at = runs.map((r) => r[i]!);
      return `${mean(at).toFixed(3)} (${(at.filter((v) => v === 0).length / at.length).toFixed(2)})`;
    });
    console.log(`${name.padEnd(14)}  ${cells.join('  ')}   ${ms.toFixed(2)} ms an ask`);
  }
}
