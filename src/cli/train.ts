import { Random } from '../base/philox.ts';
import { describeMember, makeTrainer, trainConfigOf } from '../compile.ts';
import type { Member } from '../compile.ts';
import { count } from '../space/count.ts';
import { sample } from '../space/sample.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import { byLayer } from '../train/profile.ts';
import type { EpochReport, Trainer } from '../train/trainer.ts';
import type { CommandDef } from './command.ts';
import { textOption, wholeOption } from './command.ts';
import { duration, figuresText, grouped, short } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { interruptSignal } from './interrupt.ts';
import { dataOf, loadProgram, SPACE_OPTION, threadsOf } from './load.ts';
import { profileTable } from './profile-table.ts';
import { bar, eta, LiveLines } from './progress.ts';
import { checkTarget } from './write.ts';

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
    { flags: '--profile', doc: 'times every op of the training steps and prints where the time goes' },
    { flags: '--test', doc: 'reports the figures on the test set at the end' },
  ],
  run: async (io, [file], options) => {
    const compiled = loadProgram(io, file!, options);
    const seed = wholeOption(options, 'seed');
    const assignment = chosenMember(compiled.space, seed);
    const overrides = { epochs: wholeOption(options, 'epochs', 1), batch: wholeOption(options, 'batch', 1), seed };
    const threads = threadsOf(options);
    const save = textOption(options, 'save');
    if (save !== null) checkTarget(save);
    const { data } = dataOf(compiled);
    if (options['test'] === true && data.test === null) {
      throw new Exit(EXIT.input, 'error: --test: the data set has no test set');
    }
    const member = describeMember(compiled.space, assignment);
    const { epochs } = trainConfigOf(compiled.space, assignment, overrides);
    const signal = interruptSignal();
    const display = new EpochDisplay(io, epochs);
    const profile = options['profile'] === true;
    const trainer = await makeTrainer(compiled, assignment, overrides, {
      threads,
      signal,
      profile,
      onProgress: (done, total) => display.progress(done, total),
    });
    try {
      const from = textOption(options, 'load');
      if (from !== null) trainer.load(from);
      if (!io.json) announce(io, member, epochs);
      display.live.start();
      for await (const report of trainer.epochs()) display.say(report);
      display.live.stop();
      if (profile) sayProfile(io, trainer);
      if (save !== null) trainer.save(save, { program: member.program });
      report(io, options['test'] === true ? await trainer.evaluate('test') : null, save);
      return EXIT.done;
    } catch (e) {
      display.live.stop();
      if (profile && signal.aborted) sayProfile(io, trainer);
      throw signal.aborted ? new Exit(EXIT.interrupted, 'interrupted') : e;
    } finally {
      display.live.stop();
      trainer.close();
    }
  },
};

// The only member, or the sample of a seed.
function chosenMember(space: Space, seed: number | null): Assignment {
  const members = count(space, { train: true }).exact;
  if (seed === null && members !== 1n) {
    const many = members === null ? 'many' : grouped(members);
    throw new Exit(
      EXIT.input,
      `error: space ${space.name} has ${many} members: --seed N samples one of them, \`tenon search\` looks for the best`,
    );
  }
  return sample(space, { random: new Random('sample', seed ?? 0, 0), measure: 'choice' });
}

function announce(io: Io, member: Member, epochs: number): void {
  io.out(member.program.trimEnd());
  const { params, flops } = member.measures;
  io.out(io.colors.dim(`params ${short(params)}  flops ${short(flops)}  epochs ${epochs}`));
}

/** A bar of the steps of the run while it lasts, and a line an epoch. */
class EpochDisplay {
  readonly live: LiveLines;
  private readonly io: Io;
  private readonly started = performance.now();
  private share = 0;
  private epoch = 0;
  private readonly epochs: number;

  constructor(io: Io, epochs: number) {
    this.io = io;
    this.epochs = epochs;
    this.live = new LiveLines(io, () => [this.line()]);
  }

  private line(): string {
    const passed = duration((performance.now() - this.started) / 1000);
    const number = Math.min(this.epoch + 1, this.epochs);
    return `${bar(this.share, 30)} epoch ${number}/${this.epochs}  ${passed}  ${eta(this.started, this.share)}`;
  }

  progress(done: number, total: number): void {
    this.share = (this.epoch + done / total) / this.epochs;
  }

  say(report: EpochReport): void {
    this.epoch = report.epoch;
    if (this.io.json) this.io.data(epochJson(report));
    else this.live.say(epochText(report));
  }
}

// By op for people; by op and layer for programs.
function sayProfile(io: Io, trainer: Trainer): void {
  if (io.json) return io.data({ event: 'profile', rows: trainer.profile(byLayer) });
  for (const line of profileTable(trainer.profile())) io.out(line);
}

function report(io: Io, test: Readonly<Record<string, number>> | null, save: string | null): void {
  if (io.json) return io.data({ event: 'done', best: 0, trials: { complete: 1, failed: 0, pruned: 0 }, test });
  if (test) io.out(`test: ${figuresText(test)}`);
  if (save !== null) io.out(`weights: ${save}`);
}
