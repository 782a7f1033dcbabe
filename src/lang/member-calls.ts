import { lazily } from '../base/lazily.ts';
import type { Bound } from '../space/references.ts';
import type { CallExpr, TensorExpr, TensorParameter } from '../space/expr.ts';
import type { Expr, Parameter, Statement } from '../../grammar/syntax.ts';
import { newBlock, wireLines } from './block.ts';
import type { Block } from './block.ts';
import type { Definitions } from './definitions.ts';
import type { Elements } from './member-elements.ts';
import type { Arity, Cell, Decided, Emitted, Scope } from './member-scope.ts';
import { finalise, name } from './pieces.ts';
import type { Counts } from './pieces.ts';
import { beginsWithEach, isGroup, isSilent } from './uses.ts';
import type { Made } from './uses.ts';

const none = { start: 0, end: 0 } as const;

/** What has a scope of its own, in the program of one member: a group in parentheses, a definition or a cell. */
export class Calls {
  private readonly decided: Decided;
  private readonly definitions: Definitions;
  private readonly elements: Elements;
  /** Follows a tensor. */
  private readonly tensor: (e: TensorExpr, scope: Scope) => Emitted;

  constructor(
    decided: Decided,
    definitions: Definitions,
    elements: Elements,
    tensor: (e: TensorExpr, scope: Scope) => Emitted,
  ) {
    this.decided = decided;
    this.definitions = definitions;
    this.elements = elements;
    this.tensor = tensor;
  }

  /** A network with a scope of its own: a group in parentheses where it may be one, else a definition. */
  named(wanted: string, { piece, out }: Emitted, mayGroup: boolean, block: Block): Made {
    const each = beginsWithEach(piece);
    if (each) return this.elements.overElements(wanted, each, { piece, out }, block);
    const body = finalise(piece, new Map());
    // Where nothing depends on the path, the scope is left out.
    if (mayGroup && isSilent(piece)) return { base: body, auto: null, out, silent: true };
    if (mayGroup && isGroup(body)) return { base: body, auto: null, out, silent: false };
    return this.define('def', wanted, body, out, block);
  }

  define(kind: 'def' | 'shared', wanted: string, value: Expr, out: Arity, block: Block, from: Block = block): Made {
    const label = this.definitions.enter(block, wanted, (as) => ({ kind, name: name(as), value, ...none }), from);
    return { base: name(label), auto: label, out, silent: false };
  }

  /** What the parameters of a call stand for, but for tensors. */
  argumentCells(e: CallExpr, scope: Scope, caller: Scope): Map<Bound, Cell> {
    const cells = new Map<Bound, Cell>();
    const from = { ...caller, parent: caller, cells: new Map(), own: null };
    for (const a of e.args) {
      if (a.kind === 'net') cells.set(a.parameter, { kind: 'closure', expr: a.expr, scope: from });
      if (a.kind === 'value') {
        const { name: label } = a.parameter;
        const at = { ...from, path: `${scope.path}.${label}`, own: label };
        cells.set(a.parameter, { kind: 'value', get: lazily(() => this.decided.value(a.expr, at)) });
      }
    }
    return cells;
  }

  /** A cell with its values decided: what is left are its tensors. */
  cell(e: CallExpr, input: Arity | null, scope: Scope, caller: Scope): Made {
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
    const inside = this.decided.openOver({ ...scope, block }, def.body.bindings, cells);
    const result = this.tensor(def.body.result, inside);
    const counts: Counts = new Map();
    const wires = wireLines(block).sort((a, b) => a.start - b.start);
    const body: Statement[] = [...block.definitions, ...wires.map((line) => line.write(counts))];
    body.push({ kind: 'return', value: finalise(result.piece, counts), ...none });
    for (const n of [...block.names, ...block.below]) scope.block.below.add(n);
    const fixed = tensors.filter((p) => given.has(p));
    const params = [...flowing, ...fixed].map((p): Parameter => ({
      name: name(p.name),
      ...none,
    }));
    const label = this.definitions.enter(scope.block, def.name, (as) => ({
      kind: 'cell',
      name: name(as),
      params,
      body,
      ...none,
    }));
    const pieces = fixed.map((p) => given.get(p)!.piece);
    return { base: name(label), tensors: pieces, auto: label, out: result.out, silent: false };
  }
}
