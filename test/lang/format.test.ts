import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from '../../grammar/parser.ts';
import { MAX_NESTING } from '../../grammar/syntax.ts';
import { tokenize } from '../../grammar/tokens.ts';
import { Random } from '../../src/base/philox.ts';
import { format } from '../../src/lang/format.ts';
import { printProgram } from '../../src/lang/printer.ts';
import { golden } from '../grammar/golden.ts';
import { bare } from '../grammar/lisp.ts';
import { program } from './trees.ts';

const folder = new URL('../../grammar/examples/', import.meta.url);
const goldens = new URL('../golden/format/', import.meta.url);
const files = readdirSync(folder).filter((n) => n.endsWith('.space') && !n.endsWith('.bad.space'));
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

function formatted(text: string): string {
  const result = format(text);
  if ('errors' in result) throw new Error(`${JSON.stringify(result.errors)}\n${text}`);
  return result.text;
}

const commentsOf = (text: string): string[] => parse(text).tree.comments.map((c) => c.text.replace(/\s+/g, ' ').trim());

/** Formatting keeps the tree and the comments, and does nothing more the second time. */
function assertFormats(text: string): void {
  const once = formatted(text);
  assert.equal(bare(parse(once).tree), bare(parse(text).tree), text);
  assert.equal(commentsOf(once), commentsOf(text), text);
  assert.is(formatted(once), once, text);
}

const examples = suite('formatted examples');
for (const name of files)
  examples(name, () => {
    const text = read(name);
    assertFormats(text);
    assert.is(formatted(text.replace(/\n/g, '\r\n')), formatted(text), 'line ends do not matter');
    golden(new URL(name, goldens), formatted(text));
  });

const layout = suite('layout');
const rows: readonly (readonly [string, string, string])[] = [
  ['nothing', '', ''],
  ['only a comment', '\n\n// c  \n\n', '// c\n'],
  [
    'one empty line at most, none at the edges',
    'space A {\n\n\n let a = 1\n\n\n\n let b = 2\n\n}\n',
    'space A {\n  let a = 1\n\n  let b = 2\n}\n',
  ],
  ['needed and kept parentheses', 'let a = ((b | c)) -> ((d)) * (e * f)', 'let a = (b | c) -> d * (e * f)\n'],
  ['`in` in a let', 'let a = (w in 1..3)', 'let a = (w in 1..3)\n'],
  ['comments at line ends', 'let a = f(1, // one\n 2) // two', 'let a = f(\n  1, // one\n  2\n) // two\n'],
  ['comments on their lines', 'let a = b\n  // why\n  -> c', 'let a = b\n    // why\n    -> c\n'],
  ['comments inside a line', 'let a = f(/* k */ 3)', 'let a = f(/* k */ 3)\n'],
  ['empty blocks', 'space A { }\ntrain { /* none */ }', 'space A {}\ntrain { /* none */\n}\n'],
  [
    'a long list of numbers is filled',
    `let a = [${'1000, '.repeat(20)}]`,
    `let a = [\n  ${'1000, '.repeat(16).trim()}\n  1000, 1000, 1000, 1000\n]\n`,
  ],
];
for (const [title, text, expected] of rows)
  layout(title, () => {
    assert.is(formatted(text), expected);
    if (text !== '') assertFormats(text);
  });
layout('what does not parse is left alone', () => {
  const result = format('let a = \nlet b');
  assert.ok('errors' in result && result.errors.length > 0);
});
layout('100 columns', () => {
  const names = Array.from({ length: 30 }, (_, i) => `conv(${i}, k: 3)`);
  for (const joint of [' -> ', ' | ', ' <> ', ' + ', ' and '])
    for (const line of formatted(
      `def a = f([${names.join(', ')}]) -> g(${names.join(joint)})${joint}${names.join(joint)}`,
    ).split('\n'))
      assert.ok(line.length <= 100, line);
});

layout('as deep as allowed', () => {
  const deep = MAX_NESTING - 1;
  for (const [open, close] of [
    ['f(x -> ', ')'],
    ['(a | b -> ', ')'],
    ['a{', '}'],
    ['if a then b else ', ''],
  ] as const)
    assertFormats(`let x = ${open.repeat(deep)}1${close.repeat(deep)}`);
  assertFormats(`${'cell a(s) {'.repeat(deep)}${'}'.repeat(deep)}`);
});

const properties = suite('properties');
properties('a printed tree parses back to itself, and is formatted already', () => {
  fc.assert(
    fc.property(program, (tree) => {
      const text = printProgram(tree);
      const { tree: again, errors } = parse(text);
      assert.equal(errors, [], text);
      assert.equal(bare(again), bare(tree), text);
      assert.is(formatted(text), text);
    }),
    { numRuns: 400, seed: 5 },
  );
});
properties('comments anywhere are kept', () => {
  const random = new Random('comments');
  const kinds = ['/* c */', ' // c\n', '\n// c\n', '/* c\n d */', '\n\n/* c */\n', ' /* c */ // d\n'];
  for (let i = 0; i < 200; i++) {
    const text = read(files[i % files.length]!);
    const { tokens } = tokenize(text);
    let commented = '';
    let last = 0;
    let count = 0;
    for (const token of tokens) {
      commented += text.slice(last, token.startOffset);
      if (random.below(12) === 0) commented += kinds[random.below(kinds.length)]!.replace('c', `c${count++}`);
      commented += ` ${token.image} `;
      last = token.startOffset + token.image.length;
    }
    assertFormats(commented + text.slice(last));
  }
});

for (const tests of [examples, layout, properties]) tests.run();
