import { f32 } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { matmul } from '../../ops/matmul.ts';
import { moeFfn } from '../../ops/moe-ffn.ts';
import { moeRoute } from '../../ops/moe-route.ts';
import type { CaseKind } from '../case.ts';
import { forward, forwardBackward, normal, runner } from '../runner.ts';

/** TOKENS WIDTH HIDDEN EXPERTS TOPK, gelu, renormalised gates, with biases: forward, and forward with the gradients of all inputs. */
export const moe: CaseKind = {
  kind: 'moe',
  lines: [
    'moe/T1024_d512_h2048_E8_k2 1024 512 2048 8 2',
    'moe/T256_d128_h512_E16_k2 256 128 512 16 2',
    'moe/T4096_d256_h1024_E32_k1 4096 256 1024 32 1',
  ],
  cases: ({ name, words }, threads) => {
    const [tokens, width, hidden, experts, topK] = words.map(Number) as [number, number, number, number, number];
    const types = [
      f32(tokens, width),
      f32(width, experts),
      f32(experts, hidden, width),
      f32(experts, width, hidden),
      f32(experts, hidden),
      f32(experts, width),
    ];
    const build =
      (keep: number) =>
      (b: Builder, [x, router, w1, w2, b1, b2]: readonly Value[]): Value => {
        const logits = b.one(matmul, [x!, router!], { transA: 0, transB: 0 });
        const routing = { topK, capacity: tokens, gates: 'renorm', priority: 'token', balance: 0, zLoss: 0 };
        const [gate, , kept] = b.apply(moeRoute, [logits], routing);
        const inputs = [x!, gate!, kept!, w1!, w2!, b1!, b2!, null];
        return b.one(moeFfn, inputs, { activation: 'gelu', keep });
      };
    const flop = 4 * tokens * topK * width * hidden;
    const [once, both] = [forward(types, build(0)), forwardBackward(types, build(1))];
    // Logits of the size that a trained router has: the peers draw theirs so.
    const given = { in1: normal(width * experts, 0.05) };
    return [
      { name: `${name}/fwd`, flop, items: 0, steps: 1, run: runner(once, threads, 1, given) },
      { name: `${name}/fwdbwd`, flop: 3 * flop, items: 0, steps: 1, run: runner(both, threads, 1, given) },
    ];
  },
};
