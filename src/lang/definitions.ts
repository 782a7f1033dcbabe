import type { Statement } from '../../grammar/syntax.ts';
import type { Block } from './block.ts';
import { printStatement } from './printer.ts';

/** Names that definitions must not take. */
export interface ReservedNames {
  readonly tensors: ReadonlySet<string>;
  readonly shared: ReadonlySet<string>;
}

/** Gives definitions their names. */
export class Definitions {
  private readonly reserved: ReservedNames;

  constructor(reserved: ReservedNames) {
    this.reserved = reserved;
  }

  /** The name of a definition: an equal one that can be seen from here, or a new one. `from`: the block, in it, where it is used. */
  enter(block: Block, wanted: string, make: (as: string) => Statement, from: Block = block): string {
    const key = printStatement(make(wanted));
    for (let b: Block | null = block; b; b = b.outer) {
      const known = b.known.get(key);
      if (known !== undefined) return known;
    }
    const label = this.fresh(block, wanted, make(wanted).kind === 'shared', from);
    block.known.set(key, label);
    block.definitions.push(make(label));
    return label;
  }

  /** A name that nothing has yet where it can be seen. */
  fresh(block: Block, wanted: string, shared = false, from: Block = block): string {
    let label = wanted;
    for (let n = 2; this.isTaken(label, shared, block, from); n++) label = `${wanted}_${n}`;
    block.names.add(label);
    return label;
  }

  // The name of a shared network is part of its path: others leave it alone.
  private isTaken(label: string, shared: boolean, block: Block, from: Block): boolean {
    if (this.reserved.tensors.has(label) || (!shared && this.reserved.shared.has(label)) || block.below.has(label))
      return true;
    for (let b: Block | null = from; b; b = b.outer) if (b.names.has(label)) return true;
    return false;
  }
}
