import type { Def, NetExpr } from '../space/expr.ts';
import type { Expr, Spanned } from '../../grammar/syntax.ts';
import { ownNumbers, spanOf, useName } from './context.ts';
import { lookup } from './scope.ts';
import type { Context, Scope } from './model.ts';

/** Whether an expression is one use with a name, which gives its decisions and weights a scope of their own. */
export function isNamedUse(e: Expr, scope: Scope): boolean {
  if (e.kind === 'labelled') return true;
  if (e.kind === 'index') return isNamedUse(e.value, scope);
  if (e.kind === 'via') return isLayerUse(e.value, scope);
  if (e.kind === 'optional' || e.kind === 'repeat') return false;
  const name = e.kind === 'name' ? e : e.kind === 'call' && e.callee.kind === 'name' ? e.callee : null;
  if (!name) return false;
  const entity = lookup(scope, name.name);
  return !entity || entity.kind !== 'builtin' || entity.builtin === 'project';
}

const scopes = new WeakSet<Def>();

/** Whether a def is only the scope of a network in parentheses. */
export const isScope = (def: Def): boolean => scopes.has(def);

/** A network under a path scope of its own: a def without parameters that is used here. */
export function scoped(cx: Context, at: Spanned, label: string, make: (cx: Context) => NetExpr | null): NetExpr | null {
  const name = useName(cx, label);
  const net = make(ownNumbers(cx));
  if (!net) return null;
  const span = spanOf(cx, at);
  const def: Def = { name: label, parameters: [], body: { kind: 'net', bindings: [], net }, signature: null, span };
  scopes.add(def);
  return { kind: 'call', def, args: [], name, span };
}

/** Whether an expression is the use of one layer, which keeps its name under `via`. */
function isLayerUse(e: Expr, scope: Scope): boolean {
  if (e.kind === 'labelled' || e.kind === 'index' || e.kind === 'via') return isLayerUse(e.value, scope);
  const name = e.kind === 'name' ? e : e.kind === 'call' && e.callee.kind === 'name' ? e.callee : null;
  const entity = name && lookup(scope, name.name);
  return entity?.kind === 'layer' || (entity?.kind === 'builtin' && entity.builtin === 'project' && e.kind === 'call');
}
