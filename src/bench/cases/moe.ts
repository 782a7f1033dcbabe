import { f32, i32 } from '../../base/tensor-type.ts';
import type { TensorType } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { graphBuilder } from '../../ir/graph-builder.ts';
import { add } from '../../ops/elementwise.ts';
import { matmul } from '../../ops/matmul.ts';
import { moeFfn } from '../../ops/moe-ffn.ts';
import { moeRoute } from '../../ops/moe-route.ts';
import type { CaseKind } from '../case.ts';
import { forward, forwardBackward, normal, runner } from '../runner.ts';

const weightsOf = (width: number, hidden: number, experts: number): readonly TensorType[] => [
  f32(experts, hidden, width),
  f32(experts, width, hidden),
  f32(experts, hidden),
  f32(experts, width),
];

/** Added to logits: the first `share` of the tokens choose expert 0 and no other for sure. */
const drawnTo0 = (tokens: number, experts: number, share: number): Float32Array =>
  Float32Array.from({ length: tokens * experts }, (_, i) =>
    i % experts === 0 && i < share * tokens * experts ? 1000 : 0,
  );

/**
 * TOKENS WIDTH HIDDEN EXPERTS TOPK [SHARE], gelu, renormalised gates, with biases: forward, and forward with the gradients of all inputs. SHARE of the
 * tokens choose expert 0.
 */
export const moe: CaseKind = {
  kind: 'moe',
  lines: [
    'moe/T1024_d512_h2048_E8_k2 1024 512 2048 8 2',
    'moe/T256_d128_h512_E16_k2 256 128 512 16 2',
    'moe/T4096_d256_h1024_E32_k1 4096 256 1024 32 1',
    'moe/T4096_d256_h1024_E32_k1_half 4096 256 1024 32 1 0.5',
  ],
  cases: ({ name, words }, threads) => {
    const [tokens, width, hidden, experts, topK, share = 0] = words.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number?,
    ];
    const types = [f32(tokens, width), f32(width, experts), ...weightsOf(width, hidden, experts)];
    const build =
      (keep: number) =>
      (b: Builder, [x, router, w1, w2, b1, b2]: readonly Value[]): Value => {
        const clean = b.one(matmul, [x!, router!], { transA: 0, transB: 0 });
        const logits = share > 0 ? b.one(add, [clean, b.input('drawn', f32(tokens, experts))]) : clean;
        const routing = { topK, capacity: tokens, gates: 'renorm', priority: 'token', balance: 0, zLoss: 0 };
        const [gate, , kept] = b.apply(moeRoute, [logits], routing);
        const inputs = [x!, gate!, kept!, w1!, w2!, b1!, b2!, null];
        return b.one(moeFfn, inputs, { activation: 'gelu', keep });
      };
    const flop = 4 * tokens * topK * width * hidden;
    const [once, both] = [forward(types, build(0)), forwardBackward(types, build(1))];
    // Logits of the size that a trained router has: the peers draw theirs so.
    const given = { in1: normal(width * experts, 0.05), drawn: drawnTo0(tokens, experts, share) };
    return [
      { name: `${name}/fwd`, flop, items: 0, steps: 1, run: runner(once, threads, 1, given) },
      { name: `${name}/fwdbwd`, flop: 3 * flop, items: 0, steps: 1, run: runner(both, threads, 1, given) },
    ];
  },
  over: (words) => (words.length > 5 ? `moe ${words.slice(0, 5).join(' ')}` : null),
};

/** `numbers` values, of which no more than the first are drawn: large weights are there to be read. */
function many(numbers: number): Float32Array {
  const drawn = normal(Math.min(numbers, 65536), 0.02);
  const all = new Float32Array(numbers);
  for (let at = 0; at < numbers; at += drawn.length) all.set(drawn.subarray(0, numbers - at), at);
  return all;
}

/** TOKENS WIDTH HIDDEN EXPERTS: each token has an expert of its own, the next ones at the next call, so that no weight is found in a cache. */
export const moeFew: CaseKind = {
  kind: 'moe-few',
  lines: [1, 2, 4, 8].map((tokens) => `moe-few/T${tokens}_d1024_h4096_E8 ${tokens} 1024 4096 8`),
  cases: ({ name, words }, threads) => {
    const [tokens, width, hidden, experts] = words.map(Number) as [number, number, number, number];
    const [w1, w2, b1, b2] = weightsOf(width, hidden, experts) as [TensorType, TensorType, TensorType, TensorType];
    const b = graphBuilder({ mode: 'infer', seed: 0 });
    const inputs = [
      b.input('x', f32(tokens, width)),
      b.input('gate', f32(tokens, 1)),
      b.input('expert', i32(tokens, 1)),
      ...[w1, w2, b1, b2].map((type, i) => b.input(`w${i}`, type)),
      null,
    ];
    const y = b.one(moeFfn, inputs, { activation: 'gelu', keep: 0 });
    const expert = new Int32Array(tokens);
    const weights = many(experts * hidden * width);
    const once = runner(b.finish([{ name: 'y', value: y }]), threads, 1, { expert, w0: weights, w1: weights.slice() });
    let next = 0;
    const run = (): void => {
      for (let t = 0; t < tokens; t++) expert[t] = next++ % experts;
      once();
    };
    const bytes = 8 * Math.min(tokens, experts) * hidden * width;
    return [{ name, flop: 4 * tokens * width * hidden, bytes, items: 0, steps: 1, run }];
  },
};
