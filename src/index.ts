import { Random } from './base/philox.ts';
import { compileText, describeMember } from './compile.ts';
import { csv } from './data/csv.ts';
import { idx, mnist } from './data/image-files.ts';
import { Net } from './net.ts';
import type { BuildOptions } from './net.ts';
import { History } from './search/history.ts';
import type { Objective } from './search/history.ts';
import { SEARCHERS } from './search/index.ts';
import { makeSearch } from './search/search.ts';
import { count } from './space/count.ts';
import { ranges } from './space/ranges.ts';
import { sample } from './space/sample.ts';
import type { SampleMeasure } from './space/sample.ts';
import type { Assignment, Program, Space } from './space/space.ts';
import { rank, unrank } from './space/unrank.ts';

export type { Diagnostic } from './base/diagnostic.ts';
export type { Dataset } from './data/dataset.ts';
export type { BuildOptions, FitEvent, FitOptions } from './net.ts';
export type { Objective } from './search/history.ts';
export type { Assignment } from './space/space.ts';
export { SpaceError } from './compile.ts';
export { DataError } from './data/error.ts';
export { Net } from './net.ts';

/** Data sets: `data.mnist()`, `data.idx(images, labels)`, `data.csv(file, { label, task })`. */
export const data = { mnist, idx, csv } as const;

/** One member of a space. Measures are exact: of one example, forward, multiply and add counted apart. */
export interface Architecture {
  /** A program of the language with exactly this member. */
  readonly program: string;
  readonly assignment: Assignment;
  readonly params: number;
  readonly flops: number;
  readonly macs: number;
  readonly memory: number;
  readonly depth: number;
  /** Its place among the members, from 0. */
  readonly rank: bigint;
  build(options?: BuildOptions): Promise<Net>;
}

/** A checked space: what is known of it before anything runs. */
export class CompiledSpace {
  readonly name: string;
  readonly space: Space;
  readonly program: Program;

  constructor(program: Program, space: Space) {
    this.program = program;
    this.space = space;
    this.name = space.name;
  }

  /** The exact number of architectures. Throws a RangeError where the space is too entangled to count: see `bounds`. */
  count(): bigint {
    const { exact, low, high } = count(this.space);
    if (exact === null)
      throw new RangeError(`space ${this.name} has between ${low} and ${high} members; it cannot be counted exactly`);
    return exact;
  }

  /** Sound bounds of the count; equal where it is exact. */
  bounds(): { readonly low: bigint; readonly high: bigint } {
    const { low, high } = count(this.space);
    return { low, high };
  }

  /** Ranges of params, macs, flops, memory and depth over all members. */
  ranges(): ReturnType<typeof ranges> {
    return ranges(this.space);
  }

  sample(options: { readonly seed?: number; readonly measure?: SampleMeasure } = {}): Architecture {
    const random = new Random('sample', options.seed ?? 0, 0);
    return this.architecture(sample(this.space, { random, measure: options.measure ?? 'choice' }));
  }

  /** The member of a rank, 0 <= i < count(). */
  unrank(i: bigint): Architecture {
    return this.architecture(unrank(this.space, i));
  }

  architecture(assignment: Assignment): Architecture {
    const { space } = this;
    const { program, measures } = describeMember(space, assignment);
    return {
      program,
      assignment,
      ...measures,
      get rank() {
        return rank(space, assignment);
      },
      build: (options = {}) => Promise.resolve(new Net(space, assignment, options)),
    };
  }
}

/** Text -> space: the last of the text, or the one named. Throws SpaceError with `.diagnostics`. */
export function compile(
  source: string,
  options: { readonly file?: string; readonly space?: string } = {},
): CompiledSpace {
  const { program, space } = compileText(source, options.file ?? 'source', options.space ?? null);
  return new CompiledSpace(program, space);
}

export interface SearchOptions {
  readonly trials?: number;
  readonly seed?: number;
  readonly searcher?: string;
  readonly args?: Readonly<Record<string, number | string | boolean>>;
  readonly objectives?: readonly Objective[];
}

/** What an evaluator may spend on a trial. */
export interface Budget {
  readonly trial: number;
  readonly seed: number;
}

export interface SearchTrial {
  readonly trial: number;
  readonly architecture: Architecture;
  readonly state: 'complete' | 'failed';
  readonly metrics: Readonly<Record<string, number>> | null;
  readonly error: Error | null;
  /** The best so far, this trial included. */
  readonly best: number | null;
}

const DEFAULT_TRIALS = 20;

/** Searches with any evaluator of one's own; what it throws fails the trial, not the search. Settings come from the program's `search` unless given. */
export async function* search(
  space: CompiledSpace,
  evaluate: (architecture: Architecture, budget: Budget) => Promise<Readonly<Record<string, number>>>,
  options: SearchOptions = {},
): AsyncGenerator<SearchTrial> {
  const settings = space.program.search;
  const name = options.searcher ?? settings.searcher.name;
  const searcher = SEARCHERS.get(name);
  if (!searcher) throw new RangeError(`there is no searcher ${name}; there are ${[...SEARCHERS.keys()].join(', ')}`);
  const history = new History(options.objectives ?? settings.objectives);
  const seed = options.seed ?? settings.seed;
  const { ask } = makeSearch(space.space, searcher, { seed, args: options.args ?? {}, history });
  const trials = options.trials ?? settings.trials ?? DEFAULT_TRIALS;
  for (let trial = 0; trial < trials; trial++) {
    const assignment = ask();
    if (assignment === null) return;
    history.asked(trial, assignment);
    const architecture = space.architecture(assignment);
    let metrics: Readonly<Record<string, number>> | null = null;
    let error: Error | null = null;
    try {
      metrics = await evaluate(architecture, { trial, seed: seed + trial });
    } catch (e) {
      error = e instanceof Error ? e : new Error(String(e));
    }
    const { params, flops, macs, memory, depth } = architecture;
    history.told(trial, metrics ? 'complete' : 'failed', metrics && { params, flops, macs, memory, depth, ...metrics });
    yield {
      trial,
      architecture,
      state: metrics ? 'complete' : 'failed',
      metrics,
      error,
      best: history.best()?.trial ?? null,
    };
  }
}
