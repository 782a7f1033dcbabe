import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { philox, Random } from '../../src/base/philox.ts';
import { f32 } from '../../src/base/tensor-type.ts';
import type { Attrs } from '../../src/ir/op.ts';
import { KINDS, permuted } from '../../src/ops/lib/projection.ts';
import { subspaceNorms, subspaceProject, subspaceTranspose } from '../../src/ops/subspace.ts';
import { prepare } from '../../src/native/native.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { OPS } from '../../src/ops/index.ts';
import { runOp } from '../support/run-op.ts';

const random = new Random('subspace');
const normal = (n: number): Float64Array<ArrayBuffer> => Float64Array.from({ length: n }, () => random.normal());
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const attrsOf = (kind: string, more: Attrs = {}): Attrs => ({ kind, key0: 7, key1: 0, stream: 0, stratum: 0, ...more });

const project = (v: Float64Array<ArrayBuffer>, rows: number, attrs: Attrs): Float64Array =>
  subspaceProject.reference!([{ shape: [v.length], data: v }, null], { dims: [rows], ...attrs }, [])[0]!.data;
const transpose = (g: Float64Array<ArrayBuffer>, d: number, attrs: Attrs): Float64Array =>
  subspaceTranspose.reference!([{ shape: [g.length], data: g }], { d, ...attrs }, [])[0]!.data;

const subspace = suite('ops: random subspaces');

// [rows, d]: odd, whole, tiny.
const SIZES = [
  [1, 1],
  [7, 7],
  [129, 5],
  [1001, 63],
  [1024, 1024],
] as const;

/** P [rows, d], column by column. */
function matrix(rows: number, d: number, attrs: Attrs): Float64Array[] {
  return Array.from({ length: d }, (_, c) => project(Float64Array.from({ length: d }, (_, i) => Number(i === c)), rows, attrs)); // prettier-ignore
}
/** Words of the counter (row block, column, 4·stream + purpose, 0) under a key of 64 bits. */
const words = (first: number, second: number, third: number): Uint32Array =>
  philox([first, second, third, 0], [0x12345678, 0x9abcdef0]);

// Each as it is written down, entry by entry, from the words themselves.
subspace('every entry is a function of seed and place', () => {
  const [rows, d, stream] = [37, 40, 5];
  const of = (kind: string, more: Attrs = {}): Float64Array[] =>
    matrix(rows, d, attrsOf(kind, { key0: 0x12345678, key1: 0x9abcdef0, stream, ...more }));
  const [signs, normals] = [of('rademacher'), of('gaussian')];
  for (let row = 0; row < rows; row++)
    for (let c = 0; c < d; c++) {
      // One word is one row by 32 columns; a set bit is a minus.
      const bit = (words(row >> 2, c >> 5, 4 * stream)[row & 3]! >>> (c & 31)) & 1;
      assert.is(signs[c]![row], (bit ? -1 : 1) / Math.sqrt(rows));
      // Box-Muller on the four lanes of a block of four rows.
      const [first, second] = [...words(row >> 2, c, 4 * stream)].map((w) => (w + 0.5) / 2 ** 32).slice(row & 2);
      const wave = row & 1 ? Math.sin(2 * Math.PI * second!) : Math.cos(2 * Math.PI * second!);
      assert.ok(Math.abs(normals[c]![row]! - Math.sqrt(-2 * Math.log(first!)) * wave) < 1e-12);
    }
  for (const stratum of [0, 1, 8, 37]) {
    const size = stratum || Math.round(Math.sqrt(rows));
    const strata = Math.ceil(rows / size);
    of('sparse', { stratum }).forEach((column, c) => {
      for (let t = 0; t < strata; t++) {
        const part = column.subarray(t * size, Math.min((t + 1) * size, rows)); // the last one may be shorter
        const entries = [...part.entries()].filter(([, v]) => v !== 0);
        const half = (words(t >> 3, c, 4 * stream)[(t & 7) >> 1]! >>> (16 * (t & 1))) & 0xffff;
        const place = Math.floor(((half >> 1) * part.length) / 2 ** 15);
        assert.equal(entries, [[place, (half & 1 ? -1 : 1) / Math.sqrt(strata)]]);
      }
    });
  }
});

subspace('fastfood is H·G·Π·H·B over √(D·ΣG²), the parts from the words', () => {
  const [rows, d, stream, length] = [21, 9, 3, 32];
  const attrs = attrsOf('fastfood', { key0: 0x12345678, key1: 0x9abcdef0, stream });
  const sylvester = (i: number, j: number): number => ((i & j).toString(2).replaceAll('0', '').length % 2 ? -1 : 1);
  const sign = (i: number): number => ((words(i >> 7, 0, 4 * stream)[(i >> 5) & 3]! >>> (i & 31)) & 1 ? -1 : 1);
  const g = Array.from({ length }, (_, i) => {
    const [first, second] = [...words(i >> 2, 0, 4 * stream + 1)].map((w) => (w + 0.5) / 2 ** 32).slice(i & 2);
    const turn = 2 * Math.PI * second!;
    return Math.sqrt(-2 * Math.log(first!)) * (i & 1 ? Math.sin(turn) : Math.cos(turn));
  });
  const order = Array.from({ length }, (_, i) => permuted(i, length, words(0, 0, 4 * stream + 2)));
  const divisor = Math.sqrt(rows * g.reduce((s, x) => s + x * x, 0));
  matrix(rows, d, attrs).forEach((column, c) => {
    const u = Array.from({ length }, (_, i) => sylvester(i, c) * sign(c));
    const w = g.map((x, j) => x * u[order[j]!]!);
    column.forEach((found, row) => {
      const wanted = w.reduce((s, x, j) => s + sylvester(row, j) * x, 0) / divisor;
      assert.ok(Math.abs(found - wanted) < 1e-12, `${row}, ${c}: ${found}, not ${wanted}`);
    });
  });
});

for (const kind of KINDS) {
  subspace(`${kind}: <Pv, g> = <v, Pᵀg> to 1e-12`, () => {
    for (const [rows, d] of SIZES) {
      const [v, g] = [normal(d), normal(rows)];
      const [a, b] = [dot(project(v, rows, attrsOf(kind)), g), dot(v, transpose(g, d, attrsOf(kind)))];
      assert.ok(Math.abs(a - b) <= 1e-12 * Math.max(1, Math.sqrt(dot(v, v) * dot(g, g))), `${a} and ${b}`);
    }
  });

  subspace(`${kind}: columns are of length 1, fastfood's in the mean`, () => {
    const [rows, d] = [1501, 24];
    const norms = subspaceNorms.reference!([], { rows, d, key0: 7, key1: 0, stream: 0 }, [])[0]!.data;
    const lengths = Array.from({ length: d }, (_, c) => {
      const unit = new Float64Array(d);
      unit[c] = kind === 'gaussian' ? 1 / norms[c]! : 1;
      const column = project(unit, rows, attrsOf(kind));
      return Math.sqrt(dot(column, column));
    });
    const mean = lengths.reduce((a, b) => a + b, 0) / d;
    if (kind === 'fastfood') assert.ok(Math.abs(mean - 1) < 0.01, String(mean));
    else for (const length of lengths) assert.ok(Math.abs(length - 1) < 1e-12, String(length));
  });

  subspace(`${kind}: streams and keys are other matrices`, () => {
    const v = normal(5);
    const first = project(v, 64, attrsOf(kind));
    for (const other of [{ stream: 1 }, { key0: 8 }, { key1: 1 }]) {
      const second = project(v, 64, attrsOf(kind, other));
      const cosine = dot(first, second) / Math.sqrt(dot(first, first) * dot(second, second));
      assert.ok(Math.abs(cosine) < 0.75, `${JSON.stringify(other)}: ${cosine}`);
    }
    assert.equal(project(v, 64, attrsOf(kind)), first);
  });

  // Of any g, E‖Pᵀg‖² = d/rows·‖g‖², within the deviation of a χ² of d degrees. Fastfood has no signs before its first transform of g: it promises
  // that only for a g that is itself random.
  subspace(`${kind}: lengths are kept as Johnson and Lindenstrauss say`, () => {
    const [rows, d, draws] = [1024, 64, 40];
    const g = kind === 'fastfood' ? normal(rows) : Float64Array.from({ length: rows }, (_, i) => (i < 600 ? 1 : -0.25));
    const ratios = Array.from({ length: draws }, (_, stream) => {
      const y = transpose(g, d, attrsOf(kind, { stream }));
      const scale = kind === 'gaussian' ? 1 / rows : 1;
      return (dot(y, y) * scale * rows) / d / dot(g, g);
    });
    const mean = ratios.reduce((a, b) => a + b, 0) / draws;
    const deviation = Math.sqrt(ratios.reduce((s, r) => s + (r - mean) ** 2, 0) / draws);
    const expected = Math.sqrt(2 / d);
    assert.ok(Math.abs(mean - 1) < (4 * expected) / Math.sqrt(draws), `mean ${mean}`);
    assert.ok(deviation < 1.5 * expected, `deviation ${deviation}, of a χ² ${expected}`);
  });
}

subspace('the order of fastfood is one, for odd and even numbers of bits', () => {
  const keys = Uint32Array.of(1, 2, 3, 4);
  for (const length of [1, 2, 4, 8, 32, 512, 1024]) {
    const places = new Set(Array.from({ length }, (_, i) => permuted(i, length, keys)));
    assert.is(places.size, length);
    assert.ok([...places].every((p) => p < length));
  }
});

subspace('no columns: the base alone', () => {
  for (const kind of KINDS) {
    const base = { shape: [3], data: Float64Array.of(1, 2, 3) };
    const types = [f32(0), f32(3)];
    const [theta] = runOp(subspaceProject, types, [{ shape: [0], data: new Float64Array(0) }, base], {
      dims: [3],
      ...attrsOf(kind),
    });
    assert.equal([...theta!], [1, 2, 3]);
  }
});

subspace('2^31 numbers are as many as may be, of every kind', () => {
  const d = 3;
  for (const kind of KINDS) {
    const planned = (rows: number): Uint8Array => {
      const b = graphBuilder({ mode: 'infer', seed: 0 });
      const theta = b.one(subspaceProject, [b.input('v', f32(d)), null], { dims: [rows], ...attrsOf(kind) });
      return makePlan(b.finish([{ name: 'theta', value: theta }]), { ops: OPS }).bytes;
    };
    prepare(planned(2 ** 31)).close();
    assert.throws(() => planned(2 ** 31 + 1), /more than 2\^31/);
  }
});

// Nothing random is stored: beside the transform of fastfood, memory is a small multiple of d, whatever the rows.
subspace('memory does not grow with rows times d', () => {
  const scratch = (kind: string, rows: number, d: number): number => {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const v = b.input('v', f32(d));
    const theta = b.one(subspaceProject, [v, null], { dims: [rows], ...attrsOf(kind) });
    const g = b.input('g', f32(rows));
    const dv = b.one(subspaceTranspose, [g], { d, ...attrsOf(kind) });
    const plan = makePlan(b.finish([{ name: 'theta', value: theta }, { name: 'dv', value: dv }]), { ops: OPS }); // prettier-ignore
    const prepared = prepare(plan.bytes);
    return prepared.arenaBytes + prepared.scratchBytes;
  };
  const bytes = 4;
  for (const rows of [10_000, 1_000_000]) {
    const d = 750;
    for (const kind of ['rademacher', 'gaussian', 'sparse']) assert.ok(scratch(kind, rows, d) <= 40 * bytes * d, kind);
    const transform = 2 ** Math.ceil(Math.log2(rows));
    assert.ok(scratch('fastfood', rows, d) <= bytes * (transform + 17 * 1024) + (8 * transform) / 4096 + 4096);
  }
});

subspace.run();
