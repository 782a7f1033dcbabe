import { numel, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Args } from './args.ts';
import { readNamed, readThreads } from './call.ts';
import type { GivenArrays } from './call.ts';
import { badShape, badType, badValue, describe } from './error.ts';
import { fingerprint, fingerprints } from './fingerprint.ts';
import type { Fingerprints } from './fingerprint.ts';
import { gradientName } from './joint.ts';
import type { Joint } from './joint.ts';
import type { KernelDef, Outputs } from './def.ts';
import type { Arrays, Planned } from './plans.ts';
import { readTensor } from './tensor.ts';
import type { Data, Tensor, TensorLike } from './tensor.ts';

type Kept = Readonly<Record<string, Data>>;
type FloatArgs<A extends Args> = {
  [K in keyof A]: A[K] extends { kind: 'tensor' | 'tensors'; pattern: `i32${string}` }
    ? never
    : A[K] extends { kind: 'tensor' | 'tensors' }
      ? K
      : never;
}[keyof A] &
  string;

/** A gradient for each tensor that gradients are wanted of: `dx` for `x`; for a list of tensors, a list. */
export type Gradients<A extends Args> = {
  readonly [K in FloatArgs<A> as `d${K}`]: A[K] extends { kind: 'tensors' }
    ? readonly (Tensor | null)[]
    : A[K] extends { optional: true }
      ? Tensor | undefined
      : Tensor;
};
/** What flows into the outputs; zero where it is not said. */
export type Cotangents<O extends Outputs> = {
  readonly [K in keyof O as O[K] extends string ? O[K] : never]?: TensorLike | number;
};

/**
 * What a forward call leaves for backward: its tensors, by reference, and what it kept. They must hold the same numbers until then; results that
 * the gradients are made from (`y`) too. Other data in their place are noticed, single changed numbers may not be.
 */
export class Context<A extends Args, O extends Outputs> {
  declare readonly of: readonly [A, O];
  readonly #def: KernelDef;
  readonly #joint: Joint;
  readonly #arrays: Kept;
  readonly #seen: Fingerprints;

  /** `seen`: fingerprints of the given tensors when the call was made. */
  constructor(def: unknown, joint: Joint, arrays: Arrays, seen: Fingerprints) {
    this.#def = def as KernelDef;
    this.#joint = joint;
    const needed = new Set(joint.halves!.kept);
    this.#arrays = Object.fromEntries(
      Object.entries(arrays).filter(([name]) => !/^(out|kept)\./.test(name) || needed.has(name)),
    );
    const results = Object.entries(this.#arrays).filter(([name]) => name.startsWith('out.'));
    this.#seen = { ...seen, ...fingerprints(Object.fromEntries(results)) };
  }

  /** Throws where a tensor that backward reads holds other data than then. */
  checkUnchanged(): void {
    for (const [name, before] of Object.entries(this.#seen)) {
      if (!this.joint.backward.reads(name) || fingerprint(this.#arrays[name]!) === before) continue;
      throw badValue(name.replace(/^out\./, ''), 'the numbers of the forward call until backward', 'other numbers');
    }
  }

  /** Whether a forward call made it. */
  static is(ctx: unknown): ctx is Context<Args, Outputs> {
    return typeof ctx === 'object' && ctx !== null && #joint in ctx;
  }

  get kernel(): string {
    return this.#def.name;
  }
  get joint(): Joint {
    return this.#joint;
  }
  get arrays(): Kept {
    return this.#arrays;
  }

  /** Gradients by argument: those of a list's parts as a list. */
  gradients(found: Readonly<Record<string, Tensor<Data>>>): Readonly<Record<string, unknown>> {
    const byName: Record<string, unknown> = {};
    for (const [name, arg] of Object.entries(this.#def.args)) {
      const d = gradientName(name);
      const length = this.joint.lists.get(name);
      if (arg.kind === 'tensor' && found[d]) byName[d] = found[d];
      if (arg.kind === 'tensors' && length !== undefined)
        byName[d] = Array.from({ length }, (_, i) => found[`${d}[${i}]`] ?? null);
    }
    return byName;
  }
}

/** A backward call, checked, and its plan. */
export function readBackward(
  ctx: unknown,
  value: unknown,
  kernels: readonly string[],
): { readonly planned: Planned; readonly given: GivenArrays } {
  if (!Context.is(ctx)) throw badType('ctx', `the ctx of ${kernels.join(' or ')}`, describe(ctx));
  if (!kernels.includes(ctx.kernel))
    throw badValue('ctx', `the ctx of ${kernels.join(' or ')}`, `one of ${ctx.kernel}`);
  const { joint, arrays } = ctx;
  const flows = [...joint.flows.keys()];
  const named = readNamed(value, [...flows, 'out', 'threads']);
  if (flows.every((flow) => named[flow] === undefined))
    throw badValue(flows[0]!, showType(joint.flows.get(flows[0]!)!), 'nothing that flows back');
  ctx.checkUnchanged();
  const flowing = Object.fromEntries([...joint.flows].map(([name, type]) => [name, readFlow(named[name], name, type)]));
  return {
    planned: joint.backward,
    given: { arrays: { ...arrays, ...flowing }, out: named['out'], options: readThreads(named) },
  };
}

function readFlow(value: unknown, name: string, type: TensorType): Data {
  const count = numel(type.shape);
  if (value === undefined || value === null) return new Float32Array(count);
  if (typeof value === 'number' && count === 1) return Float32Array.of(value);
  const { data, type: found } = readTensor(value, name, 'f32');
  const flat = ArrayBuffer.isView(value) && data.length === count;
  if (!flat && String(found.shape) !== String(type.shape)) throw badShape(name, showType(type), showType(found));
  return data;
}
