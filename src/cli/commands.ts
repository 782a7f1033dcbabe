import type { CommandDef } from './command.ts';

/** One row of the table of commands: what the help shows, and where the rest is. */
export interface CommandRow {
  readonly name: string;
  readonly summary: string;
  /** Positional arguments, in commander's form: `<file>`. */
  readonly usage: string;
  readonly load: () => Promise<CommandDef>;
}

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'check',
    summary: 'diagnostics, exact count, decisions, ranges of params, FLOPs and memory',
    usage: '<file>',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'count',
    summary: 'the exact number of architectures, alone on a line',
    usage: '<file>',
    load: async () => (await import('./count.ts')).count,
  },
  {
    name: 'sample',
    summary: 'random architectures, as programs',
    usage: '<file>',
    load: async () => (await import('./sample.ts')).sample,
  },
  {
    name: 'train',
    summary: 'trains one architecture: of a space of one member, or the sample of --seed',
    usage: '<file>',
    load: async () => (await import('./train.ts')).train,
  },
  {
    name: 'search',
    summary: 'searches a space; running it again resumes',
    usage: '<file>',
    load: async () => (await import('./search.ts')).search,
  },
  {
    name: 'trials',
    summary: 'the table of trials of a study',
    usage: '<study>',
    load: async () => (await import('./trials.ts')).trials,
  },
  {
    name: 'best',
    summary: 'the best architecture of a study as a program; with several objectives the Pareto set',
    usage: '<study>',
    load: async () => (await import('./best.ts')).best,
  },
  {
    name: 'fmt',
    summary: 'formats programs in place',
    usage: '<files...>',
    load: async () => (await import('./fmt.ts')).fmt,
  },
  {
    name: 'bench',
    summary: 'times the kernels on this machine, beside its roofline and, with --peers, other libraries',
    usage: '',
    load: async () => (await import('./bench.ts')).bench,
  },
  {
    name: 'info',
    summary: 'instruction set, threads, devices and ops of this machine',
    usage: '',
    load: async () => (await import('./info.ts')).info,
  },
];
