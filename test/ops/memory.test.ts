import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { forward, forwardBackward } from '../../src/bench/runner.ts';
import type { Attrs } from '../../src/ir/op.ts';
import type { Graph } from '../../src/ir/graph.ts';
import { lower } from '../../src/ir/rebuild.ts';
import { prepare } from '../../src/native/native.ts';
import { conv } from '../../src/ops/conv.ts';
import { OPS } from '../../src/ops/index.ts';
import { kronConv } from '../../src/ops/kron-conv.ts';
import { tuckerConv } from '../../src/ops/tucker-conv.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';
import { draw, runNative } from '../layers/run.ts';

const KB = 1024;
const window = (k: number, stride = 1, groups = 1): Attrs => {
  const pad = [0, (k - 1) >> 1, (k - 1) >> 1];
  return {
    ...{ stride: [1, stride, stride], padBefore: pad, padAfter: pad },
    ...{ dilation: [1, 1, 1], groups, winograd: 'on' },
  };
};
const image = (channels: number, size = 12): TensorType => f32(1, 1, size, size, channels);

/** Bytes of a run beside what it is given: the arena and, on all threads, scratch. */
function memory(graph: Graph): number {
  const prepared = prepare(makePlan(optimize(graph), { ops: OPS }).bytes);
  return prepared.arenaBytes + prepared.scratchBytes;
}

type Given = Parameters<typeof forwardBackward>;
type Net = readonly [inputs: Given[0], build: Given[1]];
const plain = (ins: number, out: number, k: number, groups = 1): Net => [
  [image(ins), f32(out, 1, k, k, ins / groups)],
  (b, [x, w]) => b.one(conv, [x!, w!], window(k, 1, groups)),
];

interface KronWindow {
  readonly size?: number;
  readonly stride?: number;
  readonly groups?: number;
  readonly images?: number;
}
const kron = (ins: number, out: number, n: number, k: number, at: KronWindow = {}): Net => {
  const { size = 12, stride = 1, groups = 1, images = 1 } = at;
  return [
    [f32(images, 1, size, size, ins), f32(n, n, n), f32(n, out / n, 1, k, k, ins / groups / n)],
    (b, [x, a, f]) => b.one(kronConv, [x!, a!, f!], window(k, stride, groups)),
  ];
};

const memories = suite('memory of weights that are not made');
/** Of a panel of W, of 32 channels or what about fills a second cache. */
const PANEL = 1280 * KB;

memories('a Kronecker convolution holds no more of W than a panel, whatever the channels', () => {
  for (const [ins, out, n, k] of [
    [256, 256, 4, 3],
    [512, 512, 4, 3],
    [1024, 1024, 8, 3],
    [512, 2048, 2, 1],
    [256, 512, 4, 5],
  ] as const) {
    const whole = 4 * ins * out * k * k;
    const found = memory(forward(...kron(ins, out, n, k)));
    // What a plain convolution into one panel of channels takes, its packed weights included.
    assert.ok(
      found < memory(forward(...plain(ins, 32, k))) + 2 * PANEL,
      `${ins} to ${out}, ${k}x${k}: ${found}, W has ${whole}`,
    );
  }
});

memories('nor do its gradients', () => {
  for (const [ins, out] of [
    [512, 512],
    [1024, 1024],
  ] as const) {
    const found = memory(forwardBackward(...kron(ins, out, 4, 3)));
    const narrow = Math.max(...[plain(ins, 32, 3), plain(32, out, 3)].map((net) => memory(forwardBackward(...net))));
    const whole = 4 * ins * out * 9;
    assert.ok(found < narrow + 2 * PANEL, `${ins} to ${out}: ${found} against ${narrow}, W has ${whole}`);
  }
});

/** A graph's results against those of the same with some ops made of others. */
async function agrees(graph: Graph, ops: string, name: string): Promise<void> {
  const made = lower(graph, (node) => node.op.name.startsWith(ops));
  const random = new Random(ops, name);
  const values = new Map(graph.leaves.map((leaf) => [leaf.name, draw(leaf.type, random)]));
  const [found, expected] = [await runNative(graph, values), await runNative(made, values)];
  const alone = await runNative(graph, values, 1);
  assert.is(found.size, graph.outputs.length);
  for (const [output, data] of found) assert.equal(alone.get(output), data, `${name}: ${output} on one thread`);
  for (const [output, wanted] of expected) {
    const scale = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    found.get(output)!.forEach((v, i) => {
      assert.ok(Math.abs(v - wanted[i]!) <= 1e-4 * scale, `${name}: ${output}[${i}] is ${v}, not ${wanted[i]}`);
    });
  }
}

memories('blocks of W give what W gives', async () => {
  for (const [ins, out, n, k, at] of [
    [256, 160, 4, 3, { size: 7 }],
    [160, 256, 2, 3, { size: 9 }],
    [300, 96, 3, 5, { size: 6, stride: 2 }],
    [1200, 600, 4, 1, { size: 2 }],
    [40, 48, 8, 3, { size: 5 }],
    [256, 288, 4, 3, { size: 17, images: 20 }], // tiles in several chunks
    [600, 64, 2, 3, { size: 8, images: 3 }], // smaller tiles
    [512, 520, 4, 3, { size: 5, groups: 2 }],
    [520, 192, 2, 5, { size: 6, groups: 2, stride: 2 }],
    [6, 600, 2, 3, { size: 30, groups: 3 }],
  ] as const) {
    await agrees(forwardBackward(...kron(ins, out, n, k, at)), 'kron_conv', `${ins} to ${out}`);
  }
});

const change = (x: TensorType, out: number, k: number, [rankIn, rankOut]: readonly number[], at: Attrs): Graph =>
  forwardBackward(
    [x, f32(x.shape.at(-1)!, rankIn!), f32(rankOut!, 1, k, k, rankIn!), f32(out, rankOut!)].concat([
      f32(out, 1, k, k, x.shape.at(-1)!),
      f32(out),
    ]),
    (b, [v, uIn, core, uOut, base, bias]) => b.one(tuckerConv, [v!, uIn!, core!, uOut!, base!, bias!], at),
    4,
  );

memories('with groups no more of W is held either, forward and backward', () => {
  for (const [ins, out, n, k, groups] of [
    [512, 1024, 4, 3, 2],
    [1024, 512, 2, 3, 4],
    [1024, 1024, 4, 5, 2],
  ] as const) {
    const whole = (4 * ins * out * k * k) / groups;
    const narrow = [plain(ins, 16 * groups, k, groups), plain(16 * groups, out, k, groups)];
    for (const pass of [forward, forwardBackward]) {
      const found = memory(pass(...kron(ins, out, n, k, { groups })));
      const some = Math.max(...narrow.map((net) => memory(pass(...net))));
      assert.ok(
        found < some + 2 * PANEL,
        `${ins} to ${out}, ${groups} groups: ${found} against ${some}, W has ${whole}`,
      );
    }
  }
});

memories('a Tucker change that is added to the packed base gives what three convolutions give', async () => {
  for (const [images, size, ins, out, ranks, k, stride] of [
    [5, 14, 20, 40, [3, 4], 3, 1],
    [8, 17, 33, 6, [1, 5], 3, 2],
    [3, 21, 5, 37, [2, 1], 5, 1],
    [40, 9, 16, 50, [17, 300], 3, 1],
    [9, 16, 3, 8, [0, 2], 2, 1],
  ] as const) {
    const x = f32(images, 1, size, size, ins);
    const graph = change(x, out, k, ranks, { ...window(k, stride), scale: 0.5, keep: 1 });
    await agrees(graph, 'tucker_conv', `${ins} to ${out}, ${k}x${k}`);
  }
});

memories('a Tucker change of a convolution makes no weight of its size, forward and backward', () => {
  const channels = 512;
  const graph = change(image(channels), channels, 3, [16, 16], { ...window(3), scale: 1, keep: 1 });
  const more = memory(graph) - memory(forwardBackward(...plain(channels, channels, 3), 1));
  assert.ok(more < 640 * KB, `${more} more than the base alone, for a change of ${4 * 9 * channels ** 2} bytes`);
});

memories('a prediction keeps nothing between the products of a Tucker change', () => {
  const [x, channels, rank] = [f32(64, 1, 12, 12, 512), 512, 16];
  const taken = [1, 0].map((keep) =>
    memory(
      forward(
        [x, f32(channels, rank), f32(rank, 1, 3, 3, rank), f32(channels, rank), f32(channels, 1, 3, 3, channels)],
        (b, [v, uIn, core, uOut, base]) =>
          b.one(tuckerConv, [v!, uIn!, core!, uOut!, base!, null], { ...window(3), scale: 1, keep }),
      ),
    ),
  );
  assert.ok(taken[0]! - taken[1]! >= 2 * 4 * 64 * 12 * 12 * rank, `${taken[1]}, and ${taken[0]} where it is kept`);
});

memories.run();
