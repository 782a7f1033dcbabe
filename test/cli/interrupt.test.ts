import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Study } from '../../src/study/study.ts';
import {
  workersOf,
  isRunning,
  jsonLines,
  shellCommand,
  sleep,
  startTenon,
  temporaryFolder,
  tenon,
  until,
  whenEnded,
} from '../support/cli.ts';
import type { Ended } from '../support/cli.ts';
import { writeSearch } from '../support/small-search.ts';

const cwd = temporaryFolder('interrupt');
// A trial takes a second or more.
const file = writeSearch(cwd, { epochs: 500 });
// None of its trials ends before the signals have come.
const longTrials = writeSearch(temporaryFolder('interrupt-long'), { epochs: 100_000 });
let number = 0;

async function states(path: string): Promise<readonly (readonly [string, number])[]> {
  const study = await Study.read(path);
  try {
    return study.trials().map((t) => [t.state, t.attempts] as const);
  } finally {
    study.close();
  }
}

interface Interrupted extends Ended {
  readonly states: readonly (readonly [string, number])[];
}

/** A search of two workers; once both train, the signals are sent. */
async function interrupted(program: string, ...signals: readonly NodeJS.Signals[]): Promise<Interrupted> {
  const path = join(cwd, `s${number++}.study`);
  const child = startTenon(['search', program, '--study', path, '--trials', '30', '--workers', '2', '--json']);
  const ended = whenEnded(child);
  await Promise.race([new Promise((resolve) => child.stdout!.once('data', resolve)), ended]);
  const workers = workersOf(child.pid!);
  assert.is(workers.length, 2);
  for (const signal of signals) {
    child.kill(signal);
    await sleep(150);
  }
  const end = await ended;
  await until('no worker is left', () => workers.every((pid) => !isRunning(pid)), 10);
  return { ...end, states: await states(path) };
}

const interrupts = suite('cli interrupt');

interrupts('SIGINT once: what runs is ended, nothing new starts; exit code 130', async () => {
  const { code, err, states } = await interrupted(file, 'SIGINT');
  assert.is(code, 130);
  assert.match(err, /interrupted: what runs now is ended first; again to stop at once\n/);
  assert.match(err, /interrupted: the same command goes on with /);
  assert.ok(states.length >= 2 && states.length < 30);
  for (const s of states) assert.equal(s, ['complete', 1]);
});

interrupts('while a search runs, a second one is refused and readers see the first', async () => {
  const path = join(cwd, 'held.study');
  const child = startTenon(['search', file, '--study', path, '--trials', '30', '--json']);
  const ended = whenEnded(child);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  const second = await tenon(['search', file, '--study', path, '--trials', '30']);
  assert.is(second.code, 1);
  assert.match(second.err, new RegExp(`held\\.study: process ${child.pid} is running this search\n`));
  const rows = JSON.parse((await tenon(['trials', path, '--json'])).out) as { state: string }[];
  assert.ok(rows.some((r) => r.state === 'running'));
  child.kill('SIGTERM');
  assert.is((await ended).code, 130);
});

for (const signals of [['SIGINT', 'SIGINT'], ['SIGTERM'], ['SIGHUP']] as const) {
  interrupts(`${signals.join(', ')}: what runs is given back, uncharged; exit code 130`, async () => {
    const { code, states } = await interrupted(longTrials, ...signals);
    assert.is(code, 130);
    assert.ok(states.some(([state]) => state === 'waiting'));
    for (const [state, attempts] of states)
      assert.equal([state, attempts], state === 'waiting' ? ['waiting', 0] : ['complete', 1]);
  });
}

interrupts('train ends at a signal with exit code 130', async () => {
  const child = startTenon(['train', file, '--seed', '1', '--epochs', '100000', '--json']);
  const ended = whenEnded(child);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  child.kill('SIGINT');
  const { code, err } = await ended;
  assert.equal([code, err.includes('interrupted')], [130, true]);
});

interrupts('train --profile then says where the time went until the signal', async () => {
  const child = startTenon(['train', file, '--seed', '1', '--epochs', '100000', '--json', '--profile']);
  const ended = whenEnded(child);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  child.kill('SIGINT');
  const { code, out } = await ended;
  assert.is(code, 130);
  const rows = jsonLines(out).find((e) => e['event'] === 'profile')!['rows'] as readonly { ms: number }[];
  assert.ok(rows[0]!.ms > 0);
});

interrupts('bench prints what it has timed until the signal', async () => {
  const child = startTenon(['bench', '--threads', '1', '--seconds', '0.05s', '--filter', 'gemm', '--json']);
  const ended = whenEnded(child);
  child.stdout!.once('data', () => child.kill('SIGINT'));
  const { code, out, err } = await ended;
  const cases = jsonLines(out).map((row) => String(row['case']));
  assert.equal([code, err], [130, 'interrupted\n']);
  assert.ok(cases.includes('gemm/256x256x256') && !cases.includes('gemm_bf16/1024x768x3072'), cases.join());
});

interrupts('on a terminal the bar is drawn, and the cursor comes back', async () => {
  if (spawnSync('script', ['--version']).status !== 0)
    return console.log('skipped: there is no `script` here to make a terminal');
  const path = join(cwd, 'terminal.study');
  const line = shellCommand(['search', file, '--study', path, '--trials', '30']);
  const terminal = spawn('script', ['-qfec', `stty cols 90 rows 20; exec ${line}`, '/dev/null'], {
    env: { ...process.env, NO_COLOR: '', TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  terminal.stdout.on('data', (d: Buffer) => (out += d.toString()));
  const ended = new Promise<number | null>((resolve) => terminal.once('close', resolve));
  await until('a trial is complete', () => out.includes('best accuracy'), 30);
  assert.match(out, /\u001b\[\?25l/);
  assert.match(out, /[━╌]{30} \d\/30/);
  // Ctrl-C is typed: it reaches the whole group of the terminal, but not the workers.
  terminal.stdin.write('\u0003');
  await until('it says what it does', () => out.includes('ending what runs'), 10);
  terminal.stdin.write('\u0003');
  assert.is(await ended, 130);
  assert.ok(out.lastIndexOf('\u001b[?25h') > out.lastIndexOf('\u001b[?25l'), 'the cursor is hidden');
  for (const [state, attempts] of await states(path)) assert.is(attempts, state === 'complete' ? 1 : 0);
});

interrupts.run();
