import { Unfit } from '../base/unfit.ts';
import { applyLayer, orBroken } from './apply-layer.ts';
import { evaluateCall } from './call.ts';
import { choiceOptions, orderOptions, siteSuffix } from './decisions.ts';
import { underVia } from './evaluate-via.ts';
import { fitting, withValue, withValues } from './evaluate-value.ts';
import { withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame } from './frame.ts';
import { argsOf } from './given.ts';
import { isNamed, named, useSegment } from './naming.ts';
import type { NamedNet } from './naming.ts';
import { copiesOf, readOnce, tiedRepeat } from './once.ts';
import { cellOf, lookup, unowned } from './scope.ts';
import type { LayerExpr, NetExpr, RepeatExpr, ValueExpr } from './expr.ts';
import { bind, byReads, placed, product, tableMaker, unitEntry } from './table.ts';
import type { Entry, Table } from './table.ts';
import type { Wide } from './types.ts';
import { madeOf, truthOf } from './values.ts';
import { shapeOf } from './widths.ts';
import type { Datum } from './values.ts';

export const useLanes = (ctx: Context): number => (ctx.mode === 'plain' ? 0 : ctx.lanes);
export const start = (ev: Evaluator, flows: readonly number[], ctx: Context): Table => [
  unitEntry(ev.tables, flows, useLanes(ctx)),
];

export function evaluateNet(ev: Evaluator, e: NetExpr, inputs: readonly number[], ctx: Context): Table {
  if (isNamed(e)) return placedUse(ev, e, inputs, ctx);
  switch (e.kind) {
    case 'seq':
      return sequence(ev, e.items, inputs, ctx);
    case 'choice': {
      const options = choiceOptions(e.alternatives);
      return union(
        ev,
        e.alternatives.map((a, i) => ({
          node: ev.tables.nodes.lit(e.site, siteSuffix(e.site, ctx.env.own), options[i]!.value, options[i]!.share),
          table: () => ev.net(a.expr, inputs, ctx),
        })),
      );
    }
    case 'perm': {
      const suffix = siteSuffix(e.site, ctx.env.own);
      return union(
        ev,
        orderOptions(e.items.length).map((o) => ({
          node: ev.tables.nodes.lit(e.site, suffix, o.value, o.share),
          table: () =>
            sequence(
              ev,
              (o.value as readonly number[]).map((i) => e.items[i]!),
              inputs,
              ctx,
            ),
        })),
      );
    }
    case 'repeat':
      return e.tied ? tiedRepeat(ev, e, inputs, ctx) : repeat(ev, e, inputs, ctx);
    case 'branches':
      return branches(ev, e.items, inputs, ctx);
    case 'each':
      return each(ev, named(e.body), inputs, ctx);
    case 'fan':
      return fan(ev, named(e.body), e.times, inputs, ctx);
    case 'if':
      return withValue(ev, e.test, ctx, (v, after) => ev.net(truthOf(v) ? e.then : e.else, inputs, after));
    case 'via':
      return withValue(ev, e.weight, ctx, (v, after) =>
        underVia(ev, e, madeOf(v), inputs, after, (ins, at) => ev.net(e.body, ins, at)),
      );
    case 'let': {
      const frame = openFrame(ev, ctx, e.bindings, [e.body]);
      return closeFrame(ev, frame, ev.net(e.body, inputs, { ...ctx, env: frame.env }));
    }
  }
}

// The decisions of once-decided networks stand at their definition, not at their uses.
function placedUse(ev: Evaluator, e: NamedNet, inputs: readonly number[], ctx: Context): Table {
  const table = ev.bare(e, inputs, ctx);
  return e.kind === 'once' || e.kind === 'shared' ? table : placed(ev.tables, useSegment(e.name), table);
}

export function evaluateBare(ev: Evaluator, e: NamedNet, inputs: readonly number[], ctx: Context): Table {
  switch (e.kind) {
    case 'layer':
      return layer(ev, e, inputs, ctx);
    case 'ref': {
      const cell = cellOf(ctx.env, e.binding, 'closure');
      return ev.net(cell.expr, inputs, { ...ctx, env: cell.env });
    }
    case 'once':
    case 'shared': {
      const cell = lookup(ctx.env, e.binding);
      if (cell.kind !== 'slot' || (cell.what !== 'net' && cell.what !== 'shared'))
        throw new Error(`bug: '${e.binding.name}' is not a network`);
      return readOnce(ev, cell, inputs, ctx);
    }
    case 'call':
      return evaluateCall(ev, e, inputs, ctx);
    case 'project':
      throw new Unfit('`project` stands last in a branch of a list that enters `add`');
  }
}

/** A layer's arguments, then the layer. */
export function layer(ev: Evaluator, e: LayerExpr, inputs: readonly number[], ctx: Context): Table {
  const inner = { ...ctx, env: unowned(ctx.env) };
  const isPlain = !e.via && inputs.every((flow) => ev.flows.viaOf(flow) === 0);
  const out = e.layer.widths && isPlain ? e.args.find((a) => a.name === 'out') : undefined;
  const pieces = out ? ev.wide(out.value, inner) : null;
  const of = (wide: Wide | null): Table => {
    const exprs = e.args.map((a) => (wide && a === out ? null : a.value));
    return withValues(ev, [...exprs, ...(e.via ? [e.via] : [])], inner, (values) => {
      const given = new Map<string, Datum>(e.args.map((a, i) => [a.name, values[i] ?? wide!.values[0]!]));
      const apply = (ins: readonly number[], at: Context): Table =>
        orBroken(ev, e, ins, at, () => applyLayer(ev, e, e.layer, argsOf(e.layer, given), ins, at, wide));
      return e.via ? underVia(ev, e, madeOf(values.at(-1)!), inputs, ctx, apply) : apply(inputs, ctx);
    });
  };
  if (!pieces) return of(null);
  return pieces.flatMap(({ wide, entry }) => of(wide).flatMap((found) => product(ev.tables, entry, found) ?? []));
}

function sequence(ev: Evaluator, items: readonly NetExpr[], inputs: readonly number[], ctx: Context): Table {
  let table = start(ev, inputs, ctx);
  for (const item of items) {
    if (table.length === 0) break;
    table = bind(ev.tables, table, (entry) => ev.net(item, entry.out, withKnown(ev, ctx, entry.reads)));
  }
  return table;
}

function union(ev: Evaluator, ways: readonly { readonly node: Entry['node']; readonly table: () => Table }[]): Table {
  const made = tableMaker(ev.tables);
  for (const way of ways) {
    for (const found of fitting(way.table)) made.add({ ...found, node: ev.tables.nodes.and(way.node, found.node) });
  }
  return made.done();
}

/** `A?` has at most one copy, which keeps the name of the use. */
export const copySegment = (e: RepeatExpr, copy: number): string => {
  const base = useSegment(named(e.body).name);
  return e.optional ? base : `${base}[${copy}]`;
};

const BROKEN = -1;
const brokenRepeats = new WeakMap<Evaluator, Map<RepeatExpr, number>>();

// For analyses, a number of copies that does not fit is BROKEN.
function copiesOrBroken(ev: Evaluator, e: RepeatExpr, times: Datum): number {
  try {
    return copiesOf(times);
  } catch (error) {
    const flow = error instanceof Unfit ? ev.broken(e, error) : null;
    if (flow === null) throw error;
    const flows = brokenRepeats.get(ev) ?? new Map<RepeatExpr, number>();
    brokenRepeats.set(ev, flows.set(e, flow));
    return BROKEN;
  }
}

function repeat(ev: Evaluator, e: RepeatExpr, inputs: readonly number[], ctx: Context): Table {
  const { tables } = ev;
  const body = named(e.body);
  const made = tableMaker(tables);
  const times = withValues(ev, [e.times], { ...ctx, env: unowned(ctx.env) }, ([n]) => [
    unitEntry(tables, [ev.data.id(copiesOrBroken(ev, e, n!))], 0),
  ]);
  for (const [reads, group] of byReads(placed(tables, useSegment(body.name), times))) {
    const inner = withKnown(ev, ctx, reads);
    const most = Math.max(...group.map((t) => ev.data.get(t.out[0]!) as number));
    for (const t of group) {
      const flow = ev.data.get(t.out[0]!) === BROKEN ? brokenRepeats.get(ev)?.get(e) : undefined;
      if (flow === undefined) continue;
      const lost = start(
        ev,
        inputs.map(() => flow),
        ctx,
      );
      made.add(product(tables, t, lost[0]!)!);
    }
    let table = start(ev, inputs, ctx);
    for (let copy = 0; ; copy++) {
      for (const t of group) {
        if (ev.data.get(t.out[0]!) !== copy) continue;
        for (const after of table) {
          const both = product(tables, t, after);
          if (both) made.add(both);
        }
      }
      if (copy >= most || table.length === 0) break;
      const segment = copySegment(e, copy);
      table = bind(tables, table, (entry) =>
        placed(tables, segment, ev.bare(body, entry.out, withKnown(ev, inner, entry.reads))),
      );
    }
  }
  return made.done();
}

/** Appends to the list in each lane of `entry.out` what a network makes of `inputs`. */
function append(ev: Evaluator, table: Table, ctx: Context, next: (entry: Entry, ctx: Context) => Table): Table {
  return bind(ev.tables, table, (entry) =>
    fitting(() =>
      next(entry, withKnown(ev, ctx, entry.reads)).map((found) => ({
        ...found,
        out: found.out.map((flow, lane) => ev.flows.list([...itemsOf(ev, entry.out[lane]!), flow])),
      })),
    ),
  );
}

function itemsOf(ev: Evaluator, flow: number): readonly number[] {
  const list = ev.flows.get(flow);
  if (list.kind !== 'list') throw new Unfit('a list of tensors is needed', 'a list', 'one tensor');
  return list.items;
}

export const emptyLists = (ev: Evaluator, ctx: Context, lanes: number): Table =>
  start(
    ev,
    Array.from({ length: lanes }, () => ev.flows.list([])),
    ctx,
  );

type Project = Extract<NetExpr, { kind: 'project' }>;
const prefixes = new WeakMap<NetExpr, NetExpr>();

/** A branch that ends in `project`: what stands before it. */
export function projectOf(item: NetExpr): { readonly project: Project; readonly before: NetExpr } | null {
  if (item.kind === 'project') return { project: item, before: emptySequence(item) };
  const last = item.kind === 'seq' ? item.items.at(-1) : undefined;
  if (item.kind !== 'seq' || last?.kind !== 'project') return null;
  return { project: last, before: emptySequence(item, item.items.slice(0, -1)) };
}

function emptySequence(item: NetExpr, items: readonly NetExpr[] = []): NetExpr {
  let before = prefixes.get(item);
  if (!before) prefixes.set(item, (before = { kind: 'seq', items, span: item.span }));
  return before;
}

// Branches that end in `project` come last: their target is the first of the others.
function branches(ev: Evaluator, items: readonly NetExpr[], inputs: readonly number[], ctx: Context): Table {
  const ends = items.map(projectOf);
  const order = [...items.keys()].sort((a, b) => Number(ends[a] !== null) - Number(ends[b] !== null) || a - b);
  let table = emptyLists(ev, ctx, inputs.length);
  for (const i of order) {
    const end = ends[i];
    table = append(ev, table, ctx, (entry, at) => {
      if (!end) return ev.net(items[i]!, inputs, at);
      const targets = entry.out.map((flow) => itemsOf(ev, flow)[0]);
      return bind(ev.tables, ev.net(end.before, inputs, at), (found) =>
        project(ev, end.project, found.out, targets, at),
      );
    });
  }
  const place = order.map((_, i) => order.indexOf(i));
  return table.map((e) => ({
    ...e,
    out: e.out.map((flow) => ev.flows.list(place.map((at) => itemsOf(ev, flow)[at]!))),
  }));
}

// Lanes that fit already pass as they are only together: weights must not depend on the lane.
function project(
  ev: Evaluator,
  e: Project,
  inputs: readonly number[],
  targets: readonly (number | undefined)[],
  ctx: Context,
): Table {
  const shapes = targets.map((t) => {
    const flow = t === undefined ? null : ev.flows.get(t);
    if (flow?.kind === 'tensor') return shapeOf(flow).slice(1);
    if (flow?.kind === 'broken') return null;
    throw new Unfit('`project` has nothing to project to', 'a branch without `project`', 'none');
  });
  const fits = inputs.every((input, lane) => {
    const flow = ev.flows.get(input);
    return shapes[lane] === null || (flow.kind === 'tensor' && shapeOf(flow).slice(1).join() === shapes[lane]!.join());
  });
  if (fits) return start(ev, inputs, ctx);
  const first = shapes[0] ?? [];
  if (!e.layer || shapes.some((s) => s?.join() !== first.join()))
    throw new Unfit('the shapes of the branches differ', first.join(' x '), 'another');
  return applyLayer(ev, e, e.layer, argsOf(e.layer, new Map([['to', first]])), inputs, ctx);
}

function each(ev: Evaluator, body: NamedNet, inputs: readonly number[], ctx: Context): Table {
  const lists = inputs.map((input) => itemsOf(ev, input));
  let table = emptyLists(ev, ctx, inputs.length);
  for (let i = 0; i < lists[0]!.length; i++) {
    const segment = `${useSegment(body.name)}[${i}]`;
    table = append(ev, table, ctx, (_, at) =>
      placed(
        ev.tables,
        segment,
        ev.bare(
          body,
          lists.map((l) => l[i]!),
          at,
        ),
      ),
    );
  }
  return table;
}

function fan(ev: Evaluator, body: NamedNet, times: ValueExpr, inputs: readonly number[], ctx: Context): Table {
  const base = useSegment(body.name);
  const counts = withValues(ev, [times], { ...ctx, env: unowned(ctx.env) }, ([n]) => [
    unitEntry(ev.tables, [ev.data.id(copiesOf(n!))], 0),
  ]);
  const made = tableMaker(ev.tables);
  for (const [reads, group] of byReads(placed(ev.tables, base, counts))) {
    const inner = withKnown(ev, ctx, reads);
    const most = Math.max(...group.map((t) => ev.data.get(t.out[0]!) as number));
    let table = emptyLists(ev, ctx, inputs.length);
    for (let copy = 0; ; copy++) {
      for (const t of group) {
        if (ev.data.get(t.out[0]!) !== copy) continue;
        for (const after of table) {
          const both = product(ev.tables, t, after);
          if (both) made.add(both);
        }
      }
      if (copy >= most || table.length === 0) break;
      const segment = `${base}[${copy}]`;
      table = append(ev, table, inner, (_, at) => placed(ev.tables, segment, ev.bare(body, inputs, at)));
    }
  }
  return made.done();
}
