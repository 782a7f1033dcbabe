import type { AttrKind, OpDef } from '../ir/op.ts';

/** The ops in the order of their numbers, and a hash of everything about them that native code relies on. */
export interface OpTable {
  readonly ops: readonly OpDef[];
  readonly idOf: ReadonlyMap<OpDef, number>;
  /** 64 bits. */
  readonly hash: bigint;
}

const tables = new WeakMap<readonly OpDef[], OpTable>();

export function opTable(ops: readonly OpDef[]): OpTable {
  let table = tables.get(ops);
  if (!table) {
    table = { ops, idOf: new Map(ops.map((op, id) => [op, id])), hash: fnv64(ops.map(signature).join('\n')) };
    tables.set(ops, table);
  }
  return table;
}

/** As it is printed and compared: sixteen hexadecimal digits. */
export const hashText = (hash: bigint): string => hash.toString(16).padStart(16, '0');

function signature(op: OpDef): string {
  const list = (record: Readonly<Record<string, string>>): string =>
    Object.entries(record)
      .map(([name, pattern]) => `${name}: ${pattern}`)
      .join(', ');
  const attrs = Object.entries(op.attrs).map(([name, kind]) => `${name}: ${attrKindText(kind)}`);
  const flags = [
    op.alias ? 'alias' : '',
    op.infer ? 'infers' : '',
    op.inPlace ? `in place ${inPlaceText(op)}` : '',
    op.rowLocal ? `rows ${op.rowLocal}` : '',
  ];
  return `${op.name}(${list(op.inputs)}) -> (${list(op.outputs)}) {${attrs.join(', ')}} ${flags.join(' ')}`.trimEnd();
}

const inPlaceText = (op: OpDef): string => (op.inPlace ?? []).map((i) => i ?? '-').join();

export function attrKindText(kind: AttrKind): string {
  if (typeof kind === 'string') return kind;
  return 'oneOf' in kind ? kind.oneOf.join(' | ') : `u32[${kind.u32}]`;
}

// FNV-1a over UTF-8 bytes, in halves of 32 bits: the prime is 2^40 + 0x1b3. (As bigints it is what a script waits for most.)
function fnv64(text: string): bigint {
  let high = 0xcbf29ce4,
    low = 0x84222325;
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + ((low << 8) >>> 0)) % 2 ** 32;
    low = product % 2 ** 32;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
