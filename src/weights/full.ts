import type { WeightDef } from '../ir/builder.ts';
import { startOf } from '../ir/start.ts';

/** The weight itself, every number free: what layers get where nothing else is asked for. */
export const full: WeightDef = {
  kind: 'weight',
  name: 'full',
  doc: 'The weight itself: every number is free.',
  make: (b, path, spec) => b.param(path, spec.shape, startOf(spec)),
};
