import type { Value } from '../ir/graph.ts';
import { ACTIVATIONS } from '../ops/activation.ts';
import { add } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { moeFfn } from '../ops/moe-ffn.ts';
import { GATES, moeRoute, PRIORITIES } from '../ops/moe-route.ts';
import { maybe, option, readChoice, readReal, readWhole, tensorOf } from './args.ts';
import { INTEGERS } from './def.ts';
import { backwardOf, defineKernel } from './kernel.ts';
import type { Tensor } from './tensor.ts';

const readCapacity = (value: unknown, argument: string): number | null =>
  value === null ? null : readReal(0)(value, argument);

const kernel = defineKernel({
  name: 'moe.forward',
  args: {
    x: tensorOf('f32[tokens, width]', 'tokens'),
    router: tensorOf('f32[width, experts]', 'the router'),
    w1: tensorOf('f32[experts, hidden, width]', 'first weights'),
    w2: tensorOf('f32[experts, width, hidden]', 'second weights'),
    b1: maybe('f32[experts, hidden]', 'first biases'),
    b2: maybe('f32[experts, width]', 'second biases'),
    w3: maybe('f32[experts, hidden, width]', 'weights of the factor of a gated layer (GLU)'),
    noise: maybe('f32[tokens, experts]', 'added to the logits, in training'),
    topK: option({ doc: 'experts a token; all where there are no more', read: readWhole(1), default: 2 }),
    activation: option({ doc: 'after the first product', read: readChoice(ACTIVATIONS), default: 'gelu' }),
    gate: option({ doc: 'whether gates sum to 1', read: readChoice(GATES), default: 'renorm' }),
    capacityFactor: option<number | null, number | null>({
      doc: 'of an even share; none: all tokens are served',
      read: readCapacity,
      default: null,
    }),
    priority: option({ doc: 'who is served first', read: readChoice(PRIORITIES), default: 'token' }),
    balance: option({ doc: 'weight of the balance loss', read: readReal(), default: 0.01 }),
    zLoss: option({ doc: 'weight of the z loss', read: readReal(), default: 0 }),
  },
  outputs: { y: 'dy', aux: 'dAux', gates: null, experts: INTEGERS, kept: INTEGERS },
  build: (b, args, { tokens, experts }) => {
    const topK = Math.min(args.topK, experts!);
    const share = args.capacityFactor === null ? null : (args.capacityFactor * topK * tokens!) / experts!;
    const routing = {
      topK,
      capacity: share === null ? tokens! : Math.max(0, Math.min(tokens!, Math.ceil(share) || 0)),
      gates: args.gate,
      priority: args.priority,
      balance: args.balance,
      zLoss: args.zLoss,
    };
    const clean = b.one(matmul, [args.x, args.router], { transA: 0, transB: 0 });
    const logits = args.noise ? b.one(add, [clean, args.noise]) : clean;
    const [gates, chosen, kept, aux] = b.apply(moeRoute, [logits], routing) as [Value, Value, Value, Value];
    const inputs = [args.x, gates, kept, args.w1, args.w2, args.b1, args.b2, args.w3];
    const keep = b.mode === 'train' ? 1 : 0;
    const y = b.one(moeFfn, inputs, { activation: args.activation, keep });
    return { y, aux, gates, experts: chosen, kept };
  },
  after: ({ aux, kept }, { experts }) => routed(aux.data[0]!, kept.data, experts!),
});

interface Routed {
  /** balance·E·Σ f·P + zLoss·mean(lse²): what is added to a loss. */
  readonly aux: number;
  /** Tokens that each expert served. */
  readonly counts: Tensor<Int32Array>;
  /** Choices that found no room. */
  readonly dropped: number;
}

/** `kept` holds the number of experts where a choice was dropped. */
function routed(aux: number, kept: Int32Array, experts: number): Routed {
  const counts = new Int32Array(experts);
  let dropped = 0;
  for (const e of kept) {
    if (e < experts) counts[e]! += 1;
    else dropped += 1;
  }
  return { aux, counts: { data: counts, shape: [experts] }, dropped };
}

/**
 * Mixtures of experts (Shazeer et al. 2017; Lepikhin et al. 2020): x [T, D], router [D, E], w1 [E, H, D], w2 [E, D, H], b1 [E, H], b2 [E, D], w3 [E, H, D], noise [T, E].
 * Each token passes through the topK experts that its softmax likes best, ties to the lower one. `forward` gives `{ y, aux, gates, experts, kept, counts,
 * dropped, ctx }`; `backward(ctx, { dy, dAux })` a gradient for each tensor.
 */
export const moe = { forward: kernel.call, forwardSync: kernel.callSync, ...backwardOf(kernel) };
