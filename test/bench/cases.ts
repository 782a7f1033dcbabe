import { existsSync, readFileSync } from 'node:fs';
import { f32, i32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import { gradients } from '../../src/autodiff/gradients.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Builder } from '../../src/ir/builder.ts';
import type { Graph, Value } from '../../src/ir/graph.ts';
import type { Args, ArgValue } from '../../src/ir/layer.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { openStore, prepare } from '../../src/native/native.ts';
import { conv } from '../../src/ops/conv.ts';
import { add, mul } from '../../src/ops/elementwise.ts';
import { OPS } from '../../src/ops/index.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { fill } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/reduce.ts';
import { reshape } from '../../src/ops/shape.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { LOSSES, meanRows } from '../../src/recipes/losses.ts';
import { OPTIMIZERS } from '../../src/recipes/optimizers.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';
import { initialGraph, storeLeavesOf } from '../../src/train/graphs.ts';

/** Something to time: one call does `steps` steps' work. */
export interface Case {
  readonly name: string;
  readonly flop: number;
  readonly items: number;
  readonly steps: number;
  readonly run: () => void;
}

/** A line of a case file: NAME KIND INTS… */
export interface CaseLine {
  readonly name: string;
  readonly kind: string;
  readonly words: readonly string[];
}

const OWN = `
gemm/256x256x256 gemm 256 256 256
gemm/512x512x512 gemm 512 512 512
gemm/1024x1024x1024 gemm 1024 1024 1024
gemm/64x200x784 gemm 64 200 784
gemm/1024x768x3072 gemm 1024 768 3072
conv/b64_1x28x28_to32_k3 conv 64 1 28 28 32 3 1
conv/b64_64x16x16_to64_k3 conv 64 64 16 16 64 3 1
train/mlp_784_200_200_10_b64 train mlp 64
train/lenet_28x28_b64 train lenet 64
train/tfm_4L_d128_h4_T64_f512_b64 train tfm 64
`;

/** From the file that PEERS_CASES names, else our own list. */
export function caseLines(): readonly CaseLine[] {
  const file = process.env['PEERS_CASES'];
  const text = file && existsSync(file) ? readFileSync(file, 'utf8') : OWN;
  return text.split('\n').flatMap((line) => {
    const [name, kind, ...words] = line.split('#')[0]!.trim().split(/\s+/);
    return name && kind ? [{ name, kind, words }] : [];
  });
}

const random = new Random('bench');
const normal = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());

function runner(
  graph: Graph,
  threads: number,
  steps = 1,
  given: Readonly<Record<string, Int32Array | Float32Array>> = {},
): () => void {
  const plan = makePlan(optimize(graph), { ops: OPS });
  const prepared = prepare(plan.bytes);
  const store = openStore();
  const leaves = storeLeavesOf(graph);
  for (const leaf of leaves) store.write(leaf.name, 'f32', leaf.type.shape, null);
  if (leaves.length > 0) {
    prepare(makePlan(optimize(initialGraph(leaves, 0)), { ops: OPS }).bytes).runSync(store, [], { steps: 1, threads });
  }
  const externals = plan.externals.map((e) => given[e.name] ?? normal(numel(e.type.shape) * (e.perStep ? steps : 1)));
  return () => void prepared.runSync(store, externals, { steps, threads });
}

function forward(inputs: readonly TensorType[], build: (b: GraphBuilder, x: readonly Value[]) => Value): Graph {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const values = inputs.map((t, i) => b.input(`in${i}`, t));
  return b.finish([{ name: 'y', value: build(b, values) }]);
}

// Forward and the gradients of all inputs, for a gradient of the output that is given.
function forwardBackward(inputs: readonly TensorType[], build: (b: GraphBuilder, x: readonly Value[]) => Value): Graph {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const values = inputs.map((t, i) => b.input(`in${i}`, t));
  const y = build(b, values);
  const dy = b.input('dy', y.type);
  const flat = (v: Value): Value => b.one(reshape, [v], { dims: [numel(v.type.shape)] });
  const loss = b.one(sum, [b.one(mul, [flat(y), flat(dy)])], { axes: 1 });
  const grads = gradients(b, loss, values, { add, fill });
  return b.finish([{ name: 'y', value: y }, ...grads.map((value, i) => ({ name: `d${i}`, value: value! }))]);
}

function gemmCases(name: string, [m, n, k]: readonly number[], threads: number): Case[] {
  const types = [f32(m!, k!), f32(k!, n!)];
  const graph = forward(types, (b, [x, y]) => b.one(matmul, [x!, y!], { transA: 0, transB: 0 }));
  return [{ name, flop: 2 * m! * n! * k!, items: 0, steps: 1, run: runner(graph, threads) }];
}

function convCases(name: string, numbers: readonly number[], threads: number): Case[] {
  const [batch, cin, h, w, cout, k, pad] = numbers as readonly [number, number, number, number, number, number, number];
  const types = [f32(batch, 1, h, w, cin), f32(cout, 1, k, k, cin), f32(cout)];
  const attrs = {
    stride: [1, 1, 1],
    padBefore: [0, pad, pad],
    padAfter: [0, pad, pad],
    dilation: [1, 1, 1],
    groups: 1,
  };
  const build = (b: Builder, [x, wt, bias]: readonly Value[]): Value =>
    b.one(add, [b.one(conv, [x!, wt!], attrs), bias!]);
  const flop = 2 * batch * cout * cin * k * k * (h + 2 * pad - k + 1) * (w + 2 * pad - k + 1);
  return [
    { name: `${name}/fwd`, flop, items: 0, steps: 1, run: runner(forward(types, build), threads) },
    { name: `${name}/fwdbwd`, flop: 3 * flop, items: 0, steps: 1, run: runner(forwardBackward(types, build), threads) },
  ];
}

type Use = readonly [string, Args?];

function apply(b: Builder, x: Value, scope: string, uses: readonly Use[]): Value {
  return uses.reduce((v, [name, args = {}], i) => {
    const layer = LAYERS.get(name)!;
    const all = Object.fromEntries(layer.args.map((a) => [a.name, args[a.name] ?? (a.default as ArgValue) ?? null]));
    return b.scope(`${scope}.${name}[${i}]`, () => layer.build(b, [v], all));
  }, x);
}

const MODELS: Readonly<
  Record<
    string,
    {
      readonly input: (batch: number) => TensorType;
      readonly rows: number;
      readonly classes: number;
      readonly build: (b: Builder, x: Value) => Value;
    }
  >
> = {
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
  tfm: {
    input: (batch) => i32(batch, 64),
    rows: 64,
    classes: 256,
    build: (b, x) => {
      let v = apply(b, x, 'in', [['embedding', { vocab: 256, dim: 128 }], ['positions']]);
      for (let i = 0; i < 4; i++) {
        v = b.one(add, [v, apply(b, v, `attend${i}`, [['layernorm'], ['attention', { heads: 4, causal: true }]])]);
        v = b.one(add, [
          v,
          apply(b, v, `feed${i}`, [['layernorm'], ['dense', { out: 512 }], ['gelu'], ['dense', { out: 128 }]]),
        ]);
      }
      return apply(b, v, 'out', [['layernorm'], ['dense', { out: 256 }]]);
    },
  },
};

const STEPS = 10;

// One step: forward, backward, AdamW at its defaults. A call does ten steps, as training does hundreds a call.
function trainCases(name: string, [kind, size]: readonly string[], threads: number): Case[] {
  const model = MODELS[kind!];
  if (!model) return [];
  const batch = Number(size);
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const x = b.input('x', model.input(batch));
  const labels = b.input('labels', i32(batch * model.rows));
  const logits = b.one(reshape, [model.build(b, x)], { dims: [batch * model.rows, model.classes] });
  const loss = meanRows(b, LOSSES.get('crossentropy')!.rows(b, logits, labels).loss);
  const adamw = OPTIMIZERS.get('adamw')!;
  const args = Object.fromEntries(adamw.args.map((a) => [a.name, a.default as number]));
  const [lr, step] = [b.input('lr', f32(1)), b.input('step', i32(1), true)];
  const params = b.params();
  gradients(b, loss, params, { add, fill }).forEach((grad, i) => {
    const param = params[i]!;
    const slots = adamw.slots.map((s) =>
      b.slot(`${(param.source as { name: string }).name}@${s}`, param.type.shape, adamw.slotInit),
    );
    const next = adamw.update(b, { param, grad: grad!, slots, lr, step }, args);
    [param, ...slots].forEach((old, k) => b.update(old, next[k]!));
  });
  const whole = (n: number, below: number): Int32Array => Int32Array.from({ length: n }, () => random.below(below));
  const given = {
    labels: whole(batch * model.rows, model.classes),
    lr: new Float32Array([1e-3]),
    step: Int32Array.from({ length: STEPS }, (_, i) => i),
    ...(kind === 'tfm' ? { x: whole(batch * 64, 256) } : {}),
  };
  const graph = b.finish([{ name: 'loss', value: loss, perStep: true }]);
  return [{ name, flop: 0, items: batch * model.rows, steps: STEPS, run: runner(graph, threads, STEPS, given) }];
}

/** The cases of a line that we have; none where we do not. */
export function casesOf(line: CaseLine, threads: number): readonly Case[] {
  if (line.kind === 'gemm') return gemmCases(line.name, line.words.map(Number), threads);
  if (line.kind === 'conv') return convCases(line.name, line.words.map(Number), threads);
  if (line.kind === 'train') return trainCases(line.name, line.words, threads);
  return [];
}
