import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/lang/check.ts';
import { defaultSearch } from '../../src/lang/search-settings.ts';
import type { ValueExpr } from '../../src/space/expr.ts';
import type { SettingChoice } from '../../src/space/settings.ts';
import { sample } from '../../src/space/sample.ts';
import { decideTrain } from '../../src/space/train.ts';
import { programOf, spaceOf } from './compile.ts';

const settings = suite('lang: settings');
const NET = 'space S { input x: f32[B, 4] output y = x -> dense(3) }\n';

const plain = (e: ValueExpr): unknown => (e.kind === 'const' ? e.value : e.kind);
const shown = (s: SettingChoice): unknown =>
  s.kind === 'choice'
    ? s.alternatives.map((a) => shown(a.expr))
    : [s.name, Object.fromEntries(s.args.map((a) => [a.name, a.value.kind === 'setting' ? null : plain(a.value)]))];

settings('what a file leaves out has a default', () => {
  const { train } = spaceOf(NET);
  assert.is(train.data, null);
  assert.equal(shown(train.loss), ['crossentropy', {}]);
  assert.equal(shown(train.optimizer), [
    'adamw',
    { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 },
  ]);
  assert.equal(shown(train.schedule), ['constant', {}]);
  assert.equal(
    [plain(train.batch), plain(train.epochs), train.seed, train.precision, train.winograd],
    [64, 1, 0, 'f32', 'on'],
  );
  const { search } = programOf(NET);
  assert.equal(search.objectives, [{ direction: 'maximize', name: 'accuracy' }]);
  assert.equal(shown(search.searcher), [
    'evolution',
    Object.fromEntries(defaultSearch().searcher.args.map((a) => [a.name, plain(a.value as ValueExpr)])),
  ]);
  assert.equal([search.trials, search.time, search.workers, search.seed], [32, null, 1, 0]);
});

settings('train is read whole', () => {
  const { train } = spaceOf(
    `${NET}train {
    data csv("t.csv", label: "y")  loss mse  optimizer sgd(1e-2, nesterov: true) | adam
    schedule step(5)  batch 16 | 32  epochs 3  precision bf16  winograd off  seed 9
  }`.replace('dense(3)', 'dense(1)'),
  );
  assert.equal(train.data && shown(train.data), ['csv', { file: 't.csv', label: 'y' }]);
  assert.equal(shown(train.loss), ['mse', {}]);
  assert.equal(shown(train.optimizer), [
    ['sgd', { lr: 1e-2, momentum: 0.9, weight_decay: 0, nesterov: true }],
    ['adam', { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0 }],
  ]);
  assert.equal(shown(train.schedule), ['step', { every: 5, factor: 0.1 }]);
  assert.equal(
    [plain(train.batch), plain(train.epochs), train.seed, train.precision, train.winograd],
    ['choice', 3, 9, 'bf16', 'off'],
  );
});

settings('a fidelity is the range of the epochs', () => {
  const { train } = check(`${NET}train { epochs fidelity 1..27 }`, 't').program!.spaces[0]!;
  assert.equal(train.fidelity, { low: 1, high: 27 });
  assert.is(plain(train.epochs), 27);
});

settings('search is read whole', () => {
  const { search } = programOf(
    `${NET}search { minimize loss, params  with mcts(bisect: false)  budget 200 trials, 2h  workers 4  seed 7 }`,
  );
  assert.equal(search.objectives, [
    { direction: 'minimize', name: 'loss' },
    { direction: 'minimize', name: 'params' },
  ]);
  assert.is(search.searcher.name, 'mcts');
  assert.equal([search.trials, search.time, search.workers, search.seed], [200, 7200, 4, 7]);
});

settings('a budget of time has no number of trials', () => {
  const { search } = programOf(`${NET}search { budget 30s }`);
  assert.equal([search.trials, search.time], [null, 30]);
});

settings('with numbers as labels the loss is the objective', () => {
  assert.equal(programOf(`${NET}train { loss mse }`).search.objectives, [{ direction: 'minimize', name: 'loss' }]);
});

settings('decisions of training have paths below train', () => {
  const space = spaceOf(`let opt = adamw(lr: 1e-4..1e-2 log) | sgd(lr: 0.1 | 0.2)
${NET}train { optimizer opt batch 16 | 32 schedule constant | cosine(warmup: 0.1 | 0.2) }`);
  const paths = new Set<string>();
  for (let seed = 0; seed < 40; seed++) for (const path of Object.keys(sample(space, { seed }))) paths.add(path);
  assert.equal([...paths].sort(), [
    'train.batch',
    'train.optimizer.adamw.lr',
    'train.optimizer.opt',
    'train.optimizer.sgd.lr',
    'train.schedule',
    'train.schedule.cosine.warmup',
  ]);
  const decided = decideTrain(space, sample(space, { seed: 3 }));
  assert.ok(decided.batch === 16 || decided.batch === 32);
});

settings.run();
