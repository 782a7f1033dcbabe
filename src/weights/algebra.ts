/** Algebras by name, with their dimensions. */
export const ALGEBRAS: ReadonlyMap<string, number> = new Map([
  ['complex', 2],
  ['quaternion', 4],
  ['octonion', 8],
]);

const sign = (x: readonly number[]): number[] => x.map((v, i) => (i === 0 ? v : -v));
const minus = (x: readonly number[], y: readonly number[]): number[] => x.map((v, i) => v - y[i]!);
const plus = (x: readonly number[], y: readonly number[]): number[] => x.map((v, i) => v + y[i]!);

/** The product of two elements by Cayley and Dickson: (a, b)(c, d) = (ac − d*b, da + bc*). */
export function multiply(x: readonly number[], y: readonly number[]): number[] {
  if (x.length === 1) return [x[0]! * y[0]!];
  const half = x.length / 2;
  const [a, b] = [x.slice(0, half), x.slice(half)];
  const [c, d] = [y.slice(0, half), y.slice(half)];
  return [...minus(multiply(a, c), multiply(sign(d), b)), ...plus(multiply(d, a), multiply(b, sign(c)))];
}

/** A [n, n, n] of the left products: A[i] x = e_i·x. */
export function structureOf(n: number): number[] {
  const unit = (i: number): number[] => Array.from({ length: n }, (_, k) => (k === i ? 1 : 0));
  const values = new Array<number>(n ** 3).fill(0);
  for (let i = 0; i < n; i++) {
    for (let q = 0; q < n; q++) {
      // `+ 0` leaves no -0.
      multiply(unit(i), unit(q)).forEach((v, p) => (values[(i * n + p) * n + q] = v + 0));
    }
  }
  return values;
}
