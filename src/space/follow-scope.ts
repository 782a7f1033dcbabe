import { lazily } from '../base/lazily.ts';
import { Unfit } from '../base/unfit.ts';
import type { MadeBy } from '../ir/weight.ts';
import { siteSuffix } from './decisions.ts';
import type { Interval, Option } from './decisions.ts';
import { usesBefore } from './frame.ts';
import { PLAIN } from './force.ts';
import type { Force } from './force.ts';
import { memberValue } from './member-values.ts';
import type { Deciding } from './member-values.ts';
import { textOf } from './references.ts';
import type { AnyExpr, Bound, LooseExpr, WireExpr } from './references.ts';
import { cellOf } from './scope.ts';
import type { Binding, NetExpr, Site, TensorExpr, ValueExpr } from './expr.ts';
import type { Space } from './space.ts';
import type { Datum } from './values.ts';

/** Who makes the decisions of one member. */
export interface Chooser {
  /** Position among the options. */
  choose(path: string, options: readonly Option[], site: Site): number;
  number(path: string, interval: Interval, site: Site): number;
}

/** How a layer gets its weights; `vector`: what makes all that is taken. */
export interface Way extends Force {
  readonly vector: Vector | null;
}
export interface Vector {
  readonly path: string;
  readonly made: MadeBy;
  readonly expr: AnyExpr;
}
const NO_WAY: Way = { ...PLAIN, vector: null };

/** Tensors, lists of them, lists of lists. */
export type Flow<T> = T | readonly Flow<T>[];

export interface Scope<T> {
  readonly parent: Scope<T> | null;
  readonly cells: Map<Bound, Cell<T>>;
  /** Where decisions and weights stand. */
  readonly path: string;
  readonly weights: string;
  readonly own: string | null;
  readonly looses: readonly { readonly expr: LooseExpr; readonly used: boolean[] }[];
  readonly way: Way;
}

export type Cell<T> =
  | { readonly kind: 'value'; readonly get: () => Datum }
  | { readonly kind: 'tensor'; readonly get: () => Flow<T> }
  | { readonly kind: 'closure'; readonly expr: NetExpr; readonly scope: Scope<T> }
  /** Decided once: by path, decisions are met again and remembered. */
  | { readonly kind: 'once'; readonly expr: NetExpr; readonly scope: Scope<T>; readonly shared: boolean };

/** The scopes of one member: what names stand for, what was decided, and which wires were read. */
export class Scopes<T> implements Deciding<Scope<T>> {
  private readonly chooser: Chooser;
  /** Follows the tensor of a wire. */
  private readonly tensor: (e: TensorExpr, scope: Scope<T>) => Flow<T>;
  private readonly decided = new Map<string, number | { readonly drawn: number }>();

  constructor(chooser: Chooser, tensor: (e: TensorExpr, scope: Scope<T>) => Flow<T>) {
    this.chooser = chooser;
    this.tensor = tensor;
  }

  // ---- decisions: what is decided once is met again under the same path and keeps its value ----------------------------

  choose(site: Site, options: readonly Option[], scope: Scope<T>): number {
    const path = scope.path + siteSuffix(site, scope.own);
    const before = this.decided.get(path);
    if (typeof before === 'number') return before;
    const at = this.chooser.choose(path, options, site);
    this.decided.set(path, at);
    return at;
  }

  draw(site: Site, interval: Interval, scope: Scope<T>): number {
    const path = scope.path + siteSuffix(site, scope.own);
    const before = this.decided.get(path);
    if (typeof before === 'object') return before.drawn;
    const drawn = this.chooser.number(path, interval, site);
    this.decided.set(path, { drawn });
    return drawn;
  }

  value(e: ValueExpr, scope: Scope<T>): Datum {
    return memberValue(this, e, scope);
  }

  read(b: Bound, scope: Scope<T>): Datum {
    return cellOf(scope, b, 'value').get();
  }

  // ---- scopes -------------------------------------------------------------------------------------------------------

  /** The scope of a space over given inputs. */
  root(space: Space, bindings: readonly Binding[], inputs: readonly T[]): Scope<T> {
    const cells = new Map<Bound, Cell<T>>(space.inputs.map((d, i) => [d, { kind: 'tensor', get: () => inputs[i]! }]));
    const texts = space.outputs.map((o) => o.expr);
    return this.open(
      { parent: null, cells, path: '', weights: '', own: null, looses: [], way: NO_WAY },
      bindings,
      texts,
    );
  }

  open(
    around: Scope<T>,
    bindings: readonly Binding[],
    texts: readonly AnyExpr[],
    cells: Map<Bound, Cell<T>> = new Map(),
  ): Scope<T> {
    const text = textOf(bindings, texts);
    const looses = text.looses.map((expr) => ({ expr, used: expr.wires.map(() => false) }));
    const scope: Scope<T> = { ...around, parent: around, cells, own: null, looses };
    for (const b of bindings) cells.set(b, this.cellOf(b, scope));
    return scope;
  }

  private cellOf(b: Binding, scope: Scope<T>): Cell<T> {
    const below: Scope<T> = {
      ...scope,
      parent: scope,
      cells: new Map(),
      looses: [],
      path: `${scope.path}.${b.name}`,
      own: b.name,
    };
    switch (b.kind) {
      case 'valueLet':
        return { kind: 'value', get: lazily(() => this.value(b.expr, below)) };
      case 'wire':
        return { kind: 'tensor', get: lazily(() => this.tensor(b.expr, scope)) };
      case 'netLet':
        return { kind: 'once', expr: b.expr, scope: below, shared: false };
      case 'shared':
        return { kind: 'once', expr: b.expr, scope: { ...below, weights: `${scope.weights}.${b.name}` }, shared: true };
    }
  }

  /** Of a use: a segment further, for decisions and weights. */
  within(scope: Scope<T>, segment: string): Scope<T> {
    return {
      ...scope,
      parent: scope,
      cells: new Map(),
      looses: [],
      path: scope.path + segment,
      weights: scope.weights + segment,
      own: null,
    };
  }

  /** Below a path, for decisions that are not of networks. */
  below(scope: Scope<T>, path: string, own: string | null): Scope<T> {
    return { ...scope, parent: scope, cells: new Map(), looses: [], path, own };
  }

  // ---- wires --------------------------------------------------------------------------------------------------------

  wire(e: WireExpr, scope: Scope<T>): Flow<T> {
    for (let at: Scope<T> | null = scope; at; at = at.parent) {
      for (const loose of at.looses) {
        const i = usesBefore(e, loose.expr);
        if (i >= 0) loose.used[i] = true;
      }
    }
    return cellOf(scope, e.binding, 'tensor').get();
  }

  // Evaluating every wire in text order marks those that are used.
  loose(e: LooseExpr, scope: Scope<T>): Flow<T> {
    const flows = e.wires.map((w) => cellOf(scope, w, 'tensor').get());
    let at: Scope<T> | null = scope;
    while (at && !at.looses.some((l) => l.expr === e)) at = at.parent;
    const used = at!.looses.find((l) => l.expr === e)!.used;
    const free = flows.filter((_, i) => !used[i]);
    if (free.length === 0) throw new Unfit('no wire is loose', 'a wire that nothing uses', 'none');
    return free;
  }
}
