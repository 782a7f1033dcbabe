import { netsMaker } from './given-nets.ts';
import type { Nets, NetsMaker } from './given-nets.ts';
import type {
  Binding,
  CallExpr,
  DefBody,
  NetExpr,
  SharedLet,
  TensorExpr,
  ValueExpr,
  ViaExpr,
  Wire,
} from '../space/expr.ts';

type Flowing = NetExpr | TensorExpr;

/** In one evaluation of an expression: how often each group stands at most (2: several times), and what stands once in the scope that binds it. */
interface Standing {
  readonly groups: ReadonlyMap<ViaExpr, number>;
  readonly lazy: ReadonlySet<SharedLet | Wire>;
}

const NOTHING: Standing = { groups: new Map(), lazy: new Set() };
const SEVERAL = 2;

interface Walk {
  readonly nets: NetsMaker;
  readonly known: WeakMap<Nets, Map<object, Standing>>;
  /** Bodies that are walked, and those of them that were met again. */
  readonly open: Set<object>;
  readonly recursive: Set<object>;
  /** Of each shared network: what stands in its scope. */
  readonly scopes: Map<SharedLet, ReadonlyMap<ViaExpr, number>>;
  steps: number;
}

/** Steps of one walk; beyond them nothing is said. */
const MAX_STEPS = 200_000;

/** How often a group stands, at most, in one evaluation of the scope of a shared network: 0, 1 or 2 for several times. */
export type TimesIn = (binding: SharedLet, group: ViaExpr) => number;

export function standingIn(bindings: readonly Binding[], outputs: readonly TensorExpr[]): TimesIn {
  const nets = netsMaker();
  const w: Walk = { nets, known: new WeakMap(), open: new Set(), recursive: new Set(), scopes: new Map(), steps: 0 };
  scope(bindings, all(outputs.map((e) => standing(e, nets.none, w))), nets.none, w);
  return (binding, group) => w.scopes.get(binding)?.get(group) ?? 0;
}

function merge(items: readonly Standing[], of: (a: number, b: number) => number): Standing {
  const groups = new Map<ViaExpr, number>();
  const lazy = new Set<SharedLet | Wire>();
  for (const item of items) {
    for (const [g, n] of item.groups) groups.set(g, of(groups.get(g) ?? 0, n));
    for (const b of item.lazy) lazy.add(b);
  }
  return { groups, lazy };
}

const all = (items: readonly Standing[]): Standing => merge(items, (a, b) => Math.min(SEVERAL, a + b));
const oneOf = (items: readonly Standing[]): Standing => merge(items, Math.max);
const several = (item: Standing): Standing => all([item, item]);

function standing(e: Flowing, nets: Nets, w: Walk): Standing {
  if (++w.steps > MAX_STEPS) return NOTHING;
  let known = w.known.get(nets);
  if (!known) w.known.set(nets, (known = new Map<object, Standing>()));
  let found = known.get(e);
  if (!found) known.set(e, (found = stand(e, nets, w)));
  return found;
}

function stand(e: Flowing, nets: Nets, w: Walk): Standing {
  const of = (x: Flowing): Standing => standing(x, nets, w);
  switch (e.kind) {
    case 'seq':
    case 'perm':
    case 'branches':
    case 'list':
    case 'pick':
      return all((e.items as readonly Flowing[]).map(of));
    case 'choice':
      return oneOf(e.alternatives.map((a) => of(a.expr)));
    case 'if':
      return oneOf([of(e.then), of(e.else)]);
    case 'repeat':
    case 'fan':
      return isAtMostOnce(e.times) ? of(e.body) : several(of(e.body));
    case 'each':
      return several(of(e.body));
    case 'apply':
      return all([of(e.net), of(e.input)]);
    case 'layerOf':
      return all(e.tensors.map(of));
    case 'via':
      return all([of(e.body), { groups: new Map([[e, 1]]), lazy: new Set() }]);
    case 'let':
      return scope(e.bindings, of(e.body), nets, w);
    case 'once':
      return of(e.binding.expr);
    case 'shared':
      return { groups: new Map(), lazy: new Set([e.binding]) };
    case 'wire':
      return e.binding.kind === 'wire' ? { groups: new Map(), lazy: new Set([e.binding]) } : NOTHING;
    case 'loose':
      return { groups: new Map(), lazy: new Set(e.wires) };
    case 'ref': {
      const net = nets.get(e.binding);
      return net ? standing(net.expr, net.nets, w) : NOTHING;
    }
    case 'call':
      return call(e, nets, w);
    case 'callOf':
      return call(e.call, nets, w);
    case 'layer':
    case 'project':
      return NOTHING;
  }
}

function call(e: CallExpr, nets: Nets, w: Walk): Standing {
  const tensors = e.args.flatMap((a) => (a.kind === 'tensor' ? [standing(a.expr, nets, w)] : []));
  return all([...tensors, bodyOf(e.def.body, w.nets.inside(e, nets), w)]);
}

function bodyOf(body: DefBody, nets: Nets, w: Walk): Standing {
  if (w.open.has(body)) {
    w.recursive.add(body);
    return NOTHING;
  }
  w.open.add(body);
  const found = scope(body.bindings, standing(body.kind === 'net' ? body.net : body.result, nets, w), nets, w);
  w.open.delete(body);
  return w.recursive.has(body) ? several(found) : found;
}

// What the scope binds stands once in each of its evaluations.
function scope(bindings: readonly Binding[], texts: Standing, nets: Nets, w: Walk): Standing {
  const own = new Set(bindings);
  const parts = [texts];
  const lazy = new Set(texts.lazy);
  // Grows while it is walked.
  for (const b of lazy) {
    if (!own.has(b)) continue;
    const found = standing(b.expr, nets, w);
    parts.push(found);
    for (const more of found.lazy) lazy.add(more);
  }
  const { groups } = all(parts);
  for (const b of own) if (b.kind === 'shared') w.scopes.set(b, oneOf([{ groups, lazy }, before(b, w)]).groups);
  return { groups, lazy: new Set([...lazy].filter((b) => !own.has(b))) };
}

const before = (b: SharedLet, w: Walk): Standing => ({ groups: w.scopes.get(b) ?? new Map(), lazy: new Set() });

function isAtMostOnce(times: ValueExpr): boolean {
  if (times.kind === 'const') return Number(times.value) <= 1;
  if (times.kind === 'choice') return times.alternatives.every((a) => isAtMostOnce(a.expr));
  return times.kind === 'range' && isAtMostOnce(times.high);
}
