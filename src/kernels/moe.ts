import type { Value } from '../ir/graph.ts';
import { ACTIVATIONS } from '../ops/activation.ts';
import { add } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { moeFfn } from '../ops/moe-ffn.ts';
import { GATES, moeRoute, PRIORITIES } from '../ops/moe-route.ts';
import { choice, maybe, option, readReal, readWhole, tensorOf } from './args.ts';
import { INTEGERS } from './def.ts';
import { backwardOf, defineKernel } from './kernel.ts';
import type { Tensor } from './tensor.ts';

const readCapacity = (value: unknown, argument: string): number | null =>
  value === null ? null : readReal(0)(value, argument);

const kernel = defineKernel({
  name: 'moe.forward',
  args: {
    /** Tokens [T, D]. */
    x: tensorOf('f32[tokens, width]'),
    /** The router [D, E]: logits are x·router. */
    router: tensorOf('f32[width, experts]'),
    /** First weights [E, H, D]: h = w1·x + b1. */
    w1: tensorOf('f32[experts, hidden, width]'),
    /** Second weights [E, D, H]: w2·act(h) + b2. */
    w2: tensorOf('f32[experts, width, hidden]'),
    /** First biases [E, H]; none: zeros. */
    b1: maybe('f32[experts, hidden]'),
    /** Second biases [E, D]; none: zeros. */
    b2: maybe('f32[experts, width]'),
    /** Weights [E, H, D] of the factor of a gated layer (GLU): act(h)·(w3·x) in place of act(h). */
    w3: maybe('f32[experts, hidden, width]'),
    /** Added to the logits [T, E], in training: the paper's is normal with deviation 1/E. */
    noise: maybe('f32[tokens, experts]'),
    /** Experts a token, from 1; all where there are no more. Default 2. */
    topK: option({ read: readWhole(1), default: 2 }),
    /** After the first product; `gelu` is the exact one by erf, and the default. */
    activation: choice(ACTIVATIONS, 'gelu'),
    /** `renorm`: the gates of a token sum to 1 (the default); `raw`: they are the probabilities themselves. */
    gate: choice(GATES, 'renorm'),
    /** An expert serves at most ceil(capacityFactor·topK·T/E) choices; none: all. */
    capacityFactor: option<number | null, number | null>({ read: readCapacity, default: null }),
    /** Who is served first: in order of the tokens (the default), first choices before second ones, or by probability. */
    priority: choice(PRIORITIES, 'token'),
    /** Weight of the balance loss, which is this where tokens are spread evenly. Default 0.01. */
    balance: option({ read: readReal(), default: 0.01 }),
    /** Weight of the mean of logsumexp(logits)². Default 0. */
    zLoss: option({ read: readReal(), default: 0 }),
  },
  outputs: {
    /** [T, D]. */
    y: 'dy',
    aux: 'dAux',
    /** [T, topK], in descending order of probability. */
    gates: null,
    /** The experts that each token chose [T, topK]. */
    experts: INTEGERS,
    /** The same, and E where the expert had no room. */
    kept: INTEGERS,
  },
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

/** Mixtures of experts (Shazeer et al. 2017; Lepikhin et al. 2020; WideNet, Xue et al. 2022). */
export const moe = {
  /**
   * y = Σ over a token's experts of gate·(w2·act(w1·x + b1) + b2): x [T, D], router [D, E], w1 [E, H, D], w2 [E, D, H], b1 [E, H], b2 [E, D], w3 [E, H, D].
   * Each token passes through the topK experts that its softmax likes best, ties to the lower one. Gives `{ y, aux, gates, experts, kept, counts, dropped, ctx }`.
   * Throws a TenonError that names the argument where shapes do not fit or an option is out of its domain.
   */
  forward: kernel.call,
  /** `forward`, here and now. */
  forwardSync: kernel.callSync,
  ...backwardOf(kernel),
};
