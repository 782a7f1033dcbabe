/** Algebras with a fixed table, by the number of their units; each is made of two of the one before it. */
export const ALGEBRAS = { real: 1, complex: 2, quaternion: 4, octonion: 8 } as const;
export type AlgebraName = keyof typeof ALGEBRAS;

/** a [n, n, n] flat: a[i] is the matrix of the left product with unit i, so that f and x give f·x. */
export function algebraTable(name: AlgebraName): Float32Array {
  const n = ALGEBRAS[name];
  const a = new Float32Array(n ** 3);
  for (let i = 0; i < n; i++) {
    for (let q = 0; q < n; q++) {
      const [p, sign] = unitProduct(i, q, n);
      a[(i * n + p) * n + q] = sign;
    }
  }
  return a;
}

/** The unit, and its sign, that units i and j make: (a, b)·(c, d) = (a·c − d*·b, d·a + b·c*) (Cayley and Dickson; Baez 2002, section 2.2). */
function unitProduct(i: number, j: number, n: number): readonly [number, number] {
  if (n === 1) return [0, 1];
  const half = n / 2;
  if (i < half && j < half) return unitProduct(i, j, half);
  if (i < half) return shifted(unitProduct(j - half, i, half), half, 1);
  if (j < half) return shifted(unitProduct(i - half, j, half), half, conjugate(j));
  return shifted(unitProduct(j - half, i - half, half), 0, -conjugate(j - half));
}

const conjugate = (unit: number): number => (unit === 0 ? 1 : -1);
const shifted = ([unit, sign]: readonly [number, number], by: number, times: number): readonly [number, number] => [
  unit + by,
  sign * times,
];
