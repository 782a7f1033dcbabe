/**
 * The error function to double precision, by Kummer's series, whose terms are all positive:
 * erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))   (Abramowitz and Stegun 7.1.6).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return 2 * Math.sqrt(1 / Math.PI) * Math.exp(-x * x) * sum;
}

/** Distribution and density of the standard normal. */
export const normalCdf = (x: number): number => (1 + erf(x * Math.SQRT1_2)) / 2;
export const normalPdf = (x: number): number => Math.exp(-x * x * 0.5) / Math.sqrt(2 * Math.PI);

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
