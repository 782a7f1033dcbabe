import type { WeightDef } from '../ir/weight.ts';
import { freeTensor } from './free.ts';

/** The weight itself, every number free: what layers get where nothing else is asked for. */
export const full: WeightDef = {
  kind: 'weight',
  name: 'full',
  doc: 'The weight itself: every number is free.',
  args: [],
  make: (b, path, spec) => freeTensor(b, path, spec.shape, spec),
};
