import { DTYPES } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { attrWords } from '../../src/ir/attrs.ts';
import type { AttrKind, AttrValue, OpDef } from '../../src/ir/op.ts';
import { HEADER_BYTES, NONE, PLACES, PLAN_MAGIC, VIEW_BYTES } from '../../src/plan/bytes.ts';

export interface DecodedView {
  readonly place: (typeof PLACES)[number];
  /** The name of a tensor of the store, the number of an external. */
  readonly bound: string | number;
  readonly offset: number;
  readonly type: TensorType;
  readonly perStep: boolean;
  readonly written: boolean;
}
export interface DecodedStep {
  readonly op: string;
  readonly inputs: readonly (number | null)[];
  readonly outputs: readonly number[];
  readonly attrs: Readonly<Record<string, AttrValue>>;
  readonly path: string;
  readonly joins: boolean;
}
export interface DecodedPlan {
  readonly hash: bigint;
  readonly arenaBytes: number;
  readonly externals: number;
  readonly views: readonly DecodedView[];
  readonly steps: readonly DecodedStep[];
}

/** Reads packed plans the way cpp/exec does, for tests; trusts them. */
export function decodePlan(bytes: Uint8Array, ops: readonly OpDef[]): DecodedPlan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  if (u32(0) !== PLAN_MAGIC || u32(4) !== 1 || u64(40) !== bytes.length) throw new Error('not a plan');
  const align = (at: number, to: number): number => Math.ceil(at / to) * to;
  let at = HEADER_BYTES;
  const names = Array.from({ length: u32(16) }, () => {
    const length = u32(at);
    const name = new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length));
    at = align(at + 4 + length, 4);
    return name;
  });
  at = align(at, 8);
  const views = Array.from({ length: u32(20) }, (): DecodedView => {
    const place = PLACES[bytes[at]!]!;
    const shape = Array.from({ length: bytes[at + 2]! }, (_, i) => u64(at + 16 + 8 * i));
    const flags = bytes[at + 3]!;
    const ref = u32(at + 4);
    const decoded = {
      place,
      bound: place === 'store' ? names[ref]! : ref,
      offset: u64(at + 8),
      type: { dtype: DTYPES[bytes[at + 1]!]!, shape },
      perStep: (flags & 1) !== 0,
      written: (flags & 2) !== 0,
    };
    at += VIEW_BYTES;
    return decoded;
  });
  const steps = Array.from({ length: u32(24) }, (): DecodedStep => {
    const op = ops[u32(at)]!;
    const [inputs, outputs, joins] = [view.getUint16(at + 4, true), bytes[at + 6]!, bytes[at + 7] === 1];
    const [words, name] = [u32(at + 8), u32(at + 12)];
    const numbers = Array.from({ length: inputs + outputs }, (_, i) => u32(at + 16 + 4 * i));
    at = align(at + 16 + 4 * numbers.length, 8);
    const end = at + 8 * words;
    const attrs: Record<string, AttrValue> = {};
    for (const [key, kind] of Object.entries(op.attrs)) {
      attrs[key] = readAttr(kind, at, u64, (p) => view.getFloat64(p, true));
      at += 8 * attrWords(kind);
    }
    if (at !== end) throw new Error('the attributes of a step are of another length than they say');
    return {
      op: op.name,
      inputs: numbers.slice(0, inputs).map((n) => (n === NONE ? null : n)),
      outputs: numbers.slice(inputs),
      attrs,
      path: name === NONE ? '' : names[name]!,
      joins,
    };
  });
  if (at !== bytes.length) throw new Error('bytes are left');
  const hash = view.getBigUint64(8, true);
  return { hash, arenaBytes: u64(32), externals: u32(28), views, steps };
}

function readAttr(kind: AttrKind, at: number, u64: (at: number) => number, f64: (at: number) => number): AttrValue {
  const words = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => u64(from + 8 * i));
  if (kind === 'u32') return u64(at);
  if (kind === 'f32') return f64(at);
  if (kind === 'dims') return words(at + 8, u64(at));
  return 'oneOf' in kind ? kind.oneOf[u64(at)]! : words(at, kind.u32);
}
