import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = join(import.meta.dirname, '..');
const rules = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as Record<string, string[]>;

interface Import {
  readonly file: string;
  readonly target: string;
}

const files = (folder: string, pattern: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((f) => join(folder, f))
    .filter((f) => pattern.test(f));

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  if (file.endsWith('.ts')) {
    const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((m) => m[1]!);
    return found.map((target) => ({ file, target: normalize(join(dirname(file), target)) }));
  }
  return [...text.matchAll(/^\s*#include "([^"]+)"/gm)].map((m) => ({ file, target: join('cpp', m[1]!) }));
}

// The folder of the rules that holds a file: the longest that is a prefix.
const layerOf = (file: string): string | undefined =>
  Object.keys(rules)
    .filter((layer) => !relative(layer, dirname(file)).startsWith('..'))
    .sort((a, b) => b.length - a.length)[0];

const all = [...files('src', /\.ts$/), ...files('grammar', /\.ts$/), ...files('cpp', /\.(h|cpp)$/)].flatMap(importsOf);

const layering = suite('layering');

layering('every folder imports only what src/layers.json allows', () => {
  const wrong = all.filter(({ file, target }) => {
    const [from, to] = [layerOf(file), layerOf(target)];
    return from === undefined || to === undefined || (from !== to && !rules[from]!.includes(to));
  });
  assert.equal(
    wrong.map((w) => `${w.file} imports ${w.target}`),
    [],
  );
});

layering('no file imports itself through others', () => {
  const next = new Map<string, string[]>();
  for (const { file, target } of all) next.set(file, [...(next.get(file) ?? []), target]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file)) return;
    done.add(file);
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
  };
  for (const file of next.keys()) visit(file, []);
  assert.equal(cycles, []);
});

layering('only cpp/node includes the headers of Node', () => {
  const users = files('cpp', /\.(h|cpp)$/).filter((f) =>
    /napi\.h|node_api\.h/.test(readFileSync(join(root, f), 'utf8')),
  );
  assert.equal(
    users.filter((f) => !f.startsWith('cpp/node/')),
    [],
  );
});

layering.run();
