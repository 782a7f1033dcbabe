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

export function prepareOp(
  op: OpDef,
  types: readonly (TensorType | null)[],
  attrs: Attrs,
  { isa, staged = false }: PrepareOptions = {},
): PreparedOp {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const copied = (value: Value): Value =>
    staged && value.type.dtype === 'f32' ? b.one(affine, [value], { scale: 1, shift: -0 }) : value;
  const inputs = types.map((type, i) => type && copied(b.input(`x${i}`, type)));
  const values = b.apply(op, inputs, attrs);
  const outputs = values.map((value, i) => ({ name: `y${i}`, value: copied(value) }));
  const plan = makePlan(b.finish(outputs), { ops: OPS });
  const prepared = prepare(plan.bytes, isa);
  // The copies that stage the inputs come first.
  const step = plan.steps.filter((s) => s.op === op)[staged && op === affine ? 1 : 0]!;
  return {
    inPlace: step.outputs.map((view) => {
      const input = step.inputs.findIndex((v) => v !== null && samePlace(plan.views[v]!, plan.views[view]!));
      return input < 0 ? null : input;
    }),
    run(given, { threads = 1, misaligned = false } = {}) {
      const written = new Map<string, NativeArray>();
      const externals = plan.externals.map(({ name, type }) => {
        const array = nativeArray(type.dtype, numel(type.shape), misaligned);
        const input = name.startsWith('x') ? given[Number(name.slice(1))] : null;
        if (input) array.set(input.data);
        // What a kernel leaves unwritten is seen.
        else written.set(name, type.dtype === 'f32' ? array.fill(NaN) : array.fill(113));
        return array;
      });
      prepared.runSync(null, externals, { threads });
      return values.map((_, i) => written.get(`y${i}`)!);
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
