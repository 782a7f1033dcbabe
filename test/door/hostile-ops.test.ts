import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { numel } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { OpDef, Sample } from '../../src/ir/op.ts';
import { OPS } from '../../src/ops/index.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { attack, mutate } from '../support/hostile.ts';

const MUTATIONS = 40;
const SMALL = 4096;

// A plan of one step. Attributes and sizes are most of its bytes, so mutations hit what kernels check for themselves.
function planOf(op: OpDef, sample: Sample): Uint8Array {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const inputs = sample.inputs.map((type, i) => type && b.input(`x${i}`, type));
  const values = b.apply(op, inputs, sample.attrs ?? {});
  return makePlan(b.finish(values.map((value, i) => ({ name: `y${i}`, value }))), { ops: OPS }).bytes;
}

const isSmall = (sample: Sample): boolean => sample.inputs.every((t) => !t || numel(t.shape) <= SMALL);

const hostile = suite('hostile plans of every op');

for (const op of OPS.filter((o) => !o.alias))
  hostile(op.name, () => {
    const seeds = op.samples.filter(isSmall).map((sample) => planOf(op, sample));
    assert.ok(seeds.length > 0);
    const random = new Random('hostile', op.name);
    const plans = seeds.flatMap((seed) => Array.from({ length: MUTATIONS }, () => () => mutate(seed, random)));
    const { ran, refused } = attack([...seeds.map((seed) => () => seed), ...plans]);
    assert.ok(ran >= seeds.length && refused > 0);
  });

hostile.run();
