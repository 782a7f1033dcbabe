import type { Argument as SpaceArgument, CallExpr, Def, Parameter as SpaceParameter, ValueLet } from '../space/expr.ts';
import type { Argument, Expr, Parameter, Spanned } from '../../grammar/syntax.ts';
import { inner, labelled, newNumbers, ownNumbers, quote, report, spanOf, useName, want } from './context.ts';
import { bindArguments } from './bind.ts';
import { elaborateCellBody } from './bodies.ts';
import { didYouMean, oneOf } from '../base/nearest.ts';
import { elaborateSignature } from './signature.ts';
import { isParameterKind, kindOf, kindOfDef, makeParameter } from './kinds.ts';
import { newScope } from './scope.ts';
import { numberSites } from './weights.ts';
import type { Context, Entity, EntityOf, Instance, Kind, Meaning, Mutable, Scope } from './model.ts';
import { ERROR } from './model.ts';

/** What is given for one parameter: an argument, or the parameter's default, which belongs to the def's own text. */
interface Given {
  readonly expr: Expr;
  readonly kind: Kind;
  readonly isDefault: boolean;
}

export function callDef(entity: EntityOf<'def'>, args: readonly Argument[], at: Spanned, cx: Context): Meaning {
  const params = entity.statement.params ?? [];
  const cell = entity.statement.kind === 'cell';
  const { positions, flowing } = bindArguments(
    params,
    args.map((a) => ({ name: a.name?.name ?? null })),
    cell,
  );
  const given = bindGiven(entity, params, args, positions, flowing, at, cx);
  if (!given) return ERROR;
  const kinds = params.map((_, i): Kind => (flowing.includes(i) ? 'tensor' : given[i]!.kind));
  const strange = kinds.findIndex((k) => !isParameterKind(k) && k !== 'unknown');
  if (strange >= 0) {
    report(cx, 'E201', given[strange]!.expr, `\`${entity.name}\` cannot take ${quote(cx, given[strange]!.expr)}`, {
      expected: 'a value, a weight, a network or a tensor',
      found: `a ${kinds[strange]!}`,
    });
    return ERROR;
  }
  if (kinds.includes('unknown')) {
    // Elaborating says what is wrong with the argument.
    const problems = cx.checker.errorCount();
    for (const g of given) if (g && g.kind === 'unknown') cx.checker.elaborate(g.expr, ownNumbers(cx));
    if (cx.checker.errorCount() === problems && !readsBroken(cx.scope)) {
      report(cx, 'E503', at, `it cannot be told what \`${entity.name}\` is given here`, {
        expected: 'arguments whose kind is plain',
      });
    }
    return ERROR;
  }
  const kind = kindOfDef(entity, kinds);
  if (kind === 'net' || kind === 'tensor') return callNetwork(entity, kind, kinds, given, flowing, at, cx);
  if (kind === 'value' || kind === 'weight' || kind === 'setting')
    return writeOut(entity, kinds, given as readonly Given[], at, cx);
  return reportUnknown(entity, at, cx);
}

// Parameters of a def that nothing calls have no kind.
function readsBroken(scope: Scope): boolean {
  for (let s: Scope | null = scope; s && !s.builtin; s = s.parent) {
    for (const entity of s.names.values()) if (entity.kind === 'broken') return true;
  }
  return false;
}

function bindGiven(
  entity: EntityOf<'def'>,
  params: readonly Parameter[],
  args: readonly Argument[],
  positions: readonly (number | 'none')[],
  flowing: readonly number[],
  at: Spanned,
  cx: Context,
): readonly (Given | null)[] | null {
  const given: (Given | null)[] = params.map(() => null);
  const signature = `${entity.name}(${params.map((p) => p.name.name).join(', ')})`;
  let fine = true;
  args.forEach((arg, i) => {
    const position = positions[i]!;
    if (position === 'none' || given[position]) {
      fine = false;
      const names = params.map((p) => p.name.name);
      if (arg.name && position === 'none') {
        report(cx, 'E203', arg.name, `\`${entity.name}\` has no parameter \`${arg.name.name}\``, {
          expected: names.length === 0 ? 'no arguments' : oneOf(names),
          found: arg.name.name,
          hint: didYouMean(arg.name.name, names),
        });
      } else {
        report(cx, 'E202', arg, `\`${entity.name}\` has one argument too many`, {
          expected: params.length === 0 ? `${entity.name}, without arguments` : signature,
          found: quote(cx, at).slice(1, -1),
        });
      }
    } else given[position] = { expr: arg.value, kind: cx.checker.kindOf(arg.value, cx.scope), isDefault: false };
  });
  params.forEach((p, i) => {
    if (given[i] || flowing.includes(i)) return;
    if (p.value) given[i] = { expr: p.value, kind: kindOf(p.value, entity.scope), isDefault: true };
    else {
      if (fine) {
        report(cx, 'E202', at, `\`${entity.name}\` lacks its argument \`${p.name.name}\``, {
          expected: signature,
          found: quote(cx, at).slice(1, -1),
        });
      }
      fine = false;
    }
  });
  return fine ? given : null;
}

function reportUnknown(entity: EntityOf<'def'>, at: Spanned, cx: Context): Meaning {
  if (entity.at === null) return ERROR;
  // A def that is nothing but itself, or whose text holds an error.
  const problems = cx.checker.errorCount();
  const params = entity.statement.params ?? [];
  if (entity.statement.kind !== 'cell' && params.length === 0 && !elaboratingForProblems.has(entity)) {
    elaboratingForProblems.add(entity);
    const place = entity.at;
    cx.checker.elaborate(entity.statement.value, {
      ...ownNumbers(cx),
      source: place.source,
      scope: newScope(entity.scope),
    });
  } else elaborateForProblems(entity, cx);
  if (cx.checker.errorCount() === problems) {
    report(cx, 'E501', at, `\`${entity.name}\` has no finite base: all it says is \`${entity.name}\` again`, {
      expected: `a case without \`${entity.name}\``,
      hint: `\`def ${entity.name}(n) = if n > 0 then … ${entity.name}(n-1) … else id\``,
    });
  }
  return ERROR;
}

const elaboratingForProblems = new WeakSet<Entity>();

/** Reports what is wrong in a def whatever its arguments are. */
export function elaborateForProblems(entity: EntityOf<'def'>, cx: Context): void {
  if (elaboratingForProblems.has(entity) || !entity.at) return;
  elaboratingForProblems.add(entity);
  const { statement } = entity;
  const scope = newScope(entity.scope);
  for (const p of statement.params ?? []) {
    scope.names.set(p.name.name, { kind: 'broken', name: p.name.name, at: null, used: true });
  }
  const at: Context = {
    ...ownNumbers(cx),
    source: entity.at.source,
    scope,
    body: { place: 'file', wires: [], before: 0, inputs: null },
  };
  if (statement.kind === 'cell') elaborateCellBody(statement, at);
  else if ((statement.params ?? []).length > 0) cx.checker.elaborate(statement.value, at);
  else callDef(entity, [], entity.at.node, at);
}

// ---- networks and tensors ----------------------------------------------------------------------------------------------

function callNetwork(
  entity: EntityOf<'def'>,
  kind: 'net' | 'tensor',
  kinds: readonly Kind[],
  given: readonly (Given | null)[],
  flowing: readonly number[],
  at: Spanned,
  cx: Context,
): Meaning {
  const name = useName(cx, entity.name);
  const instance = reading(entity, at, cx, () => instantiate(entity, kind, kinds, cx));
  if (!instance) return ERROR;
  const args: SpaceArgument[] = [];
  let fine = true;
  instance.def.parameters.forEach((parameter, i) => {
    const g = given[i];
    if (flowing.includes(i) || !g) return;
    const argument = elaborateArgument(parameter, g, entity, cx);
    if (argument) args.push(argument);
    else fine = false;
  });
  if (!fine) return ERROR;
  const call: CallExpr = { kind: 'call', def: instance.def, args, name, span: spanOf(cx, at) };
  if (kind === 'net' || flowing.length > 0) return { kind: 'net', expr: call };
  return { kind: 'tensor', expr: { kind: 'callOf', call, span: spanOf(cx, at) } };
}

function elaborateArgument(
  p: SpaceParameter,
  g: Given,
  entity: EntityOf<'def'>,
  caller: Context,
): SpaceArgument | null {
  const cx =
    g.isDefault && entity.at ? { ...inner(caller), source: entity.at.source, scope: entity.scope } : inner(caller);
  const what = `the argument \`${p.name}\` of \`${entity.name}\``;
  switch (p.kind) {
    case 'valueParameter': {
      const kind = p.weight ? 'weight' : 'value';
      const expr = labelled(cx, p.name, (c) => want(c, c.checker.elaborate(g.expr, c), kind, g.expr, what));
      if (expr && p.weight) numberSites(expr, null);
      return expr && { kind: 'value', parameter: p, expr };
    }
    case 'netParameter': {
      const own = ownNumbers(cx);
      const expr = want(own, own.checker.elaborate(g.expr, own), 'net', g.expr, what);
      return expr && { kind: 'net', parameter: p, expr };
    }
    case 'tensorParameter': {
      const expr = want(cx, cx.checker.elaborate(g.expr, cx), 'tensor', g.expr, what);
      return expr && { kind: 'tensor', parameter: p, expr };
    }
  }
}

/** Reads the text of a def for a call. */
function reading<T>(entity: EntityOf<'def'>, at: Spanned, cx: Context, read: () => T): T {
  const { calls } = cx.checker;
  const given = (entity.statement.params ?? []).length > 0;
  if (given) calls.push({ name: entity.name, at: { source: cx.source, node: at } });
  try {
    return read();
  } finally {
    if (given) calls.pop();
  }
}

/** The def for these kinds of parameters: its body is elaborated once, also where it contains itself. */
function instantiate(
  entity: EntityOf<'def'>,
  kind: 'net' | 'tensor',
  kinds: readonly Kind[],
  cx: Context,
): Instance | null {
  const key = kinds.join();
  const known = entity.instances.get(key);
  if (known !== undefined) return known;
  const place = entity.at;
  if (!place) throw new Error('bug: a def without a place');
  const at: Context = {
    ...ownNumbers(cx),
    source: place.source,
    scope: newScope(entity.scope),
    body: { place: 'file', wires: [], before: 0, inputs: null },
  };
  const params = entity.statement.params ?? [];
  const parameters = params.map((p, i) => defineParameter(p, kinds[i]!, at));
  const empty: NetLike = { kind: 'seq', items: [], span: spanOf(at, place.node) };
  const def: Mutable<Def> = {
    name: entity.name,
    parameters,
    body: { kind: 'net', bindings: [], net: empty },
    signature: null,
    span: spanOf(at, place.node),
  };
  const instance: Instance = { def, kind };
  entity.instances.set(key, instance);
  if (fillBody(entity, def, kind, at)) return instance;
  entity.instances.set(key, null);
  return null;
}

type NetLike = Extract<Def['body'], { kind: 'net' }>['net'];

function defineParameter(p: Parameter, kind: Kind, cx: Context): SpaceParameter {
  if (!isParameterKind(kind)) throw new Error('bug: a parameter of no kind');
  const parameter = makeParameter(p.name.name, kind);
  cx.scope.names.set(p.name.name, {
    kind: 'parameter',
    name: p.name.name,
    at: { source: cx.source, node: p.name },
    used: false,
    parameter,
  });
  return parameter;
}

/** Whether it has one; what is wrong with it is reported. */
function fillBody(entity: EntityOf<'def'>, def: Mutable<Def>, kind: 'net' | 'tensor', cx: Context): boolean {
  const { statement } = entity;
  if (statement.kind === 'cell') {
    const body = elaborateCellBody(statement, cx);
    if (body) def.body = body;
    return body !== null;
  }
  const m = cx.checker.elaborate(statement.value, cx);
  if (m.kind === 'error') return false;
  const problem = `what \`${entity.name}\` stands for`;
  if (kind === 'net') {
    const net = want(cx, m, 'net', statement.value, problem);
    if (!net) return false;
    def.body = { kind: 'net', bindings: [], net };
  } else {
    const result = want(cx, m, 'tensor', statement.value, problem);
    if (!result) return false;
    def.body = { kind: 'tensor', bindings: [], result };
  }
  if (statement.signature) def.signature = elaborateSignature(statement.signature, cx);
  return true;
}

// ---- values ------------------------------------------------------------------------------------------------------------

const MAX_WRITE_OUT = 64;
let writing = 0;

/** A def of a value or a setting is written out at each use: its decisions belong to the use. */
function writeOut(
  entity: EntityOf<'def'>,
  kinds: readonly Kind[],
  given: readonly Given[],
  at: Spanned,
  cx: Context,
): Meaning {
  const place = entity.at;
  if (!place || entity.statement.kind === 'cell') throw new Error('bug: no def to write out');
  if (writing >= MAX_WRITE_OUT) {
    report(cx, 'E501', at, `\`${entity.name}\` is a value that is defined by itself`, {
      expected: 'a value that does not depend on itself',
      hint: 'only defs of networks may contain themselves',
    });
    return ERROR;
  }
  const scope = newScope(entity.scope);
  const bindings: ValueLet[] = [];
  let fine = true;
  (entity.statement.params ?? []).forEach((p, i) => {
    const g = given[i]!;
    const name = p.name.name;
    const kind = kinds[i];
    if (kind !== 'value' && kind !== 'weight') {
      fine = false;
      report(cx, 'E201', g.expr, `\`${entity.name}\` is a value: its arguments must be values`, {
        expected: 'a value or a weight',
        found: quote(cx, g.expr),
      });
      return;
    }
    const from = g.isDefault ? { ...inner(cx), source: place.source, scope: entity.scope } : inner(cx);
    const what = `the argument \`${name}\` of \`${entity.name}\``;
    const expr = want(from, from.checker.elaborate(g.expr, from), kind, g.expr, what);
    if (!expr) {
      fine = false;
      return;
    }
    const binding: ValueLet = { kind: 'valueLet', name, expr, span: spanOf(from, g.expr) };
    bindings.push(binding);
    scope.names.set(name, {
      kind: 'let',
      name,
      at: { source: place.source, node: p.name },
      used: true,
      shared: false,
      value: g.expr,
      scope: cx.scope,
      state: 'done',
      meaning: { kind, binding },
    });
  });
  if (!fine) return ERROR;
  writing++;
  const { value } = entity.statement;
  const from: Context = { ...inner(cx), source: place.source, scope, numbers: cx.label ? newNumbers() : cx.numbers };
  const m = reading(entity, at, cx, () => cx.checker.elaborate(value, from));
  writing--;
  if ((m.kind !== 'value' && m.kind !== 'weight') || bindings.length === 0) return m;
  return { kind: m.kind, expr: { kind: 'let', bindings, body: m.expr, span: spanOf(cx, at) } };
}
