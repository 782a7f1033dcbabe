import { lazily } from '../base/lazily.ts';
import { sameDecided, siteSuffix } from '../space/decisions.ts';
import type { Interval, Option } from '../space/decisions.ts';
import { memberValue } from '../space/member-values.ts';
import type { Deciding } from '../space/member-values.ts';
import { finishPath } from '../space/naming.ts';
import type { Bound } from '../space/references.ts';
import { cellOf } from '../space/scope.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Binding, NetExpr, Site, TensorExpr, ValueExpr } from '../space/expr.ts';
import { numberOf } from '../space/values.ts';
import type { Datum } from '../space/values.ts';
import { newBlock } from './block.ts';
import type { Block } from './block.ts';
import type { Piece } from './pieces.ts';

/** One tensor, or a list of them: what a network hands on. */
export type Arity = 'one' | readonly Arity[];

export interface Emitted {
  readonly piece: Piece;
  readonly out: Arity;
}

export type Cell =
  | { readonly kind: 'value'; readonly get: () => Datum }
  | { readonly kind: 'tensor'; readonly get: () => Arity }
  | { readonly kind: 'closure'; readonly expr: NetExpr; readonly scope: Scope }
  | { readonly kind: 'once'; readonly expr: NetExpr; readonly scope: Scope; readonly shared: boolean };

export interface Scope {
  readonly parent: Scope | null;
  readonly cells: Map<Bound, Cell>;
  /** Of decisions, as in the evaluation of the space. */
  readonly path: string;
  readonly own: string | null;
  /** Where statements that are made here stand. */
  readonly block: Block;
}

/** Scopes of a member that is being printed, with every value decided by an assignment. */
export class Decided implements Deciding<Scope> {
  private readonly assignment: Assignment;
  /** Follows the tensor of a wire. */
  private readonly tensor: (e: TensorExpr, scope: Scope) => Emitted;

  constructor(assignment: Assignment, tensor: (e: TensorExpr, scope: Scope) => Emitted) {
    this.assignment = assignment;
    this.tensor = tensor;
  }

  value(e: ValueExpr, scope: Scope): Datum {
    return memberValue(this, e, scope);
  }

  read(binding: Bound, scope: Scope): Datum {
    return cellOf(scope, binding, 'value').get();
  }

  draw(site: Site, _: Interval, scope: Scope): number {
    return numberOf(this.decided(site, scope));
  }

  /** A scope for decisions that stand below a path of their own. */
  root(bindings: readonly Binding[], path: string, own: string | null): Scope {
    const around: Scope = { parent: null, cells: new Map(), path: '', own: null, block: newBlock(null) };
    const scope = this.open(around, bindings);
    return { ...scope, parent: scope, cells: new Map(), path, own };
  }

  choose(site: Site, options: readonly Option[], scope: Scope): number {
    const decided = this.decided(site, scope);
    const i = options.findIndex((o) => sameDecided(decided, o.value));
    if (i < 0)
      throw new Error(`bug: ${finishPath(scope.path + siteSuffix(site, scope.own))} cannot be ${String(decided)}`);
    return i;
  }

  private decided(site: Site, scope: Scope): Assignment[string] {
    const path = finishPath(scope.path + siteSuffix(site, scope.own));
    const value = this.assignment[path];
    if (value === undefined) throw new Error(`bug: the assignment says nothing of ${path}`);
    return value;
  }

  // ---- scopes ----------------------------------------------------------------------------------------------------------

  open(around: Scope, bindings: readonly Binding[]): Scope {
    return this.openOver(around, bindings, new Map());
  }

  /** `cells`: names that stand for something already. */
  openOver(around: Scope, bindings: readonly Binding[], cells: Map<Bound, Cell>): Scope {
    const scope: Scope = { ...around, parent: around, cells, own: null };
    for (const b of bindings) cells.set(b, this.cellOf(b, scope));
    return scope;
  }

  private cellOf(b: Binding, scope: Scope): Cell {
    const below: Scope = { ...scope, parent: scope, cells: new Map(), path: `${scope.path}.${b.name}`, own: b.name };
    switch (b.kind) {
      case 'valueLet':
        return { kind: 'value', get: lazily(() => this.value(b.expr, below)) };
      case 'wire':
        return {
          kind: 'tensor',
          get: lazily(() => {
            const { piece, out } = this.tensor(b.expr, scope);
            scope.block.wires.set(b, piece);
            return out;
          }),
        };
      case 'netLet':
      case 'shared':
        return { kind: 'once', expr: b.expr, scope: below, shared: b.kind === 'shared' };
    }
  }

  below(scope: Scope, segment: string): Scope {
    return { ...scope, parent: scope, cells: new Map(), path: scope.path + segment, own: null };
  }
}
