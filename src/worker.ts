// Entry of a worker process: does one job after another, says what happens, and ends with its coordinator.
import { writeFileSync } from 'node:fs';
import { compileText, datasetOf, makeTrainer } from './compile.ts';
import type { Compiled } from './compile.ts';
import { DataError } from './data/error.ts';
import { info } from './native/native.ts';
import type { Began, Job, Report, Verdict } from './study/protocol.ts';
import { TrainError } from './train/config.ts';

const PROGRESS_MS = 100;

const seconds = (started: number): number => (performance.now() - started) / 1000;
const say = (said: Began | Report | Verdict): void => void process.send?.(said);

/** Small nets take a step in microseconds: progress is told a few times a second. */
function throttled(tell: (done: number, total: number) => void): (done: number, total: number) => void {
  let last = -Infinity;
  return (done, total) => {
    if (performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    tell(done, total);
  };
}

let last: { readonly key: string; readonly compiled: Compiled } | null = null;

// Jobs of one search are of one program.
function compiledFor(job: Job): Compiled {
  const key = JSON.stringify([job.source, job.file, job.space]);
  if (last?.key !== key) last = { key, compiled: compileText(job.source, job.file, job.space, { analyse: false }) };
  return last.compiled;
}

async function work(job: Job, started: number): Promise<Verdict> {
  const compiled = compiledFor(job);
  const { hash } = datasetOf(compiled.space, job.file);
  if (job.dataHash !== '' && hash !== job.dataHash) {
    const message = 'the data have changed since the search began: their content is another one';
    return { kind: 'refused', code: 'input', message, seconds: seconds(started) };
  }
  let [epoch, epochs] = [1, 1];
  const onProgress = throttled((done, total) => say({ kind: 'progress', epoch, epochs, done, total }));
  const trainer = await makeTrainer(compiled, job.decisions, { seed: job.seed }, { threads: job.threads, onProgress });
  try {
    const device = `cpu ${info().isa} x${job.threads}`;
    epochs = trainer.config.epochs;
    if (job.kind === 'test') {
      trainer.load(job.weights);
      return { kind: 'done', metrics: await trainer.evaluate('test'), device, seconds: seconds(started) };
    }
    let metrics = {};
    for await (const report of trainer.epochs()) {
      epoch = report.epoch + 1;
      metrics = report.figures;
      say({ kind: 'epoch', epoch: report.epoch, epochs, step: report.step, metrics, seconds: report.seconds });
    }
    if (job.weights !== null) trainer.save(job.weights);
    return { kind: 'done', metrics, device, seconds: seconds(started) };
  } finally {
    trainer.close();
  }
}

const MACHINE = new Set(['ENOSPC', 'EIO', 'EROFS', 'EMFILE', 'EACCES', 'TENON_NATIVE_UNAVAILABLE']);

const outOfMemory = (e: unknown): boolean =>
  (e as { code?: unknown }).code === 'TENON_NO_MEMORY' ||
  (e instanceof RangeError && /allocation failed/i.test(e.message));

function verdictOf(e: unknown, started: number): Verdict {
  const message = e instanceof Error ? e.message : String(e);
  const code = (e as { code?: unknown }).code;
  if (e instanceof DataError) return { kind: 'refused', code: 'input', message, seconds: seconds(started) };
  if (typeof code === 'string' && MACHINE.has(code))
    return { kind: 'refused', code: 'machine', message, seconds: seconds(started) };
  const cause = e instanceof TrainError ? e.cause_ : outOfMemory(e) ? 'memory' : 'error';
  return { kind: 'failed', cause, message, seconds: seconds(started) };
}

// The coordinator alone decides: it ends workers by SIGKILL, or by dying, which closes the channel.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
try {
  // Where memory runs out, Linux ends a worker rather than the coordinator.
  writeFileSync('/proc/self/oom_score_adj', '1000');
} catch {
  // Another system.
}
process.on('message', (job: Job) => {
  const started = performance.now();
  say({ kind: 'began' });
  void work(job, started).then(say, (e: unknown) => say(verdictOf(e, started)));
});
