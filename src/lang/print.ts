import { choiceOptions } from '../space/decisions.ts';
import type { Assignment } from '../space/assignment.ts';
import type { SettingChoice, SettingExpr } from '../space/settings.ts';
import type { Space } from '../space/space.ts';
import type { Setting, SettingItem, Statement } from '../../grammar/syntax.ts';
import { BUILTIN_NAMES } from './builtins.ts';
import { SETTINGS } from './setting-defs.ts';
import type { ReservedNames } from './definitions.ts';
import { MemberPrinter } from './member.ts';
import { partsOf } from './parts.ts';
import { argument, call, datum, name, number } from './pieces.ts';
import { printProgram } from './printer.ts';
import { defaultTrain } from './train.ts';

const none = { start: 0, end: 0 } as const;

/**
 * A member as a program with exactly one: values written out, alternatives chosen, definitions kept where they differ. Its tensors have the names of the
 * member's: `A as cell[0][2]` stands where the text alone would give another.
 */
export function printArchitecture(space: Space, assignment: Assignment): string {
  const printer = new MemberPrinter(assignment, namesIn(space));
  const body: Statement[] = [inputs(space), ...printer.space(space)];
  const statements: Statement[] = [{ kind: 'space', name: name(space.name), body, ...none }];
  const train = trainStatement(space, printer);
  if (train) statements.push(train);
  return printProgram({ kind: 'program', statements, comments: [], ...none });
}

const inputs = (space: Space): Statement => ({
  kind: 'input',
  inputs: space.inputs.map((i) => ({
    name: name(i.name),
    type: { kind: 'tensor', dtype: name(i.dtype), dims: [name('B'), ...i.shape.map(number)], ...none },
  })),
  ...none,
});

/** Names of tensors and shared networks anywhere in the space, and of the language: definitions must not hide them. */
function namesIn(space: Space): ReservedNames {
  const tensors = new Set<string>(BUILTIN_NAMES);
  const shared = new Set<string>();
  for (const { kind, name: own } of partsOf<{ readonly kind?: string; readonly name?: unknown }>(space)) {
    if (typeof own !== 'string') continue;
    if (kind === 'wire' || kind === 'input' || kind === 'tensorParameter') tensors.add(own);
    if (kind === 'shared') shared.add(own);
  }
  return { tensors, shared };
}

// ---- train -----------------------------------------------------------------------------------------------------------

/** What differs from the defaults, with its decisions made. */
function trainStatement(space: Space, printer: MemberPrinter): Statement | null {
  const { train } = space;
  const plain = defaultTrain();
  const settings: Setting[] = [];
  const add = (key: string, item: Partial<SettingItem> & Pick<SettingItem, 'value'>): void => {
    const full: SettingItem = { fidelity: false, trials: false, ...item, ...none };
    settings.push({ kind: 'setting', key: name(key), items: [full], ...none });
  };
  const decide = (s: SettingChoice, key: string): SettingExpr => {
    if (s.kind === 'setting') return s;
    const scope = printer.decided.root(
      train.bindings.length > 0 ? train.bindings : space.bindings,
      `.train.${key}`,
      key,
    );
    return decide(s.alternatives[printer.decided.choose(s.site, choiceOptions(s.alternatives), scope)]!.expr, key);
  };
  for (const key of ['data', 'loss', 'optimizer', 'schedule'] as const) {
    const setting = train[key];
    if (!setting || isDefault(setting, plain[key])) continue;
    const s = decide(setting, key);
    const scope = printer.decided.root(space.bindings, `.train.${key}.${s.name}`, null);
    const def = SETTINGS.get(s.name);
    const args = s.args.flatMap((a) => {
      const known = def?.args.find((d) => d.name === a.name);
      if (!known || a.value.kind === 'setting') return [];
      const value = printer.decided.value(a.value, scope);
      return value === known.default ? [] : [argument(datum(value, known.type), a.name)];
    });
    add(key, { value: call(s.name, args) });
  }
  for (const key of ['batch', 'epochs'] as const) {
    if (key === 'epochs' && train.fidelity) {
      const { low, high } = train.fidelity;
      add(key, {
        fidelity: true,
        value: { kind: 'range', from: number(low), to: number(high), log: false, pow2: false, ...none },
      });
      continue;
    }
    const value = printer.decided.value(train[key], printer.decided.root(space.bindings, `.train.${key}`, key));
    const usual = plain[key];
    const same = usual.kind === 'const' && usual.value === value;
    if (typeof value === 'number' && !same) add(key, { value: number(value) });
  }
  if (train.precision !== plain.precision)
    add('precision', { value: { kind: 'name', name: train.precision, ...none } });
  if (train.winograd !== plain.winograd) add('winograd', { value: { kind: 'name', name: train.winograd, ...none } });
  if (train.seed !== plain.seed) add('seed', { value: number(train.seed) });
  return settings.length > 0 ? { kind: 'train', settings, ...none } : null;
}

const isDefault = (s: SettingChoice, plain: SettingChoice | null): boolean =>
  s.kind === 'setting' &&
  plain?.kind === 'setting' &&
  s.name === plain.name &&
  s.args.every((a, i) => sameArg(a, plain.args[i]));

function sameArg(a: SettingExpr['args'][number], b: SettingExpr['args'][number] | undefined): boolean {
  return a.value.kind === 'const' && b?.value.kind === 'const' && a.value.value === b.value.value;
}
