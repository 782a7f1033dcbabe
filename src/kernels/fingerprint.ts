import type { Data } from './tensor.ts';

const SAMPLES = 16;

/** Of some sixteen numbers spread over an array: tells that it holds other data by now, not that a few of its numbers changed. */
export function fingerprint(data: Data): number {
  if (data.length === 0) return 0; // detached too
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  const step = Math.ceil(data.length / SAMPLES);
  let hash = data.length | 0;
  for (let i = 0; i < data.length; i += step) hash = Math.imul(hash, 0x01000193) ^ bits[i]!;
  return hash;
}

export type Fingerprints = Readonly<Record<string, number>>;

export const fingerprints = (arrays: Readonly<Record<string, Data>>): Fingerprints =>
  Object.fromEntries(Object.entries(arrays).map(([name, data]) => [name, fingerprint(data)]));
