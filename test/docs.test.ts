import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { transformSync } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Column, Dataset, Table } from '../src/data/dataset.ts';
import * as tenon from '../src/index.ts';
import * as kernels from '../src/kernels/index.ts';

const root = join(import.meta.dirname, '..');
const FILES = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

interface Block {
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(file: string): readonly Block[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((m) => ({
    place: `${file}:${text.slice(0, m.index).split('\n').length}`,
    language: m[1]!,
    text: m[2]!,
  }));
}

const blocks = (language: string): readonly Block[] => FILES.flatMap(blocksOf).filter((b) => b.language === language);

const docs = suite('code of the documentation');

docs('every program checks', () => {
  const programs = blocks('space');
  assert.ok(programs.length > 0);
  for (const { place, text } of programs) tenon.compile(text, { file: place });
});

// The first rows of a table: enough to show that the code runs.
function few(table: Table, examples: number): Table {
  const cut = (c: Column): Column => ({ ...c, data: c.data.slice(0, (c.data.length / table.examples) * examples) });
  return { examples, features: table.features.map(cut), label: cut(table.label) };
}

function fewDigits(): Dataset {
  const all = tenon.data.mnist();
  return { ...all, train: few(all.train, 1200), test: few(all.test!, 100) };
}

/** `f(); // 42n` claims a value. */
const CLAIM = /^(\S.*?);\s*\/\/\s*(\d+n)$/gm;

docs('the code of README runs, and gives what it says', async () => {
  const source = blocks('space').find((b) => b.place.startsWith('README'))!.text;
  const images = new Float32Array(28 * 28 * 3);
  const [code] = blocks('ts').filter((b) => b.place.startsWith('README') && b.text.includes("from 'tenon'"));
  const body = code!.text
    .replace(/^import \{([^}]*)\} from 'tenon';$/gm, 'const {$1} = tenon;')
    .replace(CLAIM, '$&\nclaim($1, $2);');
  const claims: bigint[] = [];
  const claim = (found: bigint, said: bigint): void => {
    assert.is(found, said);
    claims.push(found);
  };
  const lines: unknown[][] = [];
  const console = { log: (...args: unknown[]): void => void lines.push(args) };
  const given = {
    tenon: { ...tenon, data: { ...tenon.data, mnist: fewDigits } },
    source,
    images,
    console,
    claim,
  };
  const run = compileFunction(`return (async () => {${body}})();`, Object.keys(given)) as (
    ...args: readonly unknown[]
  ) => Promise<void>;
  await run(...Object.values(given));
  assert.ok(claims.length > 0);
  // Program, params and flops; then an epoch a line.
  const [first, ...epochs] = lines;
  assert.is(tenon.compile(String(first![0])).sample().params, first![1]);
  assert.equal(
    epochs.map(([epoch]) => epoch),
    [1, 2],
  );
});

const shown = (value: unknown): string => (Array.isArray(value) ? `[${value.join(', ')}]` : String(value));

// `console.log(…); // text` claims what is printed.
docs('scripts over tenon/kernels run, and print what they say', async () => {
  const scripts = blocks('ts').filter((b) => b.text.includes("from 'tenon/kernels'"));
  assert.ok(scripts.length > 5);
  for (const { place, text } of scripts) {
    const body = text.replace(/^import \{([^}]*)\} from 'tenon\/kernels';$/gm, 'const {$1} = kernels;');
    const { code } = transformSync(`async function script() {${body}}`, { loader: 'ts' });
    const lines: string[] = [];
    const console = { log: (...args: unknown[]): void => void lines.push(args.map(shown).join(' ')) };
    const run = compileFunction(`${code}\nreturn script();`, ['kernels', 'console']) as (
      ...args: readonly unknown[]
    ) => Promise<void>;
    await run(kernels, console);
    assert.equal(
      lines,
      [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((m) => m[1]),
      place,
    );
  }
});

docs.run();
