import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients } from '../../src/autodiff/gradients.ts';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Value } from '../../src/ir/graph.ts';
import { printGraph } from '../../src/ir/print.ts';
import { lower } from '../../src/ir/rebuild.ts';
import { verify } from '../../src/ir/verify.ts';
import { conv } from '../../src/ops/conv.ts';
import { add, affine, gelu, geluTanh, mul, neg, relu, silu, square, sub, tanh } from '../../src/ops/elementwise.ts';
import { linearInputGrad, linearWithSlope } from '../../src/ops/linear.ts';
import { layernorm } from '../../src/ops/norm.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { convMaxpool, convPool } from '../../src/ops/conv-pool.ts';
import { avgpool, maxpool } from '../../src/ops/pool.ts';
import { dropout, fill } from '../../src/ops/random.ts';
import { broadcastTo, sum } from '../../src/ops/reduce.ts';
import { permutation, reshape, slice, transpose } from '../../src/ops/shape.ts';
import { rewrite } from '../../src/rewrite/rewrite.ts';
import type { Rule } from '../../src/rewrite/rewrite.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';
import type { OptimizeOptions } from '../../src/rewrite/rules/index.ts';
import { buildProgram, largestDifference, programs, randomValues } from '../ir/random-graph.ts';

const zero = { kind: 'constant', value: 0 } as const;

/** The nodes and roots of the optimised graph, a line each. */
function optimized(make: (b: GraphBuilder, x: Value) => Value, type = f32(2, 3)): string {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const graph = b.finish([{ name: 'y', value: make(b, b.input('x', type)) }]);
  const after = optimize(graph);
  checkSame(graph, after);
  return printGraph(after)
    .split('\n')
    .filter((line) => line.startsWith('%'))
    .map((line) => line.replace(/^%\d+: /, ''))
    .join('\n');
}

function checkSame(before: Graph, after: Graph): void {
  assert.equal(verify(after), []);
  const [a, b] = [before, after].map((g) => evaluate(g, randomValues(3)));
  for (const [name, value] of a!.outputs) assert.ok(largestDifference(value, b!.outputs.get(name)!) < 1e-9, name);
  for (const [name, value] of a!.updates) assert.ok(largestDifference(value, b!.updates.get(name)!) < 1e-9, name);
}

const rewriting = suite('rewrite');

rewriting('random graphs mean the same after', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const graph = buildProgram(program);
      const after = optimize(graph);
      checkSame(graph, after);
      assert.is(printGraph(optimize(after)), printGraph(after));
    }),
    { numRuns: 300 },
  );
});

rewriting('decompositions mean the same', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const graph = optimize(buildProgram(program));
      const after = lower(graph, () => true);
      checkSame(graph, after);
      assert.ok(after.nodes.every((n) => !n.op.decompose));
    }),
    { numRuns: 100 },
  );
});

const LAWS: readonly (readonly [string, (b: GraphBuilder, x: Value) => Value, string])[] = [
  [
    'affine of affine',
    (b, x) => b.one(affine, [b.one(affine, [x], { scale: 2, shift: 1 })], { scale: 3, shift: 4 }),
    'f32[2, 3] = affine(x) {scale: 6, shift: 7}',
  ],
  ['affine that does nothing', (b, x) => b.one(affine, [x], { scale: 1, shift: 0 }), ''],
  [
    'reshape of reshape',
    (b, x) => b.one(reshape, [b.one(reshape, [x], { dims: [6] })], { dims: [3, 2] }),
    'f32[3, 2] = reshape(x) {dims: [3, 2]}',
  ],
  ['reshape back', (b, x) => b.one(reshape, [b.one(reshape, [x], { dims: [6] })], { dims: [2, 3] }), ''],
  ['transpose of transpose', (b, x) => swap(b, swap(b, x)), ''],
  ['negative of negative', (b, x) => b.one(neg, [b.one(neg, [x])]), ''],
  ['adding zero', (b, x) => b.one(add, [b.one(fill, [], { dims: [3], value: 0 }), x]), ''],
  [
    'a sum over axes of one',
    (b, x) => b.one(sum, [b.one(slice, [x], { axis: 0, start: 0, size: 1 })], { axes: 1 }),
    'f32[1, 3] = slice(x) {axis: 0, start: 0, size: 1}',
  ],
  [
    'a sum over rows in another shape',
    (b, x) => b.one(sum, [b.one(reshape, [x], { dims: [2, 1, 3] })], { axes: 3 }),
    'f32[1, 3] = sum(x) {axes: 1}\nf32[1, 1, 3] = reshape(%0) {dims: [1, 1, 3]}',
  ],
  ['a slice of all', (b, x) => b.one(slice, [x], { axis: 1, start: 0, size: 3 }), ''],
  [
    'times one value',
    (b, x) => b.one(mul, [x, b.one(fill, [], { dims: [1], value: 4 })]),
    'f32[2, 3] = affine(x) {scale: 4, shift: 0}',
  ],
  [
    'one value less x',
    (b, x) => b.one(sub, [b.one(fill, [], { dims: [1], value: 4 }), x]),
    'f32[2, 3] = affine(x) {scale: -1, shift: 4}',
  ],
  [
    'one value, spread and scaled',
    (b) => {
      const two = b.one(broadcastTo, [b.one(fill, [], { dims: [1], value: 2 })], { dims: [4, 5] });
      return b.one(affine, [two], { scale: 0.5, shift: 3 });
    },
    'f32[4, 5] = fill() {dims: [4, 5], value: 4}',
  ],
  [
    'product of transposes',
    (b, x) => b.one(matmul, [swap(b, x), swap(b, x)], { transA: 0, transB: 1 }),
    'f32[3, 3] = matmul(x, x) {transA: 1, transB: 0}',
  ],
  [
    'equal applications',
    (b, x) => b.one(add, [b.one(square, [x]), b.one(square, [x])]),
    'f32[2, 3] = square(x)\nf32[2, 3] = add(%0, %0)',
  ],
];
const swap = (b: GraphBuilder, x: Value): Value => b.one(transpose, [x], { perm: permutation(1, 0) });

for (const [name, make, expected] of LAWS) rewriting(name, () => assert.is(optimized(make), expected));

rewriting('random ops are shared only where their keys are equal', () => {
  const drop = (b: GraphBuilder, x: Value, key0: number): Value =>
    b.one(dropout, [x, b.input('step', i32(1))], { p: 0.5, key0, key1: 0 });
  const nodes = (keys: readonly [number, number]): number => {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const x = b.input('x', f32(4));
    const value = b.one(mul, [drop(b, x, keys[0]), drop(b, x, keys[1])]);
    return optimize(b.finish([{ name: 'y', value }])).nodes.length;
  };
  assert.is(nodes([1, 1]), 2);
  assert.is(nodes([1, 2]), 3);
});

const dense = (b: GraphBuilder, x: Value, name: string, out: number): Value => {
  const w = b.param(`${name}.weight`, [out, x.type.shape[1]!], { kind: 'normal', std: 1 });
  const y = b.one(matmul, [x, w], { transA: 0, transB: 1 });
  return b.one(add, [y, b.param(`${name}.bias`, [out], zero)]);
};

rewriting('bias and activation go into the product, whatever the shape between them', () => {
  assert.is(
    optimized((b, x) => b.one(relu, [dense(b, x, 'a', 4)])),
    'f32[2, 4] = linear(x, a.weight, a.bias, -) {activation: relu}',
  );
  const rows = (b: GraphBuilder, x: Value): Value => {
    const flat = b.one(reshape, [x], { dims: [4, 3] });
    const w = b.param('w', [5, 3], { kind: 'normal', std: 1 });
    const y = b.one(reshape, [b.one(matmul, [flat, w], { transA: 0, transB: 1 })], { dims: [2, 2, 5] });
    return b.one(gelu, [b.one(add, [b.param('b', [5], zero), y])]);
  };
  assert.is(
    optimized(rows, f32(2, 2, 3)),
    `f32[4, 3] = reshape(x) {dims: [4, 3]}
f32[4, 5] = linear(%0, w, b, -) {activation: gelu}
f32[2, 2, 5] = reshape(%1) {dims: [2, 2, 5]}`,
  );
  const attrs = {
    stride: [1, 1, 1],
    padBefore: [0, 0, 0],
    padAfter: [0, 0, 0],
    dilation: [1, 1, 1],
    groups: 1,
    winograd: 'off',
  };
  const convolution = (b: GraphBuilder, x: Value): Value => {
    const y = b.one(conv, [x, b.param('w', [2, 1, 2, 2, 3], { kind: 'normal', std: 1 })], attrs);
    const image = b.one(reshape, [y], { dims: [1, 3, 3, 2] });
    return b.one(tanh, [b.one(add, [image, b.param('b', [2], zero)])]);
  };
  assert.match(
    optimized(convolution, f32(1, 1, 4, 4, 3)),
    /^f32\[1, 1, 3, 3, 2\] = conv_act\(x, w, b\) \{.*activation: tanh\}\nf32\[1, 3, 3, 2\] = reshape\(%0\) \{dims: \[1, 3, 3, 2\]\}$/,
  );
});

rewriting('convolutions and their gradients are made without Winograd where that is said', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const x = b.input('x', f32(1, 1, 6, 6, 3));
  const w = b.param('w', [4, 1, 3, 3, 3], { kind: 'normal', std: 1 });
  const window = { stride: [1, 1, 1], padBefore: [0, 0, 0], padAfter: [0, 0, 0], dilation: [1, 1, 1], groups: 1 };
  const y = b.one(relu, [b.one(conv, [x, w], { ...window, winograd: 'on' })]);
  const loss = b.one(sum, [b.one(reshape, [y], { dims: [64] })], { axes: 1 });
  const graph = b.finish(
    gradients(b, loss, [x, w], { add, fill }).map((value, i) => ({ name: `d${i}`, value: value! })),
  );
  const settings = (options: OptimizeOptions): readonly unknown[] =>
    optimize(graph, options).nodes.flatMap((n) => n.attrs['winograd'] ?? []);
  assert.equal(settings({}), ['on', 'on', 'on']);
  assert.equal(settings({ winograd: 'off' }), ['off', 'off', 'off']);
});

rewriting('products round their operands to bf16 where that is said, fused ones and gradients too', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const x = b.param('x', [2, 3], { kind: 'normal', std: 1 });
  const y = dense(b, b.one(gelu, [dense(b, x, 'a', 4)]), 'b', 3);
  const wanted = [x, ...b.params().filter((p) => p !== x)];
  gradients(b, b.one(square, [y]), wanted, { add, fill }).forEach((g, i) =>
    b.update(wanted[i]!, b.one(sub, [wanted[i]!, g!])),
  );
  const graph = b.finish([]);
  const precisions = (g: Graph, options: OptimizeOptions = {}): readonly unknown[] =>
    optimize(g, options).nodes.flatMap((n) => n.attrs['precision'] ?? []);
  const all = precisions(graph, { precision: 'bf16' });
  assert.equal([...new Set(all)], ['bf16']);
  const products = (g: Graph): number => g.nodes.filter((n) => /matmul|linear/.test(n.op.name)).length;
  assert.is(all.length, products(optimize(graph, { precision: 'bf16' })));
  assert.equal([...new Set(precisions(graph))], ['f32']);
  // A graph that says so by itself keeps it through fusion.
  assert.equal([...new Set(precisions(optimize(graph, { precision: 'bf16' })))], ['bf16']);
});

rewriting('nothing is fused that something else reads', () => {
  const both = optimized((b, x) => {
    const z = dense(b, x, 'a', 4);
    return b.one(mul, [z, b.one(relu, [z])]);
  });
  assert.match(both, /linear\(x, a.weight, a.bias, -\) \{activation: none\}/);
  const product = optimized((b, x) => {
    const y = b.one(matmul, [x, b.param('w', [4, 3], zero)], { transA: 0, transB: 1 });
    return b.one(mul, [y, b.one(add, [y, b.param('b', [4], zero)])]);
  });
  assert.not.match(product, /linear/);
});

rewriting('a residual and sums of gradients go into the product', () => {
  const block = (b: GraphBuilder, x: Value): Value => b.one(add, [x, dense(b, b.one(square, [x]), 'a', 3)]);
  assert.is(
    optimized(block),
    `f32[2, 3] = square(x)
f32[2, 3] = linear(%0, a.weight, a.bias, x) {activation: none}`,
  );
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const x = b.param('x', [2, 3], { kind: 'normal', std: 1 });
  const h = b.one(gelu, [dense(b, x, 'a', 4)]);
  const y = b.one(add, [dense(b, h, 'b', 3), dense(b, x, 'c', 3)]);
  gradients(b, b.one(square, [y]), [x], { add, fill }).forEach((g) => b.update(x, b.one(sub, [x, g!])));
  const graph = b.finish([]);
  const after = optimize(graph);
  checkSame(graph, after);
  const found = after.nodes.filter((n) => n.op === linearInputGrad);
  assert.equal(
    found.map((n) => n.inputs.map((v) => v !== null)),
    [
      [true, true, true, false],
      [true, true, false, true],
    ],
  );
});

rewriting('relu, tanh and sigmoid fuse in training, gelu with its slope', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const hidden = b.one(relu, [dense(b, b.input('x', f32(2, 3)), 'a', 4)]);
  const y = b.one(gelu, [dense(b, b.one(tanh, [dense(b, hidden, 'b', 5)]), 'c', 2)]);
  gradients(b, y, b.params(), { add, fill }).forEach((g, i) => {
    const p = b.params()[i]!;
    b.update(p, b.one(sub, [p, g!]));
  });
  const graph = b.finish([{ name: 'y', value: y }]);
  const after = optimize(graph);
  checkSame(graph, after);
  const fused = after.nodes.filter((n) => n.op.name === 'linear').map((n) => n.attrs['activation']);
  assert.equal(fused, ['relu', 'tanh']);
  assert.equal(
    after.nodes.filter((n) => n.op === linearWithSlope).map((n) => n.attrs['activation']),
    ['gelu'],
  );
  assert.not.ok(after.nodes.some((n) => n.op.name === 'gelu_grad'));
});

rewriting('what was before an activation is kept where something else reads it', () => {
  for (const [wanted, more] of [
    [1, (b: GraphBuilder, _z: Value): Value => b.one(fill, [], { dims: [2, 4], value: 1 })],
    [0, (b: GraphBuilder, z: Value): Value => b.one(square, [z])],
  ] as const) {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const z = dense(b, b.input('x', f32(2, 3)), 'a', 4);
    const loss = b.one(mul, [b.one(silu, [z]), more(b, z)]);
    const [grad] = gradients(b, loss, b.params(), { add, fill });
    const graph = b.finish([{ name: 'd', value: grad! }, ...(wanted ? [{ name: 'y', value: loss }] : [])]);
    const after = optimize(graph);
    checkSame(graph, after);
    assert.is(after.nodes.filter((n) => n.op === linearWithSlope).length, wanted, printGraph(after));
  }
});

rewriting('the gradient of a bias is made with that of its weight', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const flat = b.one(reshape, [b.input('x', f32(2, 3, 4))], { dims: [6, 4] });
  const image = b.one(reshape, [b.one(tanh, [dense(b, flat, 'a', 5)])], { dims: [2, 3, 5] });
  const y = dense(b, b.one(reshape, [b.one(gelu, [image])], { dims: [6, 5] }), 'b', 2);
  const bare = b.one(matmul, [y, b.param('c', [3, 2], { kind: 'normal', std: 1 })], { transA: 0, transB: 1 });
  const grads = gradients(b, b.one(square, [bare]), b.params(), { add, fill });
  const graph = b.finish(grads.map((value, i) => ({ name: `d${i}`, value: value! })));
  const after = optimize(graph);
  checkSame(graph, after);
  const count = (name: string): number => after.nodes.filter((n) => n.op.name === name).length;
  // A product without bias has few rows to be worth more than itself.
  assert.equal(['linear_weight_grad', 'sum', 'matmul'].map(count), [2, 0, 4]);
});

rewriting('the gradient of a residual is added in the pass of the layer normalisation', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const weight = (name: string, ...shape: number[]): Value => b.param(name, shape, { kind: 'normal', std: 1 });
  const norm = (x: Value, name: string): Value =>
    b.one(layernorm, [x, weight(`${name}.scale`, 4), weight(`${name}.shift`, 4)], { eps: 0.5 });
  let x = b.one(add, [b.input('x', f32(3, 4)), weight('start', 3, 4)]);
  for (const name of ['a', 'b']) x = b.one(add, [x, b.one(tanh, [norm(x, name)])]);
  // Two of which neither is older than the other's input.
  const both = b.one(add, [norm(x, 'c'), norm(x, 'd')]);
  const loss = b.one(sum, [b.one(square, [both])], { axes: 3 });
  const grads = gradients(b, loss, b.params(), { add, fill });
  const graph = b.finish(grads.map((value, i) => ({ name: `d${i}`, value: value! })));
  const after = optimize(graph);
  checkSame(graph, after);
  const grown = after.nodes.filter((n) => n.op.name === 'layernorm_grad');
  assert.equal(
    grown.map((n) => n.inputs[5] !== null),
    [false, true, true, true],
  );
});

rewriting('the slope of an activation goes to the pooled side, and so do sums', () => {
  for (const kernel of [2, 3]) {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const bias = b.param('bias', [2], { kind: 'normal', std: 1 });
    const image = b.one(relu, [b.one(add, [b.input('x', f32(2, 5, 6, 2)), bias])]);
    const padded = b.one(reshape, [image], { dims: [2, 1, 5, 6, 2] });
    const attrs = { kernel: [1, kernel, 2], stride: [1, 2, 2], padBefore: [0, 1, 0], padAfter: [0, 0, 0] };
    const [pooled] = b.apply(maxpool, [padded], attrs);
    const loss = b.one(square, [pooled!]);
    const [grad] = gradients(b, loss, b.params(), { add, fill });
    const graph = b.finish([
      { name: 'y', value: loss },
      { name: 'd', value: grad! },
    ]);
    const after = optimize(graph);
    checkSame(graph, after);
    const slope = after.nodes.find((n) => n.op.name === 'relu_grad')!;
    assert.equal(slope.types[0], pooled!.type);
    assert.ok(!after.nodes.some((n) => n.op.name === 'maxpool_grad'), printGraph(after));
  }
});

rewriting('a slope that follows from the input is gathered where gradients of pooling land', () => {
  for (const [op, stride] of [
    [gelu, 2],
    [silu, 2],
    [geluTanh, 2],
    [gelu, 1],
  ] as const) {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const bias = b.param('bias', [2], { kind: 'normal', std: 1 });
    const image = b.one(op, [b.one(add, [b.input('x', f32(2, 5, 6, 2)), bias])]);
    const padded = b.one(reshape, [image], { dims: [2, 1, 5, 6, 2] });
    const attrs = { kernel: [1, 3, 2], stride: [1, stride, stride], padBefore: [0, 1, 0], padAfter: [0, 0, 0] };
    const loss = b.one(square, [b.apply(maxpool, [padded], attrs)[0]!]);
    const [grad] = gradients(b, loss, b.params(), { add, fill });
    const graph = b.finish([
      { name: 'y', value: loss },
      { name: 'd', value: grad! },
    ]);
    const after = optimize(graph);
    checkSame(graph, after);
    // Where windows overlap, as many gradients land as there are places.
    assert.is(
      after.nodes.some((n) => n.op.name === 'maxpool_gather'),
      stride === 2,
      printGraph(after),
    );
    assert.ok(stride === 1 || !after.nodes.some((n) => n.op.name === 'maxpool_grad'), printGraph(after));
  }
});

const CONV = { stride: [1, 1, 1], padBefore: [0, 1, 1], padAfter: [0, 1, 1], dilation: [1, 1, 1], groups: 1 };
const window2 = { kernel: [1, 2, 2], stride: [1, 2, 2], padBefore: [0, 0, 0], padAfter: [0, 0, 0] };

rewriting('convolution, bias, relu and pooling are one op', () => {
  const cases: readonly (readonly [string, (b: GraphBuilder, y: Value) => Value, string | null])[] = [
    ['relu, max', (b, y) => b.apply(maxpool, [b.one(relu, [y])], window2)[0]!, 'conv_pool relu max'],
    ['max, relu', (b, y) => b.one(relu, [b.apply(maxpool, [y], window2)[0]!]), 'conv_pool relu max'],
    ['tanh, mean', (b, y) => b.one(avgpool, [b.one(tanh, [y])], window2), 'conv_pool tanh mean'],
    ['windows that overlap', (b, y) => b.one(avgpool, [y], { ...window2, stride: [1, 1, 1] }), null],
    ['padding', (b, y) => b.one(avgpool, [y], { ...window2, padAfter: [0, 0, 1] }), null],
    ['depth', (b, y) => b.one(avgpool, [y], { ...window2, kernel: [2, 2, 2], stride: [2, 2, 2] }), null],
    ['threes', (b, y) => b.one(avgpool, [y], { ...window2, kernel: [1, 3, 3], stride: [1, 3, 3] }), null],
    ['results that are read', (b, y) => b.one(add, [b.one(sum, [y], { axes: 31 }), b.one(sum, [b.one(avgpool, [y], window2)], { axes: 31 })]), null], // prettier-ignore
  ];
  for (const [what, build, expected] of cases) {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const weight = b.param('weight', [5, 1, 3, 3, 2], { kind: 'normal', std: 1 });
    const bias = b.param('bias', [5], { kind: 'normal', std: 1 });
    const y = b.one(conv, [b.input('x', f32(2, 2, 7, 6, 2)), weight], { ...CONV, winograd: 'on' });
    const graph = b.finish([{ name: 'y', value: build(b, b.one(add, [y, bias])) }]);
    const after = optimize(graph);
    checkSame(graph, after);
    const fused = after.nodes.find((n) => n.op === convPool);
    const found = fused ? `conv_pool ${String(fused.attrs['activation'])} ${String(fused.attrs['pool'])}` : null;
    assert.is(found, expected, `${what}\n${printGraph(after)}`);
    if (expected) assert.is(after.nodes.length, 1, printGraph(after));
  }
});

rewriting('convolutions of one tap are products, and so are their gradients', () => {
  for (const [stride, groups] of [
    [1, 1],
    [2, 1],
    [1, 2],
  ] as const) {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const weight = b.param('weight', [4, 1, 1, 1, 6 / groups], { kind: 'normal', std: 1 });
    const bias = b.param('bias', [4], { kind: 'normal', std: 1 });
    const x = b.param('x', [2, 1, 3, 5, 6], { kind: 'normal', std: 1 });
    const none = [0, 0, 0];
    const attrs = { ...CONV, stride: [1, stride, 1], padBefore: none, padAfter: none, groups, winograd: 'on' };
    const y = b.one(relu, [b.one(add, [b.one(conv, [x, weight], attrs), bias])]);
    const grads = gradients(b, b.one(square, [y]), b.params(), { add, fill });
    const graph = b.finish([{ name: 'y', value: y }, ...grads.map((value, i) => ({ name: `d${i}`, value: value! }))]);
    for (const precision of ['f32', 'bf16'] as const) {
      const after = optimize(graph, { precision });
      if (precision === 'f32') checkSame(graph, after);
      const names = after.nodes.map((n) => n.op.name);
      const isProduct = stride === 1 && groups === 1;
      assert.is(names.includes('linear') && names.includes('matmul'), isProduct, names.join());
      assert.is(
        names.some((name) => name.startsWith('conv')),
        !isProduct,
        names.join(),
      );
      if (isProduct) assert.ok(after.nodes.every((n) => (n.attrs['precision'] ?? precision) === precision));
    }
  }
});

rewriting('training keeps of a pooled convolution what is pooled, and the places', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const weight = b.param('weight', [3, 1, 3, 3, 2], { kind: 'normal', std: 1 });
  const bias = b.param('bias', [3], { kind: 'normal', std: 1 });
  const y = b.one(conv, [b.input('x', f32(2, 1, 7, 6, 2)), weight], { ...CONV, winograd: 'on' });
  const [p] = b.apply(maxpool, [b.one(relu, [b.one(add, [y, bias])])], window2);
  const loss = b.one(square, [p!]);
  const grads = gradients(b, loss, b.params(), { add, fill });
  const graph = b.finish([{ name: 'y', value: loss }, ...grads.map((value, i) => ({ name: `d${i}`, value: value! }))]);
  const after = optimize(graph);
  checkSame(graph, after);
  const names = after.nodes.map((n) => n.op.name);
  assert.ok(names.includes('conv_maxpool') && !names.includes('conv_act'), printGraph(after));
  const fused = after.nodes.find((n) => n.op === convMaxpool)!;
  assert.equal(
    fused.types.map((t) => t.shape),
    [p!.type.shape, p!.type.shape],
  );
});

rewriting('rules that never rest are a bug, not a hang', () => {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const graph = b.finish([{ name: 'y', value: b.one(relu, [b.input('x', f32(1))]) }]);
  const restless: Rule = { name: 'restless', apply: () => null };
  assert.is(rewrite(graph, [restless]).nodes.length, 1);
  const turns: Rule = { name: 'turns', apply: (node, m) => [m.one(node.op === relu ? tanh : relu, node.inputs)] };
  assert.throws(() => rewrite(graph, [turns]), /never come to rest/);
});

rewriting.run();
