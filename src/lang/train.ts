import type { ValueExpr } from '../space/expr.ts';
import type { SettingChoice, SettingExpr, TrainSettings } from '../space/settings.ts';
import { PRECISIONS } from '../base/precision.ts';
import type { Precision } from '../base/precision.ts';
import { SWITCH } from '../base/switch.ts';
import type { Switch } from '../base/switch.ts';
import { span as makeSpan } from '../base/span.ts';
import type { Span } from '../base/span.ts';
import type { Expr, Setting, SettingItem, TrainStatement, ValueSetting } from '../../grammar/syntax.ts';
import { labelled, report, spanOf, textOf, want } from './context.ts';
import { notYet } from './elaborate.ts';
import { defaultArg } from './layer-calls.ts';
import { didYouMean, oneOf } from '../base/nearest.ts';
import { lookup } from './scope.ts';
import { constantNumber, elaborateValue } from './values.ts';
import { PRELUDE } from './prelude.ts';
import { SETTINGS, settingNames } from './setting-defs.ts';
import type { SettingGroup } from './setting-defs.ts';
import type { Context, Mutable } from './model.ts';

export const TRAIN_KEYS = [
  'data',
  'loss',
  'optimizer',
  'schedule',
  'batch',
  'epochs',
  'precision',
  'winograd',
  'seed',
] as const;
type TrainKey = (typeof TRAIN_KEYS)[number];

const constant = (value: number, span: Span): ValueExpr => ({ kind: 'const', value, span });

function defaultSetting(name: string, at: Span): SettingExpr {
  const def = SETTINGS.get(name);
  if (!def) throw new Error(`bug: no setting ${name}`);
  const args = def.args.flatMap((a) => defaultArg(a, at));
  return { kind: 'setting', name, args, span: at };
}

/** What holds where a file says nothing. */
export function defaultTrain(at: Span = makeSpan(PRELUDE, 0, 0)): TrainSettings {
  return {
    data: null,
    loss: defaultSetting('crossentropy', at),
    optimizer: defaultSetting('adamw', at),
    schedule: defaultSetting('constant', at),
    batch: constant(64, at),
    epochs: constant(1, at),
    fidelity: null,
    precision: 'f32',
    winograd: 'on',
    seed: 0,
    bindings: [],
  };
}

export function elaborateTrain(s: TrainStatement, cx: Context): TrainSettings {
  const train: Mutable<TrainSettings> = { ...defaultTrain(spanOf(cx, s)) };
  forEachKey(s.settings, TRAIN_KEYS, 'train', cx, (key, setting) => readKey(key, setting, train, cx));
  return train;
}

/** Calls `read` for each known key; an unknown or repeated one is reported. */
export function forEachKey<K extends string>(
  settings: readonly Setting[],
  keys: readonly K[],
  where: string,
  cx: Context,
  read: (key: K, setting: ValueSetting) => void,
  repeatable: readonly string[] = [],
): void {
  const seen = new Map<string, Setting>();
  for (const setting of settings) {
    const name = setting.key.name;
    if (setting.kind === 'group') {
      if (where === 'train') notYet(`a group of settings (\`${name}\`)`, setting.key, cx);
      else
        report(cx, 'E205', setting.key, `\`${where}\` has no group of settings`, {
          expected: oneOf(keys),
          found: name,
        });
      continue;
    }
    const before = seen.get(name);
    if (before && !repeatable.includes(name)) {
      report(cx, 'E102', setting.key, `\`${name}\` stands twice in \`${where}\``, {
        expected: 'each key once',
        found: `a second \`${name}\``,
        notes: [{ span: spanOf(cx, before.key), message: 'first here' }],
      });
      continue;
    }
    seen.set(name, setting);
    const key = keys.find((k) => k === name);
    if (key) read(key, setting);
    else {
      report(cx, 'E205', setting.key, `\`${where}\` has no key \`${name}\``, {
        expected: oneOf(keys),
        found: name,
        hint: didYouMean(name, where === 'search' ? [...keys, 'trials'] : keys),
      });
    }
  }
}

function readKey(key: TrainKey, setting: ValueSetting, train: Mutable<TrainSettings>, cx: Context): void {
  const item = onlyItem(setting, cx, key === 'epochs' ? ['fidelity'] : []);
  if (!item) return;
  switch (key) {
    case 'data':
    case 'loss': {
      const found = settingOf(item.value, key, cx);
      if (found?.kind === 'setting') train[key] = found;
      else if (found)
        report(cx, 'E206', item.value, `\`${key}\` may not stand open`, {
          expected: `one of ${oneOf(settingNames(key))}`,
          found: textOf(cx, item.value),
        });
      break;
    }
    case 'optimizer':
    case 'schedule':
      train[key] = settingOf(item.value, key, cx) ?? train[key];
      break;
    case 'batch':
      train.batch = wholeOf(key, item.value, cx) ?? train.batch;
      break;
    case 'epochs':
      if (item.fidelity) readFidelity(item, train, cx);
      else train.epochs = wholeOf(key, item.value, cx) ?? train.epochs;
      break;
    case 'precision':
      train.precision = precisionOf(item.value, cx) ?? train.precision;
      break;
    case 'winograd':
      train.winograd = switchOf(key, item.value, cx) ?? train.winograd;
      break;
    case 'seed':
      train.seed = fixedWhole(item.value, 'the seed', 0, cx) ?? train.seed;
      break;
  }
}

/** The one item of a setting; forms that belong to other keys are reported. */
export function onlyItem(setting: ValueSetting, cx: Context, allowed: readonly string[] = []): SettingItem | null {
  const item = setting.items[0]!;
  const key = setting.key.name;
  if (item.name || item.weight) return later(`\`${key}\` with names or weights`, item, cx);
  if (setting.items.length > 1) return later(`\`${key}\` with several values`, setting.items[1]!, cx);
  const misplaced = item.trials ? 'trials' : item.fidelity && !allowed.includes('fidelity') ? 'fidelity' : '';
  if (misplaced === '') return item;
  report(cx, 'E205', item, `\`${misplaced}\` means nothing for \`${key}\``, {
    expected: `a value of \`${key}\``,
    found: textOf(cx, item),
  });
  return null;
}

function later(what: string, item: SettingItem, cx: Context): null {
  notYet(what, item, cx);
  return null;
}

/** A setting of one group, such as an optimizer; null after a report. */
export function settingOf(e: Expr, group: SettingGroup, cx: Context): SettingChoice | null {
  const own: Context = { ...cx, own: group };
  if (reportUnknown(e, group, cx)) return null;
  const found = want(own, cx.checker.elaborate(e, own), 'setting', e, `\`${group}\``, {
    expected: oneOf(settingNames(group)),
    hint: e.kind === 'name' ? didYouMean(e.name, settingNames(group)) : '',
  });
  return found && inGroup(found, group, cx, e) ? found : null;
}

// Names that mean nothing here are near to what may stand here.
function reportUnknown(e: Expr, group: SettingGroup, cx: Context): boolean {
  if (e.kind === 'choice') {
    const known = e.alternatives.filter((a) => !reportUnknown(a.value, group, cx));
    if (known.length < e.alternatives.length) for (const a of known) cx.checker.elaborate(a.value, cx);
    return known.length < e.alternatives.length;
  }
  const name = e.kind === 'call' ? e.callee : e;
  if (name.kind !== 'name' || lookup(cx.scope, name.name)) return false;
  report(cx, 'E101', name, `there is no ${group} \`${name.name}\``, {
    expected: oneOf(settingNames(group)),
    found: name.name,
    hint: didYouMean(name.name, settingNames(group)),
  });
  return true;
}

function inGroup(s: SettingChoice, group: SettingGroup, cx: Context, at: Expr): boolean {
  if (s.kind === 'choice') return s.alternatives.every((a) => inGroup(a.expr, group, cx, at));
  const actual = SETTINGS.get(s.name)?.group;
  if (actual === group) return true;
  report(cx, 'E205', at, `\`${s.name}\` is no ${group}: it is a ${actual ?? 'setting'}`, {
    expected: oneOf(settingNames(group)),
    found: s.name,
  });
  return false;
}

function precisionOf(e: Expr, cx: Context): Precision | null {
  const found = e.kind === 'name' ? PRECISIONS.find((word) => word === e.name) : undefined;
  if (found) return found;
  report(cx, 'E205', e, 'there is no such precision', {
    expected: oneOf(PRECISIONS),
    found: textOf(cx, e),
    hint: e.kind === 'name' ? didYouMean(e.name, PRECISIONS) : '',
  });
  return null;
}

function switchOf(key: string, e: Expr, cx: Context): Switch | null {
  const found = e.kind === 'name' ? SWITCH.find((word) => word === e.name) : undefined;
  if (found) return found;
  report(cx, 'E205', e, `\`${key}\` is on or off`, { expected: oneOf(SWITCH), found: textOf(cx, e) });
  return null;
}

function wholeOf(key: string, e: Expr, cx: Context): ValueExpr | null {
  return labelled(cx, key, (c) => elaborateValue(e, c, `\`${key}\``));
}

/** A whole number with nothing open in it; null after a report. */
export function fixedWhole(e: Expr, what: string, min: number, cx: Context): number | null {
  const expr = labelled(cx, 'setting', (c) => elaborateValue(e, c, what));
  if (!expr) return null;
  const n = constantNumber(expr);
  if (n !== null && Number.isSafeInteger(n) && n >= min) return n;
  report(cx, 'E206', e, `${what} must be a whole number`, {
    expected: `a whole number from ${min}`,
    found: textOf(cx, e),
  });
  return null;
}

function readFidelity(item: SettingItem, train: Mutable<TrainSettings>, cx: Context): void {
  const e = item.value;
  if (e.kind !== 'range') {
    report(cx, 'E206', e, 'a fidelity is a range of epochs', {
      expected: '`epochs fidelity 1..27`',
      found: textOf(cx, item),
    });
    return;
  }
  const low = fixedWhole(e.from, 'the least fidelity', 1, cx);
  const high = fixedWhole(e.to, 'the full fidelity', 1, cx);
  if (low === null || high === null) return;
  if (low > high) {
    report(cx, 'E401', e, 'this range is empty: its ends are reversed', {
      expected: `${high}..${low}`,
      found: textOf(cx, e),
    });
    return;
  }
  train.fidelity = { low, high };
  train.epochs = constant(high, spanOf(cx, e));
}
