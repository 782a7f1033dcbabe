import { numel } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Value } from '../ir/graph.ts';
import type { WeightDef } from '../ir/weight.ts';
import { hashed as shareOut } from '../ops/hashed.ts';
import { keyAttrs, seedArg } from './args.ts';
import { freeTensor } from './free.ts';

/** w[i] = ±v[h(i)] (HashedNets, Chen et al. 2015): signs and places are made from the seed and the path of the layer, and never stored. */
export const hashed: WeightDef = {
  kind: 'weight',
  name: 'hashed',
  doc: 'm numbers that the places of the weight share at random, each with a random sign (Chen et al. 2015).',
  args: [
    {
      name: 'm',
      doc: "number of free numbers; at most the weight's own",
      type: { kind: 'whole', min: 1 },
      positional: true,
    },
    seedArg('what places and signs are drawn by', { default: 0 }),
  ],
  make: (b, path, spec, { args }) => {
    const [m, most] = [Number(args['m']), numel(spec.shape)];
    if (m > most) throw new Unfit('m of hashed is above the numbers of the weight', `at most ${most}`, `${m}`);
    // Each number of the weight is one of v, so that both have one variance.
    const v = freeTensor(b, `${path}.vector`, [m], spec);
    return b.one(shareOut, [v], { dims: spec.shape, ...keyAttrs('hashed', nameOf(v), args) });
  },
};

// With the path of the layer: layers of one shape share in different ways.
function nameOf({ source }: Value): string {
  if (source.kind !== 'param') throw new Error('bug: a free tensor that is no parameter');
  return source.name;
}
