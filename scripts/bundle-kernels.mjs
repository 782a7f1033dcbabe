// dist/kernels.js: `tenon/kernels` as one script, since a process waits for each file that it imports and for each byte that is compiled. The script is
// an expression, a function with the parameters of a CommonJS module, and is run by the code that compile-kernels.mjs keeps beside it.
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import ts from 'typescript';
import * as kernels from '../dist/src/kernels/index.js';
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
    // Importing them above has looked for contradictions.
    const contents = "export const defineOp = (def) => ({ kind: 'op', ...def });";
    b.onLoad({ filter: /[\\/]dist[\\/]src[\\/]ir[\\/]define-op\.js$/ }, () => ({ contents }));
  },
};

await build({
  entryPoints: ['dist/src/kernels/index.js'],
  outfile: 'dist/kernels.script.js',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__filename' },
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
  sourcemap: 'linked',
  minify: true,
  logLevel: 'warning',
  plugins: [records],
});

// Imports of Node's own modules would make each of them export each of its names.
writeFileSync(
  'dist/kernels.js',
  `const [fs, path, vm, { createRequire }] = ['fs', 'path', 'vm', 'module'].map((name) => process.getBuiltinModule(name));
const folder = import.meta.dirname;
const filename = path.join(folder, 'kernels.script.js');
const code = path.join(folder, 'kernels.code');
// Code of another version of V8 is refused, and the script compiled anew.
const cachedData = fs.existsSync(code) ? fs.readFileSync(code) : undefined;
const script = new vm.Script(fs.readFileSync(filename, 'latin1'), { filename, cachedData });
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(filename), module, filename, folder);
export const { ${Object.keys(kernels).join(', ')} } = module.exports;
`,
);
await import('./compile-kernels.mjs');
