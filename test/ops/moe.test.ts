import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { f32, i32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { checkAttrs } from '../../src/ir/attrs.ts';
import { evaluateDecomposed, evaluateOp } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import { keptForBackward } from '../../src/ir/kept.ts';
import type { Attrs, NdArray } from '../../src/ir/op.ts';
import { moe as kernels } from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';
import { moe } from '../../src/layers/moe.ts';
import { moeFfn, moeFfnGrad } from '../../src/ops/moe-ffn.ts';
import { moeRoute } from '../../src/ops/moe-route.ts';
import { filled } from '../layers/support.ts';
import { runOp } from '../support/run-op.ts';

const LOGITS = [2, 1, 0, 0, 2, 1, 1, 0, 2, 1, 1, 1];
const routing = (attrs: Attrs = {}): Attrs => ({
  topK: 2,
  capacity: 1000,
  gates: 'renorm',
  priority: 'token',
  balance: 0,
  zLoss: 0,
  ...attrs,
});
const array = (shape: readonly number[], data: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
});

/** The outputs of the kernel, and of the reference, which must agree. */
function route(logits: readonly number[], experts: number, attrs: Attrs = {}): number[][] {
  const type = f32(logits.length / experts, experts);
  const input = array(type.shape, logits.map(Math.fround));
  const checked = checkAttrs(moeRoute, routing(attrs));
  const found = runOp(moeRoute, [type], [input], checked).map((a) => [...a]);
  const wanted = evaluateOp(moeRoute, [input], [type], checked, inferTypes(moeRoute, [type], checked));
  wanted.forEach(({ data }, i) => near(found[i]!, [...data], 1e-6));
  return found;
}

function near(found: readonly number[], wanted: readonly number[], off: number): void {
  assert.is(found.length, wanted.length);
  wanted.forEach((w, i) => {
    const same = Object.is(found[i], w) || Math.abs(found[i]! - w) <= off * Math.max(1, Math.abs(w));
    assert.ok(same, `${found[i]} is not ${w}, at ${i}`);
  });
}

const routes = suite('mixture of experts: routing');

routes('the worked example', () => {
  const [gate, expert, kept] = route(LOGITS, 3);
  assert.equal(expert, [0, 1, 1, 2, 2, 0, 0, 1]);
  assert.equal(kept, expert);
  near(gate!, [0.731059, 0.268941, 0.731059, 0.268941, 0.731059, 0.268941, 0.5, 0.5], 1e-6);
  const raw = route(LOGITS, 3, { gates: 'raw' })[0]!;
  near(raw, [0.665241, 0.244728, 0.665241, 0.244728, 0.665241, 0.244728, 1 / 3, 1 / 3], 1e-6);
  near(route(LOGITS, 3, { balance: 1 })[3]!, [1], 1e-6);
  near(route(LOGITS, 3, { zLoss: 1 })[3]!, [5.448468], 1e-6);
  near(route(LOGITS, 3, { balance: 0.01, zLoss: 0.1 })[3]!, [0.5548468], 1e-6);
});

routes('balance is its weight where tokens are spread evenly', () => {
  const even = [3, 0, 0, 0, 3, 0, 0, 0, 3];
  near(route(even, 3, { topK: 1, balance: 0.25 })[3]!, [0.25], 1e-6);
});

routes('NaN is last, and makes the gates of its token NaN', () => {
  const [gate, expert] = route([NaN, 1, 2, NaN, NaN, NaN], 3);
  assert.equal(expert, [2, 1, 0, 1]);
  assert.ok(gate!.every(Number.isNaN));
});

routes('infinite logits', () => {
  const [gate, expert] = route([-Infinity, 0, -Infinity], 3);
  assert.equal(expert, [1, 0]);
  assert.equal(gate, [1, 0]);
});

routes('room runs out in the order of the priority', () => {
  // Everyone prefers expert 0, then 1; the last token is the surest.
  const logits = [2, 1, 0, 2, 1, 0, 9, 1, 0];
  const kept = (priority: string, capacity: number): number[] => route(logits, 3, { priority, capacity })[2]!;
  assert.equal(kept('token', 1), [0, 1, 3, 3, 3, 3]);
  assert.equal(kept('choice', 1), [0, 1, 3, 3, 3, 3]);
  assert.equal(kept('score', 1), [3, 1, 3, 3, 0, 3]);
  assert.equal(kept('score', 2), [0, 1, 3, 1, 0, 3]);
  assert.equal(kept('token', 0), [3, 3, 3, 3, 3, 3]);
  // First choices before second ones.
  const crossed = [1, 2, 0, 2, 1, 0];
  assert.equal(route(crossed, 3, { priority: 'token', capacity: 1 })[2], [1, 0, 3, 3]);
  assert.equal(route(crossed, 3, { priority: 'choice', capacity: 1 })[2], [1, 3, 0, 3]);
});

routes('a dropped choice leaves the gates of the others as they are', () => {
  const random = new Random('gates');
  const logits = Array.from({ length: 8 * 3 }, () => random.normal());
  for (const gates of ['raw', 'renorm'])
    for (const priority of ['token', 'choice', 'score']) {
      const [gate, expert, kept, aux] = route(logits, 3, { gates, priority, capacity: 2, balance: 1 });
      const free = route(logits, 3, { gates, balance: 1 });
      assert.equal([gate, expert, aux], [free[0], free[1], free[3]]);
      assert.is(kept!.filter((e) => e === 3).length, 8 * 2 - 3 * 2);
    }
});

routes('gates are a probability; all experts where topK is their number', () => {
  const logit = fc.integer({ min: -80, max: 80 }).map((n) => n / 4);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 12 }),
      fc.infiniteStream(logit),
      (t, e, s) => {
        const logits = [...s.take(t * e)];
        const topK = 1 + (t % e);
        const [gate] = route(logits, e, { topK });
        for (let i = 0; i < t; i++) {
          const sum = gate!.slice(i * topK, (i + 1) * topK).reduce((a, b) => a + b, 0);
          assert.ok(Math.abs(sum - 1) < 1e-5);
        }
        const all = route(logits, e, { topK: e, gates: 'raw' });
        assert.equal(
          [...all[1]!.slice(0, e)].sort((a, b) => a - b),
          [...Array(e).keys()],
        );
      },
    ),
    { numRuns: 60 },
  );
});
routes.run();

interface Sizes {
  readonly tokens: number;
  readonly topK: number;
  readonly experts: number;
  readonly width: number;
  readonly hidden: number;
}
const draw = (type: TensorType, name: string): NdArray => {
  const random = new Random('moe', name);
  return array(
    type.shape,
    Array.from({ length: numel(type.shape) }, () => Math.fround(random.normal())),
  );
};

/** Inputs of moe_ffn, drawn; `expert` by choice. */
function layer({ tokens, topK, experts, width, hidden }: Sizes, expert: (choice: number) => number) {
  const types = [
    f32(tokens, width),
    f32(tokens, topK),
    i32(tokens, topK),
    f32(experts, hidden, width),
    f32(experts, width, hidden),
    f32(experts, hidden),
    f32(experts, width),
    null,
  ];
  const inputs = types.map((type, i) => type && draw(type, String(i)));
  inputs[2]!.data.forEach((_, c) => (inputs[2]!.data[c] = expert(c)));
  return { types, inputs };
}
const forward = ({ types, inputs }: ReturnType<typeof layer>, threads = 1) =>
  runOp(moeFfn, types, inputs, { activation: 'gelu', keep: 1 }, { threads });
function backward({ types, inputs }: ReturnType<typeof layer>, threads = 1) {
  const h = forward({ types, inputs })[1]!;
  const rows = types[1]!.shape[0]! * types[1]!.shape[1]!;
  const hType = f32(rows, types[3]!.shape[1]!);
  const dy = draw(types[0]!, 'dy');
  return runOp(
    moeFfnGrad,
    [...types.slice(0, 5), types[6]!, null, hType, types[0]!],
    [...inputs.slice(0, 5), inputs[6]!, null, { shape: hType.shape, data: Float64Array.from(h) }, dy],
    { activation: 'gelu' },
    { threads },
  );
}

const experts = suite('mixture of experts: products');

experts('equal experts and gates that sum to 1 are one expert', () => {
  const sizes = { tokens: 23, topK: 3, experts: 4, width: 17, hidden: 33 };
  const many = layer(sizes, (c) => (c * 7 + 1) % 4);
  for (const i of [3, 4, 5, 6]) {
    const { data } = many.inputs[i]!;
    const size = data.length / 4;
    for (let e = 1; e < 4; e++) data.copyWithin(e * size, 0, size);
  }
  many.inputs[1]!.data.forEach((_, c) => (many.inputs[1]!.data[c] = [0.5, 0.3, 0.2][c % 3]!));
  const one = layer({ ...sizes, topK: 1, experts: 1 }, () => 0);
  for (const i of [3, 4, 5, 6]) one.inputs[i]!.data.set(many.inputs[i]!.data.subarray(0, one.inputs[i]!.data.length));
  one.inputs[0] = many.inputs[0]!;
  one.inputs[1]!.data.fill(1);
  near([...forward(many)[0]!], [...forward(one)[0]!], 1e-5);
});

experts('an expert without tokens has gradients of exact zeros', () => {
  const [, , dw1, dw2, db1, db2] = backward(
    layer({ tokens: 9, topK: 2, experts: 3, width: 20, hidden: 40 }, (c) => 2 * (c % 2)),
  );
  const [w, b, d] = [20 * 40, 40, 20];
  for (const [all, size] of [
    [dw1!, w],
    [dw2!, w],
    [db1!, b],
    [db2!, d],
  ] as const) {
    assert.ok([...all.subarray(size, 2 * size)].every((v) => Object.is(v, 0)));
    assert.ok([...all.subarray(0, size)].some((v) => v !== 0));
  }
});

experts('a dropped choice adds nothing, keeps zeros, and its gate has no gradient', () => {
  const l = layer({ tokens: 6, topK: 2, experts: 3, width: 5, hidden: 7 }, (c) =>
    c === 2 || c === 3 || c === 8 ? 3 : c % 3,
  );
  const [y, h] = forward(l);
  const [dx, dGate] = backward(l);
  assert.equal([...y!.subarray(5, 10)], [0, 0, 0, 0, 0]);
  assert.equal([...dx!.subarray(5, 10)], [0, 0, 0, 0, 0]);
  for (const c of [2, 3, 8]) {
    assert.is(dGate![c], 0);
    assert.ok(h!.subarray(c * 7, (c + 1) * 7).every((v) => v === 0));
  }
  assert.ok(dGate![0] !== 0);
});

experts('the same bits for any number of threads, whatever the share of an expert', () => {
  const sizes = { tokens: 331, topK: 2, experts: 5, width: 70, hidden: 130 };
  for (const expert of [
    (c: number) => (c * 13) % 5,
    (c: number) => (c % 2 ? 0 : (c * 7) % 5),
    () => 4,
    (c: number) => c % 6,
  ]) {
    const l = layer(sizes, expert);
    const [first, firstBack] = [forward(l), backward(l)];
    for (const threads of [2, 3, 5]) {
      forward(l, threads).forEach((a, i) => assert.ok(Buffer.from(a.buffer).equals(Buffer.from(first[i]!.buffer))));
      backward(l, threads).forEach((a, i) =>
        assert.ok(Buffer.from(a.buffer).equals(Buffer.from(firstBack[i]!.buffer))),
      );
    }
  }
});

experts('the same bits where the gradient takes the experts in several waves', () => {
  const l = layer({ tokens: 800, topK: 1, experts: 3, width: 4, hidden: 8192 }, (c) => c % 3);
  const first = backward(l);
  backward(l, 2).forEach((a, i) => assert.ok(Buffer.from(a.buffer).equals(Buffer.from(first[i]!.buffer))));
});

experts('any sizes and shares: the sum that the primitive ops make', () => {
  const upTo = (n: number) => fc.integer({ min: 0, max: n });
  const sizes = fc.record({ tokens: upTo(50), topK: upTo(3), experts: upTo(5), width: upTo(40), hidden: upTo(70) });
  fc.assert(
    fc.property(sizes, upTo(7), upTo(2), (size, step, favour) => {
      // Of every `favour` + 1 choices all but one are of expert 0; the number of experts is a choice that was dropped.
      const all = size.experts + 1;
      const { types, inputs } = layer(size, (c) => (c % (favour + 1) === favour ? (c * step) % all : 0));
      const attrs = checkAttrs(moeFfn, { activation: 'gelu', keep: 1 });
      const found = runOp(moeFfn, types, inputs, attrs, { threads: 2 });
      const wanted = evaluateDecomposed(moeFfn, inputs, types, attrs);
      wanted.forEach(({ data }, i) => {
        const largest = data.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
        data.forEach((v, at) =>
          assert.ok(Math.abs(found[i]![at]! - v) <= 2e-6 * largest, `${found[i]![at]} is not ${v}`),
        );
      });
    }),
    { numRuns: 60 },
  );
});

experts('an expert that there is not is an error of the data', () => {
  const sizes = { tokens: 3, topK: 1, experts: 2, width: 4, hidden: 4 };
  for (const bad of [3, -1, 2 ** 31 - 1]) {
    assert.throws(() => forward(layer(sizes, (c) => (c === 1 ? bad : 0))), /an expert is neither/);
  }
});

experts('training adds noise of deviation 1/E to the logits, other noise in every step; inference none', () => {
  const E = 5;
  const noises = (mode: 'train' | 'infer') => {
    const b = graphBuilder({ mode, seed: 0 });
    const y = moe.build(b, [b.input('x', f32(4, 3))], filled(moe, { experts: E, top: 2, hidden: 4 }));
    return b.finish([{ name: 'y', value: y }]).nodes.filter((n) => n.op.name === 'random_normal');
  };
  assert.equal(noises('infer'), []);
  const [noise, ...others] = noises('train');
  assert.equal([noise!.types[0]!.shape, noise!.attrs['std'], others.length], [[4, E], 1 / E, 0]);
  assert.is(noise!.inputs[0]!.source.kind, 'input'); // the step
});

experts('training keeps at most tokens·width + topK·tokens·2·hidden numbers', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const [tokens, width, hidden] = [64, 32, 128];
  const x = b.input('x', f32(tokens, width));
  const y = moe.build(b, [x], filled(moe, { experts: 8, top: 2, hidden }));
  const { size } = keptForBackward(b.finish([{ name: 'y', value: y }]));
  assert.ok(size <= tokens * width + 2 * tokens * 2 * hidden, String(size));
  // The same of a call from a script, gated (GLU): what its ctx holds beside what the caller gave.
  const [E, topK] = [8, 2];
  const given = { x: f32(tokens, width), router: f32(width, E), w1: f32(E, hidden, width), w2: f32(E, width, hidden), w3: f32(E, hidden, width) }; // prettier-ignore
  const call = Object.fromEntries(Object.entries(given).map(([n, { shape }]) => [n, { data: new Float32Array(numel(shape)).fill(0.01), shape }])) as Record<keyof typeof given, Tensor>; // prettier-ignore
  const { ctx } = kernels.forwardSync({ ...call, topK });
  const arrays = Object.entries(ctx.arrays).filter(([name]) => !(name in given));
  const held = arrays.reduce((n, [, { length }]) => n + length, 0);
  assert.ok(held <= tokens * width + topK * tokens * 2 * hidden, `${held}: ${arrays.map(([n]) => n).join()}`);
  assert.ok(arrays.some(([, { length }]) => length === topK * tokens * 2 * hidden));
});
experts.run();
