import { choiceOptions } from '../space/decisions.ts';
import type { Assignment, SettingChoice, SettingExpr, Space, TensorExpr, NetExpr, Def } from '../space/space.ts';
import type { Setting, SettingItem, Statement } from '../../grammar/syntax.ts';
import { BUILTIN_NAMES } from './builtins.ts';
import { SETTINGS } from './setting-defs.ts';
import { MemberPrinter, datum } from './member.ts';
import type { ReservedNames } from './member.ts';
import { argument, call, name, number } from './pieces.ts';
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
  const shared = new Set<string>();
  const names = new Set([...BUILTIN_NAMES, ...space.inputs.map((i) => i.name)]);
  const seen = new Set<Def>();
  const tensor = (e: TensorExpr): void => {
    switch (e.kind) {
      case 'wire':
        names.add(e.binding.name);
        break;
      case 'apply':
        tensor(e.input);
        net(e.net);
        break;
      case 'list':
      case 'pick':
        e.items.forEach(tensor);
        break;
      case 'choice':
        for (const a of e.alternatives) tensor(a.expr);
        break;
      case 'if':
        tensor(e.then);
        tensor(e.else);
        break;
      case 'let':
        bindings(e.bindings);
        tensor(e.body);
        break;
      case 'layerOf':
        e.tensors.forEach(tensor);
        break;
      case 'callOf':
        net(e.call);
        break;
      case 'loose':
        for (const w of e.wires) names.add(w.name);
        break;
    }
  };
  const net = (e: NetExpr): void => {
    switch (e.kind) {
      case 'seq':
      case 'branches':
      case 'perm':
        e.items.forEach(net);
        break;
      case 'choice':
        for (const a of e.alternatives) net(a.expr);
        break;
      case 'repeat':
      case 'fan':
      case 'each':
        net(e.body);
        break;
      case 'if':
        net(e.then);
        net(e.else);
        break;
      case 'let':
        bindings(e.bindings);
        net(e.body);
        break;
      case 'call':
        for (const a of e.args) {
          if (a.kind === 'net') net(a.expr);
          if (a.kind === 'tensor') tensor(a.expr);
        }
        body(e.def);
        break;
      case 'layer':
      case 'ref':
      case 'once':
      case 'shared':
      case 'project':
        break;
    }
  };
  const body = (def: Def): void => {
    if (seen.has(def)) return;
    seen.add(def);
    for (const p of def.parameters) if (p.kind === 'tensorParameter') names.add(p.name);
    bindings(def.body.bindings);
    if (def.body.kind === 'net') net(def.body.net);
    else tensor(def.body.result);
  };
  const bindings = (all: Space['bindings']): void => {
    for (const b of all) {
      if (b.kind === 'wire') {
        names.add(b.name);
        tensor(b.expr);
      } else if (b.kind !== 'valueLet') {
        if (b.kind === 'shared') shared.add(b.name);
        net(b.expr);
      }
    }
  };
  bindings(space.bindings);
  for (const o of space.outputs) tensor(o.expr);
  return { tensors: names, shared };
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
    const scope = printer.root(train.bindings.length > 0 ? train.bindings : space.bindings, `.train.${key}`, key);
    return decide(s.alternatives[printer.choose(s.site, choiceOptions(s.alternatives), scope)]!.expr, key);
  };
  for (const key of ['data', 'loss', 'optimizer', 'schedule'] as const) {
    const setting = train[key];
    if (!setting || isDefault(setting, plain[key])) continue;
    const s = decide(setting, key);
    const scope = printer.root(space.bindings, `.train.${key}.${s.name}`, null);
    const def = SETTINGS.get(s.name);
    const args = s.args.flatMap((a) => {
      const known = def?.args.find((d) => d.name === a.name);
      if (!known || a.value.kind === 'setting') return [];
      const value = printer.value(a.value, scope);
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
    const value = printer.value(train[key], printer.root(space.bindings, `.train.${key}`, key));
    if (typeof value === 'number') add(key, { value: number(value) });
  }
  if (train.seed !== plain.seed) add('seed', { value: number(train.seed) });
  const said = train.data !== null || settings.some((s) => s.key.name !== 'batch' && s.key.name !== 'epochs');
  return said ? { kind: 'train', settings, ...none } : null;
}

const isDefault = (s: SettingChoice, plain: SettingChoice | null): boolean =>
  s.kind === 'setting' &&
  plain?.kind === 'setting' &&
  s.name === plain.name &&
  s.args.every((a, i) => sameArg(a, plain.args[i]));

function sameArg(a: SettingExpr['args'][number], b: SettingExpr['args'][number] | undefined): boolean {
  return a.value.kind === 'const' && b?.value.kind === 'const' && a.value.value === b.value.value;
}
