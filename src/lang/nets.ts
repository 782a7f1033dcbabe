import type { Alternative, NetExpr, TensorExpr, ValueExpr } from '../space/expr.ts';
import type {
  Alternative as AlternativeSyntax,
  ChainExpr,
  ChoiceExpr,
  EachExpr,
  Expr,
  IfExpr,
  ListExpr,
  OptionalExpr,
  OrderExpr,
  RepeatExpr,
  Spanned,
} from '../../grammar/syntax.ts';
import { inner, kindClash, labelled, netSite, report, spanOf, textOf, valueSite, want } from './context.ts';
import { constantNumber, elaborateValue } from './values.ts';
import { lookup } from './scope.ts';
import { isNamedUse, scoped } from './scoped.ts';
import type { Context, Meaning } from './model.ts';
import { ERROR, KIND_WORDS } from './model.ts';

type Known = Exclude<Meaning, { kind: 'error' }>;

/** Elaborates expressions that must be of one kind; the first of a known kind says which. Null after a report. */
function alike(items: readonly Expr[], cx: Context, forWhat: string, hint = ''): readonly Known[] | null {
  const meanings = items.map((item) => cx.checker.elaborate(item, cx));
  const first = meanings.findIndex((m) => m.kind !== 'error');
  let fine = first >= 0;
  meanings.forEach((m, i) => {
    const lead = meanings[first];
    if (m.kind === 'error') fine = false;
    else if (lead && lead.kind !== 'error' && m.kind !== lead.kind) {
      fine = false;
      kindClash(cx, items[i]!, lead.kind, m.kind, forWhat, {
        notes: [{ span: spanOf(cx, items[first]!), message: `this one is ${KIND_WORDS[lead.kind]}` }],
        hint: lead.kind === 'tensor' && m.kind === 'net' ? hint : '',
      });
    }
  });
  return fine ? (meanings as Known[]) : null;
}

// ---- choice ---------------------------------------------------------------------------------------------------------

export function choice(e: ChoiceExpr, cx: Context): Meaning {
  const weights = e.alternatives.map((a) => weightOf(a, cx));
  const only = e.alternatives[0]!;
  if (e.alternatives.length === 1) return cx.checker.elaborate(only.value, inner(cx));
  const kind = cx.checker.kindOf(e, cx.scope);
  const site = kind === 'value' || kind === 'weight' ? valueSite(cx, e) : netSite(cx, e, 'choice');
  const meanings = alike(
    e.alternatives.map((a) => a.value),
    inner(cx),
    'each alternative of this choice',
    chainHint(e, cx),
  );
  if (!meanings) return ERROR;
  warnEqual(e, cx);
  const alternatives = meanings.map((m, i): Alternative<unknown> => ({
    expr: m.expr,
    weight: weights[i]!,
    text: textOf(cx, e.alternatives[i]!.value),
  }));
  // All alternatives are of the one kind.
  return { kind: meanings[0]!.kind, expr: { kind: 'choice', site, alternatives, span: spanOf(cx, e) } } as Meaning;
}

// `x -> dense(64) -> relu | id` chooses between all of the chain and `id`.
function chainHint(e: ChoiceExpr, cx: Context): string {
  const [first, ...rest] = e.alternatives.map((a) => a.value);
  if (first?.kind !== 'chain' || first.parens) return '';
  const last = first.steps.at(-1)!;
  const lead = textOf(cx, { start: first.start, end: last.start });
  const choices = [last, ...rest].map((a) => textOf(cx, a)).join(' | ');
  return `\`|\` is looser than \`->\`: did you mean \`${lead} (${choices})\`?`;
}

function weightOf(a: AlternativeSyntax, cx: Context): number {
  if (!a.weight) return 1;
  if (a.value.kind === 'chain' && !a.value.parens) {
    report(cx, 'E407', a.weight, 'this weight holds for the whole chain before it', {
      severity: 'warning',
      hint: `write \`(${textOf(cx, a.value)}) @${textOf(cx, a.weight)}\` if that is meant`,
    });
  }
  const expr = elaborateValue(
    a.weight,
    { ...inner(cx), label: { label: 'weight', sites: [] } },
    'the weight of an alternative',
  );
  if (!expr) return 1;
  const weight = constantNumber(expr);
  if (weight !== null && weight > 0 && Number.isFinite(weight)) return weight;
  report(cx, 'E405', a.weight, 'the weight of an alternative must be a number above 0', {
    expected: 'a number above 0, nothing open in it',
    found: textOf(cx, a.weight),
  });
  return 1;
}

function warnEqual(e: ChoiceExpr, cx: Context): void {
  const seen = new Map<string, Spanned>();
  for (const a of e.alternatives) {
    const text = textOf(cx, a.value);
    const before = seen.get(text);
    if (before) {
      report(cx, 'E404', a, `this alternative stands twice: equal ones count apart and bias sampling`, {
        severity: 'warning',
        notes: [{ span: spanOf(cx, before), message: 'the first one' }],
        hint: `\`${text} @2\` says that it shall be twice as likely`,
      });
    } else seen.set(text, a);
  }
}

// ---- flow -----------------------------------------------------------------------------------------------------------

export function chain(e: ChainExpr, cx: Context): Meaning {
  const at = inner(cx);
  const first = e.steps[0]!;
  const placed = placeProjects(e, cx);
  const meanings = e.steps.map((step) => cx.checker.elaborate(step, at));
  const head = meanings[0]!;
  const nets = meanings
    .slice(1)
    .map((m, i) => want(cx, m, 'net', e.steps[i + 1]!, 'what stands after `->`', hintForStep(m)));
  if (head.kind === 'error' || nets.some((n) => n === null)) return ERROR;
  const items = nets as NetExpr[];
  if (head.kind === 'tensor') {
    const branched = placed && first.kind === 'list' ? projected(head.expr, first, cx) : head.expr;
    if (!branched) return ERROR;
    const net: NetExpr =
      items.length === 1
        ? items[0]!
        : { kind: 'seq', items, span: spanOf(cx, { start: e.steps[1]!.start, end: e.end }) };
    return { kind: 'tensor', expr: { kind: 'apply', net, input: branched, span: spanOf(cx, e) } };
  }
  const lead = want(cx, head, 'net', first, 'what stands before `->`', {
    expected: 'a tensor or a network',
    hint: head.kind === 'value' ? 'data flows from a tensor: `x -> dense(10)`' : '',
  });
  return lead ? { kind: 'net', expr: { kind: 'seq', items: [lead, ...items], span: spanOf(cx, e) } } : ERROR;
}

const hintForStep = (m: Meaning): { hint: string } => ({
  hint: m.kind === 'tensor' ? 'a tensor can only stand first; lists of tensors join by `[a, b] -> add`' : '',
});

// Bare `project` may stand last in a branch of a list that enters `add`. Whether one does in the first list of the chain.
function placeProjects(e: ChainExpr, cx: Context): boolean {
  let first = false;
  e.steps.forEach((step, i) => {
    const following = e.steps[i + 1];
    if (step.kind !== 'list' || following?.kind !== 'name') return;
    const entity = lookup(cx.scope, following.name);
    if (entity?.kind !== 'layer' || entity.layer.name !== 'add') return;
    for (const branch of step.items) {
      const last = branch.kind === 'chain' ? branch.steps.at(-1)! : branch;
      cx.checker.placedProjects.add(bare(last));
      if (i === 0 && isProject(bare(last), cx)) first = true;
    }
  });
  return first;
}

function isProject(e: Expr, cx: Context): boolean {
  const entity = e.kind === 'name' ? lookup(cx.scope, e.name) : null;
  return entity?.kind === 'builtin' && entity.builtin === 'project';
}

// `[x -> project, x -> f] -> add` is `x -> [project, f] -> add`: branches of one tensor.
function projected(e: TensorExpr, at: ListExpr, cx: Context): TensorExpr | null {
  const branches = e.kind === 'list' ? e.items.map(branchOf) : [];
  const [lead] = branches;
  if (lead && branches.every((b) => b?.from === lead.from)) {
    const items = branches.map((b): NetExpr =>
      b!.nets.length === 1 ? b!.nets[0]! : { kind: 'seq', items: b!.nets, span: b!.span },
    );
    return { kind: 'apply', net: { kind: 'branches', items, span: e.span }, input: lead.input, span: e.span };
  }
  report(cx, 'E208', at, 'branches with bare `project` must all begin with the same tensor', {
    expected: '`x -> [project, f] -> add`, or `[x -> project, x -> f] -> add`',
    found: textOf(cx, at),
    hint: '`project(64)` names the width itself',
  });
  return null;
}

interface Branch {
  readonly from: object;
  readonly input: TensorExpr;
  readonly nets: readonly NetExpr[];
  readonly span: TensorExpr['span'];
}

/** A tensor as a wire or input and the networks that it flows through; null where it is made otherwise. */
function branchOf(e: TensorExpr): Branch | null {
  if (e.kind === 'wire') return { from: e.binding, input: e, nets: [], span: e.span };
  const before = e.kind === 'apply' ? branchOf(e.input) : null;
  if (e.kind !== 'apply' || !before) return null;
  const nets = e.net.kind === 'seq' ? e.net.items : [e.net];
  return { ...before, nets: [...before.nets, ...nets], span: e.span };
}

// `project as name[1]` is bare too.
function bare(e: Expr): Expr {
  return e.kind === 'labelled' || e.kind === 'index' ? bare(e.value) : e;
}

export function order(e: OrderExpr, cx: Context): Meaning {
  return orderOf(e.items, e, cx, 'what stands beside `<>`');
}

const MAX_ORDER = 12;

export function orderOf(items: readonly Expr[], at: Spanned, cx: Context, forWhat: string): Meaning {
  if (items.length > MAX_ORDER) {
    report(cx, 'E202', at, `an order of ${items.length} networks is too long`, {
      expected: `at most ${MAX_ORDER} networks`,
      found: String(items.length),
    });
    return ERROR;
  }
  const site = netSite(cx, at, 'order');
  const nets = items.map((item) => want(cx, cx.checker.elaborate(item, inner(cx)), 'net', item, forWhat));
  if (nets.some((n) => n === null)) return ERROR;
  return { kind: 'net', expr: { kind: 'perm', site, items: nets as NetExpr[], span: spanOf(cx, at) } };
}

export function list(e: ListExpr, cx: Context): Meaning {
  if (e.items.length === 0) {
    report(cx, 'E201', e, 'this list is empty', { expected: 'branches, tensors or values', found: '[]' });
    return ERROR;
  }
  const items = alike(e.items, inner(cx), 'each item of this list');
  if (!items) return ERROR;
  const at = spanOf(cx, e);
  const first = items[0]!;
  if (first.kind === 'value')
    return { kind: 'value', expr: { kind: 'list', items: items.map((m) => m.expr) as ValueExpr[], span: at } };
  if (first.kind === 'net')
    return { kind: 'net', expr: { kind: 'branches', items: items.map((m) => m.expr) as NetExpr[], span: at } };
  if (first.kind === 'tensor')
    return { kind: 'tensor', expr: { kind: 'list', items: items.map((m) => m.expr) as TensorExpr[], span: at } };
  kindClash(cx, e.items[0]!, 'net', first.kind, 'an item of a list');
  return ERROR;
}

export function each(e: EachExpr, cx: Context): Meaning {
  const body = repeated(e.value, cx, 'element', 'what stands after `each`');
  return body ? { kind: 'net', expr: { kind: 'each', body, span: spanOf(cx, e) } } : ERROR;
}

/** A network that is used several times: one named use, or several in a scope with the name `label`. */
export function repeated(e: Expr, cx: Context, label: string, forWhat: string): NetExpr | null {
  const net = (at: Context): NetExpr | null => want(at, at.checker.elaborate(e, at), 'net', e, forWhat);
  const outside = { ...cx, own: null };
  return isNamedUse(e, cx.scope) ? net(outside) : scoped(outside, e, label, net);
}

export function optional(e: OptionalExpr, cx: Context): Meaning {
  const span = spanOf(cx, e);
  const site = { id: cx.checker.nextSite(), label: 'present', use: null, span };
  const body = repeated(e.value, cx, 'repeat', 'what stands before `?`');
  if (!body) return ERROR;
  const alternatives = [0, 1].map((value): Alternative<ValueExpr> => ({
    expr: { kind: 'const', value, span },
    weight: 1,
    text: String(value),
  }));
  const times: ValueExpr = { kind: 'choice', site, alternatives, span };
  return { kind: 'net', expr: { kind: 'repeat', body, times, tied: false, optional: true, span } };
}

export function repeat(e: RepeatExpr, cx: Context): Meaning {
  const body = repeated(e.value, cx, 'repeat', 'what stands before `{…}`');
  const times = labelled(cx, 'repeat', (at) => elaborateValue(e.times, at, 'how often a network is repeated'));
  if (!body || !times) return ERROR;
  return { kind: 'net', expr: { kind: 'repeat', body, times, tied: e.tied, optional: false, span: spanOf(cx, e) } };
}

export function conditional(e: IfExpr, cx: Context): Meaning {
  const at = inner(cx);
  if (looseTest(e.test, cx)) return ERROR;
  const test = elaborateValue(e.test, at, 'the test of `if`');
  const branches = alike([e.then, e.otherwise], at, 'each branch of this `if`');
  if (!test || !branches) return ERROR;
  const [then, otherwise] = branches as [Known, Known];
  if (then.kind === 'setting') {
    kindClash(cx, e.then, 'net', 'setting', 'a branch of `if`');
    return ERROR;
  }
  return {
    kind: then.kind,
    expr: { kind: 'if', test, then: then.expr, else: otherwise.expr, span: spanOf(cx, e) },
  } as Meaning;
}

// `w in 1 | 2` chooses between `w in 1` and 2.
function looseTest(e: Expr, cx: Context): boolean {
  const [first, ...rest] = e.kind === 'choice' ? e.alternatives.map((a) => a.value) : [];
  if (first?.kind !== 'binary' || first.parens || (first.operator !== 'in' && first.operator !== '==')) return false;
  if (!rest.every((a) => a.kind === 'number' || a.kind === 'text' || a.kind === 'range')) return false;
  const options = [first.right, ...rest].map((a) => textOf(cx, a)).join(' | ');
  report(cx, 'E201', e, 'the test of `if` must be true or false', {
    expected: 'a comparison such as `w >= 64`',
    found: textOf(cx, e),
    hint: `alternatives after \`in\` stand in parentheses: \`${textOf(cx, first.left)} in (${options})\``,
  });
  return true;
}
