import type { AnyExpr, Bound, LooseExpr } from './references.ts';
import { freeOf } from './references.ts';
import type { TensorExpr, NetExpr, ValueExpr } from './expr.ts';
import type { Place } from './table.ts';

/** What a name stands for where an expression is evaluated. */
export type Cell =
  | { readonly kind: 'const'; readonly value: number }
  | { readonly kind: 'tensor'; readonly flows: readonly number[] }
  | { readonly kind: 'closure'; readonly expr: NetExpr; readonly env: Env }
  | Slot;

/** Something that is decided once within one evaluation of its scope, at its first use. */
export type Slot = {
  readonly kind: 'slot';
  readonly id: number;
  readonly name: string;
  /** Where its expression is evaluated. */
  readonly env: Env;
  /** What its decisions' paths add to the scope's. */
  readonly segment: string;
} & (
  | { readonly what: 'value'; readonly expr: ValueExpr }
  | { readonly what: 'net' | 'shared'; readonly expr: NetExpr }
  | { readonly what: 'wire'; readonly expr: TensorExpr; readonly place: Place }
);

/** One evaluation of a scope. Lookups go outward through the evaluations around it. */
export interface Env {
  readonly parent: Env | null;
  readonly cells: Map<Bound, Cell>;
  /** The let whose value is evaluated: a decision of its name has the let's path. */
  readonly own: string | null;
  readonly looses: ReadonlyMap<LooseExpr, LooseSlots>;
  readonly infos: Map<AnyExpr, Info>;
}

/** For a `loose`: the slot of the guess which wires are loose, and for each wire the slot that says that earlier text uses it. */
export interface LooseSlots {
  readonly guess: number;
  readonly used: readonly number[];
  /** Positions of the wires that earlier text may use; the others are loose in any case. */
  readonly mentioned: ReadonlySet<number>;
}

export function makeEnv(parent: Env | null, own: string | null = null, looses: Env['looses'] = new Map()): Env {
  return { parent, cells: new Map(), own, looses, infos: new Map() };
}

/** Where decisions do not take the name of the let around them. */
export const unowned = (env: Env): Env => (env.own === null ? env : makeEnv(env));

/** Scopes within scopes: what each name stands for. */
interface Chain<C> {
  readonly parent: Chain<C> | null;
  readonly cells: ReadonlyMap<Bound, C>;
}

export function lookup<C>(scope: Chain<C>, binding: Bound): C {
  for (let at: Chain<C> | null = scope; at; at = at.parent) {
    const cell = at.cells.get(binding);
    if (cell) return cell;
  }
  throw new Error(`bug: '${binding.name}' is not in scope`);
}

/** What a name of this kind stands for. */
export function cellOf<C extends { readonly kind: string }, K extends C['kind']>(
  scope: Chain<C>,
  binding: Bound,
  kind: K,
): Extract<C, { readonly kind: K }> {
  const cell = lookup(scope, binding);
  if (cell.kind !== kind) throw new Error(`bug: '${binding.name}' is no ${kind}`);
  return cell as Extract<C, { readonly kind: K }>;
}

export function looseSlots(env: Env, expr: LooseExpr): LooseSlots {
  for (let at: Env | null = env; at; at = at.parent) {
    const slots = at.looses.get(expr);
    if (slots) return slots;
  }
  throw new Error('bug: a loose outside of its scope');
}

/** What the value of an expression may depend on here: a key of what is fixed, and the slots that it may read. */
export interface Info {
  readonly key: string;
  readonly slots: ReadonlySet<number>;
  /** Whether it may read a tensor from outside. */
  readonly tensors: boolean;
}

const ids = new WeakMap<object, number>();
let lastId = 0;
/** Numbers objects in the order in which they are first seen. */
export function idOf(object: object): number {
  let id = ids.get(object);
  if (id === undefined) ids.set(object, (id = ++lastId));
  return id;
}

export function infoOf(expr: AnyExpr, env: Env): Info {
  const known = env.infos.get(expr);
  if (known) return known;
  const parts: string[] = [];
  const slots = new Set<number>();
  let tensors = false;
  const include = (info: Info): void => {
    for (const s of info.slots) slots.add(s);
    tensors ||= info.tensors;
  };
  for (const b of freeOf(expr)) {
    if (b.kind === 'input') continue;
    const cell = lookup(env, b);
    switch (cell.kind) {
      case 'const':
        parts.push(`${idOf(b)}=${cell.value}`);
        break;
      case 'tensor':
        parts.push(`${idOf(b)}:${cell.flows.join('.')}`);
        tensors = true;
        break;
      case 'closure': {
        const inner = infoOf(cell.expr, cell.env);
        parts.push(`${idOf(b)}<${idOf(cell.expr)} ${inner.key}>`);
        include(inner);
        break;
      }
      case 'slot':
        parts.push(`s${cell.id}`);
        slots.add(cell.id);
        tensors ||= cell.what === 'wire';
        include(infoOf(cell.expr, cell.env));
        break;
    }
  }
  const info: Info = { key: parts.join(' '), slots, tensors };
  env.infos.set(expr, info);
  return info;
}
