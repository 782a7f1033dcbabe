// Products of operands rounded to bf16: what the rounding does to each number, bits across instruction sets, nearness to the product itself.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundBf16 } from '../../src/base/precision.ts';
import { f32, numel } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { Attrs, NdArray } from '../../src/ir/op.ts';
import { info } from '../../src/native/native.ts';
import { linear } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { runOp } from '../support/run-op.ts';
import type { NativeArray } from '../support/run-op.ts';

const array = (shape: readonly number[], at: (i: number) => number): NdArray => ({
  shape,
  data: Float64Array.from({ length: numel(shape) }, (_, i) => Math.fround(at(i))),
});
const bytesOf = (a: NativeArray): Buffer => Buffer.from(a.buffer, a.byteOffset, a.byteLength);
const attrsOf = (transA: number, transB: number, precision = 'bf16'): Attrs => ({ transA, transB, precision });

interface Matrices {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly attrs: Attrs;
  readonly isa: string;
}
function product(a: (i: number) => number, b: (i: number) => number, { m, n, k, attrs, isa }: Matrices): NativeArray {
  const [left, right] = [attrs['transA'] ? [k, m] : [m, k], attrs['transB'] ? [n, k] : [k, n]];
  return runOp(matmul, [f32(...left), f32(...right)], [array(left, a), array(right, b)], attrs, { isa })[0]!;
}

// Ties either way, ends of the range, infinities, subnormals, and numbers between them.
const random = new Random('test', 'bf16');
const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);
const bits = (w: number): number => ((word[0] = w), number[0]!);
const SPECIAL: readonly number[] = [
  ...[0, -0, NaN, Infinity, -Infinity, 2 ** -126, -(2 ** -127), 2 ** -149, 3.4e38, -3.4e38].map(Math.fround),
  ...[0x3f808000, 0x3f818000, 0xbf808000, 0x3f808001, 0x3f807fff, 0x7f7f7fff, 0x7f7f8000, 0x007fffff].map(bits),
  ...Array.from({ length: 300 }, () => bits(random.below(2 ** 32))),
];

const bf16 = suite('ops: bf16');

for (const isa of info().isas) {
  for (const swapped of [0, 1]) {
    // Products with 1 are the rounded numbers; beside a zero for the other half of a pair where that is finite.
    bf16(`every kind of number rounds as in the reference on ${isa}, ${swapped ? 'transposed' : 'as it lies'}`, () => {
      const count = SPECIAL.length;
      const expected = SPECIAL.map((v) => roundBf16(v) + 0);
      const same = (found: NativeArray, what: string): void =>
        found.forEach((v, i) =>
          assert.ok(Object.is(v + 0, expected[i]), `${what}: ${SPECIAL[i]} is ${v}, not ${expected[i]}`),
        );
      const at = (i: number): number => SPECIAL[i]!;
      const one = (): number => 1;
      const sizes = { k: 1, attrs: attrsOf(swapped, swapped), isa };
      same(product(at, one, { ...sizes, m: count, n: 1 }), 'left');
      same(product(one, at, { ...sizes, m: 1, n: count }), 'right');
      const finite = SPECIAL.map((v) => (Number.isFinite(roundBf16(v)) ? v : 1));
      const place = swapped ? 1 : 0;
      for (const half of [0, 1]) {
        const pairs = product(
          (i) => finite[place ? i % count : i >> 1]!,
          (i) => Number(i === half),
          {
            m: count,
            n: 1,
            k: 2,
            attrs: attrsOf(place, 0),
            isa,
          },
        );
        finite.forEach((v, i) => assert.is(pairs[i]! + 0, roundBf16(v) + 0, `half ${half}: ${v}`));
      }
    });
  }

  bf16(`NaN and infinities reach their own rows and columns only, on ${isa}`, () => {
    const [m, n, k] = [17, 35, 9];
    const found = product(
      (i) => (i === 4 * k + 3 ? NaN : 1),
      (i) => (i === 2 * n + 7 ? Infinity : 1),
      {
        m,
        n,
        k,
        attrs: attrsOf(0, 0),
        isa,
      },
    );
    found.forEach((v, i) => {
      const [row, column] = [Math.floor(i / n), i % n];
      assert.ok(Object.is(v, row === 4 ? NaN : column === 7 ? Infinity : k), `${row}, ${column}: ${v}`);
    });
  });
}

// One block of k everywhere: pairs add up in the same order, with the same roundings.
bf16('the same bits on every instruction set', () => {
  for (const [m, n, k, transA, transB] of [
    [1, 1, 1, 0, 0],
    [7, 33, 17, 0, 1],
    [64, 65, 512, 0, 1],
    [65, 48, 511, 1, 0],
    [30, 31, 100, 1, 1],
    [15, 300, 2, 0, 0],
  ] as const) {
    const [a, b] = [m * k, k * n].map((size) => Float32Array.from({ length: size }, () => random.normal()));
    const results = info().isas.map((isa) =>
      product(
        (i) => a![i]!,
        (i) => b![i]!,
        { m, n, k, attrs: attrsOf(transA, transB), isa },
      ),
    );
    for (const r of results) assert.ok(bytesOf(r).equals(bytesOf(results[0]!)), `${m} x ${n} x ${k}`);
  }
});

bf16('near to the product itself: 1 - 2<x, y> / (|x|² + |y|²) below 1e-3, for normal numbers far below', () => {
  const [rows, width, out] = [50, 301, 70];
  const types = [f32(rows, width), f32(out, width), f32(out), null];
  const inputs = types.map((t) => t && array(t.shape, () => random.normal()));
  const [x, y] = ['f32', 'bf16'].map(
    (precision) => runOp(linear, types, inputs, { activation: 'gelu', precision })[0]! as Float32Array,
  );
  const dot = (p: Float32Array, q: Float32Array): number => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  const apart = 1 - (2 * dot(x!, y!)) / (dot(x!, x!) + dot(y!, y!));
  assert.ok(apart > 1e-8 && apart < 1e-4, `${apart}`);
});

bf16.run();
