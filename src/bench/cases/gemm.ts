import { f32 } from '../../base/tensor-type.ts';
import { matmul } from '../../ops/matmul.ts';
import type { CaseKind } from '../case.ts';
import { forward, runner } from '../runner.ts';

/** M N K: C[M,N] = A[M,K]·B[K,N], row-major. */
export const gemm: CaseKind = {
  kind: 'gemm',
  lines: [
    'gemm/256x256x256 256 256 256',
    'gemm/512x512x512 512 512 512',
    'gemm/1024x1024x1024 1024 1024 1024',
    'gemm/64x200x784 64 200 784',
    'gemm/1024x768x3072 1024 768 3072',
  ],
  cases: ({ name, words }, threads) => {
    const [m, n, k] = words.map(Number) as [number, number, number];
    const graph = forward([f32(m, k), f32(k, n)], (b, [x, y]) => b.one(matmul, [x!, y!], { transA: 0, transB: 0 }));
    return [{ name, flop: 2 * m * n * k, items: 0, steps: 1, run: runner(graph, threads) }];
  },
};
