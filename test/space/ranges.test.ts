import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decisions } from '../../src/space/decisions-of.ts';
import { measures } from '../../src/space/measures.ts';
import { ranges, witness } from '../../src/space/ranges.ts';
import { deepConv, incept, mlp, nas, tree, wideNet } from './examples.ts';

const ends = suite('ranges');

ends('are those of a member at either end', () => {
  for (const make of [mlp, deepConv, () => wideNet(null), nas, incept, () => tree('open')]) {
    const s = make();
    const r = ranges(s);
    for (const m of ['params', 'flops', 'macs', 'memory', 'depth'] as const) {
      assert.ok(r[m].proven);
      assert.is(measures(s, witness(s, m, 'min')!)[m], r[m].min, `${s.name} ${m} min`);
      assert.is(measures(s, witness(s, m, 'max')!)[m], r[m].max, `${s.name} ${m} max`);
    }
  }
});

ends('of Mlp', () => {
  const r = ranges(mlp());
  assert.equal([r.params.min, r.params.max, r.depth.min, r.depth.max], [203_530, 3_962_890, 2, 5]);
  assert.is(decisions(mlp()), 14);
});
ends.run();
