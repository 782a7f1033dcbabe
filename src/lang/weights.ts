import { dirname, resolve } from 'node:path';
import { DataError } from '../data/error.ts';
import { tensorFile } from '../data/safetensors.ts';
import type { TensorFile } from '../ir/leaf.ts';
import { sum } from '../weights/sum.ts';
import type { WeightDef } from '../ir/weight.ts';
import type { Site, ValueExpr } from '../space/expr.ts';
import type { Argument, BinaryExpr, OptionalExpr, RepeatExpr, Spanned, ViaExpr } from '../../grammar/syntax.ts';
import { inner, labelled, next, quote, report, spanOf, textOf, useName, want } from './context.ts';
import type { Context, Meaning, Mutable, Numbers } from './model.ts';
import { ERROR } from './model.ts';
import { elaborateArgs } from './layer-calls.ts';
import { partsOf } from './parts.ts';
import { isNamedUse } from './scoped.ts';

/** `kron(4)`, `frozen("base.safetensors")`. Decisions of arguments are named `kron.n`. */
export function callWeight(def: WeightDef, args: readonly Argument[], at: Spanned, cx: Context): Meaning {
  const given = elaborateArgs(def, args, at, cx, (a) => `${def.name}.${a.name}`);
  if (!given) return ERROR;
  const weight = def.over ? readFor(def, given, at, cx) : def;
  if (!weight) return ERROR;
  return { kind: 'weight', expr: { kind: 'weight', weight, args: given, parts: [], span: spanOf(cx, at) } };
}

// The expression over the file that its first argument names.
function readFor(
  def: WeightDef,
  given: readonly { readonly name: string; readonly value: ValueExpr }[],
  at: Spanned,
  cx: Context,
): WeightDef | null {
  const name = given.find((a) => a.name === def.args[0]!.name)?.value;
  if (name?.kind !== 'const' || typeof name.value !== 'string') {
    report(cx, 'E206', at, `the file of \`${def.name}\` must be a plain text`, {
      expected: `${def.name}("file.safetensors")`,
      found: quote(cx, at).slice(1, -1),
    });
    return null;
  }
  const file = readFile(name.value, name.span, cx);
  return file && def.over!(file);
}

function readFile(name: string, at: Spanned, cx: Context): TensorFile | null {
  const path = resolve(dirname(cx.source.file), name);
  try {
    return tensorFile(path);
  } catch (e) {
    if (!(e instanceof DataError)) throw e;
    report(cx, 'E108', at, `"${name}" cannot be read: ${e.message.replace(`${path}: `, '')}`, {
      expected: 'a safetensors file, looked up beside the program',
      found: name,
    });
    return null;
  }
}

/** `w1 + w2`. */
export function addWeights(e: BinaryExpr, cx: Context): Meaning {
  const parts = [e.left, e.right].map((side) =>
    want(cx, cx.checker.elaborate(side, inner(cx)), 'weight', side, 'what is added to a weight'),
  );
  if (e.operator !== '+') {
    report(cx, 'E201', e, `weights are added; \`${e.operator}\` is for numbers`, {
      expected: '`w1 + w2`',
      found: textOf(cx, e),
    });
    return ERROR;
  }
  if (parts.some((p) => p === null)) return ERROR;
  const flat = (parts as ValueExpr[]).flatMap((p) => (p.kind === 'weight' && p.weight === sum ? p.parts : [p]));
  const whole = flat.find(mayBeWhole);
  if (whole) {
    report(cx, 'E201', whole.span, 'a vector that makes every parameter cannot be added to weights', {
      expected: 'a weight such as `tucker(8)`',
      found: 'subspace',
      hint: 'it stands alone: `(…) via subspace(750)`',
    });
    return ERROR;
  }
  return { kind: 'weight', expr: { kind: 'weight', weight: sum, args: [], parts: flat, span: spanOf(cx, e) } };
}

/** Whether it may be an expression that takes every parameter. */
export function mayBeWhole(e: ValueExpr): boolean {
  for (const part of partsOf<Partial<WeightDef>>(e)) if (part.kind === 'weight' && part.whole) return true;
  return false;
}

/** `A via w`: on one layer its own, on more a group. */
export function via(e: ViaExpr, cx: Context): Meaning {
  if (e.weight.kind === 'repeat' || e.weight.kind === 'optional') return repeatedWeight(e, e.weight, cx);
  const isNamed = isNamedUse(e.value, cx.scope);
  const m = cx.checker.elaborate(e.value, { ...inner(cx), name: isNamed ? cx.name : null });
  const weight = labelled(inner(cx), 'weight', (c) =>
    want(c, c.checker.elaborate(e.weight, c), 'weight', e.weight, 'what stands after `via`'),
  );
  const body = want(cx, m, 'net', e.value, 'what stands before `via`', {
    hint: m.kind === 'tensor' ? '`via` holds for the layer before it: `x -> conv(64) via kron(4)`' : '',
  });
  if (!weight || !body) return ERROR;
  const span = spanOf(cx, e);
  if (body.kind !== 'layer') {
    numberSites(weight, cx.numbers);
    const name = useName(isNamed ? inner(cx) : cx, 'group');
    return { kind: 'net', expr: { kind: 'via', weight, body, name, span } };
  }
  if (!body.layer.weighted) {
    report(cx, 'E209', e.value, `\`${body.layer.name}\` has no weights that \`via\` could make`, {
      expected: 'a layer with weights before `via`, or a network in parentheses',
      found: textOf(cx, e.value),
    });
    return ERROR;
  }
  numberSites(weight, null);
  return { kind: 'net', expr: body.via ? body : { ...body, via: weight, span } };
}

// `A via kron(4){3}`.
function repeatedWeight(e: ViaExpr, weight: RepeatExpr | OptionalExpr, cx: Context): Meaning {
  const made = textOf(cx, { start: e.start, end: weight.value.end });
  const times = textOf(cx, { start: weight.value.end, end: weight.end });
  report(cx, 'E201', weight, `\`${times}\` stands for the weight here, which cannot be repeated`, {
    expected: 'a weight after `via`',
    found: textOf(cx, weight),
    hint: `to repeat the network, write \`(${made})${times}\``,
  });
  return ERROR;
}

/** Numbers decisions of equal label: in the scope around (a group), or where there are several (a layer, a let). */
export function numberSites(weight: ValueExpr, numbers: Numbers | null): void {
  const sites = [...sitesOf(weight)] as Mutable<Site>[];
  const seen = new Map<string, number>();
  for (const site of sites) {
    const several = sites.filter((s) => s.label === site.label).length > 1;
    const nth = seen.get(site.label) ?? 0;
    seen.set(site.label, nth + 1);
    site.use = numbers ? next(numbers, site.label) : several ? nth : null;
  }
}

// In text order; those of names stand where the names are defined.
function* sitesOf(e: ValueExpr): Iterable<Site> {
  switch (e.kind) {
    case 'const':
    case 'ref':
      break;
    case 'choice':
      yield e.site;
      for (const a of e.alternatives) yield* sitesOf(a.expr);
      break;
    case 'range':
      yield e.site;
      for (const part of [e.low, e.high, e.step, e.prior]) if (part) yield* sitesOf(part);
      break;
    case 'unary':
      yield* sitesOf(e.operand);
      break;
    case 'binary':
      yield* sitesOf(e.left);
      yield* sitesOf(e.right);
      break;
    case 'if':
      for (const part of [e.test, e.then, e.else]) yield* sitesOf(part);
      break;
    case 'list':
      for (const item of e.items) yield* sitesOf(item);
      break;
    case 'let':
      yield* sitesOf(e.body);
      break;
    case 'weight':
      for (const a of e.args) yield* sitesOf(a.value);
      for (const part of e.parts) yield* sitesOf(part);
      break;
  }
}
