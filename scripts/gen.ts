/**
 * Writes everything that follows from the records in src/ops and from the tables of the vocabulary: the table of ops, the native side's view of it, and the tables
 * in the docs.
 * `--check` writes nothing and fails where a file is stale.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { OpDef } from '../src/ir/op.ts';
import { attrsHeader } from './gen/attrs-header.ts';
import { kernelTable } from './gen/kernel-table.ts';
import { opDocs } from './gen/op-docs.ts';
import { opIndex } from './gen/op-index.ts';
import type { OpExport } from './gen/op-index.ts';
import { nativeOpTable } from './gen/native-op-table.ts';
import { vocabulary } from './gen/vocabulary.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

async function findOps(): Promise<OpExport[]> {
  const folder = join(root, 'src/ops');
  const files = readdirSync(folder).filter((f) => f.endsWith('.ts') && f !== 'index.ts');
  const found = new Map<string, OpExport>();
  for (const file of files.sort()) {
    const module = (await import(pathToFileURL(join(folder, file)).href)) as Record<string, unknown>;
    for (const [exported, op] of Object.entries(module)) {
      if (!isOp(op)) continue;
      const old = found.get(op.name);
      if (old && old.op !== op) throw new Error(`two ops are called '${op.name}', in ${old.file} and ${file}`);
      if (!old) found.set(op.name, { op, exported, file });
    }
  }
  return [...found.values()].sort((a, b) => (a.op.name < b.op.name ? -1 : 1));
}

const isOp = (value: unknown): value is OpDef =>
  typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'op';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const found = await findOps();
const ops = found.map((f) => f.op);
const files: Readonly<Record<string, string>> = {
  'src/ops/index.ts': await opIndex(found),
  'cpp/gen/attrs.h': attrsHeader(ops),
  'cpp/gen/op_table.cpp': nativeOpTable(ops),
  'cpp/gen/kernels.cpp': kernelTable(ops),
  'docs/ops.md': await opDocs(found),
  'docs/vocabulary.md': await vocabulary(),
};
const stale = Object.keys(files).filter((file) => read(join(root, file)) !== files[file]);
if (process.argv.includes('--check')) {
  for (const file of stale) console.error(`${file} is stale: run \`npm run gen\``);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const file of stale) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), files[file]!);
    console.log(`wrote ${file}`);
  }
}
