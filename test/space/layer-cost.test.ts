import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { Unfit } from '../../src/base/unfit.ts';
import type { Args, LayerDef } from '../../src/ir/layer.ts';
import { conv } from '../../src/layers/conv.ts';
import { dense } from '../../src/layers/dense.ts';
import { argsOf } from '../../src/space/given.ts';
import { layerCost, layerDepth, measuredCost, weightShapes } from '../../src/space/layer-cost.ts';
import type { Datum } from '../../src/space/values.ts';
import { count } from '../../src/space/count.ts';
import { measures } from '../../src/space/measures.ts';
import { ranges } from '../../src/space/ranges.ts';
import { analyse } from '../../src/space/analyse.ts';
import { apply, input, layer, read, repeat, space, tensors, uses } from './support.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { ffn, project, se } from '../../src/layers/blocks.ts';
import { activations } from '../../src/layers/activation.ts';
import { small } from './examples.ts';

const costs = suite('costs of layers');

const same = (def: LayerDef, given: Readonly<Record<string, Datum>>, ...shape: number[]): void => {
  const args: Args = argsOf(def, new Map(Object.entries(given)));
  const type = { dtype: 'f32' as const, shape: [1, ...shape] };
  const direct = measuredCost(def, args, [type]);
  if (direct instanceof Unfit) return assert.throws(() => layerCost(def, args, [type]), direct.message);
  const { output, params, state, flops, macs, kept } = layerCost(def, args, [type]);
  assert.equal(
    { output, params, state, flops, macs, kept, shapes: weightShapes(layerCost(def, args, [type])) },
    {
      output: direct.output,
      params: direct.params,
      state: direct.state,
      flops: direct.flops,
      macs: direct.macs,
      kept: direct.kept,
      shapes: weightShapes(direct),
    },
  );
};

const width = fc.integer({ min: 1, max: 700 });

costs('what is found from few widths is what every width has', () => {
  const cases = fc.record({ out: width, bias: fc.boolean(), c: width, lead: fc.array(fc.integer({ min: 1, max: 9 })) });
  fc.assert(
    fc.property(cases, ({ out, bias, c, lead }) => same(dense, { out, bias }, ...lead.slice(0, 3), c)),
    { numRuns: 150 },
  );
  const windows = fc.record({
    out: width,
    bias: fc.boolean(),
    c: width,
    k: fc.integer({ min: 1, max: 6 }),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.constantFrom('same', 'valid'),
    groups: fc.constantFrom(1, 1, 2),
    lead: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(windows, ({ c, lead, ...args }) => same(conv, args, ...lead, c)),
    { numRuns: 150 },
  );
});

costs('of every layer that says what becomes of widths', () => {
  const given: Readonly<Record<string, Datum>> = { out: 6, k: 2, p: 0.5, states: 4 };
  const known = [...LAYERS.values()].filter((def) => def.widths);
  assert.ok(known.length > 10);
  for (const def of known) {
    const args = Object.fromEntries(Object.entries(given).filter(([name]) => def.args.some((a) => a.name === name)));
    for (const lead of [[], [3], [4, 5]]) {
      for (const c of [1, 2, 3, 31, 400]) same(def, { ...args, ...(args['out'] ? { out: c + 7 } : {}) }, ...lead, c);
    }
  }
});

costs('sizes that no tensor may have do not fit', () => {
  same(dense, { out: 2 ** 30 }, 2 ** 30);
  same(dense, { out: 2 ** 44 }, 8);
});

costs('depth counts layers with weights', () => {
  const depthOf = (def: LayerDef, args: Readonly<Record<string, Datum>>, ...shape: number[]): number =>
    layerDepth(
      def,
      layerCost(def, argsOf(def, new Map(Object.entries(args))), [{ dtype: 'f32', shape: [1, ...shape] }]),
    );
  assert.is(depthOf(dense, { out: 4 }, 8), 1);
  assert.is(depthOf(activations[0]!, {}, 8), 0);
  assert.is(depthOf(project, { n: 8 }, 8), 0);
  assert.is(depthOf(project, { n: 9 }, 8), 1);
  assert.is(depthOf(ffn, { hidden: 4 }, 8), 2);
  assert.is(depthOf(se, { ratio: 2 }, 4, 4, 8), 2);
  const s = small((u) => repeat({ ...layer(u, 'dense', { hidden: 4 }), layer: ffn }, 3), 8);
  assert.is(measures(s, {}).depth, 6);
  assert.is(ranges(s).depth.max, 6);
});

costs('a list of lists does not fit', () => {
  const x = input('x', 8);
  const u = uses();
  const list = tensors(tensors(read(x), read(x)), read(x));
  const s = space('A', { inputs: [x], outputs: [apply(list, layer(u, 'add'))] });
  assert.is(count(s).exact, 0n);
  const [clash] = analyse(s);
  assert.is(clash?.kind, 'clash');
  assert.is(clash?.kind === 'clash' && clash.found, 'a list of lists');
});
costs.run();
