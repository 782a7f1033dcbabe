import { didYouMean } from './base/nearest.ts';
import type { Architecture, CompiledSpace } from './compiled-space.ts';
import { History } from './search/history.ts';
import type { Objective } from './search/history.ts';
import { SEARCHERS } from './search/index.ts';
import { makeSearch } from './search/search.ts';
import type { SearcherArgs, SearcherDef } from './search/searcher.ts';
import type { SearchSettings } from './space/settings.ts';

/** What is not given is taken from the program's `search`. */
export interface SearchOptions {
  /** Evaluations: the program's budget, or 20. */
  readonly trials?: number;
  readonly seed?: number;
  /** `random`, `evolution`, `mcts`, …; its arguments are the program's where that names the same searcher. */
  readonly searcher?: string;
  readonly args?: Readonly<Record<string, number | string | boolean>>;
  readonly objectives?: readonly Objective[];
}

/** What an evaluator may spend on a trial. */
export interface Budget {
  /** From 0. */
  readonly trial: number;
  /** For what the evaluator draws. */
  readonly seed: number;
}

/** Figures by name: what the objectives name must be among them; params, flops, macs, memory and depth are known already. */
export type Metrics = Readonly<Record<string, number>>;
export type Evaluator = (architecture: Architecture, budget: Budget) => Metrics | Promise<Metrics>;

export interface SearchTrial {
  readonly trial: number;
  readonly architecture: Architecture;
  readonly state: 'complete' | 'failed';
  /** Of the evaluator; null where it failed. */
  readonly metrics: Metrics | null;
  readonly error: Error | null;
  /** The number of the best trial so far, this one included; null before one is complete. */
  readonly best: number | null;
}

const DEFAULT_TRIALS = 20;

/**
 * Searches with an evaluator of one's own, one trial at a time; an event after each. What it throws, or a missing figure, fails the trial and not the
 * search. Ends early where the space is spent. Throws a RangeError for settings that there are not.
 */
export async function* search(
  space: CompiledSpace,
  evaluate: Evaluator,
  options: SearchOptions = {},
): AsyncGenerator<SearchTrial> {
  const settings = space.program.search;
  const trials = wholeNumber('trials', options.trials ?? settings.trials ?? DEFAULT_TRIALS);
  const seed = wholeNumber('seed', options.seed ?? settings.seed);
  const objectives = objectivesOf(options, settings);
  const { searcher, args } = searcherOf(options, settings);
  const history = new History(objectives);
  const { ask } = makeSearch(space.space, searcher, { seed, args, history });
  for (let trial = 0; trial < trials; trial++) {
    const assignment = ask();
    if (assignment === null) return;
    history.asked(trial, assignment);
    const architecture = space.architecture(assignment);
    const { metrics, error } = await evaluated(evaluate, architecture, { trial, seed: seed + trial }, objectives);
    history.told(trial, metrics ? 'complete' : 'failed', metrics && { ...measuresOf(architecture), ...metrics });
    const state = metrics ? 'complete' : 'failed';
    yield { trial, architecture, state, metrics, error, best: history.best()?.trial ?? null };
  }
}

const measuresOf = ({ params, flops, macs, memory, depth }: Architecture): Metrics => ({
  params,
  flops,
  macs,
  memory,
  depth,
});

type Outcome = { readonly metrics: Metrics; readonly error: null } | { readonly metrics: null; readonly error: Error };

async function evaluated(
  evaluate: Evaluator,
  architecture: Architecture,
  budget: Budget,
  objectives: readonly Objective[],
): Promise<Outcome> {
  try {
    const metrics: unknown = await evaluate(architecture, budget);
    if (typeof metrics !== 'object' || metrics === null)
      throw new TypeError(
        `the evaluator gives an object of figures such as { accuracy: 0.9 }, found ${typeof metrics}`,
      );
    const all: Readonly<Record<string, unknown>> = { ...measuresOf(architecture), ...metrics };
    for (const { name } of objectives) {
      if (!Number.isFinite(all[name])) {
        const found = name in all ? `${name} is ${String(all[name])}` : `there are ${Object.keys(metrics).join(', ')}`;
        throw new TypeError(`the evaluator must give a finite number as ${name}, an objective of the search; ${found}`);
      }
    }
    return { metrics: metrics as Metrics, error: null };
  } catch (e) {
    return { metrics: null, error: e instanceof Error ? e : new Error(String(e)) };
  }
}

function wholeNumber(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name}: expected a whole number from 0, found ${value}`);
  return value;
}

function objectivesOf(options: SearchOptions, settings: SearchSettings): readonly Objective[] {
  const objectives = options.objectives ?? settings.objectives;
  if (objectives.length === 0) throw new RangeError('objectives: there must be at least one');
  return objectives;
}

const meant = (name: string, names: readonly string[]): string => {
  const hint = didYouMean(name, names);
  return hint && `; ${hint}`;
};

// The program's own arguments hold for its searcher only.
function searcherOf(
  options: SearchOptions,
  settings: SearchSettings,
): { readonly searcher: SearcherDef; readonly args: SearcherArgs } {
  const name = options.searcher ?? settings.searcher.name;
  const searcher = SEARCHERS.get(name);
  if (!searcher) {
    const names = [...SEARCHERS.keys()];
    throw new RangeError(`there is no searcher ${name}; there are ${names.join(', ')}${meant(name, names)}`);
  }
  const known = searcher.args.map((a) => a.name);
  const unknown = Object.keys(options.args ?? {}).find((a) => !known.includes(a));
  if (unknown !== undefined) {
    const there = known.length > 0 ? `there are ${known.join(', ')}` : 'there are none';
    throw new RangeError(`${name} has no argument ${unknown}; ${there}${meant(unknown, known)}`);
  }
  const { args } = settings.searcher;
  const written = name !== settings.searcher.name ? [] : args;
  const fromProgram = written.flatMap((a) => (a.value.kind === 'const' ? [[a.name, a.value.value] as const] : []));
  return { searcher, args: { ...Object.fromEntries(fromProgram), ...options.args } };
}
