import type { ArgDef } from '../ir/layer.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import type { Random } from '../base/philox.ts';
import type { History } from './history.ts';

export type SearcherArgs = Readonly<Record<string, number | string | boolean>>;

/**
 * What a searcher decides from. It sees the space and finished trials, never tensors. `history` holds every trial that was asked, in the order of asking, and
 * the results told so far, out of order, failures included; so a searcher's state follows from the study, and a restart goes on with the same search.
 */
export interface SearchContext {
  readonly space: Space;
  readonly history: History;
  readonly args: SearcherArgs;
  /** Fresh for each proposal: a function of the search's seed and the proposal's number. */
  readonly random: Random;
}

/** One row of the table of searchers. */
export interface SearcherDef {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  /** Where the space or the history must be followed step by step, `create` makes a proposer with memory of its own. */
  readonly create: (space: Space, args: SearcherArgs) => Proposer;
}

/** Proposes one assignment; it may have been asked before, then the search asks again and at last takes any that was not. Null: nothing is left. */
export type Proposer = (context: SearchContext) => Assignment | null;

/** A searcher that cannot search this space. */
export class SearchError extends Error {
  override readonly name = 'SearchError';
}

export function number(args: SearcherArgs, name: string): number {
  const v = args[name];
  if (typeof v !== 'number') throw new Error(`bug: argument ${name} of a searcher is not a number`);
  return v;
}
