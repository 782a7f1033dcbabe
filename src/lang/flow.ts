import type { Span } from '../base/span.ts';
import type { ArgDef } from '../ir/layer.ts';
import type { Binding, CallExpr, Def, NetExpr, TensorExpr, ValueExpr, ValueParameter, Wire } from '../space/expr.ts';
import type { SettingChoice, TrainSettings } from '../space/settings.ts';
import type { OutputDecl, Space } from '../space/space.ts';
import { show, testArgument, testValue } from './arguments.ts';
import { EMPTY_ENV, domainKey, domainOf, mayBe, narrowed, withKnown } from './domain.ts';
import type { Domain, DomainEnv } from './domain.ts';
import type { Checker } from './model.ts';
import { tensorIsList } from './lists.ts';
import { SETTINGS } from './setting-defs.ts';

/** Calls within calls that an evaluation follows. */
const MAX_CALLS = 250;
/** Steps of one walk; what lies beyond is left to the evaluation. */
const MAX_STEPS = 200_000;
/** A call is walked for each value of its arguments where these are few, else once for all of them. */
const MAX_COMBINATIONS = 16;

interface Walk {
  readonly checker: Checker;
  readonly seen: Set<string>;
  readonly ids: Map<object, number>;
  readonly calls: { readonly def: Def; readonly key: string }[];
  readonly wires: Set<Wire>;
  readonly recursive: Set<Def>;
  steps: number;
}

/**
 * Walks everything that a space can evaluate, with what is known of its values: arguments outside their domain (E204),
 * tests that are no truths (E201), recursion that does not end (E501), cycles among wires (E502).
 */
export function walkSpace(space: Space, checker: Checker): void {
  const w: Walk = {
    checker,
    seen: new Set(),
    ids: new Map(),
    calls: [],
    wires: new Set(),
    recursive: new Set(),
    steps: 0,
  };
  const env = EMPTY_ENV();
  walkBindings(space.bindings, env, w);
  for (const o of space.outputs) {
    walkTensor(o.expr, env, w);
    if (tensorIsList(o.expr)) reportList(o, checker);
  }
  walkTrain(space.train, env, w);
}

function reportList(o: OutputDecl, checker: Checker): void {
  checker.report('E201', o.span.source, o.span, `the output \`${o.name}\` is a list of tensors`, {
    expected: 'one tensor',
    found: 'a list',
    hint: 'a list is joined by `-> add` or `-> concat`',
  });
}

function walkBindings(bindings: readonly Binding[], env: DomainEnv, w: Walk): void {
  for (const b of bindings) {
    if (b.kind === 'wire') walkWire(b, env, w);
    else if (b.kind !== 'valueLet') walkOnce(b, b.expr, env, w);
  }
}

// The second time under the same knowledge nothing new can be found.
function isNew(thing: object, env: DomainEnv, w: Walk): boolean {
  const id = (o: object): number => {
    let n = w.ids.get(o);
    if (n === undefined) w.ids.set(o, (n = w.ids.size));
    return n;
  };
  const known = [...env.known].map(([b, d]) => `${id(b)}=${domainKey(d)}`);
  const key = `${id(thing)}:${known.join(';')}`;
  if (w.seen.has(key)) return false;
  w.seen.add(key);
  return true;
}

function walkOnce(binding: object, expr: NetExpr, env: DomainEnv, w: Walk): void {
  if (isNew(binding, env, w)) walkNet(expr, env, w);
}

function walkWire(wire: Wire, env: DomainEnv, w: Walk): void {
  if (w.wires.has(wire)) {
    w.checker.report('E502', wire.span.source, wire.span, `the wire \`${wire.name}\` depends on itself`, {
      expected: 'data that flows one way',
      found: `a cycle through \`${wire.name}\``,
    });
    return;
  }
  if (!isNew(wire, env, w)) return;
  w.wires.add(wire);
  walkTensor(wire.expr, env, w);
  w.wires.delete(wire);
}

function walkTensor(e: TensorExpr, env: DomainEnv, w: Walk): void {
  if (++w.steps > MAX_STEPS) return;
  switch (e.kind) {
    case 'wire':
      if (e.binding.kind === 'wire') walkWire(e.binding, env, w);
      break;
    case 'apply':
      walkTensor(e.input, env, w);
      walkNet(e.net, env, w);
      break;
    case 'list':
      for (const item of e.items) walkTensor(item, env, w);
      break;
    case 'choice':
      for (const a of e.alternatives) walkTensor(a.expr, env, w);
      break;
    case 'pick':
      for (const item of e.items) walkTensor(item, env, w);
      testTimes(e.count, `what \`pick\` takes of ${e.items.length}`, e.items.length, env, w);
      break;
    case 'loose':
      break;
    case 'if':
      walkIf(e.test, env, w, (then, at) => walkTensor(then ? e.then : e.else, at, w));
      break;
    case 'let':
      walkBindings(e.bindings, env, w);
      walkTensor(e.body, env, w);
      break;
    case 'layerOf':
      walkNet(e.expr, env, w);
      for (const t of e.tensors) walkTensor(t, env, w);
      break;
    case 'callOf':
      walkCall(e.call, env, w);
      break;
  }
}

function walkNet(e: NetExpr, env: DomainEnv, w: Walk): void {
  if (++w.steps > MAX_STEPS) return;
  switch (e.kind) {
    case 'layer':
      for (const a of e.args) testArgument(w.checker, e.layer.name, argDef(e.layer.args, a.name), a.value, env, true);
      if (e.via) walkWeight(e.via, env, w);
      break;
    case 'via':
      walkWeight(e.weight, env, w);
      walkNet(e.body, env, w);
      break;
    case 'seq':
    case 'branches':
    case 'perm':
      for (const item of e.items) walkNet(item, env, w);
      break;
    case 'choice':
      for (const a of e.alternatives) walkNet(a.expr, env, w);
      break;
    case 'repeat':
    case 'fan': {
      testTimes(e.times, e.kind === 'fan' ? 'the number of branches' : 'the number of copies', Infinity, env, w);
      const times = domainOf(e.times, env);
      if (times.kind === 'values' && times.values.every((v) => v === 0)) break;
      walkNet(e.body, env, w);
      break;
    }
    case 'each':
      walkNet(e.body, env, w);
      break;
    case 'if':
      walkIf(e.test, env, w, (then, at) => walkNet(then ? e.then : e.else, at, w));
      break;
    case 'let':
      walkBindings(e.bindings, env, w);
      walkNet(e.body, env, w);
      break;
    case 'once':
    case 'shared':
      walkOnce(e.binding, e.binding.expr, env, w);
      break;
    case 'call':
      walkCall(e, env, w);
      break;
    // Arguments are walked where they stand.
    case 'ref':
    case 'project':
      break;
  }
}

// Tests the arguments of every weight expression that it may be.
function walkWeight(e: ValueExpr, env: DomainEnv, w: Walk): void {
  if (++w.steps > MAX_STEPS) return;
  switch (e.kind) {
    case 'weight':
      for (const a of e.args) testArgument(w.checker, e.weight.name, argDef(e.weight.args, a.name), a.value, env);
      for (const part of e.parts) walkWeight(part, env, w);
      break;
    case 'choice':
      for (const a of e.alternatives) walkWeight(a.expr, env, w);
      break;
    case 'if':
      walkIf(e.test, env, w, (then, at) => walkWeight(then ? e.then : e.else, at, w));
      break;
    case 'let':
      walkBindings(e.bindings, env, w);
      walkWeight(e.body, env, w);
      break;
    case 'ref':
      if (e.binding.kind === 'valueLet') walkWeight(e.binding.expr, env, w);
      break;
    // No weights, which was said already.
    case 'const':
    case 'range':
    case 'unary':
    case 'binary':
    case 'list':
      break;
  }
}

function argDef(args: readonly ArgDef[], name: string): ArgDef {
  const found = args.find((a) => a.name === name);
  if (!found) throw new Error(`bug: no argument ${name}`);
  return found;
}

function testTimes(times: ValueExpr, what: string, max: number, env: DomainEnv, w: Walk): void {
  const type = { kind: 'whole', min: 0, ...(Number.isFinite(max) ? { max } : {}) } as const;
  testValue(w.checker, what, type, times, env);
}

function walkIf(test: ValueExpr, env: DomainEnv, w: Walk, walk: (then: boolean, env: DomainEnv) => void): void {
  const domain = domainOf(test, env);
  if (domain.kind === 'interval' || (domain.kind === 'values' && domain.values.some((v) => typeof v !== 'boolean'))) {
    const bad = domain.kind === 'values' ? domain.values.find((v) => typeof v !== 'boolean') : undefined;
    w.checker.report('E201', test.span.source, test.span, 'the test of `if` must be true or false', {
      expected: 'a comparison such as `w >= 64`',
      found: bad === undefined ? 'a number' : show(bad),
    });
    return;
  }
  if (mayBe(domain, true)) walk(true, narrowed(test, true, env));
  if (mayBe(domain, false)) walk(false, narrowed(test, false, env));
}

// ---- calls -----------------------------------------------------------------------------------------------------------

function walkCall(call: CallExpr, env: DomainEnv, w: Walk): void {
  const values: (readonly [ValueParameter, Domain])[] = [];
  for (const a of call.args) {
    if (a.kind === 'value') values.push([a.parameter, domainOf(a.expr, env)]);
    else if (a.kind === 'net') walkNet(a.expr, env, w);
    else walkTensor(a.expr, env, w);
  }
  for (const row of combinations(values)) enter(call.def, call.span, withKnown(env, row), row, w);
}

function combinations(values: readonly (readonly [ValueParameter, Domain])[]): (readonly [ValueParameter, Domain])[][] {
  let size = 1;
  for (const [, d] of values) size *= d.kind === 'values' ? d.values.length : 1;
  if (size > MAX_COMBINATIONS) return [[...values]];
  let rows: (readonly [ValueParameter, Domain])[][] = [[]];
  for (const [p, d] of values) {
    const options: Domain[] = d.kind === 'values' ? d.values.map((v) => ({ kind: 'values', values: [v] })) : [d];
    rows = rows.flatMap((row) => options.map((o) => [...row, [p, o] as const]));
  }
  return rows;
}

function enter(def: Def, at: Span, env: DomainEnv, row: readonly (readonly [ValueParameter, Domain])[], w: Walk): void {
  const key = row.map(([, d]) => domainKey(d)).join();
  if (w.calls.some((c) => c.def === def && c.key === key)) {
    reportRecursion(def, at, w, row.length === 0 ? 'without an argument that falls' : 'with the same arguments');
    return;
  }
  if (w.calls.length >= MAX_CALLS) {
    if (w.calls.some((c) => c.def === def)) reportRecursion(def, at, w, `more than ${MAX_CALLS} times within itself`);
    else reportDepth(at, w);
    return;
  }
  if (!isNew(def, env, w)) return;
  w.calls.push({ def, key });
  walkBindings(def.body.bindings, env, w);
  if (def.body.kind === 'net') walkNet(def.body.net, env, w);
  else walkTensor(def.body.result, env, w);
  w.calls.pop();
}

function reportDepth(at: Span, w: Walk): void {
  w.checker.report('E503', at.source, at, `defs use defs more than ${MAX_CALLS} deep here`, {
    expected: `at most ${MAX_CALLS} calls within calls`,
  });
}

function reportRecursion(def: Def, at: Span, w: Walk, how: string): void {
  if (w.recursive.has(def)) return;
  w.recursive.add(def);
  w.checker.report('E501', at.source, at, `the recursion of \`${def.name}\` does not end: it is called ${how}`, {
    expected: 'an argument that falls to a case without recursion',
    notes: [{ span: def.span, message: `\`${def.name}\` is defined here` }],
    hint: `\`def ${def.name}(n) = if n > 0 then … ${def.name}(n-1) … else id\``,
  });
}

// ---- train -----------------------------------------------------------------------------------------------------------

/** Tests the settings of `train`. */
export function walkTrain(train: TrainSettings, env: DomainEnv, w: Pick<Walk, 'checker'>): void {
  const count = { kind: 'whole', min: 1 } as const;
  for (const key of ['batch', 'epochs'] as const) {
    testValue(w.checker, `\`${key}\``, count, train[key], env);
  }
  for (const s of [train.data, train.loss, train.optimizer, train.schedule]) if (s) walkSetting(s, env, w);
}

/** Tests the arguments of a setting. */
export function walkSetting(s: SettingChoice, env: DomainEnv, w: Pick<Walk, 'checker'>): void {
  if (s.kind === 'choice') {
    for (const a of s.alternatives) walkSetting(a.expr, env, w);
    return;
  }
  const args = SETTINGS.get(s.name)?.args ?? [];
  for (const a of s.args)
    if (a.value.kind !== 'setting') testArgument(w.checker, s.name, argDef(args, a.name), a.value, env);
}
