import { Unfit } from '../base/unfit.ts';
import type { Args, LayerDef } from '../ir/layer.ts';
import type { Cost } from './costs.ts';
import { valueContext } from './evaluator.ts';
import type { Context, Evaluator, WideValue } from './evaluator.ts';
import { layerCost, layerDepth } from './layer-cost.ts';
import type { LayerCost } from './layer-cost.ts';
import { idOf, lookup } from './scope.ts';
import type { ValueExpr } from './expr.ts';
import type { Entry, Table } from './table.ts';
import type { Flow, Wide } from './types.ts';

/**
 * Members that differ in widths alone are evaluated together as long as nothing tells those widths apart: every width of a dense layer or a convolution fits, and so it
 * does through what keeps it. What must know a width (`add`, heads, a requirement) asks for them apart, and all is evaluated anew.
 */

/** Widths that were evaluated together must be told apart. */
export class ToldApart extends Error {
  readonly exprs: readonly ValueExpr[];
  constructor(...wides: readonly (Pick<Wide, 'expr'> | null)[]) {
    super('bug: widths that must be told apart');
    this.exprs = wides.flatMap((w) => (w ? [w.expr] : []));
  }
}

/** Which expressions are told apart; null: all. So many values are worth it; few ones are told apart. */
export type Apart = {
  readonly exprs: ReadonlySet<ValueExpr>;
  readonly many: number;
  readonly pieces: number;
  /** Pieces of equal ratio, in which costs differ little; else of as many values. */
  readonly byRatio: boolean;
} | null;

export interface Widths {
  wide(ev: Evaluator, e: ValueExpr, ctx: Context): readonly WideValue[] | null;
  /** Throws. */
  tellApart(slots: Iterable<number>): never;
}

/** Finds the values of arguments together, where they may be. */
export function makeWidths(apart: Apart): Widths {
  // Arguments that read a slot's values together.
  const readers = new Map<number, Set<ValueExpr>>();
  const ids = new Map<string, number>();
  const known = new WeakMap<Table, readonly WideValue[] | null>();
  const join = (ev: Evaluator, e: ValueExpr, ctx: Context, table: Table): readonly WideValue[] | null => {
    const slot = e.kind === 'ref' ? slotOf(ev, e, ctx) : null;
    const { reads } = table[0]!;
    const rows = table.map((entry) => ({ entry, value: ev.data.get(entry.out[0]!) }));
    const isTogether = (entry: Entry): boolean => slot !== null || entry.reads === reads;
    if (rows.some(({ entry, value }) => !isTogether(entry) || !Number.isInteger(value) || Number(value) < 1))
      return null;
    if (slot !== null) readers.set(slot, (readers.get(slot) ?? new Set()).add(e));
    rows.sort((a, b) => Number(a.value) - Number(b.value));
    return cutInto(apart!, rows, (r) => Number(r.value)).map((piece): WideValue => {
      const values = piece.map((r) => Number(r.value));
      const key = `${idOf(e)}:${values.join()}`;
      const id = ids.get(key) ?? ids.size;
      ids.set(key, id);
      const node = slot === null ? ev.tables.nodes.or(piece.map((r) => r.entry.node)) : ev.tables.nodes.unit;
      const read = slot === null ? reads : ev.tables.reads.values(slot, outs(piece));
      const entry: Entry = { ...table[0]!, reads: read, node };
      return { wide: { id, values, expr: e }, entry };
    });
  };
  return {
    wide: (ev, e, ctx) => {
      if (!apart || ctx.mode !== 'plain' || e.kind === 'const' || apart.exprs.has(e)) return null;
      // Whatever is known: the pieces are the same wherever a wire is evaluated again.
      const table = ev.value(e, valueContext({ ...ctx, known: ev.tables.reads.none }));
      if (table.length < apart.many) return null;
      let found = known.get(table);
      if (found === undefined) known.set(table, (found = join(ev, e, ctx, table)));
      return found;
    },
    tellApart: (slots) => {
      throw new ToldApart(...[...slots].flatMap((s) => [...(readers.get(s) ?? [])]).map((expr) => ({ expr })));
    },
  };
}

function cutInto<T>({ pieces, byRatio }: NonNullable<Apart>, rows: readonly T[], valueOf: (row: T) => number): T[][] {
  const [first, last] = [valueOf(rows[0]!), valueOf(rows.at(-1)!)];
  const size = Math.ceil(rows.length / pieces);
  const ratio = Math.log(last / first) / pieces;
  const at = (row: T, i: number): number =>
    byRatio && ratio > 0
      ? Math.min(pieces - 1, Math.floor(Math.log(valueOf(row) / first) / ratio))
      : Math.floor(i / size);
  const out: T[][] = [];
  let before = -1;
  rows.forEach((row, i) => {
    const piece = at(row, i);
    if (piece !== before) out.push([]);
    before = piece;
    out.at(-1)!.push(row);
  });
  return out;
}

const outs = (rows: readonly { readonly entry: Entry }[]): readonly number[] => rows.map((r) => r.entry.out[0]!);

// The slot of a `let` whose values may be read together.
function slotOf(ev: Evaluator, e: Extract<ValueExpr, { kind: 'ref' }>, ctx: Context): number | null {
  const cell = lookup(ctx.env, e.binding);
  return cell.kind === 'slot' && ev.tables.reads.isJoined(cell.id) ? cell.id : null;
}

/** The shape of what has one. */
export function shapeOf(flow: Extract<Flow, { kind: 'tensor' }>): readonly number[] {
  if (flow.wide) throw new ToldApart(flow.wide);
  return flow.type.shape;
}

/** A layer on an input of any width, or with any `out`, or both. Throws Unfit and ToldApart. */
export function applyWide(
  ev: Evaluator,
  layer: LayerDef,
  args: Args,
  flow: Extract<Flow, { kind: 'tensor' }>,
  out: Wide | null,
): { readonly flow: number; readonly cost: Cost; readonly most: Cost } {
  const widths = layer.widths?.(args) ?? null;
  if (!widths || (out && widths === 'kept')) throw new ToldApart(out, flow.wide);
  const at = (end: 0 | -1): LayerCost => {
    const width = (w: Wide): number => w.values.at(end)!;
    const shape = flow.wide ? [...flow.type.shape.slice(0, -1), width(flow.wide)] : flow.type.shape;
    return layerCost(layer, out ? { ...args, out: width(out) } : args, [{ ...flow.type, shape }]);
  };
  const least = at(0);
  const most = widest(() => at(-1), out, flow.wide);
  if (layerDepth(layer, least) !== layerDepth(layer, most)) throw new ToldApart(out, flow.wide);
  const depth = ev.tracksDepth ? flow.depth + layerDepth(layer, least) : 0;
  return {
    flow: ev.flows.tensor(least.output, depth, widths === 'kept' ? flow.wide : out, flow.via),
    cost: ev.layerCostOf(least),
    most: ev.layerCostOf(most),
  };
}

// Sizes that no tensor may have do not fit, however narrow others are.
function widest(make: () => LayerCost, ...wides: readonly (Wide | null)[]): LayerCost {
  try {
    return make();
  } catch (e) {
    throw e instanceof Unfit ? new ToldApart(...wides) : e;
  }
}
