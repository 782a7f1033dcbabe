import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import type { Args } from '../../src/ir/layer.ts';
import type { Value } from '../../src/ir/graph.ts';
import { ALL, filled, layer } from './support.ts';
import { centralDifference, differentiated, runNative } from './run.ts';
import type { Build } from './run.ts';

type Use = readonly [string, Args?];

const chain =
  (...uses: readonly Use[]): Build =>
  (b, inputs) =>
    uses.reduce<readonly Value[]>(
      (values, [name, args], i) => [
        b.scope(`${name}[${i}]`, () => layer(name).build(b, values, filled(layer(name), args))),
      ],
      inputs,
    )[0]!;

const act = { act: 'tanh' } as const;
const image = f32(2, 7, 6, 3);

// Each layer at least once, in networks such as people write; kinks and ties of relu, maxpool and max lie far from random numbers.
const NETS: readonly (readonly [readonly TensorType[], ...Use[]])[] = [
  [[f32(5, 4)], ['dense', { out: 6 }], ['relu'], ['dense', { out: 3 }]],
  [[f32(5, 4)], ['dense', { out: 6 }], ['gelu'], ['rmsnorm'], ['dense', { out: 3, bias: false }]],
  [[f32(5, 4)], ['dense', { out: 6 }], ['gelu_tanh'], ['layernorm'], ['silu'], ['dense', { out: 1 }]],
  [[f32(2, 3, 4)], ['dense', { out: 6 }], ['tanh'], ['softmax', { axis: 1 }], ['mean', { axis: 1 }]],
  [[f32(2, 3, 4)], ['softmax'], ['dense', { out: 2 }], ['sigmoid'], ['max', { axis: 1 }]],
  [[image], ['conv', { out: 4 }], ['relu'], ['maxpool', { k: 2 }], ['flatten'], ['dense', { out: 2 }]],
  [[image], ['conv', { out: 4, k: [3, 2], stride: 2, padding: 'valid' }], ['gelu'], ['avgpool', { k: 2 }]],
  [[image], ['conv', { out: 6, k: 3, dilation: 2, groups: 3 }], ['batchnorm'], ['relu'], ['globalmean']],
  [[image], ['conv', { out: 6, k: 4, stride: [2, 3] }], ['tanh'], ['maxpool', { k: 3, stride: 1 }], ['globalmean']],
  [[image], ['dwconv', { k: 3, multiplier: 2 }], ['batchnorm'], ['se', { ratio: 2 }], ['avgpool', { k: 3, stride: 2 }]],
  [[image], ['project', { n: 4 }], ['dropout', { p: 0.5 }], ['flatten', { axes: [1, 2] }], ['mean', { axis: 2 }]],
  [[f32(2, 9, 3)], ['conv', { out: 4, k: 3, padding: 1 }], ['relu'], ['dwconv', { k: 2, stride: 2 }], ['globalmean']],
  [
    [f32(2, 4, 3, 3, 2)],
    ['conv', { out: 3, k: 2 }],
    ['relu'],
    ['maxpool', { k: 2 }],
    ['avgpool', { k: 2, padding: 1 }],
  ],
  [
    [f32(2, 4, 4, 2)],
    ['patches', { p: 2 }],
    ['dense', { out: 6 }],
    ['positions'],
    ['attention', { heads: 2 }],
    ['ffn', { hidden: 5, ...act }],
  ],
  [[f32(2, 5, 4)], ['attention', { heads: 2, causal: true, bias: false, score: 'wma', temperature: 1.5 }]],
  [[f32(2, 5, 3)], ['s4d', { states: 4, init: 'lin' }], ['s4d', { states: 2 }]],
  [[f32(2, 5, 4)], ['moe', { experts: 3, top: 2, hidden: 5, balance: 0, ...act }], ['mean', { axis: 1 }]],
  [[i32(2, 5)], ['embedding', { vocab: 3, dim: 4 }], ['positions'], ['layernorm'], ['mean', { axis: 1 }]],
  [[f32(3, 4), f32(3, 4), f32(3, 4)], ['mul'], ['id']],
  [[f32(3, 4), f32(3, 4)], ['add'], ['dense', { out: 2 }]],
  [[f32(3, 4), f32(3, 2)], ['concat'], ['dense', { out: 2 }]],
  [[f32(3, 4), f32(3, 4)], ['dot']],
];

const PROBES = 8;

const training = suite('gradients of networks on the addon against central differences');

training('every layer stands in a network', () => {
  const used = new Set(NETS.flatMap(([, ...uses]) => uses.map(([name]) => name)));
  // Of `none` nothing depends on the input.
  assert.equal(
    ALL.map((l) => l.name).filter((name) => !used.has(name)),
    ['none'],
  );
});

for (const [inputs, ...uses] of NETS) {
  training(uses.map(([name]) => name).join(' -> '), async () => {
    const d = differentiated(inputs, chain(...uses), JSON.stringify(uses));
    assert.ok(d.wrt.length > 0);
    const found = await runNative(d.grads, d.values);
    const random = new Random('probes');
    for (const name of d.wrt) {
      const grad = found.get(`d ${name}`)!;
      const scale = Math.max(1, ...grad.map(Math.abs));
      for (let i = 0; i < Math.min(PROBES, grad.length); i++) {
        const at = grad.length <= PROBES ? i : random.below(grad.length);
        const expected = centralDifference(d, name, at);
        const off = Math.abs(grad[at]! - expected);
        assert.ok(off < 2e-4 * scale, `d ${name}[${at}] is ${grad[at]}, expected ${expected}`);
      }
    }
  });
}

training.run();
