import { Unfit } from '../base/unfit.ts';
import type { Evaluator } from './evaluator.ts';
import type { Frame } from './frame.ts';
import { judge } from './requirement.ts';
import type { TermValue } from './requirement.ts';
import { idOf, infoOf } from './scope.ts';
import type { RequireExpr, RequireTerm, Requirement } from './require-expr.ts';
import type { Entry, Table } from './table.ts';
import { termIn } from './verdict.ts';

/**
 * Where values of `let`s were read together: cuts each entry into boxes, products of sets of values, on which no requirement tells members apart, and leaves out those that
 * fail. A requirement may speak of two such lets, each of its terms of one; else they are told apart.
 */
export function cutBoxes(ev: Evaluator, requirements: readonly Requirement[], frame: Frame, table: Table): Table {
  const cutter: Cutter = { ev, frame, uses: usesIn(requirements, frame), known: new Map() };
  const most = (r: Requirement): number =>
    Math.max(0, ...termsOf(r.expr).flatMap((t) => slotsOf(t, frame).map((s) => cutter.uses.get(s)!)));
  return [...requirements]
    .sort((a, b) => most(b) - most(a))
    .reduce<Table>((all, r) => all.flatMap((entry) => cut(cutter, r.expr, entry)), table);
}

interface Cutter {
  readonly ev: Evaluator;
  readonly frame: Frame;
  /** How many requirements speak of a slot. */
  readonly uses: ReadonlyMap<number, number>;
  /** Values of slots whose terms read no other, by requirement, slot and value. */
  readonly known: Map<string, Single>;
}

function usesIn(requirements: readonly Requirement[], frame: Frame): ReadonlyMap<number, number> {
  const uses = new Map<number, number>();
  for (const r of requirements) {
    for (const slot of new Set(termsOf(r.expr).flatMap((t) => slotsOf(t, frame))))
      uses.set(slot, (uses.get(slot) ?? 0) + 1);
  }
  return uses;
}

function termsOf(e: RequireExpr): readonly RequireTerm[] {
  switch (e.kind) {
    case 'compare':
      return [e.left, e.right];
    case 'within':
      return [e.term, e.low, e.high];
    case 'and':
    case 'or':
      return [...termsOf(e.left), ...termsOf(e.right)];
    case 'not':
      return termsOf(e.operand);
  }
}

const slotsOf = (t: RequireTerm, frame: Frame): readonly number[] =>
  t.kind === 'measure' ? [] : [...infoOf(t.expr, frame.env).slots];

type Terms = ReadonlyMap<RequireTerm, TermValue>;

/** What terms are for one value, as they are compared too; null: one does not fit. */
type Single = { readonly key: string; readonly terms: Terms } | null;

/** Values of one slot that are alike to a requirement, and what its terms are for them. */
interface Row {
  readonly values: readonly number[];
  readonly terms: Terms;
}

const PAIRS_A_STEP = 32;

function cut(cutter: Cutter, e: RequireExpr, entry: Entry): Table {
  const { ev, frame, uses } = cutter;
  const terms = termsOf(e);
  const open = new Map(terms.map((t) => [t, slotsOf(t, frame).filter((slot) => isOpen(ev, entry, slot))]));
  // The let that most requirements speak of is told apart by the first of them: no other cuts it again.
  const slots = [...new Set([...open.values()].flat())].sort((a, b) => uses.get(b)! - uses.get(a)! || a - b);
  const [first, second = null] = slots;
  if (first === undefined) return [entry];
  const waits = terms.some((t) => slotsOf(t, frame).some((s) => isReadLater(ev, frame, entry, s)));
  if (slots.length > 2 || waits || [...open.values()].some((s) => s.length > 1)) ev.tellApart(slots);
  const settled = termsIn(
    ev,
    frame,
    entry,
    terms.filter((t) => open.get(t)!.length === 0),
  );
  if (!settled) return [];
  const rows = (slot: number): readonly Row[] =>
    rowsOf(
      cutter,
      e,
      entry,
      slot,
      terms.filter((t) => open.get(t)!.includes(slot)),
    );
  const columns = second === null ? [{ values: [], terms: new Map() }] : rows(second);
  const boxes = new Map<string, { firsts: number[]; seconds: readonly number[] }>();
  const lines = rows(first);
  ev.tables.spend(1 + Math.ceil((lines.length * columns.length) / PAIRS_A_STEP));
  for (const row of lines) {
    const fit = columns.filter((column) => fits(e, [row.terms, column.terms, settled]));
    if (fit.length === 0) continue;
    const seconds = fit.flatMap((c) => c.values);
    const key = seconds.join();
    const box = boxes.get(key);
    if (box) box.firsts.push(...row.values);
    else boxes.set(key, { firsts: [...row.values], seconds });
  }
  return [...boxes.values()].map(({ firsts, seconds }) => {
    const box = withValues(ev, entry, first, firsts);
    return second === null ? box : withValues(ev, box, second, seconds);
  });
}

// Whether a slot is read only where what the entry reads is decided.
const isReadLater = (ev: Evaluator, frame: Frame, entry: Entry, slot: number): boolean =>
  ev.tables.reads.get(entry.reads, slot) === undefined &&
  frame.slots.some((s) => entry.reads.slots.includes(s.id) && infoOf(s.expr, s.env).slots.has(slot));

// Whether several values of a slot were read together.
function isOpen(ev: Evaluator, entry: Entry, slot: number): boolean {
  const { reads } = ev.tables;
  const read = reads.get(entry.reads, slot);
  return read !== undefined && reads.isJoined(slot) && reads.valuesIn(slot, read).length > 1;
}

// With fewer values of a slot.
function withValues(ev: Evaluator, entry: Entry, slot: number, values: readonly number[]): Entry {
  const { reads } = ev.tables;
  const others = reads.without(entry.reads, new Set([slot]));
  return { ...entry, reads: reads.merge(others, reads.values(slot, values))! };
}

function fits(e: RequireExpr, found: readonly Terms[]): boolean {
  try {
    return judge(e, (t) => found.find((terms) => terms.has(t))!.get(t)!) !== 'no';
  } catch (error) {
    if (error instanceof Unfit) return false;
    throw error;
  }
}

// What terms are in an entry; null where one of them does not fit.
function termsIn(ev: Evaluator, frame: Frame, entry: Entry, terms: readonly RequireTerm[]): Terms | null {
  try {
    return new Map(terms.map((t) => [t, termIn(ev, frame, entry, t)]));
  } catch (error) {
    if (error instanceof Unfit) return null;
    throw error;
  }
}

function rowsOf(
  cutter: Cutter,
  e: RequireExpr,
  entry: Entry,
  slot: number,
  terms: readonly RequireTerm[],
): readonly Row[] {
  const { ev, frame, known } = cutter;
  const { reads } = ev.tables;
  const rows = new Map<string, { values: number[]; terms: Terms }>();
  // What others have makes no difference to terms that read this slot alone.
  const isAlone = terms.every((t) =>
    slotsOf(t, frame).every((s) => s === slot || reads.get(entry.reads, s) === undefined),
  );
  for (const value of reads.valuesIn(slot, reads.get(entry.reads, slot)!)) {
    const place = `${idOf(e)},${slot},${value}`;
    let single = isAlone ? known.get(place) : undefined;
    if (single === undefined) {
      ev.tables.spend(terms.length);
      const found = termsIn(ev, frame, withValues(ev, entry, slot, [value]), terms);
      single = found && { key: JSON.stringify([...found.values()]), terms: found };
      if (isAlone) known.set(place, single);
    }
    if (!single) continue;
    const row = rows.get(single.key);
    if (row) row.values.push(value);
    else rows.set(single.key, { values: [value], terms: single.terms });
  }
  return [...rows.values()];
}
