import type { UseName, Wire } from '../space/expr.ts';
import type { Expr, LetExpr } from '../../grammar/syntax.ts';
import { inner, kindClash, labelled, newNumbers, quote, report, spanOf, useName } from './context.ts';
import { newScope, placeOf } from './scope.ts';
import { numberSites } from './weights.ts';
import type { Context, Entity, EntityOf, LetMeaning, Meaning } from './model.ts';
import { ERROR } from './model.ts';

/** What a `let` or `shared` stands for: elaborated at its first use, once. */
export function resolveLet(entity: EntityOf<'let'>, use: Context, at: { start: number; end: number }): LetMeaning {
  if (entity.state === 'done') return entity.meaning;
  if (entity.state === 'busy') {
    report(use, 'E502', at, `\`${entity.name}\` is defined by itself`, {
      expected: 'a value that does not depend on itself',
      found: `a cycle through \`${entity.name}\``,
      hint: 'a network that contains itself is a `def` whose argument falls: `def f(n) = if n > 0 then … f(n-1) … else id`',
    });
    return { kind: 'error' };
  }
  entity.state = 'busy';
  const place = entity.at;
  if (!place) throw new Error('bug: a let without a place');
  const cx: Context = {
    ...use,
    source: place.source,
    scope: entity.scope,
    numbers: newNumbers(),
    label: null,
    own: null,
    name: null,
  };
  entity.meaning = meaningOf(entity, cx);
  entity.state = 'done';
  return entity.meaning;
}

function meaningOf(entity: EntityOf<'let'>, cx: Context): LetMeaning {
  const { name, value } = entity;
  const kind = cx.checker.kindOf(value, cx.scope);
  const meaning =
    kind === 'value' || kind === 'weight'
      ? labelled(cx, name, (c) => cx.checker.elaborate(value, c))
      : cx.checker.elaborate(value, { ...cx, own: name });
  const span = entity.at ? spanOf(cx, entity.at.node) : spanOf(cx, value);
  if (meaning.kind === 'error') return meaning;
  if (entity.shared) {
    if (meaning.kind === 'net') return { kind: 'shared', binding: { kind: 'shared', name, expr: meaning.expr, span } };
    kindClash(cx, value, 'net', meaning.kind, 'what is shared');
    return { kind: 'error' };
  }
  switch (meaning.kind) {
    case 'weight':
      numberSites(meaning.expr, null);
      return { kind: 'weight', binding: { kind: 'valueLet', name, expr: meaning.expr, span } };
    case 'value':
      return { kind: 'value', binding: { kind: 'valueLet', name, expr: meaning.expr, span } };
    case 'net':
      return { kind: 'net', binding: { kind: 'netLet', name, expr: meaning.expr, span } };
    case 'setting':
      return { kind: 'setting', expr: meaning.expr };
    case 'tensor':
      return { kind: 'tensor', binding: { kind: 'wire', name, expr: meaning.expr, span } };
  }
}

/** A use of a let. */
export function useLet(entity: EntityOf<'let'>, at: Expr, cx: Context): Meaning {
  const m = resolveLet(entity, cx, at);
  const span = spanOf(cx, at);
  const named = (): UseName => useName(cx, entity.name);
  switch (m.kind) {
    case 'value':
    case 'weight':
      return { kind: m.kind, expr: { kind: 'ref', binding: m.binding, span } };
    case 'net':
      return { kind: 'net', expr: { kind: 'once', binding: m.binding, name: named(), span } };
    case 'shared':
      return { kind: 'net', expr: { kind: 'shared', binding: m.binding, name: named(), span } };
    case 'tensor':
      return { kind: 'tensor', expr: { kind: 'wire', binding: m.binding, span } };
    case 'setting':
      return { kind: 'setting', expr: m.expr };
    case 'error':
      return ERROR;
  }
}

/** `let h = 128 | 256 in dense(h)`. */
export function letIn(e: LetExpr, cx: Context): Meaning {
  const at = inner(cx);
  const scope = newScope(cx.scope);
  const { name } = e.name;
  if (at.checker.kindOf(e.value, at.scope) === 'tensor') return tensorLetIn(e, at);
  const entity: Entity = {
    kind: 'let',
    name,
    at: placeOf(cx.source, e.name),
    used: true,
    shared: false,
    value: e.value,
    scope: cx.scope,
    state: 'fresh',
    meaning: { kind: 'error' },
  };
  scope.names.set(name, entity);
  const m = resolveLet(entity, at, e.name);
  const body = cx.checker.elaborate(e.body, { ...at, scope });
  if (m.kind === 'error' || body.kind === 'error' || m.kind === 'shared') return ERROR;
  return m.kind === 'setting' ? body : bound(e, body, m.binding, at);
}

function tensorLetIn(e: LetExpr, cx: Context): Meaning {
  const value = cx.checker.elaborate(e.value, cx);
  if (value.kind !== 'tensor') return ERROR;
  const wire: Wire = { kind: 'wire', name: e.name.name, expr: value.expr, span: spanOf(cx, e.name) };
  const scope = newScope(cx.scope);
  scope.names.set(wire.name, {
    kind: 'wire',
    name: wire.name,
    at: placeOf(cx.source, e.name),
    used: true,
    wire: wire,
  });
  return bound(e, cx.checker.elaborate(e.body, { ...cx, scope }), wire, cx);
}

type LetBinding = Extract<LetMeaning, { kind: 'value' | 'weight' | 'net' | 'tensor' }>['binding'];

function bound(e: LetExpr, body: Meaning, binding: LetBinding, cx: Context): Meaning {
  const span = spanOf(cx, e);
  switch (body.kind) {
    case 'value':
    case 'weight':
    case 'net':
    case 'tensor':
      return { kind: body.kind, expr: { kind: 'let', bindings: [binding], body: body.expr, span } } as Meaning;
    case 'setting':
      report(
        cx,
        'E105',
        e,
        `\`let … in\` around a setting (${quote(cx, e.body)}) is part of the language, but is not supported yet`,
        {
          hint: 'write the `let` as a statement of the file',
        },
      );
      return ERROR;
    case 'error':
      return ERROR;
  }
}
