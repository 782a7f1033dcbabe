import type { LayerDef } from '../ir/layer.ts';
import { biasArg, initArg, startOf, truth, whole } from './lib/args.ts';
import { featuresOf } from './lib/features.ts';
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
  widths: () => 'out',
  build: (b, [x], args) => {
    featuresOf('dense', x!);
    return fromRows(b, affineRows(b, toRows(b, x!), whole(args, 'out'), truth(args, 'bias'), startOf(args)), x!);
  },
};
