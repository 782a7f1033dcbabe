import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { decideTrain } from '../../src/space/train.ts';
import { check } from '../../src/space/check.ts';
import { mutate } from '../../src/space/mutate.ts';
import { countGiven, next, sampleGiven } from '../../src/space/restrict.ts';
import { sample } from '../../src/space/sample.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Requirement } from '../../src/space/require-expr.ts';
import type { Space } from '../../src/space/space.ts';
import { count } from '../../src/space/count.ts';
import { rank, unrank } from '../../src/space/unrank.ts';
import { spaceOf } from '../lang/compile.ts';
import { enumerate } from './brute.ts';
import { mlp, nas, tree, wideNet } from './examples.ts';
import {
  apply,
  either,
  input,
  layer,
  measure,
  oneOf,
  plainTrain,
  range,
  read,
  repeat,
  require,
  seq,
  setting,
  space,
  term,
  uses,
  val,
  weighted,
} from './support.ts';

const samples = suite('sample');

// Pearson's statistic against equal shares; for k cells its mean is k - 1 and its deviation sqrt(2 (k - 1)).
function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const n = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, c, i) => sum + (c - n * shares[i]!) ** 2 / (n * shares[i]!), 0);
}
const far = (k: number): number => k - 1 + 5 * Math.sqrt(2 * (k - 1));

samples('uniform: every member alike', () => {
  for (const s of [tree(3), wideNet(null), wideNet(330_000)]) {
    const n = Number(count(s).exact);
    const key = (a: Assignment): string => JSON.stringify(Object.entries(a).sort());
    const at = new Map(Array.from({ length: n }, (_, i) => [key(unrank(s, BigInt(i))), i]));
    const random = new Random('uniform', 1);
    const seen = new Array<number>(n).fill(0);
    for (let i = 0; i < 30 * n; i++) seen[at.get(key(sample(s, { random, measure: 'uniform' })))!]!++;
    assert.ok(
      chiSquare(
        seen,
        seen.map(() => 1 / n),
      ) < far(n),
      s.name,
    );
  }
});

samples('choice: the prior, given that the member fits', () => {
  const x = input('x', 8);
  const u = uses();
  const s = space('Weighted', {
    inputs: [x],
    outputs: [
      apply(
        read(x),
        seq(
          layer(u, 'dense', { out: weighted('out', [4, 8, 16], [4, 2, 1]) }),
          either(
            u.site('choice'),
            layer(u, 'relu'),
            layer(u, 'dense', { out: range('out', 1, 8, { spacing: 'log' }) }),
          ),
        ),
      ),
    ],
    requirements: [require(measure('params'), '<=', term(110))],
  });
  const members = enumerate(s, 100)!;
  const priorOf = (a: Assignment): number => {
    const first = { 4: 4, 8: 2, 16: 1 }[a['dense[0].out'] as 4 | 8 | 16] / 7;
    const second = a['dense[1].out'] as number | undefined;
    const harmonic = [1, 2, 3, 4, 5, 6, 7, 8].reduce((n, v) => n + 1 / v, 0);
    return (first / 2) * (second === undefined ? 1 : 1 / second / harmonic);
  };
  const prior = members.map((m) => priorOf(m.assignment));
  const total = prior.reduce((a, b) => a + b, 0);
  const key = (a: Assignment): string => `${a['dense[0].out']},${a['dense[1].out']}`;
  const at = new Map(members.map((m, i) => [key(m.assignment), i]));
  const random = new Random('choice', 2);
  const seen = members.map(() => 0);
  for (let i = 0; i < 4000; i++) seen[at.get(key(sample(s, { random })))!]!++;
  assert.ok(
    chiSquare(
      seen,
      prior.map((p) => p / total),
    ) < far(members.length),
  );
});

samples('balanced: every depth alike', () => {
  const random = new Random('balanced', 1);
  const s = mlp();
  const repeats = new Map<number, number>();
  for (let i = 0; i < 600; i++) {
    const r = sample(s, { random, measure: 'balanced' })['cell[0].repeat'] as number;
    repeats.set(r, (repeats.get(r) ?? 0) + 1);
  }
  const seen = [1, 2, 4].map((r) => repeats.get(r)!);
  assert.ok(chiSquare(seen, [1 / 3, 1 / 3, 1 / 3]) < far(3));
});

samples('the same seed gives the same member', () => {
  for (const seed of [0, 1, 2]) assert.equal(sample(nas(), { seed }), sample(nas(), { seed }));
  assert.not.equal(sample(mlp(), { seed: 1 }), sample(mlp(), { seed: 2 }));
});

const makeTrained = (): Space => {
  const x = input('x', 4);
  const u = uses();
  return space('Trained', {
    inputs: [x],
    outputs: [apply(read(x), layer(u, 'dense', { out: oneOf('out', 2, 3) }))],
    train: plainTrain({
      batch: oneOf('batch', 32, 64),
      optimizer: {
        kind: 'choice',
        site: { id: -1, label: 'optimizer', use: null, span: x.span },
        alternatives: [
          {
            expr: setting('adamw', { lr: range('lr', 1e-5, 1e-1, { whole: false, spacing: 'log', prior: 3e-4 }) }),
            weight: 1,
            text: 'adamw',
          },
          {
            expr: setting('sgd', { lr: range('lr', 0.01, 1, { whole: false }), momentum: val(0.9) }),
            weight: 1,
            text: 'sgd',
          },
        ],
        span: x.span,
      },
    }),
  });
};

const trainedSpace = makeTrained();
const trained = (): Space => trainedSpace;

samples('decisions of training are drawn with the member, within their ranges', () => {
  const random = new Random('train', 1);
  for (let i = 0; i < 200; i++) {
    const a = sample(trained(), { random });
    const t = decideTrain(trained(), a);
    assert.is(t.batch, a['train.batch']);
    assert.is(t.optimizer.name, a['train.optimizer']);
    const lr = t.optimizer.args['lr'] as number;
    assert.is(lr, a[`train.optimizer.${t.optimizer.name}.lr`]);
    assert.ok(t.optimizer.name === 'sgd' ? lr >= 0.01 && lr <= 1 : lr >= 1e-5 && lr <= 1e-1);
  }
});

samples('training that is not assigned takes its first alternatives and the middle of ranges', () => {
  const t = decideTrain(trained(), {});
  assert.is(t.optimizer.name, 'adamw');
  assert.is(t.optimizer.args['lr'], 3e-4);
  assert.is(t.batch, 32);
});

samples('mutants change one decision and keep the rest', () => {
  const s = mlp();
  const random = new Random('mutants', 1);
  let a = sample(s, { random });
  for (let i = 0; i < 100; i++) {
    const b = mutate(s, a, random)!;
    const changed = Object.keys(b).filter((k) => a[k] !== undefined && JSON.stringify(a[k]) !== JSON.stringify(b[k]));
    assert.is(changed.length, 1, JSON.stringify([a, b]));
    a = b;
  }
});

samples('continuous decisions of training mutate within their range', () => {
  const random = new Random('mutants', 2);
  let a = sample(trained(), { random });
  for (let i = 0; i < 200; i++) {
    a = mutate(trained(), a, random)!;
    decideTrain(trained(), a);
  }
  assert.ok(countGiven(trained(), a) === 1n);
});

samples('the last decisions are those of training', () => {
  const s = trained();
  const first = next(s, {})!;
  assert.is(first.path, 'dense[0].out');
  assert.equal(first.feasible, [4n, 4n]);
  const second = next(s, { 'dense[0].out': 2 })!;
  assert.is(second.path, 'train.optimizer');
  const third = next(s, { 'dense[0].out': 2, 'train.optimizer': 'sgd' })!;
  assert.ok(third.continuous !== null && third.alternatives.length === 0);
  const all = sampleGiven(
    s,
    { 'dense[0].out': 2, 'train.optimizer': 'sgd', 'train.optimizer.sgd.lr': 0.5 },
    { random: new Random(1) },
  );
  assert.is(all['train.optimizer.sgd.lr'], 0.5);
});

samples('ranks outside of the count are refused', () => {
  assert.throws(() => unrank(tree(2), 5n), /not below the count 5/);
  assert.throws(() => unrank(tree(2), -1n), RangeError);
  assert.throws(() => rank(tree(2), { 'tree[0].choice[0]': 'nonsense' }), /no member/);
});
samples('balanced: depths of which no member fits are left for others', () => {
  const s = spaceOf(`space Deep {
    input x: f32[B, 8]
    def c = dense(8..4000) -> relu
    output y = x -> c{1..40} -> dense(2)
    require params <= 50k
  }`);
  for (let seed = 0; seed < 3; seed++) assert.is(check(s, sample(s, { measure: 'balanced', seed })), null);
});
samples('what is too large to draw each alike says what to do', () => {
  const widths = (requirement: Requirement, more: { spacing?: 'pow2' } = {}): Space => {
    const u = uses();
    const x = input('x', 8);
    const net = repeat(layer(u, 'dense', { out: range('out', 8, 4000, more) }), 12);
    return space('Wide', { inputs: [x], outputs: [apply(read(x), net)], requirements: [requirement] });
  };
  assert.throws(
    () => sample(widths(require(measure('params'), '>=', term(176_075_000))), { measure: 'uniform' }),
    /in 2000 tries no member of Wide met its requirements.*the measure 'choice'.*`pow2`.*`step`/,
  );
  const narrow = widths(require(measure('params'), '<=', term(20_000)), { spacing: 'pow2' });
  assert.is(check(narrow, sample(narrow, { measure: 'uniform' })), null);
});

samples.run();
