import type {
  Binding,
  CallExpr,
  Def,
  InputDecl,
  LayerExpr,
  NetExpr,
  NetParameter,
  Signature,
  TensorExpr,
  TensorParameter,
  ValueExpr,
  ValueParameter,
} from './expr.ts';
import type { SettingChoice } from './settings.ts';

export type Bound = Binding | ValueParameter | NetParameter | TensorParameter | InputDecl;
export type AnyExpr = ValueExpr | NetExpr | TensorExpr;

interface Found {
  readonly used: Set<Bound>;
  readonly bound: Set<Bound>;
  readonly defs: Set<Def>;
  /** Every `loose` in this text (not in that of called defs), and every place that reads a wire. */
  readonly looses: LooseExpr[];
  readonly reads: WireExpr[];
  /** Whether a repetition is tied. */
  tied: boolean;
}
export type LooseExpr = Extract<TensorExpr, { kind: 'loose' }>;
export type WireExpr = Extract<TensorExpr, { kind: 'wire' }>;

const fresh = (): Found => ({ used: new Set(), bound: new Set(), defs: new Set(), looses: [], reads: [], tied: false });

function walkAll(found: Found, exprs: readonly AnyExpr[]): void {
  for (const e of exprs) walk(found, e);
}

function walkBindings(found: Found, bindings: readonly Binding[]): void {
  for (const b of bindings) {
    found.bound.add(b);
    walk(found, b.expr);
  }
}

function walkCall(found: Found, call: CallExpr): void {
  found.defs.add(call.def);
  for (const a of call.args) walk(found, a.expr);
}

const walkLayer = (found: Found, e: LayerExpr): void => {
  for (const a of e.args) walk(found, a.value);
  if (e.via) walk(found, e.via);
};

function walk(found: Found, e: AnyExpr): void {
  switch (e.kind) {
    case 'const':
    case 'project':
      return;
    case 'choice':
      for (const a of e.alternatives) walk(found, a.expr);
      return;
    case 'range':
      walkAll(found, [e.low, e.high, ...(e.step ? [e.step] : []), ...(e.prior ? [e.prior] : [])]);
      return;
    case 'unary':
      walk(found, e.operand);
      return;
    case 'binary':
      walkAll(found, [e.left, e.right]);
      return;
    case 'if':
      walkAll(found, [e.test, e.then, e.else]);
      return;
    case 'list':
    case 'seq':
    case 'perm':
    case 'branches':
      walkAll(found, e.items);
      return;
    case 'ref':
    case 'once':
    case 'shared':
      found.used.add(e.binding);
      return;
    case 'let':
      walkBindings(found, e.bindings);
      walk(found, e.body);
      return;
    case 'layer':
      walkLayer(found, e);
      return;
    case 'weight':
      for (const a of e.args) walk(found, a.value);
      walkAll(found, e.parts);
      return;
    case 'via':
      walkAll(found, [e.weight, e.body]);
      return;
    case 'repeat':
      found.tied ||= e.tied;
      walkAll(found, [e.times, e.body]);
      return;
    case 'fan':
      walkAll(found, [e.times, e.body]);
      return;
    case 'each':
      walk(found, e.body);
      return;
    case 'call':
      walkCall(found, e);
      return;
    case 'wire':
      found.used.add(e.binding);
      found.reads.push(e);
      return;
    case 'apply':
      walkAll(found, [e.net, e.input]);
      return;
    case 'pick':
      walkAll(found, [e.count, ...e.items]);
      return;
    case 'loose':
      found.looses.push(e);
      for (const w of e.wires) found.used.add(w);
      return;
    case 'layerOf':
      walkLayer(found, e.expr);
      walkAll(found, e.tensors);
      return;
    case 'callOf':
      walkCall(found, e.call);
      return;
  }
}

function walkSignature(found: Found, s: Signature): void {
  for (const d of [...s.inputs.flat(), ...s.output]) {
    if (d.kind !== 'value') continue;
    walk(found, d.expr);
    for (const dim of d.dims) found.bound.add(dim.binding);
  }
}

const defsFound = new WeakMap<Def, Found>();

/** The text of a def: its own names are `bound`. */
export function defText(def: Def): Found {
  let found = defsFound.get(def);
  if (!found) {
    defsFound.set(def, (found = fresh()));
    for (const p of def.parameters) found.bound.add(p);
    walkBindings(found, def.body.bindings);
    walk(found, def.body.kind === 'net' ? def.body.net : def.body.result);
    if (def.signature) walkSignature(found, def.signature);
  }
  return found;
}

const defsFree = new WeakMap<Def, ReadonlySet<Bound>>();

// The names that a def takes from outside, those of the defs that it calls among them: a least fixed point, since defs may be recursive.
function freeOfDef(def: Def): ReadonlySet<Bound> {
  const known = defsFree.get(def);
  if (known) return known;
  const all = new Set<Def>([def]);
  for (const d of all) for (const called of defText(d).defs) if (!defsFree.has(called)) all.add(called);
  const free = new Map<Def, Set<Bound>>(
    [...all].map((d) => [d, new Set([...defText(d).used].filter((b) => !defText(d).bound.has(b)))]),
  );
  for (let changed = true; changed;) {
    changed = false;
    for (const [d, mine] of free) {
      const text = defText(d);
      for (const called of text.defs) {
        for (const b of defsFree.get(called) ?? free.get(called)!) {
          if (!text.bound.has(b) && !mine.has(b)) {
            mine.add(b);
            changed = true;
          }
        }
      }
    }
  }
  for (const [d, mine] of free) defsFree.set(d, mine);
  return free.get(def)!;
}

const exprsFree = new WeakMap<object, ReadonlySet<Bound>>();

/** The names that an expression takes from outside, directly or through the defs that it calls. */
export function freeOf(e: AnyExpr): ReadonlySet<Bound> {
  let free = exprsFree.get(e);
  if (!free) {
    const found = fresh();
    walk(found, e);
    const all = new Set([...found.used]);
    for (const d of found.defs) for (const b of freeOfDef(d)) all.add(b);
    for (const b of found.bound) all.delete(b);
    exprsFree.set(e, (free = all));
  }
  return free;
}

/** The `loose` expressions and wire readings among expressions of one scope. */
export function textOf(bindings: readonly Binding[], exprs: readonly AnyExpr[]): Pick<Found, 'looses' | 'reads'> {
  const found = fresh();
  walkBindings(found, bindings);
  walkAll(found, exprs);
  return found;
}

/** Value expressions inside a setting, in text order. */
export function settingValues(s: SettingChoice): readonly ValueExpr[] {
  if (s.kind === 'choice') return s.alternatives.flatMap((a) => settingValues(a.expr));
  return s.args.flatMap((a) => (a.value.kind === 'setting' ? settingValues(a.value) : [a.value]));
}

/** Bindings in an order in which what a binding uses comes before it (among those given). */
export function dependenciesFirst(bindings: readonly Binding[]): readonly Binding[] {
  const within = new Set<Bound>(bindings);
  const done = new Set<Binding>();
  const out: Binding[] = [];
  const visit = (b: Binding): void => {
    if (done.has(b)) return;
    done.add(b);
    for (const used of freeOf(b.expr)) if (within.has(used)) visit(used as Binding);
    out.push(b);
  };
  for (const b of bindings) visit(b);
  return out;
}

/** Whether networks are decided once in these texts or the defs that they lead to, and whether any is shared. */
export function decidedOnce(
  bindings: readonly Binding[],
  texts: readonly AnyExpr[],
): { readonly any: boolean; readonly shared: boolean } {
  const found = fresh();
  walkBindings(found, bindings);
  walkAll(found, texts);
  let any = found.tied;
  const bound = new Set(found.bound);
  for (const def of found.defs) {
    const text = defText(def);
    any ||= text.tied;
    for (const b of text.bound) bound.add(b);
    // Grows while it is walked.
    for (const called of text.defs) found.defs.add(called);
  }
  const shared = [...bound].some((b) => b.kind === 'shared');
  return { any: any || shared || [...bound].some((b) => b.kind === 'netLet'), shared };
}
