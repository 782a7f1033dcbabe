import { attrWords } from '../../src/ir/attrs.ts';
import { parseArgumentName, parsePattern } from '../../src/ir/pattern.ts';
import type { AttrKind, OpDef } from '../../src/ir/op.ts';
import { hashText, opTable } from '../../src/plan/op-table.ts';
import { GENERATED, snake } from './names.ts';

const IN_PLACE = 4;
const ROWS = { none: 'RowsKind::kNone', leading: 'RowsKind::kLeading', broadcast: 'RowsKind::kBroadcast' } as const;
const DTYPE = { f32: 'kF32', i32: 'kI32', u8: 'kU8', any: 'kF32' } as const;

/** `cpp/gen/op_table.cpp`: what the validator knows of every op (the types are in cpp/exec/op_info.h). */
export function nativeOpTable(ops: readonly OpDef[]): string {
  return `// ${GENERATED}
#include "exec/op_info.h"

namespace tenon {

// clang-format off
namespace {

${ops.map(rowsOf).join('\n')}
}  // namespace

const OpInfo kOps[] = {
${ops.map(opRow).join('\n')}
};
const uint32_t kOpCount = ${ops.length};
const uint64_t kOpTableHash = 0x${hashText(opTable(ops).hash)}u;
// clang-format on

}  // namespace tenon
`;
}

function rowsOf(op: OpDef): string {
  const symbols = new Map<string, number>();
  const argument = (name: string, text: string): string => `    ${argSpec(name, text, symbols)},`;
  const inputs = Object.entries(op.inputs).map(([key, text]) => argument(key, text));
  const outputs = Object.entries(op.outputs).map(([key, text]) => argument(key, text));
  const attrs = Object.entries(op.attrs).map(([name, kind]) => `    ${attrSpec(snake(name), kind)},`);
  if (symbols.size > 32) throw new Error(`${op.name} has more than 32 symbols`);
  return [
    table('ArgSpec', `k_${op.name}_in`, inputs),
    table('ArgSpec', `k_${op.name}_out`, outputs),
    table('AttrSpec', `k_${op.name}_attrs`, attrs),
  ].join('');
}

const table = (type: string, name: string, rows: readonly string[]): string =>
  rows.length === 0 ? '' : `const ${type} ${name}[] = {\n${rows.join('\n')}\n};\n`;

function argSpec(key: string, text: string, symbols: Map<string, number>): string {
  const { name, optional, variadic } = parseArgumentName(key);
  const pattern = parsePattern(text);
  const symbol = (s: string): number => symbols.get(s) ?? symbols.set(s, symbols.size).size - 1;
  const lead = pattern.lead === null ? 'kNoLead' : String(symbol(`...${pattern.lead}`));
  const dims = pattern.dims.map((d) => (typeof d === 'number' ? `{${d}, 0}` : `{kSymbol, ${symbol(d)}}`));
  const flags = [pattern.dtype === 'any', optional, variadic].join(', ');
  return `{"${snake(name)}", DType::${DTYPE[pattern.dtype]}, ${flags}, ${lead}, ${dims.length}, {${dims.join(', ')}}}`;
}

function attrSpec(name: string, kind: AttrKind): string {
  if (kind === 'u32') return `{"${name}", AttrKind::kU32, 1}`;
  if (kind === 'f32') return `{"${name}", AttrKind::kF32, 1}`;
  if (kind === 'dims') return `{"${name}", AttrKind::kDims, 1}`;
  if ('oneOf' in kind) return `{"${name}", AttrKind::kChoice, ${kind.oneOf.length}}`;
  return `{"${name}", AttrKind::kU32, ${kind.u32}}`;
}

function opRow(op: OpDef): string {
  const part = (suffix: string, record: object): string => {
    const count = Object.keys(record).length;
    return `${count === 0 ? 'nullptr' : `k_${op.name}_${suffix}`}, ${count}`;
  };
  const words = Object.values(op.attrs).reduce((n, kind) => n + attrWords(kind), 0);
  const inPlace = Array.from({ length: IN_PLACE }, (_, i) => op.inPlace?.[i] ?? -1);
  if ((op.inPlace?.length ?? 0) > IN_PLACE) throw new Error(`${op.name} says inPlace of more than ${IN_PLACE} outputs`);
  const parts = [part('in', op.inputs), part('out', op.outputs), part('attrs', op.attrs), words];
  return `    {"${op.name}", ${parts.join(', ')}, {${inPlace.join(', ')}}, ${op.alias ?? false}, ${op.infer !== undefined}, ${ROWS[op.rowLocal ?? 'none']}},`;
}
