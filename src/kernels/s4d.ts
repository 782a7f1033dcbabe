import { MODE_INITS, startModes } from '../ops/lib/state-space.ts';
import type { ModeInit } from '../ops/lib/state-space.ts';
import { fill } from '../ops/random.ts';
import { s4d as op, s4dResponse } from '../ops/s4d.ts';
import { maybe, option, readChoice, readWhole, tensorOf } from './args.ts';
import { readNamed } from './call.ts';
import { backwardOf, defineKernel } from './kernel.ts';
import { tensor } from './tensor.ts';
import type { Tensor } from './tensor.ts';

const MODES = {
  /** Logarithms of the steps of the channels [H]. */
  logDt: tensorOf('f32[H]'),
  /** Modes [H, N, 2], a real and an imaginary part each: of conjugate pairs, one. Real parts below 0 fade. */
  A: tensorOf('f32[H, N, 2]'),
  /** What each mode gives [H, N, 2]. */
  C: tensorOf('f32[H, N, 2]'),
} as const;

const forward = defineKernel({
  name: 's4d.forward',
  args: {
    /** Sequences [B, L, H]. */
    u: tensorOf('f32[B, L, H]'),
    ...MODES,
    /** What of u goes by, [H]; none: 0. */
    D: maybe('f32[H]'),
  },
  outputs: {
    /** [B, L, H]. */
    y: 'dy',
  },
  build: (b, { u, logDt, A, C, D }, { H }) => ({
    y: b.one(op, [u, logDt, A, C, D ?? b.one(fill, [], { dims: [H!], value: 0 })]),
  }),
});

const kernel = defineKernel({
  name: 's4d.kernel',
  args: {
    ...MODES,
    /** Steps, from 0 to 2^32 - 1. */
    length: option({ read: readWhole(0) }),
  },
  outputs: {
    /** [H, length]. */
    K: 'dK',
  },
  build: (b, { logDt, A, C, length }) => ({ K: b.one(s4dResponse, [logDt, A, C], { length }) }),
});

const MOST_MODES = 1024;
const MOST_CHANNELS = 2 ** 20;

function modes(args: {
  /** `legs`, `lin`, `inv` or `real`. */
  readonly init: ModeInit;
  /** N, from 0 to 1024. */
  readonly modes: number;
  /** H, all of whose channels start alike. Default 1. */
  readonly channels?: number;
}): Tensor {
  const named = readNamed(args, ['init', 'modes', 'channels']);
  const init = readChoice(MODE_INITS)(named['init'], 'init');
  const count = readWhole(0, MOST_MODES)(named['modes'], 'modes');
  const channels = readWhole(0, MOST_CHANNELS)(named['channels'] ?? 1, 'channels');
  const row = startModes(init, count).flat();
  const A = tensor(new Float32Array(channels * row.length), [channels, count, 2]);
  for (let h = 0; h < channels; h++) A.data.set(row, h * row.length);
  return A;
}

/**
 * Diagonal state spaces along sequences (S4D; Gu et al. 2022): channels of N complex modes each, x' = A·x + u with u held for steps of
 * Δ = e^logDt, y = 2·Re Σ C·x + D·u.
 */
export const s4d = {
  /** y = K * u + D·u along the second axis of u [B, L, H], in time and memory linear in L -> `{ y, ctx }`. */
  forward: forward.call,
  /** `forward`, here and now. */
  forwardSync: forward.callSync,
  /** K_l = 2·Re Σ_n C_n·(e^(Δ·A_n) − 1)/A_n·e^(l·Δ·A_n), l from 0 to length − 1, the answer to an impulse -> `{ K, ctx }` [H, length]. */
  kernel: kernel.call,
  /** `kernel`, here and now. */
  kernelSync: kernel.callSync,
  /**
   * Where A starts, [channels, N, 2]: `legs`, the modes of HiPPO-LegS's normal part; `lin`, −1/2 + iπn; `inv`, −1/2 + i·2N/π·(2N/(2n + 1) − 1); `real`, −(n + 1).
   */
  modes,
  ...backwardOf(forward, kernel),
};
