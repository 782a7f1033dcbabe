import { Unfit } from '../base/unfit.ts';
import { sameShape, showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import type { OpDef } from '../ir/op.ts';
import type { Value } from '../ir/graph.ts';
import { add as addOp, mul as mulOp } from '../ops/elementwise.ts';
import { sum } from '../ops/reduce.ts';
import { concat as concatOp } from '../ops/shape.ts';

function nonEmpty(layer: string, list: readonly Value[]): Value {
  if (list.length === 0) throw new Unfit(`${layer} of an empty list`, 'at least one tensor', 'none');
  return list[0]!;
}

const merge = (name: string, doc: string, op: OpDef): LayerDef => ({
  kind: 'layer',
  name,
  doc,
  args: [],
  takes: 'list',
  weighted: false,
  build: (b, list) => {
    const first = nonEmpty(name, list);
    return list.slice(1).reduce((total, x) => {
      if (!sameShape(x.type.shape, first.type.shape)) {
        throw new Unfit(`${name}: the shapes differ`, showType(first.type, true), showType(x.type, true));
      }
      return b.one(op, [total, x]);
    }, first);
  },
});

export const add = merge('add', 'Sum of a list of tensors of equal shape.', addOp);
export const mul = merge('mul', 'Product of a list of tensors of equal shape.', mulOp);

export const concat: LayerDef = {
  kind: 'layer',
  name: 'concat',
  doc: 'Joins a list on the last axis; the other axes are equal.',
  args: [],
  takes: 'list',
  weighted: false,
  build: (b, list) => {
    const first = nonEmpty('concat', list);
    const rank = first.type.shape.length;
    for (const x of list) {
      if (x.type.shape.length !== rank || !sameShape(x.type.shape.slice(0, -1), first.type.shape.slice(0, -1))) {
        throw new Unfit('concat: axes other than the last differ', showType(first.type, true), showType(x.type, true));
      }
    }
    if (rank < 2) throw new Unfit('concat needs features', '[B, ..., C]', showType(first.type, true));
    return list.length === 1 ? first : b.one(concatOp, list, { axis: rank - 1 });
  },
};

export const dot: LayerDef = {
  kind: 'layer',
  name: 'dot',
  doc: 'Inner product of two rows: [B, C], [B, C] -> [B, 1].',
  args: [],
  takes: 2,
  weighted: false,
  build: (b, [u, v]) => {
    if (u!.type.shape.length !== 2 || !sameShape(u!.type.shape, v!.type.shape)) {
      throw new Unfit('dot needs two equal shapes [B, C]', showType(u!.type, true), showType(v!.type, true));
    }
    return b.one(sum, [b.one(mulOp, [u!, v!])], { axes: 2 });
  },
};
