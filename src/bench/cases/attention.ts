import { f32 } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { attention as attentionOp } from '../../ops/attention.ts';
import type { CaseKind } from '../case.ts';
import { forwardAndBackward } from '../runner.ts';

/** BATCH TOKENS HEADS WIDTH CAUSAL, WIDTH of a head: two products a pair of tokens that see each other forward, five backward. */
export const attention: CaseKind = {
  kind: 'attention',
  lines: [
    'attention/b64_T64_h4_d32_causal 64 64 4 32 1',
    'attention/b2_T1024_h8_d64 2 1024 8 64 0',
    'attention/b1_T2048_h1_d64_causal 1 2048 1 64 1',
  ],
  cases: ({ name, words }, threads) => {
    const [batch, tokens, heads, width, causal] = words.map(Number) as [number, number, number, number, number];
    const type = f32(batch, tokens, heads * width);
    const pairs = batch * heads * (causal ? (tokens * (tokens + 1)) / 2 : tokens * tokens);
    const build = (b: Builder, qkv: readonly Value[]): Value =>
      b.apply(attentionOp, [...qkv, null], { heads, causal, scale: 1 / Math.sqrt(width) })[0]!;
    return forwardAndBackward(name, { flop: 4 * pairs * width, backward: 2.5 }, [type, type, type], build, threads);
  },
};
