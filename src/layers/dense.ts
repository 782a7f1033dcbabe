import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import { biasArg, initArg, startOf, truth, whole } from './lib/args.ts';
import { affineRows, fromRows, toRows } from './lib/rows.ts';

export const dense: LayerDef = {
  kind: 'layer',
  name: 'dense',
  doc: 'Fully connected over the last axis: [..., C] -> [..., out]; weight [out, C].',
  args: [
    { name: 'out', doc: 'width of the output', type: { kind: 'whole', min: 1 }, positional: true },
    biasArg,
    initArg('he'),
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    if (x!.type.dtype !== 'f32' || x!.type.shape.length < 2) {
      throw new Unfit('dense needs features', 'f32[B, ..., C]', showType(x!.type, true));
    }
    return fromRows(b, affineRows(b, toRows(b, x!), whole(args, 'out'), truth(args, 'bias'), startOf(args)), x!);
  },
};
