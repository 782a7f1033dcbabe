// One command for every language: prettier and eslint for TypeScript, clang-format for C++. `--fix` writes.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const fix = process.argv.includes('--fix');
const bin = (name) => join('node_modules', '.bin', name);
const files = (folder, pattern) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .map((f) => join(folder, f))
        .filter((f) => pattern.test(f))
    : [];
const native = [...files('cpp', /\.(h|cpp)$/), ...files('cuda', /\.(cu|cuh)$/)].filter((f) => !f.includes('/gen/'));
const sources = ['src', 'grammar', 'test', 'scripts', 'zoo', 'bin']
  .filter(existsSync)
  .map((f) => `${f}/**/*.{ts,js,mjs}`);

const steps = [
  [bin('prettier'), ['--log-level', 'warn', fix ? '--write' : '--check', ...sources]],
  [bin('eslint'), ['--max-warnings=0', ...(fix ? ['--fix'] : []), '.']],
  ['clang-format', [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...native]],
];
let failed = false;
for (const [command, args] of steps) {
  const result = spawnSync(command, args, { stdio: 'inherit' });
  if (result.error?.code === 'ENOENT') console.error(`${command} is not installed: its files were not checked`);
  if (result.status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
