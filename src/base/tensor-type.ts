/** Element types of tensors: in the order of `DType` in cpp/base/view.h. */
export const DTYPES = ['f32', 'i32', 'u8'] as const;
export type DType = (typeof DTYPES)[number];
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u8: 1 };

export type Shape = readonly number[];

/** Highest rank of a tensor: `kMaxRank` in cpp/base/view.h. */
export const MAX_RANK = 8;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

export const tensorType = (dtype: DType, shape: Shape): TensorType => ({ dtype, shape });
export const f32 = (...shape: number[]): TensorType => ({ dtype: 'f32', shape });
export const i32 = (...shape: number[]): TensorType => ({ dtype: 'i32', shape });

/** Number of elements; 1 for a scalar (rank 0). */
export function numel(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export const byteSize = (t: TensorType): number => numel(t.shape) * DTYPE_BYTES[t.dtype];

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);
export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/** `f32[B, 28, 28, 1]`; with `batch` the first axis is printed as `B`. */
export function showType(t: TensorType, batch = false): string {
  const dims = t.shape.map((d, i) => (batch && i === 0 ? 'B' : String(d)));
  return `${t.dtype}[${dims.join(', ')}]`;
}
