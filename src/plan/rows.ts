import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { OpDef } from '../ir/op.ts';
import { parsePattern } from '../ir/pattern.ts';
import type { Pattern } from '../ir/op.ts';

/** The rows of a step whose op is row-local, and which of its inputs have them; all outputs do. cpp/exec/segments.cpp says the same. */
export interface Rows {
  readonly count: number;
  readonly inputs: readonly boolean[];
}

export function rowsOf(op: OpDef, inputs: readonly (TensorType | null)[], outputs: readonly TensorType[]): Rows | null {
  if (!op.rowLocal) return null;
  return op.rowLocal === 'leading' ? leading(op, outputs[0]!) : broadcast(inputs, outputs[0]!);
}

function leading(op: OpDef, { shape }: TensorType): Rows {
  const [first] = Object.values(op.outputs).map(parsePattern);
  const alike = (pattern: Pattern): boolean =>
    first!.lead !== null ? pattern.lead === first!.lead : pattern.lead === null && pattern.dims[0] === first!.dims[0];
  const lead = first!.lead !== null ? shape.slice(0, shape.length - first!.dims.length) : shape.slice(0, 1);
  return { count: numel(lead), inputs: Object.values(op.inputs).map((text) => alike(parsePattern(text))) };
}

// Each input has the leading dims of the output, or none of them.
function broadcast(inputs: readonly (TensorType | null)[], { shape }: TensorType): Rows {
  let sides = inputs.map(() => ({ has: true, lacks: true }));
  let count = 1;
  for (const [i, size] of shape.entries()) {
    const next = sides.map(({ has, lacks }, k) => {
      const dims = inputs[k]!.shape;
      const dim = dims[i - (shape.length - dims.length)] ?? 1;
      return { has: has && dim === size, lacks: lacks && dim === 1 };
    });
    if (next.some(({ has, lacks }) => !has && !lacks)) break;
    sides = next;
    count *= size;
  }
  return { count, inputs: sides.map(({ has }) => has) };
}
