import { showType } from '../base/tensor-type.ts';
import { parsePattern } from '../ir/pattern.ts';
import { badShape } from './error.ts';
import type { Given } from './tensor.ts';

/** Sizes by the names that the patterns give them. */
export type Sizes = Readonly<Record<string, number>>;

/** Unifies the patterns of a kernel's tensors; throws TenonError that names the first one that does not fit the ones before it. */
export function sizesOf(tensors: readonly (readonly [argument: string, pattern: string, given: Given])[]): Sizes {
  const sizes: Record<string, number> = {};
  const leads: Record<string, readonly number[]> = {};
  for (const [argument, text, { type }] of tensors) {
    const { lead, dims } = parsePattern(text);
    const leading = type.shape.slice(0, Math.max(0, type.shape.length - dims.length));
    const rest = type.shape.slice(leading.length);
    const fits =
      rest.length === dims.length &&
      (leading.length === 0 || lead !== null) &&
      (lead === null || String((leads[lead] ??= leading)) === String(leading)) &&
      dims.every((dim, i) => rest[i] === (typeof dim === 'number' ? dim : (sizes[dim] ??= rest[i]!)));
    if (!fits) throw badShape(argument, expectation(text, sizes, leads), showType(type));
  }
  return sizes;
}

// `f32[n, n, n] with n = 4`.
function expectation(text: string, sizes: Sizes, leads: Readonly<Record<string, readonly number[]>>): string {
  const { lead, dims } = parsePattern(text);
  const known = [
    ...(lead !== null && leads[lead] ? [`...${lead} = [${leads[lead].join(', ')}]`] : []),
    ...[...new Set(dims)].flatMap((d) => (typeof d === 'string' && d in sizes ? [`${d} = ${sizes[d]}`] : [])),
  ];
  return known.length === 0 ? text : `${text} with ${known.join(', ')}`;
}
