import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Args, BuildArgs } from './args.ts';
import type { Sizes } from './sizes.ts';

/** An output of whole numbers. */
export const INTEGERS = { dtype: 'i32' } as const;

/** Each output of a kernel: the name of what flows back into it (`dy`), null where nothing does, INTEGERS for whole numbers. */
export type Outputs = Readonly<Record<string, string | null | typeof INTEGERS>>;

/** A kernel for scripts: all that its function, its Sync twin, its gradients and their types follow from. */
export interface KernelDef<A extends Args = Args, O extends Outputs = Outputs> {
  readonly name: string;
  readonly args: A;
  readonly outputs: O;
  /** Ops over the builder, as in a layer. Throws TenonError or Unfit. Its plan is kept by arguments and shapes: nothing else may matter. */
  readonly build: (b: Builder, args: BuildArgs<A>, sizes: Sizes) => { readonly [K in keyof O]: Value };
}
