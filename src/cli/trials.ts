import { writeFileSync } from 'node:fs';
import { Study } from '../study/study.ts';
import type { Trial } from '../study/study.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { figure, short, table } from './format.ts';
import { EXIT, Exit, printable } from './io.ts';

export const trialJson = (t: Trial): object => ({
  trial: t.trial,
  state: t.state,
  cause: t.cause,
  message: t.message,
  attempts: t.attempts,
  decisions: t.decisions,
  metrics: t.metrics,
  params: t.measures['params'],
  flops: t.measures['flops'],
  seconds: t.seconds,
  program: t.program,
});

const decisionsText = (t: Trial): string =>
  Object.entries(t.decisions)
    .map(([path, value]) => `${path}=${Array.isArray(value) ? value.join(',') : String(value)}`)
    .join(' ');

// A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
function csvCell(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function trialsCsv(trials: readonly Trial[]): string {
  const metrics = [...new Set(trials.flatMap((t) => Object.keys(t.metrics ?? {})))].sort();
  const paths = [...new Set(trials.flatMap((t) => Object.keys(t.decisions)))].sort();
  const header = ['trial', 'state', 'cause', 'attempts', 'seconds', 'params', 'flops', ...metrics, ...paths];
  const rows = trials.map((t) => [
    t.trial,
    t.state,
    t.cause,
    t.attempts,
    t.seconds,
    t.measures['params'],
    t.measures['flops'],
    ...metrics.map((m) => t.metrics?.[m]),
    ...paths.map((p) => (p in t.decisions ? JSON.stringify(t.decisions[p]).replace(/^"|"$/g, '') : null)),
  ]);
  return [header, ...rows].map((r) => r.map(csvCell).join(',')).join('\n') + '\n';
}

function sorted(trials: readonly Trial[], by: string | null): readonly Trial[] {
  if (by === null) return trials;
  const value = (t: Trial): number | undefined =>
    t.metrics?.[by] ?? t.measures[by] ?? (by === 'seconds' ? (t.seconds ?? undefined) : undefined);
  if (!trials.some((t) => value(t) !== undefined)) {
    const known = [
      ...new Set(trials.flatMap((t) => [...Object.keys(t.metrics ?? {}), ...Object.keys(t.measures)])),
    ].join(', ');
    throw new Exit(EXIT.usage, `error: --sort ${by}: no trial has it; there are ${known || 'no figures yet'}`);
  }
  return [...trials].sort((a, b) => (value(b) ?? -Infinity) - (value(a) ?? -Infinity) || a.trial - b.trial);
}

export const trials: CommandDef = {
  name: 'trials',
  summary: 'the table of trials of a study',
  usage: '<study>',
  options: [
    { flags: '--sort <name>', doc: 'by a metric or measure, largest first' },
    { flags: '--csv <file>', doc: 'writes the table as CSV' },
  ],
  run: async (io, [path], options) => {
    const study = await Study.read(path!);
    try {
      const all = sorted(study.trials(), textOption(options, 'sort'));
      const csv = textOption(options, 'csv');
      if (csv !== null) writeFileSync(csv, trialsCsv(all));
      if (io.json) io.data(all.map(trialJson));
      else if (csv === null) {
        const metrics = [...new Set(all.flatMap((t) => Object.keys(t.metrics ?? {})))];
        const rows = all.map((t) => [
          String(t.trial),
          t.cause && t.state === 'failed' ? `${t.state}: ${t.cause}` : t.state,
          ...metrics.map((m) => (t.metrics ? figure(t.metrics[m]) : '')),
          short(t.measures['params'] ?? 0),
          t.seconds === null ? '' : `${t.seconds.toFixed(1)}s`,
          decisionsText(t),
        ]);
        for (const line of table(['trial', 'state', ...metrics, 'params', 'time', 'decisions'], rows)) {
          io.out(printable(io.isTerminal ? line.slice(0, io.columns) : line));
        }
      }
    } finally {
      study.close();
    }
    return EXIT.done;
  },
};
