// Errors of the elementary functions in units in the last place, against float64, over all magnitudes of their ranges.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OpDef } from '../../src/ir/op.ts';
import { info } from '../../src/native/native.ts';
import { cos, erf, exp, gelu, log, sigmoid, sin, tanh } from '../../src/ops/elementwise.ts';
import { erf as erfOf, normalCdf, sigmoid as sigmoidOf } from '../../src/ops/lib/special.ts';
import { runOp } from '../support/run-op.ts';

/** The f32 numbers from `low` to `high`, both of one sign, of which every one has as many in between: some `count`. */
function numbersBetween(low: number, high: number, count: number): Float64Array {
  const [from, to] = new Int32Array(new Float32Array([low, high]).buffer) as unknown as [number, number];
  const bits = Int32Array.from({ length: count }, (_, i) => from + Math.round(((to - from) * i) / (count - 1)));
  return Float64Array.from(new Float32Array(bits.buffer));
}

const COUNT = 60_000;
const around = (least: number, most: number): Float64Array =>
  Float64Array.of(...numbersBetween(least, most, COUNT), ...numbersBetween(-least, -most, COUNT));

/** Distance of two f32 numbers next to each other at x. Results below 2⁻¹²⁶ are not asked for. */
const unitAt = (x: number): number => 2 ** (Math.floor(Math.log2(Math.abs(x))) - 23);

const CASES: readonly (readonly [op: OpDef, of: (x: number) => number, at: Float64Array, bound: number])[] = [
  [exp, Math.exp, Float64Array.of(...around(1e-7, 87), ...numbersBetween(87, 88.72, 2000)), 1],
  [log, Math.log, Float64Array.of(...numbersBetween(1.2e-38, 3.4e38, COUNT), ...numbersBetween(0.5, 2, COUNT)), 1],
  [sin, Math.sin, around(1e-30, 3.4e38), 0.51],
  [cos, Math.cos, around(1e-30, 3.4e38), 0.51],
  [tanh, Math.tanh, around(1e-30, 20), 1.2],
  [erf, erfOf, around(1e-30, 5), 1],
  [sigmoid, sigmoidOf, around(1e-7, 80), 2],
  [
    gelu,
    (x) => x * normalCdf(x),
    Float64Array.of(...numbersBetween(1e-30, 20, COUNT), ...numbersBetween(-1e-30, -1, COUNT)),
    4,
  ],
  [gelu, (x) => x * normalCdf(x), numbersBetween(-1, -5.5, COUNT), 40],
];

const ulps = suite('elementary functions: units in the last place');
for (const [op, of, at, bound] of CASES)
  for (const isa of info().isas)
    ulps(`${op.name} on ${isa}`, () => {
      const type = { dtype: 'f32', shape: [at.length] } as const;
      const found = runOp(op, [type], [{ shape: type.shape, data: at }], {}, { isa })[0]!;
      let [worst, where] = [0, 0];
      at.forEach((x, i) => {
        const exact = of(x);
        const off = Math.abs(found[i]! - exact) / unitAt(exact);
        if (!(off <= worst)) [worst, where] = [off, x];
      });
      assert.ok(worst <= bound, `${op.name}(${where}) is off by ${worst} units, ${bound} are allowed`);
    });
ulps.run();
