import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { levels } from '../../grammar/operators.ts';
import { syntaxCodes } from '../../grammar/syntax.ts';
import { hardKeywords, softKeywords, tokenize } from '../../grammar/tokens.ts';

const read = (name: string): string => readFileSync(new URL(`../../grammar/${name}`, import.meta.url), 'utf8');
const reference = read('reference.md');
const textmate = read('tenon.tmLanguage.json');

const agree = suite('reference and editor grammar');
agree('the reference lists the keywords and codes of the parser', () => {
  const flat = reference.replace(/\s+/g, ' ');
  assert.ok(flat.includes(`\`${hardKeywords.join(' ')}\``), hardKeywords.join(' '));
  assert.ok(flat.includes(`\`${softKeywords.join(' ')}\``), softKeywords.join(' '));
  for (const [code, meaning] of Object.entries(syntaxCodes))
    assert.ok(reference.includes(`| ${code} | ${meaning} |`), code);
});
agree('the reference has a row of operators for every level', () => {
  const rows = reference.slice(reference.indexOf('| operators')).split('\n\n')[0]!.split('\n');
  assert.is(rows.length - 2, Object.keys(levels).length - 1, 'all but operands');
});
agree('the editor grammar knows every keyword', () => {
  const words = new Set(textmate.match(/[a-z]\w+/g));
  for (const word of [...hardKeywords, ...softKeywords]) assert.ok(words.has(word), word);
});
agree('every pattern of the editor grammar is a regular expression', () => {
  const patterns: string[] = [];
  JSON.parse(textmate, (key, value: unknown) => {
    if (['match', 'begin', 'end'].includes(key) && typeof value === 'string') patterns.push(value);
    return value;
  });
  assert.ok(patterns.length > 15);
  for (const pattern of patterns) assert.not.throws(() => new RegExp(pattern));
});
agree('numbers are the same to the editor and the lexer', () => {
  const { repository } = JSON.parse(textmate) as { repository: { number: { match: string } } };
  const pattern = new RegExp(`^(?:${repository.number.match})$`);
  for (const text of ['0', '1_000', '0.5', '1e-3', '500k', '512MB', '3ms', '2h', '10min', '3x3', '1__0', '5kk', '1_']) {
    const { tokens } = tokenize(text);
    assert.is(pattern.test(text), tokens.length === 1 && tokens[0]!.tokenType.name === 'Number', text);
  }
});
agree.run();
