import { numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import type { Cost, NdArray } from '../../src/ir/op.ts';
import type { NativeArray } from './run-op.ts';

export interface Accuracy {
  /** Roundings that an element of the result went through: products, or operations where there are none. */
  readonly roundings: number;
  /** Usual size of the sums behind an element: of as many products of normal numbers. */
  readonly size: number;
}

export function accuracyOf(cost: Cost, output: TensorType): Accuracy {
  const elements = Math.max(1, numel(output.shape));
  const roundings = Math.max(1, (cost.macs > 0 ? cost.macs : cost.flops) / elements);
  return { roundings, size: cost.macs > 0 ? Math.sqrt(roundings) : 0 };
}

const UNIT = 2 ** -24;
/** Fewer outputs than these say little of their own size: cancellation is measured against 1. */
const FEW = 64;

/**
 * What is wrong with an f32 result against its float64 reference, or null. With k roundings: relative L2 error below 6e-8·√k (never
 * below 1e-7); each element within 4·√k·2⁻²⁴ of its size, or of the usual size. `loose` multiplies both.
 * Integers, infinities and NaN must be the same.
 */
export function mismatch(found: NativeArray, expected: NdArray, accuracy: Accuracy, loose = 1): string | null {
  const k = accuracy.roundings;
  if (found.length !== expected.data.length) return `${found.length} elements for ${expected.data.length}`;
  const exact = !(found instanceof Float32Array);
  const size = exact ? 0 : Math.max(accuracy.size, usualSize(expected.data));
  let squares = 0;
  for (let i = 0; i < found.length; i++) {
    const [f, e] = [found[i]!, expected.data[i]!];
    if (f === e || (Number.isNaN(f) && Number.isNaN(e))) continue;
    const off = Math.abs(f - e);
    const bound = loose * Math.max(4 * Math.sqrt(k) * UNIT * Math.max(Math.abs(e), size), 1e-37);
    if (exact || !(off <= bound)) return `element ${i} is ${f}, not ${e} (off by ${off}, ${bound} is allowed)`;
    squares += off * off;
  }
  const error = Math.sqrt(squares / Math.max(1, found.length)) / Math.max(size, 1e-30);
  const limit = loose * Math.max(1e-7, 6e-8 * Math.sqrt(k));
  return error <= limit ? null : `relative error ${error}, ${limit} is allowed`;
}

function usualSize(data: Float64Array): number {
  const finite = data.filter(Number.isFinite);
  const mean = Math.sqrt(finite.reduce((sum, v) => sum + v * v, 0) / Math.max(1, finite.length));
  return data.length < FEW ? Math.max(mean, 1) : mean;
}
