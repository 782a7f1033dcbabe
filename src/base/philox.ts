/**
 * Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four 32-bit words as a pure
 * function of a 128-bit counter and a 64-bit key.
 */
export type Key = readonly [number, number];
export type Counter = readonly [number, number, number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

// High and low 32 bits of the product of two unsigned 32-bit numbers.
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff,
    aHigh = a >>> 16,
    bLow = b & 0xffff,
    bHigh = b >>> 16;
  const low = aLow * bLow;
  const mid1 = aHigh * bLow + (low >>> 16);
  const mid2 = aLow * bHigh + (mid1 & 0xffff);
  return (aHigh * bHigh + Math.floor(mid1 / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}

export function philox(counter: Counter, key: Key): Uint32Array {
  const out = new Uint32Array(4);
  philoxInto(out, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return out;
}

export function philoxInto(
  out: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0 >>> 0),
      low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2 >>> 0),
      low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A 64-bit key from any values: two FNV-1a passes over their text, mixed by one Philox block. */
export function keyOf(...parts: readonly (string | number | bigint)[]): Key {
  const text = parts.map((p) => `${typeof p}:${p}`).join('\u0000');
  let a = 0x811c9dc5,
    b = 0xc9dc5118;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193) >>> 0;
    b = Math.imul(b ^ text.charCodeAt(i), 0x01000193) >>> 0;
    b = ((b << 5) | (b >>> 27)) >>> 0;
  }
  const words = philox([text.length, a, b, 0], [a, b]);
  return [words[0]!, words[1]!];
}

/** A sequential stream over Philox blocks; its whole state is (key, position). */
export class Random {
  readonly key: Key;
  private position = 0;
  private readonly block = new Uint32Array(4);

  constructor(...seed: readonly (string | number | bigint)[]) {
    this.key = keyOf(...seed);
  }

  /** A uniform 32-bit word. */
  word(): number {
    const lane = this.position & 3;
    if (lane === 0) {
      const index = this.position / 4;
      philoxInto(this.block, index >>> 0, Math.floor(index / 4294967296), 0, 0, this.key[0], this.key[1]);
    }
    this.position++;
    return this.block[lane]!;
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    return ((this.word() >>> 5) * 67108864 + (this.word() >>> 6)) / 9007199254740992;
  }

  /** Uniform whole number in [0, n), without bias; n up to 2^53. */
  below(n: number): number {
    return Number(this.belowBig(BigInt(n)));
  }

  /** Uniform whole number in [0, n), without bias, of any size. */
  belowBig(n: bigint): bigint {
    if (n <= 0n) throw new Error('bug: belowBig of an empty range');
    const bits = (n - 1n).toString(2).length;
    const words = Math.ceil(bits / 32);
    const spare = BigInt(words * 32 - bits);
    for (;;) {
      let value = 0n;
      for (let i = 0; i < words; i++) value = (value << 32n) | BigInt(this.word());
      value >>= spare;
      if (value < n) return value;
    }
  }

  /** Standard normal by Box-Muller. */
  normal(): number {
    const u = (this.word() + 0.5) / 4294967296;
    const v = (this.word() + 0.5) / 4294967296;
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }

  /** A random permutation of 0 .. n-1 (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below32(i + 1);
      const t = order[i]!;
      order[i] = order[j]!;
      order[j] = t;
    }
    return order;
  }

  // Lemire's method with rejection: unbiased, one word in almost every case.
  private below32(n: number): number {
    const threshold = (4294967296 - n) % n;
    for (;;) {
      const w = this.word();
      const low = Math.imul(w, n) >>> 0;
      if (low >= threshold) return mulHigh(w, n);
    }
  }
}
