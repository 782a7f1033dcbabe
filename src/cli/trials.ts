import { Study } from '../study/study.ts';
import type { Trial } from '../study/trial.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { figure, short, table } from './format.ts';
import { EXIT, Exit, printable } from './io.ts';
import type { Io } from './io.ts';
import { replaceText } from './write.ts';

export const trialJson = (t: Trial): object => ({
  trial: t.trial,
  state: t.state,
  aside: t.aside,
  cause: t.cause,
  message: t.message,
  attempts: t.attempts,
  decisions: t.decisions,
  metrics: t.metrics,
  params: t.measures['params'],
  flops: t.measures['flops'],
  seed: t.seed,
  device: t.device,
  seconds: t.seconds,
  program: t.program,
});

const shown = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);

const decisionsText = (t: Trial): string =>
  Object.entries(t.decisions)
    .map(([path, value]) => `${path}=${Array.isArray(value) ? value.join(',') : shown(value)}`)
    .join(' ');

// A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
function csvCell(value: unknown): string {
  const text = value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const namesOf = (records: readonly (Readonly<Record<string, unknown>> | null)[]): string[] => [
  ...new Set(records.flatMap((r) => Object.keys(r ?? {}))),
];

export function trialsCsv(trials: readonly Trial[]): string {
  const metrics = namesOf(trials.map((t) => t.metrics)).sort();
  const paths = namesOf(trials.map((t) => t.decisions)).sort();
  const header = ['trial', 'state', 'aside', 'cause', 'attempts', 'seconds', 'params', 'flops', ...metrics, ...paths];
  const rows = trials.map((t) => [
    t.trial,
    t.state,
    t.aside,
    t.cause,
    t.attempts,
    t.seconds,
    t.measures['params'],
    t.measures['flops'],
    ...metrics.map((m) => t.metrics?.[m]),
    ...paths.map((p) => t.decisions[p]),
  ]);
  return [header, ...rows].map((r) => r.map(csvCell).join(',')).join('\n') + '\n';
}

function sorted(trials: readonly Trial[], by: string | null): readonly Trial[] {
  if (by === null) return trials;
  const value = (t: Trial): number | undefined =>
    t.metrics?.[by] ?? t.measures[by] ?? (by === 'seconds' ? (t.seconds ?? undefined) : undefined);
  if (trials.length > 0 && !trials.some((t) => value(t) !== undefined)) {
    const known = [...namesOf(trials.map((t) => t.metrics)), ...namesOf(trials.map((t) => t.measures)), 'seconds'];
    throw new Exit(EXIT.usage, `error: --sort ${by}: no trial has it; there are ${[...new Set(known)].join(', ')}`);
  }
  // What has no figure, or none that is finite, comes last.
  const size = (t: Trial): number => (Number.isFinite(value(t)) ? value(t)! : -Infinity);
  return [...trials].sort((a, b) => (size(a) === size(b) ? a.trial - b.trial : size(b) - size(a)));
}

const stateText = (t: Trial): string =>
  `${t.cause && t.state === 'failed' ? `${t.state}: ${t.cause}` : t.state}${t.aside === null ? '' : ' (aside)'}`;

function printTable(io: Io, all: readonly Trial[]): void {
  const metrics = namesOf(all.map((t) => t.metrics));
  const rows = all.map((t) => [
    String(t.trial),
    stateText(t),
    ...metrics.map((m) => (t.metrics ? figure(t.metrics[m]) : '')),
    short(t.measures['params'] ?? 0),
    t.seconds === null ? '' : `${t.seconds.toFixed(1)}s`,
    decisionsText(t),
  ]);
  for (const line of table(['trial', 'state', ...metrics, 'params', 'time', 'decisions'], rows)) {
    const text = printable(line);
    io.out(io.isTerminal && text.length > io.columns ? `${text.slice(0, io.columns - 1)}…` : text);
  }
  const aside = new Map<string, number[]>();
  for (const t of all) if (t.aside !== null) aside.set(t.aside, [...(aside.get(t.aside) ?? []), t.trial]);
  for (const [reason, trials] of aside) io.out(io.colors.dim(printable(`aside: ${trials.join(', ')}: ${reason}`)));
}

export const trials: CommandDef = {
  options: [
    { flags: '--sort <name>', doc: 'by a metric or measure, largest first' },
    { flags: '--csv <file>', doc: 'writes the table as CSV; - is stdout' },
  ],
  run: async (io, [path], options) => {
    const study = await Study.read(path!);
    try {
      const all = sorted(study.trials(), textOption(options, 'sort'));
      const csv = textOption(options, 'csv');
      if (csv === '-' && !io.json) process.stdout.write(trialsCsv(all));
      else if (csv !== null && csv !== '-') replaceText(csv, trialsCsv(all));
      if (io.json) io.data(all.map(trialJson));
      else if (csv === null) printTable(io, all);
    } finally {
      study.close();
    }
    return EXIT.done;
  },
};
