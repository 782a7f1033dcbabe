import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExpression } from '../../grammar/parser.ts';
import { lisp } from './lisp.ts';

const table: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'loosest to tightest': [
    ['a | b @2 | c', '(| a b@2 c)'],
    ['a @ 1 + 2', '(| a@(+ 1 2))'],
    ['a <> b @2 | c', '(| (<> a b)@2 c)'],
    ['dense(64) -> relu @2 | id', '(| (-> (dense 64) relu)@2 id)'],
    ['a -> b <> c -> d', '(<> (-> a b) (-> c d))'],
    ['a -> b via c -> d', '(-> a (via b c) d)'],
    ['a via b or c', '(via a (or b c))'],
    ['a via b + c', '(via a (+ b c))'],
    ['a via b via c', '(via (via a b) c)'],
    ['a or b and c or d', '(or (or a (and b c)) d)'],
    ['not a and not not b', '(and (not a) (not (not b)))'],
    ['not a == b', '(not (== a b))'],
    ['a and b <= c', '(and a (<= b c))'],
    ['p in 1..4 ~ 2', '(in p (~ (.. 1 4) 2))'],
    ['a < b + 1', '(< a (+ b 1))'],
    ['1e-5..1e-1 log ~ 3e-4', '(~ (.. 1e-5 1e-1 log) 3e-4)'],
    ['48..128 step 16', '(.. 48 128 step 16)'],
    ['1..n * 2 step a + 1', '(.. 1 (* n 2) step (+ a 1))'],
    ['1..8 pow2 | 3', '(| (.. 1 8 pow2) 3)'],
    ['1..9 log step 2', '(.. 1 9 step 2 log)'],
    ['a - b - c * d / e % f', '(- (- a b) (% (/ (* c d) e) f))'],
    ['-a * b', '(* (- a) b)'],
    ['-a ^ b', '(- (^ a b))'],
    ['a ^ b ^ c', '(^ a (^ b c))'],
    ['2 ^ -3 * 4', '(* (^ 2 (- 3)) 4)'],
    ['- - 3', '(- (- 3))'],
    ['m * (48..128 step 16)', '(* m (.. 48 128 step 16))'],
  ],
  'n-ary operators keep what was in parentheses apart': [
    ['a | b | c', '(| a b c)'],
    ['(a | b) | c', '(| (| a b) c)'],
    ['a | (b | c)', '(| a (| b c))'],
    ['(a -> b) -> c', '(-> (-> a b) c)'],
    ['(a <> b) <> c', '(<> (<> a b) c)'],
    ['(a @2) | b', '(| (| a@2) b)'],
  ],
  postfix: [
    ['A?', '(? A)'],
    ['A{1..4}?', '(? (times A (.. 1 4)))'],
    ['body(1){tied 2^(0..5)}', '(tied (body 1) (^ 2 (.. 0 5)))'],
    ['a.b[1, *].c(k: 3)', '((. (at (. a b) 1 *) c) k: 3)'],
    ['conv(32) as first -> id', '(-> (as (conv 32) first) id)'],
    ['(a | b)?', '(? (| a b))'],
    ['[a, b][0]', '(at [a b] 0)'],
    ['each f{2} -> add', '(-> (each (times f 2)) add)'],
    ['pick(2, a, b) -> each op -> add', '(-> (pick 2 a b) (each op) add)'],
    ['A via kron(4){3}', '(via A (times (kron 4) 3))'],
    ['(A via kron(4)){3}', '(times (via A (kron 4)) 3)'],
  ],
  operands: [
    ['f32[B, 28, 2 * h]', '(tensor f32 B 28 (* 2 h))'],
    ['i32[B]', '(tensor i32 B)'],
    ['f3[B]', '(at f3 B)'],
    ['f(a, b: 2,)', '(f a b: 2)'],
    ['f()', '(f)'],
    ['[]', '[]'],
    ['[a, [b],]', '[a [b]]'],
    ['"a\\n\\u{41}\\"\\\\"', JSON.stringify('a\nA"\\')],
    ['true or false', '(or true false)'],
  ],
  'if and let … in reach as far as they can': [
    ['if a then b else c | d', '(if a b (| c d))'],
    ['x -> if a then b | c else c -> d', '(-> x (if a (| b c) (-> c d)))'],
    ['if a then b else if c then d else e', '(if a b (if c d e))'],
    ['let h = 1 | 2 in f(h) -> g', '(let h (| 1 2) (-> (f h) g))'],
    ['let a = let b = 1 in b in a', '(let a (let b 1 b) a)'],
    ['let a = (w in b) in a in c', '(let a (in w b) (in a c))'],
    ['1 + let a = 2 in a + 3', '(+ 1 (let a 2 (+ a 3)))'],
  ],
};

for (const [title, rows] of Object.entries(table)) {
  const rowsOf = suite(`expressions: ${title}`);
  for (const [text, expected] of rows)
    rowsOf(text, () => {
      const parsed = parseExpression(text);
      if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
      assert.is(lisp(parsed.value), expected);
    });
  rowsOf.run();
}

const errors = suite('expressions that are none');
const bad: readonly (readonly [string, string])[] = [
  ['', 'E150'],
  ['1 +', 'E150'],
  ['a < b < c', 'E159'],
  ['a == b in c', 'E159'],
  ['1..2..3', 'E159'],
  ['a ~ 1 ~ 2', 'E159'],
  ['a @1 @2', 'E159'],
  ['a + not b', 'E159'],
  ['(1..2) step 2', 'E150'],
  ['3?', 'E160'],
  ['"a"(b)', 'E160'],
  ['a b', 'E150'],
  ['f(a', 'E161'],
  ['a[]', 'E150'],
];
for (const [text, code] of bad)
  errors(text, () => {
    const parsed = parseExpression(text);
    assert.ok('errors' in parsed);
    assert.equal(
      parsed.errors.map((e) => e.code),
      [code],
    );
  });
errors.run();
