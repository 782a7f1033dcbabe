import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { DataError } from './error.ts';

/** An IDX file of unsigned bytes: the format of MNIST (LeCun). */
export interface Idx {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
const MAX_BYTES = 8 * 1024 ** 3;

/** Reads a file, unpacking gzip; the unpacked size is bounded by what the file claims of itself. */
export function readBytes(file: string): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    throw new DataError('missing', file, code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`);
  }
  if (bytes.length < 2 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const claimed = bytes.length >= 18 ? bytes.readUInt32LE(bytes.length - 4) : 0;
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, Math.min(claimed, MAX_BYTES)) });
  } catch (e) {
    throw new DataError(
      'truncated',
      file,
      `the gzip stream is damaged or longer than it says (${(e as Error).message})`,
    );
  }
}

/** Header: two zero bytes, the element type, the rank, then the sizes as big-endian 32-bit numbers. */
export function parseIdx(bytes: Uint8Array, file: string): Idx {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0) {
    throw new DataError('format', file, 'expected an IDX file, which starts with two zero bytes');
  }
  const type = bytes[2]!;
  const rank = bytes[3]!;
  if (type !== UNSIGNED_BYTE) {
    throw new DataError(
      'format',
      file,
      `expected unsigned bytes (type 0x08), found type 0x${type.toString(16).padStart(2, '0')}`,
    );
  }
  if (rank < 1 || rank > 7) throw new DataError('format', file, `expected 1 to 7 axes, found ${rank}`);
  const start = 4 + 4 * rank;
  if (bytes.length < start)
    throw new DataError('truncated', file, `its header has ${start} bytes, the file ${bytes.length}`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const elements = shape.reduce((n, d) => n * d, 1);
  const found = bytes.length - start;
  if (found !== elements) {
    const code = found < elements ? 'truncated' : 'format';
    throw new DataError(code, file, `[${shape.join(', ')}] needs ${elements} bytes after the header, found ${found}`);
  }
  return { shape, data: bytes.subarray(start) };
}

export const readIdx = (file: string): Idx => parseIdx(readBytes(file), file);
