// Depthwise convolutions against float64 loops: random kernels, strides, dilations, paddings, widths and ranks, on every instruction set.
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
import { accuracyOf, mismatch } from '../support/tolerance.ts';

interface Case {
  readonly name: string;
  readonly op: OpDef;
  readonly types: readonly TensorType[];
  readonly attrs: Attrs;
}

const CHANNELS = [1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70];

/** An axis: size, kernel, stride, dilation, padding, places. A size that the kernel does not fit gets the padding that makes it fit. */
function axisOf(random: Random, used: boolean, most: number) {
  if (!used) return { size: 1, taps: 1, stride: 1, dilation: 1, before: 0, after: 0, places: 1 };
  const [size, taps, stride, dilation] = [
    1 + random.below(most),
    1 + random.below(7),
    1 + random.below(3),
    1 + random.below(3),
  ];
  const reach = (taps - 1) * dilation + 1;
  const before = random.below(reach + 1);
  const after = Math.max(random.below(reach + 1), reach - size - before);
  return {
    size,
    taps,
    stride,
    dilation,
    before,
    after,
    places: Math.floor((size + before + after - reach) / stride) + 1,
  };
}

function casesOf(random: Random): readonly Case[] {
  const rank = 1 + random.below(3);
  const axes = [2, 1, 0].map((i) => axisOf(random, i < rank, i === 0 ? 40 : 9));
  const channels = CHANNELS[random.below(CHANNELS.length)]!;
  const batch = random.below(8) === 0 ? 0 : 1 + random.below(3);
  const of = (key: 'size' | 'taps' | 'stride' | 'dilation' | 'before' | 'after' | 'places'): number[] =>
    axes.map((a) => a[key]);
  const attrs: Attrs = {
    stride: of('stride'),
    padBefore: of('before'),
    padAfter: of('after'),
    dilation: of('dilation'),
    groups: channels,
    winograd: 'on',
  };
  const [x, w, y] = [
    f32(batch, ...of('size'), channels),
    f32(channels, ...of('taps'), 1),
    f32(batch, ...of('places'), channels),
  ];
  const name = `batch ${batch}, ${channels} channels, ${JSON.stringify(axes)}`;
  return [
    { name, op: conv, types: [x, w], attrs },
    { name, op: convAct, types: [x, w, f32(channels)], attrs: { ...attrs, activation: 'relu' } },
    { name, op: convAct, types: [x, w, f32(channels)], attrs: { ...attrs, activation: 'tanh' } },
    { name, op: convInputGrad, types: [y, w], attrs: { ...attrs, size: of('size') } },
    { name, op: convWeightGrad, types: [x, y], attrs: { ...attrs, kernel: of('taps') } },
  ];
}

const normal = (type: TensorType, random: Random): NdArray => ({
  shape: type.shape,
  data: Float64Array.from({ length: numel(type.shape) }, () => Math.fround(random.normal())),
});

function check({ name, op, types, attrs }: Case, random: Random): void {
  const inputs = types.map((t) => normal(t, random));
  const outputs = inferTypes(op, types, attrs);
  const expected = evaluateOp(op, inputs, types, attrs, outputs)[0]!;
  const accuracy = accuracyOf(op.cost(types, outputs, attrs), outputs[0]!);
  for (const isa of info().isas) {
    const prepared = prepareOp(op, types, attrs, { isa });
    const where = `${op.name} ${JSON.stringify(attrs['activation'] ?? '')} on ${isa}: ${name}`;
    try {
      const found = prepared.run(inputs, { threads: 1 })[0]!;
      assert.is(mismatch(found, expected, accuracy, 4), null, where);
      for (const threads of [2, 3, 5]) {
        const again = prepared.run(inputs, { threads })[0]!;
        assert.ok(
          found.every((v, i) => Object.is(v, again[i])),
          `${where}: other bits on ${threads} threads`,
        );
      }
    } finally {
      prepared.close();
    }
  }
}

const ROUNDS = 60;
const depthwise = suite('ops: depthwise convolutions');
depthwise('random shapes equal float64 loops, the same bits for any number of threads', () => {
  for (let i = 0; i < ROUNDS; i++) {
    const random = new Random('test', 'depthwise', i);
    for (const c of casesOf(random)) check(c, random);
  }
});
depthwise.run();
