import type { Span } from '../base/span.ts';
import { wordsOf } from '../ir/layer.ts';
import type { ArgDef, LayerDef } from '../ir/layer.ts';
import type { LayerExpr, TensorExpr, ValueExpr } from '../space/expr.ts';
import type { SettingExpr } from '../space/settings.ts';
import type { Argument, Expr, Spanned } from '../../grammar/syntax.ts';
import { inner, labelled, quote, report, spanOf, useName, want } from './context.ts';
import { elaborateValue } from './values.ts';
import { describe } from '../ir/arg-type.ts';
import { testArgument } from './arguments.ts';
import { EMPTY_ENV } from './domain.ts';
import { didYouMean, nearest, oneOf } from '../base/nearest.ts';
import { newScope } from './scope.ts';
import type { Context, Entity, Meaning } from './model.ts';
import { ERROR } from './model.ts';
import type { SettingDef } from './setting-defs.ts';

type NamedArg = LayerExpr['args'][number];

/** `conv(64, k: 3)`; `dot(u, v)` with its tensors first. */
export function callLayer(layer: LayerDef, args: readonly Argument[], at: Spanned, cx: Context): Meaning {
  const wanted = typeof layer.takes === 'number' ? layer.takes : 0;
  const positional = args.filter((a) => !a.name);
  const name = useName(cx, layer.name);
  if (wanted > 0 && positional.length < wanted) {
    report(cx, 'E202', at, `\`${layer.name}\` takes ${wanted} tensors as arguments`, {
      expected: `${layer.name}(${['u', 'v', 'w', 'x'].slice(0, wanted).join(', ')})`,
      found: quote(cx, at).slice(1, -1),
    });
    return ERROR;
  }
  const tensors = positional
    .slice(0, wanted)
    .map((a) =>
      want(cx, cx.checker.elaborate(a.value, inner(cx)), 'tensor', a.value, `an argument of \`${layer.name}\``),
    );
  const rest = args.filter((a) => !positional.slice(0, wanted).includes(a));
  const given = elaborateArgs(layer, rest, at, cx, (a) => a.name);
  if (!given || tensors.some((t) => t === null)) return ERROR;
  const expr: LayerExpr = { kind: 'layer', layer, args: given, name, span: spanOf(cx, at) };
  if (wanted === 0) return { kind: 'net', expr };
  return { kind: 'tensor', expr: { kind: 'layerOf', expr, tensors: tensors as TensorExpr[], span: spanOf(cx, at) } };
}

/** `adamw(lr: 1e-3)`: arguments that are not given have their defaults. */
export function callSetting(setting: SettingDef, args: readonly Argument[], at: Spanned, cx: Context): Meaning {
  if (!setting.supported) {
    report(cx, 'E105', at, `\`${setting.name}\` is part of the language, but is not supported yet`);
    return ERROR;
  }
  const given = elaborateArgs(setting, args, at, cx, (a) => a.name);
  if (!given) return ERROR;
  const all = setting.args.flatMap((a) => given.find((g) => g.name === a.name) ?? defaultArg(a, spanOf(cx, at)));
  return { kind: 'setting', expr: { kind: 'setting', name: setting.name, args: all, span: spanOf(cx, at) } };
}

/** The default of an argument; none where it may be left out. */
export function defaultArg(a: ArgDef, span: Span): SettingExpr['args'] {
  const value = a.default;
  const plain = typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';
  return plain ? [{ name: a.name, value: { kind: 'const', value, span } }] : [];
}

interface Callee {
  readonly name: string;
  readonly args: readonly ArgDef[];
}

/** Binds arguments to their definitions, in the order of the definitions. Null after a report. */
export function elaborateArgs(
  callee: Callee,
  args: readonly Argument[],
  at: Spanned,
  cx: Context,
  labelOf: (a: ArgDef) => string,
): NamedArg[] | null {
  const found = new Map<ArgDef, ValueExpr>();
  const given = new Set<ArgDef>();
  let fine = true;
  const inOrder = callee.args.filter((a, i) => i === 0 || a.positional || a.default === undefined);
  for (const arg of spreadArguments(callee, args)) {
    const def = arg.name ? callee.args.find((a) => a.name === arg.name!.name) : inOrder.shift();
    if (!def || given.has(def)) {
      fine = false;
      if (!def && !arg.name) reportUnnamed(callee, arg, given, cx);
      else reportBadArgument(callee, arg, args, def !== undefined, cx);
      continue;
    }
    given.add(def);
    const value = labelled(cx, labelOf(def), (c) => elaborateArg(arg.value, def, callee, c));
    if (value) found.set(def, value);
    else fine = false;
  }
  for (const a of callee.args) {
    if (a.default !== undefined || given.has(a)) continue;
    fine = false;
    report(cx, 'E202', at, `\`${callee.name}\` lacks its argument \`${a.name}\`: ${a.doc}`, {
      expected: signatureOf(callee),
      found: quote(cx, at).slice(1, -1),
    });
  }
  // A call that is not read further is tested here, as far as its text alone tells.
  if (!fine) {
    for (const [def, value] of found)
      if (isPlain(value)) testArgument(cx.checker, callee.name, def, value, EMPTY_ENV());
  }
  return fine ? callee.args.flatMap((a) => (found.has(a) ? [{ name: a.name, value: found.get(a)! }] : [])) : null;
}

// `tucker(16, 3, 3, 16)`: several given by position are a list.
function spreadArguments(callee: Callee, args: readonly Argument[]): readonly Argument[] {
  const [first] = callee.args;
  const several = args.filter((a) => !a.name);
  if (!first?.spread || several.length < 2) return args;
  const at = { start: several[0]!.start, end: several.at(-1)!.end };
  const list: Expr = { kind: 'list', items: several.map((a) => a.value), ...at };
  return [{ value: list, ...at }, ...args.filter((a) => a.name)];
}

const isPlain = (e: ValueExpr): boolean =>
  e.kind === 'const' ||
  (e.kind === 'unary' && isPlain(e.operand)) ||
  (e.kind === 'choice' && e.alternatives.every((a) => isPlain(a.expr)));

/** `conv(out, k: 3, …)`, for messages. */
export function signatureOf(callee: Callee): string {
  const shown = callee.args.map((a) =>
    a.default === undefined || a.default === null ? a.name : `${a.name}: ${String(a.default)}`,
  );
  return shown.length === 0 ? callee.name : `${callee.name}(${shown.join(', ')})`;
}

// Arguments but the first go by name, except where the layer says otherwise.
function reportUnnamed(callee: Callee, arg: Argument, given: Set<ArgDef>, cx: Context): void {
  const next = callee.args.find((a) => !given.has(a));
  const isTensor = cx.checker.kindOf(arg.value, cx.scope) === 'tensor';
  if (!next || isTensor) {
    reportBadArgument(callee, arg, [], false, cx);
    return;
  }
  given.add(next);
  const text = quote(cx, arg).slice(1, -1);
  report(cx, 'E202', arg, `\`${callee.name}\` takes this argument by name`, {
    expected: `\`${next.name}: ${text}\`, or another of ${signatureOf(callee)}`,
    found: text,
  });
}

// The one argument that a call must give and does not: what a name that there is not stands for.
function lacking(callee: Callee, args: readonly Argument[]): ArgDef | null {
  if (args.some((a) => !a.name)) return null;
  const left = callee.args.filter((a) => a.default === undefined && !args.some((given) => given.name!.name === a.name));
  return left.length === 1 ? left[0]! : null;
}

function reportBadArgument(callee: Callee, arg: Argument, all: readonly Argument[], twice: boolean, cx: Context): void {
  if (twice) {
    report(cx, 'E202', arg, `\`${callee.name}\` is given this argument twice`, { expected: signatureOf(callee) });
    return;
  }
  if (arg.name) {
    const names = callee.args.map((a) => a.name);
    const meant = lacking(callee, all);
    const isSlip = nearest(arg.name.name, names, 1) !== null;
    report(cx, 'E203', arg.name, `\`${callee.name}\` has no argument \`${arg.name.name}\``, {
      expected: names.length === 0 ? 'no arguments' : oneOf(names),
      found: arg.name.name,
      hint: meant && !isSlip ? `did you mean \`${meant.name}\`, ${meant.doc}?` : didYouMean(arg.name.name, names),
    });
    return;
  }
  const kind = cx.checker.kindOf(arg.value, cx.scope);
  report(cx, 'E202', arg, `\`${callee.name}\` has one argument too many`, {
    expected: signatureOf(callee),
    found: quote(cx, arg).slice(1, -1),
    hint: kind === 'tensor' ? `data flows in by an arrow: \`${quote(cx, arg).slice(1, -1)} -> ${callee.name}\`` : '',
  });
}

function elaborateArg(e: Expr, def: ArgDef, callee: Callee, cx: Context): ValueExpr | null {
  const what = `the argument \`${def.name}\` of \`${callee.name}\``;
  if (def.type.kind === 'axes' && e.kind === 'range') {
    const ends = [e.from, e.to].map((end) => elaborateValue(end, cx, what));
    return ends.every((end) => end !== null) ? { kind: 'list', items: ends, span: spanOf(cx, e) } : null;
  }
  const words = wordsOf(def.type);
  if (words.length === 0) return elaborateValue(e, cx, what);
  const unknown = bareWords(e).find((n) => !words.includes(n.name) && !isKnown(n.name, cx));
  if (unknown) {
    report(cx, 'E204', unknown, `${what} cannot be \`${unknown.name}\``, {
      expected: describe(def.type),
      found: unknown.name,
      hint: didYouMean(unknown.name, words),
    });
    return null;
  }
  return elaborateValue(e, { ...cx, scope: withWords(words, cx) }, what);
}

// Names that can only be words of the argument: alternatives of a choice or branches of an `if`.
function bareWords(e: Expr): readonly { readonly name: string; readonly start: number; readonly end: number }[] {
  if (e.kind === 'name') return [e];
  if (e.kind === 'choice') return e.alternatives.flatMap((a) => bareWords(a.value));
  return e.kind === 'if' ? [...bareWords(e.then), ...bareWords(e.otherwise)] : [];
}

function isKnown(name: string, cx: Context): boolean {
  for (let s: Context['scope'] | null = cx.scope; s; s = s.parent) {
    const entity = s.names.get(name);
    if (entity) return entity.kind !== 'layer' && entity.kind !== 'setting' && entity.kind !== 'builtin';
  }
  return false;
}

function withWords(words: readonly string[], cx: Context): Context['scope'] {
  const scope = newScope(cx.scope, true);
  for (const word of words) {
    const entity: Entity = { kind: 'word', name: word, at: null, used: true };
    scope.names.set(word, entity);
  }
  return scope;
}
