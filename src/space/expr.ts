/**
 * What the language means, with every name resolved. Nothing here has been decided: values are decided at their first use, and what is never reached from an
 * output is never decided. Bindings are compared by identity.
 */
import type { DType } from '../base/tensor-type.ts';
import type { Span } from '../base/span.ts';
import type { WeightDef } from '../ir/weight.ts';
import type { LayerDef } from '../ir/layer.ts';

export type Scalar = number | string | boolean;

/**
 * Where a decision stands in the text. Its path is the scope's path, then `label`: the argument's or let's name, or
 * `choice`, `repeat`, `present`, `order`, `pick`. `use` numbers sites of equal label in one scope, in text order, where the label alone
 * would be ambiguous (null: no number, as for arguments, lets, repeat, present).
 */
export interface Site {
  readonly id: number;
  readonly label: string;
  readonly use: number | null;
  readonly span: Span;
}

export interface Alternative<E> {
  readonly expr: E;
  /** Prior weight (`@`), 1 unless said. */
  readonly weight: number;
  /** Source text, normalised: what assignments and programs show when the alternative is not a plain value. */
  readonly text: string;
}

// ---- values ---------------------------------------------------------------------------------------------------------

export type ValueExpr =
  | { readonly kind: 'const'; readonly value: Scalar; readonly span: Span }
  | {
      readonly kind: 'choice';
      readonly site: Site;
      readonly alternatives: readonly Alternative<ValueExpr>[];
      readonly span: Span;
    }
  | RangeExpr
  | { readonly kind: 'unary'; readonly op: '-' | 'not'; readonly operand: ValueExpr; readonly span: Span }
  | {
      readonly kind: 'binary';
      readonly op: BinaryOp;
      readonly left: ValueExpr;
      readonly right: ValueExpr;
      readonly span: Span;
    }
  | {
      readonly kind: 'if';
      readonly test: ValueExpr;
      readonly then: ValueExpr;
      readonly else: ValueExpr;
      readonly span: Span;
    }
  | { readonly kind: 'list'; readonly items: readonly ValueExpr[]; readonly span: Span }
  | { readonly kind: 'ref'; readonly binding: ValueBinding; readonly span: Span }
  | { readonly kind: 'let'; readonly bindings: readonly Binding[]; readonly body: ValueExpr; readonly span: Span }
  | WeightExpr;

/** How weights are made, as a value: `kron(4)`; a sum has `parts`. */
export interface WeightExpr {
  readonly kind: 'weight';
  readonly weight: WeightDef;
  readonly args: readonly { readonly name: string; readonly value: ValueExpr }[];
  readonly parts: readonly ValueExpr[];
  readonly span: Span;
}

export type BinaryOp = '+' | '-' | '*' | '/' | '%' | '^' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'and' | 'or' | 'in';

/** Whole ends (and `whole`) give finite decisions; else continuous, counted as 1. `pow2`: the powers of two within the ends. */
export interface RangeExpr {
  readonly kind: 'range';
  readonly site: Site;
  readonly low: ValueExpr;
  readonly high: ValueExpr;
  readonly whole: boolean;
  readonly spacing: 'linear' | 'log' | 'pow2';
  readonly step: ValueExpr | null;
  /** `~ v`: a prior centred at v. */
  readonly prior: ValueExpr | null;
  readonly span: Span;
}

// ---- networks: from one tensor (or a list) to one tensor (or a list) -------------------------------------------------

export type NetExpr =
  | LayerExpr
  | { readonly kind: 'seq'; readonly items: readonly NetExpr[]; readonly span: Span }
  | {
      readonly kind: 'choice';
      readonly site: Site;
      readonly alternatives: readonly Alternative<NetExpr>[];
      readonly span: Span;
    }
  | RepeatExpr
  /** `a <> b <> c`, `perm(…)`: any order; the decision (label `order`) has n! alternatives in lexicographic order of positions. */
  | { readonly kind: 'perm'; readonly site: Site; readonly items: readonly NetExpr[]; readonly span: Span }
  /** `[A, B]`: from one input the list of the branches' outputs. */
  | { readonly kind: 'branches'; readonly items: readonly NetExpr[]; readonly span: Span }
  /** `each f` over a list, decided for every element. */
  | { readonly kind: 'each'; readonly body: NetExpr; readonly span: Span }
  /** `fan(f, n)`: n uses of f on one input, as a list. */
  | { readonly kind: 'fan'; readonly body: NetExpr; readonly times: ValueExpr; readonly span: Span }
  | {
      readonly kind: 'if';
      readonly test: ValueExpr;
      readonly then: NetExpr;
      readonly else: NetExpr;
      readonly span: Span;
    }
  | { readonly kind: 'let'; readonly bindings: readonly Binding[]; readonly body: NetExpr; readonly span: Span }
  /** A network given as argument: evaluated anew at each use, in the scope of the call. */
  | { readonly kind: 'ref'; readonly binding: NetParameter; readonly name: UseName; readonly span: Span }
  /** A `let` of a network: its decisions are made once per scope of the let; each use has weights of its own. */
  | { readonly kind: 'once'; readonly binding: NetLet; readonly name: UseName; readonly span: Span }
  /** A `shared` network: decisions and weights once; uses whose weights would differ in shape do not fit. */
  | { readonly kind: 'shared'; readonly binding: SharedLet; readonly name: UseName; readonly span: Span }
  /** A `def` or a cell used as a network: its tensor parameters (a cell of one input, or a list for several) take the input. */
  | CallExpr
  /**
   * Bare `project`, last in a branch of a list that enters `add`: mends the shape to that of the first branch without one, by `layer`, whose argument `to` takes that
   * shape (without the batch axis). Without a layer only equal shapes fit.
   */
  | { readonly kind: 'project'; readonly name: UseName; readonly layer?: LayerDef; readonly span: Span }
  | ViaExpr;

/** `A via w` on more than one layer: the decisions of `weight` are made once, in the scope around. `name` is that of what the group has in common. */
export interface ViaExpr {
  readonly kind: 'via';
  readonly weight: ValueExpr;
  readonly body: NetExpr;
  readonly name: UseName;
  readonly span: Span;
}

export interface LayerExpr {
  readonly kind: 'layer';
  readonly layer: LayerDef;
  readonly args: readonly { readonly name: string; readonly value: ValueExpr }[];
  /** How its weights are made, where the text says so of this layer alone. */
  readonly via?: ValueExpr;
  readonly name: UseName;
  readonly span: Span;
}

/**
 * `A{times}`: fresh decisions in each copy, or with `tied` decisions made once; weights per copy either way. `A?` is times = a choice of 0 and 1
 * whose site has the label `present`. The site of `times`, where it is open, has the label `repeat`.
 */
export interface RepeatExpr {
  readonly kind: 'repeat';
  readonly body: NetExpr;
  readonly times: ValueExpr;
  readonly tied: boolean;
  /** Whether it was written `A?`. */
  readonly optional: boolean;
  readonly span: Span;
}

export interface CallExpr {
  readonly kind: 'call';
  readonly def: Def;
  readonly args: readonly Argument[];
  readonly name: UseName;
  readonly span: Span;
}

/**
 * The name of a use within its scope: `conv[0]`: `label` is the layer's, def's or let's name (or the name given by `as`), `use` its number among equal
 * labels in that scope, in text order. A repetition adds a copy number after it: `cell[0][2]`; where the body is not one named use, copies of
 * `(A -> B){k}` number the scope `repeat[use][copy]`.
 */
export interface UseName {
  readonly label: string;
  readonly use: number;
}

// ---- tensors: what stands in the body of a space or cell -------------------------------------------------------------

export type TensorExpr =
  | { readonly kind: 'wire'; readonly binding: Wire | TensorParameter | InputDecl; readonly span: Span }
  /** `input -> net`; input may be a list. */
  | { readonly kind: 'apply'; readonly net: NetExpr; readonly input: TensorExpr; readonly span: Span }
  | { readonly kind: 'list'; readonly items: readonly TensorExpr[]; readonly span: Span }
  | {
      readonly kind: 'choice';
      readonly site: Site;
      readonly alternatives: readonly Alternative<TensorExpr>[];
      readonly span: Span;
    }
  /** `pick(n, a, b, c)`: the list of n of them; order does not matter; C(k, n) alternatives in lexicographic order. */
  | {
      readonly kind: 'pick';
      readonly site: Site;
      readonly count: ValueExpr;
      readonly items: readonly TensorExpr[];
      readonly span: Span;
    }
  /** Every wire of the cell that nothing earlier in the text uses in this member, in order of definition, inputs left out; empty does not fit. */
  | { readonly kind: 'loose'; readonly wires: readonly Wire[]; readonly span: Span }
  | {
      readonly kind: 'if';
      readonly test: ValueExpr;
      readonly then: TensorExpr;
      readonly else: TensorExpr;
      readonly span: Span;
    }
  | { readonly kind: 'let'; readonly bindings: readonly Binding[]; readonly body: TensorExpr; readonly span: Span }
  /** A layer or def over tensors given as arguments: `dot(u, v)`, `Nb201(x, 16)`. */
  | { readonly kind: 'layerOf'; readonly expr: LayerExpr; readonly tensors: readonly TensorExpr[]; readonly span: Span }
  | { readonly kind: 'callOf'; readonly call: CallExpr; readonly span: Span };

// ---- bindings --------------------------------------------------------------------------------------------------------

export type Binding = ValueLet | NetLet | SharedLet | Wire;
export type ValueBinding = ValueLet | ValueParameter;

/** Decided at its first use within one evaluation of the scope that holds it. Its own choice has the path of its name. */
export interface ValueLet {
  readonly kind: 'valueLet';
  readonly name: string;
  readonly expr: ValueExpr;
  readonly span: Span;
}
export interface NetLet {
  readonly kind: 'netLet';
  readonly name: string;
  readonly expr: NetExpr;
  readonly span: Span;
}
export interface SharedLet {
  readonly kind: 'shared';
  readonly name: string;
  readonly expr: NetExpr;
  readonly span: Span;
}
/** `name = tensor`: a `let` whose value is a tensor. Evaluated once, at its first use. */
export interface Wire {
  readonly kind: 'wire';
  readonly name: string;
  readonly expr: TensorExpr;
  readonly span: Span;
}

/** A value given as argument is decided once, at the call (lazily, but in the caller's scope: its path is that of the call's argument). */
export interface ValueParameter {
  readonly kind: 'valueParameter';
  readonly name: string;
  /** Whether it says how weights are made. */
  readonly weight?: boolean;
}
export interface NetParameter {
  readonly kind: 'netParameter';
  readonly name: string;
}
export interface TensorParameter {
  readonly kind: 'tensorParameter';
  readonly name: string;
}
export type Parameter = ValueParameter | NetParameter | TensorParameter;

export type Argument =
  | { readonly kind: 'value'; readonly parameter: ValueParameter; readonly expr: ValueExpr }
  | { readonly kind: 'net'; readonly parameter: NetParameter; readonly expr: NetExpr }
  | { readonly kind: 'tensor'; readonly parameter: TensorParameter; readonly expr: TensorExpr };

/**
 * A `def` or `cell`, resolved for the kinds of its parameters. `body` is filled once (recursion). A body of kind net is a def whose value is a network;
 * a body of kind tensor has statements and a result, and is a cell: as a network its tensor parameters take the input or the list.
 */
export interface Def {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  body: DefBody;
  /** Declared shapes: checked at each use (does not fit where they clash). */
  signature: Signature | null;
  readonly span: Span;
}
export type DefBody =
  | { readonly kind: 'net'; readonly bindings: readonly Binding[]; readonly net: NetExpr }
  | { readonly kind: 'tensor'; readonly bindings: readonly Binding[]; readonly result: TensorExpr };

/** `[B, H, W, C] -> [B, (H/p)*(W/p), p*p*C]`: dims are expressions over named dims and parameters. */
export interface Signature {
  readonly inputs: readonly (readonly SignatureDim[])[];
  readonly output: readonly SignatureDim[];
}
export type SignatureDim =
  | { readonly kind: 'batch' }
  | { readonly kind: 'name'; readonly name: string }
  | {
      readonly kind: 'value';
      readonly expr: ValueExpr;
      readonly dims: readonly { readonly name: string; readonly binding: ValueParameter }[];
    };

/** `shape` is without the batch axis. */
export interface InputDecl {
  readonly kind: 'input';
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly span: Span;
}
