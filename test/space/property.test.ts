import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { check } from '../../src/space/check.ts';
import { ARCHITECTURE, tellingApart, totalOf } from '../../src/space/compile.ts';
import { EXACT, makeCompiled } from '../../src/space/make-compiled.ts';
import { count } from '../../src/space/count.ts';
import { mutate, neighbours } from '../../src/space/mutate.ts';
import { ADDITIVE, rangeIn, ranges } from '../../src/space/ranges.ts';
import { countGiven, next, sampleGiven } from '../../src/space/restrict.ts';
import { sample } from '../../src/space/sample.ts';
import { MEASURES } from '../../src/space/require-expr.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';
import { rank, unrank } from '../../src/space/unrank.ts';
import { weighed } from '../../src/space/weigh.ts';
import { enumerate } from './brute.ts';
import type { BruteMember } from './brute.ts';
import { comparedSpaces, randomSpaces } from './random-space.ts';
import { measure, require, term } from './support.ts';

const canonical = (a: Assignment): string =>
  JSON.stringify(
    Object.keys(a)
      .sort()
      .map((k) => [k, a[k]]),
  );

const property = (
  runs: number,
  limit: number,
  test: (s: Space, all: readonly BruteMember[]) => void,
  spaces = randomSpaces,
): void => {
  let tested = 0;
  fc.assert(
    fc.property(spaces, (s) => {
      const all = enumerate(s, limit);
      if (!all) return;
      tested++;
      test(s, all);
    }),
    { numRuns: runs, seed: 20 },
  );
  assert.ok(tested > runs / 2);
};

const random = suite('random spaces');

random('count, ranks and ranges agree with brute force', () => {
  property(250, 600, (s, all) => {
    const n = count(s).exact;
    assert.is(n, BigInt(all.length));
    const members = new Set(all.map((m) => canonical(m.assignment)));
    const seen = new Set<string>();
    for (let i = 0n; i < n!; i++) {
      const a = unrank(s, i);
      seen.add(canonical(a));
      assert.ok(members.has(canonical(a)), canonical(a));
      assert.is(rank(s, a), i);
    }
    assert.is(seen.size, all.length);
    if (all.length === 0) return;
    const r = ranges(s);
    for (const m of MEASURES) {
      const values = all.map((x) => x.measures[m]);
      assert.equal([r[m].min, r[m].max], [Math.min(...values), Math.max(...values)], m);
    }
  });
});

random('widths that nothing tells apart: counts, members and ranges agree with brute force', () => {
  property(250, 300, (given, all) => {
    const s: Space = { ...given, requirements: [] };
    const whole = given.requirements.length === 0 ? all : (enumerate(s, 1200) ?? []);
    if (whole.length === 0) return;
    const c = tellingApart(s, ARCHITECTURE, { ...EXACT, budget: { left: 1e6 }, costed: true }, 2);
    assert.is(totalOf(c.circuit), BigInt(whole.length));
    for (const m of whole.slice(0, 20)) {
      assert.is(weighed(c.circuit, c.circuit.root!, m.assignment).count(c.circuit.root!, ''), 1n);
    }
    const costs = makeCompiled(s, ARCHITECTURE, { ...EXACT, budget: { left: 1e6 }, costed: true });
    for (const m of ADDITIVE) assert.equal(rangeIn(c.circuit, m), rangeIn(costs.circuit, m), m);
  });
});

random('lets whose values are read together: counts agree with brute force', () => {
  const counting = { ...ARCHITECTURE, effort: 'count' } as const;
  const test = (s: Space, all: readonly BruteMember[]): void => {
    const c = tellingApart(s, counting, { ...EXACT, budget: { left: 1e6 }, costed: false }, 2);
    assert.ok(c.exact);
    assert.is(totalOf(c.circuit), BigInt(all.length));
  };
  property(150, 1500, test);
  property(400, 1500, test, comparedSpaces);
});

random('costs in buckets: bounds hold, and every member is in the circuit', () => {
  property(120, 300, (s, all) => {
    const limit = all.length === 0 ? 100 : all[all.length >> 1]!.measures.params;
    const cut: Space = { ...s, requirements: [require(measure('params'), '<=', term(limit))] };
    const wanted = enumerate(cut, 300)!;
    const attempt = { buckets: 6, pieces: 2, budget: { left: 1e6 }, costed: false };
    const c = tellingApart(cut, ARCHITECTURE, attempt, all.length % 2 === 0 ? 2 : 16);
    assert.ok(c.sure <= BigInt(wanted.length) && totalOf(c.circuit) >= BigInt(wanted.length));
    for (const m of wanted.slice(0, 20)) {
      assert.is(weighed(c.circuit, c.circuit.root!, m.assignment).count(c.circuit.root!, ''), 1n);
    }
  });
});

random('restricted counts and next decisions agree with brute force', () => {
  property(60, 150, (s, all) => {
    if (all.length === 0) return;
    const walker = new Random('walk', 1);
    let partial: Assignment = {};
    let left = all;
    for (let step = 0; step < 12; step++) {
      assert.is(countGiven(s, partial), BigInt(left.length));
      const decision = next(s, partial);
      if (!decision) break;
      const at = (v: unknown): readonly BruteMember[] =>
        left.filter((m) => JSON.stringify(m.assignment[decision.path]) === JSON.stringify(v));
      decision.alternatives.forEach((v, i) => assert.is(decision.feasible[i], BigInt(at(v).length)));
      const open = decision.alternatives.filter((_, i) => decision.feasible[i]! > 0n);
      const value = open[walker.below(open.length)]!;
      partial = { ...partial, [decision.path]: value };
      left = at(value);
      const drawn = sampleGiven(s, partial, { random: walker });
      assert.ok(left.some((m) => canonical(m.assignment) === canonical(drawn)));
    }
    assert.is(next(s, unrank(s, 0n)), null);
  });
});

random('samples, mutants and neighbours are members', () => {
  property(60, 150, (s, all) => {
    if (all.length === 0) return;
    const members = new Set(all.map((m) => canonical(m.assignment)));
    for (const measure of ['choice', 'uniform', 'balanced'] as const) {
      const a = sample(s, { seed: 3, measure });
      assert.ok(members.has(canonical(a)));
      assert.is(check(s, a), null);
      const other = mutate(s, a, new Random('mutate', 1));
      assert.is(other === null, all.length === 1);
      if (other) assert.ok(members.has(canonical(other)) && canonical(other) !== canonical(a));
    }
    const a = unrank(s, 0n);
    for (const b of neighbours(s, a)) assert.ok(members.has(canonical(b)) && canonical(a) !== canonical(b));
  });
});

random('what is no member is told why', () => {
  property(60, 150, (s, all) => {
    const a = sampleLoose(s);
    const reasons = check(s, a);
    const isMember = all.some((m) => canonical(m.assignment) === canonical(a));
    assert.is(reasons === null, isMember);
  });
});

// Any way through the first alternatives and last ones, fitting or not.
function sampleLoose(s: Space): Assignment {
  const a: Record<string, Assignment[string]> = {};
  for (let i = 0; i < 100; i++) {
    const reasons = check(s, a);
    if (reasons?.[0]?.kind !== 'undecided') break;
    const { path } = reasons[0];
    const decision = next(s, a);
    assert.is(decision?.path, path);
    a[path] = decision!.alternatives[i % decision!.alternatives.length]!;
  }
  return a;
}
random.run();
