import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Args, BuildArgs } from './args.ts';
import type { Sizes } from './sizes.ts';
import type { Tensor } from './tensor.ts';

/** An output of whole numbers. */
export const INTEGERS = { dtype: 'i32' } as const;

/** Each output of a kernel: the name of what flows back into it (`dy`), null where nothing does, INTEGERS for whole numbers. */
export type Outputs = Readonly<Record<string, string | null | typeof INTEGERS>>;

/** The results of a call, by name. */
export type Results<O extends Outputs> = {
  readonly [K in keyof O]: O[K] extends typeof INTEGERS ? Tensor<Int32Array> : Tensor;
};

/** A kernel for scripts: all that its function, its Sync twin, its gradients and their types follow from. */
export interface KernelDef<A extends Args = Args, O extends Outputs = Outputs, E extends object = object> {
  readonly name: string;
  readonly args: A;
  readonly outputs: O;
  /** Ops over the builder, as in a layer. Throws TenonError or Unfit. Its plan is kept by arguments and shapes: nothing else may matter. */
  readonly build: (b: Builder, args: BuildArgs<A>, sizes: Sizes) => { readonly [K in keyof O]: Value };
  /** What else a result holds, or holds in place of a tensor: made of the tensors once they are there. */
  readonly after?: (results: Results<O>, sizes: Sizes) => E;
}
