/** Where the modes of a diagonal state space start (Gu et al. 2022, section 4). */
export const MODE_INITS = ['legs', 'lin', 'inv', 'real'] as const;
export type ModeInit = (typeof MODE_INITS)[number];

/** A complex number as a pair. */
export type Pair = readonly [re: number, im: number];

const each = (modes: number, mode: (n: number) => Pair): readonly Pair[] =>
  Array.from({ length: modes }, (_, n) => mode(n));

// Of so many modes: states of a space of twice as many, of which conjugates are left out.
const INITS: Readonly<Record<ModeInit, (modes: number) => readonly Pair[]>> = {
  legs: (modes) => legsFrequencies(modes).map((frequency) => [-1 / 2, frequency]),
  lin: (modes) => each(modes, (n) => [-1 / 2, Math.PI * n]),
  inv: (modes) => each(modes, (n) => [-1 / 2, ((2 * modes) / Math.PI) * ((2 * modes) / (2 * n + 1) - 1)]),
  real: (modes) => each(modes, (n) => [-(n + 1), 0]),
};

/** A_n of the modes, from n = 0 on. */
export const startModes = (init: ModeInit, modes: number): readonly Pair[] => INITS[init](modes);

/**
 * The imaginary parts above 0 of the eigenvalues of HiPPO-LegS's normal part, a matrix of 2·modes rows: −½ and a skew part, ½·√((2i + 1)(2j + 1))
 * above the diagonal. Sums of an eigenvector's numbers times √(2i + 1) follow a recurrence of one term, of factors −(i + ½ − iμ)/(i + ½ + iμ), and
 * end at minus their start: Σ_i atan(μ/(i + ½)) = π·(n + ½), by Newton's rule from below, where it cannot pass the root.
 */
export function legsFrequencies(modes: number): readonly number[] {
  const found: number[] = [];
  let mu = 0;
  for (let n = 0; n < modes; n++) {
    for (let step = Infinity; step > 1e-15 * mu; mu += step) {
      let [angle, slope] = [-Math.PI * (n + 0.5), 0];
      for (let i = 0.5; i < 2 * modes; i++) {
        angle += Math.atan(mu / i);
        slope += i / (i * i + mu * mu);
      }
      step = -angle / slope;
    }
    found.push(mu);
  }
  return found;
}
