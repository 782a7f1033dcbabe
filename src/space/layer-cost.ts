import { Unfit } from '../base/unfit.ts';
import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { ArgValue, Args, LayerDef } from '../ir/layer.ts';
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
  /** Its weights' paths and shapes. */
  readonly shapes: readonly string[];
}

const memo = new WeakMap<LayerDef, Map<string, LayerCost | Unfit>>();

/** Measured once for each layer, arguments and types. Throws Unfit. */
export function layerCost(layer: LayerDef, args: Args, inputs: readonly TensorType[]): LayerCost {
  let known = memo.get(layer);
  if (!known) memo.set(layer, (known = new Map<string, LayerCost | Unfit>()));
  const key = `${JSON.stringify(args)}|${inputs.map((t) => `${t.dtype}${t.shape.join('x')}`).join()}`;
  let found = known.get(key);
  if (!found) known.set(key, (found = tryMeasure(layer, args, inputs)));
  if (found instanceof Unfit) throw found;
  return found;
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
      shapes: [...m.weights].map(([path, shape]) => `${path}:${shape.join('x')}`),
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
