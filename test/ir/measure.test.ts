import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { measure } from '../../src/ir/measure-builder.ts';
import type { Builder } from '../../src/ir/builder.ts';
import type { Value } from '../../src/ir/graph.ts';
import type { Args } from '../../src/ir/layer.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { add, gelu, mul, relu, tanh } from '../../src/ops/elementwise.ts';
import { linear } from '../../src/ops/linear.ts';
import { reshape } from '../../src/ops/shape.ts';

/** A layer of the vocabulary with its defaults, under its own scope. */
function layer(b: Builder, x: Value, name: string, scope: string, args: Args = {}): Value {
  const def = LAYERS.get(name)!;
  const all = Object.fromEntries(def.args.map((a) => [a.name, args[a.name] ?? a.default ?? null]));
  return b.scope(scope, () => def.build(b, [x], all));
}

const measuring = suite('measure');

measuring('784-256-10: parameters, macs and flops of the design', () => {
  const m = measure([f32(1, 784)], (b, [x]) => {
    const hidden = layer(b, layer(b, x!, 'dense', 'dense[0]', { out: 256 }), 'relu', 'relu[0]');
    return [layer(b, hidden, 'dense', 'dense[1]', { out: 10 })];
  });
  assert.equal([m.params, m.macs, m.flops], [203530, 203264, 407050]);
  assert.equal(m.outputs, [f32(1, 10)]);
  assert.equal(
    [...m.weights],
    [
      ['dense[0].weight', [256, 784]],
      ['dense[0].bias', [256]],
      ['dense[1].weight', [10, 256]],
      ['dense[1].bias', [10]],
    ],
  );
});

measuring('a path counts once, however often it is used', () => {
  const twice = (b: Builder, x: Value): Value =>
    layer(b, layer(b, x, 'dense', 'dense[0]', { out: 4 }), 'dense', 'dense[0]', { out: 4 });
  const m = measure([f32(1, 4)], (b, [x]) => [twice(b, x!)]);
  assert.equal([m.params, m.macs], [20, 32]);
  assert.throws(
    () => measure([f32(1, 5)], (b, [x]) => [twice(b, x!)]),
    (e: unknown) => e instanceof Unfit,
  );
});

measuring('state is no parameter', () => {
  const m = measure([f32(1, 6)], (b, [x]) => [layer(b, x!, 'batchnorm', 'batchnorm[0]')]);
  assert.equal([m.params, m.state], [12, 12]);
  assert.equal([...m.states.keys()], ['batchnorm[0].mean', 'batchnorm[0].variance']);
});

measuring('only what an output needs is counted', () => {
  const m = measure([f32(1, 6)], (b, [x]) => {
    b.one(gelu, [x!]);
    return [b.one(relu, [x!])];
  });
  assert.is(m.flops, 6);
});

const keeping = suite('values kept for backward');

const kept = (build: (b: Builder, x: Value) => Value): readonly [number, boolean, boolean] => {
  const m = measure([f32(1, 6)], (b, [x]) => [build(b, x!)]);
  return [m.kept, m.keptInputs[0]!, m.keptOutputs[0]!];
};

keeping('relu keeps its output, gelu its input, a sum nothing', () => {
  assert.equal(
    kept((b, x) => b.one(relu, [x])),
    [6, false, true],
  );
  assert.equal(
    kept((b, x) => b.one(gelu, [x])),
    [0, true, false],
  );
  assert.equal(
    kept((b, x) => b.one(add, [x, x])),
    [0, false, false],
  );
});

keeping('a value that two gradients read counts once, whatever its shape', () => {
  assert.equal(
    kept((b, x) => b.one(gelu, [b.one(tanh, [x])])),
    [6, false, false],
  );
  assert.equal(
    kept((b, x) => {
      const y = b.one(tanh, [x]);
      return b.one(mul, [b.one(reshape, [y], { dims: [6] }), b.param('w', [6], { kind: 'constant', value: 1 })]);
    }),
    [6, false, false],
  );
});

keeping('a fused op without a gradient rule keeps what its decomposition keeps', () => {
  const m = measure([f32(1, 6)], (b, [x]) => {
    const w = b.param('w', [4, 6], { kind: 'constant', value: 1 });
    return [b.one(linear, [x!, w, null, null], { activation: 'gelu' })];
  });
  assert.equal([m.kept, m.keptInputs, m.keptOutputs], [4, [true], [false]]);
});

measuring.run();
keeping.run();
