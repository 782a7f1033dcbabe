import { evolution } from './evolution.ts';
import { exhaustive } from './exhaustive.ts';
import { mcts } from './mcts.ts';
import { random } from './random.ts';
import type { SearcherDef } from './searcher.ts';

/** Every searcher by name; the language, the commands and the docs read this table. */
export const SEARCHERS: ReadonlyMap<string, SearcherDef> = new Map(
  [random, exhaustive, evolution, mcts].map((s) => [s.name, s]),
);
