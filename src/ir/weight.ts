import type { ArgDef, Args } from './layer.ts';
import type { Builder, Value, WeightSpec } from './core.ts';
import type { Init, TensorFile } from './leaf.ts';
import { startOf } from './start.ts';
import { joinPath } from './path.ts';

/** A weight expression of the language: makes a weight of the asked shape and variance from free tensors (`full` is the weight itself). */
export interface WeightDef {
  readonly kind: 'weight';
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  /** Of an expression over a file that its first argument names: the one over a file whose tensors are known. */
  readonly over?: (file: TensorFile) => WeightDef;
  /** Tells expressions apart whose arguments do not. */
  readonly key?: string;
  /** Takes every parameter of what it stands after as one vector, and makes them all: `make` is not asked. */
  readonly whole?: WholeDef;
  /** Free tensors are made under `path`. Throws Unfit where no such weight has the shape. */
  readonly make: (b: Builder, path: string, spec: WeightSpec, made: MadeBy) => Value;
}

/** How one vector makes many tensors. */
export interface WholeDef {
  /** Its length. */
  readonly size: (args: Args) => number;
  /** Whether each tensor learns a factor of its own besides, a parameter at `scalePath` of its path. */
  readonly scaled: (args: Args) => boolean;
  /** Where all `total` numbers of the tensors stand, one after another, relative to their starts. */
  readonly make: (b: Builder, path: string, total: number, args: Args) => Value;
  /** The tensor whose numbers begin at `at`; `path` is relative to the builder's scope. */
  readonly part: (b: Builder, all: Value, at: number, path: string, asked: Asked, args: Args) => Value;
}

export const scalePath = (tensor: string): string => `${tensor}.scale`;

/** A decided weight expression. */
export interface MadeBy {
  readonly kind: 'made';
  readonly def: WeightDef;
  readonly args: Args;
  /** What a sum adds. */
  readonly parts: readonly MadeBy[];
  /** Equal texts make equal weights. */
  readonly text: string;
}

/** A parameter that is asked for: its path below where the builder was wrapped, and how it would start. */
export interface Asked {
  readonly path: string;
  readonly shape: readonly number[];
  readonly init: Init;
}

/**
 * The same builder under weight expressions: `weight` makes the weights; what else is a parameter (all of them, without `weight`) is handed to `take`. The
 * free tensors of `weight` are parameters of the builder itself.
 */
export function weighted(
  b: Builder,
  weight: MadeBy | null,
  take: ((b: Builder, relative: string, asked: Asked) => Value) | null,
): Builder {
  const base = take ? taking(b, take) : b;
  return weight ? { ...base, weight: (path, spec) => weight.def.make(b, path, spec, weight) } : base;
}

function taking(b: Builder, take: (b: Builder, relative: string, asked: Asked) => Value): Builder {
  let scope = '';
  const param: Builder['param'] = (path, shape, init) => take(b, path, { path: joinPath(scope, path), shape, init });
  return {
    ...b,
    param,
    weight: (path, spec) => param(path, spec.shape, startOf(spec)),
    scope(path, body) {
      const outer = scope;
      scope = joinPath(scope, path);
      try {
        return b.scope(path, body);
      } finally {
        scope = outer;
      }
    },
  };
}
