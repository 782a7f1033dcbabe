import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from '../../grammar/parser.ts';
import { hardKeywords, softKeywords } from '../../grammar/tokens.ts';
import { Random } from '../../src/base/philox.ts';

const folder = new URL('../../grammar/examples/', import.meta.url);
const texts = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
const signs = ['->', '<>', '|', '@', '~', '..', '{', '}', '(', ')', '[', ']', ',', ':', '=', '?', '*', '^', '-', '"'];
const odd = [
  '/*',
  '*/',
  '//',
  '\\',
  '\0',
  '\ud800',
  '\u202e',
  'é',
  '😀',
  '\r',
  '\n',
  '1e999',
  '0x',
  '1.',
  '_',
  "'",
  ';',
];
const pieces = [...hardKeywords, ...softKeywords, ...signs, ...odd, 'a', '3', 'x = '].map((p) => ` ${p} `);

/** One to four small edits: cut, double, move, insert a token or a character. */
function mutate(random: Random, text: string): string {
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(text.length + 1);
    const length = random.below(30);
    const [before, cut, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
    const kind = random.below(6);
    if (kind === 0) text = before + after;
    else if (kind === 1) text = before + cut + cut + after;
    else if (kind === 2) text = after + cut + before;
    else if (kind === 3)
      text = before + String.fromCharCode(random.below(random.below(2) === 0 ? 128 : 65536)) + cut + after;
    else text = before + pieces[random.below(pieces.length)]! + cut.slice(random.below(3)) + after;
  }
  return text;
}

const mutated = suite('10,000 mutated programs');
mutated('each parses or gives problems with places in the text, quickly', () => {
  const random = new Random('mutated programs');
  let failed = 0;
  for (let i = 0; i < 10_000; i++) {
    const text = mutate(random, texts[i % texts.length]!);
    const { errors, tree } = parse(text);
    assert.ok(errors.length <= 72);
    if (errors.length > 0) failed++;
    for (const e of errors) {
      assert.ok(0 <= e.start && e.start <= e.end && e.end <= text.length, text);
      assert.ok(e.message !== '' && e.expected !== '' && e.found !== '' && /^E15\d|E16\d$/.test(e.code), text);
    }
    assert.is(tree.end, text.length);
  }
  assert.ok(failed > 5_000 && failed < 10_000);
});
mutated.run();
