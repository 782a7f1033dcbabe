import { f32 } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs, Sample } from '../ir/op.ts';
import { affine } from './elementwise.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { bestOrder, productCost } from './lib/modes.ts';
import { modeProduct, modeShape } from './mode-product.ts';
import { shapeAt, showShape, typeAt } from './lib/types.ts';

/** Most factors of one weight: its order is found among their permutations. */
export const MAX_MODES = 5;

interface Stage {
  readonly axis: number;
  readonly before: Shape;
  readonly factor: Shape;
  readonly after: Shape;
}

/** The mode products in the order of `axes`. Throws Unfit. */
function stagesOf(core: Shape, factors: readonly Shape[], attrs: Attrs): readonly Stage[] {
  const axes = listOf(attrs, 'axes');
  if (axes.length !== factors.length) {
    throw new Unfit(
      `${factors.length} factors for the axes ${showShape(axes)}`,
      `${axes.length} factors`,
      String(factors.length),
    );
  }
  if (axes.length < 1 || axes.length > MAX_MODES) {
    throw new Unfit(`${axes.length} factors`, `1 to ${MAX_MODES} factors`, String(axes.length));
  }
  if (new Set(axes).size < axes.length)
    throw new Unfit(`an axis twice in ${showShape(axes)}`, 'different axes', showShape(axes));
  const flat = factors.find((f) => f.length !== 2);
  if (flat) throw new Unfit(`a factor ${showShape(flat)} that is not [I, r]`, '[I, r]', showShape(flat));
  let before = core;
  return axes.map((axis, i) => {
    const stage = { axis, before, factor: factors[i]!, after: modeShape(before, factors[i]!, axis, false) };
    before = stage.after;
    return stage;
  });
}

type Given = readonly [axis: number, rank: number, size: number];
const sample = (core: Shape, given: readonly Given[], scale = 1): Sample => ({
  inputs: [f32(...core), ...given.map(([, rank, size]) => f32(size, rank))],
  attrs: { axes: given.map(([axis]) => axis), scale },
});

/** W = scale · core ×_axes[0] factors[0] ×_axes[1] …, in this order (Tucker 1966; Kolda and Bader 2009, eq. 4.1). */
export const tuckerWeight = defineOp({
  name: 'tucker_weight',
  doc: 'The tensor scale · core ×_axes[0] factors[0] ×_axes[1] factors[1] …: mode products in this order, factors [I, r]. Axes without one stay.',
  inputs: { core: 'f32[...ranks]', 'factors*': 'f32[...factor]' },
  outputs: { w: 'f32[...weight]' },
  attrs: { axes: 'dims', scale: 'f32' },
  infer: ([core, ...factors], attrs) => [
    f32(
      ...stagesOf(
        typeAt([core], 0).shape,
        factors.map((_, i) => shapeAt(factors, i)),
        attrs,
      ).at(-1)!.after,
    ),
  ],
  decompose: (b, [core, ...factors], attrs) => {
    const scale = numberOf(attrs, 'scale');
    const start = scale === 1 ? core! : b.one(affine, [core!], { scale, shift: 0 });
    const axes = listOf(attrs, 'axes');
    return [factors.reduce<Value>((x, u, i) => b.one(modeProduct, [x, u], { axis: axes[i]!, transposed: 0 }), start)];
  },
  cost: ([core, ...factors], _outputs, attrs) => {
    const stages = stagesOf(
      typeAt([core], 0).shape,
      factors.map((_, i) => shapeAt(factors, i)),
      attrs,
    );
    return products(
      stages.reduce((sum, { axis, before, factor }) => sum + productCost(before, { axis, factor }, false), 0),
    );
  },
  samples: [
    sample(
      [2, 3],
      [
        [0, 2, 4],
        [1, 3, 5],
      ],
    ),
    sample(
      [2, 3],
      [
        [1, 3, 5],
        [0, 2, 4],
      ],
      -0.5,
    ),
    sample(
      [2, 2, 3],
      [
        [2, 3, 4],
        [0, 2, 3],
      ],
      2,
    ),
    sample(
      [2, 1, 2, 1, 2],
      [
        [0, 2, 3],
        [1, 1, 2],
        [2, 2, 2],
        [3, 1, 3],
        [4, 2, 2],
      ],
    ),
    sample([3], [[0, 3, 1]]),
    sample(
      [0, 2],
      [
        [0, 0, 3],
        [1, 2, 4],
      ],
    ),
    sample(
      [2, 2],
      [
        [0, 2, 0],
        [1, 2, 4],
      ],
    ),
    sample(
      [16, 3, 3, 16],
      [
        [0, 16, 65],
        [3, 16, 33],
      ],
      0.25,
    ),
    sample(
      [16, 2, 3, 17],
      [
        [2, 3, 3],
        [1, 2, 3],
        [0, 16, 40],
        [3, 17, 70],
      ],
    ),
  ],
});

/** The weight of a core and factors, one [I, r] or null (identity) an axis, by the best order of mode products. */
export function makeTucker(b: Pick<Builder, 'one'>, core: Value, factors: readonly (Value | null)[], scale = 1): Value {
  const given = factors.flatMap((factor, axis) => (factor ? [{ axis, factor }] : []));
  if (given.length === 0) return scale === 1 ? core : b.one(affine, [core], { scale, shift: 0 });
  if (given.length > MAX_MODES)
    throw new Unfit(`${given.length} factors`, `at most ${MAX_MODES}`, String(given.length));
  const modes = given.map(({ axis, factor }) => ({ axis, factor: factor.type.shape }));
  const ordered = bestOrder(core.type.shape, modes, false).map((i) => given[i]!);
  return b.one(tuckerWeight, [core, ...ordered.map((m) => m.factor)], { axes: ordered.map((m) => m.axis), scale });
}

/** The core of a tensor under factors, one [I, r] or null an axis: mode products with their transposes, by the best order. */
export function compress(b: Builder, x: Value, factors: readonly (Value | null)[]): Value {
  const given = factors.flatMap((factor, axis) => (factor ? [{ axis, factor }] : []));
  const modes = given.map(({ axis, factor }) => ({ axis, factor: factor.type.shape }));
  return bestOrder(x.type.shape, modes, true).reduce<Value>((value, i) => {
    const { axis, factor } = given[i]!;
    return b.one(modeProduct, [value, factor], { axis, transposed: 1 });
  }, x);
}
