import { Unfit } from '../base/unfit.ts';
import { numel, sameShape } from '../base/tensor-type.ts';
import type { WeightSpec } from '../ir/builder.ts';
import type { WeightDef } from '../ir/weight.ts';
import type { Given } from '../ir/graph.ts';
import type { TensorFile } from '../ir/leaf.ts';

const doc = 'A tensor of a safetensors file, never trained: the one with the path of the layer, or the one named.';

/** The expression over one file, whose tensors are known; null: a file that is not read yet. */
const frozenOf = (file: TensorFile | null): WeightDef => ({
  kind: 'weight',
  name: 'frozen',
  doc,
  over: frozenOf,
  ...(file ? { key: file.hash } : {}),
  args: [
    { name: 'file', doc: 'a safetensors file, looked up beside the program', type: { kind: 'name', oneOf: [] } },
    {
      name: 'tensor',
      doc: 'name of the tensor; the path of the layer unless given',
      type: { kind: 'name', oneOf: [] },
      default: null,
      positional: true,
    },
  ],
  make: (b, path, spec, { args }) => {
    if (!file) throw new Error('bug: a file of tensors that was not read');
    const tensor = args['tensor'] == null ? null : String(args['tensor']);
    if (tensor !== null) testShape(file, tensor, spec);
    const init: Given = { kind: 'file', file, tensor };
    return b.fixed(path, spec.shape, init);
  },
});

export const frozen: WeightDef = frozenOf(null);

function testShape(file: TensorFile, tensor: string, spec: WeightSpec): void {
  const found = file.shapes.get(tensor);
  const wanted = `[${(spec.axes ?? spec.shape).join(', ')}]`;
  if (!found) throw new Unfit(`frozen: there is no tensor "${tensor}" in ${file.path}`, wanted, 'none');
  if (!holds(found, spec.shape))
    throw new Unfit(`frozen: tensor "${tensor}" has another shape`, wanted, `[${found.join(', ')}]`);
}

/** Whether a stored tensor is a weight of this shape; axes of size 1 do not matter. */
export const holds = (stored: readonly number[], shape: readonly number[]): boolean =>
  numel(stored) === numel(shape) &&
  sameShape(
    stored.filter((n) => n !== 1),
    shape.filter((n) => n !== 1),
  );
