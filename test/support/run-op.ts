import { numel } from '../../src/base/tensor-type.ts';
import type { DType, TensorType } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Value } from '../../src/ir/graph.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { prepare } from '../../src/native/native.ts';
import { affine } from '../../src/ops/elementwise.ts';
import { OPS } from '../../src/ops/index.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import type { PlanView } from '../../src/plan/plan.ts';

export type NativeArray = Float32Array | Int32Array | Uint8Array;

export interface RunOpOptions {
  readonly threads?: number;
  /** Inputs and outputs begin one element after what their allocation is aligned to. */
  readonly misaligned?: boolean;
}

/** One application of an op as a plan of one step. */
export interface PlannedOp {
  readonly bytes: Uint8Array;
  /** Output i stands in the memory of which input, where it does. */
  readonly inPlace: readonly (number | null)[];
  /** Arrays for the externals of the plan: the inputs, and outputs of odd numbers, so that what a kernel leaves unwritten is seen. */
  externals(inputs: readonly (NdArray | null)[], misaligned?: boolean): readonly NativeArray[];
  /** The outputs among those arrays, in their order. */
  outputs<T>(externals: readonly T[]): readonly T[];
}

export interface PreparedOp {
  /** Output i stands in the memory of which input, where it does. */
  readonly inPlace: readonly (number | null)[];
  run(inputs: readonly (NdArray | null)[], options?: RunOpOptions): readonly NativeArray[];
  close(): void;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;

function nativeArray(dtype: DType, length: number, misaligned: boolean): NativeArray {
  const Type = ARRAYS[dtype];
  const size = Type.BYTES_PER_ELEMENT;
  return misaligned ? new Type(new ArrayBuffer((length + 1) * size), size, length) : new Type(length);
}

export interface PrepareOptions {
  readonly isa?: string | undefined;
  /** f32 inputs and all outputs pass through working memory by copies, where outputs may take the place of inputs. */
  readonly staged?: boolean;
}

export function planOp(
  op: OpDef,
  types: readonly (TensorType | null)[],
  attrs: Attrs,
  { staged = false }: PrepareOptions = {},
): PlannedOp {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const copied = (value: Value): Value =>
    staged && value.type.dtype === 'f32' ? b.one(affine, [value], { scale: 1, shift: -0 }) : value;
  const inputs = types.map((type, i) => type && copied(b.input(`x${i}`, type)));
  const values = b.apply(op, inputs, attrs);
  const outputs = values.map((value, i) => ({ name: `y${i}`, value: copied(value) }));
  const plan = makePlan(b.finish(outputs), { ops: OPS });
  // The copies that stage the inputs come first.
  const step = plan.steps.filter((s) => s.op === op)[staged && op === affine ? 1 : 0]!;
  return {
    bytes: plan.bytes,
    inPlace: step.outputs.map((view) => {
      const input = step.inputs.findIndex((v) => v !== null && samePlace(plan.views[v]!, plan.views[view]!));
      return input < 0 ? null : input;
    }),
    externals: (given, misaligned = false) =>
      plan.externals.map(({ name, type }) => {
        const array = nativeArray(type.dtype, numel(type.shape), misaligned);
        const input = name.startsWith('x') ? given[Number(name.slice(1))] : null;
        if (input) array.set(input.data);
        else array.fill(type.dtype === 'f32' ? NaN : 113);
        return array;
      }),
    outputs: (externals) => values.map((_, i) => externals[plan.externals.findIndex((e) => e.name === `y${i}`)]!),
  };
}

export function prepareOp(
  op: OpDef,
  types: readonly (TensorType | null)[],
  attrs: Attrs,
  options: PrepareOptions = {},
): PreparedOp {
  const planned = planOp(op, types, attrs, options);
  const prepared = prepare(planned.bytes, options.isa);
  return {
    inPlace: planned.inPlace,
    run(given, { threads = 1, misaligned = false } = {}) {
      const externals = planned.externals(given, misaligned);
      prepared.runSync(null, [...externals], { threads });
      return planned.outputs(externals);
    },
    close: () => prepared.close(),
  };
}

const samePlace = (a: PlanView, b: PlanView): boolean =>
  a.place === 'arena' && b.place === 'arena' && a.offset === b.offset && numel(a.type.shape) > 0;

/** Runs an op once on the CPU. */
export function runOp(
  op: OpDef,
  types: readonly (TensorType | null)[],
  inputs: readonly (NdArray | null)[],
  attrs: Attrs,
  options: RunOpOptions & { readonly isa?: string } = {},
): readonly NativeArray[] {
  const prepared = prepareOp(op, types, attrs, { isa: options.isa });
  try {
    return prepared.run(inputs, options);
  } finally {
    prepared.close();
  }
}
