import type { Precision } from '../../base/precision.ts';
import { f32 } from '../../base/tensor-type.ts';
import { matmul } from '../../ops/matmul.ts';
import type { CaseKind } from '../case.ts';
import { forward, runner } from '../runner.ts';

const SIZES: readonly (readonly [m: number, n: number, k: number])[] = [
  [256, 256, 256],
  [512, 512, 512],
  [1024, 1024, 1024],
  [64, 200, 784],
  [1024, 768, 3072],
];

/** M N K: C[M,N] = A[M,K]·B[K,N], row-major. */
const product = (kind: string, precision: Precision): CaseKind => ({
  kind,
  lines: SIZES.map((size) => `${kind}/${size.join('x')} ${size.join(' ')}`),
  cases: ({ name, words }, threads) => {
    const [m, n, k] = words.map(Number) as [number, number, number];
    const attrs = { transA: 0, transB: 0, precision };
    const graph = forward([f32(m, k), f32(k, n)], (b, [x, y]) => b.one(matmul, [x!, y!], attrs));
    const flop = 2 * m * n * k;
    const least = { f32: 0, bf16: 0, [precision]: flop };
    return [{ name, flop, least, items: 0, steps: 1, run: runner(graph, threads) }];
  },
});

export const gemm = product('gemm', 'f32');
/** The same with operands rounded to bf16; rounding and packing are timed with it. */
export const gemmBf16: CaseKind = {
  ...product('gemm_bf16', 'bf16'),
  over: (words) => `gemm ${words.join(' ')}`,
};
