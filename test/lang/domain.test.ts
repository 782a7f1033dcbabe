import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { EMPTY_ENV, binary, bindingDomain, boundsOf, domainOf } from '../../src/lang/domain.ts';
import type { Domain } from '../../src/lang/domain.ts';
import { sample } from '../../src/space/sample.ts';
import { spaceOf } from './compile.ts';

const domains = suite('lang: domains of values');

/** The domain of `v` in the file-level text `definitions`. */
function domain(definitions: string): Domain {
  const space = spaceOf(`${definitions}\nspace S { input x: f32[B, 4] output y = x -> dense(v) }`);
  const v = space.bindings.find((b) => b.name === 'v');
  if (v?.kind !== 'valueLet') throw new Error('no v');
  return bindingDomain(v, EMPTY_ENV());
}

const CASES: readonly (readonly [string, readonly unknown[]])[] = [
  ['let v = 3', [3]],
  ['let v = 8 | 16', [8, 16]],
  ['let v = 1..4', [1, 2, 3, 4]],
  ['let v = 48..128 step 16', [48, 64, 80, 96, 112, 128]],
  ['let v = 60..600 pow2', [64, 128, 256, 512]],
  ['let v = 2^(0..3) * (1 | 3)', [1, 3, 2, 6, 4, 12, 8, 24]],
  ['let w = 8 | 16 | 32\nlet v = if w > 8 then w / 2 else 1', [8, 16, 1]],
  ['let w = 1..3\nlet v = if w != 2 and not w == 3 then 5 else w', [5, 2, 3]],
  ['def f(n, m: 2) = n * m\nlet v = f(3 | 4) + f(1, m: 5)', [11, 13]],
  ['let v = if (3 in [1, 3]) and true then 7 % 4 else 1', [3]],
];

for (const [text, values] of CASES) {
  domains(text.replaceAll('\n', '; '), () => {
    const d = domain(text);
    assert.is(d.kind, 'values');
    if (d.kind === 'values') assert.equal([...d.values].sort(), [...values].sort());
  });
}

domains('wide ranges are intervals', () => {
  assert.equal(domain('let v = 1..20000'), { kind: 'interval', low: 1, high: 20_000, exact: true, whole: true });
  assert.equal(boundsOf(domain('let w = 1..20000\nlet v = w * 2 + 1')), { low: 3, high: 40_001 });
});

domains('hold every value that a member takes', () => {
  const random = new Random('domains', 1);
  const atom = (): string => ['1', '2 | 3', '1..5', '4..64 pow2', 'w', '(w | 2)'][random.below(6)]!;
  const term = (depth: number): string => {
    if (depth === 0) return `(${atom()})`;
    const [a, b] = [term(depth - 1), term(depth - 1)];
    return [
      `(${a} + ${b})`,
      `(${a} * ${b})`,
      `(${a} - ${b})`,
      `(if ${a} < ${b} then ${a} else ${b})`,
      `(if ${a} == ${b} or w > 2 then ${b} else 3)`,
    ][random.below(5)]!;
  };
  for (let i = 0; i < 60; i++) {
    const text = `let w = 1..3\nlet v = ${term(1 + random.below(2))}`;
    // dense(1 + v * 0) keeps every value legal.
    const space = spaceOf(
      `${text}\nspace S { input x: f32[B, 4] output y = x -> dense(1 + v * 0) -> dense(if v == 1e9 then 2 else 1) }`,
    );
    const v = space.bindings.find((b) => b.name === 'v')!;
    const d = v.kind === 'valueLet' ? domainOf(v.expr, EMPTY_ENV()) : null;
    assert.ok(d && d.kind !== 'any', text);
    assert.ok(sample(space, { seed: i }));
  }
});

domains('operations on decided values', () => {
  assert.is(binary('in', 3, [1, 3]), true);
  assert.is(binary('==', 'a', 'a'), true);
  assert.is(binary('+', 'a', 1), null);
  assert.is(binary('and', true, 3), null);
  assert.is(binary('^', 2, 10), 1024);
});

domains.run();
