import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Leaf, Value } from '../../src/ir/graph.ts';
import { openStore, prepare } from '../../src/native/native.ts';
import { add, mul, relu, tanh } from '../../src/ops/elementwise.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { layernorm } from '../../src/ops/norm.ts';
import { OPS } from '../../src/ops/index.ts';
import { adamw } from '../../src/ops/optimizer.ts';
import { dropout } from '../../src/ops/random.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { encodePlan } from '../../src/plan/bytes.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { opTable } from '../../src/plan/op-table.ts';
import type { PlanData } from '../../src/plan/plan.ts';
import { verifyPlan } from '../../src/plan/verify-plan.ts';
import { buildProgram, programs, randomValues } from '../ir/random-graph.ts';
import { errorOf, rawPlan } from '../support/raw-plan.ts';
import type { RawStep, RawView } from '../support/raw-plan.ts';

const zero = { kind: 'constant', value: 0 } as const;
const STEPS = 2;

/** The plan's steps, those of a segment behind each other. */
function segmentsOf(plan: PlanData): readonly string[] {
  const rows: string[] = [];
  for (const { op, joins } of plan.steps)
    if (joins) rows.push(`${rows.pop()!} ${op.name}`);
    else rows.push(op.name);
  return rows;
}

/** Runs packed steps; everything that they write, by name. */
function bitsOf(plan: PlanData, graph: Graph, threads: number): ReadonlyMap<string, Uint8Array> {
  const given = randomValues(7, STEPS);
  const arrayOf = (leaf: Leaf): Float32Array | Int32Array =>
    leaf.type.dtype === 'i32' ? Int32Array.from(given(leaf).data) : Float32Array.from(given(leaf).data);
  const leaves = new Map(graph.leaves.map((leaf) => [leaf.name, leaf]));
  const store = openStore();
  for (const { name, leaf } of plan.store) store.write(name, 'f32', leaf.type.shape, arrayOf(leaf));
  const externals = plan.externals.map((e) =>
    e.written ? new Float32Array(numel(e.type.shape) * (e.perStep ? STEPS : 1)) : arrayOf(leaves.get(e.name)!),
  );
  const prepared = prepare(encodePlan(plan, opTable(OPS)));
  prepared.runSync(store, externals, { steps: STEPS, threads });
  const bits = new Map<string, Uint8Array>();
  plan.externals.forEach((e, i) => e.written && bits.set(e.name, new Uint8Array(externals[i]!.buffer)));
  for (const { name } of plan.store) bits.set(name, new Uint8Array(store.read(name).data));
  prepared.close();
  void store.close();
  return bits;
}

const apart = (plan: PlanData): PlanData => ({
  ...plan,
  steps: plan.steps.map((step) => ({ ...step, joins: false })),
});

function sameBits(graph: Graph): PlanData {
  const plan = makePlan(graph, { ops: OPS });
  assert.equal(verifyPlan(plan), []);
  const expected = bitsOf(apart(plan), graph, 1);
  for (const threads of [1, 2, 3, 5]) assert.equal(bitsOf(plan, graph, threads), expected, `${threads} threads`);
  return plan;
}

const segments = suite('segments');

segments('random graphs: the same bits as steps that wait for each other, for any number of threads', () => {
  fc.assert(
    fc.property(programs, (program) => void sameBits(buildProgram(program))),
    { numRuns: 100 },
  );
});

segments('a chain over rows of two widths is one segment, cut anywhere', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const [rows, width] = [1203, 129];
  const [x, y] = [b.input('x', f32(rows, width)), b.input('y', f32(rows, width))];
  const [scale, shift] = [b.input('scale', f32(width)), b.input('shift', f32(width))];
  const dropped = b.one(dropout, [b.one(tanh, [y]), b.step()], { p: 0.25, key0: 3, key1: 4 });
  const sum = b.one(add, [b.one(add, [x, dropped]), shift]);
  const normal = b.one(layernorm, [sum, scale, shift], { eps: 1e-5 });
  const graph = b.finish([
    { name: 'sum', value: sum },
    { name: 'normal', value: b.one(softmax, [normal]) },
  ]);
  const plan = sameBits(graph);
  assert.equal(segmentsOf(plan), ['tanh dropout add add layernorm softmax']);
});

segments('updates of many parameters are one segment', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const [lr, step] = [b.input('lr', f32(1)), b.step()];
  for (const shape of [[7], [300, 129], [1], [64, 64], []]) {
    const name = `w${shape.join('x')}`;
    const param = b.param(name, shape, zero);
    const slots = ['m', 'v'].map((s) => b.slot(`${name}@${s}`, shape, zero));
    const grad = b.one(mul, [param, param]);
    const next = b.apply(adamw, [param, grad, ...slots, lr, step], {
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0.01,
    });
    [param, ...slots].forEach((old, i) => b.update(old, next[i]!));
  }
  const plan = sameBits(b.finish([]));
  assert.is(segmentsOf(plan).filter((s) => s.includes('adamw')).length, 1);
});

segments('what is read whole, what is not row-local, and too few rows end a segment', () => {
  const plan = (build: (b: GraphBuilder, x: Value) => Value): readonly string[] => {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const y = build(b, b.input('x', f32(64, 512)));
    return segmentsOf(sameBits(b.finish([{ name: 'y', value: y }])));
  };
  const wide = { transA: 0, transB: 1, precision: 'f32' };
  assert.equal(
    plan((b, x) => b.one(relu, [b.one(matmul, [b.one(relu, [x]), x], wide)])),
    ['relu', 'matmul', 'relu'],
  );
  assert.equal(
    plan((b, x) => b.one(relu, [b.one(softmax, [x])])),
    ['softmax relu'],
  );
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const bias = b.one(tanh, [b.input('bias', f32(512))]);
  const whole = b.one(add, [b.input('x', f32(64, 512)), bias]);
  assert.equal(segmentsOf(sameBits(b.finish([{ name: 'y', value: whole }]))), ['tanh', 'add']);
  const few = graphBuilder({ mode: 'train', seed: 0 });
  const first = few.one(softmax, [few.input('x', f32(3, 20000))]);
  assert.equal(segmentsOf(sameBits(few.finish([{ name: 'y', value: few.one(relu, [first]) }]))), ['softmax', 'relu']);
});

segments('a plan that joins what cannot be joined is refused', () => {
  const x: RawView = { place: 'external', dims: [4, 8] };
  const row: RawView = { place: 'external', ref: 1, dims: [8] };
  const arena = (dims: readonly number[], offset = 0): RawView => ({ place: 'arena', dims, offset, written: true });
  const out: RawView = { place: 'external', ref: 2, dims: [4, 8], written: true };
  const refused = (views: readonly RawView[], steps: readonly RawStep[], what: RegExp): void =>
    void assert.match(String(errorOf(() => prepare(rawPlan({ views, steps, arenaBytes: 4096 })))), what);
  const square: RawView = { place: 'external', ref: 1, dims: [8, 8] };
  refused([x, row, out], [{ op: 'relu', inputs: [0], outputs: [2], joins: true }], /the first step joins none/);
  refused(
    [x, square, arena([4, 8]), out],
    [
      { op: 'relu', inputs: [0], outputs: [2] },
      { op: 'matmul', inputs: [2, 1], outputs: [3], attrs: [0n, 0n, 0n], joins: true },
    ],
    /not row-local/,
  );
  refused(
    [x, row, arena([8]), out],
    [
      { op: 'relu', inputs: [1], outputs: [2] },
      { op: 'add', inputs: [0, 2], outputs: [3], joins: true },
    ],
    /more than the same rows/,
  );
  // Rows of one may not lie over other rows of another.
  refused(
    [x, row, arena([4, 8]), arena([4, 8], 64), out],
    [
      { op: 'relu', inputs: [0], outputs: [2] },
      { op: 'relu', inputs: [0], outputs: [3], joins: true },
      { op: 'add', inputs: [3, 1], outputs: [4], joins: true },
    ],
    /more than the same rows/,
  );
  const many = Array.from({ length: 65 }, (_, i): RawStep => ({ op: 'relu', inputs: [0], outputs: [1], joins: i > 0 }));
  refused([x, { ...out, ref: 1 }], many, /too many steps/);
});

segments.run();
