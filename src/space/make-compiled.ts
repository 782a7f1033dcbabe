import { makeCircuit } from './circuit.ts';
import type { Circuit, Node, NodeMaker } from './circuit.ts';
import { valueContext } from './evaluator.ts';
import type { Cause, Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame } from './frame.ts';
import type { Frame } from './frame.ts';
import { BUDGET, TooMany } from './limits.ts';
import { makeEvaluator } from './make-evaluator.ts';
import type { WholeEvaluator } from './make-evaluator.ts';
import { cutBoxes } from './boxes.ts';
import { optimizerSlots, trackedMeasures, tracksDepth } from './requirement.ts';
import { decidedOnce } from './references.ts';
import type { Bound } from './references.ts';
import { fixedBy, restrict } from './restriction.ts';
import { requireValues, rootBindings } from './root.ts';
import { infoOf, makeEnv } from './scope.ts';
import type { Cell } from './scope.ts';
import type { Measure } from './require-expr.ts';
import type { Space } from './space.ts';
import { depthOf, verdict } from './verdict.ts';
import { bind } from './table.ts';
import type { Budget, Entry, Table } from './table.ts';
import { trainTable } from './train-table.ts';
import type { Apart } from './widths.ts';

export interface CompileOptions {
  /** `architecture`: what counts. `train`: the settings of training alone. `all`: both. */
  readonly part: 'architecture' | 'train' | 'all';
  readonly requirements: boolean;
  /** Tell members of different depth apart; `min` and `max` keep some of the least and of the greatest depth, and not all others. */
  readonly depth: boolean | 'min' | 'max';
  readonly keepsBroken: boolean;
  /**
   * `normal`: exact, or past the budget with costs in buckets. `costed`: in buckets, with all costs. `full`: exact with a larger budget. `light`: a small circuit, in wide buckets
   * where it must be. `count`: exact, but for counting alone.
   */
  readonly effort: 'normal' | 'costed' | 'full' | 'light' | 'count';
}

export const ARCHITECTURE: CompileOptions = {
  part: 'architecture',
  requirements: true,
  depth: false,
  keepsBroken: false,
  effort: 'normal',
};
export const ALL: CompileOptions = { ...ARCHITECTURE, part: 'all' };
export const TRAIN: CompileOptions = { ...ARCHITECTURE, part: 'train' };

/** One way for the whole space to come out. */
export interface Outcome {
  readonly node: Node;
  readonly depth: number;
  /** Number of the cause why these do not fit; null: they do. */
  readonly cause: number | null;
}

/** A space as a circuit of its members. */
export interface Compiled {
  readonly circuit: Circuit;
  /** How many members surely fit; all of the circuit's where `exact`, else the circuit has some more that may fail a requirement. */
  readonly sure: bigint;
  readonly exact: boolean;
  readonly outcomes: readonly Outcome[];
  readonly causes: readonly Cause[];
  /** What requirements say at most of measures. */
  readonly limits: ReadonlyMap<Measure, number>;
  /** Whether the circuit knows all costs. */
  readonly costed: boolean;
}

/** How finely one compilation tells members apart, and how much it may take. */
export interface Attempt {
  /** Buckets of each measure up to its bound; 0: exact. */
  readonly buckets: number;
  /** Pieces of values that are told apart only by piece. */
  readonly pieces: number;
  readonly budget: Budget;
  /** Whether all costs are kept. Networks that are decided once are told apart by their costs: by fewer, where only those that requirements name are kept. */
  readonly costed: boolean;
  /** For draws that are refused by exact costs: costs between bounds suffice, the closer the better. */
  readonly bounded?: true;
}

export const EXACT = { buckets: 0, pieces: 1 };

export const totalOf = (circuit: Circuit): bigint => (circuit.root ? circuit.counts[circuit.root.id]! : 0n);

/** One compilation, not remembered. Throws Beyond past its budget. */
export function makeCompiled(space: Space, options: CompileOptions, attempt: Attempt, apart: Apart = null): Compiled {
  const requirements = options.requirements && options.part !== 'train' ? space.requirements : [];
  const memory = { slots: optimizerSlots(space.train.optimizer), batch: 1 };
  const bindings = rootBindings(space);
  const texts = space.outputs.map((o) => o.expr);
  const once = decidedOnce(bindings, texts);
  const ev = makeEvaluator({
    tracked: trackedMeasures(requirements, attempt.buckets),
    tracksDepth: options.depth !== false || tracksDepth(requirements),
    depthEnd: typeof options.depth === 'string' && !tracksDepth(requirements) ? options.depth : null,
    keepsBroken: options.keepsBroken,
    budget: attempt.budget,
    apart,
    bounded: attempt.bounded ?? false,
    costed: attempt.costed,
    keepsShapes: once.shared,
    keepsDecisions: options.effort !== 'count',
    memory,
  });
  const outer: Context = { env: makeEnv(null), known: ev.tables.reads.none, mode: 'plain', lanes: 1, vias: [0] };
  const inputs = new Map<Bound, Cell>(
    space.inputs.map((i) => [
      i,
      { kind: 'tensor', flows: [ev.flows.tensor({ dtype: i.dtype, shape: [1, ...i.shape] }, 0)] },
    ]),
  );
  const frame = openFrame(ev, outer, bindings, texts, inputs);
  const ctx: Context = { ...outer, env: frame.env };
  memory.batch = batchIn(ev, space, ctx);
  const kept = keptSlots(space, requirements.length > 0, ctx);
  const whole = cutBoxes(ev, requirements, frame, rootTable(ev, space, options, ctx));
  const table = closeFrame(ev, frame, whole, kept);
  return { ...settle(ev, space, requirements.length > 0, frame, table), costed: attempt.costed };
}

const batches = new WeakMap<Space, number>();

/** The largest batch that `train` allows. */
export function largestBatch(space: Space): number {
  let batch = batches.get(space);
  if (batch === undefined) {
    const e = space.train.batch;
    batch = e.kind === 'const' ? Number(e.value) || 1 : measuredBatch(space);
    batches.set(space, batch);
  }
  return batch;
}

function measuredBatch(space: Space): number {
  const ev = makeEvaluator({
    tracked: [],
    tracksDepth: false,
    depthEnd: null,
    keepsBroken: false,
    budget: { left: BUDGET.products },
    apart: null,
    bounded: false,
    costed: false,
    keepsShapes: false,
    keepsDecisions: true,
    memory: { slots: 0, batch: 1 },
  });
  const outer: Context = { env: makeEnv(null), known: ev.tables.reads.none, mode: 'plain', lanes: 1, vias: [0] };
  const frame = openFrame(
    ev,
    outer,
    rootBindings(space).filter((b) => b.kind === 'valueLet'),
    [],
  );
  return batchIn(ev, space, { ...outer, env: frame.env });
}

function batchIn(ev: Evaluator, space: Space, ctx: Context): number {
  const own = openFrame(ev, ctx, space.train.bindings, []);
  const table = ev.value(space.train.batch, valueContext({ ...ctx, env: own.env }));
  return Math.max(1, ...table.map((e) => Number(ev.data.get(e.out[0]!)) || 1));
}

function keptSlots(space: Space, judged: boolean, ctx: Context): ReadonlySet<number> {
  if (!judged) return new Set();
  return new Set(
    space.requirements.flatMap((r) => requireValues(r.expr)).flatMap((e) => [...infoOf(e, ctx.env).slots]),
  );
}

function rootTable(ev: Evaluator, space: Space, options: CompileOptions, ctx: Context): Table {
  const { tables } = ev;
  let table: Table = [
    { out: [ev.flows.list([])], uses: [], reads: tables.reads.none, cost: tables.free, node: tables.nodes.unit },
  ];
  const after = (entry: Entry): Context => ({ ...ctx, known: entry.reads });
  if (options.part !== 'train') {
    for (const output of space.outputs) {
      table = bind(tables, table, (entry) =>
        ev
          .tensor(output.expr, after(entry))
          .map((found) => ({ ...found, out: [ev.flows.list([entry.out[0]!, found.out[0]!])] })),
      );
    }
  }
  if (options.part !== 'architecture') {
    table = bind(tables, table, (entry) =>
      trainTable(ev, space.train, after(entry)).map((found) => ({ ...found, out: entry.out })),
    );
  }
  return table;
}

function settle(
  ev: WholeEvaluator,
  space: Space,
  judged: boolean,
  frame: Frame,
  table: Table,
): Omit<Compiled, 'costed'> {
  const groups = new Map<string, { depth: number; cause: number | null; nodes: Node[] }>();
  const sure: Node[] = [];
  let exact = true;
  for (const entry of table) {
    const cause = ev.flows.brokenIn(entry.out[0]!);
    const v = judged && cause === null ? verdict(ev, space.requirements, frame, entry) : 'yes';
    if (v === 'no') continue;
    if (v === 'open') exact = false;
    else sure.push(entry.node);
    const depth = depthOf(ev, entry.out[0]!);
    const key = `${depth},${cause}`;
    const group = groups.get(key);
    if (group) group.nodes.push(entry.node);
    else groups.set(key, { depth, cause, nodes: [entry.node] });
  }
  const { nodes } = ev.tables;
  const fixed = space.fixed.length > 0 ? fixedBy(space.fixed) : null;
  const narrowed = (node: Node): Node | null => (fixed ? restrict(node, fixed, nodes) : node);
  const outcomes: Outcome[] = [];
  for (const g of [...groups.values()].sort((a, b) => a.depth - b.depth || Number(a.cause) - Number(b.cause))) {
    const node = narrowed(nodes.or(g.nodes));
    if (node) outcomes.push({ node, depth: g.depth, cause: g.cause });
  }
  const fit = outcomes.filter((o) => o.cause === null).map((o) => o.node);
  const circuit = countable(whole(nodes, fit), exact);
  return {
    circuit,
    sure: exact ? totalOf(circuit) : totalOf(makeCircuit(whole(nodes, sure.map(narrowed)))),
    exact,
    outcomes,
    causes: ev.causes,
    limits: new Map(ev.tables.tracked.map((m) => [m.measure, m.most])),
  };
}

function countable(root: Node | null, exact: boolean): Circuit {
  try {
    return makeCircuit(root);
  } catch (e) {
    throw e instanceof TooMany ? new TooMany(exact) : e;
  }
}

function whole(maker: NodeMaker, nodes: readonly (Node | null)[]): Node | null {
  const items = nodes.filter((n): n is Node => n !== null);
  return items.length === 0 ? null : maker.or(items);
}
