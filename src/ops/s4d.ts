import { f32, numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs, Cost, NdArray, Sample } from '../ir/op.ts';
import { conv, convInputGrad, convWeightGrad } from './conv.ts';
import { add, exp, mul, sub } from './elementwise.ts';
import { numberOf } from './lib/attrs.ts';
import {
  both,
  conjugate,
  expm1Of,
  expOf,
  join,
  over,
  plus,
  realOf,
  scaled,
  shaped,
  split,
  times,
} from './lib/complex.ts';
import type { Complex } from './lib/complex.ts';
import { products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, numelAt, typeAt } from './lib/types.ts';
import { fill } from './random.ts';
import { sumOver } from './reduce.ts';
import { concat, slice } from './shape.ts';

// S4D (Gu et al. 2022, "On the Parameterization and Initialization of Diagonal State Space Models"): x' = A·x + u, y = 2·Re C·x + D·u, u held
// for steps of Δ = e^logDt. h channels of n modes each; complex numbers are pairs of a real and an imaginary part.

const MODES = { logDt: 'f32[h]', a: 'f32[h, n, 2]', c: 'f32[h, n, 2]' } as const;
const D_MODES = { dLogDt: 'f32[h]', dA: 'f32[h, n, 2]', dC: 'f32[h, n, 2]' } as const;

/** FLOPs of making w and C̄ of a mode. */
const DISCRETISE = 64;

/** Steps that K works on alone; states carry the rest. */
const SPAN = 32;

/** Of `numbers` that each take so many multiply-adds a mode, and `more`. */
function costOf(numbers: number, perMode: number, a: TensorType, more = 0): Cost {
  const [channels, modes] = a.shape as [number, number, number];
  return products(numbers * (perMode * modes + more), DISCRETISE * channels * modes);
}

// In ops

interface Discrete {
  /** [h, 1] */
  readonly dt: Value;
  /** [h, n], as all that follows: Δ·A */
  readonly z: Complex;
  /** e^z */
  readonly w: Complex;
  /** (e^z − 1)/z */
  readonly phi: Complex;
  /** C·Δ·phi, by which an input that is held for a step comes in. */
  readonly cBar: Complex;
}

function discretise(b: Builder, logDt: Value, a: Value, c: Value): Discrete {
  const dt = shaped(b, b.one(exp, [logDt]), [dim(logDt.type.shape, 0), 1]);
  const z = held(b, split(b, a), dt);
  const phi = over(b, expm1Of(b, z), z);
  return { dt, z, w: expOf(b, z), phi, cBar: times(b, split(b, c), held(b, phi, dt)) };
}
const held = (b: Builder, x: Complex, dt: Value): Complex => both(x, (part) => b.one(mul, [part, dt]));

/** 0, 1, … length − 1. */
function ramp(b: Builder, length: number): Value {
  let steps = b.one(fill, [], { dims: [1], value: 0 });
  for (let size = 1; size < length; size *= 2) steps = b.one(concat, [steps, scaled(b, steps, 1, size)], { axis: 0 });
  return b.one(slice, [steps], { axis: 0, start: 0, size: length });
}
const withSteps = (b: Builder, x: Complex): Complex => both(x, (part) => shaped(b, part, [...part.type.shape, 1]));
/** w^l: [h, n, length]. */
const powers = (b: Builder, z: Complex, steps: Value): Complex =>
  expOf(
    b,
    both(withSteps(b, z), (part) => b.one(mul, [part, steps])),
  );

const sumModes = (b: Builder, x: Value): Value =>
  shaped(b, sumOver(b, x, 0b010), [dim(x.type.shape, 0), dim(x.type.shape, 2)]);
const sumSteps = (b: Builder, x: Value): Value => shaped(b, sumOver(b, x, 0b100), x.type.shape.slice(0, 2));

// In numbers

interface Mode {
  readonly zRe: number;
  readonly zIm: number;
  readonly cRe: number;
  readonly cIm: number;
}

function modeOf(dt: number, [aRe, aIm]: readonly [number, number], [cRe, cIm]: readonly [number, number]): Mode {
  const [zRe, zIm] = [dt * aRe, dt * aIm];
  const re = Math.expm1(zRe) * Math.cos(zIm) - 2 * Math.sin(zIm / 2) ** 2;
  const im = Math.exp(zRe) * Math.sin(zIm);
  const size = aRe * aRe + aIm * aIm;
  const [bRe, bIm] = size === 0 ? [dt, 0] : [(re * aRe + im * aIm) / size, (im * aRe - re * aIm) / size];
  return { zRe, zIm, cRe: cRe * bRe - cIm * bIm, cIm: cRe * bIm + cIm * bRe };
}

function forEachMode([logDt, a, c]: readonly (NdArray | null)[], visit: (channel: number, mode: Mode) => void): void {
  const modes = dim(a!.shape, 1);
  const pair = (x: NdArray, i: number): [number, number] => [x.data[2 * i]!, x.data[2 * i + 1]!];
  for (let h = 0; h < logDt!.data.length; h++)
    for (let n = 0; n < modes; n++)
      visit(h, modeOf(Math.exp(logDt!.data[h]!), pair(a!, h * modes + n), pair(c!, h * modes + n)));
}

// Samples: [batch, steps, channels, modes]

const SIZES = [
  [1, 1, 1, 1],
  [2, 5, 3, 1],
  [0, 4, 3, 2],
  [2, 0, 3, 2],
  [2, 3, 0, 2],
  [2, 4, 3, 0],
  [1, 17, 16, 3],
  [2, 33, 17, 2],
  [3, 40, 5, 5],
  [1, 65, 33, 4],
  [2, 150, 3, 70],
  [1, 2000, 2, 3],
  [40, 300, 31, 1],
] as const;
const modesOf = (h: number, n: number): readonly TensorType[] => [f32(h), f32(h, n, 2), f32(h, n, 2)];

export const s4dResponse = defineOp({
  name: 's4d_response',
  doc: 'What a diagonal state space answers to an impulse (S4D; Gu et al. 2022), the input held between steps: K_l = 2·Re Σ_n C̄_n·w_n^l with w = e^(Δ·A), C̄ = C·(w − 1)/A (C·Δ where A is 0) and Δ = e^logDt. a and c are complex: pairs of a real and an imaginary part.',
  inputs: MODES,
  outputs: { k: 'f32[h, length]' },
  attrs: { length: 'u32' },
  grad: (g) => {
    const dk = g.dOutput(0);
    return dk ? g.builder.apply(s4dResponseGrad, [g.input(0), g.input(1), g.input(2), dk]) : [null, null, null];
  },
  decompose: (b, [logDt, a, c], attrs) => {
    const { z, cBar } = discretise(b, logDt!, a!, c!);
    const terms = realOf(b, withSteps(b, cBar), powers(b, z, ramp(b, numberOf(attrs, 'length'))));
    return [scaled(b, sumModes(b, terms), 2)];
  },
  cost: (inputs, outputs) => costOf(numelAt(outputs, 0), 2, typeAt(inputs, 1)),
  reference: (inputs, attrs) => {
    const length = numberOf(attrs, 'length');
    const k = ndArray([arrayAt(inputs, 0).data.length, length]);
    forEachMode(inputs, (h, { zRe, zIm, cRe, cIm }) => {
      for (let l = 0; l < length; l++)
        k.data[h * length + l]! += 2 * Math.exp(l * zRe) * (cRe * Math.cos(l * zIm) - cIm * Math.sin(l * zIm));
    });
    return [k];
  },
  samples: SIZES.map(([, length, h, n]) => ({ inputs: modesOf(h, n), attrs: { length } })),
});

export const s4dResponseGrad = defineOp({
  name: 's4d_response_grad',
  doc: 'Gradient of s4d_response.',
  inputs: { ...MODES, dk: 'f32[h, length]' },
  outputs: D_MODES,
  attrs: {},
  decompose: (b, [logDt, a, c, dk]) => {
    const { dt, z, w, phi, cBar } = discretise(b, logDt!, a!, c!);
    const [h, length] = dk!.type.shape as [number, number];
    const steps = ramp(b, length);
    const of = powers(b, z, steps);
    // Holomorphic derivatives f′: of Re f(x) that by Re x is Re f′, that by Im x is −Im f′.
    const along = (dy: Value): Complex => both(of, (part) => scaled(b, sumSteps(b, b.one(mul, [part, dy])), 2));
    const flow = shaped(b, dk!, [h, 1, length]);
    const byC = along(flow);
    const slope = over(b, { re: b.one(sub, [w.re, phi.re]), im: b.one(sub, [w.im, phi.im]) }, z);
    const throughC = times(b, times(b, byC, split(b, c!)), held(b, slope, dt));
    const byZ = plus(b, times(b, cBar, along(b.one(mul, [flow, steps]))), throughC);
    const byLogDt = b.one(add, [realOf(b, byZ, z), realOf(b, byC, cBar)]);
    return [
      shaped(b, sumOver(b, byLogDt, 0b10), [h]),
      join(b, conjugate(b, held(b, byZ, dt))),
      join(b, conjugate(b, held(b, times(b, byC, phi), dt))),
    ];
  },
  cost: (inputs) => costOf(numelAt(inputs, 3), 4, typeAt(inputs, 1)),
  samples: SIZES.map(([, length, h, n]) => ({ inputs: [...modesOf(h, n), f32(h, length)] })),
});

/** As a convolution with K, whose adjoint it is: <conv(x), u> = <x, y>. */
const causal = (length: number, channels: number): Attrs => ({
  stride: [1, 1, 1],
  padBefore: [0, 0, 0],
  padAfter: [0, 0, length - 1],
  dilation: [1, 1, 1],
  groups: channels,
  winograd: 'off',
});
const image = (b: Builder, x: Value): Value => {
  const [batch, length, channels] = x.type.shape as [number, number, number];
  return shaped(b, x, [batch, 1, 1, length, channels]);
};
const kernelOf = (b: Builder, [logDt, a, c]: readonly (Value | null)[], length: number): Value => {
  const k = b.one(s4dResponse, [logDt!, a!, c!], { length });
  return shaped(b, k, [dim(k.type.shape, 0), 1, 1, length, 1]);
};

export const s4d = defineOp({
  name: 's4d',
  doc: 'A diagonal state space along the second axis (S4D; Gu et al. 2022), the input held between steps: y_l = Σ_j K_j·u_(l−j) + d·u_l with K that of s4d_response. Linear in the number of steps: K is made for 32 of them, and a state carries the rest.',
  inputs: { u: 'f32[batch, length, h]', ...MODES, d: 'f32[h]' },
  outputs: { y: 'f32[batch, length, h]' },
  attrs: {},
  grad: (g) => {
    const dy = g.dOutput(0);
    const inputs = [0, 1, 2, 3, 4].map((i) => g.input(i));
    return dy ? g.builder.apply(s4dGrad, [...inputs, dy]) : inputs.map(() => null);
  },
  decompose: (b, [u, ...rest]) => {
    const [, length, h] = u!.type.shape as [number, number, number];
    const through = b.one(mul, [u!, rest[3]!]);
    if (numel(u!.type.shape) === 0) return [through];
    const attrs = { ...causal(length, h), size: [1, 1, length] };
    const y = b.one(convInputGrad, [image(b, u!), kernelOf(b, rest, length)], attrs);
    return [b.one(add, [shaped(b, y, u!.type.shape), through])];
  },
  cost: (inputs) => costOf(numelAt(inputs, 0), 4, typeAt(inputs, 2), SPAN / 2),
  reference: ([u, ...rest]) => {
    const [batch, length, h] = u!.shape as [number, number, number];
    const y = ndArray(u!.shape);
    y.data.forEach((_, i) => (y.data[i] = rest[3]!.data[i % h]! * u!.data[i]!));
    forEachMode(rest, (channel, { zRe, zIm, cRe, cIm }) => {
      const [wRe, wIm] = [Math.exp(zRe) * Math.cos(zIm), Math.exp(zRe) * Math.sin(zIm)];
      for (let example = 0; example < batch; example++) {
        let [re, im] = [0, 0];
        for (let l = 0; l < length; l++) {
          const at = (example * length + l) * h + channel;
          [re, im] = [wRe * re - wIm * im + u!.data[at]!, wRe * im + wIm * re];
          y.data[at]! += 2 * (cRe * re - cIm * im);
        }
      }
    });
    return [y];
  },
  samples: SIZES.map(([batch, length, h, n]): Sample => ({
    inputs: [f32(batch, length, h), ...modesOf(h, n), f32(h)],
  })),
});

export const s4dGrad = defineOp({
  name: 's4d_grad',
  doc: 'Gradient of s4d, linear in the number of steps: states are made again, and meet those of the reversed sequence.',
  inputs: { u: 'f32[batch, length, h]', ...MODES, d: 'f32[h]', dy: 'f32[batch, length, h]' },
  outputs: { du: 'f32[batch, length, h]', ...D_MODES, dD: 'f32[h]' },
  attrs: {},
  decompose: (b, [u, logDt, a, c, d, dy]) => {
    const [, length, h] = u!.type.shape as [number, number, number];
    const modes = [logDt!, a!, c!];
    const through = b.one(mul, [dy!, d!]);
    const dD = shaped(b, sumOver(b, b.one(mul, [dy!, u!]), 0b011), [h]);
    const gradOf = (dk: Value): readonly Value[] => b.apply(s4dResponseGrad, [...modes, dk]);
    if (numel(u!.type.shape) === 0) return [through, ...gradOf(b.one(fill, [], { dims: [h, length], value: 0 })), dD];
    const attrs = causal(length, h);
    const du = b.one(conv, [image(b, dy!), kernelOf(b, modes, length)], attrs);
    const dk = b.one(convWeightGrad, [image(b, dy!), image(b, u!)], { ...attrs, kernel: [1, 1, length] });
    return [b.one(add, [shaped(b, du, u!.type.shape), through]), ...gradOf(shaped(b, dk, [h, length])), dD];
  },
  cost: (inputs) => costOf(numelAt(inputs, 0), 10, typeAt(inputs, 2), SPAN),
  samples: SIZES.map(([batch, length, h, n]): Sample => ({
    inputs: [f32(batch, length, h), ...modesOf(h, n), f32(h), f32(batch, length, h)],
  })),
});
