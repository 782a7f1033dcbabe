import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prepare } from '../../src/native/native.ts';
import { errorOf, rawPlan } from '../support/raw-plan.ts';
import type { RawPlan, RawStep, RawView } from '../support/raw-plan.ts';

/** y = x · wᵀ + b; then z = relu(y) in the arena, out by affine. */
const views: readonly RawView[] = [
  { place: 'external', dims: [4, 3] },
  { place: 'store', ref: 0, dims: [5, 3] },
  { place: 'store', ref: 1, dims: [5] },
  { place: 'arena', offset: 0, dims: [4, 5], written: true },
  { place: 'external', ref: 1, dims: [4, 5], written: true },
];
const steps: readonly RawStep[] = [
  { op: 'linear', inputs: [0, 1, 2, null], outputs: [3], attrs: [1n, 0n], name: 2 },
  { op: 'relu', inputs: [3], outputs: [3] },
  { op: 'affine', inputs: [3], outputs: [4], attrs: [1, 0] },
];
const good: RawPlan = { names: ['w', 'b', 'layers.0'], views, steps, arenaBytes: 128 };

const withView = (i: number, change: Partial<RawView>): RawPlan => ({
  ...good,
  views: views.map((v, j) => (i === j ? { ...v, ...change } : v)),
});
const withStep = (i: number, change: Partial<RawStep>): RawPlan => ({
  ...good,
  steps: steps.map((s, j) => (i === j ? { ...s, ...change } : s)),
});

interface Case {
  readonly plan: RawPlan;
  readonly message: RegExp;
  readonly argument: string;
  readonly step?: number;
}

const cases: readonly Case[] = [
  {
    plan: withView(0, { dims: [4, 2] }),
    step: 0,
    argument: 'input weight',
    message: /step 0 \(linear of layers\.0\).*expected f32\[_, 2\], found f32\[5, 3\]/,
  },
  {
    plan: withView(0, { dtype: 'i32' }),
    step: 0,
    argument: 'input x',
    message: /expected f32\[_, _\], found i32\[4, 3\]/,
  },
  { plan: withView(0, { dims: [12] }), step: 0, argument: 'input x', message: /found f32\[12\]/ },
  {
    plan: withView(3, { dims: [5, 4] }),
    step: 0,
    argument: 'output y',
    message: /expected f32\[4, 5\], found f32\[5, 4\]/,
  },
  { plan: withView(3, { written: false }), step: 0, argument: 'output y', message: /not marked as written/ },
  { plan: withView(3, { offset: 64 }), argument: 'views[3].offset', message: /outside the arena/ },
  { plan: withView(3, { offset: 4 }), argument: 'views[3].offset', message: /a multiple of 64/ },
  { plan: withView(3, { ref: 1 }), argument: 'views[3].ref', message: /the arena has no parts/ },
  { plan: withView(3, { perStep: true }), argument: 'views[3].flags', message: /only an external/ },
  { plan: withView(1, { ref: 3 }), argument: 'views[1].ref', message: /below 3, found 3/ },
  { plan: withView(1, { offset: 64 }), argument: 'views[1].offset', message: /only the arena has offsets/ },
  { plan: withView(2, { ref: 0 }), argument: 'views[2]', message: /does not agree with an earlier view/ },
  { plan: withView(0, { dims: [2 ** 41] }), argument: 'views[0].dims[0]', message: /at most 2\^40/ },
  { plan: withView(0, { dims: [2 ** 40, 2 ** 40, 0] }), argument: 'views[0].dims', message: /at most 2\^46 bytes/ },
  { plan: { ...good, externals: 3 }, argument: 'externals[2]', message: /no view refers to it/ },
  { plan: { ...good, externals: 1 }, argument: 'views[4].ref', message: /below 1, found 1/ },
  { plan: { ...good, externals: 2 ** 32 - 1 }, argument: 'header.externalCount', message: /more externals than views/ },
  { plan: { ...good, arenaBytes: 2 ** 47 }, argument: 'header.arenaBytes', message: /at most 2\^46/ },
  { plan: withStep(0, { op: 60_000 }), step: 0, argument: 'op', message: /below \d+, found 60000/ },
  {
    plan: withStep(1, { op: 'reshape', attrs: Array<bigint>(9).fill(0n) }),
    step: 1,
    argument: 'op',
    message: /'reshape' has no CPU kernel/,
  },
  { plan: withStep(0, { inputs: [0, 1] }), step: 0, argument: 'inputs', message: /expected 4, found 2/ },
  {
    plan: withStep(0, { inputs: [0, null, 2, null] }),
    step: 0,
    argument: 'input weight',
    message: /absent, but not optional/,
  },
  { plan: withStep(0, { outputs: [null] }), step: 0, argument: 'output y', message: /an output never is/ },
  { plan: withStep(0, { outputs: [3, 4] }), step: 0, argument: 'outputs', message: /expected 1, found 2/ },
  { plan: withStep(0, { inputs: [0, 1, 99, null] }), step: 0, argument: 'views[2]', message: /below 5, found 99/ },
  { plan: withStep(0, { attrs: [99n, 0n] }), step: 0, argument: 'attribute activation', message: /below 7, found 99/ },
  { plan: withStep(0, { attrs: [] }), step: 0, argument: 'attrWords', message: /expected 2, found 0/ },
  { plan: withStep(2, { attrs: [NaN, 0] }), step: 2, argument: 'attribute scale', message: /NaN/ },
  { plan: withStep(0, { name: 7 }), step: 0, argument: 'nameIndex', message: /below 3, found 7/ },
  { plan: { ...good, steps: steps.slice(1) }, step: 0, argument: 'input x', message: /no earlier step wrote it/ },
  {
    plan: withStep(1, { op: 'gelu_grad', inputs: [3, 3] }),
    step: 1,
    argument: 'output dx',
    message: /shares memory with input/,
  },
];

const plans = suite('plans at the door');

plans('a good one passes, with an optional input and without', () => {
  assert.is(prepare(rawPlan(good)).steps, 3);
  assert.is(prepare(rawPlan(withStep(0, { inputs: [0, 1, null, null] }))).steps, 3);
});

plans('each fault is named by step and field', () => {
  for (const { plan, message, argument, step } of cases) {
    const error = errorOf(() => prepare(rawPlan(plan)));
    assert.is(error.code, 'TENON_BAD_PLAN', error.message);
    assert.match(error.message, message);
    assert.is(error.argument, argument, error.message);
    assert.is(error.step, step, error.message);
  }
});

plans('two outputs of a step may not share memory, nor may names of one text', () => {
  const norm = rawPlan({
    views: [
      { place: 'external', dims: [4, 3] },
      { place: 'external', ref: 1, dims: [3] },
      { place: 'external', ref: 2, dims: [4, 3], written: true },
      { place: 'external', ref: 3, dims: [4], written: true },
    ],
    steps: [{ op: 'layernorm', inputs: [0, 1, 1], outputs: [2, 3, 3], attrs: [1e-5] }],
  });
  assert.match(errorOf(() => prepare(norm)).message, /output rstd: shares memory with output mean/);
  const twice = rawPlan({
    names: ['w', 'w'],
    views: [
      { place: 'store', ref: 0, dims: [4] },
      { place: 'store', ref: 1, dims: [2, 2], written: true },
      { place: 'store', ref: 1, dims: [4], written: true },
    ],
    steps: [
      { op: 'sqrt', inputs: [0], outputs: [2] },
      { op: 'mul', inputs: [2, 0], outputs: [2] },
    ],
  });
  assert.match(errorOf(() => prepare(twice)).message, /step 1 \(mul\).*shares memory with input b/);
});

plans('cut off anywhere, or with a tail', () => {
  const bytes = rawPlan(good);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.slice(0, length);
    if (length >= 48) new DataView(cut.buffer).setBigUint64(40, BigInt(length), true);
    const error = errorOf(() => prepare(cut));
    assert.is(error.code, 'TENON_BAD_PLAN');
    assert.ok(error.argument !== '', error.message);
  }
  const longer = new Uint8Array(bytes.length + 8);
  longer.set(bytes);
  new DataView(longer.buffer).setBigUint64(40, BigInt(longer.length), true);
  assert.match(errorOf(() => prepare(longer)).message, /bytes after the last step/);
});

plans.run();
