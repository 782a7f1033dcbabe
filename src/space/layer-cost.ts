import { Unfit } from '../base/unfit.ts';
import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { scalePath, weighted } from '../ir/weight.ts';
import type { Builder } from '../ir/builder.ts';
import type { Asked } from '../ir/weight.ts';
import type { Value } from '../ir/graph.ts';
import type { Args, LayerDef, Widths } from '../ir/layer.ts';
import type { TensorFile } from '../ir/leaf.ts';
import { measure } from '../ir/measure-builder.ts';
import { forceText, PLAIN } from './force.ts';
import type { Force } from './force.ts';

/** What one application of a layer makes and costs, for one example. */
export interface LayerCost {
  readonly output: TensorType;
  readonly params: number;
  /** Numbers that it learns, but of which a vector around makes all. */
  readonly taken: number;
  /** Numbers that are kept, whatever the batch: running statistics, given tensors, weights that are made. */
  readonly state: number;
  readonly flops: number;
  readonly macs: number;
  /** Values that its backward pass reads: its own, and its inputs. */
  readonly kept: number;
  /** Its weights, free and given. */
  readonly weights: readonly { readonly path: string; readonly shape: readonly number[] }[];
  /** Numbers of its weights that are given: those of files and of seeds. */
  readonly given: number;
  /** Weights that stand in a file under the path of the layer. */
  readonly filed: readonly Filed[];
  /** What a vector around makes, in order. */
  readonly asked: readonly Asked[];
}

/** A tensor that a file must hold. */
export interface Filed {
  readonly path: string;
  readonly shape: readonly number[];
  readonly file: TensorFile;
}

/** Numbers kept for each number that a vector makes: its start, and itself. */
export const VECTOR_STATE = 2;

/** Its weights' paths and shapes as texts. */
export const weightShapes = (cost: Pick<LayerCost, 'weights'>): readonly string[] =>
  cost.weights.map(({ path, shape }) => `${path}:${shape.join('x')}`);

/** Layers with weights on the longest path through it. */
export const layerDepth = (layer: LayerDef, cost: LayerCost): number =>
  cost.weights.length === 0 ? 0 : (layer.depth ?? 1);

const memo = new WeakMap<LayerDef, Map<string, LayerCost | Unfit>>();

/** Measured once for each layer, arguments, types and way to make its weights. Throws Unfit. */
export function layerCost(layer: LayerDef, args: Args, inputs: readonly TensorType[], force: Force = PLAIN): LayerCost {
  const isPlain = force.weight === null && force.whole === 'no';
  const found = (isPlain && linearCost(layer, args, inputs)) || measuredCost(layer, args, inputs, force);
  if (found instanceof Unfit) throw found;
  return found;
}

export function measuredCost(
  layer: LayerDef,
  args: Args,
  inputs: readonly TensorType[],
  force: Force = PLAIN,
): LayerCost | Unfit {
  let known = memo.get(layer);
  if (!known) memo.set(layer, (known = new Map<string, LayerCost | Unfit>()));
  const key = `${keyOf(args, inputs)}|${forceText(force)}`;
  let found = known.get(key);
  if (!found) known.set(key, (found = tryMeasure(layer, args, inputs, force)));
  return found;
}

const keyOf = (args: Args, inputs: readonly TensorType[]): string =>
  `${JSON.stringify(args)}|${inputs.map((t) => `${t.dtype}${t.shape.join('x')}`).join()}`;

// ---- layers whose costs are of degree one in their widths ---------------------------------------------------------------

/** Costs at the corners of widths (BASE, BASE), (BASE, BASE + 1), (BASE + 1, BASE), (BASE + 1, BASE + 1): of the input, of the output. */
type Corners = readonly [LayerCost, LayerCost, LayerCost, LayerCost];

const BASE = 2;
const corners = new WeakMap<LayerDef, Map<string, Corners | null>>();
/** Sizes above it may be refused: they are measured. */
const MOST = 2 ** 40;

/** From measurements of a few widths; null where it must be measured. */
function linearCost(layer: LayerDef, args: Args, inputs: readonly TensorType[]): LayerCost | null {
  const widths = layer.widths?.(args);
  const input = inputs[0];
  const width = input?.shape.at(-1);
  if (!widths || !input || inputs.length !== 1 || width === undefined) return null;
  const out = widths === 'kept' ? BASE : args['out'];
  if (typeof out !== 'number') return null;
  const lead = input.shape.slice(0, -1);
  let known = corners.get(layer);
  if (!known) corners.set(layer, (known = new Map<string, Corners | null>()));
  const key = `${widthlessKey(args)}|${input.dtype}${lead.join('x')}`;
  let at = known.get(key);
  if (at === undefined) known.set(key, (at = measureCorners(layer, args, widths, { dtype: input.dtype, shape: lead })));
  if (!at) return null;
  const x = width - BASE,
    y = out - BASE;
  const [a, b, c, d] = at;
  const cost: LayerCost = {
    output: { dtype: a.output.dtype, shape: [...a.output.shape.slice(0, -1), widths === 'kept' ? width : out] },
    params: mix(a.params, b.params, c.params, d.params, x, y),
    taken: 0,
    given: 0,
    filed: [],
    asked: [],
    state: mix(a.state, b.state, c.state, d.state, x, y),
    flops: mix(a.flops, b.flops, c.flops, d.flops, x, y),
    macs: mix(a.macs, b.macs, c.macs, d.macs, x, y),
    kept: mix(a.kept, b.kept, c.kept, d.kept, x, y),
    get weights() {
      return a.weights.map(({ path, shape }, w) => ({
        path,
        shape: shape.map((size, i) =>
          mix(size, b.weights[w]!.shape[i]!, c.weights[w]!.shape[i]!, d.weights[w]!.shape[i]!, x, y),
        ),
      }));
    },
  };
  const fits = cost.flops < MOST && cost.params < MOST && cost.kept < MOST && numel(cost.output.shape) < MOST;
  return fits && numel(input.shape) < MOST ? cost : null;
}

/** The value at (x, y) of what is of degree one in both, and p, q, r, s at (0, 0), (0, 1), (1, 0), (1, 1). */
const mix = (p: number, q: number, r: number, s: number, x: number, y: number): number =>
  p + (q - p) * y + (r - p) * x + (s - q - r + p) * x * y;

function widthlessKey(args: Args): string {
  let key = '';
  for (const name in args) {
    if (name === 'out') continue;
    const value = args[name]!;
    key += typeof value === 'object' ? `${JSON.stringify(value)},` : `${value},`;
  }
  return key;
}

function measureCorners(layer: LayerDef, args: Args, widths: Widths, lead: TensorType): Corners | null {
  const at = (width: number, out: number): LayerCost | Unfit =>
    tryMeasure(
      layer,
      widths === 'kept' ? args : { ...args, out },
      [{ dtype: lead.dtype, shape: [...lead.shape, width] }],
      PLAIN,
    );
  const all = [at(BASE, BASE), at(BASE, BASE + 1), at(BASE + 1, BASE), at(BASE + 1, BASE + 1)];
  return all.some((c) => c instanceof Unfit) ? null : (all as unknown as Corners);
}

function tryMeasure(layer: LayerDef, args: Args, inputs: readonly TensorType[], force: Force): LayerCost | Unfit {
  const asked = new Map<string, Asked>();
  const scaled = force.whole === 'scaled';
  const take = (b: Builder, path: string, ask: Asked): Value => {
    asked.set(ask.path, ask);
    if (scaled) b.param(scalePath(path), [1], { kind: 'constant', value: 1 });
    return b.param(path, ask.shape, ask.init);
  };
  try {
    const m = measure(inputs, (b, values) => [
      layer.build(weighted(b, force.weight, force.whole === 'no' ? null : take), values, args),
    ]);
    const keptInputs = inputs.reduce((n, type, i) => (m.keptInputs[i] ? n + numel(type.shape) : n), 0);
    const taken = [...asked.values()].reduce((n, { shape }) => n + numel(shape), 0);
    const fixed = m.fixed.map(({ name, type }) => ({ path: name, shape: type.shape }));
    const given = m.fixed.filter(({ init }) => init.kind === 'normal' || init.kind === 'file');
    return {
      output: m.outputs[0]!,
      params: m.params - taken,
      taken,
      // Factors learn by what they multiply.
      state: m.state + m.keptConstant + fixed.reduce((n, { shape }) => n + numel(shape), 0) + (scaled ? taken : 0),
      flops: m.flops,
      macs: m.macs,
      kept: m.kept - m.keptConstant + keptInputs,
      weights: [...[...m.weights].map(([path, shape]) => ({ path, shape })), ...fixed],
      given: given.reduce((n, { type }) => n + numel(type.shape), 0),
      filed: given.flatMap(({ name, type, init }) =>
        init.kind === 'file' && init.tensor === null ? [{ path: name, shape: type.shape, file: init.file }] : [],
      ),
      asked: [...asked.values()],
    };
  } catch (e) {
    if (e instanceof Unfit) return e;
    throw e;
  }
}
