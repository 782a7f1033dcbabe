// Products and convolutions of random shapes. Whole numbers are drawn, so that every sum is exact in f32: kernels must give the
// reference's numbers, not ones near them, for any number of threads, on every instruction set.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { checkAttrs } from '../../src/ir/attrs.ts';
import { evaluateOp } from '../../src/ir/evaluate.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { info } from '../../src/native/native.ts';
import { conv, convAct, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { linear } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { tuckerWeight } from '../../src/ops/tucker-weight.ts';
import { prepareOp } from '../support/run-op.ts';

interface Case {
  readonly op: OpDef;
  readonly types: readonly (TensorType | null)[];
  readonly attrs: Attrs;
}

const THREADS = [1, 2, 3, 5];

function whole(type: TensorType, random: Random): NdArray {
  const data = new Float64Array(numel(type.shape));
  for (let i = 0; i < data.length; i++) data[i] = Math.floor(random.uniform() * 9) - 4;
  return { shape: type.shape, data };
}

function check({ op, types, attrs }: Case, random: Random): void {
  const inputs = types.map((t) => t && whole(t, random));
  const all = checkAttrs(op, attrs);
  const expected = evaluateOp(op, inputs, types, all, inferTypes(op, types, all))[0]!.data;
  for (const isa of info().isas) {
    const prepared = prepareOp(op, types, all, { isa });
    for (const threads of THREADS) {
      const found = prepared.run(inputs, { threads })[0]!;
      // -0 and 0 are the same number here.
      const wrong = found.findIndex((v, i) => v !== expected[i]);
      const shapes = types.map((t) => (t ? `[${t.shape}]` : 'null')).join(' ');
      const where = `${op.name} ${shapes} ${JSON.stringify(attrs)} on ${isa}, ${threads} threads`;
      assert.is(wrong, -1, `${where}: element ${wrong} is ${found[wrong]}, not ${expected[wrong]}`);
    }
    prepared.close();
  }
}

const between = (random: Random, low: number, high: number): number =>
  low + Math.floor(random.uniform() * (high - low + 1));
const oneOf = <T>(random: Random, items: readonly T[]): T => items[between(random, 0, items.length - 1)]!;

const SIZES = [0, 1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 28, 29, 31, 32, 33, 48, 63, 65, 100];

function randomMatmul(random: Random): Case {
  const [m, n, k] = [oneOf(random, SIZES), oneOf(random, SIZES), oneOf(random, SIZES)];
  const [transA, transB] = [between(random, 0, 1), between(random, 0, 1)];
  const lead = random.uniform() < 0.25 ? [between(random, 1, 9)] : [];
  const types = [f32(...lead, ...(transA ? [k, m] : [m, k])), f32(...lead, ...(transB ? [n, k] : [k, n]))];
  return { op: matmul, types, attrs: { transA, transB } };
}

function randomLinear(random: Random): Case {
  const [rows, width, out] = [oneOf(random, SIZES), oneOf(random, SIZES), oneOf(random, SIZES)];
  const types = [
    f32(rows, width),
    f32(out, width),
    between(random, 0, 1) ? f32(out) : null,
    between(random, 0, 1) ? f32(rows, out) : null,
  ];
  return { op: linear, types, attrs: { activation: oneOf(random, ['none', 'relu']) } };
}

// Blocks of k, splits of k, groups of rows and of columns, panels packed for all tasks at once.
const LARGE: readonly (readonly [m: number, n: number, k: number])[] = [
  [10, 30, 9000],
  [300, 70, 333],
  [513, 129, 270],
  [1030, 40, 300],
  [20, 500, 600],
  [600, 8, 64],
];

// Rows of the right side far apart, rows of the left side 1 KiB or more, whole vectors of k and not.
const AHEAD: readonly (readonly [m: number, n: number, k: number])[] = [
  [150, 576, 256],
  [113, 544, 519],
  [200, 600, 1024],
  [330, 520, 33],
  // Several blocks of k, of unequal depth: one leaves the next its first panel and most rows.
  [113, 544, 1180],
  [90, 552, 2048],
  [15, 544, 1536],
  [29, 544, 1100],
  [60, 40, 2048],
  [43, 32, 1536],
];

interface Axes {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padBefore: readonly number[];
  readonly padAfter: readonly number[];
}

/** Three axes, the leading ones idle in 1-D and 2-D; drawn again where the window is larger than the padded image. */
function randomAxes(random: Random, kernel = 4, pad = 2): Axes {
  for (;;) {
    const axes = drawAxes(random, kernel, pad);
    if (sizeOut(axes).every((n) => n > 0)) return axes;
  }
}

function drawAxes(random: Random, kernel: number, pad: number): Axes {
  const first = between(random, 0, 2);
  const draw = (low: number, high: number, idle: number): readonly number[] =>
    [0, 1, 2].map((i) => (i < first ? idle : between(random, low, high)));
  return {
    size: draw(1, first === 2 ? 60 : 11, 1),
    kernel: draw(1, kernel, 1),
    stride: draw(1, 3, 1),
    dilation: draw(1, 3, 1),
    padBefore: draw(0, pad, 0),
    padAfter: draw(0, pad, 0),
  };
}

const sizeOut = (a: Axes): readonly number[] =>
  a.size.map((n, i) => {
    const room = n + a.padBefore[i]! + a.padAfter[i]! - a.dilation[i]! * (a.kernel[i]! - 1) - 1;
    return room < 0 ? 0 : Math.floor(room / a.stride[i]!) + 1;
  });

/** Plain, grouped and depthwise channels: [groups, in, out] a group. */
function randomChannels(random: Random): readonly [number, number, number] {
  const kind = random.uniform();
  if (kind < 0.15) return [between(random, 2, 40), 1, 1];
  if (kind < 0.35) return [between(random, 2, 6), between(random, 1, 6), between(random, 1, 6)];
  return [1, between(random, 1, 36), between(random, 1, 36)];
}

function convCases(
  axes: Axes,
  batch: number,
  [groups, inner, out]: readonly [number, number, number],
): readonly Case[] {
  const { size, kernel, stride, dilation, padBefore, padAfter } = axes;
  const attrs = { stride, padBefore, padAfter, dilation, groups, winograd: 'off' };
  const x = f32(batch, ...size, groups * inner);
  const w = f32(groups * out, ...kernel, inner);
  const y = f32(batch, ...sizeOut(axes), groups * out);
  return [
    { op: conv, types: [x, w], attrs },
    { op: convAct, types: [x, w, f32(groups * out)], attrs: { ...attrs, activation: 'relu' } },
    { op: convInputGrad, types: [y, w], attrs: { ...attrs, size } },
    { op: convWeightGrad, types: [x, y], attrs: { ...attrs, kernel } },
  ];
}

const plain = (size: readonly number[], kernel: readonly number[], pad: number): Axes => ({
  size,
  kernel,
  stride: [1, 1, 1],
  dilation: [1, 1, 1],
  padBefore: kernel.map((k) => (k > 1 ? pad : 0)),
  padAfter: kernel.map((k) => (k > 1 ? pad : 0)),
});

// Sizes at which kernels take another way: bands of an image, spans of long rows, few channels, one tap.
const LARGE_CONVS: readonly (readonly [Axes, number, readonly [number, number, number]])[] = [
  [plain([1, 28, 28], [1, 5, 5], 2), 2, [1, 1, 6]],
  [plain([1, 14, 14], [1, 5, 5], 0), 3, [1, 6, 16]],
  [plain([1, 20, 150], [1, 3, 3], 1), 1, [1, 30, 12]],
  [plain([1, 1, 9000], [1, 1, 5], 2), 1, [1, 12, 4]],
  [plain([1, 1, 9000], [1, 1, 3], 1), 1, [20, 1, 1]],
  [plain([1, 9, 9], [1, 1, 1], 0), 4, [1, 20, 33]],
  [plain([1, 28, 30], [1, 3, 3], 1), 2, [1, 1, 40]],
  [{ ...plain([1, 32, 32], [1, 8, 8], 0), stride: [1, 8, 8] }, 2, [1, 3, 10]],
];

// Gradients of weights with few channels in: output channels that fill vectors, that leave lanes over, or so few that positions share
// one; rows of the kernel above and below the image; images without padding, read up to their end; spans and bands.
const FEW_CHANNELS: readonly (readonly [Axes, images: number, inner: number, out: number])[] = [
  ...[1, 2, 3, 5, 8, 11, 16, 17, 40].map((out) => [plain([1, 19, 21], [1, 5, 5], 2), 3, 1, out] as const),
  ...[1, 4, 6, 33].map((out) => [plain([1, 11, 14], [1, 3, 3], 0), 2, 3, out] as const),
  ...[3, 7, 32].map((out) => [{ ...plain([1, 23, 30], [1, 7, 7], 3), stride: [1, 2, 2] }, 2, 3, out] as const),
  [{ ...plain([1, 40, 36], [1, 4, 4], 0), stride: [1, 4, 4] }, 2, 3, 48],
  [{ ...plain([1, 40, 36], [1, 4, 4], 0), stride: [1, 4, 4] }, 2, 4, 2],
  [{ ...plain([1, 12, 17], [1, 3, 3], 3), dilation: [1, 3, 1] }, 2, 2, 16],
  [{ ...plain([1, 12, 17], [1, 3, 3], 3), dilation: [1, 2, 2] }, 2, 2, 16],
  [{ ...plain([1, 3, 2], [1, 7, 7], 6), stride: [1, 3, 1] }, 2, 1, 10],
  [plain([4, 7, 9], [3, 3, 3], 1), 2, 1, 16],
  [plain([1, 1, 20000], [1, 1, 5], 2), 1, 1, 20],
  [plain([1, 300, 200], [1, 3, 3], 1), 1, 1, 18],
];

// Windows larger than the image, rows of one position, steps past the window, each number of taps that has a block of its own.
const EDGES: readonly Axes[] = [
  plain([1, 2, 1], [1, 5, 5], 2),
  plain([1, 4, 23], [1, 3, 3], 1),
  plain([1, 6, 19], [1, 2, 2], 1),
  plain([1, 9, 20], [1, 5, 5], 0),
  plain([1, 8, 25], [1, 7, 7], 3),
  plain([1, 1, 40], [1, 1, 3], 9),
  plain([3, 4, 18], [3, 3, 3], 1),
  { ...plain([1, 7, 37], [1, 3, 3], 1), stride: [1, 2, 2] },
  { ...plain([1, 8, 41], [1, 5, 5], 2), stride: [1, 2, 2] },
  { ...plain([1, 9, 31], [1, 3, 3], 1), stride: [1, 3, 3] },
  { ...plain([1, 5, 30], [1, 3, 3], 2), dilation: [1, 2, 2] },
  { ...plain([1, 9, 12], [1, 3, 3], 1), stride: [1, 9, 1] },
];

const products = suite('ops: products of random shapes');
products('matmul', () => {
  const random = new Random('test', 'matmul', 1);
  for (let i = 0; i < 60; i++) check(randomMatmul(random), random);
});
products('linear', () => {
  const random = new Random('test', 'linear', 1);
  for (let i = 0; i < 40; i++) check(randomLinear(random), random);
});
products('matmul of large shapes, either side transposed', () => {
  const random = new Random('test', 'matmul', 2);
  LARGE.forEach(([m, n, k], i) => {
    const [transA, transB] = [i % 2, Math.floor(i / 2) % 2];
    check(
      {
        op: matmul,
        types: [transA ? f32(k, m) : f32(m, k), transB ? f32(n, k) : f32(k, n)],
        attrs: { transA, transB },
      },
      random,
    );
  });
});
products('matmul whose tiles pack the next panel and copy the next rows', () => {
  const random = new Random('test', 'matmul', 3);
  for (const [m, n, k] of AHEAD)
    check({ op: matmul, types: [f32(m, k), f32(k, n)], attrs: { transA: 0, transB: 0 } }, random);
});
products('convolutions and their gradients', () => {
  const random = new Random('test', 'conv', 1);
  for (let i = 0; i < 80; i++) {
    const channels = randomChannels(random);
    for (const one of convCases(randomAxes(random), between(random, 1, 3), channels)) check(one, random);
  }
});
products('Tucker weights of more than 16 MB, which leave past the caches', () => {
  const random = new Random('test', 'tucker', 1);
  // 2049 rows: a last tile of fewer.
  const types = [f32(3, 2), f32(2049, 3), f32(2080, 2)];
  check({ op: tuckerWeight, types, attrs: { axes: [0, 1], scale: 2 } }, random);
});
products('convolutions that take another way', () => {
  const random = new Random('test', 'conv', 2);
  for (const [axes, batch, channels] of LARGE_CONVS)
    for (const one of convCases(axes, batch, channels)) check(one, random);
});
products('gradients of weights with few channels in', () => {
  const random = new Random('test', 'conv', 5);
  for (const [axes, images, inner, out] of FEW_CHANNELS) check(convCases(axes, images, [1, inner, out])[3]!, random);
  for (let i = 0; i < 60; i++) {
    const channels = [1, between(random, 1, 4), between(random, 1, 40)] as const;
    check(convCases(randomAxes(random, 7, 7), between(random, 1, 4), channels)[3]!, random);
  }
});
products('convolutions of one channel a group, at their edges', () => {
  const random = new Random('test', 'conv', 3);
  for (const groups of [2, 3, 15, 16, 17, 33, 64, 83])
    for (const axes of EDGES) for (const one of convCases(axes, groups % 4, [groups, 1, 1])) check(one, random);
});
products('convolutions of one channel a group, of random shapes', () => {
  const random = new Random('test', 'conv', 4);
  for (let i = 0; i < 60; i++) {
    const groups = oneOf(random, [2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70]);
    for (const one of convCases(randomAxes(random, 7, 7), between(random, 0, 3), [groups, 1, 1])) check(one, random);
  }
});
products('convolutions of one channel a group, of small maps', () => {
  const random = new Random('test', 'conv', 7);
  for (let i = 0; i < 80; i++) {
    const [high, wide] = [between(random, 1, 17), between(random, 1, 17)];
    const step = oneOf(random, [1, 2]);
    const pads = (): number[] => [0, between(random, 0, 3), between(random, 0, 3)];
    const axes: Axes = {
      size: [between(random, 1, 2), high, wide],
      kernel: [1, 3, 3],
      stride: [1, step, step],
      dilation: [1, 1, 1],
      padBefore: pads(),
      padAfter: pads(),
    };
    if (sizeOut(axes).some((n) => n < 1)) continue;
    const groups = oneOf(random, [2, 5, 16, 33, 70, 160]);
    for (const one of convCases(axes, between(random, 0, 3), [groups, 1, 1])) check(one, random);
  }
  // Several slices to a sum, rows and images cut for threads.
  for (const one of convCases(plain([1, 30, 30], [1, 3, 3], 1), 6, [67, 1, 1])) check(one, random);
});
products('convolutions of one channel a group whose results leave past the caches', () => {
  const random = new Random('test', 'conv', 6);
  const axes = plain([1, 112, 113], [1, 3, 3], 1);
  const [forward, , inputGrad] = convCases(axes, 4, [64, 1, 1]);
  check(forward!, random);
  check(inputGrad!, random);
  for (const stride of [2, 3]) check(convCases({ ...axes, stride: [1, stride, stride] }, 4, [64, 1, 1])[2]!, random);
});
products.run();
