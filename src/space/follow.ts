import { lazily } from '../base/lazily.ts';
import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { MadeBy } from '../ir/weight.ts';
import type { Args, LayerDef } from '../ir/layer.ts';
import { layerInputs } from './apply-layer.ts';
import { openTensors } from './call.ts';
import { choiceOptions, orderOptions, pickOptions } from './decisions.ts';
import { copySegment, projectOf } from './evaluate-net.ts';
import { Scopes } from './follow-scope.ts';
import type { Cell, Chooser, Flow, Scope, Vector, Way } from './follow-scope.ts';
import { checkAxes, checkInputs, isList, itemsOf, shapeOf } from './follow-signature.ts';
import { inside } from './force.ts';
import { argsOf } from './given.ts';
import { BUDGET, Beyond } from './limits.ts';
import { isNamed, named, useSegment } from './naming.ts';
import type { NamedNet } from './naming.ts';
import { copiesOf } from './once.ts';
import type { AnyExpr, Bound } from './references.ts';
import type { CallExpr, LayerExpr, NetExpr, TensorExpr, ValueExpr } from './expr.ts';
import { cellOf } from './scope.ts';
import { madeOf, numberOf, truthOf } from './values.ts';
import type { Datum } from './values.ts';

/** Makes the decisions of one member, and the layers that they lead to. */
export interface Guide<T extends { readonly type: TensorType }> extends Chooser {
  /** `path`: of the weights. Throws Unfit. */
  layer(path: string, layer: LayerDef, args: Args, inputs: readonly T[], expr: AnyExpr, way: Way): T;
  /** A vector that makes what is learned inside of `via`, whether or not anything is. */
  vector?(vector: Vector): void;
}

/**
 * The slow clear twin of the tables: evaluates one member directly, from the outputs backwards, deciding what it meets.
 */
export class Follower<T extends { readonly type: TensorType }> {
  readonly scopes: Scopes<T>;
  private readonly guide: Guide<T>;
  private layers = 0;
  private depth = 0;

  constructor(guide: Guide<T>) {
    this.guide = guide;
    this.scopes = new Scopes(guide, (e, scope) => this.tensor(e, scope));
  }

  // ---- networks -----------------------------------------------------------------------------------------------------

  net(e: NetExpr, input: Flow<T>, scope: Scope<T>): Flow<T> {
    if (isNamed(e)) return this.bare(e, input, this.scopes.within(scope, useSegment(e.name)));
    switch (e.kind) {
      case 'seq':
        return e.items.reduce((flow, item) => this.net(item, flow, scope), input);
      case 'choice':
        return this.net(
          e.alternatives[this.scopes.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr,
          input,
          scope,
        );
      case 'perm': {
        const options = orderOptions(e.items.length);
        const order = options[this.scopes.choose(e.site, options, scope)]!.value as readonly number[];
        return order.reduce((flow, i) => this.net(e.items[i]!, flow, scope), input);
      }
      case 'repeat': {
        const body = named(e.body);
        const times = copiesOf(this.scopes.value(e.times, this.scopes.within(scope, useSegment(body.name))));
        let flow = input;
        for (let copy = 0; copy < times; copy++) {
          const at = this.scopes.within(scope, copySegment(e, copy));
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
        const times = copiesOf(this.scopes.value(e.times, this.scopes.within(scope, useSegment(body.name))));
        return Array.from({ length: times }, (_, i) => this.copy(body, i, input, scope));
      }
      case 'if':
        return this.net(truthOf(this.scopes.value(e.test, scope)) ? e.then : e.else, input, scope);
      case 'via': {
        const made = madeOf(this.scopes.value(e.weight, scope));
        return this.net(e.body, input, this.under(scope, made, scope.weights + useSegment(e.name), e));
      }
      case 'let':
        return this.net(e.body, input, this.scopes.open(scope, e.bindings, [e.body]));
    }
  }

  private copy(body: NamedNet, i: number, input: Flow<T>, scope: Scope<T>): Flow<T> {
    return this.bare(body, input, this.scopes.within(scope, `${useSegment(body.name)}[${i}]`));
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
    const given = new Map<string, Datum>(e.args.map((a) => [a.name, this.scopes.value(a.value, scope)]));
    const at = e.via ? this.under(scope, madeOf(this.scopes.value(e.via, scope)), scope.weights, e) : scope;
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
    return this.apply(
      e,
      e.layer,
      argsOf(e.layer, new Map([['to', to]])),
      flow,
      this.scopes.within(scope, useSegment(e.name)),
    );
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
          get: lazily(() => this.scopes.value(a.expr, { ...caller, path: `${scope.path}.${name}`, own: name })),
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
    const valueIn = (v: ValueExpr, at: Scope<T>): Datum => this.scopes.value(v, at);
    const result = def.body.kind === 'net' ? def.body.net : def.body.result;
    const inside = this.scopes.open(scope, def.body.bindings, [result], cells);
    const axes = input === null ? null : checkInputs(e, input, inside, valueIn);
    const out = def.body.kind === 'net' ? this.net(def.body.net, input!, inside) : this.tensor(def.body.result, inside);
    if (axes) checkAxes(e, def.signature!.output, shapeOf(out), axes, inside, valueIn);
    this.depth--;
    return out;
  }

  // ---- tensors ------------------------------------------------------------------------------------------------------

  tensor(e: TensorExpr, scope: Scope<T>): Flow<T> {
    switch (e.kind) {
      case 'wire':
        return this.scopes.wire(e, scope);
      case 'apply':
        return this.net(e.net, this.tensor(e.input, scope), scope);
      case 'list':
        return e.items.map((item) => this.tensor(item, scope));
      case 'choice':
        return this.tensor(
          e.alternatives[this.scopes.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr,
          scope,
        );
      case 'pick': {
        const options = pickOptions(e.items.length, numberOf(this.scopes.value(e.count, scope)));
        const picked = options[this.scopes.choose(e.site, options, scope)]!.value as readonly number[];
        return picked.map((i) => this.tensor(e.items[i]!, scope));
      }
      case 'loose':
        return this.scopes.loose(e, scope);
      case 'if':
        return this.tensor(truthOf(this.scopes.value(e.test, scope)) ? e.then : e.else, scope);
      case 'let':
        return this.tensor(e.body, this.scopes.open(scope, e.bindings, [e.body]));
      case 'layerOf': {
        const flows = e.tensors.map((t) => this.tensor(t, scope));
        const input = flows.length === 1 && e.expr.layer.takes !== 'list' ? flows[0]! : flows;
        return this.layer(e.expr, input, this.scopes.within(scope, useSegment(e.expr.name)));
      }
      case 'callOf':
        return this.call(e.call, null, this.scopes.within(scope, useSegment(e.call.name)), scope);
    }
  }
}
