import { DTYPES, MAX_RANK } from '../base/tensor-type.ts';
import type { DType } from '../base/tensor-type.ts';
import type { Binding, DefBody, InputDecl, TensorExpr, Wire } from '../space/expr.ts';
import type { OutputDecl } from '../space/space.ts';
import type { CellStatement, Expr, LetStatement, Name, SharedStatement, Statement } from '../../grammar/syntax.ts';
import { report, spanOf, textOf, want } from './context.ts';
import { resolveLet } from './lets.ts';
import { define, markChecked, placeOf } from './scope.ts';
import { constantNumber, elaborateValue } from './values.ts';
import { didYouMean } from '../base/nearest.ts';
import type { Context, Entity, Mutable } from './model.ts';

/** What the statements of a space or cell come to. Statements that are no definitions are left to `other`. */
export interface BodyMeaning {
  readonly bindings: Binding[];
  readonly inputs: readonly InputDecl[];
  readonly wires: Wire[];
  readonly outputs: OutputDecl[];
  result: TensorExpr | null;
}

/** Defines what the statements define, so that they may refer to each other in any order. */
export function defineAll(statements: readonly Statement[], cx: Context): readonly InputDecl[] {
  const inputs: InputDecl[] = [];
  for (const s of statements) {
    if (s.kind === 'let' || s.kind === 'shared') define(cx.checker, cx.scope, letEntity(s, cx));
    else if (s.kind === 'def' || s.kind === 'cell') {
      define(cx.checker, cx.scope, {
        kind: 'def',
        name: s.name.name,
        at: placeOf(cx.source, s.name),
        used: false,
        statement: s,
        scope: cx.scope,
        instances: new Map(),
        kinds: new Map(),
      });
      defineParameters(s.params?.map((p) => p.name) ?? [], cx);
    } else if (s.kind === 'wire') define(cx.checker, cx.scope, wireEntity(s.name, cx));
    else if (s.kind === 'input') {
      for (const { name, type } of s.inputs) {
        const input = inputDecl(name, type, cx);
        if (input) inputs.push(input);
        const common = { name: name.name, at: placeOf(cx.source, name), used: false };
        define(cx.checker, cx.scope, input ? { kind: 'input', ...common, input } : { kind: 'broken', ...common });
      }
    }
  }
  tensorLets(statements, cx);
  return inputs;
}

function defineParameters(names: readonly Name[], cx: Context): void {
  const seen = new Map<string, Name>();
  for (const n of names) {
    const before = seen.get(n.name);
    if (before) {
      report(cx, 'E102', n, `\`${n.name}\` is defined twice`, {
        expected: 'parameters with different names',
        found: `a second \`${n.name}\``,
        notes: [{ span: spanOf(cx, before), message: 'first defined here' }],
      });
    }
    seen.set(n.name, n);
  }
}

const letEntity = (s: LetStatement | SharedStatement, cx: Context): Entity => ({
  kind: 'let',
  name: s.name.name,
  at: placeOf(cx.source, s.name),
  used: false,
  shared: s.kind === 'shared',
  value: s.value,
  scope: cx.scope,
  state: 'fresh',
  meaning: { kind: 'error' },
});

function wireEntity(name: Name, cx: Context): Entity {
  const span = spanOf(cx, name);
  const empty: TensorExpr = { kind: 'list', items: [], span };
  const wire: Mutable<Wire> = { kind: 'wire', name: name.name, expr: empty, span };
  return { kind: 'wire', name: name.name, at: placeOf(cx.source, name), used: false, wire };
}

// A `let` of a tensor is a wire: its uses are numbered with those around it.
function tensorLets(statements: readonly Statement[], cx: Context): void {
  for (const s of statements) {
    if (s.kind !== 'let') continue;
    const entity = cx.scope.names.get(s.name.name);
    if (entity?.kind !== 'let' || entity.value !== s.value) continue;
    if (cx.checker.kindOf(s.value, cx.scope) === 'tensor') cx.scope.names.set(s.name.name, wireEntity(s.name, cx));
  }
}

/** Elaborates wires, lets and outputs in the order of the text. `other` sees the remaining statements. */
export function elaborateBody(
  statements: readonly Statement[],
  outer: Context,
  other: (s: Statement, cx: Context) => void,
): BodyMeaning {
  const errors = outer.checker.errorCount();
  const inputs = defineAll(statements, outer);
  const body: BodyMeaning = { bindings: [], inputs, wires: [], outputs: [], result: null };
  for (const s of statements) {
    const cx: Context = { ...outer, body: { ...outer.body, wires: body.wires, before: body.wires.length } };
    if (s.kind === 'wire') elaborateWire(s.name, s.value, body, cx);
    else if (s.kind === 'let' || s.kind === 'shared') elaborateLet(s, body, cx);
    else if (s.kind === 'output') for (const o of s.outputs) elaborateOutput(o.name, o.value, body, cx);
    else if (s.kind === 'return') {
      body.result = want(cx, cx.checker.elaborate(s.value, cx), 'tensor', s.value, 'what a cell returns');
    } else if (s.kind !== 'def' && s.kind !== 'cell' && s.kind !== 'input') other(s, cx);
  }
  markChecked(statements, outer.scope);
  // Where something is wrong, what it meant to use is not known.
  if (outer.checker.errorCount() === errors) warnUnused(outer);
  return body;
}

function warnUnused(cx: Context): void {
  // A cell that nothing calls is read with parameters of no kind.
  if ([...cx.scope.names.values()].some((entity) => entity.kind === 'broken')) return;
  for (const entity of cx.scope.names.values()) {
    if (entity.used || !entity.at || entity.at.source !== cx.source) continue;
    const severity = 'warning';
    if (entity.kind === 'let' || entity.kind === 'def') {
      report(cx, 'E103', entity.at.node, `\`${entity.name}\` is never used`, {
        severity,
        hint: 'delete it, or use it',
      });
    } else if (
      entity.kind === 'wire' ||
      entity.kind === 'input' ||
      (entity.kind === 'parameter' && cx.body.place === 'cell')
    ) {
      report(cx, 'E701', entity.at.node, `no member uses \`${entity.name}\``, {
        severity,
        hint: 'delete it, or lead it to an output',
      });
    }
  }
}

function elaborateWire(name: Name, value: Expr, body: BodyMeaning, cx: Context): void {
  const entity = cx.scope.names.get(name.name);
  const meaning = cx.checker.elaborate(value, cx);
  const expr = want(cx, meaning, 'tensor', value, `the wire \`${name.name}\``, {
    hint:
      meaning.kind === 'tensor'
        ? ''
        : `values and networks are named by \`let ${name.name} = …\` or \`def ${name.name} = …\``,
  });
  if (entity?.kind !== 'wire' || !expr || entity.at?.node !== name) return;
  entity.wire.expr = expr;
  body.wires.push(entity.wire);
  body.bindings.push(entity.wire);
}

function elaborateLet(s: LetStatement | SharedStatement, body: BodyMeaning, cx: Context): void {
  const entity = cx.scope.names.get(s.name.name);
  if (entity?.kind === 'wire') {
    elaborateWire(s.name, s.value, body, cx);
    return;
  }
  if (entity?.kind !== 'let' || entity.at?.node !== s.name) return;
  const m = resolveLet(entity, cx, s.name);
  if (m.kind !== 'error' && m.kind !== 'setting') body.bindings.push(m.binding);
}

function elaborateOutput(name: Name, value: Expr, body: BodyMeaning, cx: Context): void {
  const before = body.outputs.find((o) => o.name === name.name);
  if (before) {
    report(cx, 'E102', name, `there are two outputs \`${name.name}\``, {
      expected: 'outputs with different names',
      found: `a second \`${name.name}\``,
      notes: [{ span: before.span, message: 'first defined here' }],
    });
  }
  const expr = want(cx, cx.checker.elaborate(value, cx), 'tensor', value, `the output \`${name.name}\``, {
    hint: 'an output begins with a tensor: `output y = x -> dense(10)`',
  });
  if (expr) body.outputs.push({ name: name.name, expr, span: spanOf(cx, name) });
}

/** `f32[B, 28, 28, 1]`: the first axis is the batch, the others are whole numbers. */
export function inputDecl(name: Name, type: Expr, cx: Context): InputDecl | null {
  const wrong = (at: Expr, message: string, found: string, hint = ''): null => {
    report(cx, 'E206', at, message, { expected: 'a type such as `f32[B, 28, 28, 1]`', found, hint });
    return null;
  };
  if (type.kind !== 'tensor') return wrong(type, 'an input has the type of a tensor', textOf(cx, type));
  const dtype = DTYPES.find((d) => d === type.dtype.name);
  if (!dtype) {
    return wrong(
      type.dtype,
      'tensors of this element type are not supported',
      type.dtype.name,
      didYouMean(type.dtype.name, DTYPES),
    );
  }
  const shape = shapeOf(type.dims, cx, wrong);
  return shape && makeInput(name.name, dtype, shape, spanOf(cx, name));
}

const makeInput = (name: string, dtype: DType, shape: readonly number[], span: InputDecl['span']): InputDecl => ({
  kind: 'input',
  name,
  dtype,
  shape,
  span,
});

/** The sizes after the batch axis; null after a report. */
export function shapeOf(
  dims: readonly Expr[],
  cx: Context,
  wrong: (at: Expr, message: string, found: string, hint?: string) => null,
): readonly number[] | null {
  const batch = dims[0];
  if (!batch || batch.kind !== 'name' || batch.name !== 'B') {
    const at = batch ?? { kind: 'truth', value: true, start: 0, end: 0 };
    return wrong(at, 'the first axis of a tensor is the batch, `B`', batch ? textOf(cx, batch) : 'no axes');
  }
  if (dims.length > MAX_RANK)
    return wrong(dims[MAX_RANK]!, `a tensor has at most ${MAX_RANK} axes`, `${dims.length} axes`);
  const sizes: number[] = [];
  for (const dim of dims.slice(1)) {
    const value = elaborateValue(dim, cx, 'the size of an axis');
    if (!value) return null;
    const size = constantNumber(value);
    if (size === null || !Number.isInteger(size) || size < 1 || size > 2 ** 31) {
      return wrong(dim, 'the size of an axis is a whole number above 0, with nothing open in it', textOf(cx, dim));
    }
    sizes.push(size);
  }
  return sizes;
}

/** The body of a cell, whose parameters are defined in `cx.scope`. */
export function elaborateCellBody(statement: CellStatement, cx: Context): DefBody | null {
  const at: Context = { ...cx, body: { place: 'cell', wires: [], before: 0, inputs: null } };
  const body = elaborateBody(statement.body, at, (s) => {
    report(cx, 'E158', s, 'this statement may not stand in a cell', {
      expected: 'let, def, shared, cell, a wire or return',
    });
  });
  return body.result && { kind: 'tensor', bindings: body.bindings, result: body.result };
}
