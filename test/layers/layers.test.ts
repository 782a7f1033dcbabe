import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, i32, showType } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import type { Args, LayerDef } from '../../src/ir/layer.ts';
import { measure } from '../../src/ir/measure-builder.ts';
import type { Measurement } from '../../src/ir/measure-builder.ts';
import { LAYERS } from '../../src/layers/index.ts';

type Use = readonly [string, Args?];

const filled = (layer: LayerDef, args: Args): Args =>
  Object.fromEntries(layer.args.map((a) => [a.name, args[a.name] ?? a.default ?? null]));

function layer(name: string): LayerDef {
  const found = LAYERS.get(name);
  if (!found) throw new Error(`no layer ${name}`);
  return found;
}

function apply(inputs: readonly TensorType[], ...uses: readonly Use[]): Measurement & { readonly shapes: string[] } {
  const shapes: string[] = [];
  const m = measure(inputs, (b, values) => {
    let current = [...values];
    uses.forEach(([name, args], i) => {
      const def = layer(name);
      const y = b.scope(`${name}[${i}]`, () => def.build(b, current, filled(def, args ?? {})));
      current = [y];
      shapes.push(y.type.shape.slice(1).join('x'));
    });
    return current;
  });
  return { ...m, shapes: shapes.slice(0, uses.length) };
}

const one = (input: TensorType, name: string, args: Args = {}): Measurement => apply([input], [name, args]);
const out = (m: Measurement): string => showType(m.outputs[0]!, true);

// From the table of worked sizes: every layer's output and trainable numbers.
const TABLE: readonly (readonly [string, Args, TensorType, string, number])[] = [
  ['dense', { out: 7 }, f32(1, 5), 'f32[B, 7]', 5 * 7 + 7],
  ['dense', { out: 7, bias: false }, f32(1, 3, 5), 'f32[B, 3, 7]', 5 * 7],
  ['conv', { out: 8 }, f32(1, 9, 9, 4), 'f32[B, 9, 9, 8]', 4 * 8 * 9 + 8],
  ['conv', { out: 8, k: 5, stride: 2, padding: 'valid' }, f32(1, 12, 12, 4), 'f32[B, 4, 4, 8]', 4 * 8 * 25 + 8],
  ['conv', { out: 8, stride: 2 }, f32(1, 7, 7, 4), 'f32[B, 4, 4, 8]', 4 * 8 * 9 + 8],
  ['conv', { out: 6, k: [3, 5], groups: 2, bias: false }, f32(1, 8, 8, 4), 'f32[B, 8, 8, 6]', (6 * 4 * 15) / 2],
  ['conv', { out: 6, k: 3, dilation: 2, padding: 1 }, f32(1, 10, 4), 'f32[B, 8, 6]', 3 * 4 * 6 + 6],
  ['conv', { out: 2, k: 3 }, f32(1, 4, 5, 6, 3), 'f32[B, 4, 5, 6, 2]', 27 * 3 * 2 + 2],
  ['dwconv', { k: 3, multiplier: 2 }, f32(1, 8, 8, 5), 'f32[B, 8, 8, 10]', 5 * 2 * 9 + 10],
  ['maxpool', { k: 2 }, f32(1, 7, 7, 3), 'f32[B, 4, 4, 3]', 0],
  ['maxpool', { k: 2, padding: 'valid' }, f32(1, 7, 7, 3), 'f32[B, 3, 3, 3]', 0],
  ['avgpool', { k: 3, stride: 1 }, f32(1, 7, 3), 'f32[B, 7, 3]', 0],
  ['globalmean', {}, f32(1, 4, 4, 3), 'f32[B, 3]', 0],
  ['mean', { axis: 1 }, f32(1, 4, 3), 'f32[B, 3]', 0],
  ['max', { axis: 2 }, f32(1, 4, 3), 'f32[B, 4]', 0],
  ['batchnorm', {}, f32(1, 4, 4, 3), 'f32[B, 4, 4, 3]', 6],
  ['layernorm', {}, f32(1, 4, 6), 'f32[B, 4, 6]', 12],
  ['rmsnorm', {}, f32(1, 4, 6), 'f32[B, 4, 6]', 6],
  ['softmax', { axis: 1 }, f32(1, 4, 6), 'f32[B, 4, 6]', 0],
  ['dropout', { p: 0.5 }, f32(1, 4), 'f32[B, 4]', 0],
  ['flatten', {}, f32(1, 4, 5, 6), 'f32[B, 120]', 0],
  ['flatten', { axes: [1, 2] }, f32(1, 4, 5, 6), 'f32[B, 20, 6]', 0],
  ['embedding', { vocab: 11, dim: 4 }, i32(1, 9), 'f32[B, 9, 4]', 44],
  ['positions', {}, f32(1, 9, 4), 'f32[B, 9, 4]', 36],
  ['patches', { p: 7 }, f32(1, 28, 28, 1), 'f32[B, 16, 49]', 0],
  ['attention', { heads: 4 }, f32(1, 9, 16), 'f32[B, 9, 16]', 4 * 256 + 64],
  ['attention', { heads: 4, score: 'wma', causal: true, bias: false }, f32(1, 9, 16), 'f32[B, 9, 16]', 4 * 256 + 64],
  ['s4d', { states: 8 }, f32(1, 9, 16), 'f32[B, 9, 16]', 2 * 16 + 2 * 16 * 8],
  ['s4d', { states: 2, init: 'real' }, f32(1, 1, 3), 'f32[B, 1, 3]', 2 * 3 + 2 * 3 * 2],
  ['moe', { experts: 4 }, f32(1, 9, 16), 'f32[B, 9, 16]', 4 * (2 * 16 * 64 + 64 + 16) + 16 * 4],
  ['moe', { experts: 3, top: 5, hidden: 7, bias: false }, f32(1, 16), 'f32[B, 16]', 3 * 2 * 16 * 7 + 16 * 3],
  ['id', {}, f32(1, 4), 'f32[B, 4]', 0],
  ['none', {}, f32(1, 4), 'f32[B, 4]', 0],
];

const layers = suite('layers');

layers('output shapes and trainable numbers', () => {
  for (const [name, args, input, output, params] of TABLE) {
    const m = one(input, name, args);
    assert.is(out(m), output, `${name}(${JSON.stringify(args)})`);
    assert.is(m.params, params, `params of ${name}(${JSON.stringify(args)})`);
  }
});

layers('every layer of one input stands in the table', () => {
  const tested = new Set(TABLE.map(([name]) => name));
  const activations = ['relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid'];
  for (const name of activations) assert.is(out(one(f32(1, 3, 4), name)), 'f32[B, 3, 4]');
  const rest = [...LAYERS.values()].filter((l) => l.takes === 'one' && !tested.has(l.name)).map((l) => l.name);
  assert.equal(rest.sort(), activations.sort());
});

layers('a mixture of experts costs the products of the chosen experts and the router', () => {
  const macs = (args: Args): number => one(f32(1, 9, 16), 'moe', args).macs;
  assert.is(macs({ experts: 8, top: 2, hidden: 24 }), 9 * (2 * 2 * 16 * 24 + 16 * 8));
  assert.is(macs({ experts: 2, top: 3, hidden: 24 }), 9 * (2 * 2 * 16 * 24 + 16 * 2));
});

layers('layers of several inputs', () => {
  assert.is(out(apply([f32(1, 4), f32(1, 4), f32(1, 4)], ['add'])), 'f32[B, 4]');
  assert.is(out(apply([f32(1, 4), f32(1, 4)], ['mul'])), 'f32[B, 4]');
  assert.is(out(apply([f32(1, 2, 4), f32(1, 2, 3)], ['concat'])), 'f32[B, 2, 7]');
  assert.is(out(apply([f32(1, 4), f32(1, 4)], ['dot'])), 'f32[B, 1]');
});

layers('what does not fit says what was expected and found', () => {
  const cases: readonly (readonly [readonly TensorType[], Use, RegExp])[] = [
    [[f32(1, 4), f32(1, 5)], ['add'], /shapes differ/],
    [[], ['add'], /empty list/],
    [[f32(1, 2, 4), f32(1, 3, 4)], ['concat'], /axes other than the last differ/],
    [[f32(1, 4), f32(1, 5)], ['dot'], /two equal shapes/],
    [[f32(1, 4)], ['conv', { out: 2 }], /one to three spatial axes/],
    [[f32(1, 4, 4, 3)], ['conv', { out: 2, k: 5, padding: 'valid' }], /window is larger/],
    [[f32(1, 4, 4, 3)], ['conv', { out: 2, groups: 2 }], /groups must divide/],
    [[f32(1, 4, 4, 3)], ['conv', { out: 2, k: [3, 3, 3] }], /one entry per spatial axis/],
    [[f32(1, 4, 10)], ['attention', { heads: 4 }], /heads does not divide/],
    [[f32(1, 4, 10)], ['s4d', { states: 5 }], /states is odd/],
    [[f32(4, 10)], ['s4d', { states: 4 }], /s4d needs tokens/],
    [[f32(1, 28, 28, 1)], ['patches', { p: 5 }], /p must divide/],
    [[f32(1, 4)], ['mean', { axis: 2 }], /no axis 2/],
    [[f32(1, 4)], ['embedding', { vocab: 3, dim: 2 }], /needs indices/],
    [[i32(1, 4)], ['dense', { out: 3 }], /needs features/],
  ];
  for (const [inputs, use, message] of cases) {
    assert.throws(
      () => apply(inputs, use),
      (e: Error) => e instanceof Unfit && message.test(e.message),
    );
  }
});

const k5 = { k: 5, padding: 'valid' } as const;
const pool: Use = ['maxpool', { k: 2, padding: 'valid' }];
const lenet = (first: Args): readonly Use[] => [
  ['conv', { out: 6, k: 5, ...first }],
  ['relu'],
  pool,
  ['conv', { out: 16, ...k5 }],
  ['relu'],
  pool,
  ['flatten'],
  ['dense', { out: 120 }],
  ['relu'],
  ['dense', { out: 84 }],
  ['relu'],
  ['dense', { out: 10 }],
];

layers('LeNet, all valid', () => {
  const m = apply([f32(1, 28, 28, 1)], ...lenet({ padding: 'valid' }));
  assert.equal(
    [0, 2, 3, 5, 7, 9, 11].map((i) => m.shapes[i]),
    ['24x24x6', '12x12x6', '8x8x16', '4x4x16', '120', '84', '10'],
  );
  assert.equal([m.params, m.macs], [44_426, 281_640]);
});

layers('LeNet, first convolution padded', () => {
  const m = apply([f32(1, 28, 28, 1)], ...lenet({}));
  assert.equal(
    [0, 2, 3, 5, 7, 9, 11].map((i) => m.shapes[i]),
    ['28x28x6', '14x14x6', '10x10x16', '5x5x16', '120', '84', '10'],
  );
  assert.equal([m.params, m.macs], [61_706, 416_520]);
});

layers('784-200-200-10', () => {
  const m = apply(
    [f32(1, 784)],
    ['dense', { out: 200 }],
    ['relu'],
    ['dense', { out: 200 }],
    ['relu'],
    ['dense', { out: 10 }],
  );
  assert.equal([m.params, m.macs], [199_210, 198_800]);
});

layers('flops are two a mac and the declared cost of the rest', () => {
  const m = apply([f32(1, 784)], ['dense', { out: 256 }], ['relu'], ['dense', { out: 10 }]);
  assert.equal([m.params, m.macs, m.flops], [203_530, 203_264, 407_050]);
});

layers.run();
