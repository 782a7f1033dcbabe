import { Unfit } from '../base/unfit.ts';
import type { Builder, Start } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Args, LayerDef } from '../ir/layer.ts';
import { add } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { moeFfn } from '../ops/moe-ffn.ts';
import { GATES, moeRoute } from '../ops/moe-route.ts';
import { randomNormal } from '../ops/random.ts';
import { biasArg, given, text, truth, whole } from './lib/args.ts';
import { featuresOf } from './lib/features.ts';
import { fromRows, toRows } from './lib/rows.ts';

interface Routed {
  readonly gate: Value;
  readonly kept: Value;
}

/** The experts of each row of x, and the auxiliary loss of training. */
function route(b: Builder, x: Value, args: Args): Routed {
  const [tokens, width] = x.type.shape as readonly [number, number];
  const experts = whole(args, 'experts');
  const router = b.weight('router.weight', { shape: [width, experts], fanIn: width, fanOut: experts, start: 0.02 });
  const logits = b.one(matmul, [x, router], { transA: 0, transB: 0 });
  const topK = Math.min(whole(args, 'top'), experts);
  const capacity = given(args, 'capacity');
  const balance = whole(args, 'balance');
  const attrs = {
    topK,
    gates: text(args, 'gate'),
    priority: 'token',
    capacity: typeof capacity === 'number' ? Math.ceil((capacity * topK * tokens) / experts) : tokens,
    balance,
    zLoss: 0,
  };
  if (b.mode === 'infer') {
    const [gate, , kept] = b.apply(moeRoute, [logits], attrs);
    return { gate: gate!, kept: kept! };
  }
  const [key0, key1] = b.key('noise');
  const noise = b.one(randomNormal, [b.step()], { dims: logits.type.shape, std: 1 / experts, key0, key1 });
  const [gate, , kept, aux] = b.apply(moeRoute, [b.one(add, [logits, noise])], attrs);
  if (balance > 0) b.auxiliaryLoss(aux!);
  return { gate: gate!, kept: kept! };
}

export const moe: LayerDef = {
  kind: 'layer',
  name: 'moe',
  doc: "Mixture of experts: each token passes through the `top` best of `experts` feed-forward parts, chosen by a softmax router (Shazeer et al. 2017). [..., D] -> same. Training adds N(0, 1/experts²) to the router's logits and the balance loss to the loss. `macs` counts the products of the chosen experts and the router.",
  args: [
    { name: 'experts', doc: 'number of experts', type: { kind: 'whole', min: 1 }, positional: true },
    { name: 'top', doc: 'experts a token; all where there are no more', type: { kind: 'whole', min: 1 }, default: 2 },
    {
      name: 'hidden',
      doc: 'width inside an expert; 4·D unless given',
      type: { kind: 'whole', min: 1 },
      default: null,
    },
    {
      name: 'act',
      doc: 'activation inside',
      type: { kind: 'name', oneOf: ['relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid'] },
      default: 'gelu',
    },
    {
      name: 'gate',
      doc: 'renorm: the chosen probabilities over their sum; raw: as they are',
      type: { kind: 'name', oneOf: GATES },
      default: 'renorm',
    },
    {
      name: 'capacity',
      doc: 'an expert takes at most ceil(capacity·top·tokens/experts) tokens, the first ones; none: all',
      type: { kind: 'real', min: 0, max: 1e6, openMin: true, names: ['none'] },
      default: 'none',
    },
    {
      name: 'balance',
      doc: 'weight of the loss that spreads tokens over experts; its value where they are spread evenly',
      type: { kind: 'real', min: 0, max: 1e6 },
      default: 0.01,
    },
    biasArg,
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    const width = featuresOf('moe', x!);
    const rows = toRows(b, x!);
    const experts = whole(args, 'experts');
    const hidden = (given(args, 'hidden') as number | null) ?? 4 * width;
    if (rows.type.shape[0]! * whole(args, 'top') > 2 ** 31 - 1)
      throw new Unfit('moe has more choices of experts than can be counted', 'at most 2^31 - 1', 'more');
    const { gate, kept } = route(b, rows, args);
    const matrices = (name: string, out: number, inner: number, start: Start): Value =>
      b.weight(name, { shape: [experts, out, inner], fanIn: inner, fanOut: out, start, stacked: true });
    const w1 = matrices('w1', hidden, width, 'he');
    const w2 = matrices('w2', width, hidden, 'xavier');
    const bias = (name: string, size: number): Value | null =>
      truth(args, 'bias') ? b.param(name, [experts, size], { kind: 'constant', value: 0 }) : null;
    const inputs = [rows, gate, kept, w1, w2, bias('b1', hidden), bias('b2', width), null];
    const keep = b.mode === 'train' ? 1 : 0;
    return fromRows(b, b.one(moeFfn, inputs, { activation: text(args, 'act'), keep }), x!);
  },
};
