import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/lang/check.ts';
import { count } from '../../src/space/count.ts';
import { codesOf, programOf, render, spaceOf } from './compile.ts';
import { EXAMPLES } from './examples.ts';

const examples = suite('lang: examples');

for (const [name, { text, count: wanted }] of Object.entries(EXAMPLES)) {
  examples(`${name} checks clean`, () => {
    assert.is(render(check(text, 'test.space').diagnostics), '');
    if (wanted !== null) assert.is(count(spaceOf(text)).exact, wanted);
  });
}

examples('a name means what is nearest', () => {
  const text = `
let n = 3
space S {
  input x: f32[B, 4]
  let n = 5
  def f(n) = dense(n)
  output y = x -> dense(n) -> f(7)
  check params == 4*5 + 5 + 5*7 + 7
}`;
  assert.equal(
    codesOf(text).filter((c) => c !== 'E104'),
    ['E103'],
  );
  assert.ok(programOf(text));
});

examples('a def means what its own text says, wherever it is used', () => {
  const text = `
let w = 2
def f = dense(w)
space S {
  input x: f32[B, 1]
  let w = 9
  output y = x -> f -> dense(w)
  check params == 4 + 27
}`;
  assert.ok(programOf(text));
});

examples('definitions may follow their uses', () => {
  assert.ok(
    programOf('space S { input x: f32[B, 1] output y = b  b = a -> f  a = x -> f  def f = dense(d) let d = 3 }'),
  );
});

examples('parameters have defaults', () => {
  const text = `
def f(n, m: 2 * 3, act: relu) = dense(n) -> act -> dense(m)
space S {
  input x: f32[B, 1]
  output y = x -> f(4) -> f(2, act: tanh, m: 1)
  check params == (4 + 4) + (4*6 + 6) + (6*2 + 2) + (2 + 1)
}`;
  assert.ok(programOf(text));
});

examples('defs of values are written out at each use', () => {
  const text = `
def width(i) = (4 | 8) * 2^i
space S {
  input x: f32[B, 1]
  output y = x -> dense(width(0)) -> dense(width(1))
  check count == 4
}`;
  assert.ok(programOf(text));
});

examples('words of arguments may be decided', () => {
  const text = `
let how = "same" | "valid"
space S {
  input x: f32[B, 8, 8, 1]
  output y = x -> conv(4, padding: same | valid) -> conv(4, padding: how) -> flatten -> dense(2)
  check count == 4
}`;
  assert.ok(programOf(text));
});

examples('what is decided by let is decided once, by def at each use', () => {
  const once = 'space S { input x: f32[B, 4] let f = dense(4 | 8) output y = x -> f -> f check count == 2 }';
  const each = 'space S { input x: f32[B, 4] def f = dense(4 | 8) output y = x -> f -> f check count == 4 }';
  assert.ok(programOf(once));
  assert.ok(programOf(each));
});

examples('an unused def without parameters is still read', () => {
  assert.equal(codesOf('def f = dense(3) -> zork'), ['E101']);
  assert.equal(codesOf('def f(g, n) = if n > 0 then g -> zork else f(g, n - 1)'), ['E101']);
  assert.equal(codesOf('cell f(a, n) { return a -> dense(n) -> zork }'), ['E101']);
});

examples('several errors are said in one run', () => {
  const text =
    'let a = 8..4\nlet b = zork\nspace S { input x: f32[B, 4] output y = x -> dense(4, kk: 3) -> dropout(2) }';
  assert.equal(codesOf(text), ['E401', 'E101', 'E203']);
});

examples('a file with a syntax error is still checked', () => {
  assert.equal(codesOf('let a = = 3\nlet b = zork').slice(-1), ['E101']);
});

examples('branches of one tensor may end in bare `project`', () => {
  const text = (net: string): string => `space S { input x: f32[B, 3] output y = ${net} -> add check count == 2 }`;
  const ways = [
    '[x -> project, x -> dense(4 | 5)]',
    'x -> [id -> project, dense(4 | 5)]',
    '[x -> dense(4 | 5) -> relu -> project, x]',
  ];
  for (const way of ways) assert.equal(codesOf(text(way)), [], way);
  const params = 'space S { input x: f32[B, 3] output y = [x -> project, x -> dense(4)] -> add check params == 32 }';
  assert.equal(codesOf(params), []);
});

examples('what only a check reads is used', () => {
  const text = `
def w = 3
cell C(s, n) { def f = dense(n)  return s -> f }
check count(C(f32[B, 3], w)) == 1
space S {
  input x: f32[B, 3]
  def g = relu | tanh
  output y = x -> dense(2)
  check count(f32[B, 3] -> g) == 2
}`;
  assert.equal(codesOf(text), []);
});

examples('a check of what has errors says them once and counts nothing', () => {
  const text = `
cell C(s) { shared a = s -> dense(3)  return [s -> relu, a] -> add }
check count(C(f32[B, 3])) == 1
check count(C(f32[B, 4])) == 1`;
  assert.equal(codesOf(text), ['E201']);
});

examples('a def may say what the prelude says', () => {
  const text = (res: string): string => `def res(f) = ${res}\nspace S { input x: f32[B, 3] output y = x -> res(relu) }`;
  assert.equal(codesOf(text('[f,  id] -> add')), []);
  assert.equal(codesOf(text('[f, f] -> add')), ['E104']);
});

examples('what a statement with a syntax error seems to define is not missed', () => {
  const fine = 'output y = x -> dense(3)';
  assert.equal(codesOf(`space S { imput x: f32[B, 4] ${fine} }`), ['E150']);
  assert.equal(codesOf(`space S { imput x: f32[B, 4] ${fine} -> zork }`), ['E150', 'E101']);
  assert.equal(codesOf('space S { input x: f32[B, 4] let w = 3 + * 4 output y = x -> dense(w) }'), ['E150']);
  assert.equal(codesOf('space S { input x: f32[B, 4] h = x -> relu output y = h -> -> dense(3) }'), ['E150']);
});

examples('members that are printed say nothing of names', () => {
  assert.equal(codesOf('space S { input x: f32[B, 3] def res = relu output y = x -> res }'), []);
});

examples.run();
