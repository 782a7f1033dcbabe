import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keyOf, Random } from '../../src/base/philox.ts';
import { f32, numel, showType } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { WeightSpec } from '../../src/ir/builder.ts';
import type { Graph, Leaf } from '../../src/ir/graph.ts';
import { costOf, measure } from '../../src/ir/measure-builder.ts';
import type { Measurement } from '../../src/ir/measure-builder.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { stdOf } from '../../src/ir/start.ts';
import type { MadeBy } from '../../src/ir/weight.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { WEIGHTS } from '../../src/weights/index.ts';
import { lowerWeights, optimize } from '../../src/rewrite/rules/index.ts';
import { centralDifference, differentiated, draw, runNative } from '../layers/run.ts';
import { filled } from '../layers/support.ts';
import { askedBy, build, isBased, layerOf, MADE, make, plus, showUse, specsOf, USES } from './cases.ts';
import type { LayerUse } from './cases.ts';

const weights = suite('weights');

const measured = (use: LayerUse, made: MadeBy | null): Measurement =>
  measure([use.input], (b, inputs) => [build(use, made)(b, inputs)]);

function tryMeasured(use: LayerUse, made: MadeBy): Measurement | null {
  try {
    return measured(use, made);
  } catch (e) {
    if (e instanceof Unfit) return null;
    throw e;
  }
}

weights('every layer with weights and every expression stand in the tables', () => {
  const asks = (name: string): boolean => {
    const def = LAYERS.get(name)!;
    return /\bb\.weight\(|affineRows|convolve/.test(def.build.toString());
  };
  const used = new Set(USES.map((u) => u.name));
  assert.equal(
    [...LAYERS.keys()].filter((name) => asks(name) && !used.has(name)),
    [],
  );
  const made = new Set(MADE.flatMap(({ made: m }) => [m.def.name, ...m.parts.map((p) => p.def.name)]));
  assert.equal(
    [...WEIGHTS.keys()].filter((name) => !made.has(name)),
    [],
  );
});

weights(
  'each layer with each expression: shapes, exact parameters, costs of the plain layer, or what does not fit',
  () => {
    let fits = 0,
      unfits = 0;
    for (const use of USES) {
      const plain = measured(use, null);
      const specs = specsOf(use);
      const others = plain.params - specs.reduce((n, s) => n + numel(s.shape), 0);
      for (const { made, free: freeOf } of MADE) {
        const name = `${showUse(use)} via ${made.text}`;
        const wanted = specs.map(freeOf);
        const found = tryMeasured(use, made);
        assert.is(found === null, wanted.includes(null), name);
        if (!found) {
          unfits++;
          continue;
        }
        fits++;
        assert.is(showType(found.outputs[0]!), showType(plain.outputs[0]!), name);
        const { whole } = made.def;
        const factors = whole?.scaled(made.args) ? askedBy(use).length : 0;
        const free = wanted.reduce<number>((n, w) => n + w!, 0);
        assert.is(found.params, whole ? whole.size(made.args) + factors : others + free, `params of ${name}`);
        assert.equal([found.macs, found.flops], [plain.macs, plain.flops], `costs of ${name}`);
      }
    }
    assert.ok(fits > 150 && unfits >= 10, `${fits} fit, ${unfits} do not`);
  },
);

// ---- statistics --------------------------------------------------------------------------------------------------------

/** The starts of all leaves, as a training run draws them, from reference numbers. */
function started(leaf: Leaf, seed: number): NdArray {
  if (!('init' in leaf)) throw new Error('no start');
  const { init, name, type } = leaf;
  const random = new Random(keyOf('start', seed, name).join());
  const next = (): number =>
    init.kind === 'normal'
      ? init.std * random.normal()
      : init.kind === 'constant'
        ? init.value
        : init.kind === 'file'
          ? random.normal()
          : 1;
  const data =
    init.kind === 'table' ? Float64Array.from(init.values) : Float64Array.from({ length: numel(type.shape) }, next);
  return { shape: type.shape, data };
}

/** Draws of a weight: its numbers as a run of each seed would start them. Throws Unfit. */
function draws(made: MadeBy, spec: WeightSpec): (seed: number) => Float64Array {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const w = made.def.make(b, 'weight', spec, made);
  assert.equal(w.type.shape, spec.shape, made.text);
  const graph = b.finish([{ name: 'w', value: w }]);
  return (seed) => Float64Array.from(evaluate(graph, (leaf) => started(leaf, seed)).outputs.get('w')!.data);
}

function drawsOrNull(made: MadeBy, spec: WeightSpec): ((seed: number) => Float64Array) | null {
  try {
    return draws(made, spec);
  } catch (e) {
    if (e instanceof Unfit) return null;
    throw e;
  }
}

// Wider than the weights of the layers in the table, so that more expressions fit.
const WIDER: readonly WeightSpec[] = [
  { shape: [16, 24], fanIn: 24, fanOut: 16, start: 'he' },
  { shape: [16, 1, 3, 3, 8], axes: [16, 3, 3, 8], fanIn: 72, fanOut: 144, start: 'xavier' },
  { shape: [4, 8, 8], fanIn: 8, fanOut: 8, start: 0.02, stacked: true },
];

/** The weights that layers ask for, each once. */
const SPECS: readonly WeightSpec[] = [
  ...new Map([...WIDER, ...USES.flatMap(specsOf)].map((s) => [JSON.stringify(s), s])).values(),
];

const [FEWEST, MOST] = [40, 1200];

/** Mean square and mean over draws, in units of the wanted variance, until the first is known to 4 %: one of each, as the numbers of one weight depend on each other. */
function statistics(
  draw: (seed: number) => Float64Array,
  variance: number,
): { ratio: number; error: number; mean: number } {
  let [n, sum, squares, mean] = [0, 0, 0, 0];
  for (;;) {
    const w = draw(n++);
    const ratio = w.reduce((a, v) => a + v * v, 0) / w.length / variance;
    sum += ratio;
    squares += ratio * ratio;
    mean += w.reduce((a, v) => a + v, 0) / w.length;
    const error = Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2) / n);
    if (n >= MOST || (n >= FEWEST && error < 0.04))
      return { ratio: sum / n, error, mean: mean / n / Math.sqrt(variance) };
  }
}

weights(
  'made weights have the variance that the layer asks for, for every weight of every layer and expression',
  () => {
    let tested = 0;
    for (const spec of SPECS) {
      for (const { made } of MADE) {
        // A file has what it has; on a base the others start at 0.
        if (made.def.name === 'frozen' || made.def.whole || isBased(made)) continue;
        const draw = drawsOrNull(made, spec);
        if (!draw) continue;
        tested++;
        const { ratio, error, mean } = statistics(draw, stdOf(spec) ** 2);
        const said = `${made.text} of ${spec.shape.join('x')}: ${ratio.toFixed(3)} ± ${error.toFixed(3)}`;
        assert.ok(error < 0.3 && Math.abs(ratio - 1) < 4 * error + 0.01, said);
        assert.ok(Math.abs(mean) < 0.2, `mean of ${said}: ${mean}`);
      }
    }
    assert.ok(tested > 300, `${tested}`);
  },
);

weights('under a vector every parameter of every layer starts as it would without', () => {
  for (const use of USES) {
    for (const { made } of MADE.filter((m) => m.made.def.whole)) {
      for (const asked of askedBy(use)) {
        const b = graphBuilder({ mode: 'train', seed: 0 });
        const total = numel(asked.shape) + 13;
        const all = made.def.whole!.make(b, 'group', total, made.args);
        const part = made.def.whole!.part(b, all, 3, 'part', asked, made.args);
        const graph = b.finish([{ name: 'w', value: part }]);
        const draw = (seed: number): Float64Array =>
          Float64Array.from(evaluate(graph, (leaf) => started(leaf, seed)).outputs.get('w')!.data);
        const { init } = asked;
        if (init.kind === 'constant') assert.ok(draw(0).every((v) => v === init.value));
        else {
          const { ratio, error } = statistics(draw, init.std ** 2);
          assert.ok(Math.abs(ratio - 1) < 4 * error + 0.01, `${showUse(use)} ${asked.path}: ${ratio}`);
        }
      }
    }
  }
});

weights('on a base every other part starts at 0, and can leave it', () => {
  for (const spec of SPECS) {
    for (const { made } of MADE.filter((m) => isBased(m.made))) {
      const base = draws(made.parts[0]!, spec)(0);
      const sum = drawsOrNull(made, spec);
      if (sum) assert.equal(sum(0), base, made.text);
    }
  }
});

weights('hashed: numbers of the vector with random signs; seeds and layers share in different ways', () => {
  const spec: WeightSpec = { shape: [8, 4, 9], fanIn: 36, fanOut: 32, start: 'he' };
  const drawn = (path: string, seed: number): Float64Array => {
    const b = graphBuilder({ mode: 'train', seed: 0 });
    const made = make('hashed', { m: 5, seed });
    const graph = b.finish([{ name: 'w', value: b.scope(path, () => made.def.make(b, 'weight', spec, made)) }]);
    const v = { shape: [5], data: Float64Array.of(1, 2, 3, 4, 5) };
    return Float64Array.from(evaluate(graph, () => v).outputs.get('w')!.data);
  };
  const w = drawn('dense[0]', 1);
  assert.equal(
    [...new Set(w)].sort((a, b) => a - b),
    [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5],
  );
  assert.equal(drawn('dense[0]', 1), w);
  const others = [drawn('dense[1]', 1), drawn('dense[0]', 2), drawn('dense[0]', 2 ** 32 + 1)];
  for (const other of others) assert.not.equal(other, w);
});

weights.run();

// ---- gradients ---------------------------------------------------------------------------------------------------------

const training = suite('gradients of layers by their free tensors, on the addon against central differences');
const PROBES = 3;

for (const use of USES) {
  training(showUse(use), async () => {
    for (const { made } of MADE) {
      if (made.def.name === 'full' || !tryMeasured(use, made)) continue;
      const d = differentiated([use.input], build(use, made), `${showUse(use)} ${made.text}`);
      const found = await runNative(d.grads, d.values);
      const random = new Random('probes');
      for (const name of d.wrt) {
        const grad = found.get(`d ${name}`)!;
        const scale = Math.max(1, ...grad.map(Math.abs));
        for (let i = 0; i < Math.min(PROBES, grad.length); i++) {
          const at = random.below(grad.length);
          const expected = centralDifference(d, name, at);
          const off = Math.abs(grad[at]! - expected);
          assert.ok(off < 3e-4 * scale, `${made.text}: d ${name}[${at}] is ${grad[at]}, expected ${expected}`);
        }
      }
    }
  });
}

training('gradients are those of products that form no weight', () => {
  const ops = (use: LayerUse, made: MadeBy): ReadonlySet<string> =>
    new Set(optimize(differentiated([use.input], build(use, made), 'ops').grads).nodes.map((n) => n.op.name));
  const dense: LayerUse = { name: 'dense', args: { out: 32 }, input: f32(3, 32) };
  const conv: LayerUse = { name: 'conv', args: { out: 32, k: 3 }, input: f32(2, 5, 4, 32) };
  const kron = ops(dense, make('kron', { n: 4 }));
  assert.ok(kron.has('kron_linear_grad') && !kron.has('kron_weight') && !kron.has('kron_factor_grad'));
  // Beside a base that does not train, whatever the rows: two thin gradients, none of the whole.
  const whole = differentiated([f32(300, 32)], build(dense, plus(make('fixed'), make('lowrank', { r: 2 }))), 'ops');
  assert.not.ok(
    optimize(whole.grads).nodes.some((n) => n.op.name === 'matmul' && String(n.types[0]!.shape) === '32,32'),
  );
  for (const use of [dense, conv]) {
    for (const made of [make('tucker', { r: 2 }), plus(make('fixed', { seed: 3 }), make('tucker', { r: 2 }))]) {
      const found = ops(use, made);
      assert.ok(found.has('tucker_conv_grad'), `${showUse(use)} via ${made.text}`);
      assert.not.ok(found.has('conv_weight_grad'), `${showUse(use)} via ${made.text}`);
    }
    // Ranks at which three products are more work than one.
    assert.not.ok(ops(use, make('tucker', { r: use === dense ? 17 : [32, 3, 3, 32] })).has('tucker_conv_grad'));
  }
});

// W = 0 at the start: what the zeros are multiplied by cannot move yet, the zeros can (a Tucker core, U of a low rank, F of kron).
training('a change of a base begins with the tensors that are 0', async () => {
  for (const use of USES.filter(({ name }) => ['dense', 'conv', 'moe'].includes(name))) {
    for (const { made } of MADE) {
      if (!isBased(made) || !tryMeasured(use, made)) continue;
      const d = differentiated([use.input], build(use, made), `${showUse(use)} ${made.text} at the start`);
      const leaves = new Map(d.grads.leaves.map((leaf) => [leaf.name, leaf]));
      for (const [name, leaf] of leaves) if (leaf.kind === 'param') d.values.set(name, started(leaf, 1));
      const found = await runNative(d.grads, d.values);
      for (const name of d.wrt) {
        const leaf = leaves.get(name)!;
        if (leaf.kind !== 'param' || name.startsWith('router')) continue;
        const grad = found.get(`d ${name}`)!;
        if (leaf.init.kind === 'constant')
          assert.ok(grad.some((v) => v !== 0), `${made.text}: ${name} cannot move`); // prettier-ignore
        else
          assert.ok(
            grad.every((v) => v === 0),
            `${showUse(use)} via ${made.text}: ${name} moves`,
          );
      }
    }
  }
});

training('what is given has no gradient', () => {
  const use = USES[0]!;
  const made = plus(make('fixed'), make('lowrank', { r: 2 }));
  const d = differentiated([use.input], build(use, made), 'given');
  assert.equal([...d.wrt].sort(), ['bias', 'weight.U', 'weight.V', 'x0']);
  assert.is(layerOf(use).name, 'dense');
  assert.ok(filled(layerOf(use), use.args));
});

training.run();

// ---- rewriting ---------------------------------------------------------------------------------------------------------

const rewriting = suite('inference without forming the weight');

/** As predictions see it, and as steps of training do: before gradients are taken the makers of weights are lowered. */
function graphs(use: LayerUse, made: MadeBy): readonly { plain: Graph; lowered: Graph }[] {
  return (['infer', 'train'] as const).map((mode) => {
    const b = graphBuilder({ mode, seed: 0 });
    const y = build(use, made)(b, [b.input('x', use.input)]);
    const plain = b.finish([{ name: 'y', value: y }]);
    if (mode === 'infer') return { plain, lowered: plain };
    const [lowered] = b.changed([y], lowerWeights);
    return { plain, lowered: b.finish([{ name: 'y', value: lowered! }]) };
  });
}

rewriting(
  'rewritten equals made and applied, for every layer and expression, in predictions and in training',
  async () => {
    const fused = new Set<string>();
    for (const use of USES) {
      for (const { plain, lowered, made } of MADE.flatMap(({ made }) =>
        tryMeasured(use, made) ? graphs(use, made).map((g) => ({ ...g, made })) : [],
      )) {
        const random = new Random('rewriting', showUse(use), made.text);
        const leaves = [...plain.leaves, ...lowered.leaves];
        const values = new Map(leaves.map((leaf) => [leaf.name, draw(leaf.type, random)]));
        for (const node of optimize(lowered).nodes) fused.add(node.op.name);
        const wanted = evaluate(plain, (leaf) => values.get(leaf.name)!).outputs.get('y')!.data;
        const found = (await runNative(lowered, values)).get('y')!;
        const scale = Math.max(1, ...wanted.map(Math.abs));
        wanted.forEach((v, i) => {
          assert.ok(
            Math.abs(found[i]! - v) < 1e-4 * scale,
            `${showUse(use)} via ${made.text}: ${found[i]}, expected ${v}`,
          );
        });
      }
    }
    assert.ok(fused.has('kron_linear') || fused.has('kron_linear_act'));
    assert.ok(fused.has('tucker_conv'));
  },
);

rewriting('a weight of low rank becomes two products where that is less work', () => {
  const products = (rows: number, r: number): number => {
    const b = graphBuilder({ mode: 'infer', seed: 0 });
    const use: LayerUse = { name: 'dense', args: { out: 64 }, input: f32(rows, 64) };
    const y = build(use, make('lowrank', { r }))(b, [b.input('x', use.input)]);
    const graph = optimize(b.finish([{ name: 'y', value: y }]));
    return costOf(graph).macs;
  };
  assert.is(products(100, 4), 100 * 4 * 128);
  assert.is(products(1000, 60), 1000 * 64 * 64);
});

rewriting('a Tucker change is merged where there are more rows than making it costs', () => {
  const made = plus(make('fixed', { seed: 3 }), make('tucker', { r: 4 }));
  const ops = (rows: number): readonly string[] => {
    const b = graphBuilder({ mode: 'infer', seed: 0 });
    const use: LayerUse = { name: 'dense', args: { out: 64, bias: false }, input: f32(rows, 64) };
    const y = build(use, made)(b, [b.input('x', use.input)]);
    return optimize(b.finish([{ name: 'y', value: y }])).nodes.map((n) => n.op.name);
  };
  // 2·64·4 + 4² multiply-adds a row, against 64·4·4 + 64·4·64 for the change and 64·64 to add it.
  assert.ok(ops(40).includes('tucker_conv'));
  assert.not.ok(ops(41).includes('tucker_conv'));
  assert.ok(ops(41).includes('tucker_weight'));
});

rewriting.run();
