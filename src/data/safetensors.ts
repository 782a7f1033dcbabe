import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { DTYPE_BYTES, numel } from '../base/tensor-type.ts';
import type { DType, Shape } from '../base/tensor-type.ts';
import type { TensorFile } from '../ir/leaf.ts';
import { DataError } from './error.ts';

/**
 * The safetensors format (Hugging Face): u64 length of a JSON header, the header, the data. Read strictly: ranges must tile the data, names are
 * unique, sizes follow from dtype and shape.
 */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
}
export interface Tensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Faults of the name that was given, not of the machine. */
const PLACES: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'ENAMETOOLONG']);
const MAX_HEADER = 100 * 1024 * 1024;
const TO_FILE: Readonly<Record<DType, string>> = { f32: 'F32', i32: 'I32', u8: 'U8' };
const FROM_FILE: ReadonlyMap<string, DType> = new Map(
  Object.entries(TO_FILE).map(([ours, theirs]) => [theirs, ours as DType]),
);

export function encodeSafetensors(file: Tensors): Uint8Array[] {
  const header: Record<string, unknown> = {};
  if (Object.keys(file.metadata).length > 0) header['__metadata__'] = file.metadata;
  let offset = 0;
  const parts: Uint8Array[] = [];
  for (const [name, t] of [...file.tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (t.bytes.byteLength !== numel(t.shape) * DTYPE_BYTES[t.dtype])
      throw new Error(`bug: tensor ${name} has the wrong size`);
    header[name] = { dtype: TO_FILE[t.dtype], shape: t.shape, data_offsets: [offset, offset + t.bytes.byteLength] };
    offset += t.bytes.byteLength;
    parts.push(t.bytes);
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [length, padded, ...parts];
}

/** Written beside the target and renamed over it, so that a reader or a crash never sees half a file. Throws DataError where there is no such place. */
export function writeSafetensors(path: string, file: Tensors): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = openSync(temporary, 'w');
    try {
      for (const part of encodeSafetensors(file)) {
        for (let at = 0; at < part.length;) at += writeSync(handle, part, at);
      }
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, path);
  } catch (e) {
    rmSync(temporary, { force: true });
    const code = (e as NodeJS.ErrnoException).code ?? '';
    if (!PLACES.has(code)) throw e;
    const why = code === 'ENOENT' ? 'there is no such folder' : `it cannot be written (${code})`;
    throw new DataError('missing', path, why);
  }
}

interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly range: readonly [number, number];
}

function entryOf(path: string, name: string, value: unknown): Entry {
  const bad = (what: string): DataError => new DataError('format', path, `tensor ${JSON.stringify(name)}: ${what}`);
  if (typeof value !== 'object' || value === null) throw bad('expected an object');
  const { dtype, shape, data_offsets: range } = value as Record<string, unknown>;
  const ours = FROM_FILE.get(String(dtype));
  if (!ours) throw bad(`expected dtype ${[...FROM_FILE.keys()].join(', ')}, found ${String(dtype)}`);
  const whole = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((d) => Number.isSafeInteger(d) && d >= 0);
  if (!whole(shape)) throw bad('its shape is not a list of whole numbers');
  if (!whole(range) || range.length !== 2) throw bad('its data_offsets are not two whole numbers');
  const bytes = numel(shape) * DTYPE_BYTES[ours];
  if (!Number.isSafeInteger(bytes) || range[1]! - range[0]! !== bytes) {
    throw bad(`[${shape.join(', ')}] needs ${bytes} bytes, its range has ${range[1]! - range[0]!}`);
  }
  return { dtype: ours, shape, range: [range[0]!, range[1]!] };
}

// JSON.parse keeps the last of two equal keys, and so hides them.
function refuseDuplicates(path: string, text: string): void {
  const seen: Set<string>[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (c === '{') seen.push(new Set());
    if (c === '}') seen.pop();
    if (c !== '"') {
      i++;
      continue;
    }
    let end = i + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    let after = end + 1;
    while (/\s/.test(text[after] ?? '')) after++;
    if (text[after] === ':') {
      const key = JSON.parse(text.slice(i, end + 1)) as string;
      if (seen.at(-1)?.has(key))
        throw new DataError('format', path, `${JSON.stringify(key)} stands twice in the header`);
      seen.at(-1)?.add(key);
    }
    i = end + 1;
  }
}

export function decodeSafetensors(bytes: Uint8Array, path: string): Tensors {
  if (bytes.length < 8)
    throw new DataError('truncated', path, 'expected a safetensors file, which has at least 8 bytes');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || 8n + length > BigInt(bytes.length)) {
    throw new DataError('format', path, `its header claims ${length} bytes, the file has ${bytes.length}`);
  }
  const start = 8 + Number(length);
  let header: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, start));
    header = JSON.parse(text);
    refuseDuplicates(path, text);
  } catch (e) {
    if (e instanceof DataError) throw e;
    throw new DataError('format', path, `its header is not JSON (${(e as Error).message})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new DataError('format', path, 'its header is not an object');
  }
  const { __metadata__: raw, ...rest } = header as Record<string, unknown>;
  const metadata: Record<string, string> = {};
  for (const [k, v] of Object.entries((raw ?? {}) as Record<string, unknown>)) metadata[k] = String(v);
  const entries = Object.entries(rest).map(([name, value]) => [name, entryOf(path, name, value)] as const);
  let covered = 0;
  for (const [name, e] of [...entries].sort(([, a], [, b]) => a.range[0] - b.range[0] || a.range[1] - b.range[1])) {
    if (e.range[0] !== covered)
      throw new DataError('format', path, `tensor ${JSON.stringify(name)} leaves a gap or overlaps another`);
    covered = e.range[1];
  }
  if (covered !== bytes.length - start) {
    const code = covered > bytes.length - start ? 'truncated' : 'format';
    throw new DataError(code, path, `its tensors need ${covered} bytes, it has ${bytes.length - start}`);
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, e] of entries) {
    tensors.set(name, {
      dtype: e.dtype,
      shape: e.shape,
      bytes: new Uint8Array(bytes.subarray(start + e.range[0], start + e.range[1])),
    });
  }
  return { tensors, metadata };
}

/** Throws DataError where the file is missing or damaged. */
export function readSafetensors(path: string): Tensors {
  try {
    return decodeSafetensors(readFileSync(path), path);
  } catch (e) {
    if (e instanceof DataError) throw e;
    const code = (e as NodeJS.ErrnoException).code;
    throw new DataError('missing', path, code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`);
  }
}

const known = new Map<string, { readonly stamp: string; readonly file: TensorFile }>();

/** The shapes of a file's f32 tensors and a hash of its bytes. Read anew where it has changed. Throws DataError where it is missing or damaged. */
export function tensorFile(path: string): TensorFile {
  const stat = statSync(path, { throwIfNoEntry: false });
  const stamp = stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : '';
  const before = known.get(path);
  if (before?.stamp === stamp && stat) return before.file;
  const { tensors } = readSafetensors(path);
  const hash = createHash('sha256');
  const shapes = new Map<string, Shape>();
  for (const [name, t] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} ${t.dtype} ${t.shape.join()}\n`).update(t.bytes);
    if (t.dtype === 'f32') shapes.set(name, t.shape);
  }
  const file: TensorFile = { path, hash: hash.digest('hex').slice(0, 16), shapes };
  known.set(path, { stamp, file });
  return file;
}
