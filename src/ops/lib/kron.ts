import type { Shape } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import type { Attrs } from '../../ir/op.ts';
import { numberOf } from './attrs.ts';
import { dim, showShape } from './types.ts';

/**
 * W = Σ A_i ⊗ F_i: a [n, n, n], f [n, O/n, …K, C/(g·n)], w [O, …K, C/g]. With groups, o = γ·O/g + p·O/(g·n) + o'.
 * `outs` and `ins` are O/(g·n) and C/(g·n), `taps` the product of …K.
 */
export interface KronGeometry {
  readonly n: number;
  readonly groups: number;
  readonly outs: number;
  readonly kernel: readonly number[];
  readonly taps: number;
  readonly ins: number;
}

export const factorShape = (g: KronGeometry): number[] => [g.n, g.groups * g.outs, ...g.kernel, g.ins];
export const madeShape = (g: KronGeometry): number[] => [g.groups * g.n * g.outs, ...g.kernel, g.n * g.ins];
export const algebraShape = (g: KronGeometry): number[] => [g.n, g.n, g.n];

/** Multiply-adds of making the weight: every number of it is a sum of n products. */
export const kronMacs = (g: KronGeometry): number => g.n ** 3 * g.groups * g.outs * g.taps * g.ins;

const MAX_FACTOR_RANK = 8;

function geometryOf(n: number, outs: number, kernel: readonly number[], ins: number, groups: number): KronGeometry {
  return { n, groups, outs, kernel, taps: kernel.reduce((all, k) => all * k, 1), ins };
}

function checkRank(what: string, shape: Shape, least: number): void {
  if (shape.length >= least && shape.length <= least + MAX_FACTOR_RANK - 3) return;
  const form = least === 3 ? '[n, out / n, …kernel, in / n]' : '[out, …kernel, in]';
  throw new Unfit(`${what} ${showShape(shape)} is not ${form}`, form, showShape(shape));
}

function checkGroups(groups: number): void {
  if (groups < 1) throw new Unfit('kron: groups must be at least 1', 'at least 1', String(groups));
}

/** The sizes that a factor gives. Throws Unfit. */
export function kronOfFactor(f: Shape, groups: number): KronGeometry {
  checkRank('the factor', f, 3);
  checkGroups(groups);
  const [n, rows] = [dim(f, 0), dim(f, 1)];
  if (n < 1) throw new Unfit('kron: n must be at least 1', 'at least 1', String(n));
  if (rows % groups !== 0) {
    throw new Unfit(
      `groups must divide the factor's rows: ${rows} in ${groups} groups`,
      `a divisor of ${rows}`,
      String(groups),
    );
  }
  return geometryOf(n, rows / groups, f.slice(2, -1), dim(f, f.length - 1), groups);
}

/** The same, of an algebra and a factor that go together. */
export function kronOf(a: Shape, f: Shape, groups: number): KronGeometry {
  const g = kronOfFactor(f, groups);
  if (dim(a, 0) !== g.n) {
    throw new Unfit(
      `the algebra has n = ${dim(a, 0)}, but the factor ${showShape(f)} has n = ${g.n}`,
      `n = ${g.n}`,
      `n = ${dim(a, 0)}`,
    );
  }
  return g;
}

/** The sizes of the weight that n splits. Throws Unfit where n does not divide. */
export function kronOfWeight(n: number, w: Shape, groups: number): KronGeometry {
  checkRank('the weight', w, 2);
  checkGroups(groups);
  const [outs, ins] = [dim(w, 0), dim(w, w.length - 1)];
  if (n < 1 || outs % (n * groups) !== 0 || ins % n !== 0) {
    const what =
      groups === 1 ? `${ins} inputs and ${outs} outputs` : `${ins} inputs and ${outs / groups} outputs of a group`;
    throw new Unfit(`n = ${n} does not divide ${what}`, 'a divisor of both', `n = ${n}`);
  }
  return geometryOf(n, outs / (n * groups), w.slice(1, -1), ins / n, groups);
}

export const groupsOf = (attrs: Attrs): number => numberOf(attrs, 'groups');

/** Every product a·f that is a part of some w: flat positions of the three. One loop serves the op and both adjoints. */
export function forEachKron(g: KronGeometry, visit: (w: number, a: number, f: number) => void): void {
  const { n, outs, taps, ins } = g;
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < n; p++) {
      for (let q = 0; q < n; q++) {
        const a = (i * n + p) * n + q;
        for (let row = 0; row < g.groups * outs * taps; row++) {
          const [group, o, tap] = [Math.floor(row / (outs * taps)), Math.floor(row / taps) % outs, row % taps];
          const w0 = ((((group * n + p) * outs + o) * taps + tap) * n + q) * ins;
          const f0 = (i * g.groups * outs * taps + row) * ins;
          for (let c = 0; c < ins; c++) visit(w0 + c, a, f0 + c);
        }
      }
    }
  }
}
