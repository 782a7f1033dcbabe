import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from '../../grammar/parser.ts';
import { golden, show } from './golden.ts';

const folder = new URL('../../grammar/examples/', import.meta.url);
const goldens = new URL('../golden/grammar/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.space'));
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

const good = suite('examples that parse');
for (const name of files.filter((n) => !n.endsWith('.bad.space')))
  good(name, () => {
    const text = read(name);
    const { tree, errors } = parse(text);
    assert.equal(
      errors.map((e) => show(text, e)),
      [],
    );
    assert.ok(tree.statements.length > 0);
    assert.equal(parse(text.replace(/\n/g, '\r\n')).errors, [], 'with CRLF');
    assert.equal(parse(`\ufeff${text}`).errors, [], 'with a byte-order mark');
  });

const bad = suite('examples that do not parse');
for (const name of files.filter((n) => n.endsWith('.bad.space')))
  bad(name, () => {
    const text = read(name);
    const { errors } = parse(text);
    assert.ok(errors.length > 0);
    golden(new URL(name.replace('.bad.space', '.txt'), goldens), `${errors.map((e) => show(text, e)).join('\n')}\n`);
  });

good.run();
bad.run();
