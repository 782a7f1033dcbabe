import { didYouMean, oneOf } from '../base/nearest.ts';
import { numel, sameType, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { AnyArg } from './args.ts';
import { readWhole } from './args.ts';
import { badShape, badType, badValue, describe, TenonError } from './error.ts';
import { Joint } from './joint.ts';
import type { KernelDef, Outputs } from './def.ts';
import { Cache } from './plans.ts';
import type { Arrays, Planned } from './plans.ts';
import { sizesOf } from './sizes.ts';
import type { Sizes } from './sizes.ts';
import { newData, readTensor } from './tensor.ts';
import type { Data, Given, Tensor, TensorLike } from './tensor.ts';

/** What every call takes beside its kernel's own arguments. */
export interface Common<O extends Outputs = Outputs> {
  /** Tensors that results are written to, by name; a tensor alone where there is one result. */
  readonly out?: { readonly [K in keyof O]?: TensorLike | TensorLike<Int32Array> } | TensorLike;
  /** Default: TENON_THREADS, else all cores. Results do not depend on it. */
  readonly threads?: number;
  /** Forward calls: the tensors that backward gives gradients of; default all. None: nothing is kept, and there is no ctx. */
  readonly wrt?: readonly string[];
}

/** Arrays of a call by their names in the run. */
export interface GivenArrays {
  readonly arrays: Arrays;
  readonly out: unknown;
  readonly options: { readonly threads?: number };
}

const MAX_THREADS = 256;
/** Bytes of plans that are kept. */
const KEPT = 32 << 20;
const plans = new Cache<Joint>(KEPT);

type Named = Readonly<Record<string, unknown>>;

/** The named arguments, of which none is unknown. */
export function readNamed(value: unknown, known: readonly string[]): Named {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw badType('arguments', 'an object of named arguments', describe(value));
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    throw badValue(name, `one of ${oneOf(known)}`, 'an unknown argument', didYouMean(name, known));
  }
  return value as Named;
}

export function readThreads(named: Named): { readonly threads?: number } {
  const value = named['threads'];
  return value === undefined ? {} : { threads: readWhole(1, MAX_THREADS)(value, 'threads') };
}

export interface Forward {
  readonly joint: Joint;
  readonly sizes: Sizes;
  readonly given: GivenArrays;
}

/** Everything that a forward call says, checked, and its plan. */
export function readCall(def: KernelDef, value: unknown): Forward {
  const flows = Object.values(def.outputs).some((flow) => typeof flow === 'string');
  const named = readNamed(value, [...Object.keys(def.args), 'out', 'threads', ...(flows ? ['wrt'] : [])]);
  const read = readArgs(def, named);
  const sizes = sizesOf(read.patterns);
  const wrt = flows ? readWrt(named['wrt'], def, read) : { names: [], lists: [] };
  const options = readThreads(named);
  const { out } = named;
  const types = new Map([...read.tensors].map(([name, { type }]) => [name, type]));
  const shapes = [...types].map(([name, type]) => `${name}${showType(type)}`);
  const lengths = Object.values(read.lists).map((list) => list.length);
  const key = [def.name, ...shapes, lengths, JSON.stringify(read.options), wrt.names, wrt.lists].join('|');
  const lists = new Map(wrt.lists.map((name) => [name, read.lists[name]!.length]));
  const args = (valueOf: (name: string) => unknown): Named => argsFor(def, read, valueOf);
  const joint = orExplained(() => plans.get(key, () => new Joint(def, { types, sizes, wrt: wrt.names, lists, args })));
  const arrays = Object.fromEntries([...read.tensors].map(([name, { data }]) => [name, data]));
  return { joint, sizes, given: { arrays, out, options } };
}

interface ReadArgs {
  readonly tensors: ReadonlyMap<string, Given>;
  readonly patterns: readonly (readonly [string, string, Given])[];
  /** Of each list of tensors, the name of each, null where it is absent. */
  readonly lists: Readonly<Record<string, readonly (string | null)[]>>;
  readonly options: Readonly<Record<string, unknown>>;
}

function readArgs(def: KernelDef, named: Named): ReadArgs {
  const tensors = new Map<string, Given>();
  const patterns: [string, string, Given][] = [];
  const lists: Record<string, readonly (string | null)[]> = {};
  const options: Record<string, unknown> = {};
  for (const [name, arg] of Object.entries(def.args)) {
    const value = named[name] ?? undefined;
    if (arg.kind === 'option') {
      options[name] = readOption(name, arg, value);
    } else if (arg.kind === 'tensor') {
      if (value === undefined && arg.optional) continue;
      const given = readTensor(value, name, dtypeOf(arg.pattern));
      tensors.set(name, given);
      patterns.push([name, arg.pattern, given]);
    } else {
      if (!Array.isArray(value)) throw badType(name, 'an array of tensors, null for an absent one', describe(value));
      lists[name] = Array.from(value, (item: unknown, i) => {
        const place = `${name}[${i}]`;
        if (item === null || item === undefined) return null;
        const given = readTensor(item, place, dtypeOf(arg.pattern));
        sizesOf([[place, arg.pattern, given]]);
        tensors.set(place, given);
        return place;
      });
    }
  }
  return { tensors, patterns, lists, options };
}

const dtypeOf = (pattern: string): 'f32' | 'i32' => (pattern.startsWith('i32') ? 'i32' : 'f32');

function readOption(name: string, arg: Extract<AnyArg, { kind: 'option' }>, value: unknown): unknown {
  if (value !== undefined) return arg.read(value, name);
  if (!arg.optional) return arg.read(undefined, name); // its error says what was expected
  return arg.default === null ? null : arg.read(arg.default, name);
}

function argsFor(def: KernelDef, read: ReadArgs, valueOf: (name: string) => unknown): Named {
  const entries = Object.entries(def.args).map(([name, arg]) => {
    if (arg.kind === 'option') return [name, read.options[name]];
    if (arg.kind === 'tensors') return [name, read.lists[name]!.map((n) => n && valueOf(n))];
    return [name, read.tensors.has(name) ? valueOf(name) : null];
  });
  return Object.fromEntries(entries) as Named;
}

interface Wrt {
  readonly names: readonly string[];
  /** Lists of which some gradient may be wanted. */
  readonly lists: readonly string[];
}

// The tensors that gradients are wanted of; the name of a list stands for its parts.
function readWrt(value: unknown, def: KernelDef, { tensors, lists }: ReadArgs): Wrt {
  const floats = [...tensors].filter(([, given]) => given.type.dtype === 'f32').map(([name]) => name);
  if (value === undefined) return { names: floats, lists: Object.keys(lists) };
  if (!Array.isArray(value)) throw badType('wrt', 'an array of names of tensors', describe(value));
  const known = Object.keys(def.args).filter((name) => def.args[name]!.kind !== 'option');
  for (const name of value as unknown[]) {
    if (typeof name === 'string' && known.includes(name)) continue;
    const hint = typeof name === 'string' ? didYouMean(name, known) : '';
    throw badValue('wrt', `names of ${oneOf(known)}`, describe(name), hint);
  }
  const wanted = new Set(value as string[]);
  return {
    names: floats.filter((name) => wanted.has(name.replace(/\[\d+\]$/, ''))),
    lists: Object.keys(lists).filter((name) => wanted.has(name)),
  };
}

/** Shapes or attributes that an op refuses are the caller's. */
export function orExplained<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof Unfit)
      throw badShape('arguments', error.expected || 'shapes that fit', error.found || error.message, error.message);
    if (!(error instanceof TenonError) && error instanceof Error && 'code' in error)
      throw new TenonError(String(error.code), 'arguments', 'what the kernel can do', error.message, '', error);
    throw error;
  }
}

/** A run's arrays, its results among them: those given with `out`, or new ones. */
export interface PreparedCall {
  readonly arrays: Arrays;
  readonly results: ReadonlyMap<string, TensorType>;
}

export function prepareCall(planned: Planned, { arrays, out }: GivenArrays): PreparedCall {
  const results = new Map([...planned.outputs].filter(([name]) => name.startsWith('out.')));
  const given = readOut(out, results);
  const all: Record<string, Data> = { ...arrays };
  for (const [name, type] of planned.outputs) {
    all[name] = given.get(name) ?? resultData(name, type);
  }
  for (const [name, data] of given) checkAlone(name, data, all);
  return { arrays: all, results };
}

function resultData(name: string, { dtype, shape }: TensorType): Data {
  try {
    return newData(dtype, numel(shape));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const { code, expected, found } = error as Error & Record<'code' | 'expected' | 'found', unknown>;
    throw new TenonError(
      String(code),
      name,
      String(expected),
      String(found),
      `it is ${dtype}[${shape.join(', ')}]`,
      error,
    );
  }
}

function readOut(value: unknown, results: ReadonlyMap<string, TensorType>): ReadonlyMap<string, Data> {
  const given = new Map<string, Data>();
  if (value === undefined || value === null) return given;
  const names = [...results.keys()].map((name) => name.slice('out.'.length));
  const alone = ArrayBuffer.isView(value) || (typeof value === 'object' && 'data' in value);
  if (alone && names.length !== 1) throw badType('out', `an object with some of ${oneOf(names)}`, describe(value));
  if (!alone && (typeof value !== 'object' || Array.isArray(value)))
    throw badType('out', 'tensors by name', describe(value));
  const named = alone ? { [names[0]!]: value } : (value as Named);
  for (const [name, item] of Object.entries(named)) {
    if (item === undefined || item === null) continue;
    const type = results.get(`out.${name}`);
    if (!type) throw badValue(`out.${name}`, `one of ${oneOf(names)}`, 'an unknown result', didYouMean(name, names));
    const found = readTensor(item, `out.${name}`, type.dtype === 'i32' ? 'i32' : 'f32');
    const flat = ArrayBuffer.isView(item) && found.data.length === numel(type.shape);
    if (!flat && !sameType(found.type, type)) throw badShape(`out.${name}`, showType(type), showType(found.type));
    given.set(`out.${name}`, found.data);
  }
  return given;
}

function checkAlone(name: string, data: Data, all: Arrays): void {
  for (const [other, { buffer, byteOffset, byteLength }] of Object.entries(all)) {
    if (other === name || buffer !== data.buffer || byteLength === 0 || data.byteLength === 0) continue;
    const apart = byteOffset >= data.byteOffset + data.byteLength || data.byteOffset >= byteOffset + byteLength;
    if (!apart) throw badValue(name, 'memory of its own', `the memory of ${other}`);
  }
}

/** The results as tensors by name. */
export const finish = ({ arrays, results }: PreparedCall): Readonly<Record<string, Tensor<Data>>> =>
  Object.fromEntries(
    [...results].map(([name, { shape }]) => [name.slice('out.'.length), { data: arrays[name]!, shape: [...shape] }]),
  );
