// The size of the second cache, which TENON_L2 tells in place of the system, cuts work but no sum: the same bits.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { Attrs, OpDef } from '../../src/ir/op.ts';
import { conv, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { kronLinear } from '../../src/ops/kron-linear.ts';
import { linearWeightGrad } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { tuckerConv } from '../../src/ops/tucker-conv.ts';
import { draw } from '../layers/run.ts';
import { bytesOf } from '../support/op-cases.ts';
import { runOp } from '../support/run-op.ts';

type Use = readonly [name: string, op: OpDef, types: readonly (TensorType | null)[], attrs: Attrs];

// A 3x3 convolution whose rows and images are more than a small cache holds, and its gradients.
function convUses(images: number, size: number, cin: number, cout: number, groups: number): Use[] {
  const [x, w, y] = [
    f32(images, 1, size, size, cin),
    f32(cout, 1, 3, 3, cin / groups),
    f32(images, 1, size, size, cout),
  ];
  const attrs = {
    ...{ stride: [1, 1, 1], padBefore: [0, 1, 1], padAfter: [0, 1, 1], dilation: [1, 1, 1] },
    ...{ groups, winograd: 'off' },
  };
  const what = `${images}x${size}x${size}, ${cin} to ${cout}, ${groups} groups`;
  return [
    [`conv ${what}`, conv, [x, w], attrs],
    [`conv ${what} by Winograd`, conv, [x, w], { ...attrs, winograd: 'on' }],
    [`conv_input_grad ${what}`, convInputGrad, [y, w], { ...attrs, size: [1, size, size] }],
    [`conv_weight_grad ${what}`, convWeightGrad, [x, y], { ...attrs, kernel: [1, 3, 3] }],
  ];
}

const USES: readonly Use[] = [
  ...convUses(2, 40, 48, 40, 1),
  ...convUses(2, 64, 32, 32, 32),
  ...convUses(2, 90, 3, 20, 1),
  ...convUses(1, 200, 24, 8, 2),
  ['matmul', matmul, [f32(700, 900), f32(900, 130)], { transA: 0, transB: 0 }],
  ['linear_weight_grad', linearWeightGrad, [f32(3000, 200), f32(3000, 70)], {}],
  ['kron_linear', kronLinear, [f32(500, 400), f32(4, 4, 4), f32(4, 50, 100)], {}],
  [
    'tucker_conv',
    tuckerConv,
    [f32(20, 1, 28, 28, 32), f32(32, 12), f32(12, 1, 3, 3, 12), f32(32, 12), null, null],
    {
      ...{ stride: [1, 1, 1], padBefore: [0, 1, 1], padAfter: [0, 1, 1], dilation: [1, 1, 1] },
      ...{ groups: 1, winograd: 'on', scale: 1, keep: 1 },
    },
  ],
];

function digests(): Record<string, string> {
  const random = new Random('test', 'cache');
  return Object.fromEntries(
    USES.map(([name, op, types, attrs]) => {
      const hash = createHash('sha256');
      const inputs = types.map((type) => type && draw(type, random));
      for (const array of runOp(op, types, inputs, attrs, { threads: 2 })) hash.update(bytesOf(array));
      return [name, hash.digest('hex')];
    }),
  );
}

const DIGESTS = '--digests';
function digestsAt(bytes: number): unknown {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), DIGESTS];
  const env = { ...process.env, TENON_L2: String(bytes) };
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }));
}

if (process.argv.includes(DIGESTS)) {
  console.log(JSON.stringify(digests()));
} else {
  const cache = suite('native: the size of the second cache');
  cache('changes no bits', () => {
    const [small, large] = [2 ** 18, 2 ** 22].map(digestsAt);
    assert.equal(small, large);
  });
  cache.run();
}
