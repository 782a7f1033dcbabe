import type { Args, Call } from './args.ts';
import { Context, readBackward } from './backward.ts';
import type { Cotangents, Gradients } from './backward.ts';
import { finish, prepareCall, readCall } from './call.ts';
import type { Common, PreparedCall } from './call.ts';
import type { INTEGERS } from './def.ts';
import { fingerprints } from './fingerprint.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { KernelDef, Outputs } from './def.ts';
import type { Joint } from './joint.ts';
import type { Tensor } from './tensor.ts';

type Differentiable<O extends Outputs> = { [K in keyof O]: O[K] extends string ? K : never }[keyof O];

/** The outputs, and, where a gradient can flow, what backward needs. */
export type Result<A extends Args, O extends Outputs> = {
  readonly [K in keyof O]: O[K] extends typeof INTEGERS ? Tensor<Int32Array> : Tensor;
} & ([Differentiable<O>] extends [never] ? unknown : { readonly ctx: Context<A, O> });

/** Runs off the event loop. Arrays that tensor() made, and results of 64 KiB or more, are used in place: leave them alone until it is done. */
export type Async<A extends Args, O extends Outputs> = (args: Call<A> & Common<O>) => Promise<Result<A, O>>;
/** Runs here and now, on the arrays themselves. */
export type Sync<A extends Args, O extends Outputs> = (args: Call<A> & Common<O>) => Result<A, O>;

export interface Kernel<A extends Args, O extends Outputs> {
  readonly def: KernelDef<A, O>;
  readonly call: Async<A, O>;
  readonly callSync: Sync<A, O>;
}

const defined: Kernel<Args, Outputs>[] = [];

/** All kernels that the loaded modules define. */
export const kernels = (): readonly Kernel<Args, Outputs>[] => defined;

/** A kernel from its definition: the function and its Sync twin. */
export function defineKernel<const A extends Args, const O extends Outputs>(def: KernelDef<A, O>): Kernel<A, O> {
  const result = (joint: Joint, call: PreparedCall, seen: Fingerprints | null): Result<A, O> => {
    const tensors = finish(call);
    const ctx = seen && new Context(def, joint, call.arrays, seen);
    return { ...tensors, ...(ctx && { ctx }) } as unknown as Result<A, O>;
  };
  const kernel: Kernel<A, O> = {
    def,
    async call(args) {
      const { joint, given } = readCall(def as unknown as KernelDef, args);
      const call = prepareCall(joint.forward, given);
      const seen = joint.halves && fingerprints(given.arrays);
      await joint.forward.run(call.arrays, given.options);
      return result(joint, call, seen);
    },
    callSync(args) {
      const { joint, given } = readCall(def as unknown as KernelDef, args);
      const call = prepareCall(joint.forward, given);
      const seen = joint.halves && fingerprints(given.arrays);
      joint.forward.runSync(call.arrays, given.options);
      return result(joint, call, seen);
    },
  };
  defined.push(kernel as unknown as Kernel<Args, Outputs>);
  return kernel;
}

type BackwardArgs<A extends Args, O extends Outputs> = Cotangents<O> &
  Omit<Common<{ readonly [K in keyof Gradients<A>]: null }>, 'wrt'>;

export interface Backward {
  /** Gradients of a forward call's tensors, from its ctx and what flows into its outputs (`dy`; a number where there is one element). */
  readonly backward: <A extends Args, O extends Outputs>(
    ctx: Context<A, O>,
    args: BackwardArgs<A, O>,
  ) => Promise<Gradients<A>>;
  readonly backwardSync: <A extends Args, O extends Outputs>(
    ctx: Context<A, O>,
    args: BackwardArgs<A, O>,
  ) => Gradients<A>;
}

/** `backward` for some kernels. */
export function backwardOf(...defs: readonly { readonly def: { readonly name: string } }[]): Backward {
  const names = defs.map(({ def }) => def.name);
  const gradients = <A extends Args, O extends Outputs>(ctx: Context<A, O>, call: PreparedCall): Gradients<A> =>
    ctx.gradients(finish(call)) as Gradients<A>;
  return {
    async backward(ctx, args) {
      const { planned, given } = readBackward(ctx, args, names);
      const call = prepareCall(planned, given);
      await planned.run(call.arrays, given.options);
      return gradients(ctx, call);
    },
    backwardSync(ctx, args) {
      const { planned, given } = readBackward(ctx, args, names);
      const call = prepareCall(planned, given);
      planned.runSync(call.arrays, given.options);
      return gradients(ctx, call);
    },
  };
}
