import { Unfit } from '../base/unfit.ts';
import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { ArgValue, Args, LayerDef, Widths } from '../ir/layer.ts';
import { measure } from '../ir/measure-builder.ts';
import type { Datum } from './values.ts';

/** What one application of a layer makes and costs, for one example. */
export interface LayerCost {
  readonly output: TensorType;
  readonly params: number;
  readonly state: number;
  readonly flops: number;
  readonly macs: number;
  /** Values that its backward pass reads: its own, and its inputs. */
  readonly kept: number;
  /** Its weights. */
  readonly weights: readonly { readonly path: string; readonly shape: readonly number[] }[];
}

/** Its weights' paths and shapes as texts. */
export const weightShapes = (cost: Pick<LayerCost, 'weights'>): readonly string[] =>
  cost.weights.map(({ path, shape }) => `${path}:${shape.join('x')}`);

/** Layers with weights on the longest path through it. */
export const layerDepth = (layer: LayerDef, cost: LayerCost): number => (cost.params === 0 ? 0 : (layer.depth ?? 1));

const memo = new WeakMap<LayerDef, Map<string, LayerCost | Unfit>>();

/** Measured once for each layer, arguments and types. Throws Unfit. */
export function layerCost(layer: LayerDef, args: Args, inputs: readonly TensorType[]): LayerCost {
  const found = linearCost(layer, args, inputs) || measuredCost(layer, args, inputs);
  if (found instanceof Unfit) throw found;
  return found;
}

export function measuredCost(layer: LayerDef, args: Args, inputs: readonly TensorType[]): LayerCost | Unfit {
  let known = memo.get(layer);
  if (!known) memo.set(layer, (known = new Map<string, LayerCost | Unfit>()));
  const key = keyOf(args, inputs);
  let found = known.get(key);
  if (!found) known.set(key, (found = tryMeasure(layer, args, inputs)));
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
    tryMeasure(layer, widths === 'kept' ? args : { ...args, out }, [
      { dtype: lead.dtype, shape: [...lead.shape, width] },
    ]);
  const all = [at(BASE, BASE), at(BASE, BASE + 1), at(BASE + 1, BASE), at(BASE + 1, BASE + 1)];
  return all.some((c) => c instanceof Unfit) ? null : (all as unknown as Corners);
}

function tryMeasure(layer: LayerDef, args: Args, inputs: readonly TensorType[]): LayerCost | Unfit {
  try {
    const m = measure(inputs, (b, values) => [layer.build(b, values, args)]);
    const keptInputs = inputs.reduce((n, type, i) => (m.keptInputs[i] ? n + numel(type.shape) : n), 0);
    return {
      output: m.outputs[0]!,
      params: m.params,
      state: m.state,
      flops: m.flops,
      macs: m.macs,
      kept: m.kept + keptInputs,
      weights: [...m.weights].map(([path, shape]) => ({ path, shape })),
    };
  } catch (e) {
    if (e instanceof Unfit) return e;
    throw e;
  }
}

/** Arguments as a layer takes them: what is not given has its default. Throws Unfit where one is missing. */
export function layerArgs(layer: LayerDef, given: ReadonlyMap<string, Datum>): Args {
  const args: Record<string, ArgValue> = {};
  for (const def of layer.args) {
    const value = given.get(def.name);
    if (value !== undefined) args[def.name] = value as ArgValue;
    else if (def.default !== undefined) args[def.name] = def.default;
    else throw new Unfit(`${layer.name} needs ${def.name}`, `${def.name}: …`, 'nothing');
  }
  return args;
}
