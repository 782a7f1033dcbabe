import { keyOf } from '../base/philox.ts';
import type { ArgDef, Args } from '../ir/layer.ts';

/** The seed of what is drawn once and never stored: not the run's, so that a checkpoint needs only the program. */
export const seedArg = (doc: string, more: Partial<ArgDef> = {}): ArgDef => ({
  name: 'seed',
  doc,
  type: { kind: 'whole', min: 0 },
  ...more,
});

export const seedOf = (args: Args): number => Number(args['seed']);

/** The key of what is drawn by the seed; each path has numbers of its own, and stream is below 2^30. */
export function keyAttrs(
  kind: string,
  path: string,
  args: Args,
): { readonly key0: number; readonly key1: number; readonly stream: number } {
  const seed = seedOf(args);
  return { key0: seed >>> 0, key1: Math.floor(seed / 2 ** 32) >>> 0, stream: keyOf(kind, path)[0] >>> 2 };
}
