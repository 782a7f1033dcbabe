import { readFileSync, readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { check } from '../../src/lang/check.ts';
import { BAD } from './diagnostics.ts';
import { render } from './compile.ts';
import { EXAMPLES } from './examples.ts';

const mutation = suite('lang: mutated programs');

const folder = new URL('../../grammar/examples/', import.meta.url);
const good = Object.values(EXAMPLES).map((e) => e.text);
const files = readdirSync(folder)
  .filter((f) => f.endsWith('.space') && !f.endsWith('.bad.space'))
  .map((f) => readFileSync(new URL(f, folder), 'utf8'));
const bad = Object.values(BAD)
  .flat()
  .filter((text) => text.length < 400);
const words = [...new Set([...good, ...files].flatMap((t) => t.match(/[A-Za-z_]\w*|\d[\w.]*|->|\.\.|[^\s\w]/g) ?? []))];

/** One to three words left out, put in, replaced or exchanged. */
function mutate(text: string, random: Random): string {
  const parts = text.split(/(?<=\W)|(?=\W)/);
  const word = (): string => words[random.below(words.length)]!;
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(parts.length);
    const other = random.below(parts.length);
    const edits = [
      () => parts.splice(at, 1 + random.below(3)),
      () => parts.splice(at, 0, word(), ' '),
      () => (parts[at] = word()),
      () => ([parts[at], parts[other]] = [parts[other]!, parts[at]!]),
    ];
    edits[random.below(edits.length)]!();
  }
  return parts.join('');
}

function holds(text: string, analyse: boolean): boolean {
  const { program, diagnostics } = check(text, 'mutant.space', { analyse });
  for (const d of diagnostics) {
    const { start, end, source } = d.span;
    assert.ok(0 <= start && start <= end && end <= source.text.length, `${d.code} has no place in\n${text}`);
    assert.ok(
      d.message !== '' && source.file !== 'prelude.space',
      `${d.code} in ${source.file}: ${d.message} in\n${text}`,
    );
  }
  assert.is(
    program === null,
    diagnostics.some((d) => d.severity === 'error'),
    text,
  );
  assert.ok(diagnostics.length === 0 || render(diagnostics) !== '');
  return program !== null;
}

mutation(
  '10,000 of them, with all that is counted: no throw, every message has a place, and a program where there is no error',
  () => {
    const random = new Random('mutants', 1);
    const texts = [...good, ...good, ...files, ...bad];
    let fine = 0;
    for (let i = 0; i < 10_000; i++) if (holds(mutate(texts[random.below(texts.length)]!, random), true)) fine++;
    assert.ok(fine > 100, `${fine} mutants were programs`);
  },
);

const repeat = (n: number, line: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => line(i)).join('\n');
const using = (net: string): string => `\nspace S { input x: f32[B, 3] output y = x -> ${net} }`;

const HOSTILE: Readonly<Record<string, string>> = {
  'a long chain of defs': repeat(1500, (i) => `def a${i} = ${i ? `a${i - 1}` : 'relu'}`) + using('a1499'),
  'the same backwards': repeat(1500, (i) => `def a${i} = ${i < 1499 ? `a${i + 1}` : 'relu'}`) + using('a0'),
  'a long chain of lets': repeat(1500, (i) => `let a${i} = ${i ? `a${i - 1} + 1` : '1 | 2'}`) + using('dense(a1499)'),
  'lets backwards': repeat(1500, (i) => `let a${i} = ${i < 1499 ? `a${i + 1} + 1` : '1 | 2'}`) + using('dense(a0)'),
  'doubling values': repeat(60, (i) => `def a${i} = ${i ? `a${i - 1} + a${i - 1}` : '1 | 2'}`) + using('dense(a59)'),
  'doubling networks': repeat(60, (i) => `def a${i} = ${i ? `[a${i - 1}, a${i - 1}] -> add` : 'relu'}`) + using('a59'),
  'doubling errors': repeat(60, (i) => `def a${i} = ${i ? `[a${i - 1}, a${i - 1}]` : 'zork'}`) + using('a59'),
  'doubling arguments': `def f(g, n) = if n > 0 then f([g, g] -> add, n - 1) else g${using('f(relu, 200)')}`,
  'a value of itself': `def fib(n) = if n > 1 then fib(n-1) + fib(n-2) else 1${using('dense(fib(30))')}`,
  'many wires': `space S { input x: f32[B, 3]\n h0 = x -> relu\n${repeat(1500, (i) => `h${i + 1} = h${i} -> relu`)}\noutput y = h1500 }`,
  'wires backwards': `space S { input x: f32[B, 3]\n h1500 = x -> relu\n${repeat(1500, (i) => `h${i} = h${i + 1} -> relu`)}\noutput y = h0 }`,
  'a wide choice': using(`dense(${Array.from({ length: 20000 }, (_, i) => i + 1).join('|')})`),
  'a wide range': using('dense(1..1000000000)'),
  'many arguments': using(`dense(${'1, '.repeat(20000)})`),
};

for (const [name, text] of Object.entries(HOSTILE)) mutation(name, () => void holds(text, false));

mutation.run();
