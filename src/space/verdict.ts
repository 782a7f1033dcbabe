import { Unfit } from '../base/unfit.ts';
import type { Evaluator } from './evaluator.ts';
import type { Frame } from './frame.ts';
import type { Reads } from './reads.ts';
import { judge } from './requirement.ts';
import type { TermValue, Verdict } from './requirement.ts';
import type { Env } from './scope.ts';
import type { ValueExpr } from './expr.ts';
import type { Requirement, RequireTerm } from './require-expr.ts';
import type { Entry } from './table.ts';

export function depthOf(ev: Evaluator, id: number): number {
  const flow = ev.flows.get(id);
  if (flow.kind === 'tensor') return flow.depth;
  return flow.kind === 'list' ? Math.max(0, ...flow.items.map((item) => depthOf(ev, item))) : 0;
}

/** What a term is in an entry; of values that were read together any one stands for all. Throws Unfit. */
export function termIn(ev: Evaluator, frame: Frame, entry: Entry, t: RequireTerm): TermValue {
  if (t.kind === 'measure') {
    if (t.measure === 'depth') return { exact: depthOf(ev, entry.out[0]!) };
    const at = ev.tables.tracked.findIndex((m) => m.measure === t.measure);
    return { low: entry.cost[at]!, high: entry.cost[ev.tables.tracked.length + at]! };
  }
  const found = settledValue(ev, t.expr, frame.env, withPlainLets(ev, frame, representative(ev, entry.reads)));
  return found === null ? null : { exact: ev.data.get(found) };
}

function representative(ev: Evaluator, known: Reads): Reads {
  const { reads } = ev.tables;
  return known.slots.reduce((all, slot, i) => {
    if (!reads.isJoined(slot)) return all;
    const [first] = reads.valuesIn(slot, known.values[i]!);
    return reads.merge(all, reads.values(slot, [first!]))!;
  }, known);
}

// The value of an expression where what is known leaves nothing open; else null.
function settledValue(ev: Evaluator, e: ValueExpr, env: Env, known: Reads): number | null {
  const { reads, nodes } = ev.tables;
  const table = ev.value(e, { env, known, mode: 'plain', lanes: 0, vias: [] });
  const only = table.length === 1 ? table[0]! : null;
  const settled = only && only.node === nodes.unit && only.reads.slots.every((s) => reads.get(known, s) !== undefined);
  return settled ? only.out[0]! : null;
}

// Lets that decide nothing are known, whether or not the member reads them.
function withPlainLets(ev: Evaluator, frame: Frame, known: Reads): Reads {
  const { reads } = ev.tables;
  let all = known;
  for (const slot of frame.slots) {
    if (slot.what !== 'value' || reads.get(all, slot.id) !== undefined) continue;
    const value = settledValue(ev, slot.expr, slot.env, all);
    if (value !== null) all = reads.merge(all, reads.values(slot.id, [value]))!;
  }
  return all;
}

/** What requirements say of an entry. */
export function verdict(ev: Evaluator, requirements: readonly Requirement[], frame: Frame, entry: Entry): Verdict {
  let out: Verdict = 'yes';
  for (const r of requirements) {
    let v: Verdict;
    try {
      v = judge(r.expr, (t) => termIn(ev, frame, entry, t));
    } catch (e) {
      if (!(e instanceof Unfit)) throw e;
      v = 'no';
    }
    if (v === 'no') return 'no';
    if (v === 'open') out = 'open';
  }
  return out;
}
