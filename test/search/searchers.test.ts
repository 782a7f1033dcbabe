import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileText } from '../../src/compile.ts';
import { assignmentKey, History } from '../../src/search/history.ts';
import { SEARCHERS } from '../../src/search/index.ts';
import { makeSearch, searcherArgs } from '../../src/search/search.ts';
import { SearchError } from '../../src/search/searcher.ts';
import type { SearcherDef } from '../../src/search/searcher.ts';
import { check } from '../../src/space/check.ts';
import { count } from '../../src/space/count.ts';
import { measures } from '../../src/space/measures.ts';
import { next } from '../../src/space/restrict.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';
import { synthetic } from './synthetic.ts';
import { digitSpace, regrets } from './table.ts';

const spaceOf = (body: string, more = ''): Space =>
  compileText(`space S {\n  input x: f32[B, 4]\n${body}\n}\n${more}`, 'test.space').space;

const FINITE: Readonly<Record<string, Space>> = {
  'one member': spaceOf('output y = x -> dense(4)'),
  conditional: spaceOf(
    'let w = 8 | 16\n output y = x -> ((dense(w) -> relu){1..2} | tanh | dense(2 | 3)?) -> dense(2)',
  ),
  required: spaceOf('output y = x -> (dense(2..9) -> relu){0..2} -> dense(2)\n require params in 40..90'),
  trained: spaceOf(
    'output y = x -> dense(4 | 8) -> dense(2)',
    'train { batch 16 | 32\n optimizer adamw(lr: 0.1 | 0.01 | 0.001) | sgd(lr: 0.1) }',
  ),
};
const CONTINUOUS: Readonly<Record<string, Space>> = {
  range: spaceOf(
    'output y = x -> dense(4 | 8) -> dropout(0.1..0.9) -> dense(2)',
    'train { optimizer adamw(lr: 1e-4..1e-1 log) }',
  ),
  chosen: spaceOf(
    'output y = x -> (relu | dropout(0.1..0.5))',
    'train { optimizer adamw(lr: 1e-4..1e-1 log) | sgd(lr: 0.01..1.0) }',
  ),
};
const ALL = { ...FINITE, ...CONTINUOUS };
const finiteOnly = new Set(['exhaustive']);
const fits = (def: SearcherDef, name: string): boolean => !(finiteOnly.has(def.name) && name in CONTINUOUS);

const objectives = [{ direction: 'maximize', name: 'value' }] as const;
const start = (space: Space, def: SearcherDef, seed = 1, history = new History(objectives)) => ({
  history,
  search: makeSearch(space, def, { seed, args: {}, history }),
});

// A figure of an assignment that has nothing to do with the order of asking.
const valueOf = (a: Assignment): number =>
  [...assignmentKey(a)].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 9973, 7) / 9973;

// What happens to trial i: most complete, some fail, some are not finite; some results come late.
function tell(history: History, i: number, a: Assignment): void {
  if (i % 7 === 3) history.told(i, 'failed', null);
  else history.told(i, 'complete', { value: i % 11 === 5 ? NaN : valueOf(a) });
}

/** Asks up to n times with `lag` trials running at a time. */
function run(
  space: Space,
  def: SearcherDef,
  n: number,
  lag: number,
  seed = 1,
): { asked: Assignment[]; history: History } {
  const { history, search } = start(space, def, seed);
  const asked: Assignment[] = [];
  for (let i = 0; i < n; i++) {
    const a = search.ask();
    if (!a) break;
    history.asked(i, a);
    asked.push(a);
    if (i >= lag) tell(history, i - lag, asked[i - lag]!);
  }
  return { asked, history };
}

const tests = suite('searchers');

for (const def of SEARCHERS.values()) {
  for (const [name, space] of Object.entries(ALL)) {
    if (!fits(def, name)) continue;

    tests(`${def.name}, ${name}: equal seeds give equal proposals, different seeds others`, () => {
      const of = (seed: number): readonly string[] => run(space, def, 30, 1, seed).asked.map(assignmentKey);
      assert.equal(of(1), of(1));
      if (def.name !== 'exhaustive' && name !== 'one member') assert.not.equal(of(1), of(2));
    });

    tests(`${def.name}, ${name}: proposals are members with every decision made, and none comes twice`, () => {
      const { asked } = run(space, def, 60, 3);
      for (const a of asked) {
        assert.is(check(space, a), null);
        assert.is(next(space, a), null);
      }
      assert.is(new Set(asked.map(assignmentKey)).size, asked.length);
    });

    tests(`${def.name}, ${name}: a search made anew from its history goes on as the old one would`, () => {
      const { history, search } = start(space, def);
      for (let i = 0; i < 40; i++) {
        const again = new History(objectives);
        for (const t of history.trials) again.asked(t.trial, t.assignment);
        for (const t of history.trials) if (t.state !== 'running') again.told(t.trial, t.state, t.metrics);
        const fresh = i % 4 === 0 ? start(space, def, 1, again).search.ask() : undefined;
        const a = search.ask();
        if (fresh !== undefined) assert.equal(fresh, a);
        if (!a) break;
        history.asked(i, a);
        if (i % 3 === 2) for (const j of [i, i - 2, i - 1]) tell(history, j, history.trials[j]!.assignment);
      }
    });

    tests(`${def.name}, ${name}: goes on where every trial fails`, () => {
      const { history, search } = start(space, def);
      for (let i = 0; i < 40; i++) {
        const a = search.ask();
        if (!a) break;
        history.asked(i, a);
        history.told(i, 'failed', null);
      }
      assert.is(history.best(), null);
      assert.ok(history.trials.length === 40 || name in FINITE);
    });
  }

  for (const [name, space] of Object.entries(FINITE)) {
    tests(`${def.name}, ${name}: every member is proposed once, then nothing`, () => {
      const members = Number(count(space, { train: true }).exact);
      const { asked, history } = run(space, def, members + 5, 2);
      assert.is(asked.length, members);
      assert.is(makeSearch(space, def, { seed: 9, args: {}, history }).ask(), null);
    });
  }

  tests(`${def.name}: asks in parallel differ, and a space with taken members is filled up`, () => {
    const space = FINITE['required']!;
    const { asked } = run(space, def, 12, 100);
    assert.is(new Set(asked.map(assignmentKey)).size, 12);
    const other = SEARCHERS.get(def.name === 'random' ? 'evolution' : 'random')!;
    const { history } = run(space, other, 10, 1);
    const search = makeSearch(space, def, { seed: 3, args: {}, history });
    let more = 0;
    for (let a = search.ask(); a; a = search.ask()) history.asked(10 + more++, a);
    assert.is(BigInt(10 + more), count(space).exact);
  });
}

tests('requirements hold for every proposal', () => {
  const space = spaceOf('output y = x -> (dense(2..64) -> relu){1..3} -> dense(2)\n require params in 300..400');
  for (const def of SEARCHERS.values()) {
    for (const a of run(space, def, 40, 1).asked) {
      const { params } = measures(space, a);
      assert.ok(params >= 300 && params <= 400, `${def.name}: ${params}`);
    }
  }
});

tests('exhaustive refuses what cannot be listed', () => {
  assert.throws(
    () => start(CONTINUOUS['range']!, SEARCHERS.get('exhaustive')!),
    (e: unknown) => e instanceof SearchError,
  );
});

tests('an argument that is left out takes its default', () => {
  assert.equal(searcherArgs(SEARCHERS.get('evolution')!, { sample: 3 }), { population: 32, sample: 3 });
  assert.is(searcherArgs(SEARCHERS.get('mcts')!, {})['bisect'], true);
});

tests('mcts tries few values of a continuous decision often, and finds a good one', () => {
  const space = spaceOf('output y = x -> dense(4 | 8)', 'train { optimizer adamw(lr: 1e-5..1.0 log) }');
  const error = (a: Assignment): number => Math.abs(Math.log10(Number(a['train.optimizer.adamw.lr'])) + 3);
  const mean = (def: SearcherDef): number => {
    let sum = 0;
    for (let seed = 0; seed < 10; seed++) {
      const { history, search } = start(space, def, seed);
      for (let i = 0; i < 40; i++) {
        const a = search.ask()!;
        history.asked(i, a);
        history.told(i, 'complete', { value: -error(a) });
      }
      // How well the later proposals do, not the luckiest.
      sum += history.trials.slice(20).reduce((s, t) => s + error(t.assignment), 0) / 20;
    }
    return sum / 10;
  };
  const [random, mcts] = [mean(SEARCHERS.get('random')!), mean(SEARCHERS.get('mcts')!)];
  assert.ok(mcts < 0.7 * random, `mcts ${mcts}, random ${random}`);
});

tests('mcts and evolution beat random on tables of main and pair effects', () => {
  const size = { positions: 7, digits: 3 };
  const space = digitSpace(size);
  const at64 = (name: string): number => {
    let sum = 0;
    for (let seed = 0; seed < 20; seed++)
      sum += regrets(space, synthetic(seed, size, 0.5), SEARCHERS.get(name)!, { seed, at: [64] })[0]!;
    return sum / 20;
  };
  const random = at64('random');
  for (const name of ['mcts', 'evolution'])
    assert.ok(at64(name) < 0.6 * random, `${name} ${at64(name)}, random ${random}`);
});

tests.run();
