import { Random } from './base/philox.ts';
import { Unfit } from './base/unfit.ts';
import { compileText, describeMember } from './compile.ts';
import type { Member } from './compile.ts';
import { Net } from './net.ts';
import type { BuildOptions } from './net.ts';
import { count } from './space/count.ts';
import { Undecided } from './space/member.ts';
import { ranges } from './space/ranges.ts';
import { sample } from './space/sample.ts';
import type { SampleMeasure } from './space/sample.ts';
import type { Assignment } from './space/assignment.ts';
import type { Program, Space } from './space/space.ts';
import { rank, unrank } from './space/unrank.ts';

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
  /** A network with the starting weights of the seed; `close` it in the end. */
  build(options?: BuildOptions): Promise<Net>;
}

const MEASURES: readonly SampleMeasure[] = ['choice', 'uniform', 'balanced'];

function memberOf(space: Space, assignment: Assignment): Member {
  try {
    return describeMember(space, assignment);
  } catch (e) {
    if (!(e instanceof Unfit || e instanceof Undecided)) throw e;
    throw new RangeError(`the assignment is no member of space ${space.name}: ${e.message}`, { cause: e });
  }
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

  /**
   * A random member: `choice` (unless said) makes each decision alike, by its priors, `uniform` each member alike, `balanced` each size. Equal seeds, whole
   * numbers from 0 (unless said), give equal members.
   */
  sample(options: { readonly seed?: number; readonly measure?: SampleMeasure } = {}): Architecture {
    const { seed = 0, measure = 'choice' } = options;
    if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: expected a whole number, found ${seed}`);
    if (!MEASURES.includes(measure))
      throw new RangeError(`measure: expected ${MEASURES.join(', ')}, found ${String(measure)}`);
    return this.architecture(sample(this.space, { random: new Random('sample', seed, 0), measure }));
  }

  /** The member of a rank, 0n <= i < count(). Throws a RangeError outside. */
  unrank(i: bigint): Architecture {
    if (typeof i !== 'bigint') throw new TypeError(`a rank is a bigint such as 7n, found ${String(i)}`);
    return this.architecture(unrank(this.space, i));
  }

  /** The member that an assignment describes: what `assignment` of another one of this space holds. Throws a RangeError where there is none. */
  architecture(assignment: Assignment): Architecture {
    const { space } = this;
    const { program, measures } = memberOf(space, assignment);
    return {
      program,
      assignment,
      ...measures,
      get rank() {
        return rank(space, assignment);
      },
      build: (options = {}) => Promise.resolve().then(() => new Net(space, assignment, options)),
    };
  }
}

/**
 * Text -> space: the last of the text, or the one named. `file` stands in messages, and files that the program names are looked up beside it. Throws
 * SpaceError with `.diagnostics`, or a RangeError where there is no such space.
 */
export function compile(
  source: string,
  options: { readonly file?: string; readonly space?: string } = {},
): CompiledSpace {
  if (typeof source !== 'string') throw new TypeError(`compile takes the text of a program, found ${typeof source}`);
  const { program, space } = compileText(source, options.file ?? 'source', options.space ?? null);
  return new CompiledSpace(program, space);
}
