import { Random } from '../base/philox.ts';

/** Example numbers for training and validation, disjoint. */
export interface Split {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/** 10,000 examples for validation, or a sixth where there are fewer than 60,000. */
export const validationSize = (examples: number): number => (examples >= 60_000 ? 10_000 : Math.floor(examples / 6));

/** Fixed by (examples, seed): the same for every trial of a study. */
export function split(examples: number, seed: number): Split {
  const order = new Int32Array(new Random('split', seed, examples).permutation(examples));
  const held = validationSize(examples);
  return { train: order.slice(held).sort(), validation: order.slice(0, held).sort() };
}

/** The order in which an epoch visits the training examples: whole batches only. */
export function epochOrder(train: Int32Array, batch: number, seed: number, epoch: number): Int32Array {
  const steps = Math.floor(train.length / batch);
  const order = new Random('order', seed, epoch).permutation(train.length);
  return Int32Array.from({ length: steps * batch }, (_, i) => train[order[i]!]!);
}
