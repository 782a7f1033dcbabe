import { f32 } from '../../base/tensor-type.ts';
import type { Graph } from '../../ir/graph.ts';
import { graphBuilder } from '../../ir/graph-builder.ts';
import { hadamard as hadamardOp } from '../../ops/hadamard.ts';
import { KINDS } from '../../ops/lib/projection.ts';
import { subspaceProject, subspaceTranspose } from '../../ops/subspace.ts';
import type { CaseKind } from '../case.ts';
import { runner } from '../runner.ts';

/** ROWS COLUMNS: every kind of random subspace, base + P·v and Pᵀ·g. */
export const sub: CaseKind = {
  kind: 'sub',
  lines: ['sub/D199210_d750 199210 750'],
  cases: ({ name, words }, threads) => {
    const [rows, d] = words.map(Number) as [number, number];
    return KINDS.filter((kind) => kind !== 'gaussian' || rows < 1e6).flatMap((kind) => {
      const attrs = { kind, key0: 7, key1: 0, stream: 0, stratum: 0 };
      const b = graphBuilder({ mode: 'infer', seed: 0 });
      const theta = b.one(subspaceProject, [b.input('v', f32(d)), b.input('base', f32(rows))], {
        dims: [rows],
        ...attrs,
      });
      const v = b.one(subspaceTranspose, [b.input('g', f32(rows))], { d, ...attrs });
      const one = (way: string, graph: Graph, given: number) => ({
        name: `${name}/${kind}/${way}`,
        // Of the product with a matrix that is drawn whole.
        flop: kind === 'rademacher' || kind === 'gaussian' ? 2 * rows * d : 0,
        bytes: 4 * given,
        items: 0,
        steps: 1,
        run: runner(graph, threads),
      });
      return [
        one('project', b.finish([{ name: 'theta', value: theta }]), 2 * rows + d),
        one('transpose', b.finish([{ name: 'v', value: v }]), rows + d),
      ];
    });
  },
};

/** N: the Walsh-Hadamard transform; the bytes are those of two passes over memory. */
export const fwht: CaseKind = {
  kind: 'fwht',
  lines: ['fwht/2^20 1048576'],
  cases: ({ name, words }, threads) => {
    const n = Number(words[0]);
    const b = graphBuilder({ mode: 'infer', seed: 0 });
    const y = b.one(hadamardOp, [b.input('x', f32(n))], { scale: 1 });
    const run = runner(b.finish([{ name: 'y', value: y }]), threads);
    return [{ name, flop: n * Math.log2(n), bytes: 16 * n, items: 0, steps: 1, run }];
  },
};
