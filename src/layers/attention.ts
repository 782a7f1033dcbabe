import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { LayerDef } from '../ir/layer.ts';
import type { Value } from '../ir/graph.ts';
import { attention as attend } from '../ops/attention.ts';
import { matmul } from '../ops/matmul.ts';
import { permutation, reshape, transpose } from '../ops/shape.ts';
import { biasArg, initArg, startOf, text, truth, whole } from './lib/args.ts';
import { affineRows } from './lib/rows.ts';

interface Heads {
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
}

// Weighted multiplicative attention: a learned [heads, d, d] between query and key. [B, T, H*d] -> same.
function weighQueries(b: Builder, q: Value, h: Heads): Value {
  const w = b.weight('score.weight', {
    shape: [h.heads, h.width, h.width],
    fanIn: h.width,
    fanOut: h.width,
    start: 'xavier',
    stacked: true,
  });
  const { batch, tokens, heads, width } = h;
  const cut = b.one(reshape, [q], { dims: [batch * tokens, heads, width] });
  const perHead = b.one(transpose, [cut], { perm: permutation(1, 0, 2) });
  const weighed = b.one(matmul, [perHead, w], { transA: 0, transB: 0 });
  const back = b.one(transpose, [weighed], { perm: permutation(1, 0, 2) });
  return b.one(reshape, [back], { dims: [batch, tokens, heads * width] });
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
    const project = (name: string, from: Value): Value => {
      const y = affineRows(b, from, dim, truth(args, 'bias'), startOf(args), `${name}.`);
      return b.one(reshape, [y], { dims: shape });
    };
    const [query, key, value] = ['query', 'key', 'value'].map((name) => project(name, rows)) as [Value, Value, Value];
    const asked = text(args, 'score') === 'wma' ? weighQueries(b, query, h) : query;
    const scale = 1 / (Math.sqrt(h.width) * whole(args, 'temperature'));
    const mixed = b.one(attend, [asked, key, value, null], { heads, causal: truth(args, 'causal') ? 1 : 0, scale });
    return project('out', b.one(reshape, [mixed], { dims: [batch * tokens, dim] }));
  },
};
