// dist/kernels.js: `tenon/kernels` as one file, since a script waits for each file that it imports.
import { build } from 'esbuild';

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
});
