import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactInteger } from '../../grammar/literals.ts';
import { parse, parseBindings, parseExpression } from '../../grammar/parser.ts';
import type { NumberLiteral, Spanned, Statement, SyntaxProblem } from '../../grammar/syntax.ts';
import { MAX_NESTING } from '../../grammar/syntax.ts';
import { childrenOf } from '../../grammar/walk.ts';
import { lisp } from './lisp.ts';

const only = (text: string): Statement => {
  const { tree, errors } = parse(text);
  assert.equal(errors, []);
  assert.is(tree.statements.length, 1);
  return tree.statements[0]!;
};
const codes = (errors: readonly SyntaxProblem[]): string[] => errors.map((e) => e.code);
const number = (text: string): NumberLiteral => {
  const parsed = parseExpression(text);
  assert.ok('value' in parsed && parsed.value.kind === 'number');
  return parsed.value;
};

const literals = suite('numbers');
const values: readonly (readonly [string, number, NumberLiteral['unit'], boolean])[] = [
  ['60_466_176', 60466176, 'none', true],
  ['0.5', 0.5, 'none', false],
  ['1e-5', 1e-5, 'none', false],
  ['1E3', 1000, 'none', false],
  ['500k', 500_000, 'none', true],
  ['1.5M', 1_500_000, 'none', false],
  ['2G', 2e9, 'none', true],
  ['512MB', 512 * 2 ** 20, 'bytes', true],
  ['8kB', 8192, 'bytes', true],
  ['64B', 64, 'bytes', true],
  ['3ms', 0.003, 'seconds', true],
  ['7ms', 0.007, 'seconds', true],
  ['2h', 7200, 'seconds', true],
  ['10min', 600, 'seconds', true],
];
for (const [text, value, unit, whole] of values)
  literals(text, () => {
    const literal = number(text);
    assert.equal([literal.value, literal.unit, literal.whole, literal.text], [value, unit, whole, text]);
  });
literals('whole numbers are exact at any size', () => {
  assert.is(exactInteger(number('123_456_789_012_345_678_901_234_567_890')), 123456789012345678901234567890n);
  assert.is(exactInteger(number('7k')), 7000n);
  assert.is(exactInteger(number('0.5')), undefined);
  assert.is(exactInteger(number('3ms')), undefined);
});

const statements = suite('statements');
statements('a derived space', () => {
  const s = only('space Small = my.Deep with { body[1][*].conv.k = 3, .in = a | b } where params <= 1k, depth < 3');
  assert.ok(s.kind === 'derive');
  assert.is(lisp(s.base), '(. my Deep)');
  assert.equal(
    s.bindings.map((b) => b.path.parts.map((p) => [p.name, ...p.indices])),
    [
      [['body', 1, '*'], ['conv'], ['k']],
      [[''], ['in']],
    ],
  );
  assert.equal(s.conditions.map(lisp), ['(<= params 1k)', '(< depth 3)']);
});
statements('def: parameters and shapes', () => {
  const bare = only('def f = id');
  const empty = only('def f() = id');
  const full = only('def f(a, k: 3 | 5): [B, H] -> [B, H / a] = id');
  assert.ok(bare.kind === 'def' && empty.kind === 'def' && full.kind === 'def');
  assert.is(bare.params, undefined);
  assert.equal(empty.params, []);
  assert.equal(
    full.params?.map((p) => [p.name.name, p.value && lisp(p.value)]),
    [
      ['a', undefined],
      ['k', '(| 3 5)'],
    ],
  );
  assert.equal(
    [full.signature?.from, full.signature?.to].map((l) => lisp(l!)),
    ['[B H]', '[B (/ H a)]'],
  );
});
statements('settings', () => {
  const s = only(
    'train { phase warm { epochs 1 } loss y: a, aux: b weight 0.1 epochs fidelity 1..27 stop { after 200 trials, 2h } }',
  );
  assert.ok(s.kind === 'train');
  const [phase, loss, epochs, stop] = s.settings;
  assert.ok(
    phase?.kind === 'group' && loss?.kind === 'setting' && epochs?.kind === 'setting' && stop?.kind === 'group',
  );
  assert.is(phase.label?.name, 'warm');
  assert.equal(
    loss.items.map((i) => [i.name?.name, lisp(i.value), i.weight && lisp(i.weight)]),
    [
      ['y', 'a', undefined],
      ['aux', 'b', '0.1'],
    ],
  );
  assert.ok(epochs.items[0]!.fidelity);
  const [after] = stop.settings;
  assert.ok(after?.kind === 'setting');
  assert.equal(
    after.items.map((i) => [lisp(i.value), i.trials]),
    [
      ['200', true],
      ['2h', false],
    ],
  );
});
statements('use', () => {
  const named = only('use "std/vision" { a, b as c, }');
  const whole = only('use "./x.space" as my');
  assert.ok(named.kind === 'use' && whole.kind === 'use');
  assert.equal(
    named.names?.map((n) => [n.name.name, n.alias?.name]),
    [
      ['a', undefined],
      ['b', 'c'],
    ],
  );
  assert.equal([whole.file.value, whole.alias?.name, whole.names], ['./x.space', 'my', undefined]);
});
statements('soft keywords name wires, also right after a range', () => {
  const { tree, errors } = parse('cell C(s) { a = s -> f(1..4) log = a step = log -> g cell = step return cell }');
  assert.equal(errors, []);
  const [cell] = tree.statements;
  assert.ok(cell?.kind === 'cell');
  assert.equal(
    cell.body.map((s) => (s.kind === 'wire' ? s.name.name : s.kind)),
    ['a', 'log', 'step', 'cell', 'return'],
  );
});
statements('a list of outputs ends where a statement starts', () => {
  const { tree, errors } = parse(
    'space A { require a < 1, b, let c = 1 check c == 1, output y = x, z = x, require c }',
  );
  assert.equal(errors, []);
  const [space] = tree.statements;
  assert.ok(space?.kind === 'space');
  assert.equal(
    space.body.map((s) => s.kind),
    ['require', 'let', 'check', 'output', 'require'],
  );
});
statements('bindings alone, as a command gets them', () => {
  for (const text of ['body[*].k = 5, act = relu', '{ body[*].k = 5, act = relu }']) {
    const parsed = parseBindings(text);
    assert.ok('value' in parsed);
    assert.equal(
      parsed.value.map((b) => lisp(b.value)),
      ['5', 'relu'],
    );
  }
  const parsed = parseBindings('a = ');
  assert.ok('errors' in parsed && codes(parsed.errors)[0] === 'E150');
});

const places = suite('places');
places('every node lies inside the one above, and its text reads as itself', () => {
  const text = 'space A { def f(n) = (a | b{2}) -> [c, g(k: 1..n)] via w\n output y = -x ^ (2) + 1 }';
  const { tree } = parse(text);
  const stack: Spanned[] = [tree];
  for (let node = stack.pop(); node; node = stack.pop())
    for (const child of childrenOf(node)) {
      if (child.start === undefined) continue; // items of input and output lists have no place of their own
      assert.ok(node.start === undefined || (node.start <= child.start && child.end <= node.end));
      assert.ok(child.start < child.end);
      stack.push(child);
    }
  const space = tree.statements[0]!;
  assert.ok(space.kind === 'space');
  const def = space.body[0]!;
  assert.ok(def.kind === 'def');
  assert.is(text.slice(def.start, def.end), 'def f(n) = (a | b{2}) -> [c, g(k: 1..n)] via w');
  assert.is(text.slice(def.value.start, def.value.end), '(a | b{2}) -> [c, g(k: 1..n)] via w');
});
places('a byte-order mark shifts nothing', () => {
  const { tree, errors } = parse('\ufefflet a = 1');
  assert.equal(errors, []);
  assert.is(tree.statements[0]?.start, 1);
});
places('comments are kept in order', () => {
  const { tree } = parse('// one\nlet a = /* two */ 1 // three\r\n/* four\n */');
  assert.equal(
    tree.comments.map((c) => c.text),
    ['// one', '/* two */', '// three', '/* four\n */'],
  );
});

const recovery = suite('recovery');
recovery('one error a statement, and the others are read', () => {
  const { tree, errors } = parse('let a = (1 | 2\nlet b = 2\ndef c = x -> \ndef d = [1 2]\nlet e = 5');
  assert.equal(codes(errors), ['E161', 'E150', 'E150']);
  assert.equal(
    tree.statements.map((s) => s.kind === 'let' && s.name.name),
    ['b', 'e'],
  );
});
recovery('at most 50 problems', () => {
  assert.is(parse('let a = )\n'.repeat(1000)).errors.length, 50);
});

const limits = suite('limits');
const nested: readonly (readonly [string, string])[] = [
  ['parentheses', '('.repeat(1e5)],
  ['brackets', '['.repeat(1e5)],
  ['calls', 'f('.repeat(1e5)],
  ['braces', 'a{'.repeat(1e5)],
  ['if', 'if a then '.repeat(1e5)],
  ['else', 'if a then b else '.repeat(1e5)],
  ['let', 'let a = '.repeat(1e5)],
  ['in', 'let a = 1 in '.repeat(1e5)],
  ['not', `${'not '.repeat(1e5)}a`],
  ['minus', `${'-'.repeat(1e5)}a`],
  ['sum', `a${' + a'.repeat(1e5)}`],
  ['power', `a${' ^ a'.repeat(1e5)}`],
  ['via', `a${' via a'.repeat(1e5)}`],
  ['postfix', `a${'?'.repeat(1e5)}`],
  ['members', `a${'.a'.repeat(1e5)}`],
];
for (const [name, value] of nested)
  limits(`too deep: ${name}`, () => assert.equal(codes(parse(`let x = ${value}`).errors), ['E156']));
limits('too deep: blocks', () => {
  assert.equal(codes(parse('cell a(s) {'.repeat(1e5)).errors), ['E156']);
  assert.equal(codes(parse(`train ${'{ a '.repeat(1e5)}`).errors), ['E156']);
});
limits('as deep as allowed', () => {
  const deep = MAX_NESTING - 1;
  for (const [open, close] of [
    ['(', ')'],
    ['[', ']'],
    ['f(x -> ', ')'],
    ['(a | b -> ', ')'],
    ['a{', '}'],
  ] as const)
    assert.equal(parse(`let x = ${open.repeat(deep)}1${close.repeat(deep)}`).errors, []);
  assert.equal(parse(`${'cell a(s) {'.repeat(deep)}${'}'.repeat(deep)}`).errors, []);
});
limits('long is not deep', () => {
  const { errors } = parse(
    `let a = b${' | b'.repeat(20_000)}\nlet c = b${' -> b'.repeat(20_000)}\nlet d = [${'b, '.repeat(20_000)}]`,
  );
  assert.equal(errors, []);
});
limits('4 MiB and no more', () => {
  assert.equal(parse(`//${' '.repeat(2 ** 22 - 2)}`).errors, []);
  assert.equal(codes(parse(`//${' '.repeat(2 ** 22 - 1)}`).errors), ['E157']);
  assert.equal(codes(parse(`//${'é'.repeat(2 ** 21)}`).errors), ['E157']);
});
limits('long tokens of every kind', () => {
  const n = 500_000;
  const texts = ['$', '"', '"a', '/* ', '/**', '1', '1_', '1.', 'a', '\\', ') ', '\u202e', '\0', '\ud800', "'"];
  for (const text of texts)
    assert.ok(parse(`let a = ${text.repeat(n / text.length)}`).errors.length > 0 || text === '1' || text === 'a', text);
});

for (const tests of [literals, statements, places, recovery, limits]) tests.run();
