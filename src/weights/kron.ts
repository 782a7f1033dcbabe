import { Unfit } from '../base/unfit.ts';
import type { Builder, WeightSpec } from '../ir/builder.ts';
import type { WeightDef } from '../ir/weight.ts';
import type { Value } from '../ir/graph.ts';
import { stdOf } from '../ir/start.ts';
import { kronWeight } from '../ops/kron-weight.ts';
import { ALGEBRAS, algebraTable } from '../ops/lib/algebras.ts';
import type { AlgebraName } from '../ops/lib/algebras.ts';
import { reshape } from '../ops/shape.ts';
import { startOfFactor } from './free.ts';
import { viewOf } from './view.ts';

const KNOWN = Object.entries(ALGEBRAS).map(([name, n]) => `${name} (n ${n})`);

/**
 * Σ_i A[i] ⊗ F[i] (PHM, Zhang et al. 2021; PHC, Grassucci et al. 2021). A [n, n, n] is learned, or the left products of an algebra; F [n, out/n, …K, in/n].
 */
export const kron: WeightDef = {
  kind: 'weight',
  name: 'kron',
  doc: 'A sum of n Kronecker products, A [n, n, n] and F [n, out/n, ...k, in/n]: the parameters are n³ + out·k·in/n. An algebra fixes A.',
  args: [
    {
      name: 'n',
      doc: 'number of products; divides both widths',
      type: { kind: 'whole', min: 1, max: 1024 },
      positional: true,
    },
    {
      name: 'algebra',
      doc: `whose product A is: learned (none), or ${KNOWN.join(', ')}`,
      type: { kind: 'name', oneOf: ['none', ...Object.keys(ALGEBRAS)] },
      default: 'none',
    },
  ],
  make: (b, path, spec, { args }) => {
    const n = Number(args['n']);
    const view = viewOf(spec);
    if (view.out % n !== 0 || view.in % n !== 0) {
      throw new Unfit('n of kron must divide both widths', `multiples of ${n}`, `${view.out} and ${view.in}`);
    }
    const a = structure(b, path, spec, n, String(args['algebra']));
    // Stacked matrices are groups of outputs that share A.
    const rows = [(view.blocks * view.out) / n, ...(spec.stacked ? [] : spec.shape.slice(1, -1))];
    const f = b.param(`${path}.F`, [n, ...rows, view.in / n], startOfFactor(spec, stdOf(spec), true));
    const w = b.one(kronWeight, [a, f], { groups: view.blocks });
    return spec.stacked ? b.one(reshape, [w], { dims: spec.shape }) : w;
  },
};

// A has variance 1/n, so that Var(W) = n·Var(A)·Var(F) is that of F; an algebra has one ±1 a place.
function structure(b: Builder, path: string, spec: WeightSpec, n: number, algebra: string): Value {
  if (algebra === 'none') return b.param(`${path}.A`, [n, n, n], startOfFactor(spec, 1 / Math.sqrt(n), false));
  const dims = ALGEBRAS[algebra as AlgebraName];
  if (dims !== n) throw new Unfit(`kron: the algebra ${algebra} has n ${dims}`, `n ${dims}`, `n ${n}`);
  return b.fixed(`${path}.A`, [n, n, n], { kind: 'table', values: [...algebraTable(algebra as AlgebraName)] });
}
