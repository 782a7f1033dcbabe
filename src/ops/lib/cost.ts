import { byteSize, numel } from '../../base/tensor-type.ts';
import type { Cost, OpDef } from '../../ir/op.ts';
import { numelAt } from './types.ts';

type CostOf = OpDef['cost'];

/** Movement of data costs no arithmetic. */
export const free: CostOf = () => ({ flops: 0, macs: 0 });

/** Rows by index: as much is read as written, whatever the size of the table. */
export const gathered: CostOf = (inputs, outputs) => {
  const [index, y] = [inputs[1], outputs[0]];
  return { flops: 0, macs: 0, bytes: (index ? byteSize(index) : 0) + 2 * (y ? byteSize(y) : 0) };
};

/** So many FLOPs for each element of the first output. */
export const perOutput =
  (flops: number): CostOf =>
  (_inputs, outputs) => ({ flops: flops * numelAt(outputs, 0), macs: 0 });

/** So many FLOPs for each element of the first input. */
export const perInput =
  (flops: number): CostOf =>
  (inputs) => ({ flops: flops * numelAt(inputs, 0), macs: 0 });

/** Multiply-adds, and what else is done. */
export const products = (macs: number, more = 0): Cost => ({ flops: 2 * macs + more, macs });

/** Multiply-adds of a product whose inner dimension is `inner`. */
export const innerProducts = (output: readonly number[], inner: number): Cost => products(numel(output) * inner);
