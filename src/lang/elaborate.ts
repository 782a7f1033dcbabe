import type {
  Argument,
  Expr,
  IndexExpr,
  LabelledExpr,
  MemberExpr,
  Name,
  TensorExpr as TensorType,
} from '../../grammar/syntax.ts';
import { projectLike, project as projectTo } from '../layers/blocks.ts';
import { inputDecl } from './bodies.ts';
import { inner, labelled, quote, report, spanOf, takeNumber, useName, want } from './context.ts';
import { callDef } from './def-calls.ts';
import { callLayer, callSetting } from './layer-calls.ts';
import { letIn, useLet } from './lets.ts';
import { didYouMean } from '../base/nearest.ts';
import { chain, choice, conditional, each, list, optional, order, orderOf, repeat, repeated } from './nets.ts';
import { isNamedUse, scoped } from './scoped.ts';
import { lookup, visibleNames } from './scope.ts';
import { addWeights, callWeight, via } from './weights.ts';
import { binary, elaborateValue, literal, prior, range, unary } from './values.ts';
import type { Builtin, Context, EntityOf, Meaning } from './model.ts';
import { ERROR } from './model.ts';
import type { TensorExpr } from '../space/expr.ts';

const MAX_DEPTH = 600;

/** The meaning of an expression. Problems are reported; `error` says that at least one was. */
export function elaborate(e: Expr, cx: Context): Meaning {
  const { checker } = cx;
  if (!checker.spend(cx, e)) return ERROR;
  if (checker.depth >= MAX_DEPTH) {
    report(cx, 'E503', e, 'definitions are nested too deep here', {
      expected: `at most ${MAX_DEPTH} levels of expressions and definitions`,
    });
    return ERROR;
  }
  checker.depth++;
  try {
    return meaningOf(e, cx);
  } finally {
    checker.depth--;
  }
}

function meaningOf(e: Expr, cx: Context): Meaning {
  switch (e.kind) {
    case 'number':
    case 'text':
    case 'truth':
      return literal(e, cx);
    case 'name':
      return nameMeaning(e, [], e, cx);
    case 'call':
      if (e.callee.kind === 'name') return nameMeaning(e.callee, e.args, e, cx);
      return notCallable(e.callee, cx);
    case 'list':
      return list(e, cx);
    case 'tensor':
      return tensorType(e, cx);
    case 'choice':
      return choice(e, cx);
    case 'order':
      return order(e, cx);
    case 'chain':
      return chain(e, cx);
    case 'via':
      return via(e, cx);
    case 'binary':
      return cx.checker.kindOf(e, cx.scope) === 'weight' ? addWeights(e, cx) : binary(e, cx);
    case 'unary':
      return unary(e, cx);
    case 'prior':
      return prior(e, cx);
    case 'range':
      return range(e, cx);
    case 'optional':
      return optional(e, cx);
    case 'repeat':
      return repeat(e, cx);
    case 'index':
      return indexed(e, cx);
    case 'member':
      return member(e, cx);
    case 'labelled':
      return named(e, e.label.name, [], cx);
    case 'each':
      return each(e, cx);
    case 'if':
      return conditional(e, cx);
    case 'letin':
      return letIn(e, cx);
  }
}

function nameMeaning(name: Name, args: readonly Argument[], at: Expr, cx: Context): Meaning {
  const entity = lookup(cx.scope, name.name);
  if (!entity) return unknownName(name, cx);
  entity.used = true;
  switch (entity.kind) {
    case 'def':
      return callDef(entity, args, at, cx);
    case 'layer':
      return callLayer(entity.layer, args, at, cx);
    case 'setting':
      return callSetting(entity.setting, args, at, cx);
    case 'builtin':
      return builtin(entity.builtin, args, at, cx);
    case 'weight':
      return callWeight(entity.weight, args, at, cx);
    case 'later':
      return notYet(`\`${entity.name}\``, at, cx);
    case 'space':
      report(cx, 'E201', at, `\`${entity.name}\` is a space, which is no part of an expression`, {
        expected: 'a value, a network or a tensor',
        found: 'a space',
      });
      return ERROR;
    case 'broken':
      return ERROR;
    case 'let':
      return args.length > 0 || at.kind === 'call' ? notCallable(name, cx) : useLet(entity, at, cx);
    case 'word':
      return at.kind === 'call'
        ? notCallable(name, cx)
        : { kind: 'value', expr: { kind: 'const', value: entity.name, span: spanOf(cx, at) } };
    case 'wire':
      return at.kind === 'call'
        ? notCallable(name, cx)
        : { kind: 'tensor', expr: { kind: 'wire', binding: entity.wire, span: spanOf(cx, at) } };
    case 'input':
      return at.kind === 'call'
        ? notCallable(name, cx)
        : { kind: 'tensor', expr: { kind: 'wire', binding: entity.input, span: spanOf(cx, at) } };
    case 'parameter':
      return at.kind === 'call' ? notCallable(name, cx) : parameter(entity, at, cx);
  }
}

function parameter({ parameter: p }: EntityOf<'parameter'>, at: Expr, cx: Context): Meaning {
  const span = spanOf(cx, at);
  switch (p.kind) {
    case 'valueParameter':
      return { kind: p.weight ? 'weight' : 'value', expr: { kind: 'ref', binding: p, span } };
    case 'netParameter':
      return { kind: 'net', expr: { kind: 'ref', binding: p, name: useName(cx, p.name), span } };
    case 'tensorParameter':
      return { kind: 'tensor', expr: { kind: 'wire', binding: p, span } };
  }
}

function unknownName(name: Name, cx: Context): Meaning {
  const near = didYouMean(name.name, visibleNames(cx.scope));
  report(cx, 'E101', name, `there is no \`${name.name}\` here`, {
    expected: 'a name that is defined in this file or by the language',
    found: name.name,
    hint: near,
  });
  return ERROR;
}

function notCallable(callee: Expr, cx: Context): Meaning {
  report(cx, 'E202', callee, `${quote(cx, callee)} takes no arguments`, {
    expected: 'a layer, a def or a cell before `(`',
    found: quote(cx, callee).slice(1, -1),
  });
  return ERROR;
}

export function notYet(what: string, at: { start: number; end: number }, cx: Context): Meaning {
  report(cx, 'E105', at, `${what} is part of the language, but is not supported yet`);
  return ERROR;
}

const member = (e: MemberExpr, cx: Context): Meaning => notYet(`a name of another file (${quote(cx, e)})`, e, cx);

// ---- names of uses -----------------------------------------------------------------------------------------------------

/** `A as name`; with `A as name[1]` the number is said too: `A as name[1][2]` is copy 2 of the use `name[1]`. */
function named(e: LabelledExpr, label: string, indices: readonly number[], cx: Context): Meaning {
  const full = [label, ...indices.slice(0, -1).map((i) => `[${i}]`)].join('');
  const use = indices.at(-1);
  if (use !== undefined) {
    takeNumber(cx.numbers, full, use);
    if (indices.length > 1) takeNumber(cx.numbers, label, indices[0]!);
  }
  const name = use === undefined ? useName({ ...cx, name: null }, label) : { label: full, use };
  const kind = cx.checker.kindOf(e.value, cx.scope);
  if (kind !== 'net' && kind !== 'unknown' && !(kind === 'tensor' && isNamedUse(e.value, cx.scope))) {
    report(cx, 'E201', e, '`as` names the use of a network', {
      expected: 'a network before `as`',
      found: quote(cx, e.value).slice(1, -1),
    });
    return ERROR;
  }
  const at: Context = { ...inner(cx), name };
  const repeats = e.value.kind === 'repeat' || e.value.kind === 'optional' || e.value.kind === 'via';
  if (repeats || (isNamedUse(e.value, cx.scope) && e.value.kind !== 'labelled'))
    return cx.checker.elaborate(e.value, at);
  const net = scoped(at, e, label, (c) =>
    want(c, c.checker.elaborate(e.value, c), 'net', e.value, 'what stands before `as`'),
  );
  return net ? { kind: 'net', expr: net } : ERROR;
}

function indexed(e: IndexExpr, cx: Context): Meaning {
  const items: Expr[] = [];
  let base: Expr = e;
  while (base.kind === 'index') {
    const here: Expr[] = [];
    for (const item of base.items) {
      if (item.kind === 'every') return badIndex(e, cx);
      here.push(item);
    }
    items.unshift(...here);
    base = base.value;
  }
  if (base.kind !== 'labelled') return badIndex(e, cx);
  const numbers = items.map((i) => (i.kind === 'number' && i.whole && Number.isSafeInteger(i.value) ? i.value : null));
  if (numbers.includes(null)) return badIndex(e, cx);
  return named(base, base.label.name, numbers as number[], cx);
}

function badIndex(e: IndexExpr, cx: Context): Meaning {
  report(cx, 'E201', e, 'an index stands only in paths and after `as name`', {
    expected: '`A as name[1]`, or a path such as `body[1].k` after `with`',
    found: quote(cx, e).slice(1, -1),
    hint: 'networks are repeated by braces: `A{3}`',
  });
  return ERROR;
}

// ---- tensor types in checks --------------------------------------------------------------------------------------------

function tensorType(e: TensorType, cx: Context): Meaning {
  const { inputs } = cx.body;
  if (!inputs) {
    report(cx, 'E201', e, 'the type of a tensor stands only in `input` and in `check count(…)`', {
      expected: 'a tensor, a network or a value',
      found: quote(cx, e).slice(1, -1),
    });
    return ERROR;
  }
  const name: Name = { kind: 'name', name: `input${inputs.length}`, start: e.start, end: e.end };
  const input = inputDecl(name, e, cx);
  if (!input) return ERROR;
  inputs.push(input);
  return { kind: 'tensor', expr: { kind: 'wire', binding: input, span: spanOf(cx, e) } };
}

// ---- what is built in --------------------------------------------------------------------------------------------------

const usage: Readonly<Record<Builtin, string>> = {
  perm: 'perm(a, b, …)',
  fan: 'fan(network, times)',
  pick: 'pick(how many, tensor, tensor, …)',
  loose: 'loose, without arguments',
  project: 'project, or project(width)',
};

function builtin(which: Builtin, args: readonly Argument[], at: Expr, cx: Context): Meaning {
  const named = args.find((a) => a.name);
  const wrong = (): Meaning => {
    report(cx, 'E202', named ?? at, `\`${which}\` is used otherwise`, {
      expected: usage[which],
      found: quote(cx, at).slice(1, -1),
    });
    return ERROR;
  };
  if (named) return wrong();
  const values = args.map((a) => a.value);
  switch (which) {
    case 'perm':
      return values.length >= 1 ? orderOf(values, at, cx, 'an argument of `perm`') : wrong();
    case 'fan':
      return values.length === 2 ? fan(values[0]!, values[1]!, at, cx) : wrong();
    case 'pick':
      return values.length >= 2 ? pick(values, at, cx) : wrong();
    case 'loose':
      return at.kind === 'name' ? loose(at, cx) : wrong();
    case 'project':
      return project(values, at, cx, wrong);
  }
}

function fan(f: Expr, times: Expr, at: Expr, cx: Context): Meaning {
  const body = repeated(f, inner(cx), 'fan', 'the first argument of `fan`');
  const n = labelled(cx, 'fan', (c) => elaborateValue(times, c, 'the second argument of `fan`'));
  return body && n ? { kind: 'net', expr: { kind: 'fan', body, times: n, span: spanOf(cx, at) } } : ERROR;
}

function pick(args: readonly Expr[], at: Expr, cx: Context): Meaning {
  const count = labelled(cx, 'pick', (c) => elaborateValue(args[0]!, c, 'how many `pick` takes'));
  const id = cx.checker.nextSite();
  const site = { id, ...useName({ ...cx, name: null }, 'pick'), span: spanOf(cx, at) };
  const items = args
    .slice(1)
    .map((a) => want(cx, cx.checker.elaborate(a, inner(cx)), 'tensor', a, 'what `pick` picks from'));
  if (!count || items.some((t) => t === null)) return ERROR;
  return { kind: 'tensor', expr: { kind: 'pick', site, count, items: items as TensorExpr[], span: spanOf(cx, at) } };
}

function loose(at: Expr, cx: Context): Meaning {
  if (cx.body.place !== 'cell' && cx.body.place !== 'space') {
    report(cx, 'E201', at, '`loose` stands only among the statements of a cell or space', {
      expected: 'a tensor',
      found: 'loose',
    });
    return ERROR;
  }
  const wires = cx.body.wires.slice(0, cx.body.before);
  for (const wire of wires) {
    const entity = lookup(cx.scope, wire.name);
    if (entity?.kind === 'wire') entity.used = true;
  }
  return { kind: 'tensor', expr: { kind: 'loose', wires, span: spanOf(cx, at) } };
}

function project(args: readonly Expr[], at: Expr, cx: Context, wrong: () => Meaning): Meaning {
  if (args.length === 1 && at.kind === 'call') return callLayer(projectTo, at.args, at, cx);
  if (args.length > 0 || at.kind !== 'name') return wrong();
  if (!cx.checker.placedProjects.has(at)) {
    report(cx, 'E208', at, 'bare `project` may stand only last in a branch of a list that enters `add`', {
      expected: '`[f, id -> project] -> add`',
      hint: '`project(64)` names the width itself',
    });
    return ERROR;
  }
  return {
    kind: 'net',
    expr: { kind: 'project', name: useName(cx, 'project'), layer: projectLike, span: spanOf(cx, at) },
  };
}
