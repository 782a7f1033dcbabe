import { lazily } from '../base/lazily.ts';
import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { MadeBy } from '../ir/weight.ts';
import type { Args, LayerDef } from '../ir/layer.ts';
import { layerInputs } from './apply-layer.ts';
import { namedAxes, openTensors } from './call.ts';
import { choiceOptions, orderOptions, pickOptions, siteSuffix } from './decisions.ts';
import type { Interval, Option } from './decisions.ts';
import { copySegment, projectOf } from './evaluate-net.ts';
import { usesBefore } from './frame.ts';
import { PLAIN, inside } from './force.ts';
import type { Force } from './force.ts';
import { argsOf } from './given.ts';
import { BUDGET, Beyond } from './limits.ts';
import { memberValue } from './member-values.ts';
import type { Deciding } from './member-values.ts';
import { isNamed, named, useSegment } from './naming.ts';
import type { NamedNet } from './naming.ts';
import { copiesOf } from './once.ts';
import { textOf } from './references.ts';
import type { AnyExpr, Bound, LooseExpr } from './references.ts';
import type { Binding, CallExpr, LayerExpr, NetExpr, Site, Space, TensorExpr, ValueExpr } from './space.ts';
import { cellOf } from './scope.ts';
import { madeOf, numberOf, showDatum, truthOf } from './values.ts';
import type { Datum } from './values.ts';

/** Makes the decisions of one member, and the layers that they lead to. */
export interface Guide<T extends { readonly type: TensorType }> {
  /** Position among the options. */
  choose(path: string, options: readonly Option[], site: Site): number;
  number(path: string, interval: Interval, site: Site): number;
  /** `path`: of the weights. Throws Unfit. */
  layer(path: string, layer: LayerDef, args: Args, inputs: readonly T[], expr: AnyExpr, way: Way): T;
  /** A vector that makes what is learned inside of `via`, whether or not anything is. */
  vector?(vector: Vector): void;
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

interface Scope<T> {
  readonly parent: Scope<T> | null;
  readonly cells: Map<Bound, Cell<T>>;
  /** Where decisions and weights stand. */
  readonly path: string;
  readonly weights: string;
  readonly own: string | null;
  readonly looses: readonly { readonly expr: LooseExpr; readonly used: boolean[] }[];
  readonly way: Way;
}

type Cell<T> =
  | { readonly kind: 'value'; readonly get: () => Datum }
  | { readonly kind: 'tensor'; readonly get: () => Flow<T> }
  | { readonly kind: 'closure'; readonly expr: NetExpr; readonly scope: Scope<T> }
  /** Decided once: by path, decisions are met again and remembered. */
  | { readonly kind: 'once'; readonly expr: NetExpr; readonly scope: Scope<T>; readonly shared: boolean };

/**
 * The slow clear twin of the tables: evaluates one member directly, from the outputs backwards, deciding what it meets. What is decided once is met again under the
 * same path and keeps its value.
 */
export class Follower<T extends { readonly type: TensorType }> {
  private readonly guide: Guide<T>;
  private readonly decided = new Map<string, number | { readonly drawn: number }>();
  private readonly deciding: Deciding<Scope<T>> = {
    choose: (site, options, scope) => this.choose(site, options, scope),
    draw: (site, interval, scope) => this.draw(site, interval, scope),
    read: (b, scope) => cellOf(scope, b, 'value').get(),
    open: (scope, bindings, texts) => this.open(scope, bindings, texts),
  };
  private layers = 0;
  private depth = 0;

  constructor(guide: Guide<T>) {
    this.guide = guide;
  }

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

  // ---- decisions ----------------------------------------------------------------------------------------------------

  private choose(site: Site, options: readonly Option[], scope: Scope<T>): number {
    const path = scope.path + siteSuffix(site, scope.own);
    const before = this.decided.get(path);
    if (typeof before === 'number') return before;
    const at = this.guide.choose(path, options, site);
    this.decided.set(path, at);
    return at;
  }

  private draw(site: Site, interval: Interval, scope: Scope<T>): number {
    const path = scope.path + siteSuffix(site, scope.own);
    const before = this.decided.get(path);
    if (typeof before === 'object') return before.drawn;
    const drawn = this.guide.number(path, interval, site);
    this.decided.set(path, { drawn });
    return drawn;
  }

  // ---- values -------------------------------------------------------------------------------------------------------

  value(e: ValueExpr, scope: Scope<T>): Datum {
    return memberValue(this.deciding, e, scope);
  }

  // ---- networks -----------------------------------------------------------------------------------------------------

  private within(scope: Scope<T>, segment: string): Scope<T> {
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

  net(e: NetExpr, input: Flow<T>, scope: Scope<T>): Flow<T> {
    if (isNamed(e)) return this.bare(e, input, this.within(scope, useSegment(e.name)));
    switch (e.kind) {
      case 'seq':
        return e.items.reduce((flow, item) => this.net(item, flow, scope), input);
      case 'choice':
        return this.net(e.alternatives[this.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr, input, scope);
      case 'perm': {
        const options = orderOptions(e.items.length);
        const order = options[this.choose(e.site, options, scope)]!.value as readonly number[];
        return order.reduce((flow, i) => this.net(e.items[i]!, flow, scope), input);
      }
      case 'repeat': {
        const body = named(e.body);
        const times = copiesOf(this.value(e.times, this.within(scope, useSegment(body.name))));
        let flow = input;
        for (let copy = 0; copy < times; copy++) {
          const at = this.within(scope, copySegment(e, copy));
          flow = this.bare(
            body,
            flow,
            e.tied ? { ...at, path: scope.path + copySegment({ ...e, optional: false }, 0) } : at,
          );
        }
        return flow;
      }
      case 'branches':
        return this.branches(e.items, input, scope);
      case 'each':
        return itemsOf(input).map((item, i) => this.copy(named(e.body), i, item, scope));
      case 'fan': {
        const body = named(e.body);
        const times = copiesOf(this.value(e.times, this.within(scope, useSegment(body.name))));
        return Array.from({ length: times }, (_, i) => this.copy(body, i, input, scope));
      }
      case 'if':
        return this.net(truthOf(this.value(e.test, scope)) ? e.then : e.else, input, scope);
      case 'via': {
        const made = madeOf(this.value(e.weight, scope));
        return this.net(e.body, input, this.under(scope, made, scope.weights + useSegment(e.name), e));
      }
      case 'let':
        return this.net(e.body, input, this.open(scope, e.bindings, [e.body]));
    }
  }

  private copy(body: NamedNet, i: number, input: Flow<T>, scope: Scope<T>): Flow<T> {
    return this.bare(body, input, this.within(scope, `${useSegment(body.name)}[${i}]`));
  }

  private bare(e: NamedNet, input: Flow<T>, scope: Scope<T>): Flow<T> {
    switch (e.kind) {
      case 'layer':
        return this.layer(e, input, scope);
      case 'ref': {
        const cell = cellOf(scope, e.binding, 'closure');
        return this.net(cell.expr, input, {
          ...cell.scope,
          path: scope.path,
          weights: scope.weights,
          way: scope.way,
          own: null,
        });
      }
      case 'once':
      case 'shared': {
        const cell = cellOf(scope, e.binding, 'once');
        const weights = cell.shared ? cell.scope.weights : scope.weights;
        return this.net(cell.expr, input, { ...cell.scope, weights, way: scope.way });
      }
      case 'call':
        return this.call(e, input, scope, scope.parent!);
      case 'project':
        throw new Unfit('`project` stands last in a branch of a list that enters `add`');
    }
  }

  private layer(e: LayerExpr, input: Flow<T>, scope: Scope<T>): T {
    const given = new Map<string, Datum>(e.args.map((a) => [a.name, this.value(a.value, scope)]));
    const at = e.via ? this.under(scope, madeOf(this.value(e.via, scope)), scope.weights, e) : scope;
    return this.apply(e, e.layer, argsOf(e.layer, given), input, at);
  }

  private under(scope: Scope<T>, made: MadeBy, path: string, expr: AnyExpr): Scope<T> {
    const vector = made.def.whole ? { path, made, expr } : scope.way.vector;
    if (made.def.whole && vector) this.guide.vector?.(vector);
    return { ...scope, way: { ...inside(scope.way, made), vector } };
  }

  private apply(expr: AnyExpr, layer: LayerDef, args: Args, input: Flow<T>, scope: Scope<T>): T {
    if (++this.layers > BUDGET.layers) throw new Beyond(`more than ${BUDGET.layers} layers in one member`, expr.span);
    return this.guide.layer(scope.weights, layer, args, layerInputs(layer, input as T | readonly T[]), expr, scope.way);
  }

  private branches(items: readonly NetExpr[], input: Flow<T>, scope: Scope<T>): Flow<T> {
    const ends = items.map(projectOf);
    const out: Flow<T>[] = [];
    items.forEach((item, i) => {
      if (!ends[i]) out[i] = this.net(item, input, scope);
    });
    const target = out.find((flow) => flow !== undefined);
    ends.forEach((end, i) => {
      if (end) out[i] = this.project(end.project, this.net(end.before, input, scope), target, scope);
    });
    return out;
  }

  private project(
    e: Extract<NetExpr, { kind: 'project' }>,
    flow: Flow<T>,
    target: Flow<T> | undefined,
    scope: Scope<T>,
  ): Flow<T> {
    if (!target || isList(target))
      throw new Unfit('`project` has nothing to project to', 'a branch without `project`', 'none');
    const to = target.type.shape.slice(1);
    if (!isList(flow) && flow.type.shape.slice(1).join() === to.join()) return flow;
    if (!e.layer) throw new Unfit('the shapes of the branches differ', to.join(' x '), 'another');
    return this.apply(e, e.layer, argsOf(e.layer, new Map([['to', to]])), flow, this.within(scope, useSegment(e.name)));
  }

  // `scope` is the use's own; the arguments are evaluated in the caller's, under the use's path.
  private call(e: CallExpr, input: Flow<T> | null, scope: Scope<T>, caller: Scope<T>): Flow<T> {
    if (++this.depth > BUDGET.depth)
      throw new Unfit('calls within calls are too deep', `at most ${BUDGET.depth}`, 'more');
    const { def } = e;
    const cells = new Map<Bound, Cell<T>>();
    for (const a of e.args) {
      if (a.kind === 'net') cells.set(a.parameter, { kind: 'closure', expr: a.expr, scope: caller });
      else if (a.kind === 'tensor')
        cells.set(a.parameter, {
          kind: 'tensor',
          get: lazily(() => this.tensor(a.expr, { ...caller, path: scope.path, weights: scope.weights, own: null })),
        });
      else {
        const { name } = a.parameter;
        cells.set(a.parameter, {
          kind: 'value',
          get: lazily(() => this.value(a.expr, { ...caller, path: `${scope.path}.${name}`, own: name })),
        });
      }
    }
    if (input !== null && def.body.kind === 'tensor') {
      const open = openTensors(e);
      const flows = open.length === 1 ? [input] : itemsOf(input);
      if (flows.length !== open.length)
        throw new Unfit(
          `${def.name} takes ${open.length} tensors`,
          `a list of ${open.length}`,
          `a list of ${flows.length}`,
        );
      open.forEach((p, i) => cells.set(p, { kind: 'tensor', get: () => flows[i]! }));
    }
    const result = def.body.kind === 'net' ? def.body.net : def.body.result;
    const inside = this.open(scope, def.body.bindings, [result], cells);
    const axes = input === null ? null : this.checkInputs(e, input, inside);
    const out = def.body.kind === 'net' ? this.net(def.body.net, input!, inside) : this.tensor(def.body.result, inside);
    if (axes) this.checkAxes(e, def.signature!.output, shapeOf(out), axes, inside);
    this.depth--;
    return out;
  }

  private checkInputs(e: CallExpr, input: Flow<T>, scope: Scope<T>): ReadonlyMap<string, number> | null {
    const { signature, name } = e.def;
    if (!signature) return null;
    const flows = signature.inputs.length === 1 ? [input] : itemsOf(input);
    if (flows.length !== signature.inputs.length) throw new Unfit(`${name} takes ${signature.inputs.length} tensors`);
    const shapes = flows.map(shapeOf);
    const axes = namedAxes(e.def, shapes);
    signature.inputs.forEach((dims, i) => this.checkAxes(e, dims, shapes[i]!, axes, scope));
    return axes;
  }

  private checkAxes(
    e: CallExpr,
    dims: NonNullable<CallExpr['def']['signature']>['output'],
    shape: readonly number[],
    axes: ReadonlyMap<string, number>,
    scope: Scope<T>,
  ): void {
    const { name } = e.def;
    if (shape.length !== dims.length)
      throw new Unfit(`${name}: another rank than in its signature`, `${dims.length} axes`, `${shape.length}`);
    dims.forEach((d, axis) => {
      let wanted: Datum | undefined;
      if (d.kind === 'name') wanted = axes.get(d.name);
      if (d.kind === 'value') {
        const cells = new Map<Bound, Cell<T>>(
          d.dims.map((x) => [x.binding, { kind: 'value', get: () => axes.get(x.name) ?? 0 }]),
        );
        wanted = this.value(d.expr, { ...scope, parent: scope, cells });
      }
      if (wanted !== undefined && wanted !== shape[axis])
        throw new Unfit(`${name}: axis ${axis} differs from its signature`, showDatum(wanted), String(shape[axis]));
    });
  }

  // ---- tensors ------------------------------------------------------------------------------------------------------

  tensor(e: TensorExpr, scope: Scope<T>): Flow<T> {
    switch (e.kind) {
      case 'wire': {
        for (let at: Scope<T> | null = scope; at; at = at.parent) {
          for (const loose of at.looses) {
            const i = usesBefore(e, loose.expr);
            if (i >= 0) loose.used[i] = true;
          }
        }
        return this.read(e.binding, scope);
      }
      case 'apply':
        return this.net(e.net, this.tensor(e.input, scope), scope);
      case 'list':
        return e.items.map((item) => this.tensor(item, scope));
      case 'choice':
        return this.tensor(e.alternatives[this.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr, scope);
      case 'pick': {
        const options = pickOptions(e.items.length, numberOf(this.value(e.count, scope)));
        const picked = options[this.choose(e.site, options, scope)]!.value as readonly number[];
        return picked.map((i) => this.tensor(e.items[i]!, scope));
      }
      case 'loose':
        return this.loose(e, scope);
      case 'if':
        return this.tensor(truthOf(this.value(e.test, scope)) ? e.then : e.else, scope);
      case 'let':
        return this.tensor(e.body, this.open(scope, e.bindings, [e.body]));
      case 'layerOf': {
        const flows = e.tensors.map((t) => this.tensor(t, scope));
        const input = flows.length === 1 && e.expr.layer.takes !== 'list' ? flows[0]! : flows;
        return this.layer(e.expr, input, this.within(scope, useSegment(e.expr.name)));
      }
      case 'callOf':
        return this.call(e.call, null, this.within(scope, useSegment(e.call.name)), scope);
    }
  }

  private read(b: Bound, scope: Scope<T>): Flow<T> {
    return cellOf(scope, b, 'tensor').get();
  }

  // Evaluating every wire in text order marks those that are used.
  private loose(e: LooseExpr, scope: Scope<T>): Flow<T> {
    const flows = e.wires.map((w) => this.read(w, scope));
    let at: Scope<T> | null = scope;
    while (at && !at.looses.some((l) => l.expr === e)) at = at.parent;
    const used = at!.looses.find((l) => l.expr === e)!.used;
    const free = flows.filter((_, i) => !used[i]);
    if (free.length === 0) throw new Unfit('no wire is loose', 'a wire that nothing uses', 'none');
    return free;
  }

  // ---- the decisions of others ----------------------------------------------------------------------------------------

  /** Runs `body` below a path, for decisions that are not of networks. */
  below(scope: Scope<T>, path: string, own: string | null): Scope<T> {
    return { ...scope, parent: scope, cells: new Map(), looses: [], path, own };
  }

  pick(site: Site, options: readonly Option[], scope: Scope<T>): number {
    return this.choose(site, options, scope);
  }
}

export type FollowScope<T> = Scope<T>;

const isList = <T>(flow: Flow<T>): flow is readonly Flow<T>[] => Array.isArray(flow);

function itemsOf<T>(flow: Flow<T>): readonly Flow<T>[] {
  if (isList(flow)) return flow;
  throw new Unfit('a list of tensors is needed', 'a list', 'one tensor');
}

function shapeOf<T extends { readonly type: TensorType }>(flow: Flow<T>): readonly number[] {
  if (isList(flow)) throw new Unfit('a signature takes tensors', 'a tensor', 'a list');
  return flow.type.shape;
}
