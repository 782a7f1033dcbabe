import type { SearchSettings, SettingExpr } from '../space/settings.ts';
import { MEASURES } from '../space/require-expr.ts';
import type { SearchStatement, ValueSetting } from '../../grammar/syntax.ts';
import { report, textOf } from './context.ts';
import { notYet } from './elaborate.ts';
import { defaultArg } from './layer-calls.ts';
import { didYouMean, oneOf } from '../base/nearest.ts';
import { SETTINGS, settingNames } from './setting-defs.ts';
import { fixedWhole, forEachKey, onlyItem, settingOf } from './train.ts';
import { constantNumber, elaborateValue } from './values.ts';
import { LOSSES } from '../recipes/losses.ts';
import { PRELUDE } from './prelude.ts';
import type { Context, Mutable } from './model.ts';

export const SEARCH_KEYS = ['maximize', 'minimize', 'with', 'budget', 'stop', 'workers', 'seed', 'try'] as const;
type SearchKey = (typeof SEARCH_KEYS)[number];

export const DEFAULT_TRIALS = 32;

function defaultSearcher(): SettingExpr {
  const def = SETTINGS.get('evolution');
  if (!def) throw new Error('bug: no searcher evolution');
  const span = { source: PRELUDE, start: 0, end: 0 };
  return { kind: 'setting', name: def.name, args: def.args.flatMap((a) => defaultArg(a, span)), span };
}

/** What holds where a file says nothing. */
export const defaultSearch = (loss = 'crossentropy'): SearchSettings => ({
  objectives: [defaultObjective(loss)],
  searcher: defaultSearcher(),
  trials: DEFAULT_TRIALS,
  time: null,
  workers: 1,
  seed: 0,
});

function defaultObjective(loss: string): SearchSettings['objectives'][number] {
  const best = LOSSES.get(loss)?.metrics[0];
  return best
    ? { direction: best.better === 'more' ? 'maximize' : 'minimize', name: best.name }
    : { direction: 'minimize', name: 'loss' };
}

/** Figures that a training run with this loss reports. */
const reported = (loss: string): readonly string[] => [
  'loss',
  ...(LOSSES.get(loss)?.metrics.map((m) => m.name) ?? []),
  ...MEASURES,
];

export function elaborateSearch(s: SearchStatement, loss: string, cx: Context): SearchSettings {
  const search: Mutable<SearchSettings> = { ...defaultSearch(loss) };
  const objectives: SearchSettings['objectives'][number][] = [];
  forEachKey(s.settings, SEARCH_KEYS, 'search', cx, read, ['maximize', 'minimize']);
  if (objectives.length > 0) search.objectives = objectives;
  return search;

  function read(key: SearchKey, setting: ValueSetting): void {
    switch (key) {
      case 'maximize':
      case 'minimize':
        readObjectives(key, setting, loss, objectives, cx);
        break;
      case 'with': {
        const item = onlyItem(setting, cx);
        const found = item && settingOf(item.value, 'searcher', cx);
        if (found?.kind === 'setting') search.searcher = found;
        else if (found)
          report(cx, 'E206', setting, '`with` may not stand open', {
            expected: oneOf(settingNames('searcher')),
            found: textOf(cx, setting),
          });
        break;
      }
      case 'budget':
        readBudget(setting, search, cx);
        break;
      case 'workers':
      case 'seed': {
        const item = onlyItem(setting, cx);
        const n =
          item &&
          fixedWhole(item.value, key === 'seed' ? 'the seed' : 'the number of workers', key === 'seed' ? 0 : 1, cx);
        if (n !== null) search[key] = n;
        break;
      }
      case 'stop':
      case 'try':
        notYet(`\`${key}\` in \`search\``, setting, cx);
        break;
    }
  }
}

function readObjectives(
  direction: 'maximize' | 'minimize',
  setting: ValueSetting,
  loss: string,
  objectives: SearchSettings['objectives'][number][],
  cx: Context,
): void {
  const names = reported(loss);
  for (const item of setting.items) {
    const e = item.value;
    if (e.kind !== 'name' || !names.includes(e.name)) {
      report(
        cx,
        'E703',
        e,
        `a run with the loss \`${loss}\` does not report ${e.kind === 'name' ? `\`${e.name}\`` : 'this'}`,
        {
          expected: oneOf(names),
          found: textOf(cx, e),
          hint: e.kind === 'name' ? didYouMean(e.name, names) : '',
        },
      );
    } else if (objectives.some((o) => o.name === e.name)) {
      report(cx, 'E102', e, `\`${e.name}\` is an objective already`, {
        expected: 'each objective once',
        found: textOf(cx, e),
      });
    } else objectives.push({ direction, name: e.name });
  }
}

// `budget 200 trials, 2h`.
function readBudget(setting: ValueSetting, search: Mutable<SearchSettings>, cx: Context): void {
  search.trials = null;
  for (const item of setting.items) {
    const isTime = item.value.kind === 'number' && item.value.unit === 'seconds';
    if (item.trials) search.trials = fixedWhole(item.value, 'the number of trials', 1, cx) ?? search.trials;
    else if (isTime) {
      const expr = elaborateValue(item.value, cx, 'the budget');
      const seconds = expr && constantNumber(expr);
      if (seconds !== null && seconds > 0) search.time = seconds;
      else
        report(cx, 'E206', item, 'a budget of time must be above 0', {
          expected: 'a time such as 2h',
          found: textOf(cx, item),
        });
    } else {
      report(cx, 'E205', item, 'a budget is a number of trials or a time', {
        expected: '`200 trials` or `2h`',
        found: textOf(cx, item),
        hint: item.value.kind === 'number' ? `write \`${textOf(cx, item)} trials\`` : '',
      });
    }
  }
}
