import { byteSize, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Graph, Leaf, Node, Value } from '../ir/graph.ts';
import type { OpDef } from '../ir/op.ts';
import { leafValue, nodeValue, sameValue } from '../ir/value.ts';
import type { ValueMap } from '../ir/value.ts';
import { assignOffsets, buffersOf } from './buffers.ts';
import type { Buffer } from './buffers.ts';
import { encodePlan } from './bytes.ts';
import { ownerOf, placeRoots } from './destinations.ts';
import type { Work } from './destinations.ts';
import { opTable } from './op-table.ts';
import { orderNodes } from './order.ts';
import { overlap, sameBytes } from './plan.ts';
import type { Plan, PlanData, PlanExternal, PlanStep, PlanStored, PlanView } from './plan.ts';
import { joins } from './segments.ts';
import type { Meeting } from './segments.ts';

export interface PlanOptions {
  /** The op table, in the order of the ops' numbers. */
  readonly ops: readonly OpDef[];
}

/** Graph -> plan. Orders nodes, gives every value its memory, packs. Pure. Auxiliary losses do not count: add them to a root first. */
export function makePlan(graph: Graph, options: PlanOptions): Plan {
  const table = opTable(options.ops);
  for (const node of graph.nodes)
    if (!table.idOf.has(node.op)) throw new Error(`bug: the op table has no '${node.op.name}'`);
  const copy = options.ops.find((op) => op.name === 'affine');
  if (!copy) throw new Error("bug: the op table has no 'affine'");
  const work = placeRoots(graph, copy);
  const order = orderNodes(work);
  const buffers = buffersOf(work, order, segmentNumbers(work, order));
  const arenaBytes = assignOffsets([...new Set([...buffers.entries()].map(([, buffer]) => buffer))]);
  const data = { arenaBytes, ...lowerSteps(graph, work, order, buffers) };
  return { ...data, bytes: encodePlan(data, table) };
}

// Which segment each node would be in if no two values shared memory.
function segmentNumbers(work: Work, order: readonly Node[]): readonly number[] {
  const memoryOf = (value: Value): Value => {
    const owner = ownerOf(value);
    const destination = work.destinations.get(owner);
    return destination?.kind === 'store' ? leafValue(destination.leaf) : owner;
  };
  const operand = (value: Value): readonly [Value, TensorType] => [memoryOf(value), value.type];
  const candidates = order.map((node) => ({
    op: node.op,
    inputs: node.inputs.map((v) => v && operand(v)),
    outputs: node.types.map((_, index) => operand(nodeValue(node, index))),
  }));
  let segment = -1;
  return joins(candidates, (a, b) => (sameValue(a, b) ? 'same' : 'apart')).map((joined) => (segment += joined ? 0 : 1));
}

// The steps with their segments, as far as the memory that they share allows.
function withSegments(views: readonly PlanView[], steps: readonly Omit<PlanStep, 'joins'>[]): readonly PlanStep[] {
  const operand = (view: number): readonly [PlanView, TensorType] => [views[view]!, views[view]!.type];
  const candidates = steps.map(({ op, inputs, outputs }) => ({
    op,
    inputs: inputs.map((v) => (v === null ? null : operand(v))),
    outputs: outputs.map(operand),
  }));
  const meet = (a: PlanView, b: PlanView): Meeting => (sameBytes(a, b) ? 'same' : overlap(a, b) ? 'askew' : 'apart');
  const joined = joins(candidates, meet);
  return steps.map((step, i) => ({ ...step, joins: joined[i]! }));
}

type Lowered = Omit<PlanData, 'arenaBytes'>;

function lowerSteps(graph: Graph, work: Work, order: readonly Node[], buffers: ValueMap<Buffer>): Lowered {
  const externals = externalTable();
  const store = storeTable(work);
  const outputs = new Map<number, number>();
  graph.outputs.forEach((output, index) => {
    const { name, perStep, value } = output;
    outputs.set(index, externals.add({ name, type: value.type, perStep, written: true }));
  });

  const leafView = (leaf: Leaf, type: TensorType): PlanView => {
    if (leaf.kind !== 'input') return store.view(leaf, type);
    const { name, perStep } = leaf;
    const ref = externals.add({ name, type: leaf.type, perStep, written: false });
    return { place: 'external', ref, offset: 0, type, perStep, written: false };
  };
  const placeOf = (value: Value): PlanView => {
    const owner = ownerOf(value);
    const { type } = value;
    if (owner.source.kind !== 'node') return leafView(owner.source, type);
    const destination = work.destinations.get(owner);
    if (!destination) {
      const offset = byteSize(type) === 0 ? 0 : buffers.get(owner)!.offset;
      return { place: 'arena', ref: 0, offset, type, perStep: false, written: true };
    }
    if (destination.kind === 'store') return store.view(destination.leaf, type);
    const { perStep } = graph.outputs[destination.index]!;
    return { place: 'external', ref: outputs.get(destination.index)!, offset: 0, type, perStep, written: true };
  };

  const views = viewTable();
  const steps = order.map((node) => ({
    op: node.op,
    inputs: node.inputs.map((v) => v && views.add(placeOf(v))),
    outputs: node.types.map((type, index) => views.add(placeOf({ source: node, index, type }))),
    attrs: node.attrs,
    path: node.path,
  }));
  return { externals: externals.rows, store: store.rows, views: views.rows, steps: withSegments(views.rows, steps) };
}

function externalTable(): { readonly rows: PlanExternal[]; add(external: PlanExternal): number } {
  const rows: PlanExternal[] = [];
  const byName = new Map<string, number>();
  return {
    rows,
    add(external) {
      const old = byName.get(external.name);
      if (old !== undefined && rows[old]!.written !== external.written)
        throw new Error(`bug: '${external.name}' is an input and an output`);
      if (old !== undefined) return old;
      byName.set(external.name, rows.length);
      return rows.push(external) - 1;
    },
  };
}

function storeTable(work: Work): { readonly rows: PlanStored[]; view(leaf: Leaf, type: TensorType): PlanView } {
  const rows: PlanStored[] = [];
  const byName = new Map<string, number>();
  const written = new Set<Leaf>();
  for (const [, destination] of work.destinations.entries())
    if (destination.kind === 'store') written.add(destination.leaf);
  return {
    rows,
    view(leaf, type) {
      let ref = byName.get(leaf.name);
      if (ref === undefined) {
        ref = rows.push({ name: leaf.name, leaf, written: written.has(leaf) }) - 1;
        byName.set(leaf.name, ref);
      }
      return { place: 'store', ref, offset: 0, type, perStep: false, written: written.has(leaf) };
    },
  };
}

function viewTable(): { readonly rows: PlanView[]; add(view: PlanView): number } {
  const rows: PlanView[] = [];
  const numbers = new Map<string, number>();
  return {
    rows,
    add(view) {
      const key = `${view.place} ${view.ref} ${view.offset} ${showType(view.type)} ${view.perStep} ${view.written}`;
      let number = numbers.get(key);
      if (number === undefined) numbers.set(key, (number = rows.push(view) - 1));
      return number;
    },
  };
}
