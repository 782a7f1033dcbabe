import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { ArgDef, Args, LayerDef } from '../ir/layer.ts';
import type { Value } from '../ir/graph.ts';
import { activations } from './activation.ts';
import { conv } from './conv.ts';
import { dense } from './dense.ts';
import { whole } from './lib/args.ts';
import { globalmean } from './reduce.ts';
import { mul } from '../ops/elementwise.ts';
import { reshape } from '../ops/shape.ts';

/** Blocks of the prelude whose widths follow from their input: made of layers, each under a scope of its name. */

/** Applies a layer with its defaults. */
function apply(b: Builder, layer: LayerDef, x: Value, given: Args, path = ''): Value {
  const defaults = Object.fromEntries(layer.args.map((a) => [a.name, a.default ?? null]));
  return b.scope(path, () => layer.build(b, [x], { ...defaults, ...given }));
}

function activation(name: string): LayerDef {
  const found = activations.find((a) => a.name === name);
  if (!found) throw new Error(`bug: no activation ${name}`);
  return found;
}

const widthArg = (name: string, doc: string): ArgDef => ({
  name,
  doc,
  type: { kind: 'whole', min: 1 },
  positional: true,
});

export const project: LayerDef = {
  kind: 'layer',
  name: 'project',
  doc: '`dense(n)`, or `id` where the width is n already: [..., C] -> [..., n].',
  args: [widthArg('n', 'width of the output')],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    const n = whole(args, 'n');
    return x!.type.shape.at(-1) === n ? x! : apply(b, dense, x!, { out: n }, 'dense');
  },
};

/** What bare `project` becomes: brings a tensor to the shape of another branch. */
export const projectLike: LayerDef = {
  kind: 'layer',
  name: 'project',
  doc: 'A 1x1 convolution with whole strides, or a dense layer, to the shape of another branch.',
  args: [
    { name: 'to', doc: 'the shape wanted, without the batch axis', type: { kind: 'wholes', min: 1 }, positional: true },
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    const to = args['to'] as readonly number[];
    const from = x!.type.shape.slice(1);
    const out = to.at(-1)!;
    const clash = (): Unfit =>
      new Unfit('project: the shape cannot be mended', `[B, ${to.join(', ')}]`, showType(x!.type, true));
    if (from.length !== to.length) throw clash();
    const strides = from.slice(0, -1).map((size, i) => size / to[i]!);
    if (strides.some((s) => !Number.isInteger(s))) throw clash();
    if (strides.length < 1 || (strides.length === 1 && strides[0] === 1)) return apply(b, dense, x!, { out }, 'dense');
    return apply(b, conv, x!, { out, k: 1, stride: strides }, 'conv');
  },
};

const ACTIVATIONS = ['relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid'] as const;

export const ffn: LayerDef = {
  kind: 'layer',
  name: 'ffn',
  doc: 'Feed-forward block of a transformer: dense(hidden), activation, dense to the width of the input.',
  args: [
    widthArg('hidden', 'width between the two'),
    { name: 'act', doc: 'activation', type: { kind: 'name', oneOf: ACTIVATIONS }, default: 'gelu' },
  ],
  takes: 'one',
  weighted: true,
  depth: 2,
  build: (b, [x], args) => {
    const width = x!.type.shape.at(-1)!;
    const up = apply(b, dense, x!, { out: whole(args, 'hidden') }, 'up');
    const active = apply(b, activation(String(args['act'])), up, {});
    return apply(b, dense, active, { out: width }, 'down');
  },
};

export const se: LayerDef = {
  kind: 'layer',
  name: 'se',
  doc: 'Squeeze and excitation (Hu et al. 2018): mean, dense to C/ratio, relu, dense to C, sigmoid, times the input.',
  args: [
    {
      name: 'ratio',
      doc: 'the width between is C / ratio; divides C',
      type: { kind: 'whole', min: 1 },
      default: 4,
      positional: true,
    },
  ],
  takes: 'one',
  weighted: true,
  depth: 2,
  build: (b, [x], args) => {
    const ratio = whole(args, 'ratio');
    const channels = x!.type.shape.at(-1)!;
    if (channels % ratio !== 0)
      throw new Unfit('se: the ratio must divide the channels', `a multiple of ${ratio}`, showType(x!.type, true));
    const mean = apply(b, globalmean, x!, {});
    const down = apply(b, activation('relu'), apply(b, dense, mean, { out: channels / ratio }, 'down'), {});
    const gate = apply(b, activation('sigmoid'), apply(b, dense, down, { out: channels }, 'up'), {});
    return timesChannels(b, x!, gate);
  },
};

// [B, ...S, C] times [B, C]: the gate is repeated over the spatial axes.
function timesChannels(b: Builder, x: Value, gate: Value): Value {
  const [batch, channels] = gate.type.shape as readonly [number, number];
  const spatial = x.type.shape.slice(1, -1).map(() => 1);
  return b.one(mul, [x, b.one(reshape, [gate], { dims: [batch, ...spatial, channels] })]);
}
