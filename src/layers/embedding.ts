import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import { add } from '../ops/elementwise.ts';
import { gatherRows } from '../ops/gather.ts';
import { whole } from './lib/args.ts';

export const embedding: LayerDef = {
  kind: 'layer',
  name: 'embedding',
  doc: 'One learned row per index: i32[B, T] -> [B, T, dim]; table [vocab, dim].',
  args: [
    { name: 'vocab', doc: 'number of rows; indices are below it', type: { kind: 'whole', min: 1 }, positional: true },
    { name: 'dim', doc: 'width of a row', type: { kind: 'whole', min: 1 }, positional: true },
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    if (x!.type.dtype !== 'i32') throw new Unfit('embedding needs indices', 'i32[B, T]', showType(x!.type, true));
    const [vocab, dim] = [whole(args, 'vocab'), whole(args, 'dim')];
    const table = b.weight('weight', { shape: [vocab, dim], fanIn: vocab, fanOut: dim, start: 0.02 });
    return b.one(gatherRows, [table, x!]);
  },
};

export const positions: LayerDef = {
  kind: 'layer',
  name: 'positions',
  doc: 'Adds a learned table over positions: [B, T, D] -> same; table [T, D].',
  args: [],
  takes: 'one',
  weighted: true,
  widths: () => 'kept',
  build: (b, [x]) => {
    const shape = x!.type.shape;
    if (shape.length !== 3) throw new Unfit('positions needs tokens', 'f32[B, T, D]', showType(x!.type, true));
    return b.one(add, [x!, b.param('weight', shape.slice(1), { kind: 'normal', std: 0.02 })]);
  },
};
