import type { Builder, WeightSpec } from '../ir/builder.ts';
import type { Init, Value } from '../ir/graph.ts';
import { stdOf } from '../ir/start.ts';

/** The starts of the factors of a product with the weight's variance: as a delta the first is 0, so that the product is 0 and can leave it. */
export const startOfFactor = (spec: WeightSpec, std: number, vanishes: boolean): Init =>
  spec.delta && vanishes ? { kind: 'constant', value: 0 } : { kind: 'normal', std };

/** A tensor of the weight's own variance, or 0 as a delta. */
export const freeTensor = (b: Builder, path: string, shape: readonly number[], spec: WeightSpec): Value =>
  b.param(path, shape, startOfFactor(spec, stdOf(spec), true));
