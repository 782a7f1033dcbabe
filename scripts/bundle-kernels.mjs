// dist/kernels.js: `tenon/kernels` as one file, since a script waits for each file that it imports and for each byte that is compiled.
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import ts from 'typescript';

// What only tests and benches read of the records of ops.
const LEFT_OUT = new Map([
  ['samples', 'samples: []'],
  ['reference', 'reference: true'],
]);

function withoutTests(path) {
  const text = readFileSync(path, 'utf8');
  const edits = [];
  const visit = (node) => {
    const named =
      ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node) || ts.isMethodDeclaration(node);
    const instead = named && ts.isObjectLiteralExpression(node.parent) && LEFT_OUT.get(node.name.getText());
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
  name: 'records of ops without what only tests read',
  setup: (b) =>
    b.onLoad({ filter: /[\\/]dist[\\/]src[\\/]ops[\\/].*\.js$/ }, ({ path }) => ({ contents: withoutTests(path) })),
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
