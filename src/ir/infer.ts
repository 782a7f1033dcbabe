import { DTYPE_BYTES, MAX_RANK, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Attrs, OpDef } from './op.ts';
import { parseArgumentName, parsePattern } from './pattern.ts';

type Inputs = readonly (TensorType | null)[];

/** Where a symbol got its size, for messages. */
interface Bound<T> {
  readonly value: T;
  readonly by: string;
}
interface Bindings {
  readonly dims: Map<string, Bound<number>>;
  readonly leads: Map<string, Bound<readonly number[]>>;
}

/** Most elements times bytes of a tensor: what the native validator takes. */
const MAX_BYTES = 2 ** 46;

/**
 * Types of an op's outputs: unifies the patterns of its inputs, applies its `check`, then its `infer` or the patterns of its outputs.
 * Throws Unfit where types do not fit; a wrong number of inputs is a bug. `attrs` have been through `checkAttrs`.
 */
export function inferTypes(op: OpDef, inputs: Inputs, attrs: Attrs): readonly TensorType[] {
  const bindings = unifyInputs(op, inputs);
  const wrong = op.check?.(inputs, attrs);
  if (wrong) throw new Unfit(`${op.name}: ${wrong}`);
  const outputs = op.infer ? op.infer(inputs, attrs) : outputTypes(op, bindings, attrs);
  if (outputs.length !== Object.keys(op.outputs).length)
    throw new Error(`bug: ${op.name} infers ${outputs.length} outputs`);
  for (const type of outputs) checkSize(op.name, type);
  return outputs;
}

function unifyInputs(op: OpDef, inputs: Inputs): Bindings {
  const bindings: Bindings = { dims: new Map(), leads: new Map() };
  let next = 0;
  for (const [key, text] of Object.entries(op.inputs)) {
    const argument = parseArgumentName(key);
    const last = argument.variadic ? inputs.length : next + 1;
    for (; next < last; next++) {
      const type = inputs[next];
      // The parts of a list need not agree in their leading axes: what they must agree in is for `infer` to say.
      const leads = argument.variadic ? new Map<string, Bound<readonly number[]>>() : bindings.leads;
      if (type) unify(op, argument.name, text, type, { ...bindings, leads });
      else if (type === undefined || !argument.optional)
        throw new Error(`bug: ${op.name} needs its input '${argument.name}'`);
    }
  }
  if (next !== inputs.length) throw new Error(`bug: ${op.name} takes ${next} inputs, not ${inputs.length}`);
  return bindings;
}

function unify(op: OpDef, name: string, text: string, type: TensorType, bindings: Bindings): void {
  const pattern = parsePattern(text);
  const leading = type.shape.length - pattern.dims.length;
  const dtypeFits = pattern.dtype === 'any' || pattern.dtype === type.dtype;
  if (!dtypeFits || leading < 0 || (leading > 0 && pattern.lead === null))
    throw new Unfit(`${op.name}: ${name} must be ${text}, not ${showType(type)}`, text, showType(type));
  const by = `${name} ${showType(type)}`;
  if (pattern.lead !== null) bind(op, name, bindings.leads, pattern.lead, type.shape.slice(0, leading), by);
  pattern.dims.forEach((dim, i) => {
    const size = type.shape[leading + i]!;
    if (typeof dim === 'string') bind(op, name, bindings.dims, dim, size, by);
    else if (dim !== size)
      throw new Unfit(`${op.name}: ${name} must be ${text}, not ${showType(type)}`, text, showType(type));
  });
}

function bind<T extends number | readonly number[]>(
  op: OpDef,
  name: string,
  bound: Map<string, Bound<T>>,
  symbol: string,
  value: T,
  by: string,
): void {
  const old = bound.get(symbol);
  if (!old) bound.set(symbol, { value, by });
  else if (show(old.value) !== show(value))
    throw new Unfit(
      `${op.name}: ${symbol} is ${show(old.value)} in ${old.by}, but ${show(value)} in ${by}`,
      `${symbol} = ${show(old.value)}`,
      `${symbol} = ${show(value)} in ${name}`,
    );
}

const show = (value: number | readonly number[]): string =>
  typeof value === 'number' ? String(value) : `[${value.join(', ')}]`;

function outputTypes(op: OpDef, bindings: Bindings, attrs: Attrs): readonly TensorType[] {
  return Object.values(op.outputs).map((text) => {
    const { dtype, lead, dims } = parsePattern(text);
    if (dtype === 'any') throw new Error(`bug: ${op.name} must infer the dtype of its output`);
    const leading = lead === null ? [] : (bindings.leads.get(lead)?.value ?? attrs[lead]);
    const rest = dims.map((d) => (typeof d === 'number' ? d : (bindings.dims.get(d)?.value ?? attrs[d])));
    if (!Array.isArray(leading) || rest.some((d) => typeof d !== 'number'))
      throw new Error(`bug: nothing says the size of an output of ${op.name}, ${text}`);
    return { dtype, shape: [...(leading as readonly number[]), ...(rest as number[])] };
  });
}

/** Throws Unfit for a tensor that no plan can hold. `who` begins the message. */
export function checkSize(who: string, type: TensorType): void {
  const { shape } = type;
  if (shape.length > MAX_RANK)
    throw new Unfit(`${who}: a tensor has at most ${MAX_RANK} axes`, `at most ${MAX_RANK} axes`, showType(type));
  if (shape.some((d) => !Number.isInteger(d) || d < 0))
    throw new Unfit(`${who}: ${showType(type)} has an impossible axis`, 'whole sizes', showType(type));
  // Zero axes do not excuse the others: products of the rest are formed too.
  const bytes = shape.reduce((n, d) => n * Math.max(d, 1), DTYPE_BYTES[type.dtype]);
  if (bytes > MAX_BYTES)
    throw new Unfit(`${who}: ${showType(type)} is too large for any machine`, 'at most 2^46 bytes', showType(type));
}
