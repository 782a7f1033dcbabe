import type { WeightDef } from '../ir/weight.ts';
import { fixed } from './fixed.ts';
import { frozen } from './frozen.ts';
import { full } from './full.ts';
import { hashed } from './hashed.ts';
import { kron } from './kron.ts';
import { lowrank } from './lowrank.ts';
import { subspace } from './subspace.ts';
import { tucker } from './tucker.ts';

/** The weight expressions of the language by name. */
export const WEIGHTS: ReadonlyMap<string, WeightDef> = new Map(
  [full, frozen, fixed, kron, tucker, lowrank, hashed, subspace].map((w) => [w.name, w]),
);
