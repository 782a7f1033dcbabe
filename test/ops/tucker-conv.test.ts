// Tucker convolutions block by block against the three products one after the other, which so many threads take that
// blocks are too few for them: the same bits.
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { Attrs } from '../../src/ir/op.ts';
import { info, prepare } from '../../src/native/native.ts';
import { tuckerConv } from '../../src/ops/tucker-conv.ts';
import { draw } from '../layers/run.ts';
import { linesOf } from '../support/kernel-program.ts';
import { bytesOf } from '../support/op-cases.ts';
import { planOp, prepareOp } from '../support/run-op.ts';
import type { NativeArray } from '../support/run-op.ts';

type Three = readonly [number, number, number];
interface Case {
  readonly name: string;
  readonly images: number;
  readonly size: Three;
  readonly ranks: readonly [number, number];
  readonly kernel: Three;
  readonly channels?: number;
  readonly out?: number;
  readonly stride?: Three;
  readonly dilation?: Three;
  readonly padBefore?: Three;
  readonly padAfter?: Three;
  readonly bias?: boolean;
  readonly scale?: number;
}

const ONES: Three = [1, 1, 1];
const NONE: Three = [0, 0, 0];
/** More than any case has blocks for. */
const MANY = 64;
const MB = 2 ** 20;
const TAKEN = [1, 2, 3, 5];

const typesOf = ({ images, size, ranks: [rankIn, rankOut], kernel, channels = 3, out = 5, bias }: Case) => {
  const given = [f32(images, ...size, channels), f32(channels, rankIn), f32(rankOut, ...kernel, rankIn)];
  return [...given, f32(out, rankOut), null, bias ? f32(out) : null];
};
const attrsOf = (c: Case, keep: number): Attrs => ({
  stride: c.stride ?? ONES,
  padBefore: c.padBefore ?? NONE,
  padAfter: c.padAfter ?? c.padBefore ?? NONE,
  dilation: c.dilation ?? ONES,
  ...{ groups: 1, winograd: 'on', scale: c.scale ?? 1, keep },
});

function check(c: Case): void {
  const types = typesOf(c);
  const random = new Random('test', 'tucker-conv', c.name);
  const inputs = types.map((type) => type && draw(type, random));
  for (const isa of info().isas) {
    // Staged: outputs lie at whole lines, as those that are streamed have to.
    const [kept, made] = [1, 0].map((keep) => prepareOp(tuckerConv, types, attrsOf(c, keep), { isa, staged: true }));
    try {
      const passes = kept!.run(inputs, { threads: MANY });
      passes.forEach((data, i) => assert.not.ok(data.some(Number.isNaN), `${c.name}: output ${i} has NaN, ${isa}`));
      const bytes = passes.map(bytesOf);
      const same = (data: NativeArray, i: number, what: string): void =>
        assert.ok(bytesOf(data).equals(bytes[i]!), `${c.name}: output ${i} ${what}, ${isa}`);
      for (const threads of [...TAKEN, MANY]) {
        kept!.run(inputs, { threads }).forEach((found, i) => same(found, i, `on ${threads} threads`));
        same(made!.run(inputs, { threads })[0]!, 0, `on ${threads} threads, nothing kept`);
      }
    } finally {
      kept!.close();
      made!.close();
    }
  }
}

const three: Three = [1, 3, 3];
const pad: Three = [0, 1, 1];

/** Blocks of whole images. */
const WHOLE: readonly Case[] = [
  { name: 'one image a block', images: 24, size: [1, 45, 45], ranks: [16, 16], kernel: three, padBefore: pad },
  { name: 'past the caches', images: 22, size: [1, 61, 57], ranks: [9, 17], kernel: three, out: 64, bias: true },
  {
    name: 'few channels out',
    images: 24,
    size: [1, 51, 47],
    ranks: [17, 7],
    kernel: three,
    padBefore: pad,
    scale: 0.5,
  },
  { name: 'a stride', images: 24, size: [1, 63, 61], ranks: [12, 20], kernel: three, stride: [1, 2, 3], bias: true },
  { name: 'between taps', images: 20, size: [1, 47, 53], ranks: [16, 15], kernel: three, dilation: [1, 2, 3] },
  {
    name: 'an even window, padding on one side',
    ...{ images: 21, size: [1, 40, 50], ranks: [16, 16], kernel: [1, 2, 4] },
    ...{ padBefore: [0, 0, 3], padAfter: [0, 2, 0] },
  },
  {
    name: 'pixels that nothing reads',
    images: 20,
    size: [1, 70, 71],
    ranks: [20, 11],
    kernel: [1, 2, 1],
    stride: [1, 3, 2],
  },
  { name: 'tiny images', images: 1003, size: [1, 5, 3], ranks: [33, 34], kernel: three, padBefore: pad },
  { name: 'tiles of two', images: 1500, size: [1, 2, 2], ranks: [40, 48], kernel: three, padBefore: pad },
  { name: 'one axis', images: 23, size: [1, 1, 1999], ranks: [18, 16], kernel: [1, 1, 5], padBefore: [0, 0, 2] },
  { name: 'three axes', images: 20, size: [7, 15, 17], ranks: [16, 16], kernel: [3, 3, 3], padBefore: ONES },
  { name: 'two images', images: 2, size: [1, 45, 71], ranks: [16, 13], kernel: three, padBefore: pad },
];

/** Blocks of parts of an image, where nothing is kept; of whole ones there are too few for blocks. */
const CUT: readonly Case[] = [
  { name: 'rows', images: 1, size: [1, 1203, 223], ranks: [8, 8], kernel: three, padBefore: pad, out: 32, bias: true },
  { name: 'rows of tiles', images: 2, size: [1, 1001, 73], ranks: [16, 16], kernel: three, padBefore: pad, scale: 2 },
  {
    name: 'rows, a stride',
    images: 1,
    size: [1, 1401, 205],
    ranks: [14, 11],
    kernel: three,
    stride: [1, 2, 2],
    padBefore: pad,
  },
  {
    name: 'rows that nothing reads',
    images: 1,
    size: [1, 1400, 200],
    ranks: [16, 12],
    kernel: [1, 2, 2],
    stride: [1, 3, 3],
  },
  {
    name: 'rows, between taps',
    images: 1,
    size: [1, 6001, 45],
    ranks: [8, 9],
    kernel: three,
    dilation: [1, 3, 2],
    padBefore: [0, 3, 2],
  },
  { name: 'columns', images: 1, size: [1, 1, 300_001], ranks: [7, 9], kernel: [1, 1, 9], padBefore: [0, 0, 4] },
  {
    name: 'padding behind, a short last block',
    ...{ images: 1, size: [1, 1153, 150], ranks: [16, 15], kernel: [1, 3, 3], dilation: [1, 1, 2] },
    ...{ padBefore: NONE, padAfter: [0, 2, 0] },
  },
  { name: 'what fills a second cache', images: 1, size: [1, 203, 150], ranks: [16, 15], kernel: three, padBefore: pad },
  { name: 'depth', images: 1, size: [1003, 16, 17], ranks: [8, 8], kernel: [3, 3, 3], padBefore: ONES },
];

/** Of which some parts would lie in the padding. */
const PADDED: Case = {
  name: 'rows of padding alone',
  ...{ images: 1, size: [1, 1203, 150], ranks: [16, 15], kernel: three },
  ...{ padBefore: [0, 30, 1], padAfter: [0, 50, 1] },
};

/** Bytes between the products, and those that all threads of this machine ask for where they are not kept. */
function memory(c: Case, isa: string): { readonly between: number; readonly scratch: number } {
  const types = typesOf(c);
  const prepared = prepare(planOp(tuckerConv, types, attrsOf(c, 0)).bytes, isa);
  const [, into, small] = inferTypes(tuckerConv, types, attrsOf(c, 1));
  const between = 4 * (numel(into!.shape) + numel(small!.shape));
  const scratch = prepared.scratchBytes;
  prepared.close();
  return { between, scratch };
}

const blocks = suite('ops: Tucker convolutions by blocks');
for (const c of WHOLE) blocks(`whole images: ${c.name}`, () => check(c));
for (const c of [...CUT, PADDED]) blocks(`parts of images: ${c.name}`, () => check(c));
blocks('a plan has room for every one of its blocks, whatever the padding', () => {
  const [plans, cut, short] = linesOf(join(import.meta.dirname, 'through.cpp'), [])[0]!
    .split(' ')
    .map(Number);
  assert.ok(plans! > 1000 && cut! > 300, `${plans} plans, ${cut} of them of cut images`);
  assert.is(short, 0);
});
for (const images of [0, 1]) {
  blocks(`${images} images`, () =>
    check({
      name: `${images} images`,
      images,
      size: [1, 9, 6],
      ranks: [3, 4],
      kernel: three,
      padBefore: pad,
      bias: true,
    }),
  );
}
// Enough of them for as many threads as there may be.
blocks('what lies between is of a few blocks for each thread, of whole images and of parts of them', () => {
  const { threads, isas } = info();
  for (const isa of isas) {
    for (const c of [...WHOLE, ...CUT]) {
      const { between, scratch } = memory({ ...c, images: Math.max(8 * threads, 20) * c.images }, isa);
      assert.ok(scratch < threads * 1.25 * MB + 0.25 * MB, `${c.name}: ${scratch} of ${between} bytes, ${isa}`);
      assert.ok(scratch < between / 2, `${c.name}: ${scratch} of ${between} bytes, ${isa}`);
    }
    const few = { ...WHOLE[0]!, images: 4 };
    if (threads > 1) assert.ok(memory(few, isa).scratch > memory(few, isa).between, 'too few blocks');
  }
});
blocks.run();
