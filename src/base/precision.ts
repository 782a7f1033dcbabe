/** How operands of products are rounded; sums, weights and all else are f32. */
export const PRECISIONS = ['f32', 'bf16'] as const;
export type Precision = (typeof PRECISIONS)[number];

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);

/** x as bf16: to nearest, ties to even; subnormals are 0. */
export function roundBf16(x: number): number {
  if (Number.isNaN(x)) return NaN;
  number[0] = x;
  const bits = word[0]!;
  const isSmall = (bits & 0x7fffffff) < 0x800000;
  word[0] = isSmall ? bits & 0x80000000 : (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  return number[0];
}
