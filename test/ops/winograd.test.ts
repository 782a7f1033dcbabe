// 3x3 convolutions by Winograd's transforms against float64 loops: sizes around the tiles, vectors of channels and blocks of tiles.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { evaluateOp } from '../../src/ir/evaluate.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { info } from '../../src/native/native.ts';
import { conv, convAct, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { prepareOp } from '../support/run-op.ts';
import type { NativeArray } from '../support/run-op.ts';

interface Shape {
  readonly batch: number;
  readonly size: readonly [number, number];
  readonly inner: number;
  readonly out: number;
  readonly pad?: readonly [number, number];
}
interface Case {
  readonly name: string;
  readonly op: OpDef;
  readonly types: readonly TensorType[];
  readonly attrs: Attrs;
}

function casesOf({ batch, size, inner, out, pad = [1, 1] }: Shape): readonly Case[] {
  const attrs: Attrs = {
    stride: [1, 1, 1],
    padBefore: [0, pad[0], pad[1]],
    padAfter: [0, pad[1], pad[0]],
    dilation: [1, 1, 1],
    groups: 1,
  };
  const [full, kernel] = [
    [1, ...size],
    [1, 3, 3],
  ];
  const [x, w] = [f32(batch, ...full, inner), f32(out, ...kernel, inner)];
  const y = f32(batch, 1, ...size.map((n) => n + pad[0] + pad[1] - 2), out);
  const name = `${size.join('x')}, ${inner} to ${out}, batch ${batch}, padding ${pad.join(' and ')}`;
  return [
    { name, op: conv, types: [x, w], attrs },
    { name, op: convAct, types: [x, w, f32(out)], attrs: { ...attrs, activation: 'relu' } },
    { name, op: convAct, types: [x, w, f32(out)], attrs: { ...attrs, activation: 'tanh' } },
    { name, op: convInputGrad, types: [y, w], attrs: { ...attrs, size: full } },
    { name, op: convWeightGrad, types: [x, y], attrs: { ...attrs, kernel } },
  ];
}

const normal = (type: TensorType, random: Random): NdArray => ({
  shape: type.shape,
  data: Float64Array.from({ length: numel(type.shape) }, () => Math.fround(random.normal())),
});

const square = (values: Iterable<number>): number => [...values].reduce((sum, v) => sum + v * v, 0);
const relative = (found: NativeArray, expected: Float64Array): number =>
  Math.sqrt(square(expected.map((v, i) => v - found[i]!)) / square(expected));
const same = (a: NativeArray, b: NativeArray): boolean => a.every((v, i) => Object.is(v, b[i]));

/** Checks error and bits on every instruction set; says for each whether transforms were used: without them both ways are the same sums. */
function check({ name, op, types, attrs }: Case, bound: number): readonly boolean[] {
  const random = new Random('test', 'winograd', op.name, name);
  const inputs = types.map((t) => normal(t, random));
  const all = { ...attrs, winograd: 'on' };
  const expected = evaluateOp(op, inputs, types, all, inferTypes(op, types, all))[0]!.data;
  return info().isas.map((isa) => {
    const [on, off] = ['on', 'off'].map((winograd) => prepareOp(op, types, { ...attrs, winograd }, { isa }));
    try {
      const where = `${op.name} ${name} on ${isa}`;
      const found = on!.run(inputs, { threads: 1 })[0]!;
      const error = relative(found, expected);
      assert.ok(error < bound, `${where}: off by ${error}`);
      for (const threads of [2, 3, 7])
        assert.ok(same(found, on!.run(inputs, { threads })[0]!), `${where}: other bits on ${threads} threads`);
      return !same(found, off!.run(inputs)[0]!);
    } finally {
      on!.close();
      off!.close();
    }
  });
}

// Tiles of 4 x 4: whole ones, and cut by 1 to 3 on either side; one tile, many blocks.
const FOUR: readonly Shape[] = [
  { batch: 4, size: [8, 8], inner: 32, out: 32 },
  { batch: 16, size: [4, 4], inner: 33, out: 31 },
  { batch: 4, size: [7, 9], inner: 48, out: 20 },
  { batch: 3, size: [10, 11], inner: 31, out: 33, pad: [0, 0] },
  { batch: 2, size: [11, 13], inner: 29, out: 47, pad: [2, 1] },
  { batch: 1, size: [29, 31], inner: 17, out: 33, pad: [0, 2] },
  { batch: 3, size: [14, 14], inner: 20, out: 32 },
  { batch: 1, size: [16, 16], inner: 530, out: 16 },
  { batch: 1, size: [20, 16], inner: 16, out: 130 },
];
// Where tiles of 2 x 2 waste less.
const TWO: readonly Shape[] = [
  { batch: 40, size: [2, 2], inner: 40, out: 48 },
  { batch: 5, size: [2, 21], inner: 48, out: 63 },
  { batch: 5, size: [18, 2], inner: 65, out: 48 },
  { batch: 12, size: [6, 2], inner: 64, out: 50, pad: [0, 2] },
];
// So few channels or positions that transforms gain nothing.
const NONE: readonly Shape[] = [
  { batch: 4, size: [9, 9], inner: 1, out: 32 },
  { batch: 4, size: [9, 9], inner: 3, out: 12 },
  { batch: 1, size: [4, 4], inner: 64, out: 64 },
  { batch: 3, size: [1, 1], inner: 40, out: 40 },
];

const shareOf = (shapes: readonly Shape[], bound: number): number => {
  const used = shapes.flatMap((shape) => casesOf(shape).flatMap((c) => check(c, bound)));
  return used.filter(Boolean).length / used.length;
};

const winograd = suite('ops: Winograd');
winograd('tiles of four', () => assert.ok(shareOf(FOUR, 1e-5) > 0.8));
winograd('tiles of two', () => assert.ok(shareOf(TWO, 2e-6) > 0.8));
winograd('shapes that gain nothing keep their own sums', () => assert.is(shareOf(NONE, 2e-6), 0));
winograd.run();
