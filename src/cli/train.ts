import { Random } from '../base/philox.ts';
import { describeMember, makeTrainer, trainConfigOf } from '../compile.ts';
import { count } from '../space/count.ts';
import { sample } from '../space/sample.ts';
import type { EpochReport } from '../train/trainer.ts';
import type { CommandDef } from './command.ts';
import { textOption, wholeOption } from './command.ts';
import { duration, figuresText, short } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { interruptSignal } from './interrupt.ts';
import { loadProgram, SPACE_OPTION, threadsOf } from './load.ts';
import { bar, eta, LiveLines } from './progress.ts';

const epochText = (r: EpochReport): string => {
  return `epoch ${r.epoch}/${r.epochs}  ${figuresText(r.figures)}  ${r.seconds.toFixed(1)}s`;
};

function epochJson(r: EpochReport): object {
  return { event: 'epoch', trial: 0, attempt: 1, epoch: r.epoch, step: r.step, ...r.figures, seconds: r.seconds };
}

export const train: CommandDef = {
  options: [
    SPACE_OPTION,
    { flags: '--save <file>', doc: 'writes the weights as safetensors' },
    { flags: '--load <file>', doc: 'starts from weights of an earlier run' },
    { flags: '--epochs <n>', doc: 'instead of what the program says' },
    { flags: '--batch <n>', doc: 'instead of what the program says' },
    { flags: '--test', doc: 'reports the figures on the test set at the end' },
  ],
  run: async (io, [file], options) => {
    const compiled = loadProgram(io, file!, options);
    const { space } = compiled;
    const seed = wholeOption(options, 'seed');
    const members = count(space).exact;
    if (members !== 1n && seed === null) {
      throw new Exit(
        EXIT.input,
        `error: space ${space.name} has ${members ?? 'many'} members: --seed N samples one of them, \`tenon search\` looks for the best`,
      );
    }
    const assignment = sample(space, { random: new Random('sample', seed ?? 0, 0), measure: 'choice' });
    const member = describeMember(space, assignment);
    const overrides = { epochs: wholeOption(options, 'epochs', 1), batch: wholeOption(options, 'batch', 1), seed };
    const { epochs } = trainConfigOf(space, assignment, overrides);
    if (!io.json) {
      io.out(member.program.trimEnd());
      io.out(
        io.colors.dim(
          `params ${short(member.measures.params)}  flops ${short(member.measures.flops)}  epochs ${epochs}`,
        ),
      );
    }
    const signal = interruptSignal();
    const started = performance.now();
    let [done, total, epoch] = [0, 1, 0];
    const share = (): number => (epoch + done / total) / epochs;
    const live = new LiveLines(io, () => [
      `${bar(share(), 30)} epoch ${Math.min(epoch + 1, epochs)}/${epochs}  ${duration((performance.now() - started) / 1000)}  ${eta(started, share())}`,
    ]);
    const trainer = await makeTrainer(compiled, assignment, overrides, {
      threads: threadsOf(options),
      signal,
      onProgress: (d, t) => ([done, total] = [d, t]),
    });
    try {
      const from = textOption(options, 'load');
      if (from !== null) trainer.load(from);
      live.start();
      for await (const report of trainer.epochs()) {
        [epoch, done] = [report.epoch, 0];
        if (io.json) io.data(epochJson(report));
        else live.say(epochText(report));
      }
      live.stop();
      const save = textOption(options, 'save');
      if (save !== null) trainer.save(save, { program: member.program });
      const test = options['test'] === true ? await trainer.evaluate('test') : null;
      report(io, test, save);
      return EXIT.done;
    } catch (e) {
      if (signal.aborted) throw new Exit(EXIT.interrupted, 'interrupted');
      throw e;
    } finally {
      live.stop();
      trainer.close();
    }
  },
};

function report(io: Io, test: Readonly<Record<string, number>> | null, save: string | null): void {
  if (io.json) return io.data({ event: 'done', best: 0, trials: { complete: 1, failed: 0, pruned: 0 }, test });
  if (test) io.out(`test: ${figuresText(test)}`);
  if (save !== null) io.out(`weights: ${save}`);
}
