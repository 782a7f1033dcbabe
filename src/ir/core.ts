/**
 * The types that speak of each other: a node holds the record of its op, a record builds values through a builder, a value comes from a node.
 * Import them from graph.ts, op.ts and builder.ts.
 */
import type { Key } from '../base/philox.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Given, Init, Leaf } from './leaf.ts';
import type { AttrKind, Attrs, Cost, NdArray, Sample } from './signature.ts';

/** An application of an op. Nodes are immutable; a graph lists them in an order in which every input comes first. */
export interface Node {
  readonly kind: 'node';
  readonly id: number;
  readonly op: OpDef;
  readonly inputs: readonly (Value | null)[];
  readonly attrs: Attrs;
  readonly types: readonly TensorType[];
  /** Path of the layer that made it, for profiles and messages. */
  readonly path: string;
}

/** Output `index` of a node, or a leaf. */
export interface Value {
  readonly source: Node | Leaf;
  readonly index: number;
  readonly type: TensorType;
}

/** What a gradient rule sees. Reading a value marks it as kept for the backward pass; types may be asked freely. */
export interface GradContext {
  readonly builder: Builder;
  readonly attrs: Attrs;
  input(index: number): Value;
  /** An input that may be absent: null where it is. */
  optional(index: number): Value | null;
  output(index: number): Value;
  inputType(index: number): TensorType;
  /** Whether an optional input is there. */
  hasInput(index: number): boolean;
  outputType(index: number): TensorType;
  /** Gradient that flows into output `index`; null where none does. */
  dOutput(index: number): Value | null;
  /** Whether the gradient of input `index` is wanted. */
  wants(index: number): boolean;
  readonly inputCount: number;
}

/** `gradient` none: the outputs are not differentiable (indices, updates). */
export interface OpDef {
  readonly kind: 'op';
  /** Snake case; the basename of the kernel and the prefix of `<name>_kernel`. */
  readonly name: string;
  readonly doc: string;
  /** Name -> type pattern: `f32[rows, in]`, `f32[...lead, c]`, `i32[1]`; a name ending in `?` is optional (absent: null), in `*` takes the rest of the inputs, whose leading axes may differ. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly attrs: Readonly<Record<string, AttrKind>>;
  /** Escape hatch where output shapes do not follow from patterns; throws Unfit. Such ops have a `check` in their kernel. */
  readonly infer?: (inputs: readonly (TensorType | null)[], attrs: Attrs) => readonly TensorType[];
  /** Inequalities that patterns cannot say: a message, or null where all is well. Such ops have a `check` in their kernel. */
  readonly check?: (inputs: readonly (TensorType | null)[], attrs: Attrs) => string | null;
  /** Gradients of the inputs (null: none), given those of the outputs. Absent where `decompose` is present or the op is not differentiable. */
  readonly grad?: (g: GradContext) => readonly (Value | null)[];
  /** Whether gradients stop here: true for ops whose outputs are indices, counts or updates. */
  readonly stopsGradient?: boolean;
  /** The same function in smaller ops: the meaning of a fused op. */
  readonly decompose?: (b: Builder, inputs: readonly (Value | null)[], attrs: Attrs) => readonly Value[];
  readonly cost: (inputs: readonly (TensorType | null)[], outputs: readonly TensorType[], attrs: Attrs) => Cost;
  /** Plain loops in float64. Fused ops may leave it out: their decomposition is the reference. */
  readonly reference?: (
    inputs: readonly (NdArray | null)[],
    attrs: Attrs,
    outputs: readonly TensorType[],
  ) => readonly NdArray[];
  readonly samples: readonly Sample[];
  /**
   * The same function, bit for bit, of an input brought into another form, which pays where the input stays the same from run to run: what it is made by,
   * and what takes it. Null where it does not pay.
   */
  readonly prepared?: {
    readonly input: number;
    readonly apply: (
      b: Pick<Builder, 'one'>,
      inputs: readonly (Value | null)[],
      attrs: Attrs,
    ) => readonly Value[] | null;
  };
  /** Output i may stand in the memory of input inPlace[i] (null: never). */
  readonly inPlace?: readonly (number | null)[];
  /**
   * Whether a row of the outputs follows from the same row of the inputs. `leading`: rows are what the first output's pattern begins with (its leading
   * group, else its first dim); arguments whose patterns begin alike have them, the others are read whole. `broadcast`: rows are the leading dims that
   * each input either has or lacks. Such ops have `rows` in their kernel, and may share a segment.
   */
  readonly rowLocal?: 'leading' | 'broadcast';
  /** The output is the input's memory under another shape: no kernel, no step. */
  readonly alias?: boolean;
}

/** Layers build differently for training and inference (dropout, batch normalisation). */
export type Mode = 'train' | 'infer';

/**
 * What a layer asks of its weight: its shape, and what its variance follows from. The first axis makes features (outputs), the last takes them (inputs),
 * what lies between are the axes of a kernel.
 */
export interface WeightSpec {
  readonly shape: readonly number[];
  readonly fanIn: number;
  readonly fanOut: number;
  readonly start: Start;
  /** The shape as a user sees it, without axes of size 1 that ops add; the shape unless said. */
  readonly axes?: readonly number[];
  /** The first axis numbers independent matrices (experts, heads): the second makes features. */
  readonly stacked?: boolean;
  /** Independent groups that the outputs fall into; 1 unless said. */
  readonly groups?: number;
  /** Added to a weight that stands already: it starts at 0, and can leave it. */
  readonly delta?: boolean;
}
/** he N(0, 2/fanIn), lecun N(0, 1/fanIn), xavier N(0, 2/(fanIn+fanOut)); a number is a standard deviation. */
export type Start = 'he' | 'lecun' | 'xavier' | number;

/**
 * What layers, weights and gradient rules are written against. `graph` makes nodes; `measure` runs the same functions and
 * sums parameters, state and cost. Shapes or arguments that do not fit throw `Unfit`.
 */
export interface Builder {
  readonly mode: Mode;
  /** Applies an op; gives all its outputs. */
  apply(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): readonly Value[];
  /** Applies an op and gives its first output. */
  one(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): Value;
  /** A trained tensor. `path` is relative to the current scope; the same full path twice is the same tensor (shapes must agree: else Unfit). */
  param(path: string, shape: readonly number[], init: Init): Value;
  /** A weight made by the weight expression in force (`full` unless a `via` says otherwise). */
  weight(path: string, spec: WeightSpec): Value;
  /** A tensor that nothing changes: neither trained nor kept, made again where it is needed. */
  fixed(path: string, shape: readonly number[], init: Given): Value;
  /** A kept but untrained f32 tensor, such as running statistics. */
  state(path: string, shape: readonly number[], init: Init): Value;
  /** Sets the next value of a state (in training). */
  update(state: Value, next: Value): void;
  /** Adds a scalar f32[1] to the training loss. */
  auxiliaryLoss(loss: Value): void;
  /** The number of the training step, i32[1]; fixed at 0 for inference. */
  step(): Value;
  /** A random key from the run's seed, the scope's path and `purpose`; each call at a path differs (its use is counted). */
  key(purpose: string): Key;
  /** Runs `body` with `path` appended to the scope (`''` leaves it). */
  scope<T>(path: string, body: () => T): T;
  /** A tensor of an input type, for measuring. */
  input(name: string, type: TensorType, perStep?: boolean): Value;
}
