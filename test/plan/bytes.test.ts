import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import { conv, convAct } from '../../src/ops/conv.ts';
import { affine, relu } from '../../src/ops/elementwise.ts';
import { OPS } from '../../src/ops/index.ts';
import { fill } from '../../src/ops/random.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { hashText, opTable } from '../../src/plan/op-table.ts';
import { buildProgram, programs } from '../ir/random-graph.ts';
import { decodePlan } from './decode.ts';

const packing = suite('packed plans');

packing('hold the whole plan', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const plan = makePlan(buildProgram(program), { ops: OPS });
      const packed = decodePlan(plan.bytes, OPS);
      assert.is(packed.hash, opTable(OPS).hash);
      assert.is(packed.arenaBytes, plan.arenaBytes);
      assert.is(packed.externals, plan.externals.length);
      const views = plan.views.map(({ ref, ...v }) => ({
        ...v,
        bound: v.place === 'store' ? plan.store[ref]!.name : ref,
      }));
      assert.equal(packed.views, views);
      assert.equal(
        packed.steps,
        plan.steps.map((s) => ({ ...s, op: s.op.name })),
      );
    }),
    { numRuns: 200 },
  );
});

packing('hold every kind of attribute, absent inputs, and names in any script', () => {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const spatial = {
    stride: [1, 2, 3],
    padBefore: [0, 1, 0],
    padAfter: [0, 0, 2],
    dilation: [1, 1, 1],
    groups: 1,
    winograd: 'off',
  };
  const y = b.scope('größe[0].層', () => {
    const w = b.param('weight', [2, 1, 2, 2, 3], { kind: 'normal', std: 1 });
    return b.one(convAct, [b.input('x', f32(1, 1, 5, 5, 3)), w, null], { ...spatial, activation: 'tanh' });
  });
  const z = b.one(affine, [b.one(fill, [], { dims: [3], value: -0 })], { scale: 1e-40, shift: Infinity });
  const plan = makePlan(
    b.finish([
      { name: 'y', value: y },
      { name: 'z', value: z },
    ]),
    { ops: OPS },
  );
  const packed = decodePlan(plan.bytes, OPS);
  const step = packed.steps.find((s) => s.op === 'conv_act')!;
  assert.equal(step.attrs, { ...spatial, activation: 'tanh' });
  assert.is(step.inputs[2], null);
  assert.is(step.path, 'größe[0].層');
  assert.ok(packed.views.some((v) => v.bound === 'größe[0].層.weight'));
  assert.ok(Object.is(packed.steps.find((s) => s.op === 'fill')!.attrs['value'], -0));
  assert.equal(packed.steps.find((s) => s.op === 'affine')!.attrs, { scale: 1e-40, shift: Infinity });
});

const table = suite('op table');

table('is in the order of names, and its hash follows from every signature', () => {
  const names = OPS.map((op) => op.name);
  assert.equal(names, [...names].sort());
  const hash = (ops: typeof OPS): string => hashText(opTable(ops).hash);
  assert.match(hash(OPS), /^[0-9a-f]{16}$/);
  const changed = { ...relu, inPlace: [null] };
  assert.is.not(hash([relu]), hash([changed]));
  assert.is.not(hash([relu, conv]), hash([conv, relu]));
  assert.is(hash([relu]), hash([{ ...relu, doc: 'other words' }]));
});

table('what is generated from it is fresh', () => {
  const root = join(import.meta.dirname, '../..');
  execFileSync(process.execPath, ['--import', 'tsx', join(root, 'scripts/gen.ts'), '--check'], { cwd: root });
});

packing.run();
table.run();
