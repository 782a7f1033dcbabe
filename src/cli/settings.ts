import { SETTINGS } from '../lang/setting-defs.ts';
import type { ValueExpr } from '../space/expr.ts';
import type { SearchSettings, SettingChoice, TrainSettings } from '../space/settings.ts';

/** What a key of `train` or `search` is set to: a plain value, or its text. */
export type Shown = string | number | boolean | null | readonly string[];

const written = (e: { readonly span: ValueExpr['span'] }): string =>
  e.span.source.text.slice(e.span.start, e.span.end).replace(/\s+/g, ' ');

const valueShown = (e: ValueExpr): string | number | boolean => (e.kind === 'const' ? e.value : written(e));

function settingText(s: SettingChoice): string {
  if (s.kind === 'choice') return s.alternatives.map((a) => settingText(a.expr)).join(' | ');
  const args = s.args.map((a) => {
    if (a.value.kind === 'setting') return `${a.name}: ${settingText(a.value)}`;
    const shown = valueShown(a.value);
    // What is no word of the language is written as a text.
    const known = SETTINGS.get(s.name)?.args.find((d) => d.name === a.name)?.type;
    const isWord = known?.kind === 'name' && known.oneOf.includes(String(shown));
    const isText = a.value.kind === 'const' && typeof shown === 'string' && !isWord;
    return `${a.name}: ${isText ? JSON.stringify(shown) : shown}`;
  });
  return args.length === 0 ? s.name : `${s.name}(${args.join(', ')})`;
}

/** Every key of `train` with its value, defaults filled in. */
export const trainShown = (t: TrainSettings): Readonly<Record<string, Shown>> => ({
  data: t.data && settingText(t.data),
  loss: settingText(t.loss),
  optimizer: settingText(t.optimizer),
  schedule: settingText(t.schedule),
  batch: valueShown(t.batch),
  epochs: t.fidelity ? `fidelity ${t.fidelity.low}..${t.fidelity.high}` : valueShown(t.epochs),
  precision: t.precision,
  winograd: t.winograd,
  seed: t.seed,
});

const seconds = (s: number | null): string | null => (s === null ? null : `${s}s`);

/** Every key of `search` with its value, defaults filled in. */
export const searchShown = (s: SearchSettings): Readonly<Record<string, Shown>> => ({
  maximize: s.objectives.filter((o) => o.direction === 'maximize').map((o) => o.name),
  minimize: s.objectives.filter((o) => o.direction === 'minimize').map((o) => o.name),
  with: settingText(s.searcher),
  trials: s.trials,
  time: seconds(s.time),
  workers: s.workers,
  seed: s.seed,
});

/** `key value` pairs on one line; what is empty is left out. */
export const shownText = (keys: Readonly<Record<string, Shown>>): string =>
  Object.entries(keys)
    .filter(([, v]) => v !== null && !(Array.isArray(v) && v.length === 0))
    .map(([key, v]) => `${key} ${Array.isArray(v) ? v.join(', ') : String(v)}`)
    .join('; ');
