import { choiceOptions, siteSuffix } from './decisions.ts';
import { withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame } from './frame.ts';
import { makeEnv } from './scope.ts';
import type { ValueExpr } from './expr.ts';
import type { SettingChoice, TrainSettings } from './settings.ts';
import { bind, placed, tableMaker, unitEntry } from './table.ts';
import type { Table } from './table.ts';

// What settings come to does not matter here.
const DONE = -1;

/** Path of a setting's decisions below `train`: the key, then the setting's name. */
export const SETTING_KEYS = ['data', 'loss', 'optimizer', 'schedule'] as const;
export const VALUE_KEYS = ['batch', 'epochs'] as const;

/** The decisions of training, in the order of its keys; their paths begin with `train.`. */
export function trainTable(ev: Evaluator, train: TrainSettings, ctx: Context): Table {
  const frame = openFrame(ev, ctx, train.bindings, []);
  const inside = { ...ctx, env: frame.env };
  let table: Table = [unitEntry(ev.tables, [DONE], 0)];
  const then = (next: (at: Context) => Table): void => {
    table = bind(ev.tables, table, (entry) => next(withKnown(ev, inside, entry.reads)));
  };
  for (const key of SETTING_KEYS) {
    const setting = train[key];
    if (setting)
      then((at) => placed(ev.tables, `.${key}`, settingTable(ev, setting, { ...at, env: makeEnv(at.env, key) })));
  }
  for (const key of VALUE_KEYS) {
    then((at) => placed(ev.tables, `.${key}`, anyValue(ev, train[key], { ...at, env: makeEnv(at.env, key) })));
  }
  return placed(ev.tables, '.train', closeFrame(ev, frame, table));
}

// What the value is does not matter here: its decisions do.
function anyValue(ev: Evaluator, e: ValueExpr, ctx: Context): Table {
  const made = tableMaker(ev.tables);
  for (const found of ev.value(e, { ...ctx, mode: 'plain', lanes: 0 })) made.add({ ...found, out: [DONE] });
  return made.done();
}

function settingTable(ev: Evaluator, s: SettingChoice, ctx: Context): Table {
  if (s.kind === 'choice') {
    const made = tableMaker(ev.tables);
    choiceOptions(s.alternatives).forEach((o, i) => {
      const lit = ev.tables.nodes.lit(s.site, siteSuffix(s.site, ctx.env.own), o.value, o.share);
      for (const found of settingTable(ev, s.alternatives[i]!.expr, ctx))
        made.add({ ...found, node: ev.tables.nodes.and(lit, found.node) });
    });
    return made.done();
  }
  let table: Table = [unitEntry(ev.tables, [DONE], 0)];
  const inner = { ...ctx, env: makeEnv(ctx.env) };
  for (const a of s.args) {
    const { value } = a;
    table = bind(ev.tables, table, (entry) => {
      const at = withKnown(ev, inner, entry.reads);
      return value.kind === 'setting'
        ? placed(ev.tables, `.${a.name}`, settingTable(ev, value, at))
        : anyValue(ev, value, at);
    });
  }
  return placed(ev.tables, `.${s.name}`, table);
}
