import type { Args, Call } from './args.ts';
import { Context, readBackward } from './backward.ts';
import type { Cotangents, Gradients } from './backward.ts';
import { finish, prepareCall, readCall } from './call.ts';
import type { Common, Forward, PreparedCall } from './call.ts';
import { fingerprints } from './fingerprint.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { KernelDef, Outputs, Results } from './def.ts';

type Differentiable<O extends Outputs> = { [K in keyof O]: O[K] extends string ? K : never }[keyof O];

/** The outputs, and, where a gradient can flow, what backward needs. */
export type Result<A extends Args, O extends Outputs, E extends object = object> = Omit<Results<O>, keyof E> &
  E &
  ([Differentiable<O>] extends [never] ? unknown : { readonly ctx: Context<A, O> });

/** Runs off the event loop. Arrays that tensor() made, and results of 64 KiB or more, are used in place: leave them alone until it is done. */
export type Async<A extends Args, O extends Outputs, E extends object = object> = (
  args: Call<A> & Common<O>,
) => Promise<Result<A, O, E>>;
/** Runs here and now, on the arrays themselves. */
export type Sync<A extends Args, O extends Outputs, E extends object = object> = (
  args: Call<A> & Common<O>,
) => Result<A, O, E>;

export interface Kernel<A extends Args, O extends Outputs, E extends object = object> {
  readonly def: KernelDef<A, O, E>;
  readonly call: Async<A, O, E>;
  readonly callSync: Sync<A, O, E>;
}

const defined: Kernel<Args, Outputs>[] = [];

/** All kernels that the loaded modules define. */
export const kernels = (): readonly Kernel<Args, Outputs>[] => defined;

/** A kernel from its definition: the function and its Sync twin. */
export function defineKernel<const A extends Args, const O extends Outputs, E extends object = object>(
  def: KernelDef<A, O, E>,
): Kernel<A, O, E> {
  const result = ({ joint, sizes }: Forward, call: PreparedCall, seen: Fingerprints | null): Result<A, O, E> => {
    const tensors = finish(call);
    const more = def.after?.(tensors as unknown as Results<O>, sizes);
    const ctx = seen && new Context(def, joint, call.arrays, seen);
    return { ...tensors, ...more, ...(ctx && { ctx }) } as unknown as Result<A, O, E>;
  };
  const kernel: Kernel<A, O, E> = {
    def,
    async call(args) {
      const read = readCall(def as unknown as KernelDef, args);
      const { joint, given } = read;
      const call = prepareCall(joint.forward, given);
      const seen = joint.halves && fingerprints(given.arrays);
      await joint.forward.run(call.arrays, given.options);
      return result(read, call, seen);
    },
    callSync(args) {
      const read = readCall(def as unknown as KernelDef, args);
      const { joint, given } = read;
      const call = prepareCall(joint.forward, given);
      const seen = joint.halves && fingerprints(given.arrays);
      joint.forward.runSync(call.arrays, given.options);
      return result(read, call, seen);
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
