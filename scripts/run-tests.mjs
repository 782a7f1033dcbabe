// Runs every test file in a process of its own, two at a time, and closes with 'N passed, N failed, N skipped'. A file that dies, hangs, or runs no suite counts as failed.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 300_000;
const pattern = new RegExp(process.argv[2] ?? '.');
const files = ['test', 'zoo']
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((f) => join(folder, f)))
  .filter((f) => f.endsWith('.test.ts'))
  .filter((f) => pattern.test(f))
  .sort();

const totals = { passed: 0, failed: 0, skipped: 0 };
// eslint-disable-next-line no-control-regex
const plain = (text) => text.replace(/\x1b\[[0-9;]*m/g, '');
const sum = (text, word) =>
  [...text.matchAll(new RegExp(`^ {2}${word}: +(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);

function runFile(file) {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(process.execPath, ['--import', 'tsx', '--enable-source-maps', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    });
    let out = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, TIMEOUT_MS);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (out += d));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ file, out: plain(out), code, signal, late, seconds: (Date.now() - started) / 1000 });
    });
  });
}

function report({ file, out, code, signal, late, seconds }) {
  const total = sum(out, 'Total');
  const passed = sum(out, 'Passed');
  let failed = total - passed;
  let why = '';
  if (late) why = `no end after ${TIMEOUT_MS / 1000} s`;
  else if (total === 0) why = `no suite ran (exit ${code}, signal ${signal})`;
  else if (code !== 0 && failed === 0) why = `exit ${code}, signal ${signal}`;
  if (why) failed = Math.max(1, failed);
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += sum(out, 'Skipped');
  console.log(
    `${failed ? 'FAIL' : 'ok  '} ${file}  ${passed}/${total}  ${seconds.toFixed(1)} s${why ? `  ${why}` : ''}`,
  );
  for (const line of out.split('\n')) if (/^skipped: /.test(line)) console.log(`     ${line}`);
  if (failed) console.log(out.trimEnd());
}

const queue = [...files];
const lanes = Math.max(1, Math.min(2, availableParallelism()));
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let file = queue.shift(); file; file = queue.shift()) report(await runFile(file));
  }),
);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);
