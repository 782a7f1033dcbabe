import type { Init } from './leaf.ts';
import type { WeightSpec } from './core.ts';

/** How a weight starts that has the variance its layer asks for. */
export function startOf(spec: Pick<WeightSpec, 'fanIn' | 'fanOut' | 'start'>): Init {
  return { kind: 'normal', std: stdOf(spec) };
}

export const stdOf = (spec: Pick<WeightSpec, 'fanIn' | 'fanOut' | 'start'>): number => Math.sqrt(variance(spec));

function variance({ fanIn, fanOut, start }: Pick<WeightSpec, 'fanIn' | 'fanOut' | 'start'>): number {
  if (typeof start === 'number') return start * start;
  const byName = { he: 2 / fanIn, lecun: 1 / fanIn, xavier: 2 / (fanIn + fanOut) };
  // No inputs: nothing is multiplied, so any finite number does.
  return Number.isFinite(byName[start]) ? byName[start] : 0;
}
