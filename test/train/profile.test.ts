import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import { relu } from '../../src/ops/elementwise.ts';
import { gatherRows } from '../../src/ops/gather.ts';
import { OPS } from '../../src/ops/index.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { byLayer, byOp, profileRows } from '../../src/train/profile.ts';

// Two products in two layers, a relu between them, rows of a table before.
function plan() {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const plain = { transA: 0, transB: 0 };
  const x = b.one(gatherRows, [b.input('table', f32(1000, 8)), b.input('index', i32(4))]);
  const h = b.scope('first', () => b.one(relu, [b.one(matmul, [x, b.input('v', f32(8, 16))], plain)]));
  const y = b.scope('second', () => b.one(matmul, [h, b.input('w', f32(16, 2))], plain));
  return makePlan(b.finish([{ name: 'y', value: y }]), { ops: OPS });
}

const profile = suite('profile');
const made = plan();
const index = (name: string): number[] => made.steps.flatMap((s, i) => (s.op.name === name ? [i] : []));
const nanoseconds = new Float64Array(made.steps.length).fill(1e6);
nanoseconds[index('relu')[0]!] = 7e6;

profile('one row an op: time a run, declared FLOPs, bytes in and out', () => {
  const rows = profileRows(made, nanoseconds, 2, byOp);
  assert.equal(
    rows.map((r) => r.op),
    ['relu', 'matmul', 'gather_rows'],
  );
  assert.equal(rows[0], { op: 'relu', layer: '', uses: 1, ms: 3.5, flops: 64, bytes: 2 * 64 * 4 });
  const products = rows[1]!;
  assert.is(products.uses, 2);
  assert.is(products.ms, 1);
  assert.is(products.flops, 2 * 4 * 8 * 16 + 2 * 4 * 16 * 2);
  assert.is(products.bytes, 4 * (4 * 8 + 8 * 16 + 4 * 16) + 4 * (4 * 16 + 16 * 2 + 4 * 2));
});

profile('a gather moves its rows, not its table', () => {
  const row = profileRows(made, nanoseconds, 1, byOp).find((r) => r.op === 'gather_rows')!;
  assert.is(row.bytes, 4 * 4 + 2 * 4 * 4 * 8);
});

profile('by layer, the rows of an op stand apart', () => {
  const rows = profileRows(made, nanoseconds, 1, byLayer).filter((r) => r.op === 'matmul');
  assert.equal(rows.map((r) => r.layer).sort(), ['first', 'second']);
});

profile('before a step was run, all times are 0', () => {
  for (const row of profileRows(made, new Float64Array(made.steps.length), 0, byOp)) assert.is(row.ms, 0);
});

profile.run();
