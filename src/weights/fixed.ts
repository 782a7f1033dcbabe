import type { WeightDef } from '../ir/weight.ts';
import { stdOf } from '../ir/start.ts';
import { seedArg } from './args.ts';

/** Numbers of the layer's variance that a seed draws: never trained, never stored. */
export const fixed: WeightDef = {
  kind: 'weight',
  name: 'fixed',
  doc: 'Random numbers of a seed and the path of the layer: never trained, never stored.',
  args: [seedArg('what they are drawn by', { default: 0, positional: true })],
  make: (b, path, spec, { args }) =>
    b.fixed(path, spec.shape, { kind: 'normal', std: stdOf(spec), seed: Number(args['seed']) }),
};
