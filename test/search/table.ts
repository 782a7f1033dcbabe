import { compileText } from '../../src/compile.ts';
import { History } from '../../src/search/history.ts';
import { makeSearch } from '../../src/search/search.ts';
import type { SearcherArgs, SearcherDef } from '../../src/search/searcher.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';

/** A space of `positions` choices of `digits` alternatives each, and the value of every member, by its digits. */
export interface Table {
  readonly positions: number;
  readonly digits: number;
  readonly value: ReadonlyMap<string, number>;
}

const ALTERNATIVES = ['id', 'relu', 'tanh', 'gelu', 'silu', 'sigmoid'] as const;

export function digitSpace(table: Pick<Table, 'positions' | 'digits'>): Space {
  const choice = `(${ALTERNATIVES.slice(0, table.digits).join(' | ')})`;
  const chain = Array.from({ length: table.positions }, () => choice).join(' -> ');
  return compileText(`space Table {\n  input x: f32[B, 4]\n  output y = x -> ${chain}\n}`, 'table.space').space;
}

/** The digits of a member, in the order of positions. */
export const digitsOf = (a: Assignment): string =>
  Object.keys(a)
    .filter((path) => path.startsWith('choice'))
    .sort((p, q) => Number(/\d+/.exec(p)) - Number(/\d+/.exec(q)))
    .map((path) => ALTERNATIVES.indexOf(a[path] as (typeof ALTERNATIVES)[number]))
    .join('');

export interface RunOn {
  readonly seed: number;
  /** Numbers of evaluations, rising. */
  readonly at: readonly number[];
  readonly args?: SearcherArgs;
}

/** Regret (best of the table less best found) of one run after each number of evaluations. */
export function regrets(space: Space, table: Table, def: SearcherDef, run: RunOn): readonly number[] {
  const history = new History([{ direction: 'maximize', name: 'value' }]);
  const search = makeSearch(space, def, { seed: run.seed, args: run.args ?? {}, history });
  const optimum = Math.max(...table.value.values());
  let best = -Infinity;
  const out: number[] = [];
  for (let trial = 0; trial < run.at.at(-1)!; trial++) {
    const asked = search.ask();
    if (asked) {
      history.asked(trial, asked);
      const value = table.value.get(digitsOf(asked))!;
      history.told(trial, 'complete', { value });
      best = Math.max(best, value);
    }
    if (run.at.includes(trial + 1)) out.push(optimum - best);
  }
  return out;
}
