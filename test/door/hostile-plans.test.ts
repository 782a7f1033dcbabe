import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { prepare } from '../../src/native/native.ts';
import { attack, isNamed, mutate, runIt } from '../support/hostile.ts';
import { errorOf, rawPlan } from '../support/raw-plan.ts';

const COUNT = 10_000;

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
      { op: 'linear', inputs: [0, 1, 2, null], outputs: [3], attrs: [1n, 0n], name: 2 },
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
      { op: 'conv', inputs: [0, 1], outputs: [2], attrs: ints(1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0) },
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
  rawPlan({
    arenaBytes: 512,
    views: [
      { place: 'external', dims: [4, 8] },
      { place: 'external', ref: 1, dims: [8] },
      { place: 'arena', dims: [4, 8], written: true },
      { place: 'arena', offset: 128, dims: [32], written: true },
      { place: 'external', ref: 2, dims: [4, 8], written: true },
    ],
    steps: [
      { op: 'add', inputs: [0, 1], outputs: [2] },
      { op: 'softmax', inputs: [2], outputs: [4], joins: true },
      { op: 'fill', inputs: [], outputs: [3], attrs: [1n, 32n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 1.5], joins: true },
    ],
  }),
];

const hostile = suite('hostile plans');

hostile('the seeds are good', () => {
  for (const seed of seeds) assert.ok(runIt(prepare(seed), seed));
});

hostile(`${COUNT} mutated plans: an error that names the place, or a run without harm`, () => {
  const random = new Random('hostile plans');
  const { ran, refused } = attack(
    Array.from({ length: COUNT }, (_, i) => () => mutate(seeds[i % seeds.length]!, random)),
  );
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
