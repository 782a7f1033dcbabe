import { DTYPES } from '../base/tensor-type.ts';
import type { DType } from '../base/tensor-type.ts';
import type { Pattern } from './op.ts';

const FORM = /^(\w+)\[([^\]]*)\]$/;
const NAME = /^[a-zA-Z]\w*$/;
const cache = new Map<string, Pattern>();

/** `f32[...lead, m, 3]` -> its parts. A pattern that cannot be read is a bug of the op that has it. */
export function parsePattern(text: string): Pattern {
  let pattern = cache.get(text);
  if (!pattern) cache.set(text, (pattern = parse(text)));
  return pattern;
}

function parse(text: string): Pattern {
  const [, dtype, inside] = FORM.exec(text) ?? bad(text, 'is not of the form dtype[dims]');
  if (dtype !== 'any' && !DTYPES.some((d) => d === dtype)) bad(text, `has no dtype of ${DTYPES.join(', ')}, any`);
  const items = inside!.trim() === '' ? [] : inside!.split(',').map((item) => item.trim());
  const lead = items[0]?.startsWith('...') ? items.shift()!.slice(3) : null;
  if (lead !== null && !NAME.test(lead)) bad(text, 'has a leading group without a name');
  return { dtype: dtype as DType | 'any', lead, dims: items.map((item) => parseDim(text, item)) };
}

function parseDim(text: string, item: string): string | number {
  if (/^\d+$/.test(item)) return Number(item);
  return NAME.test(item) ? item : bad(text, `has a dim '${item}' that is neither a name nor a number`);
}

function bad(text: string, what: string): never {
  throw new Error(`bug: the pattern '${text}' ${what}`);
}

/** An input's name in a record says how it may be given: `bias?` may be absent, `xs*` takes the rest. */
export interface ArgumentName {
  readonly name: string;
  readonly optional: boolean;
  readonly variadic: boolean;
}
export function parseArgumentName(key: string): ArgumentName {
  const optional = key.endsWith('?'),
    variadic = key.endsWith('*');
  return { name: optional || variadic ? key.slice(0, -1) : key, optional, variadic };
}
