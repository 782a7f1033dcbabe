import { freeOf, settingValues } from './references.ts';
import type { AnyExpr, Bound } from './references.ts';
import type { Binding, ValueExpr } from './expr.ts';
import type { RequireExpr, RequireTerm } from './require-expr.ts';
import type { Space } from './space.ts';

/** Bindings that are reached by reference, though they stand in the file and not in the space. */
function allBindings(space: Space, texts: readonly AnyExpr[]): readonly Binding[] {
  const out = new Set<Binding>(space.bindings);
  const inTrain = new Set<Bound>(space.train.bindings);
  const visit = (e: AnyExpr): void => {
    for (const b of freeOf(e)) {
      if (b.kind === 'valueLet' || b.kind === 'netLet' || b.kind === 'shared' || b.kind === 'wire') {
        if (out.has(b) || inTrain.has(b)) continue;
        out.add(b);
        visit(b.expr);
      }
    }
  };
  for (const b of space.bindings) visit(b.expr);
  for (const e of texts) visit(e);
  return [...out];
}

export function requireValues(e: RequireExpr): readonly ValueExpr[] {
  const term = (t: RequireTerm): readonly ValueExpr[] => (t.kind === 'value' ? [t.expr] : []);
  switch (e.kind) {
    case 'compare':
      return [...term(e.left), ...term(e.right)];
    case 'within':
      return [...term(e.term), ...term(e.low), ...term(e.high)];
    case 'and':
    case 'or':
      return [...requireValues(e.left), ...requireValues(e.right)];
    case 'not':
      return requireValues(e.operand);
  }
}

/** Value expressions of the settings of training. */
export function trainValues(space: Space): readonly ValueExpr[] {
  const t = space.train;
  const settings = [...(t.data ? [t.data] : []), t.loss, t.optimizer, t.schedule];
  return [...settings.flatMap(settingValues), t.batch, t.epochs];
}

/** All bindings that the space's own scope holds. */
export function rootBindings(space: Space): readonly Binding[] {
  const texts: AnyExpr[] = [
    ...space.outputs.map((o) => o.expr),
    ...space.requirements.flatMap((r) => requireValues(r.expr)),
  ];
  return allBindings(space, [...texts, ...trainValues(space), ...space.train.bindings.map((b) => b.expr)]);
}
