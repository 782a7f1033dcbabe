// dist/kernels.js: `tenon/kernels` as one file, since a script waits for each file that it imports and for each byte that is compiled.
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import ts from 'typescript';
import { OPS } from '../dist/src/ops/index.js';
import { opTable } from '../dist/src/plan/op-table.js';

// What only tests and benches read of the records of ops.
const LEFT_OUT = new Map([
  ['samples', 'samples: []'],
  ['reference', 'reference: true'],
]);

// The hash of the op table, which is made of all records.
const { hash } = opTable(OPS);
const MADE = new Map([['hash', `hash: ${hash}n`]]);

function edited(path, properties) {
  const text = readFileSync(path, 'utf8');
  const edits = [];
  const visit = (node) => {
    const named =
      ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node) || ts.isMethodDeclaration(node);
    const instead = named && ts.isObjectLiteralExpression(node.parent) && properties.get(node.name.getText());
    // Constants that nothing reads any more may go.
    const made = ts.isVariableDeclaration(node) && ts.isSourceFile(node.parent.parent.parent) && node.initializer;
    if (made && (ts.isArrayLiteralExpression(made) || ts.isCallExpression(made))) {
      edits.push([made.getStart(), made.getStart(), '/* @__PURE__ */ (() => ('], [made.end, made.end, '))()']);
    }
    if (instead) edits.push([node.getStart(), node.end, instead]);
    else ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  edits.sort(([a], [b]) => a - b);
  return edits.reduceRight((out, [start, end, instead]) => out.slice(0, start) + instead + out.slice(end), text);
}

const records = {
  name: 'records of ops: without what only tests read, their hash made before',
  setup(b) {
    const load = (filter, properties) => b.onLoad({ filter }, ({ path }) => ({ contents: edited(path, properties) }));
    load(/[\\/]dist[\\/]src[\\/]ops[\\/].*\.js$/, LEFT_OUT);
    load(/[\\/]dist[\\/]src[\\/]plan[\\/]op-table\.js$/, MADE);
  },
};

await build({
  entryPoints: ['dist/src/kernels/index.js'],
  outfile: 'dist/kernels.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'linked',
  minify: true,
  logLevel: 'warning',
  plugins: [records],
});
