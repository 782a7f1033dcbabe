import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph } from '../../src/ir/graph.ts';
import { costOf } from '../../src/ir/measure-builder.ts';
import { numel } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { instantiate } from '../../src/space/instantiate.ts';
import { measures } from '../../src/space/measures.ts';
import { sample } from '../../src/space/sample.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';
import { deepConv, mlp, nas, nb201, small, twoTower, wideNet } from './examples.ts';
import { layer, repeat, shared, call, def, seq, space, input, apply, read, useShared, uses } from './support.ts';

const building = suite('instantiate');

function graphOf(s: Space, a: Assignment, mode: 'train' | 'infer'): Graph {
  const b = graphBuilder({ mode, seed: 0 });
  const inputs = s.inputs.map((i) => b.input(i.name, { dtype: i.dtype, shape: [1, ...i.shape] }));
  return b.finish(instantiate(s, a, b, inputs).map((value, i) => ({ name: s.outputs[i]!.name, value })));
}

const paramsOf = (g: Graph): number =>
  g.leaves.filter((l) => l.kind === 'param').reduce((n, l) => n + numel(l.type.shape), 0);

building('params, flops and macs are those of the graph', () => {
  for (const make of [mlp, deepConv, () => wideNet(null), nb201, nas, twoTower]) {
    const s = make();
    const random = new Random('graphs', s.name);
    for (let i = 0; i < 4; i++) {
      const a = sample(s, { random });
      const m = measures(s, a);
      const cost = costOf(graphOf(s, a, 'infer'));
      // Parts that nothing uses are not in the graph; no member of these spaces has any but behind `none`.
      const used = paramsOf(graphOf(s, a, 'train'));
      if (make === nb201) assert.ok(cost.flops <= m.flops && used <= m.params);
      else assert.equal([used, cost.flops, cost.macs], [m.params, m.flops, m.macs], `${s.name} ${JSON.stringify(a)}`);
    }
  }
});

building('layers stand under their stored paths', () => {
  const s = mlp();
  const names = graphOf(
    s,
    {
      'cell[0].repeat': 2,
      'cell[0][0].dense[0].out': 256,
      'cell[0][0].dropout[0].present': 0,
      'cell[0][1].dense[0].out': 512,
      'cell[0][1].dropout[0].present': 0,
      act: 'relu',
    },
    'train',
  )
    .leaves.filter((l) => l.kind === 'param')
    .map((l) => l.name);
  assert.equal(names.sort(), [
    'cell[0][0].dense[0].bias',
    'cell[0][0].dense[0].weight',
    'cell[0][1].dense[0].bias',
    'cell[0][1].dense[0].weight',
    'dense[0].bias',
    'dense[0].weight',
  ]);
});

building('tied copies have weights of their own', () => {
  const b = def('b', (c) => layer(c, 'dense', { out: 8 }));
  const s = small((u) => repeat(call(u, b), 3, true), 8);
  assert.is(measures(s, {}).params, 3 * 72);
  assert.is(paramsOf(graphOf(s, {}, 'train')), 3 * 72);
});

building('shared networks have one set of weights, under the name of the binding', () => {
  const inner = uses();
  const g = shared('g', layer(inner, 'dense', { out: 8 }));
  const x = input('x', 8);
  const u = uses();
  const s = space('S', {
    inputs: [x],
    bindings: [g],
    outputs: [apply(read(x), seq(useShared(u, g), useShared(u, g)))],
  });
  const graph = graphOf(s, {}, 'train');
  assert.equal(
    graph.leaves.filter((l) => l.kind === 'param').map((l) => l.name),
    ['g.dense[0].weight', 'g.dense[0].bias'],
  );
  assert.is(measures(s, {}).params, 72);
  assert.is(measures(s, {}).macs, 128);
});

building('the nets of the tables have their sizes', () => {
  const lenet = (padding: 'valid' | 'same'): Space =>
    small(
      (u) =>
        seq(
          layer(u, 'conv', { out: 6, k: 5, padding }),
          layer(u, 'relu'),
          layer(u, 'maxpool', { k: 2 }),
          layer(u, 'conv', { out: 16, k: 5, padding: 'valid' }),
          layer(u, 'relu'),
          layer(u, 'maxpool', { k: 2 }),
          layer(u, 'flatten'),
          layer(u, 'dense', { out: 120 }),
          layer(u, 'dense', { out: 84 }),
          layer(u, 'dense', { out: 10 }),
        ),
      28,
      28,
      1,
    );
  const plain = small(
    (u) => seq(layer(u, 'dense', { out: 200 }), layer(u, 'dense', { out: 200 }), layer(u, 'dense', { out: 10 })),
    784,
  );
  const sizes = [lenet('valid'), lenet('same'), plain].map((s) => measures(s, {})).map((m) => [m.params, m.macs]);
  assert.equal(sizes, [
    [44_426, 281_640],
    [61_706, 416_520],
    [199_210, 198_800],
  ]);
});
building.run();
