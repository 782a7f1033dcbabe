import type { ArgType } from '../ir/layer.ts';
import {
  choiceOptions,
  isInterval,
  orderOptions,
  pickOptions,
  rangeDomain,
  sameDecided,
  siteSuffix,
} from '../space/decisions.ts';
import type { Option } from '../space/decisions.ts';
import { finishPath, isNamed, useSegment } from '../space/naming.ts';
import type { NamedNet } from '../space/naming.ts';
import type {
  Assignment,
  Binding,
  CallExpr,
  InputDecl,
  LayerExpr,
  NetExpr,
  NetParameter,
  RepeatExpr,
  Site,
  Space,
  TensorExpr,
  TensorParameter,
  ValueExpr,
  ValueParameter,
  Wire,
} from '../space/space.ts';
import { applyBinary, applyUnary, numberOf, sameDatum, truthOf } from '../space/values.ts';
import type { Datum } from '../space/values.ts';
import type { Expr, Parameter, Statement } from '../../grammar/syntax.ts';
import { printExpression, printStatement } from './printer.ts';
import { isScope } from './scoped.ts';
import { argument, call, finalise, list, name, number, range, text, truth } from './pieces.ts';
import type { Counts, Piece, UsePiece } from './pieces.ts';

/** One tensor, or a list of them: what a network hands on. */
type Arity = 'one' | readonly Arity[];

interface Emitted {
  readonly piece: Piece;
  readonly out: Arity;
}

type Bound = Binding | ValueParameter | NetParameter | TensorParameter | InputDecl;

type Cell =
  | { readonly kind: 'value'; readonly get: () => Datum }
  | { readonly kind: 'tensor'; readonly get: () => Arity }
  | { readonly kind: 'closure'; readonly expr: NetExpr; readonly scope: Scope }
  | { readonly kind: 'once'; readonly expr: NetExpr; readonly scope: Scope; readonly shared: boolean };

interface Scope {
  readonly parent: Scope | null;
  readonly cells: Map<Bound, Cell>;
  /** Of decisions, as in the evaluation of the space. */
  readonly path: string;
  readonly own: string | null;
  /** Where statements that are made here stand. */
  readonly block: Block;
}

/** The statements of a space or cell that is being printed. */
interface Block {
  readonly outer: Block | null;
  readonly definitions: Statement[];
  /** Printed definition without its name -> its name. */
  readonly known: Map<string, string>;
  /** Names of definitions here, and in blocks within this one that are done. */
  readonly names: Set<string>;
  readonly below: Set<string>;
  readonly wires: Map<Wire, Piece>;
  /** Every place that read a wire so far. */
  readonly reads: { readonly binding: Bound; readonly start: number }[];
}

/** Names that definitions must not take. */
export interface ReservedNames {
  readonly tensors: ReadonlySet<string>;
  readonly shared: ReadonlySet<string>;
}

const none = { start: 0, end: 0 } as const;

/** A member as statements of a space: its definitions, wires and outputs, with every decision made. */
export class MemberPrinter {
  private readonly assignment: Assignment;
  private readonly reserved: ReservedNames;

  constructor(assignment: Assignment, reserved: ReservedNames) {
    this.assignment = assignment;
    this.reserved = reserved;
  }

  space(space: Space): readonly Statement[] {
    const block = newBlock(null);
    const cells = new Map<Bound, Cell>(space.inputs.map((i) => [i, { kind: 'tensor', get: () => 'one' }]));
    const scope = this.open({ parent: null, cells: new Map(), path: '', own: null, block }, space.bindings, cells);
    const outputs = space.outputs.map((o) => ({
      name: o.name,
      piece: this.tensor(o.expr, scope).piece,
      start: o.span.start,
    }));
    const counts: Counts = new Map();
    // Numbers are given in text order.
    const lines = [
      ...[...block.wires].map(([wire, piece]) => ({
        start: wire.span.start,
        wire: wire.name,
        output: '',
        piece,
      })),
      ...outputs.map((o) => ({ start: o.start, wire: null, output: o.name, piece: o.piece })),
    ].sort((a, b) => a.start - b.start);
    const statements = lines.map(({ wire, output, piece }): Statement => {
      const value = finalise(piece, counts);
      return wire === null
        ? { kind: 'output', outputs: [{ name: name(output), value }], ...none }
        : { kind: 'wire', name: name(wire), value, ...none };
    });
    return [...block.definitions, ...statements];
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

  private open(around: Scope, bindings: readonly Binding[], cells: Map<Bound, Cell> = new Map()): Scope {
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

  private lookup(scope: Scope, b: Bound): Cell {
    for (let s: Scope | null = scope; s; s = s.parent) {
      const cell = s.cells.get(b);
      if (cell) return cell;
    }
    throw new Error(`bug: '${b.name}' is not in scope`);
  }

  private below(scope: Scope, segment: string): Scope {
    return { ...scope, parent: scope, cells: new Map(), path: scope.path + segment, own: null };
  }

  // ---- networks --------------------------------------------------------------------------------------------------------

  private net(e: NetExpr, input: Arity, scope: Scope): Emitted {
    if (isNamed(e)) {
      const made = this.made(e, input, this.below(scope, useSegment(e.name)), scope);
      return { piece: usePiece(made, e.name.label, e.name.use), out: made.out };
    }
    switch (e.kind) {
      case 'seq':
        return this.sequence(e.items, input, scope);
      case 'choice':
        return this.net(e.alternatives[this.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr, input, scope);
      case 'perm': {
        const options = orderOptions(e.items.length);
        const order = options[this.choose(e.site, options, scope)]!.value as readonly number[];
        return this.sequence(
          order.map((i) => e.items[i]!),
          input,
          scope,
        );
      }
      case 'repeat':
        return this.repeat(e, input, scope);
      case 'branches': {
        const branches = e.items.map((item) => this.net(item, input, scope));
        return { piece: { kind: 'list', items: branches.map((b) => b.piece) }, out: branches.map((b) => b.out) };
      }
      case 'fan': {
        const body = named(e.body);
        const times = numberOf(this.value(e.times, this.below(scope, useSegment(body.name))));
        return this.copies(
          body,
          Array.from({ length: times }, () => input),
          scope,
          { kind: 'fan', times },
        );
      }
      case 'each': {
        if (input === 'one') throw new Error('bug: `each` meets one tensor');
        return this.copies(named(e.body), input, scope, { kind: 'each' });
      }
      case 'if':
        return this.net(truthOf(this.value(e.test, scope)) ? e.then : e.else, input, scope);
      case 'let':
        return this.net(e.body, input, this.open(scope, e.bindings));
    }
  }

  private sequence(items: readonly NetExpr[], input: Arity, scope: Scope): Emitted {
    let state: Emitted = { piece: { kind: 'chain', items: [] }, out: input };
    for (const item of items) state = follow(state, this.net(item, state.out, scope));
    return state;
  }

  private repeat(e: RepeatExpr, input: Arity, scope: Scope): Emitted {
    const body = named(e.body);
    const base = useSegment(body.name);
    const times = numberOf(this.value(e.times, this.below(scope, base)));
    if (times === 0) return { piece: { kind: 'id' }, out: input };
    if (e.optional) {
      const made = this.made(body, input, this.below(scope, base), scope);
      return { piece: usePiece(made, body.name.label, body.name.use), out: made.out };
    }
    const made: Made[] = [];
    let out = input;
    for (let copy = 0; copy < (e.tied ? 1 : times); copy++) {
      made.push(this.made(body, out, this.below(scope, `${base}[${copy}]`), scope));
      out = made.at(-1)!.out;
    }
    if (allEqual(made))
      return {
        piece: {
          ...usePiece(inForm(made[0]!, 'repeat'), body.name.label, body.name.use),
          form: { kind: 'repeat', times },
        },
        out,
      };
    const label = `${body.name.label}[${body.name.use}]`;
    return { piece: { kind: 'chain', items: made.map((m, i) => usePiece(m, label, i)) }, out };
  }

  /** Copies side by side: of one input (`fan`) or of each element of a list (`each`). */
  private copies(body: NamedNet, inputs: readonly Arity[], scope: Scope, form: UsePiece['form']): Emitted {
    const base = useSegment(body.name);
    const made = inputs.map((input, i) => this.made(body, input, this.below(scope, `${base}[${i}]`), scope));
    const out = made.map((m) => m.out);
    if (made.length > 0 && allEqual(made)) {
      const kind = form.kind === 'fan' ? 'fan' : 'element';
      return { piece: { ...usePiece(inForm(made[0]!, kind), body.name.label, body.name.use), form }, out };
    }
    const label = `${body.name.label}[${body.name.use}]`;
    const items = made.map((m, i) => usePiece(m, label, i));
    const piece: Piece = form.kind === 'each' ? { kind: 'list', items, each: true } : { kind: 'list', items };
    return { piece, out };
  }

  // ---- uses ------------------------------------------------------------------------------------------------------------

  private made(e: NamedNet, input: Arity, scope: Scope, caller: Scope): Made {
    switch (e.kind) {
      case 'layer':
        return this.layer(e, scope);
      case 'project':
        return { base: name('project'), auto: 'project', out: 'one', silent: false };
      case 'ref': {
        const cell = this.lookup(scope, e.binding);
        if (cell.kind !== 'closure') throw new Error(`bug: '${e.binding.name}' is not a network`);
        const inside = {
          ...cell.scope,
          parent: cell.scope,
          cells: new Map(),
          path: scope.path,
          own: null,
          block: scope.block,
        };
        const { piece, out } = this.net(cell.expr, input, inside);
        return this.named(e.binding.name, { piece, out }, true, scope.block);
      }
      case 'once':
      case 'shared': {
        const cell = this.lookup(scope, e.binding);
        if (cell.kind !== 'once') throw new Error(`bug: '${e.binding.name}' is not a network`);
        const block = cell.shared ? cell.scope.block : scope.block;
        const { piece, out } = this.net(cell.expr, input, { ...cell.scope, block });
        if (!cell.shared) return this.named(e.binding.name, { piece, out }, false, block);
        return this.define('shared', e.binding.name, finalise(piece, new Map()), out, block, scope.block);
      }
      case 'call':
        return this.call(e, input, scope, caller);
    }
  }

  private layer(e: LayerExpr, scope: Scope): Made {
    const { layer } = e;
    const args = e.args.map((a) => {
      const def = layer.args.find((d) => d.name === a.name)!;
      return argument(
        datum(this.value(a.value, scope), def.type),
        def.positional && layer.args[0] === def ? null : a.name,
      );
    });
    const silent = !layer.weighted && layer.name !== 'dropout';
    return { base: call(layer.name, args), auto: layer.name, out: 'one', silent };
  }

  private call(e: CallExpr, input: Arity | null, scope: Scope, caller: Scope): Made {
    const { def } = e;
    if (def.body.kind === 'tensor') return this.cell(e, input, scope, caller).made;
    const cells = this.argumentCells(e, scope, caller);
    const inside = this.open(scope, def.body.bindings, cells);
    return this.named(def.name, this.net(def.body.net, input ?? 'one', inside), isScope(def), scope.block);
  }

  /** A network with a scope of its own: a group in parentheses where it may be one, else a definition. */
  private named(wanted: string, { piece, out }: Emitted, mayGroup: boolean, block: Block): Made {
    const each = beginsWithEach(piece);
    if (each) return this.overElements(wanted, each, { piece, out }, block);
    const body = finalise(piece, new Map());
    // Where nothing depends on the path, the scope is left out.
    if (mayGroup && isSilent(piece)) return { base: body, auto: wanted, out, silent: true };
    if (mayGroup && isGroup(body)) return { base: body, auto: null, out, silent: false };
    return this.define('def', wanted, body, out, block);
  }

  // Different networks for the elements of a list that flows in: a cell with a tensor for each.
  private overElements(wanted: string, each: ListPiece, { piece, out }: Emitted, block: Block): Made {
    const tensors = each.items.map((_, i) => `item${i}`);
    const list: Emitted = {
      piece: { kind: 'list', items: tensors.map((t): Piece => ({ kind: 'tensor', name: t })) },
      out,
    };
    const value = finalise(follow(list, { piece, out }).piece, new Map());
    const params = tensors.map((t): Parameter => ({ name: name(t), ...none }));
    const body: Statement[] = [{ kind: 'return', value, ...none }];
    const label = this.enter(block, wanted, (as) => ({ kind: 'cell', name: name(as), params, body, ...none }));
    return { base: name(label), auto: label, out, silent: false };
  }

  private argumentCells(e: CallExpr, scope: Scope, caller: Scope): Map<Bound, Cell> {
    const cells = new Map<Bound, Cell>();
    const from = { ...caller, parent: caller, cells: new Map(), own: null };
    for (const a of e.args) {
      if (a.kind === 'net') cells.set(a.parameter, { kind: 'closure', expr: a.expr, scope: from });
      if (a.kind === 'value') {
        const { name: label } = a.parameter;
        const at = { ...from, path: `${scope.path}.${label}`, own: label };
        cells.set(a.parameter, { kind: 'value', get: lazily(() => this.value(a.expr, at)) });
      }
    }
    return cells;
  }

  /** A cell with its values decided: what is left are its tensors. */
  private cell(
    e: CallExpr,
    input: Arity | null,
    scope: Scope,
    caller: Scope,
  ): { made: Made; tensors: readonly Piece[] } {
    const { def } = e;
    if (def.body.kind !== 'tensor') throw new Error('bug: no cell');
    const cells = this.argumentCells(e, scope, caller);
    const given = new Map<Bound, Emitted>();
    for (const a of e.args) {
      // Decisions of a tensor that is given as argument stand below the call.
      if (a.kind === 'tensor')
        given.set(
          a.parameter,
          this.tensor(a.expr, { ...caller, parent: caller, cells: new Map(), path: scope.path, own: null }),
        );
    }
    const tensors = def.parameters.filter((p): p is TensorParameter => p.kind === 'tensorParameter');
    const flowing = tensors.filter((p) => !given.has(p));
    flowing.forEach((p, i) => {
      const arity = flowing.length === 1 ? (input ?? 'one') : input && input !== 'one' ? (input[i] ?? 'one') : 'one';
      cells.set(p, { kind: 'tensor', get: () => arity });
    });
    for (const [p, emitted] of given) cells.set(p, { kind: 'tensor', get: () => emitted.out });
    const block = newBlock(scope.block);
    const inside = this.open({ ...scope, block }, def.body.bindings, cells);
    const result = this.tensor(def.body.result, inside);
    const counts: Counts = new Map();
    const wires = [...block.wires].sort(([a], [b]) => a.span.start - b.span.start);
    const body: Statement[] = [...block.definitions];
    for (const [wire, piece] of wires)
      body.push({ kind: 'wire', name: name(wire.name), value: finalise(piece, counts), ...none });
    body.push({ kind: 'return', value: finalise(result.piece, counts), ...none });
    for (const n of [...block.names, ...block.below]) scope.block.below.add(n);
    const params = [...flowing, ...tensors.filter((p) => given.has(p))].map((p): Parameter => ({
      name: name(p.name),
      ...none,
    }));
    const label = this.enter(scope.block, def.name, (as) => ({ kind: 'cell', name: name(as), params, body, ...none }));
    return {
      made: { base: name(label), auto: label, out: result.out, silent: false },
      tensors: tensors.filter((p) => given.has(p)).map((p) => given.get(p)!.piece),
    };
  }

  // ---- definitions -----------------------------------------------------------------------------------------------------

  private define(
    kind: 'def' | 'shared',
    wanted: string,
    value: Expr,
    out: Arity,
    block: Block,
    from: Block = block,
  ): Made {
    const label = this.enter(block, wanted, (as) => ({ kind, name: name(as), value, ...none }), from);
    return { base: name(label), auto: label, out, silent: false };
  }

  /** The name of a definition: an equal one that can be seen from here, or a new one. `from`: the block, in it, where it is used. */
  private enter(block: Block, wanted: string, make: (as: string) => Statement, from: Block = block): string {
    const key = printStatement(make(wanted));
    for (let b: Block | null = block; b; b = b.outer) {
      const known = b.known.get(key);
      if (known !== undefined) return known;
    }
    const shared = make(wanted).kind === 'shared';
    let label = wanted;
    for (let n = 2; this.isTaken(label, shared, block, from); n++) label = `${wanted}_${n}`;
    block.names.add(label);
    block.known.set(key, label);
    block.definitions.push(make(label));
    return label;
  }

  // The name of a shared network is part of its path: others leave it alone.
  private isTaken(label: string, shared: boolean, block: Block, from: Block): boolean {
    if (this.reserved.tensors.has(label) || (!shared && this.reserved.shared.has(label)) || block.below.has(label))
      return true;
    for (let b: Block | null = from; b; b = b.outer) if (b.names.has(label)) return true;
    return false;
  }

  // ---- tensors ---------------------------------------------------------------------------------------------------------

  private tensor(e: TensorExpr, scope: Scope): Emitted {
    switch (e.kind) {
      case 'wire':
        return this.wire(e, scope);
      case 'apply': {
        const input = this.tensor(e.input, scope);
        return follow(input, this.net(e.net, input.out, scope));
      }
      case 'list':
        return together(e.items.map((item) => this.tensor(item, scope)));
      case 'choice':
        return this.tensor(e.alternatives[this.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr, scope);
      case 'pick': {
        const options = pickOptions(e.items.length, numberOf(this.value(e.count, scope)));
        const picked = options[this.choose(e.site, options, scope)]!.value as readonly number[];
        return together(picked.map((i) => this.tensor(e.items[i]!, scope)));
      }
      case 'loose':
        return this.loose(e, scope);
      case 'if':
        return this.tensor(truthOf(this.value(e.test, scope)) ? e.then : e.else, scope);
      case 'let':
        return this.letIn(e, scope);
      case 'layerOf': {
        const made = this.layer(e.expr, this.below(scope, useSegment(e.expr.name)));
        const tensors = e.tensors.map((t) => this.tensor(t, scope).piece);
        return { piece: { ...usePiece(made, e.expr.name.label, e.expr.name.use), tensors }, out: 'one' };
      }
      case 'callOf': {
        const { label, use } = e.call.name;
        const { made, tensors } = this.cell(e.call, null, this.below(scope, useSegment(e.call.name)), scope);
        return { piece: { ...usePiece(made, label, use), tensors }, out: made.out };
      }
    }
  }

  private wire(e: Extract<TensorExpr, { kind: 'wire' }>, scope: Scope): Emitted {
    for (let b: Block | null = scope.block; b; b = b.outer) b.reads.push({ binding: e.binding, start: e.span.start });
    const cell = this.lookup(scope, e.binding);
    if (cell.kind !== 'tensor') throw new Error(`bug: '${e.binding.name}' is not a tensor`);
    return { piece: { kind: 'tensor', name: e.binding.name }, out: cell.get() };
  }

  // Every wire that nothing earlier in the text reads, once all of them have been followed.
  private loose(e: Extract<TensorExpr, { kind: 'loose' }>, scope: Scope): Emitted {
    const all = e.wires.map((wire): [Wire, Arity] => {
      const cell = this.lookup(scope, wire);
      return [wire, cell.kind === 'tensor' ? cell.get() : 'one'];
    });
    const isUsed = (wire: Wire): boolean => scope.block.reads.some((r) => r.binding === wire && r.start < e.span.start);
    return together(
      all.filter(([w]) => !isUsed(w)).map(([w, out]) => ({ piece: { kind: 'tensor', name: w.name }, out })),
    );
  }

  // A tensor that is named within an expression stays there; what else is named is written out.
  private letIn(e: Extract<TensorExpr, { kind: 'let' }>, scope: Scope): Emitted {
    const block: Block = { ...scope.block, wires: new Map() };
    const inside = this.open({ ...scope, block }, e.bindings);
    const body = this.tensor(e.body, inside);
    return [...block.wires]
      .reverse()
      .reduce<Emitted>(
        (within, [wire, value]) => ({
          piece: { kind: 'letin', name: wire.name, value, body: within.piece },
          out: within.out,
        }),
        body,
      );
  }
}

/** A use without its name. `auto`: the label that it has unless one is given; null for a group in parentheses. */
interface Made {
  readonly base: Expr;
  readonly auto: string | null;
  readonly out: Arity;
  readonly silent: boolean;
}

const newBlock = (outer: Block | null): Block => ({
  outer,
  definitions: [],
  known: new Map(),
  names: new Set(),
  below: new Set(),
  wires: new Map(),
  reads: [],
});

const isGroup = (e: Expr): boolean => e.kind === 'chain' || e.kind === 'list';

function isSilent(p: Piece): boolean {
  switch (p.kind) {
    case 'use':
      return p.silent && p.tensors.every(isSilent);
    case 'chain':
    case 'list':
      return p.items.every(isSilent);
    case 'id':
    case 'tensor':
      return true;
    case 'letin':
      return isSilent(p.value) && isSilent(p.body);
  }
}

// A repeated group gets its label by itself.
const inForm = (m: Made, label: string): Made => (m.auto === null ? { ...m, auto: label } : m);

function usePiece(m: Made, label: string, use: number): UsePiece {
  return {
    kind: 'use',
    base: m.base,
    tensors: [],
    auto: m.auto,
    label,
    use,
    silent: m.silent,
    form: { kind: 'plain' },
  };
}

const allEqual = (made: readonly Made[]): boolean => {
  const first = printExpression(made[0]!.base);
  return made.every((m) => m.auto === made[0]!.auto && printExpression(m.base) === first);
};

const together = (items: readonly Emitted[]): Emitted => ({
  piece: { kind: 'list', items: items.map((i) => i.piece) },
  out: items.map((i) => i.out),
});

const stepsOf = (p: Piece): readonly Piece[] => (p.kind === 'chain' ? p.items : [p]);

/** What flows on. Networks that differ from element to element are joined to the elements of the list before them. */
function follow(before: Emitted, next: Emitted): Emitted {
  const items = stepsOf(before.piece);
  const more = stepsOf(next.piece);
  const last = items.at(-1);
  if (!last || !more[0] || !isEach(more[0]))
    return { piece: { kind: 'chain', items: [...items, ...more] }, out: next.out };
  const { items: networks } = more[0];
  if (last.kind !== 'list' || last.each || last.items.length !== networks.length) {
    throw new Unprintable('networks that differ from element to element of a list which is made elsewhere');
  }
  const joined: Piece = {
    kind: 'list',
    items: last.items.map((item, i) => ({ kind: 'chain', items: [item, networks[i]!] })),
  };
  return { piece: { kind: 'chain', items: [...items.slice(0, -1), joined, ...more.slice(1)] }, out: next.out };
}

const beginsWithEach = (p: Piece): ListPiece | null => {
  const [first] = stepsOf(p);
  return first && isEach(first) ? first : null;
};

type ListPiece = Extract<Piece, { kind: 'list' }>;
const isEach = (p: Piece): p is ListPiece => p.kind === 'list' && p.each === true;

/** A member that the language cannot write out with its paths. */
export class Unprintable extends Error {
  override readonly name = 'Unprintable';
}

function named(e: NetExpr): NamedNet {
  if (isNamed(e)) return e;
  throw new Error('bug: a repeated network without a name');
}

function lazily<T>(make: () => T): () => T {
  let done: { readonly value: T } | null = null;
  return () => (done ??= { value: make() }).value;
}

/** A decided value as it is written for an argument of this type. */
export function datum(v: Datum, type: ArgType): Expr {
  if (typeof v === 'number') return number(v);
  if (typeof v === 'boolean') return truth(v);
  if (typeof v === 'string') {
    const words = type.kind === 'name' ? type.oneOf : type.kind === 'wholes' ? (type.names ?? []) : [];
    return words.includes(v) ? name(v) : text(v);
  }
  const items = v.map((item) => datum(item, type));
  return type.kind === 'axes' ? range(items[0]!, items[1]!) : list(items);
}
