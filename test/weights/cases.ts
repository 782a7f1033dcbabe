import { f32, i32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Builder, WeightSpec } from '../../src/ir/builder.ts';
import type { Value } from '../../src/ir/graph.ts';
import type { TensorFile } from '../../src/ir/leaf.ts';
import type { Args, LayerDef } from '../../src/ir/layer.ts';
import { weighted } from '../../src/ir/weight.ts';
import type { Asked, MadeBy, WeightDef } from '../../src/ir/weight.ts';
import { makeWeight } from '../../src/space/values.ts';
import { WEIGHTS } from '../../src/weights/index.ts';
import { sum } from '../../src/weights/sum.ts';
import { ALL, filled, layer } from '../layers/support.ts';

export interface LayerUse {
  readonly name: string;
  readonly args: Args;
  readonly input: TensorType;
}

/** Each layer that asks for weights, in shapes that every expression of `MADE` fits unless it says otherwise. */
export const USES: readonly LayerUse[] = [
  { name: 'dense', args: { out: 4 }, input: f32(3, 8) },
  { name: 'conv', args: { out: 8, k: 3 }, input: f32(2, 5, 4, 4) },
  { name: 'conv', args: { out: 8, k: [2, 4], stride: 2, groups: 2, bias: false }, input: f32(2, 5, 4, 8) },
  { name: 'conv', args: { out: 4, k: 2 }, input: f32(2, 5, 4) },
  { name: 'conv', args: { out: 4, k: 2 }, input: f32(1, 3, 2, 3, 4) },
  { name: 'dwconv', args: { k: 3, multiplier: 2 }, input: f32(2, 4, 4, 4) },
  { name: 'embedding', args: { vocab: 8, dim: 4 }, input: i32(2, 3) },
  { name: 'attention', args: { heads: 2 }, input: f32(2, 3, 8) },
  { name: 'attention', args: { heads: 2, score: 'wma' }, input: f32(2, 3, 8) },
  { name: 'project', args: { n: 4 }, input: f32(3, 8) },
  { name: 'project', args: { to: [2, 2, 4] }, input: f32(2, 4, 4, 8) },
  { name: 'ffn', args: { hidden: 4 }, input: f32(3, 8) },
  { name: 'moe', args: { experts: 4, top: 2, hidden: 8 }, input: f32(3, 8) },
  { name: 'moe', args: { experts: 8, top: 1, hidden: 4, act: 'relu', bias: false }, input: f32(2, 3, 4) },
  { name: 'se', args: { ratio: 2 }, input: f32(2, 3, 3, 8) },
];

export const layerOf = (use: LayerUse): LayerDef =>
  use.args['to'] ? ALL.find((l) => l.args[0]?.name === 'to')! : layer(use.name);

export const showUse = (use: LayerUse): string => `${use.name}(${JSON.stringify(use.args)})`;

export const build =
  (use: LayerUse, made: MadeBy | null) =>
  (b: Builder, inputs: readonly Value[]): Value => {
    const args = filled(layerOf(use), use.args);
    if (!made?.def.whole) return layerOf(use).build(weighted(b, made, null), inputs, args);
    const { total, take } = vectorOf(use, made);
    return layerOf(use).build(weighted(b, null, take(b, total)), inputs, args);
  };

type Take = (b: Builder, relative: string, asked: Asked) => Value;

/** Every parameter of a layer, in order. */
export function askedBy(use: LayerUse): readonly Asked[] {
  const asked: Asked[] = [];
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const take: Take = (inner, relative, one) => {
    asked.push(one);
    return inner.param(relative, one.shape, one.init);
  };
  layerOf(use).build(weighted(b, null, take), [b.input('x', use.input)], filled(layerOf(use), use.args));
  return asked;
}

// One vector for all parameters of the layer.
function vectorOf(use: LayerUse, made: MadeBy): { total: number; take: (b: Builder, total: number) => Take } {
  const starts = new Map<string, number>();
  let total = 0;
  for (const { path, shape } of askedBy(use)) {
    starts.set(path, total);
    total += numel(shape);
  }
  const whole = made.def.whole!;
  return {
    total,
    take: (outer, all) => {
      const vector = whole.make(outer, 'group', all, made.args);
      return (b, relative, asked) => whole.part(b, vector, starts.get(asked.path)!, relative, asked, made.args);
    },
  };
}

/** The weights that a layer asks for. */
export function specsOf(use: LayerUse): readonly WeightSpec[] {
  const specs: WeightSpec[] = [];
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const asking: Builder = {
    ...b,
    weight: (path, spec) => {
      specs.push(spec);
      return b.weight(path, spec);
    },
  };
  layerOf(use).build(asking, [b.input('x', use.input)], filled(layerOf(use), use.args));
  return specs;
}

export const weightDef = (name: string): WeightDef => {
  const found = WEIGHTS.get(name);
  if (!found) throw new Error(`no weight ${name}`);
  return found;
};

export const make = (name: string, args: Args = {}): MadeBy => {
  const def = weightDef(name);
  const all = Object.fromEntries(def.args.map((a) => [a.name, args[a.name] ?? a.default ?? null]));
  return makeWeight(def, all, []);
};

export const plus = (...parts: readonly MadeBy[]): MadeBy => makeWeight(sum, {}, parts);

export interface Made {
  readonly made: MadeBy;
  /** Free numbers of a weight; null where it does not fit. */
  readonly free: (spec: WeightSpec) => number | null;
  readonly given?: true;
}

/** Those that stand already, and what is added to them starts at 0. */
export const isBased = ({ parts }: MadeBy): boolean =>
  parts.some((p) => p.def.name === 'fixed' || p.def.name === 'frozen');

interface Sides {
  readonly out: number;
  readonly inner: number;
  readonly blocks: number;
}
// Read from the layer's own table, not from the code under test.
function sides({ shape, stacked = false, groups = 1 }: WeightSpec): Sides {
  const blocks = stacked ? shape[0]! : groups;
  return { blocks, out: stacked ? shape[1]! : shape[0]! / groups, inner: shape.at(-1)! };
}

const kron = (n: number, algebra = 'none'): Made => ({
  made: make('kron', { n, algebra }),
  free: (spec) => {
    const { out, inner } = sides(spec);
    if (out % n !== 0 || inner % n !== 0) return null;
    return numel(spec.shape) / n + (algebra === 'none' ? n ** 3 : 0);
  },
});

const lowrank = (r: number): Made => ({
  made: make('lowrank', { r }),
  free: (spec) => {
    const rows = spec.stacked ? spec.shape[1]! : spec.shape[0]!;
    const columns = numel(spec.shape) / rows / (spec.stacked ? spec.shape[0]! : 1);
    if (r > Math.min(rows, columns)) return null;
    return (rows * r + r * columns) * (spec.stacked ? spec.shape[0]! : 1);
  },
});

const tucker = (r: number): Made => ({
  made: make('tucker', { r }),
  free: (spec) => {
    const axes = spec.axes ?? spec.shape;
    if (axes.some((size) => size < r)) return null;
    return r ** axes.length + axes.reduce((n, size) => n + size * r, 0);
  },
});

const hashed = (m: number): Made => ({
  made: make('hashed', { m, seed: 5 }),
  free: (spec) => (m <= numel(spec.shape) ? m : null),
});

const all = (spec: WeightSpec): number => numel(spec.shape);
const both = (a: Made, b: Made): Made => ({
  made: plus(a.made, b.made),
  free: (spec) => {
    const [x, y] = [a.free(spec), b.free(spec)];
    return x === null || y === null ? null : x + y;
  },
  ...(a.given || b.given ? { given: true } : {}),
});

const fixed: Made = { made: make('fixed', { seed: 3 }), free: () => 0, given: true };
const full: Made = { made: make('full'), free: all };

const file: TensorFile = { path: 'given.safetensors', hash: '0', shapes: new Map() };
const frozen: Made = {
  made: makeWeight(weightDef('frozen').over!(file), { file: file.path, tensor: null }, []),
  free: () => 0,
  given: true,
};

const whole = (d: number, projection: string, scales = false): Made => ({
  made: make('subspace', { d, projection, seed: 2, scales }),
  free: () => 0,
});

/** Every expression of the table at least once, and sums. */
export const MADE: readonly Made[] = [
  full,
  fixed,
  kron(1),
  kron(2),
  kron(4),
  kron(2, 'complex'),
  kron(4, 'quaternion'),
  kron(8, 'octonion'),
  lowrank(1),
  lowrank(3),
  tucker(1),
  tucker(2),
  hashed(1),
  hashed(13),
  hashed(40),
  both(fixed, hashed(5)),
  both(fixed, tucker(2)),
  both(fixed, lowrank(2)),
  both(fixed, kron(2)),
  both(fixed, full),
  both(lowrank(1), kron(2)),
  both(lowrank(1), lowrank(2)),
  both(hashed(3), hashed(9)),
  frozen,
  both(frozen, tucker(1)),
  both(frozen, lowrank(1)),
  whole(3, 'fastfood'),
  whole(7, 'gaussian'),
  whole(5, 'sparse'),
  whole(11, 'rademacher'),
  whole(6, 'fastfood', true),
];
