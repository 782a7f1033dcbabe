/**
 * What was wrong with a call: `TENON_BAD_TYPE` another kind of value, `TENON_BAD_ARGUMENT` a value that does not do, `TENON_BAD_SHAPE` shapes that do
 * not fit, `TENON_NO_MEMORY`, and the other codes of the addon. `argument` names it as the caller wrote it: `x`, `factors[1]`, `out.y`.
 */
export class TenonError extends Error {
  override readonly name = 'TenonError';
  readonly code: string;
  readonly argument: string;
  readonly expected: string;
  readonly found: string;
  constructor(code: string, argument: string, expected: string, found: string, hint = '', cause?: unknown) {
    const message = `${argument}: expected ${expected}, found ${found}${hint && `; ${hint}`}`;
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.argument = argument;
    this.expected = expected;
    this.found = found;
  }
}

type Fault = (argument: string, expected: string, found: string, hint?: string) => TenonError;
const fault =
  (code: string): Fault =>
  (argument, expected, found, hint) =>
    new TenonError(code, argument, expected, found, hint);

export const badType = fault('TENON_BAD_TYPE');
export const badValue = fault('TENON_BAD_ARGUMENT');
export const badShape = fault('TENON_BAD_SHAPE');

/** A value in a few words: never the whole of it, which may be large. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length <= 40 ? `'${value}'` : `a string of ${value.length} characters`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return `${Object.prototype.toString.call(value).slice(8, -1)}(${(value as Float32Array).length})`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value);
}
