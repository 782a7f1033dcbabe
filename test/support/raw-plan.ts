import { join } from 'node:path';
import { DTYPES } from '../../src/base/tensor-type.ts';
import type { DType } from '../../src/base/tensor-type.ts';
import { info } from '../../src/native/native.ts';

/** A plan written out by hand: it need not make sense. */
export interface RawPlan {
  readonly names?: readonly string[];
  readonly views?: readonly RawView[];
  readonly steps?: readonly RawStep[];
  readonly externals?: number;
  readonly arenaBytes?: number;
  readonly hash?: bigint;
}
export interface RawView {
  readonly place: 'arena' | 'store' | 'external';
  readonly dims: readonly number[];
  readonly dtype?: DType;
  readonly ref?: number;
  readonly offset?: number;
  readonly perStep?: boolean;
  readonly written?: boolean;
}
export interface RawStep {
  readonly op: string | number;
  readonly inputs: readonly (number | null)[];
  readonly outputs: readonly (number | null)[];
  /** Words: a number is written as a float64, a bigint as an integer. */
  readonly attrs?: readonly (number | bigint)[];
  readonly name?: number;
  /** Goes on with the segment of the step before. */
  readonly joins?: boolean;
}

const PLACES = ['arena', 'store', 'external'];
const NONE = 0xffffffff;

export function rawPlan(plan: RawPlan): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const word = new DataView(new ArrayBuffer(8));
  const put = (count: number): void => {
    for (let i = 0; i < count; i++) bytes.push(word.getUint8(i));
  };
  const u16 = (n: number): void => (word.setUint16(0, n, true), put(2));
  const u32 = (n: number): void => (word.setUint32(0, n, true), put(4));
  const u64 = (n: number | bigint): void => (word.setBigUint64(0, BigInt(n), true), put(8));
  const f64 = (n: number): void => (word.setFloat64(0, n, true), put(8));
  const pad = (to: number): void => {
    while (bytes.length % to !== 0) bytes.push(0);
  };
  const { names = [], views = [], steps = [] } = plan;
  u32(0x4c504e54);
  u32(1);
  u64(plan.hash ?? BigInt(`0x${info().opTableHash}`));
  for (const n of [names.length, views.length, steps.length]) u32(n);
  const refs = views.filter((v) => v.place === 'external').map((v) => v.ref ?? 0);
  u32(plan.externals ?? Math.max(0, ...refs.map((r) => r + 1)));
  u64(plan.arenaBytes ?? 0);
  for (let i = 0; i < 3; i++) u64(0);
  for (const name of names) {
    const text = new TextEncoder().encode(name);
    u32(text.length);
    bytes.push(...text);
    pad(4);
  }
  pad(8);
  for (const v of views) {
    const flags = (v.perStep ? 1 : 0) | (v.written ? 2 : 0);
    bytes.push(PLACES.indexOf(v.place), DTYPES.indexOf(v.dtype ?? 'f32'), v.dims.length, flags);
    u32(v.ref ?? 0);
    u64(v.offset ?? 0);
    for (let i = 0; i < 8; i++) u64(v.dims[i] ?? 0);
    u64(0);
  }
  for (const s of steps) {
    u32(typeof s.op === 'number' ? s.op : info().ops.indexOf(s.op));
    u16(s.inputs.length);
    bytes.push(s.outputs.length, s.joins ? 1 : 0);
    u32(s.attrs?.length ?? 0);
    u32(s.name ?? NONE);
    for (const view of [...s.inputs, ...s.outputs]) u32(view ?? NONE);
    pad(8);
    for (const a of s.attrs ?? [])
      if (typeof a === 'bigint') u64(a);
      else f64(a);
  }
  const out = Uint8Array.from(bytes);
  new DataView(out.buffer).setBigUint64(40, BigInt(out.length), true);
  return out;
}

/** y = op(x) over externals 0 and 1. */
export const unaryPlan = (op: string, ...dims: number[]): Uint8Array<ArrayBuffer> =>
  rawPlan({
    views: [
      { place: 'external', dims },
      { place: 'external', ref: 1, dims, written: true },
    ],
    steps: [{ op, inputs: [0], outputs: [1] }],
  });

/** The addon's file, for tests that load it in a worker or another process. */
export const ADDON = process.env['TENON_NODE'] ?? join(import.meta.dirname, '../../build/Release/tenon.node');

/** The error that `f` throws, with the fields that all errors of the door have. */
export function errorOf(f: () => unknown): DoorError {
  try {
    f();
  } catch (error) {
    return error as DoorError;
  }
  throw new Error('nothing was thrown');
}
export async function rejectionOf(promise: Promise<unknown>): Promise<DoorError> {
  try {
    await promise;
  } catch (error) {
    return error as DoorError;
  }
  throw new Error('nothing was rejected');
}
export interface DoorError extends Error {
  readonly code: string;
  readonly argument: string;
  readonly expected: string;
  readonly found: string;
  readonly step?: number;
  readonly op?: string;
  readonly layer?: string;
}
