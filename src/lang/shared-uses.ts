import type { AnyExpr } from '../space/references.ts';
import { BUDGET } from '../space/limits.ts';
import { rootBindings } from '../space/root.ts';
import type { CallExpr, SharedLet, ViaExpr, Wire } from '../space/expr.ts';
import type { Space } from '../space/space.ts';
import type { Span } from '../base/span.ts';
import type { Checker } from './model.ts';
import { netsMaker } from './given-nets.ts';
import type { Nets, NetsMaker } from './given-nets.ts';
import { partsOf } from './parts.ts';
import { standingIn } from './standing.ts';
import { mayBeWhole } from './weights.ts';

/** Steps of one walk; beyond them nothing is said. */
const MAX_STEPS = 200_000;

/** What stands around an expression: its groups, outermost first, and what the parameters of the call are. */
interface Place {
  readonly groups: readonly ViaExpr[];
  readonly nets: Nets;
  readonly wires: ReadonlyMap<Wire, readonly ViaExpr[]>;
}

interface Walk {
  readonly checker: Checker;
  readonly nets: NetsMaker;
  readonly seen: Map<object, Set<string>>;
  readonly ids: Map<object, number>;
  readonly uses: Map<SharedLet, { readonly groups: readonly ViaExpr[]; readonly span: Span }>;
  steps: number;
  calls: number;
}

/** E207: all uses of a `shared` network lie inside or all outside of a `via` group, and in one vector where it makes one. */
export function checkSharedUses(space: Space, checker: Checker): void {
  if (![...partsOf<{ readonly kind?: string }>(space)].some((p) => p.kind === 'via')) return;
  const nets = netsMaker();
  const w: Walk = { checker, nets, seen: new Map(), ids: new Map(), uses: new Map(), steps: 0, calls: 0 };
  for (const o of space.outputs) walk(o.expr, { groups: [], nets: nets.none, wires: new Map() }, w);
  checkVectors(space, w);
}

// A group that stands several times is as many vectors.
function checkVectors(space: Space, w: Walk): void {
  const uses = [...w.uses].flatMap(([binding, { groups, span }]) =>
    groups.filter((g) => mayBeWhole(g.weight)).map((group) => ({ binding, span, group })),
  );
  if (uses.length === 0) return;
  const times = standingIn(
    rootBindings(space),
    space.outputs.map((o) => o.expr),
  );
  for (const { binding, span, group } of uses) {
    if (times(binding, group) < 2) continue;
    const message = `\`${binding.name}\` is shared, but the \`via\` around it stands several times: each is a vector of its own`;
    w.checker.report('E207', span.source, span, message, {
      expected: 'one vector for each weight',
      found: 'several',
      notes: [{ span: group.span, message: 'this group stands several times' }],
      hint: `\`shared ${binding.name}\` inside of the group's network, or one \`via\` around all uses, makes them one`,
    });
  }
}

const idOf = (o: object, w: Walk): number => {
  const known = w.ids.get(o);
  if (known !== undefined) return known;
  w.ids.set(o, w.ids.size);
  return w.ids.size - 1;
};

function isNew(at: object, { groups, nets }: Place, w: Walk): boolean {
  const key = `${groups.map((g) => idOf(g, w)).join()}|${nets.size === 0 ? '' : idOf(nets, w)}`;
  const known = w.seen.get(at) ?? new Set();
  w.seen.set(at, known);
  return !known.has(key) && known.add(key).size > 0;
}

function use(binding: SharedLet, span: Span, groups: readonly ViaExpr[], w: Walk): void {
  const before = w.uses.get(binding);
  if (!before) {
    w.uses.set(binding, { groups, span });
    return;
  }
  const differ = groups.find((g) => !before.groups.includes(g)) ?? before.groups.find((g) => !groups.includes(g));
  if (!differ) return;
  const [inner, outer] = groups.includes(differ) ? [span, before.span] : [before.span, span];
  const message = `\`${binding.name}\` is shared, but only some of its uses are inside of this \`via\``;
  w.checker.report('E207', outer.source, outer, message, {
    expected: `all uses of \`${binding.name}\` inside of the group, or all outside`,
    found: 'one outside',
    notes: [{ span: inner, message: 'this one is inside' }],
    hint: `a \`def\` instead of \`shared\` gives each use weights of its own`,
  });
}

function walk(e: AnyExpr, at: Place, w: Walk): void {
  if (++w.steps > MAX_STEPS || !isNew(e, at, w)) return;
  for (const part of partsIn(e)) walk(part, at, w);
  switch (e.kind) {
    case 'via':
      walk(e.body, at.groups.includes(e) ? at : { ...at, groups: [...at.groups, e] }, w);
      break;
    case 'shared':
      use(e.binding, e.span, at.groups, w);
      walk(e.binding.expr, at, w);
      break;
    case 'once':
      walk(e.binding.expr, at, w);
      break;
    case 'ref': {
      const net = e.binding.kind === 'netParameter' ? at.nets.get(e.binding) : undefined;
      if (net) walk(net.expr, { ...at, nets: net.nets }, w);
      break;
    }
    case 'call':
      walkCall(e, at, w);
      break;
    case 'callOf':
      walkCall(e.call, at, w);
      break;
    case 'wire':
      // A wire stands where it is defined.
      if (e.binding.kind === 'wire') walk(e.binding.expr, { ...at, groups: at.wires.get(e.binding) ?? [] }, w);
      break;
    // What they hold has been walked.
    case 'seq':
    case 'perm':
    case 'branches':
    case 'list':
    case 'pick':
    case 'choice':
    case 'repeat':
    case 'each':
    case 'fan':
    case 'let':
    case 'if':
    case 'apply':
    case 'layerOf':
    case 'layer':
    case 'project':
    case 'loose':
    case 'const':
    case 'range':
    case 'unary':
    case 'binary':
    case 'weight':
      break;
  }
}

// Networks and tensors that stand in the text of an expression, in the same place.
function partsIn(e: AnyExpr): readonly AnyExpr[] {
  switch (e.kind) {
    case 'seq':
    case 'perm':
    case 'branches':
    case 'list':
    case 'pick':
      return e.items;
    case 'choice':
      return e.alternatives.map((a) => a.expr);
    case 'repeat':
    case 'each':
    case 'fan':
    case 'let':
      return [e.body];
    case 'if':
      return [e.then, e.else];
    case 'apply':
      return [e.net, e.input];
    case 'layerOf':
      return e.tensors;
    case 'via':
    case 'shared':
    case 'once':
    case 'ref':
    case 'call':
    case 'callOf':
    case 'wire':
    case 'layer':
    case 'project':
    case 'loose':
    case 'const':
    case 'range':
    case 'unary':
    case 'binary':
    case 'weight':
      return [];
  }
}

function walkCall(call: CallExpr, at: Place, w: Walk): void {
  if (w.calls >= BUDGET.depth) return;
  w.calls++;
  for (const a of call.args) if (a.kind === 'tensor') walk(a.expr, at, w);
  const { body } = call.def;
  const wires = new Map(at.wires);
  for (const b of body.bindings) if (b.kind === 'wire') wires.set(b, at.groups);
  walk(
    body.kind === 'net' ? body.net : body.result,
    { groups: at.groups, wires, nets: w.nets.inside(call, at.nets) },
    w,
  );
  w.calls--;
}
