// What is made once of weights: it means the same as before, and natively the bits are the same.
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { byteSize, f32 } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Leaf } from '../../src/ir/graph.ts';
import type { NdArray, OpDef } from '../../src/ir/op.ts';
import { verify } from '../../src/ir/verify.ts';
import { info, openStore, prepare } from '../../src/native/native.ts';
import { add, mul, relu } from '../../src/ops/elementwise.ts';
import { gatherRows } from '../../src/ops/gather.ts';
import { OPS } from '../../src/ops/index.ts';
import { linear } from '../../src/ops/linear.ts';
import { reshape } from '../../src/ops/shape.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { splitOnce } from '../../src/rewrite/once.ts';
import { buildProgram, largestDifference, programs, randomValues } from '../ir/random-graph.ts';
import { attrsOf, named } from '../support/op-cases.ts';
import { drawArray } from '../support/draw.ts';

const once = suite('made once');
const zero = { kind: 'constant', value: 0 } as const;
const plain = { activation: 'none' };

/** What a graph gives, the two halves of it one after the other. */
function inHalves(graph: Graph, valueOf: (leaf: Leaf) => NdArray): ReturnType<typeof evaluate> {
  const halves = splitOnce(graph);
  assert.equal(verify(halves.once), []);
  assert.equal(verify(halves.each), []);
  const made = evaluate(halves.once, valueOf).updates;
  assert.equal(
    [...made.keys()],
    halves.made.map((m) => m.name),
  );
  return evaluate(halves.each, (leaf) => made.get(leaf.name) ?? valueOf(leaf));
}

once('random graphs mean the same in halves', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const graph = buildProgram(program);
      const [whole, halves] = [evaluate(graph, randomValues(3)), inHalves(graph, randomValues(3))];
      for (const kind of ['outputs', 'updates'] as const)
        for (const [name, value] of whole[kind])
          assert.ok(largestDifference(value, halves[kind].get(name)!) < 1e-12, name);
    }),
    { numRuns: 300 },
  );
});

function graphOf(make: (b: ReturnType<typeof graphBuilder>) => void, rows = 2): Graph {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const x = b.input('x', f32(rows, 3));
  const [w, delta, s] = [b.param('w', [4, 3], zero), b.param('delta', [4, 3], zero), b.state('s', [4], zero)];
  make(b);
  const weight = b.scope('layer', () => b.one(add, [w, delta]));
  return b.finish([{ name: 'y', value: b.one(mul, [b.one(linear, [x, weight, null, null], plain), s]) }]);
}

once('the weights of a layer are summed and laid in panels once, whatever the batch; state and inputs stay', () => {
  const halves = [2, 7].map((rows) => splitOnce(graphOf(() => {}, rows)));
  for (const { once: first, each } of halves) {
    assert.equal(
      first.nodes.map((n) => n.op.name),
      ['add', 'panels'],
    );
    assert.equal(
      each.nodes.map((n) => n.op.name),
      ['linear_panels', 'mul'],
    );
  }
  assert.equal(halves[0]!.made, halves[1]!.made);
  assert.match(halves[0]!.made[0]!.name, /^#[0-9a-f]{24}$/);
});

once('what training changes is left alone; what it does not change is not', () => {
  const trained = graphOf((b) => b.update(b.param('w', [4, 3], zero), b.param('delta', [4, 3], zero)));
  assert.equal(splitOnce(trained).made, []);
  assert.equal(
    splitOnce(trained).each.nodes.map((n) => n.op.name),
    ['add', 'linear', 'mul'],
  );
});

once('another shape of a weight is made where it is read; an output may be made whole', () => {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const [x, w] = [b.input('x', f32(2, 3)), b.param('w', [2, 3], zero)];
  const flat = b.one(reshape, [w], { dims: [6] });
  const rows = b.one(gatherRows, [w, b.input('index', { dtype: 'i32', shape: [2] })]);
  const sum = b.one(add, [b.one(reshape, [x], { dims: [6] }), flat]);
  const outputs = [sum, b.one(relu, [w]), b.one(reshape, [b.one(relu, [w])], { dims: [6] }), rows];
  const { each, made } = splitOnce(b.finish(outputs.map((value, i) => ({ name: `y${i}`, value }))));
  assert.is(made.length, 1);
  assert.equal([...new Set(each.nodes.map((n) => n.op.name))].sort(), ['add', 'gather_rows', 'reshape']);
});

/** The op over inputs given for a run but for that which may be prepared, natively: outputs for an ISA and a number of threads. */
function nativeBits(op: OpDef, index: number, isa: string, threads: number, halves: boolean): readonly Uint8Array[] {
  const sample = op.samples[index]!;
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const inputs = sample.inputs.map((type, i) => {
    if (!type) return null;
    return i === op.prepared!.input ? b.param('weight', type.shape, zero) : b.input(`input${i}`, type);
  });
  const outputs = b.apply(op, inputs, attrsOf(op, sample));
  const graph = b.finish(outputs.map((value, i) => ({ name: `y${i}`, value })));
  const store = openStore();
  const random = new Random('once', op.name, index);
  const arrays = sample.inputs.map(
    (type, i) => type && Float32Array.from(drawArray(type, sample.fill?.[i], random).data),
  );
  store.write('weight', 'f32', sample.inputs[op.prepared!.input]!.shape, arrays[op.prepared!.input]!);
  const run = (part: Graph): readonly Uint8Array[] => {
    const plan = makePlan(part, { ops: OPS });
    const prepared = prepare(plan.bytes, isa);
    const written = new Map(
      plan.externals.filter((e) => e.written).map((e) => [e, new Float32Array(byteSize(e.type) / 4).fill(7)]),
    );
    prepared.runSync(
      store,
      plan.externals.map((e) => written.get(e) ?? arrays[Number(e.name.slice('input'.length))]!),
      { threads },
    );
    prepared.close();
    return [...written.values()].map((a) => new Uint8Array(a.buffer));
  };
  try {
    if (!halves) return run(graph);
    const { once: first, each, made } = splitOnce(graph);
    for (const { name, type } of made) store.write(name, 'f32', type.shape, null);
    if (made.length > 0) run(first);
    return run(each);
  } finally {
    void store.close();
  }
}

for (const op of OPS.filter((o) => o.prepared)) {
  once(`${op.name}: a prepared input changes no bit, on any ISA, for any number of threads`, () => {
    op.samples.forEach((sample, index) => {
      for (const isa of info().isas) {
        const whole = nativeBits(op, index, isa, 1, false);
        for (const threads of [1, 2, 3])
          assert.equal(
            nativeBits(op, index, isa, threads, true),
            whole,
            `${named(op, sample)} on ${isa}, ${threads} threads`,
          );
      }
    });
  });
}

once.run();
