import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyse } from '../../src/space/analyse.ts';
import { check } from '../../src/space/check.ts';
import { count } from '../../src/space/count.ts';
import { sample } from '../../src/space/sample.ts';
import type { Space } from '../../src/space/space.ts';
import { mlp, nb201, small, wideNet } from './examples.ts';
import {
  apply,
  branches,
  either,
  input,
  layer,
  letValue,
  measure,
  oneOf,
  read,
  ref,
  require,
  seq,
  space,
  term,
  uses,
  val,
} from './support.ts';

const findings = suite('analyse');

findings('says nothing of sound spaces', () => {
  assert.equal(analyse(mlp()), []);
  assert.equal(analyse(nb201()), []);
});

const heads = (): Space => {
  const x = input('x', 16, 4);
  const d = letValue('d', oneOf('d', 64, 96, 100));
  const u = uses();
  return space('Heads', {
    inputs: [x],
    bindings: [d],
    outputs: [
      apply(
        read(x),
        seq(layer(u, 'dense', { out: ref(d) }), layer(u, 'attention', { heads: oneOf('heads', 2, 4, 8) })),
      ),
    ],
  });
};

findings('a clash on some paths: its share and the fewest decisions that lead to it', () => {
  assert.is(count(heads()).exact, 8n);
  const [clash, ...rest] = analyse(heads());
  assert.equal(rest, []);
  if (clash?.kind !== 'clash') throw new Error('no clash');
  assert.equal([clash.lost, clash.total], [1n, 9n]);
  assert.equal(clash.example, { d: 100, 'attention[0].heads': 8 });
});

findings('a clash on every path', () => {
  const s = small(
    (u) =>
      seq(branches(layer(u, 'dense', { out: 3 }), layer(u, 'dense', { out: oneOf('out', 4, 5) })), layer(u, 'add')),
    8,
  );
  const [clash] = analyse(s);
  if (clash?.kind !== 'clash') throw new Error('no clash');
  assert.equal([clash.lost, clash.total], [2n, 2n]);
  assert.equal(clash.example, {});
});

findings('requirements that nothing meets, or that cut nothing', () => {
  const [never] = analyse(wideNet(10));
  if (never?.kind !== 'unsatisfiable') throw new Error('not found');
  assert.ok(never.seen.params!.min > 10);
  assert.is(analyse(wideNet(1e9))[0]?.kind, 'idle');
});

findings('requirements that contradict each other', () => {
  const x = input('x', 8);
  const u = uses();
  const s = space('Both', {
    inputs: [x],
    outputs: [apply(read(x), layer(u, 'dense', { out: oneOf('out', 2, 4, 8) }))],
    requirements: [require(measure('params'), '<=', term(20)), require(measure('params'), '>=', term(60))],
  });
  assert.equal(
    analyse(s).map((f) => f.kind),
    ['contradictory'],
  );
});

findings('alternatives that no member uses', () => {
  const u = uses();
  const s = small(
    () =>
      seq(
        either(u.site('choice'), layer(u, 'dense', { out: 3 }), layer(u, 'dense', { out: 4 })),
        layer(u, 'attention', { heads: 2 }),
      ),
    5,
    4,
  );
  const dead = analyse(s).filter((f) => f.kind === 'dead');
  assert.equal(
    dead.map((f) => (f.kind === 'dead' ? f.value : null)),
    ['dense'],
  );
});
findings.run();

const reasons = suite('check');

reasons('names the requirement and its terms', () => {
  const s = wideNet(100_000);
  const a = sample(wideNet(null), { seed: 1 });
  const heavy = { ...a, d: 128, 'ffn.dense[0].out': 8 };
  const [why] = check(s, heavy)!;
  if (why?.kind !== 'requirement') throw new Error('no requirement');
  assert.ok((why.terms[0] as number) > 100_000 && why.terms[1] === 100_000);
});

reasons('names the layer that does not fit', () => {
  const [why] = check(heads(), { d: 100, 'attention[0].heads': 8 })!;
  assert.is(why?.kind, 'unfit');
  if (why?.kind === 'unfit') assert.ok(why.span !== null);
});

reasons('names what is undecided, unused or no alternative', () => {
  assert.equal(check(heads(), { d: 64 }), [{ kind: 'undecided', path: 'attention[0].heads' }]);
  assert.equal(check(heads(), { d: 64, 'attention[0].heads': 8, odd: 1 }), [{ kind: 'unused', path: 'odd' }]);
  assert.is(check(heads(), { d: 65, 'attention[0].heads': 8 })![0]?.kind, 'unfit');
  assert.is(check(heads(), { d: 64, 'attention[0].heads': 8 }), null);
});
reasons.run();

const fixed = suite('fixed decisions');

fixed('leave the members that agree', () => {
  const s = mlp();
  const span = s.span;
  const narrow: Space = {
    ...s,
    fixed: [
      { path: 'cell[*][*].dense[0].out', value: val(256), span },
      { path: 'act', value: val('relu'), span },
    ],
  };
  // 4 ways of dropout for each of 1, 2 or 4 copies.
  assert.is(count(narrow).exact, 4n + 16n + 256n);
  const a = sample(narrow, { seed: 1 });
  assert.is(a['act'], 'relu');
});
fixed.run();
