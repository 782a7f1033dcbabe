import { MAX_RANK } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { AttrKind, AttrValue, Attrs, OpDef } from './op.ts';

/** How many 8-byte words an attribute takes in a plan. */
export function attrWords(kind: AttrKind): number {
  if (kind === 'dims') return 1 + MAX_RANK;
  if (typeof kind === 'object' && 'u32' in kind) return kind.u32;
  return 1;
}

/** The attributes of one application in the order of the op's record, each checked. A missing or unknown name is a bug of the caller. */
export function checkAttrs(op: OpDef, attrs: Attrs): Attrs {
  for (const name of Object.keys(attrs))
    if (!Object.hasOwn(op.attrs, name)) throw new Error(`bug: ${op.name} has no attribute '${name}'`);
  const checked: Record<string, AttrValue> = {};
  for (const [name, kind] of Object.entries(op.attrs)) {
    const value = attrs[name] ?? defaultOf(kind);
    if (value === undefined) throw new Error(`bug: ${op.name} needs its attribute '${name}'`);
    const expected = misfit(kind, value);
    if (expected) throw new Unfit(`${op.name}: ${name} must be ${expected}, not ${show(value)}`, expected, show(value));
    checked[name] = value;
  }
  return checked;
}

/** What an attribute is where nothing is said; undefined where something must be. */
export const defaultOf = (kind: AttrKind): AttrValue | undefined =>
  typeof kind === 'object' && 'oneOf' in kind ? kind.default : undefined;

// What was expected, or null where the value fits.
function misfit(kind: AttrKind, value: AttrValue): string | null {
  if (kind === 'u32') return isWhole(value, 2 ** 32 - 1) ? null : 'a whole number below 2^32';
  if (kind === 'f32') return typeof value === 'number' ? null : 'a number';
  if (kind === 'dims') return isList(value, 2 ** 40) && value.length <= MAX_RANK ? null : `at most ${MAX_RANK} sizes`;
  if ('oneOf' in kind)
    return typeof value === 'string' && kind.oneOf.includes(value) ? null : `one of ${kind.oneOf.join(', ')}`;
  const fits = isList(value, 2 ** 32 - 1) && value.length === kind.u32;
  return fits ? null : `${kind.u32} whole numbers below 2^32`;
}

const isWhole = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
const isList = (value: AttrValue, max: number): value is readonly number[] =>
  Array.isArray(value) && value.every((v) => isWhole(v, max));
const show = (value: AttrValue): string => (Array.isArray(value) ? `[${value.join(', ')}]` : String(value));

/** Text that is equal exactly where the attributes are (attributes in the order of `checkAttrs`). */
export const attrsKey = (attrs: Attrs): string =>
  Object.values(attrs)
    .map((v) => (Array.isArray(v) ? `[${v.join()}]` : Object.is(v, -0) ? '-0' : String(v)))
    .join(';');
