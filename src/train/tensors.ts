import { sameShape } from '../base/tensor-type.ts';
import type { StoredTensor } from '../data/safetensors.ts';
import { DataError } from '../data/error.ts';
import type { StoreLeaf } from './graphs.ts';

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** Every parameter and state must be among the tensors, of its shape; slots of the optimizer may be missing. Throws DataError; `from` names where the tensors are from. */
export function checkTensors(
  leaves: readonly StoreLeaf[],
  tensors: ReadonlyMap<string, StoredTensor>,
  from: string,
): void {
  for (const { name, kind, type } of leaves) {
    if (kind === 'fixed') continue;
    const found = tensors.get(name);
    if (!found && kind === 'slot') continue;
    if (!found) throw new DataError('mismatch', from, `there is no tensor ${name}`);
    if (found.dtype !== 'f32' || !sameShape(found.shape, type.shape)) {
      const is = `${found.dtype}${show(found.shape)}`;
      throw new DataError('mismatch', from, `tensor ${name} is ${is}, expected f32${show(type.shape)}`);
    }
  }
}

export const floatsOf = ({ bytes }: StoredTensor): Float32Array =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
