// Entry of a worker process: does one job after another, says what happens, and ends with its coordinator.
import { compileText, datasetOf, makeTrainer } from './compile.ts';
import type { Job, Report } from './study/protocol.ts';
import { TrainError } from './train/config.ts';

const say = (report: Report): void => void process.send?.(report);

async function work(job: Job): Promise<Extract<Report, { kind: 'done' }>> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const compiled = compileText(job.source, job.file, job.space);
  const { hash } = datasetOf(compiled.space, job.file);
  if (job.dataHash !== '' && hash !== job.dataHash) throw new Error('the data set is not the one of the study');
  let epoch = 1;
  let epochs = 1;
  const trainer = await makeTrainer(
    compiled,
    job.decisions,
    { seed: job.seed },
    {
      threads: job.threads,
      onProgress: (done, total) => say({ kind: 'progress', epoch, epochs, done, total }),
    },
  );
  try {
    epochs = trainer.config.epochs;
    if (job.kind === 'test') {
      trainer.load(job.weights);
      return { kind: 'done', metrics: await trainer.evaluate('test'), seconds: seconds() };
    }
    let metrics = {};
    for await (const report of trainer.epochs()) {
      epoch = report.epoch + 1;
      metrics = report.figures;
      say({ kind: 'epoch', epoch: report.epoch, epochs, step: report.step, metrics, seconds: report.seconds });
    }
    if (job.weights !== null) trainer.save(job.weights);
    return { kind: 'done', metrics, seconds: seconds() };
  } finally {
    trainer.close();
  }
}

process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {}); // the coordinator decides
process.on('message', (job: Job) => {
  const started = performance.now();
  work(job).then(say, (e: unknown) => {
    const cause =
      e instanceof TrainError ? e.cause_ : (e as { code?: string }).code === 'no-memory' ? 'memory' : 'error';
    say({
      kind: 'failed',
      cause,
      message: e instanceof Error ? e.message : String(e),
      seconds: (performance.now() - started) / 1000,
    });
  });
});
