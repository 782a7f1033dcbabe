import { Unfit } from '../base/unfit.ts';
import { choiceOptions, isInterval, middle, rangeDomain, siteSuffix } from './decisions.ts';
import { valueContext, withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame } from './frame.ts';
import { weightOf } from './given.ts';
import { lookup } from './scope.ts';
import type { RangeExpr, ValueExpr, WeightExpr } from './expr.ts';
import { bind, product, tableMaker, unitEntry } from './table.ts';
import type { Entry, Table } from './table.ts';
import { applyBinary, applyUnary, numberOf, sameDatum, truthOf } from './values.ts';
import type { Datum } from './values.ts';

// A value that is decided or guessed takes about so many steps: it and what is read are interned.
const VALUE_STEPS = 3;

export const single = (ev: Evaluator, value: Datum): Table => [unitEntry(ev.tables, [ev.data.id(value)], 0)];

/** Members whose evaluation does not fit do not exist. */
export function fitting(make: () => Table): Table {
  try {
    return make();
  } catch (e) {
    if (e instanceof Unfit) return [];
    throw e;
  }
}

/** Evaluates a value, then what depends on it. */
export function withValue(
  ev: Evaluator,
  e: ValueExpr,
  ctx: Context,
  next: (value: Datum, ctx: Context) => Table,
): Table {
  return bind(ev.tables, ev.value(e, valueContext(ctx)), (entry) =>
    fitting(() => next(ev.data.get(entry.out[0]!), withKnown(ev, ctx, entry.reads))),
  );
}

/** Several values in order. */
export function withValues(
  ev: Evaluator,
  exprs: readonly (ValueExpr | null)[],
  ctx: Context,
  next: (values: readonly (Datum | null)[], ctx: Context) => Table,
): Table {
  // Each row is one entry with the values so far.
  let rows: { entry: Entry; values: (Datum | null)[] }[] = [{ entry: unitEntry(ev.tables, [], 0), values: [] }];
  for (const e of exprs) {
    if (!e) {
      for (const row of rows) row.values.push(null);
      continue;
    }
    if (e.kind === 'const') {
      for (const row of rows) row.values.push(e.value);
      continue;
    }
    const more: typeof rows = [];
    for (const row of rows) {
      for (const found of ev.value(e, valueContext(withKnown(ev, ctx, row.entry.reads)))) {
        const entry = product(ev.tables, row.entry, found);
        ev.tables.spend(1);
        if (entry) more.push({ entry, values: [...row.values, ev.data.get(found.out[0]!)] });
      }
    }
    rows = more;
  }
  if (
    rows.length === 1 &&
    rows[0]!.entry.node === ev.tables.nodes.unit &&
    rows[0]!.entry.reads === ev.tables.reads.none
  ) {
    return fitting(() => next(rows[0]!.values, ctx));
  }
  const made = tableMaker(ev.tables);
  for (const { entry, values } of rows) {
    for (const after of fitting(() => next(values, withKnown(ev, ctx, entry.reads)))) {
      const both = product(ev.tables, entry, after);
      if (both) made.add(both);
    }
  }
  return made.done();
}

export function evaluateValue(ev: Evaluator, e: ValueExpr, ctx: Context): Table {
  switch (e.kind) {
    case 'const':
      return single(ev, e.value);
    case 'choice':
      return choice(ev, e, ctx);
    case 'range':
      return range(ev, e, ctx);
    case 'unary':
      return withValue(ev, e.operand, ctx, (v) => single(ev, applyUnary(e.op, v)));
    case 'binary':
      return binary(ev, e, ctx);
    case 'if':
      return withValue(ev, e.test, ctx, (v, after) => ev.value(truthOf(v) ? e.then : e.else, after));
    case 'list':
      return withValues(ev, e.items, ctx, (values) => single(ev, values as readonly Datum[]));
    case 'weight':
      return weight(ev, e, ctx);
    case 'ref':
      return reference(ev, e, ctx);
    case 'let': {
      const frame = openFrame(ev, ctx, e.bindings, [e.body]);
      return closeFrame(ev, frame, ev.value(e.body, { ...ctx, env: frame.env }));
    }
  }
}

function choice(ev: Evaluator, e: Extract<ValueExpr, { kind: 'choice' }>, ctx: Context): Table {
  const made = tableMaker(ev.tables);
  const suffix = siteSuffix(e.site, ctx.env.own);
  choiceOptions(e.alternatives).forEach((option, i) => {
    const { nodes } = ev.tables;
    const lit = nodes.lit(e.site, suffix, option.value, option.share);
    for (const found of ev.value(e.alternatives[i]!.expr, ctx))
      made.add({ ...found, node: nodes.and(lit, found.node) });
  });
  return made.done();
}

function range(ev: Evaluator, e: RangeExpr, ctx: Context): Table {
  const suffix = siteSuffix(e.site, ctx.env.own);
  return withValues(ev, [e.low, e.high, e.step, e.prior], ctx, ([low, high, step, centre]) => {
    const number = (v: Datum | null | undefined): number | null => (v === null || v === undefined ? null : numberOf(v));
    const domain = rangeDomain(e, {
      low: number(low)!,
      high: number(high)!,
      step: number(step),
      centre: number(centre),
    });
    const entry = (value: number): Entry => unitEntry(ev.tables, [ev.data.id(value)], 0);
    const { nodes } = ev.tables;
    if (isInterval(domain)) return [{ ...entry(middle(domain)), node: nodes.open(e.site, suffix, domain) }];
    ev.tables.spend(VALUE_STEPS * domain.length);
    return domain.map((o) => ({ ...entry(o.value as number), node: nodes.lit(e.site, suffix, o.value, o.share) }));
  });
}

function binary(ev: Evaluator, e: Extract<ValueExpr, { kind: 'binary' }>, ctx: Context): Table {
  return withValue(ev, e.left, ctx, (left, after) => {
    if (e.op === 'and' && !truthOf(left)) return single(ev, false);
    if (e.op === 'or' && truthOf(left)) return single(ev, true);
    if (e.op === 'in' && (e.right.kind === 'choice' || e.right.kind === 'range'))
      return within(ev, left, e.right, after);
    return withValue(ev, e.right, after, (right) => single(ev, applyBinary(e.op, left, right)));
  });
}

// To the right of `in` a choice or a range is a set: nothing is decided.
function within(
  ev: Evaluator,
  left: Datum,
  set: Extract<ValueExpr, { kind: 'choice' | 'range' }>,
  ctx: Context,
): Table {
  if (set.kind === 'range') {
    return withValues(ev, [set.low, set.high], ctx, ([low, high]) => {
      const v = numberOf(left);
      const inside = v >= numberOf(low!) && v <= numberOf(high!);
      return single(ev, inside && (!set.whole || Number.isInteger(v)));
    });
  }
  return withValues(
    ev,
    set.alternatives.map((a) => a.expr),
    ctx,
    (values) =>
      single(
        ev,
        values.some((v) => sameDatum(left, v!)),
      ),
  );
}

function reference(ev: Evaluator, e: Extract<ValueExpr, { kind: 'ref' }>, ctx: Context): Table {
  const cell = lookup(ctx.env, e.binding);
  if (cell.kind === 'const') return [unitEntry(ev.tables, [cell.value], 0)];
  if (cell.kind !== 'slot' || cell.what !== 'value') throw new Error(`bug: '${e.binding.name}' is not a value`);
  const { reads } = ev.tables;
  const read = (value: number): Entry => ({
    ...unitEntry(ev.tables, [value], 0),
    reads: reads.values(cell.id, [value]),
  });
  const known = reads.get(ctx.known, cell.id);
  if (known !== undefined) return reads.valuesIn(cell.id, known).map(read);
  const values = new Set(ev.value(cell.expr, valueContext({ ...ctx, env: cell.env })).map((found) => found.out[0]!));
  ev.tables.spend(VALUE_STEPS * values.size);
  return [...values].map(read);
}

function weight(ev: Evaluator, e: WeightExpr, ctx: Context): Table {
  const values = [...e.args.map((a) => a.value), ...e.parts];
  return withValues(ev, values, ctx, (found) => single(ev, weightOf(e, found)));
}
