import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TensorExpr, ValueLet, Wire } from '../../src/space/expr.ts';
import type { Requirement } from '../../src/space/require-expr.ts';
import type { Space } from '../../src/space/space.ts';
import { Random } from '../../src/base/philox.ts';
import { check } from '../../src/space/check.ts';
import { ARCHITECTURE, tellingApart, totalOf } from '../../src/space/compile.ts';
import { count } from '../../src/space/count.ts';
import { EXACT } from '../../src/space/make-compiled.ts';
import { mutate } from '../../src/space/mutate.ts';
import { next } from '../../src/space/restrict.ts';
import { sample } from '../../src/space/sample.ts';
import { decisions } from '../../src/space/decisions-of.ts';
import { deepConv, incept, mlp, nas, nb201, small, tree, trio, twoTower, wideNet } from './examples.ts';
import {
  apply,
  call,
  callOf,
  cell,
  def,
  either,
  eitherTensor,
  input,
  layer,
  letNet,
  letValue,
  loose,
  maybe,
  measure,
  once,
  oneOf,
  op,
  plainTrain,
  range,
  read,
  ref,
  repeat,
  require,
  seq,
  setting,
  shared,
  site,
  space,
  tensorParameter,
  tensors,
  term,
  useShared,
  uses,
  wire,
} from './support.ts';
import type { V } from './support.ts';
import { enumerate } from './brute.ts';

const counts = suite('count');

const known: readonly [string, () => Space, bigint][] = [
  ['Mlp', mlp, 41_784n],
  ['DeepConv', deepConv, 60_466_176n],
  ['Nb201', nb201, 15_625n],
  ['Nas', nas, 972n],
  ['TwoTower', twoTower, 3n],
  ['WideNet without its requirement', () => wideNet(null), 198n],
  ['trio', trio, 6n],
  ['incept', incept, 120n],
  ['tree(0)', () => tree(0), 1n],
  ['tree(1)', () => tree(1), 2n],
  ['tree(2)', () => tree(2), 5n],
  ['tree(3)', () => tree(3), 26n],
  ['tree(0..3)', () => tree('open'), 34n],
];
for (const [name, make, wanted] of known) {
  counts(`${name} has ${wanted} members`, () => assert.is(count(make()).exact, wanted));
}

counts('a requirement on params cuts exactly what brute force cuts', () => {
  const all = enumerate(wideNet(null), 1000)!;
  for (const limit of [100_000, 200_000]) {
    const wanted = all.filter((m) => m.measures.params <= limit).length;
    assert.is(count(wideNet(limit)).exact, BigInt(wanted), String(limit));
  }
});

const block = (): ReturnType<typeof def> =>
  def('b', (u) => either(u.site('choice'), layer(u, 'dense', { out: 8 }), layer(u, 'relu')));

counts('2^500 members', () => {
  assert.is(count(small((u) => repeat(call(u, block()), 500), 8)).exact, 2n ** 500n);
  assert.is(count(small((u) => seq(...Array.from({ length: 500 }, () => call(u, block()))), 8)).exact, 2n ** 500n);
});

counts('repeats of every length up to thousands', () => {
  const s = small((u) => repeat(call(u, block()), range('repeat', 0, 2000)), 8);
  assert.is(count(s).exact, 2n ** 2001n - 1n);
  assert.is(decisions(s), 2001);
});

counts('more copies than the limit do not fit', () => {
  assert.is(count(small((u) => repeat(call(u, block()), 1e9), 8)).exact, 0n);
});

counts('a thousand wires in a row', () => {
  const x = input('x', 8);
  const u = uses();
  const wires = [wire('w0', apply(read(x), call(u, block())))];
  for (let i = 1; i < 1000; i++) wires.push(wire(`w${i}`, apply(read(wires[i - 1]!), call(u, block()))));
  assert.is(count(space('Wires', { inputs: [x], bindings: wires, outputs: [read(wires.at(-1)!)] })).exact, 2n ** 1000n);
});

counts('a decision that no member uses is not counted', () => {
  const w = letValue('w', oneOf('w', 8, 16));
  const x = input('x', 4);
  const u = uses();
  const s = space('Lazy', {
    inputs: [x],
    bindings: [w],
    outputs: [apply(read(x), either(u.site('choice'), layer(u, 'dense', { out: ref(w) }), layer(u, 'relu')))],
  });
  assert.is(count(s).exact, 3n);
});

counts('decisions of training count only when asked for', () => {
  const x = input('x', 4);
  const u = uses();
  const s = space('Trained', {
    inputs: [x],
    outputs: [apply(read(x), layer(u, 'dense', { out: oneOf('out', 2, 3) }))],
    train: plainTrain({
      batch: oneOf('batch', 32, 64),
      optimizer: setting('sgd', { lr: range('lr', 1e-3, 1, { whole: false, spacing: 'log' }) }),
    }),
  });
  assert.is(count(s).exact, 2n);
  assert.is(count(s, { train: true }).exact, 4n);
});

counts('past the budget the bounds hold the truth', () => {
  const x = input('x', 32, 32, 3);
  const made = (limit: number | null): Space => {
    const u = uses();
    const b = def('b', (c) =>
      layer(c, 'conv', { out: oneOf('out', 13, 29, 37, 53, 71, 97), k: oneOf('k', 1, 3, 5, 7) }),
    );
    return space('Convs', {
      inputs: [x],
      outputs: [apply(read(x), repeat(call(u, b), 12))],
      requirements: limit === null ? [] : [require(measure('params'), '<=', term(limit))],
    });
  };
  const all = count(made(null)).exact!;
  const cut = count(made(900_000));
  assert.is(cut.exact, null);
  assert.ok(cut.low > 0n && cut.low < cut.high && cut.high < all);
});

counts('a let of a network that meets many shapes, under a requirement', () => {
  const x = input('x', 16, 16, 1);
  const [u, v] = [uses(), uses()];
  const act = letNet('act', either(site('act'), layer(v, 'relu'), layer(v, 'gelu')));
  const block = def('block', (c) =>
    seq(
      layer(c, 'conv', { out: oneOf('out', 4, 6), k: oneOf('k', 1, 3) }),
      once(c, act),
      maybe(layer(c, 'maxpool', { k: 2 })),
    ),
  );
  const s = space('Net', {
    inputs: [x],
    bindings: [act],
    requirements: [require(measure('params'), '<=', term(1500))],
    outputs: [
      apply(
        read(x),
        seq(
          repeat(call(u, block), oneOf('repeat', 1, 2, 3)),
          layer(u, 'flatten'),
          layer(u, 'dense', { out: 2 }),
          once(u, act),
        ),
      ),
    ],
  });
  assert.is(count(s).exact, BigInt(enumerate(s, 5000)!.length));
});

const many = (u: ReturnType<typeof uses>, n: number): ReturnType<typeof seq> =>
  seq(
    ...Array.from({ length: n }, () =>
      either(u.site('choice'), layer(u, 'dense', { out: oneOf('out', 3, 5, 7, 9, 11) }), layer(u, 'relu')),
    ),
  );

counts('networks that are decided once, with very many ways', () => {
  const x = input('x', 4);
  const [u, v] = [uses(), uses()];
  const f = letNet('f', many(v, 14));
  const uses3 = seq(once(u, f), once(u, f), once(u, f));
  assert.is(count(space('Once', { inputs: [x], bindings: [f], outputs: [apply(read(x), uses3)] })).exact, 6n ** 14n);
  const g = shared('g', seq(many(uses(), 14), layer(v, 'dense', { out: 4 })));
  const shared3 = seq(useShared(u, g), useShared(u, g), useShared(u, g));
  assert.is(
    count(space('Shared', { inputs: [x], bindings: [g], outputs: [apply(read(x), shared3)] })).exact,
    6n ** 14n,
  );
  const t = small(
    (c) =>
      repeat(
        call(
          c,
          def('t', (d) => many(d, 14)),
        ),
        5,
        true,
      ),
    4,
  );
  assert.is(count(t).exact, 6n ** 14n);
});

counts('exponential state ends in an estimate that says so', () => {
  // Two thirds of the wires may be loose, in every combination.
  const x = input('x', 4);
  const c = cell('C', [], (u) => {
    const wires: Wire[] = [];
    for (let i = 0; i < 18; i++) {
      const from = i === 0 ? read(x) : eitherTensor(u.site('choice'), read(x), ...wires.map((w) => read(w)));
      wires.push(wire(`w${i}`, apply(from, layer(u, 'relu'))));
    }
    return { bindings: wires, result: apply(loose(...wires), layer(u, 'concat')) };
  });
  const u = uses();
  const s = space('Entangled', { inputs: [x], outputs: [callOf(call(u, c))] });
  const n = count(s);
  assert.is(n.exact, null);
  assert.is(n.proven, false);
  assert.ok(n.low <= n.high && n.high > 0n);
  // Searches go on by walks.
  const random = new Random('walks');
  const a = sample(s, { random });
  assert.is(check(s, a), null);
  const b = mutate(s, a, random);
  assert.ok(b !== null && check(s, b) === null);
  assert.ok(next(s, {})!.feasible.every((f) => f === 1n));
});
counts('lets of many values that are widths are compared without being told apart', () => {
  const many = (requirements: (a: ValueLet, b: ValueLet, c: ValueLet) => readonly Requirement[]): bigint | null => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => letValue(name, range(name, 1, 1000))) as [
      ValueLet,
      ValueLet,
      ValueLet,
    ];
    const u = uses();
    const x = input('x', 8);
    const net = seq(...[a, b, c].map((out) => layer(u, 'dense', { out: ref(out) })), layer(u, 'dense', { out: 10 }));
    const outputs = [apply(read(x), net)];
    return count(space('S', { inputs: [x], bindings: [a, b, c], outputs, requirements: requirements(a, b, c) })).exact;
  };
  const is = (left: V, o: Parameters<typeof require>[1], right: V): Requirement => require(term(left), o, term(right));
  assert.is(
    many((a, b) => [is(ref(a), '<', ref(b))]),
    499_500n * 1000n,
  );
  assert.is(
    many((a, b, c) => [is(ref(a), '<', ref(b)), is(ref(b), '<', ref(c))]),
    166_167_000n,
  );
  assert.is(
    many((a, b, c) => [is(op('%', ref(a), 8), '==', 0), is(op('%', ref(b), 4), '==', op('%', ref(c), 4))]),
    125n * 250_000n,
  );
});

counts('a wire whose width one reader tells apart and another does not', () => {
  const [x, s] = [input('x', 4), tensorParameter('s')];
  const v = letValue('v', range('v', 4, 40));
  const graph = cell('graph', [s], (u) => {
    const wide = (from: TensorExpr): TensorExpr => apply(from, layer(u, 'dense', { out: ref(v) }));
    const w = wire('w', wide(read(s)));
    return { bindings: [w], result: apply(tensors(wide(read(w)), wide(read(s))), layer(u, 'concat')) };
  });
  const made = space('Wires', { inputs: [x], bindings: [v], outputs: [apply(read(x), call(uses(), graph))] });
  const counting = { ...ARCHITECTURE, effort: 'count' } as const;
  const found = tellingApart(made, counting, { ...EXACT, budget: { left: 1e6 }, costed: false });
  assert.is(totalOf(found.circuit), 37n);
});

counts.run();
