import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { prepare } from '../../src/native/native.ts';
import type { PreparedPlan } from '../../src/native/native.ts';
import type { ExternalArray } from '../../src/native/door.ts';
import { errorOf, rawPlan } from '../support/raw-plan.ts';
import type { DoorError } from '../support/raw-plan.ts';

const COUNT = 10_000;
const SLOWEST_MS = 2000;
const WORTH_RUNNING = 1 << 20;

const ints = (...values: number[]): bigint[] => values.map(BigInt);

// A bit of everything: products, index inputs, optional and variadic inputs, dims, perStep, in place.
const seeds = [
  rawPlan({
    names: ['w', 'b', 'layers.0'],
    arenaBytes: 256,
    views: [
      { place: 'external', dims: [4, 3] },
      { place: 'external', ref: 1, dims: [5, 3] },
      { place: 'external', ref: 2, dims: [5] },
      { place: 'arena', offset: 0, dims: [4, 5], written: true },
      { place: 'external', ref: 3, dims: [4, 5], written: true },
    ],
    steps: [
      { op: 'linear', inputs: [0, 1, 2], outputs: [3], attrs: [1n], name: 2 },
      { op: 'relu', inputs: [3], outputs: [3] },
      { op: 'affine', inputs: [3], outputs: [4], attrs: [1, 0] },
    ],
  }),
  rawPlan({
    views: [
      { place: 'external', dims: [10, 6], dtype: 'u8' },
      { place: 'external', ref: 1, dims: [4], dtype: 'i32', perStep: true },
      { place: 'external', ref: 2, dims: [4, 6], perStep: true, written: true },
    ],
    steps: [{ op: 'load_u8', inputs: [0, 1], outputs: [2], attrs: [0.5, 1] }],
  }),
  rawPlan({
    arenaBytes: 1024,
    views: [
      { place: 'external', dims: [2, 1, 6, 6, 2] },
      { place: 'external', ref: 1, dims: [3, 1, 3, 3, 2] },
      { place: 'arena', offset: 0, dims: [2, 1, 6, 6, 3], written: true },
      { place: 'external', ref: 2, dims: [2, 1, 3, 3, 3], written: true },
      { place: 'external', ref: 3, dims: [2, 1, 3, 3, 3], dtype: 'i32', written: true },
    ],
    steps: [
      { op: 'conv', inputs: [0, 1], outputs: [2], attrs: ints(1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1) },
      { op: 'maxpool', inputs: [2], outputs: [3, 4], attrs: ints(1, 2, 2, 1, 2, 2, 0, 0, 0, 0, 0, 0) },
    ],
  }),
  rawPlan({
    arenaBytes: 512,
    views: [
      { place: 'external', dims: [2, 3, 4] },
      { place: 'external', ref: 1, dims: [2, 5, 4] },
      { place: 'arena', dims: [2, 8, 4], written: true },
      { place: 'arena', offset: 256, dims: [4, 2, 8], written: true },
      { place: 'external', ref: 2, dims: [4, 1, 8], written: true },
    ],
    steps: [
      { op: 'concat', inputs: [0, 1], outputs: [2], attrs: ints(1) },
      { op: 'transpose', inputs: [2], outputs: [3], attrs: ints(2, 0, 1, 0, 0, 0, 0, 0) },
      { op: 'sum', inputs: [3], outputs: [4], attrs: ints(2) },
    ],
  }),
  rawPlan({
    views: [
      { place: 'external', dims: [6, 10] },
      { place: 'external', ref: 1, dims: [6], dtype: 'i32' },
      { place: 'external', ref: 2, dims: [6], written: true },
      { place: 'external', ref: 3, dims: [7, 10], written: true },
    ],
    steps: [
      { op: 'cross_entropy', inputs: [0, 1], outputs: [2] },
      { op: 'scatter_rows', inputs: [0, 1], outputs: [3], attrs: ints(7) },
    ],
  }),
];

const NASTY = [0, 1, 2, 3, 4, 7, 8, 63, 64, 127, 128, 255, 256, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const NASTY_LONG = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 40n,
  2n ** 40n + 1n,
  2n ** 46n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
];

// One to four changes: bytes, words of both sizes, stretches moved or swapped, tails cut.
function mutate(seed: Uint8Array, random: Random): Uint8Array {
  let bytes = seed.slice();
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  for (let n = 1 + random.below(4); n > 0; n--) {
    const data = new DataView(bytes.buffer);
    const kind = random.below(7);
    if (kind === 0) bytes[random.below(bytes.length)] = random.below(256);
    if (kind === 1) data.setUint32(4 * random.below(bytes.length >> 2), pick(NASTY), true);
    if (kind === 2) data.setBigUint64(8 * random.below(bytes.length >> 3), pick(NASTY_LONG), true);
    if (kind === 3) data.setUint32(4 * random.below(bytes.length >> 2), random.below(12), true);
    if (kind === 4) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    if (kind === 5) {
      const length = 8 * (1 + random.below(12));
      const from = 8 * random.below(Math.max(1, (bytes.length - length) >> 3));
      bytes.copyWithin(8 * random.below(Math.max(1, (bytes.length - length) >> 3)), from, from + length);
    }
    if (kind === 6 && random.below(10) === 0) {
      bytes = bytes.slice(0, 8 * (1 + random.below(bytes.length >> 3)));
      if (bytes.length >= 48) new DataView(bytes.buffer).setBigUint64(40, BigInt(bytes.length), true);
    }
  }
  return bytes;
}

// Externals of a valid plan, small ones only. The layout of views is that of rawPlan without names before them.
function externalsFor(bytes: Uint8Array, steps: number): ExternalArray[] | null {
  const data = new DataView(bytes.buffer, bytes.byteOffset);
  const [names, views, externals] = [data.getUint32(16, true), data.getUint32(20, true), data.getUint32(28, true)];
  if (Number(data.getBigUint64(32, true)) > WORTH_RUNNING) return null;
  let at = 64;
  for (let i = 0; i < names; i++) at += 4 + Math.ceil(data.getUint32(at, true) / 4) * 4;
  at = Math.ceil(at / 8) * 8;
  const arrays: ExternalArray[] = new Array(externals);
  for (let i = 0; i < views; i++, at += 88) {
    if (bytes[at] !== 2) continue;
    const rank = bytes[at + 2]!;
    let n = bytes[at + 3]! & 1 ? steps : 1;
    for (let d = 0; d < rank; d++) n *= Number(data.getBigUint64(at + 16 + 8 * d, true));
    if (n > WORTH_RUNNING) return null;
    const make = [Float32Array, Int32Array, Uint8Array][bytes[at + 1]!]!;
    arrays[data.getUint32(at + 4, true)] = new make(Array.from({ length: n }, (_, k) => (k * 7) % 13));
  }
  return arrays;
}

function isNamed(error: DoorError): void {
  assert.ok(error.code === 'TENON_BAD_PLAN', `${error.code} ${error.message}`);
  assert.ok(error.argument !== '', error.message);
}

function runIt(plan: PreparedPlan, bytes: Uint8Array): boolean {
  const externals = externalsFor(bytes, 2);
  if (!externals) return false;
  try {
    plan.runSync(null, externals, { steps: 2, threads: 2 });
  } catch (error) {
    const { code } = error as DoorError;
    assert.ok(['TENON_BAD_INDEX', 'TENON_BAD_ARGUMENT', 'TENON_NO_MEMORY'].includes(code), (error as Error).message);
  }
  return true;
}

const hostile = suite('hostile plans');

hostile('the seeds are good', () => {
  for (const seed of seeds) assert.ok(runIt(prepare(seed), seed));
});

hostile(`${COUNT} mutated plans: an error that names the place, or a run without harm`, () => {
  const random = new Random('hostile plans');
  let ran = 0,
    refused = 0,
    slowest = 0;
  for (let i = 0; i < COUNT; i++) {
    const bytes = mutate(seeds[i % seeds.length]!, random);
    const start = performance.now();
    let plan: PreparedPlan | null = null;
    try {
      plan = prepare(bytes);
    } catch (error) {
      isNamed(error as DoorError);
      refused++;
    }
    if (plan && runIt(plan, bytes)) ran++;
    plan?.close();
    slowest = Math.max(slowest, performance.now() - start);
  }
  assert.ok(slowest < SLOWEST_MS, `one took ${slowest} ms`);
  assert.ok(ran > COUNT / 100, `only ${ran} ran`);
  assert.ok(refused > COUNT / 2, `only ${refused} were refused`);
});

hostile('random bytes behind a good header', () => {
  const random = new Random('random bytes');
  const head = seeds[0]!.slice(0, 64);
  for (let i = 0; i < 1000; i++) {
    const bytes = new Uint8Array(64 + 8 * random.below(200));
    for (let k = 64; k < bytes.length; k++) bytes[k] = random.below(3) === 0 ? random.below(256) : random.below(4);
    bytes.set(head);
    const data = new DataView(bytes.buffer);
    data.setBigUint64(40, BigInt(bytes.length), true);
    for (const at of [16, 20, 24, 28]) data.setUint32(at, random.below(6), true);
    if (bytes.length > 64) isNamed(errorOf(() => prepare(bytes)));
  }
});

hostile.run();
