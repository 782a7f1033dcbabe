// The claim, small enough for every day: a random subspace learns, more with more dimensions, whatever the projection. Full runs: experiment.ts, README.md.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../../src/index.ts';
import { accuracies, D } from './protocol.ts';

const SOURCE = readFileSync(new URL('mnist.space', import.meta.url), 'utf8');
const EPOCHS = 2;
const accuracy = (kind: string, d: number): number => [...accuracies({ kind, d, seed: 1 }, EPOCHS, 1)].at(-1)!;

const claim = suite('zoo: intrinsic dimension');

claim('the spaces have as many numbers as the paper says', () => {
  assert.is(D, 199_210);
  const direct = compile(SOURCE, { space: 'Direct' });
  assert.is(direct.sample({ seed: 1 }).params, D);
  const subspaces = compile(SOURCE, { space: 'Subspaces' });
  assert.is(subspaces.count(), 6n);
  for (let seed = 0; seed < 5; seed++) {
    const { params, program } = subspaces.sample({ seed });
    assert.match(program, `subspace(${params}`);
  }
});

claim('accuracy rises with the dimension of the subspace; kinds of projection are alike', () => {
  const [few, more, direct] = [accuracy('sparse', 100), accuracy('sparse', 750), accuracy('direct', D)];
  assert.ok(few > 0.15, `${few} in 100 dimensions`);
  assert.ok(more > few + 0.2, `${few} in 100 dimensions, ${more} in 750`);
  assert.ok(direct > more + 0.1, `${more} in 750 dimensions, ${direct} in all`);
  const other = accuracy('fastfood', 750);
  assert.ok(Math.abs(other - more) < 0.08, `sparse ${more}, fastfood ${other}`);
});

claim.run();
