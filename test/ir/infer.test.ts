import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { attrsKey, checkAttrs } from '../../src/ir/attrs.ts';
import { defineOp } from '../../src/ir/define-op.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { Attrs, OpDef } from '../../src/ir/op.ts';
import { parsePattern } from '../../src/ir/pattern.ts';

const record: Omit<OpDef, 'kind'> = {
  name: 'test',
  doc: '',
  inputs: {},
  outputs: { y: 'f32[1]' },
  attrs: {},
  stopsGradient: true,
  cost: () => ({ flops: 0, macs: 0 }),
  reference: () => [],
  samples: [],
};
const op = (more: Partial<OpDef>): OpDef => defineOp({ ...record, ...more });
const infer = (o: OpDef, inputs: readonly (TensorType | null)[], attrs: Attrs = {}): readonly TensorType[] =>
  inferTypes(o, inputs, checkAttrs(o, attrs));

function unfit(run: () => unknown): Unfit {
  try {
    run();
  } catch (error) {
    if (error instanceof Unfit) return error;
    throw error;
  }
  throw new Error('it fits');
}

const patterns = suite('patterns');

patterns('are read', () => {
  assert.equal(parsePattern('f32[rows, in]'), { dtype: 'f32', lead: null, dims: ['rows', 'in'] });
  assert.equal(parsePattern('any[...s]'), { dtype: 'any', lead: 's', dims: [] });
  assert.equal(parsePattern('i32[...lead, c, 3]'), { dtype: 'i32', lead: 'lead', dims: ['c', 3] });
  assert.equal(parsePattern('u8[]'), { dtype: 'u8', lead: null, dims: [] });
});

patterns('that cannot be read are bugs', () => {
  for (const text of ['f32', 'f64[n]', 'f32[n,]', 'f32[..., n]', 'f32[n, ...s]', 'f32[-1]', 'f32[n m]'])
    assert.throws(() => parsePattern(text), /^bug: the pattern/, text);
});

const inference = suite('inference of types');

inference('symbols and leading groups are one size throughout', () => {
  const linear = op({
    inputs: { x: 'f32[...s, in]', w: 'f32[out, in]', 'b?': 'f32[out]' },
    outputs: { y: 'f32[...s, out]' },
  });
  assert.equal(infer(linear, [f32(2, 5, 3), f32(4, 3), null]), [f32(2, 5, 4)]);
  assert.equal(infer(linear, [f32(3), f32(4, 3), f32(4)]), [f32(4)]);
  const error = unfit(() => infer(linear, [f32(2, 3), f32(4, 5), null]));
  assert.is(error.message, 'test: in is 3 in x f32[2, 3], but 5 in w f32[4, 5]');
  assert.is(error.expected, 'in = 3');
  assert.is(error.found, 'in = 5 in w');
  assert.is(unfit(() => infer(linear, [f32(), f32(4, 5), null])).message, 'test: x must be f32[...s, in], not f32[]');
  assert.is(unfit(() => infer(linear, [i32(3), f32(4, 3), null])).message, 'test: x must be f32[...s, in], not i32[3]');
  const two = op({ inputs: { a: 'f32[...s]', b: 'f32[...s]' } });
  assert.is(
    unfit(() => infer(two, [f32(2, 3), f32(3)])).message,
    'test: s is [2, 3] in a f32[2, 3], but [3] in b f32[3]',
  );
});

inference('sizes of outputs may be attributes', () => {
  const rows = op({ inputs: { x: 'f32[n, w]' }, outputs: { y: 'f32[rows, w]' }, attrs: { rows: 'u32' } });
  assert.equal(infer(rows, [f32(2, 3)], { rows: 7 }), [f32(7, 3)]);
  const filled = op({ outputs: { y: 'f32[...dims]' }, attrs: { dims: 'dims' } });
  assert.equal(infer(filled, [], { dims: [2, 3] }), [f32(2, 3)]);
  assert.throws(() => infer(op({ outputs: { y: 'f32[n]' } }), []), /bug: nothing says the size/);
});

inference('variadic inputs take the rest', () => {
  const list = op({ inputs: { 'xs*': 'f32[n]' }, outputs: { y: 'f32[n]' } });
  assert.equal(infer(list, [f32(2), f32(2), f32(2)]), [f32(2)]);
  assert.throws(() => infer(list, [f32(2), null]), /bug: test needs its input 'xs'/);
  unfit(() => infer(list, [f32(2), f32(3)]));
  const parts = op({ inputs: { 'xs*': 'f32[...s]' }, outputs: { y: 'f32[...t]' }, infer: () => [f32(5)] });
  assert.equal(infer(parts, [f32(2), f32(3), f32(2, 2)]), [f32(5)]);
});

inference('a wrong number of inputs is a bug of the caller', () => {
  const one = op({ inputs: { x: 'f32[n]' } });
  assert.throws(() => infer(one, []), /bug: test needs its input 'x'/);
  assert.throws(() => infer(one, [null]), /bug: test needs its input 'x'/);
  assert.throws(() => infer(one, [f32(1), f32(1)]), /bug: test takes 1 inputs, not 2/);
});

inference('checks come before shapes; impossible sizes do not fit', () => {
  const checked = op({ inputs: { x: 'f32[n]' }, check: () => 'never', infer: () => [f32(-1)] });
  assert.is(unfit(() => infer(checked, [f32(1)])).message, 'test: never');
  unfit(() => infer(op({ infer: () => [f32(-1)] }), []));
  unfit(() => infer(op({ infer: () => [f32(1.5)] }), []));
  unfit(() => infer(op({ infer: () => [f32(2 ** 30, 2 ** 30)] }), []));
  unfit(() => infer(op({ infer: () => [f32(0, 2 ** 46)] }), []));
  unfit(() => infer(op({ infer: () => [f32(1, 1, 1, 1, 1, 1, 1, 1, 1)] }), []));
  assert.throws(() => infer(op({ infer: () => [] }), []), /bug: test infers 0 outputs/);
});

const attributes = suite('attributes');

attributes('are checked, and put in the order of the record', () => {
  const all = op({ attrs: { n: 'u32', p: 'f32', kind: { oneOf: ['a', 'b'] }, stride: { u32: 3 }, dims: 'dims' } });
  const good = { dims: [2, 3], stride: [1, 2, 3], kind: 'b', p: -0.5, n: 7 };
  assert.equal(Object.keys(checkAttrs(all, good)), ['n', 'p', 'kind', 'stride', 'dims']);
  assert.is(attrsKey(checkAttrs(all, good)), '7;-0.5;b;[1,2,3];[2,3]');
  for (const bad of [
    { n: -1 },
    { n: 0.5 },
    { n: 2 ** 32 },
    { p: 'x' },
    { kind: 'c' },
    { stride: [1, 2] },
    { stride: 3 },
    { dims: [1, 1, 1, 1, 1, 1, 1, 1, 1] },
    { dims: [-1] },
  ])
    unfit(() => checkAttrs(all, { ...good, ...bad }));
  assert.is(unfit(() => checkAttrs(all, { ...good, kind: 'c' })).message, 'test: kind must be one of a, b, not c');
  assert.throws(() => checkAttrs(all, { ...good, q: 1 }), /bug: test has no attribute 'q'/);
  assert.throws(() => checkAttrs(all, { n: 1 }), /bug: test needs its attribute 'p'/);
  assert.is.not(attrsKey({ x: 0 }), attrsKey({ x: -0 }));
});

const records = suite('defineOp');

records('refuses a record that contradicts itself', () => {
  const refused = (more: Partial<OpDef>, message: RegExp): void => assert.throws(() => op(more), message);
  refused({ name: 'Bad' }, /snake case/);
  refused({ inputs: { 'xs*': 'f32[n]', y: 'f32[n]' } }, /variadic/);
  refused({ inputs: { x: 'f32' } }, /pattern/);
  refused({ outputs: {} }, /no outputs/);
  refused({ inPlace: [0] }, /inPlace of an input/);
  refused({ inputs: { x: 'f32[n]' }, inPlace: [0, 0] }, /inPlace of more outputs/);
  refused({ stopsGradient: false }, /neither grad nor decompose/);
});

patterns.run();
inference.run();
attributes.run();
records.run();
