import { f32, i32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Args, ArgValue } from '../ir/layer.ts';
import { LAYERS } from '../layers/index.ts';
import { add } from '../ops/elementwise.ts';

type Use = readonly [string, Args?];

function apply(b: Builder, x: Value, scope: string, uses: readonly Use[]): Value {
  return uses.reduce((v, [name, args = {}], i) => {
    const layer = LAYERS.get(name)!;
    const all = Object.fromEntries(layer.args.map((a) => [a.name, args[a.name] ?? (a.default as ArgValue) ?? null]));
    return b.scope(`${scope}.${name}[${i}]`, () => layer.build(b, [v], all));
  }, x);
}

interface Model {
  readonly input: (batch: number) => TensorType;
  readonly rows: number;
  readonly classes: number;
  readonly build: (b: Builder, x: Value) => Value;
}

/** Four layers with the feed-forward part `feed`, over 64 tokens. */
const transformer = (feed: readonly Use[]): Model => ({
  input: (batch) => i32(batch, 64),
  rows: 64,
  classes: 256,
  build: (b, x) => {
    let v = apply(b, x, 'in', [['embedding', { vocab: 256, dim: 128 }], ['positions']]);
    for (let i = 0; i < 4; i++) {
      v = b.one(add, [v, apply(b, v, `attend${i}`, [['layernorm'], ['attention', { heads: 4, causal: true }]])]);
      v = b.one(add, [v, apply(b, v, `feed${i}`, [['layernorm'], ...feed])]);
    }
    return apply(b, v, 'out', [['layernorm'], ['dense', { out: 256 }]]);
  },
});

export const MODELS: Readonly<Record<string, Model>> = {
  mlp: {
    input: (batch) => f32(batch, 784),
    rows: 1,
    classes: 10,
    build: (b, x) =>
      apply(b, x, 'mlp', [
        ['dense', { out: 200 }],
        ['relu'],
        ['dense', { out: 200 }],
        ['relu'],
        ['dense', { out: 10 }],
      ]),
  },
  lenet: {
    input: (batch) => f32(batch, 28, 28, 1),
    rows: 1,
    classes: 10,
    build: (b, x) =>
      apply(b, x, 'lenet', [
        ['conv', { out: 6, k: 5 }],
        ['relu'],
        ['maxpool', { k: 2 }],
        ['conv', { out: 16, k: 5, padding: 'valid' }],
        ['relu'],
        ['maxpool', { k: 2 }],
        ['flatten'],
        ['dense', { out: 120 }],
        ['relu'],
        ['dense', { out: 84 }],
        ['relu'],
        ['dense', { out: 10 }],
      ]),
  },
  tfm: transformer([['dense', { out: 512 }], ['gelu'], ['dense', { out: 128 }]]),
  moetfm: transformer([['moe', { experts: 8, top: 2, hidden: 512 }]]),
};
