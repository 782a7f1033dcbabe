import { numel } from '../../src/base/tensor-type.ts';
import type { DType, TensorType } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { prepare } from '../../src/native/native.ts';
import { OPS } from '../../src/ops/index.ts';
import { makePlan } from '../../src/plan/make-plan.ts';

export type NativeArray = Float32Array | Int32Array | Uint8Array;

export interface RunOpOptions {
  readonly threads?: number;
  /** Inputs and outputs begin one element after what their allocation is aligned to. */
  readonly misaligned?: boolean;
}

/** One application of an op as a plan of one step. */
export interface PreparedOp {
  run(inputs: readonly (NdArray | null)[], options?: RunOpOptions): readonly NativeArray[];
  close(): void;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;

function nativeArray(dtype: DType, length: number, misaligned: boolean): NativeArray {
  const Type = ARRAYS[dtype];
  const size = Type.BYTES_PER_ELEMENT;
  return misaligned ? new Type(new ArrayBuffer((length + 1) * size), size, length) : new Type(length);
}

export function prepareOp(op: OpDef, types: readonly (TensorType | null)[], attrs: Attrs, isa?: string): PreparedOp {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const inputs = types.map((type, i) => type && b.input(`x${i}`, type));
  const values = b.apply(op, inputs, attrs);
  const plan = makePlan(b.finish(values.map((value, i) => ({ name: `y${i}`, value }))), { ops: OPS });
  const prepared = prepare(plan.bytes, isa);
  return {
    run(given, { threads = 1, misaligned = false } = {}) {
      const outputs = new Map<string, NativeArray>();
      const externals = plan.externals.map(({ name, type }) => {
        const array = nativeArray(type.dtype, numel(type.shape), misaligned);
        const input = name.startsWith('x') ? given[Number(name.slice(1))] : null;
        if (input) array.set(input.data);
        // What a kernel leaves unwritten is seen.
        else outputs.set(name, type.dtype === 'f32' ? array.fill(NaN) : array.fill(113));
        return array;
      });
      prepared.runSync(null, externals, { threads });
      return values.map((_, i) => outputs.get(`y${i}`)!);
    },
    close: () => prepared.close(),
  };
}

/** Runs an op once on the CPU. */
export function runOp(
  op: OpDef,
  types: readonly (TensorType | null)[],
  inputs: readonly (NdArray | null)[],
  attrs: Attrs,
  options: RunOpOptions & { readonly isa?: string } = {},
): readonly NativeArray[] {
  const prepared = prepareOp(op, types, attrs, options.isa);
  try {
    return prepared.run(inputs, options);
  } finally {
    prepared.close();
  }
}
