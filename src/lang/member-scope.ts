import { choiceOptions, isInterval, rangeDomain, sameDecided, siteSuffix } from '../space/decisions.ts';
import type { Option } from '../space/decisions.ts';
import { finishPath } from '../space/naming.ts';
import type {
  Assignment,
  Binding,
  InputDecl,
  NetExpr,
  NetParameter,
  Site,
  TensorExpr,
  TensorParameter,
  ValueExpr,
  ValueParameter,
  Wire,
} from '../space/space.ts';
import { applyBinary, applyUnary, numberOf, sameDatum, truthOf } from '../space/values.ts';
import type { Datum } from '../space/values.ts';
import type { Statement } from '../../grammar/syntax.ts';
import type { Piece } from './pieces.ts';

/** One tensor, or a list of them: what a network hands on. */
export type Arity = 'one' | readonly Arity[];

export interface Emitted {
  readonly piece: Piece;
  readonly out: Arity;
}

export type Bound = Binding | ValueParameter | NetParameter | TensorParameter | InputDecl;

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

/** The statements of a space or cell that is being printed. */
export interface Block {
  readonly outer: Block | null;
  readonly definitions: Statement[];
  /** Printed definition without its name -> its name. */
  readonly known: Map<string, string>;
  /** Names of definitions here, and in blocks within this one that are done. */
  readonly names: Set<string>;
  readonly below: Set<string>;
  readonly wires: Map<Wire, Piece>;
  /** Wires of lists whose elements have names of their own. */
  readonly elements: Map<Wire, readonly { readonly name: string; readonly piece: Piece }[]>;
  /** Every place that read a wire so far. */
  readonly reads: { readonly binding: Bound; readonly start: number }[];
}

export const newBlock = (outer: Block | null): Block => ({
  outer,
  definitions: [],
  known: new Map(),
  names: new Set(),
  below: new Set(),
  wires: new Map(),
  elements: new Map(),
  reads: [],
});

export function lazily<T>(make: () => T): () => T {
  let done: { readonly value: T } | null = null;
  return () => (done ??= { value: make() }).value;
}

/** Scopes of a member that is being printed, with every value decided by an assignment. */
export class Decided {
  private readonly assignment: Assignment;
  /** Follows the tensor of a wire. */
  private readonly tensor: (e: TensorExpr, scope: Scope) => Emitted;

  constructor(assignment: Assignment, tensor: (e: TensorExpr, scope: Scope) => Emitted) {
    this.assignment = assignment;
    this.tensor = tensor;
  }

  value(e: ValueExpr, scope: Scope): Datum {
    switch (e.kind) {
      case 'const':
        return e.value;
      case 'choice':
        return this.value(e.alternatives[this.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr, scope);
      case 'range': {
        const optional = (x: ValueExpr | null): number | null => x && numberOf(this.value(x, scope));
        const domain = rangeDomain(e, {
          low: optional(e.low)!,
          high: optional(e.high)!,
          step: optional(e.step),
          centre: optional(e.prior),
        });
        if (isInterval(domain)) return numberOf(this.decided(e.site, scope));
        return domain[this.choose(e.site, domain, scope)]!.value;
      }
      case 'unary':
        return applyUnary(e.op, this.value(e.operand, scope));
      case 'binary':
        return this.binary(e, scope);
      case 'if':
        return this.value(truthOf(this.value(e.test, scope)) ? e.then : e.else, scope);
      case 'list':
        return e.items.map((item) => this.value(item, scope));
      case 'ref': {
        const cell = this.lookup(scope, e.binding);
        if (cell.kind !== 'value') throw new Error(`bug: '${e.binding.name}' is not a value`);
        return cell.get();
      }
      case 'let':
        return this.value(e.body, this.open(scope, e.bindings));
    }
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

  private binary(e: Extract<ValueExpr, { kind: 'binary' }>, scope: Scope): Datum {
    const { op, right } = e;
    const left = this.value(e.left, scope);
    if (op === 'and' && !truthOf(left)) return false;
    if (op === 'or' && truthOf(left)) return true;
    if (op === 'in' && right.kind === 'range') {
      const [low, high] = [numberOf(this.value(right.low, scope)), numberOf(this.value(right.high, scope))];
      const v = numberOf(left);
      return v >= low && v <= high && (!right.whole || Number.isInteger(v));
    }
    if (op === 'in' && right.kind === 'choice')
      return right.alternatives.some((a) => sameDatum(left, this.value(a.expr, scope)));
    return applyBinary(op, left, this.value(right, scope));
  }

  // ---- scopes ----------------------------------------------------------------------------------------------------------

  open(around: Scope, bindings: readonly Binding[], cells: Map<Bound, Cell> = new Map()): Scope {
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

  lookup(scope: Scope, b: Bound): Cell {
    for (let s: Scope | null = scope; s; s = s.parent) {
      const cell = s.cells.get(b);
      if (cell) return cell;
    }
    throw new Error(`bug: '${b.name}' is not in scope`);
  }

  below(scope: Scope, segment: string): Scope {
    return { ...scope, parent: scope, cells: new Map(), path: scope.path + segment, own: null };
  }
}
