import type { ArgDef } from '../ir/layer.ts';

/** The seed of what is drawn once and never stored: not the run's, so that a checkpoint needs only the program. */
export const seedArg = (doc: string, more: Partial<ArgDef> = {}): ArgDef => ({
  name: 'seed',
  doc,
  type: { kind: 'whole', min: 0 },
  ...more,
});
