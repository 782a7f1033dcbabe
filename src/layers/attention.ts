import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { LayerDef } from '../ir/layer.ts';
import type { Value } from '../ir/graph.ts';
import { matmul } from '../ops/matmul.ts';
import { softmax } from '../ops/softmax.ts';
import { reshape, transpose } from '../ops/shape.ts';
import { tril } from '../ops/tril.ts';
import { biasArg, initArg, startOf, text, truth, whole } from './lib/args.ts';
import { affineRows, scaled } from './lib/rows.ts';

interface Heads {
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
}

// [B*T, H*d] -> [B*H, T, d]
function split(b: Builder, rows: Value, h: Heads): Value {
  const cut = b.one(reshape, [rows], { dims: [h.batch, h.tokens, h.heads, h.width] });
  const turned = b.one(transpose, [cut], { perm: [0, 2, 1, 3, 4, 5, 6, 7] });
  return b.one(reshape, [turned], { dims: [h.batch * h.heads, h.tokens, h.width] });
}

// [B*H, T, d] -> [B*T, H*d]
function join(b: Builder, x: Value, h: Heads): Value {
  const cut = b.one(reshape, [x], { dims: [h.batch, h.heads, h.tokens, h.width] });
  const turned = b.one(transpose, [cut], { perm: [0, 2, 1, 3, 4, 5, 6, 7] });
  return b.one(reshape, [turned], { dims: [h.batch * h.tokens, h.heads * h.width] });
}

// Weighted multiplicative attention: a learned [heads, d, d] between query and key.
function weighQueries(b: Builder, q: Value, h: Heads): Value {
  const w = b.weight('score.weight', {
    shape: [h.heads, h.width, h.width],
    fanIn: h.width,
    fanOut: h.width,
    start: 'xavier',
  });
  const perHead = [h.heads, h.batch * h.tokens, h.width];
  const cut = b.one(reshape, [q], { dims: [h.batch, h.heads, h.tokens, h.width] });
  const turned = b.one(transpose, [cut], { perm: [1, 0, 2, 3, 4, 5, 6, 7] });
  const weighed = b.one(matmul, [b.one(reshape, [turned], { dims: perHead }), w], { transA: 0, transB: 0 });
  const back = b.one(reshape, [weighed], { dims: [h.heads, h.batch, h.tokens, h.width] });
  const order = b.one(transpose, [back], { perm: [1, 0, 2, 3, 4, 5, 6, 7] });
  return b.one(reshape, [order], { dims: [h.batch * h.heads, h.tokens, h.width] });
}

export const attention: LayerDef = {
  kind: 'layer',
  name: 'attention',
  doc: 'Multi-head self-attention (Vaswani et al. 2017): [B, T, D] -> same; heads divides D. score wma has a learned matrix per head between query and key.',
  args: [
    { name: 'heads', doc: 'number of heads; divides D', type: { kind: 'whole', min: 1 }, positional: true },
    {
      name: 'causal',
      doc: 'whether a token sees only itself and earlier ones',
      type: { kind: 'truth' },
      default: false,
    },
    biasArg,
    {
      name: 'score',
      doc: 'sdp (scaled dot product) or wma',
      type: { kind: 'name', oneOf: ['sdp', 'wma'] },
      default: 'sdp',
    },
    {
      name: 'temperature',
      doc: 'divides the scores',
      type: { kind: 'real', min: 0, max: 1e6, openMin: true },
      default: 1,
    },
    initArg('xavier'),
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    const shape = x!.type.shape;
    if (shape.length !== 3) throw new Unfit('attention needs tokens', 'f32[B, T, D]', showType(x!.type, true));
    const [batch, tokens, dim] = shape as readonly [number, number, number];
    const heads = whole(args, 'heads');
    if (dim % heads !== 0) throw new Unfit('heads does not divide the width', `a multiple of ${heads}`, `width ${dim}`);
    const h: Heads = { batch, tokens, heads, width: dim / heads };
    const rows = b.one(reshape, [x!], { dims: [batch * tokens, dim] });
    const project = (name: string, from: Value): Value =>
      affineRows(b, from, dim, truth(args, 'bias'), startOf(args), `${name}.`);
    const query = split(b, project('query', rows), h);
    const key = split(b, project('key', rows), h);
    const value = split(b, project('value', rows), h);
    const asked = text(args, 'score') === 'wma' ? weighQueries(b, query, h) : query;
    const scale = 1 / (Math.sqrt(h.width) * whole(args, 'temperature'));
    const raw = scaled(b, b.one(matmul, [asked, key], { transA: 0, transB: 1 }), scale);
    const scores = truth(args, 'causal') ? b.one(tril, [raw], { value: -Infinity }) : raw;
    const mixed = b.one(matmul, [b.one(softmax, [scores]), value], { transA: 0, transB: 0 });
    return b.one(reshape, [project('out', join(b, mixed, h))], { dims: shape });
  },
};
