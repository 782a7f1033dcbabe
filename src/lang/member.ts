import { choiceOptions, orderOptions, pickOptions } from '../space/decisions.ts';
import { isNamed, named, useSegment } from '../space/naming.ts';
import type { NamedNet } from '../space/naming.ts';
import type { Bound } from '../space/references.ts';
import { cellOf } from '../space/scope.ts';
import type { Assignment } from '../space/assignment.ts';
import type { CallExpr, LayerExpr, NetExpr, RepeatExpr, TensorExpr, ViaExpr, Wire } from '../space/expr.ts';
import type { Space } from '../space/space.ts';
import { madeOf, numberOf, truthOf } from '../space/values.ts';
import type { Expr, Statement } from '../../grammar/syntax.ts';
import { newBlock, wireLines } from './block.ts';
import type { Block } from './block.ts';
import { Definitions } from './definitions.ts';
import type { ReservedNames } from './definitions.ts';
import { Calls } from './member-calls.ts';
import { Elements } from './member-elements.ts';
import { Decided } from './member-scope.ts';
import type { Arity, Cell, Emitted, Scope } from './member-scope.ts';
import { argument, call, datum, finalise, name, weight } from './pieces.ts';
import type { Counts, Piece, UsePiece } from './pieces.ts';
import { isScope } from './scoped.ts';
import { allEqual, beginsWithEach, inForm, listPiece, stepsOf, together, usePiece } from './uses.ts';
import type { Made } from './uses.ts';

const none = { start: 0, end: 0 } as const;

/** A member as statements of a space: its definitions, wires and outputs, with every decision made. */
export class MemberPrinter {
  readonly decided: Decided;
  private readonly elements: Elements;
  private readonly calls: Calls;
  /** Uses of layers with weights so far. */
  private learning = 0;

  constructor(assignment: Assignment, reserved: ReservedNames) {
    this.decided = new Decided(assignment, (e, scope) => this.tensor(e, scope));
    const definitions = new Definitions(reserved);
    this.elements = new Elements(definitions);
    this.calls = new Calls(this.decided, definitions, this.elements, (e, scope) => this.tensor(e, scope));
  }

  space(space: Space): readonly Statement[] {
    const block = newBlock(null);
    const cells = new Map<Bound, Cell>(space.inputs.map((i) => [i, { kind: 'tensor', get: () => 'one' }]));
    const scope = this.decided.openOver(
      { parent: null, cells: new Map(), path: '', own: null, block },
      space.bindings,
      cells,
    );
    const outputs = space.outputs.map((o) => ({
      name: o.name,
      piece: this.tensor(o.expr, scope).piece,
      start: o.span.start,
    }));
    const counts: Counts = new Map();
    // Numbers are given in text order.
    const lines = [
      ...wireLines(block),
      ...outputs.map((o) => ({
        start: o.start,
        write: (): Statement => ({
          kind: 'output',
          outputs: [{ name: name(o.name), value: finalise(o.piece, counts) }],
          ...none,
        }),
      })),
    ].sort((x, y) => x.start - y.start);
    const statements = lines.map((line) => line.write(counts));
    return [...block.definitions, ...statements];
  }

  // ---- networks --------------------------------------------------------------------------------------------------------

  private net(e: NetExpr, input: Arity, scope: Scope): Emitted {
    if (isNamed(e)) {
      const made = this.made(e, input, this.decided.below(scope, useSegment(e.name)), scope);
      return { piece: usePiece(made, e.name.label, e.name.use), out: made.out };
    }
    switch (e.kind) {
      case 'seq':
        return this.sequence(e.items, input, scope);
      case 'choice':
        return this.net(
          e.alternatives[this.decided.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr,
          input,
          scope,
        );
      case 'perm': {
        const options = orderOptions(e.items.length);
        const order = options[this.decided.choose(e.site, options, scope)]!.value as readonly number[];
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
        const times = numberOf(this.decided.value(e.times, this.decided.below(scope, useSegment(body.name))));
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
        return this.net(truthOf(this.decided.value(e.test, scope)) ? e.then : e.else, input, scope);
      case 'via':
        return this.group(e, input, scope);
      case 'let':
        return this.net(e.body, input, this.decided.open(scope, e.bindings));
    }
  }

  private sequence(items: readonly NetExpr[], input: Arity, scope: Scope): Emitted {
    let state: Emitted = { piece: { kind: 'chain', items: [] }, out: input };
    for (const item of items) state = this.elements.follow(state, this.net(item, state.out, scope), scope.block);
    return state;
  }

  private group(e: ViaExpr, input: Arity, scope: Scope): Emitted {
    const made = madeOf(this.decided.value(e.weight, scope));
    const before = this.learning;
    const { piece, out } = this.net(e.body, input, scope);
    // Nothing is left that it would make.
    if (this.learning === before) return { piece, out };
    const each = beginsWithEach(piece);
    const steps = each ? [this.elements.apart(each, scope.block), ...stepsOf(piece).slice(1)] : stepsOf(piece);
    const body: Piece = { kind: 'chain', items: steps };
    const { label, use } = e.name;
    return { piece: { kind: 'via', body, weight: weight(made), label, use, whole: made.def.whole !== undefined }, out };
  }

  private repeat(e: RepeatExpr, input: Arity, scope: Scope): Emitted {
    const body = named(e.body);
    const base = useSegment(body.name);
    const times = numberOf(this.decided.value(e.times, this.decided.below(scope, base)));
    if (times === 0) return { piece: { kind: 'id' }, out: input };
    if (e.optional) {
      const made = this.made(body, input, this.decided.below(scope, base), scope);
      return { piece: usePiece(made, body.name.label, body.name.use), out: made.out };
    }
    const made: Made[] = [];
    let out = input;
    for (let copy = 0; copy < (e.tied ? 1 : times); copy++) {
      made.push(this.made(body, out, this.decided.below(scope, `${base}[${copy}]`), scope));
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
    const made = inputs.map((input, i) => this.made(body, input, this.decided.below(scope, `${base}[${i}]`), scope));
    const out = made.map((m) => m.out);
    if (made.length > 0 && allEqual(made)) {
      const kind = form.kind === 'fan' ? 'fan' : 'element';
      return { piece: { ...usePiece(inForm(made[0]!, kind), body.name.label, body.name.use), form }, out };
    }
    const label = `${body.name.label}[${body.name.use}]`;
    const items = made.map((m, i) => usePiece(m, label, i));
    return { piece: listPiece(items, form.kind === 'each'), out };
  }

  // ---- uses ------------------------------------------------------------------------------------------------------------

  private made(e: NamedNet, input: Arity, scope: Scope, caller: Scope): Made {
    switch (e.kind) {
      case 'layer':
        return this.layer(e, scope);
      case 'project':
        this.learning++;
        return { base: name('project'), auto: 'project', out: 'one', silent: false };
      case 'ref': {
        const cell = cellOf(scope, e.binding, 'closure');
        const inside = {
          ...cell.scope,
          parent: cell.scope,
          cells: new Map(),
          path: scope.path,
          own: null,
          block: scope.block,
        };
        const { piece, out } = this.net(cell.expr, input, inside);
        return this.calls.named(e.binding.name, { piece, out }, true, scope.block);
      }
      case 'once':
      case 'shared': {
        const cell = cellOf(scope, e.binding, 'once');
        const block = cell.shared ? cell.scope.block : scope.block;
        const { piece, out } = this.net(cell.expr, input, { ...cell.scope, block });
        if (!cell.shared) return this.calls.named(e.binding.name, { piece, out }, false, block);
        return this.calls.define('shared', e.binding.name, finalise(piece, new Map()), out, block, scope.block);
      }
      case 'call':
        return this.call(e, input, scope, caller);
    }
  }

  private layer(e: LayerExpr, scope: Scope): Made {
    const { layer } = e;
    if (layer.weighted) this.learning++;
    const args = e.args.map((a) => {
      const def = layer.args.find((d) => d.name === a.name)!;
      return argument(
        datum(this.decided.value(a.value, scope), def.type),
        def.positional && layer.args[0] === def ? null : a.name,
      );
    });
    const silent = !layer.weighted && layer.name !== 'dropout';
    const plain = call(layer.name, args);
    const base: Expr = e.via
      ? { kind: 'via', value: plain, weight: weight(madeOf(this.decided.value(e.via, scope))), ...none }
      : plain;
    return { base, auto: layer.name, out: 'one', silent };
  }

  private call(e: CallExpr, input: Arity | null, scope: Scope, caller: Scope): Made {
    const { def } = e;
    if (def.body.kind === 'tensor') return this.calls.cell(e, input, scope, caller);
    const cells = this.calls.argumentCells(e, scope, caller);
    const inside = this.decided.openOver(scope, def.body.bindings, cells);
    return this.calls.named(def.name, this.net(def.body.net, input ?? 'one', inside), isScope(def), scope.block);
  }

  // ---- tensors ---------------------------------------------------------------------------------------------------------

  private tensor(e: TensorExpr, scope: Scope): Emitted {
    switch (e.kind) {
      case 'wire':
        return this.wire(e, scope);
      case 'apply': {
        const input = this.tensor(e.input, scope);
        return this.elements.follow(input, this.net(e.net, input.out, scope), scope.block);
      }
      case 'list':
        return together(e.items.map((item) => this.tensor(item, scope)));
      case 'choice':
        return this.tensor(
          e.alternatives[this.decided.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr,
          scope,
        );
      case 'pick': {
        const options = pickOptions(e.items.length, numberOf(this.decided.value(e.count, scope)));
        const picked = options[this.decided.choose(e.site, options, scope)]!.value as readonly number[];
        return together(picked.map((i) => this.tensor(e.items[i]!, scope)));
      }
      case 'loose':
        return this.loose(e, scope);
      case 'if':
        return this.tensor(truthOf(this.decided.value(e.test, scope)) ? e.then : e.else, scope);
      case 'let':
        return this.letIn(e, scope);
      case 'layerOf': {
        const made = this.layer(e.expr, this.decided.below(scope, useSegment(e.expr.name)));
        const tensors = e.tensors.map((t) => this.tensor(t, scope).piece);
        return { piece: { ...usePiece(made, e.expr.name.label, e.expr.name.use), tensors }, out: 'one' };
      }
      case 'callOf': {
        const { label, use } = e.call.name;
        const made = this.calls.cell(e.call, null, this.decided.below(scope, useSegment(e.call.name)), scope);
        return { piece: usePiece(made, label, use), out: made.out };
      }
    }
  }

  private wire(e: Extract<TensorExpr, { kind: 'wire' }>, scope: Scope): Emitted {
    for (let b: Block | null = scope.block; b; b = b.outer) b.reads.push({ binding: e.binding, start: e.span.start });
    const out = cellOf(scope, e.binding, 'tensor').get();
    const { binding } = e;
    const piece: Piece = { kind: 'tensor', name: binding.name, ...(binding.kind === 'wire' ? { wire: binding } : {}) };
    return { piece, out };
  }

  // Every wire that nothing earlier in the text reads, once all of them have been followed.
  private loose(e: Extract<TensorExpr, { kind: 'loose' }>, scope: Scope): Emitted {
    const all = e.wires.map((wire): [Wire, Arity] => [wire, cellOf(scope, wire, 'tensor').get()]);
    const isUsed = (wire: Wire): boolean => scope.block.reads.some((r) => r.binding === wire && r.start < e.span.start);
    return together(
      all.filter(([w]) => !isUsed(w)).map(([w, out]) => ({ piece: { kind: 'tensor', name: w.name, wire: w }, out })),
    );
  }

  // A tensor that is named within an expression stays there; what else is named is written out.
  private letIn(e: Extract<TensorExpr, { kind: 'let' }>, scope: Scope): Emitted {
    const block: Block = { ...scope.block, wires: new Map() };
    const inside = this.decided.open({ ...scope, block }, e.bindings);
    const body = this.tensor(e.body, inside);
    return [...block.wires].reverse().reduce<Emitted>(
      (within, [wire, value]) => ({
        piece: { kind: 'letin', name: wire.name, value, body: within.piece },
        out: within.out,
      }),
      body,
    );
  }
}
