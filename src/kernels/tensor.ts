import { types } from 'node:util';
import { MAX_RANK, numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { allocate, release as releaseBuffer } from '../native/native.ts';
import { badShape, badType, badValue, describe } from './error.ts';

export type Data = Float32Array | Int32Array;

/** Numbers and how they are arranged: row-major, dense. */
export interface Tensor<D extends Data = Float32Array> {
  readonly data: D;
  readonly shape: readonly number[];
}
/** What an argument may be given as: an array alone is a tensor of one axis. */
export type TensorLike<D extends Data = Float32Array> = Tensor<D> | D;
export type Nested = readonly (number | Nested)[];

/** A tensor that a call was given, read once. */
export interface Given {
  readonly data: Data;
  readonly type: TensorType;
}

const MAX_BYTES = 2 ** 46;
const MAX_SIZE = 2 ** 40;
const ARRAY = { f32: 'a Float32Array', i32: 'an Int32Array' } as const;
type NumberType = keyof typeof ARRAY;

/**
 * A tensor in native memory, 64-byte aligned, which asynchronous calls use without a copy: of an array's numbers, of nested arrays, or, from an
 * Int32Array, of whole numbers. The numbers are copied. Throws TenonError where the shape does not hold them.
 */
export function tensor(data: Int32Array, shape?: readonly number[]): Tensor<Int32Array>;
export function tensor(data: Float32Array | Nested, shape?: readonly number[]): Tensor;
export function tensor(data: Data | Nested, shape?: readonly number[]): Tensor<Data> {
  const dtype = types.isInt32Array(data) ? 'i32' : 'f32';
  const flat = Array.isArray(data) ? flatten(data) : { data: readData(data, 'data', dtype), shape: null };
  const sizes = shape === undefined ? (flat.shape ?? [flat.data.length]) : readShape(shape, 'shape');
  checkCount(flat.data.length, sizes, 'shape');
  const made = newData(dtype, flat.data.length, true);
  made.set(flat.data);
  return { data: made, shape: sizes };
}

function flatten(nested: Nested): { readonly data: Float32Array; readonly shape: readonly number[] } {
  const shape: number[] = [];
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) {
    if (shape.push(level.length) > MAX_RANK) throw badShape('data', `at most ${MAX_RANK} axes`, 'more');
    if (level.length === 0) break;
  }
  const data = new Float32Array(numel(shape));
  let at = 0;
  const walk = (level: unknown, axis: number, place: string): void => {
    if (axis === shape.length) {
      if (typeof level !== 'number') throw badType(place, 'a number', describe(level));
      data[at++] = level;
      return;
    }
    const count = Array.isArray(level) ? level.length : null;
    if (count !== shape[axis]) throw badShape(place, `an array of ${shape[axis]}`, describe(level));
    for (let i = 0; i < count; i++) walk((level as unknown[])[i], axis + 1, `${place}[${i}]`);
  };
  walk(nested, 0, 'data');
  return { data, shape };
}

/** From here on results are native memory, which the next asynchronous call uses in place; below, a copy costs less than that memory. */
const NATIVE_FROM = 65536;

/** Numbers that are all about to be written. */
export function newData(dtype: TensorType['dtype'], length: number, native = length * 4 >= NATIVE_FROM): Data {
  const NumberArray = dtype === 'i32' ? Int32Array : Float32Array;
  return native ? new NumberArray(allocate(length * 4, false)) : new NumberArray(length);
}

/**
 * Gives the memory of results and of what tensor() made back at once, for the next ones: in a loop that never waits, nothing else does. Their data, and
 * all views of them, are empty from then on. Other memory is left alone.
 */
export function release(...tensors: readonly TensorLike<Data>[]): void {
  for (const [i, given] of tensors.entries()) {
    const data: unknown = ArrayBuffer.isView(given) ? given : (given as Partial<Tensor<Data>> | null)?.data;
    if (!types.isFloat32Array(data) && !types.isInt32Array(data))
      throw badType(`tensors[${i}]`, 'a tensor {data, shape}', describe(given));
    if (data.buffer instanceof ArrayBuffer) releaseBuffer(data.buffer);
  }
}

/** Reads an argument; its getters run here and nowhere later. */
export function readTensor(value: unknown, argument: string, dtype: NumberType): Given {
  if (ArrayBuffer.isView(value)) {
    const data = readData(value, argument, dtype);
    return { data, type: { dtype, shape: [data.length] } };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const expected = `a tensor {data: ${ARRAY[dtype].split(' ')[1]}, shape}`;
    throw badType(argument, expected, describe(value), Array.isArray(value) ? 'tensor(…) makes one' : '');
  }
  const { data: given, shape: sizes } = value as { readonly data?: unknown; readonly shape?: unknown };
  const shape = readShape(sizes, `${argument}.shape`);
  const data = readData(given, `${argument}.data`, dtype);
  checkCount(data.length, shape, `${argument}.shape`);
  return { data, type: { dtype, shape } };
}

function readData(value: unknown, argument: string, dtype: NumberType): Data {
  if (!(dtype === 'f32' ? types.isFloat32Array : types.isInt32Array)(value))
    throw badType(argument, ARRAY[dtype], describe(value));
  const buffer = bufferOf(value);
  const wrong = problemOf(buffer);
  if (wrong) throw badType(argument, `${ARRAY[dtype]} over an ArrayBuffer of fixed size`, `one over ${wrong}`);
  if (isPlain(value)) return value;
  return new (dtype === 'f32' ? Float32Array : Int32Array)(buffer as ArrayBuffer, offsetOf(value), lengthOf(value));
}

// Getters of the language itself: a subclass, or a property of one array, may say something else.
function getter<Of, T>(prototype: object, name: string): (of: Of) => T {
  const get = Reflect.getOwnPropertyDescriptor(prototype, name)?.get;
  return (of) => get?.call(of) as T;
}
const typedArray = Reflect.getPrototypeOf(Float32Array.prototype)!;
const bufferOf = getter<Data, ArrayBufferLike>(typedArray, 'buffer');
const offsetOf = getter<Data, number>(typedArray, 'byteOffset');
const lengthOf = getter<Data, number>(typedArray, 'length');
const bytesOf = getter<ArrayBufferLike, number>(ArrayBuffer.prototype, 'byteLength');
const isResizable = getter<ArrayBufferLike, boolean | undefined>(ArrayBuffer.prototype, 'resizable');

const LAYOUT = ['buffer', 'byteOffset', 'byteLength', 'length'] as const;
const PLAIN: readonly unknown[] = [Float32Array.prototype, Int32Array.prototype];
const isPlain = (data: Data): boolean =>
  PLAIN.includes(Reflect.getPrototypeOf(data)) && !LAYOUT.some((name) => Object.hasOwn(data, name));

function problemOf(buffer: ArrayBufferLike): string | null {
  if (types.isSharedArrayBuffer(buffer)) return 'a SharedArrayBuffer, which another thread could write to';
  if (isResizable(buffer)) return 'one that can be resized';
  if (bytesOf(buffer) > 0) return null;
  try {
    void new Uint8Array(buffer);
    return null;
  } catch {
    return 'one that is detached';
  }
}

function readShape(value: unknown, argument: string): readonly number[] {
  if (!Array.isArray(value)) throw badType(argument, 'an array of sizes', describe(value));
  if (value.length > MAX_RANK) throw badShape(argument, `at most ${MAX_RANK} axes`, String(value.length));
  const shape: readonly unknown[] = [...(value as unknown[])];
  shape.forEach((size, i) => {
    if (!Number.isInteger(size) || (size as number) < 0 || (size as number) > MAX_SIZE)
      throw badValue(`${argument}[${i}]`, 'a whole number from 0 to 2^40', describe(size));
  });
  const bytes = shape.reduce<number>((n, size) => n * Math.max(size as number, 1), 4);
  if (bytes > MAX_BYTES) throw badShape(argument, 'at most 2^46 bytes in all', `[${shape.join(', ')}]`);
  return shape as readonly number[];
}

function checkCount(count: number, shape: readonly number[], argument: string): void {
  if (numel(shape) === count) return;
  throw badShape(argument, `a shape of ${count} numbers`, `[${shape.join(', ')}], which has ${numel(shape)}`);
}
