import { Random } from '../base/philox.ts';
import type { Circuit, Node } from './circuit.ts';
import { ARCHITECTURE, TRAIN, compileOrNull, totalOf } from './compile.ts';
import type { Compiled, CompileOptions, Outcome } from './compile.ts';
import { drawInterval } from './decisions.ts';
import { failing, walk } from './estimate.ts';
import { descend } from './fold.ts';
import { Beyond } from './limits.ts';
import { depthOf, measuring } from './measures.ts';
import { byAssignment } from './member.ts';
import { finishPath } from './naming.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Space } from './space.ts';
import { drawTilted } from './tilt.ts';
import { tiltOf } from './tilted.ts';
import { weighed } from './weigh.ts';
import type { Weighed } from './weigh.ts';

/** `choice`: each decision by its prior, given that the member fits; `uniform`: each architecture alike; `balanced`: each depth alike, then by prior. */
export type SampleMeasure = 'choice' | 'uniform' | 'balanced';

export interface SampleOptions {
  readonly seed?: number;
  /** Goes on where it is; else a fresh stream of the seed. */
  readonly random?: Random;
  readonly measure?: SampleMeasure;
}

const TRIES = 2000;
/** Before draws that look at costs, which must be prepared. */
const FIRST_TRIES = 200;
const TILTED = 20_000;
/** Where at least one of so many members surely fits, draws of all are few enough. */
const RARE = 50n;
/** After so many draws of one depth another is taken: of some no member may fit. */
const TRIES_OF_DEPTH = 50;
const WALKS = 500;

/** A member with its decisions of training. Throws Beyond where there is none, or none was found. */
export function sample(space: Space, options: SampleOptions = {}): Assignment {
  const random = options.random ?? new Random('sample', options.seed ?? 0);
  const measure = options.measure ?? 'choice';
  const architecture = sampleArchitecture(space, random, measure);
  return { ...architecture, ...sampleTrain(space, architecture, random) };
}

function sampleArchitecture(space: Space, random: Random, measure: SampleMeasure): Assignment {
  const compiled = compileOrNull(space, ARCHITECTURE);
  if (compiled && !compiled.circuit.root) throw new Beyond(`${space.name} has no members`);
  for (const way of waysFor(space, compiled, random, measure)) {
    const found = way();
    if (found) return found;
  }
  throw notFound(space, compiled ? TRIES : WALKS, measure);
}

/** Each gives a member, drawn by the measure from those that fit, or null. */
type DrawWay = () => Assignment | null;

function waysFor(space: Space, compiled: Compiled | null, random: Random, measure: SampleMeasure): readonly DrawWay[] {
  const plain =
    (tries: number): DrawWay =>
    () =>
      compiled && drawUntilFit(space, compiled, random, measure, tries);
  const byDepth: DrawWay = () => compiled && balanced(space, random);
  const byCost: DrawWay = () => tilted(space, random, measure);
  const walking: DrawWay = () => walkUntilFit(space, random, measure);
  if (measure === 'balanced') return compiled ? [byDepth, plain(TRIES)] : [walking];
  if (!compiled) return [byCost, walking];
  if (compiled.exact) return [plain(TRIES)];
  const isRare = compiled.sure * RARE < totalOf(compiled.circuit);
  return measure === 'uniform' && isRare ? [byCost, plain(TRIES)] : [plain(FIRST_TRIES), byCost, plain(TRIES)];
}

function drawUntilFit(
  space: Space,
  { circuit, exact }: Compiled,
  random: Random,
  measure: SampleMeasure,
  tries: number,
): Assignment | null {
  for (let i = 0; i < tries; i++) {
    const found = drawFrom(circuit, circuit.root!, {}, random, measure);
    if (found && (exact || meets(space, found))) return found;
  }
  return null;
}

// By costs: what fits is rare. Null where there is no such way, or it finds nothing.
function tilted(space: Space, random: Random, measure: SampleMeasure): Assignment | null {
  const tilt = tiltOf(space, measure !== 'uniform');
  for (let i = 0; tilt && i < TILTED; i++) {
    const found = drawTilted(tilt, random);
    if (found && meets(space, found)) return found;
  }
  return null;
}

function walkUntilFit(space: Space, random: Random, measure: SampleMeasure): Assignment | null {
  for (let i = 0; i < WALKS; i++) {
    const w = walk(space, random, { measure: measure === 'uniform' ? 'uniform' : 'choice' });
    if (w.fits) return w.assignment;
  }
  return null;
}

function notFound(space: Space, tries: number, measure: SampleMeasure): Beyond {
  const other = measure !== 'choice' ? "the measure 'choice', which decides by the prior," : 'looser requirements';
  return new Beyond(
    `in ${tries} tries no member of ${space.name} met its requirements: the space is too large to draw from those alone that do; ` +
      `${other} or fewer alternatives (\`pow2\` or a larger \`step\` in ranges, fewer copies) may help`,
  );
}

const BY_DEPTH: CompileOptions = { ...ARCHITECTURE, depth: true };

// Of one depth of those that occur, by the prior; null where tables do not tell depths apart.
function balanced(space: Space, random: Random): Assignment | null {
  const compiled = compileOrNull(space, BY_DEPTH);
  const left = [...(compiled?.outcomes ?? [])];
  while (compiled && left.length > 0) {
    const [{ node }] = left.splice(random.below(left.length), 1) as [Outcome];
    for (let i = 0; i < TRIES_OF_DEPTH; i++) {
      const found = drawFrom(compiled.circuit, node, {}, random, 'choice');
      if (found && (compiled.exact || meets(space, found))) return found;
    }
  }
  return null;
}

/** Whether a member meets the requirements; for circuits that have some more. */
export function meets(space: Space, assignment: Assignment): boolean {
  if (space.requirements.length === 0) return true;
  const { member, sums } = measuring(space, byAssignment(assignment));
  const depth = Math.max(0, ...member.outputs().map((o) => depthOf(o.flow)));
  return failing(space.requirements, { ...sums(), depth }, byAssignment(assignment), space).length === 0;
}

/** Decisions of training, given those of the architecture: by their prior. */
function sampleTrain(space: Space, architecture: Assignment, random: Random): Assignment {
  const compiled = compileOrNull(space, TRAIN);
  if (!compiled) {
    const w = walk(space, random, { measure: 'choice', given: architecture, train: true });
    return w.assignment;
  }
  const { circuit } = compiled;
  return (circuit.root && drawFrom(circuit, circuit.root, architecture, random, 'choice')) ?? {};
}

/** A member below a node, given some decisions; null where there is none. Many draws may share what was weighed. */
export function drawFrom(
  circuit: Circuit,
  root: Node,
  given: Assignment,
  random: Random,
  measure: SampleMeasure,
  scale: Weighed = weighed(circuit, root, given),
): Assignment | null {
  if (scale.count(root, '') === 0n) return null;
  const out: Record<string, Decided> = {};
  descend<null>(root, null, {
    and: () => ({ left: null, right: null }),
    or: (node, path) => {
      const item =
        measure === 'uniform'
          ? byCount(node.items, path, scale.count, random)
          : byMass(node.items, path, scale.logMass, random);
      return { item, state: null };
    },
    leaf: (node, path) => {
      const name = finishPath(path + node.suffix);
      if (node.kind === 'lit') out[name] = node.value;
      else {
        const fixed = given[name];
        out[name] = typeof fixed === 'number' ? fixed : drawInterval(node.interval, random);
      }
    },
  });
  return out;
}

function byCount(items: readonly Node[], path: string, count: (n: Node, path: string) => bigint, random: Random): Node {
  const counts = items.map((i) => count(i, path));
  let at = random.belowBig(counts.reduce((a, b) => a + b, 0n));
  for (let i = 0; i < items.length; i++) {
    if (at < counts[i]!) return items[i]!;
    at -= counts[i]!;
  }
  throw new Error('bug: counts do not add up');
}

function byMass(
  items: readonly Node[],
  path: string,
  logMass: (n: Node, path: string) => number,
  random: Random,
): Node {
  const logs = items.map((i) => logMass(i, path));
  const top = Math.max(...logs);
  const masses = logs.map((l) => Math.exp(l - top));
  let at = random.uniform() * masses.reduce((a, b) => a + b, 0);
  for (let i = 0; i < items.length; i++) {
    at -= masses[i]!;
    if (at < 0 && masses[i]! > 0) return items[i]!;
  }
  return items[masses.findLastIndex((m) => m > 0)]!;
}
