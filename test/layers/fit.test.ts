import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { showType } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { LayerDef } from '../../src/ir/layer.ts';
import { projectLike } from '../../src/layers/blocks.ts';
import { ALL, anyArgs } from './support.ts';

const SHAPES: readonly (readonly number[])[] = [
  [],
  [1],
  [4],
  [3, 4],
  [4, 1],
  [4, 4, 2],
  [1, 1, 4],
  [2, 4, 4, 2],
  [2, 2, 2, 2, 2],
  [2, 2, 2, 2, 2, 2],
];

interface Built {
  readonly type: TensorType;
  readonly weights: string;
}

// What the layer makes of inputs of this type, or null where it says that they do not fit. Anything else thrown is a fault.
function build(def: LayerDef, mode: 'train' | 'infer', batch: number, like: TensorType): Built | null {
  const b = graphBuilder({ mode, seed: 0 });
  const count = def.takes === 'one' ? 1 : def.takes === 'list' ? 2 : def.takes;
  const type = { dtype: like.dtype, shape: [batch, ...like.shape] };
  const inputs = Array.from({ length: count }, (_, i) => b.input(`x${i}`, type));
  try {
    // What bare `project` becomes takes a shape.
    const args = def === projectLike ? { to: [...like.shape.slice(0, -1), 3] } : anyArgs(def);
    const y = def.build(b, inputs, args);
    const stored = b
      .finish([{ name: 'y', value: y }])
      .leaves.filter((l) => l.kind !== 'input')
      .map((l) => `${l.name} ${showType(l.type)}`);
    return { type: y.type, weights: stored.sort().join() };
  } catch (e) {
    if (e instanceof Unfit) {
      assert.ok(e.message !== '' && e.expected !== '' && e.found !== '', `${def.name}: ${e.message}`);
      return null;
    }
    throw new Error(`${def.name} of ${showType(type)}: ${(e as Error).message}`, { cause: e });
  }
}

const fitting = suite('what fits a layer');

fitting('any input is taken or said not to fit; nothing but the first axis follows the batch', () => {
  for (const def of ALL) {
    for (const dtype of ['f32', 'i32'] as const) {
      for (const shape of SHAPES) {
        const what = `${def.name} of ${showType({ dtype, shape: [7, ...shape] }, true)}`;
        const one = build(def, 'train', 1, { dtype, shape });
        for (const mode of ['train', 'infer'] as const) {
          const more = build(def, mode, 7, { dtype, shape });
          assert.is(more === null, one === null, `${what} fits for one batch size and not for another`);
          if (!one || !more) continue;
          assert.equal(more.type.shape.slice(1), one.type.shape.slice(1), what);
          assert.is(more.type.shape[0], 7, `${what} changes the batch`);
          assert.is(one.type.shape[0], 1, `${what} changes the batch`);
          assert.is(more.type.dtype, one.type.dtype, what);
          assert.is(more.weights, one.weights, `weights of ${what} follow the batch`);
        }
      }
    }
  }
});

fitting.run();
