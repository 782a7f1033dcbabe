import type { Attrs } from '../../ir/op.ts';

/** The number of a `u32` or `f32` attribute. Types of attributes are checked where ops are applied: another type is a bug. */
export function numberOf(attrs: Attrs, name: string): number {
  const value = attrs[name];
  if (typeof value !== 'number') throw new Error(`bug: attribute ${name} is not a number`);
  return value;
}

/** The numbers of a `dims` or `{ u32: n }` attribute. */
export function listOf(attrs: Attrs, name: string): readonly number[] {
  const value = attrs[name];
  if (typeof value !== 'object') throw new Error(`bug: attribute ${name} is not a list`);
  return value;
}

/** The name of a `{ oneOf }` attribute. */
export function nameOf(attrs: Attrs, name: string): string {
  const value = attrs[name];
  if (typeof value !== 'string') throw new Error(`bug: attribute ${name} is not a name`);
  return value;
}
