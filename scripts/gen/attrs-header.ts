import { attrWords } from '../../src/ir/attrs.ts';
import type { AttrKind, OpDef } from '../../src/ir/op.ts';
import { GENERATED, pascal, snake } from './names.ts';

/** `cpp/gen/attrs.h`: one struct an op that has attributes, and how it is read from the words of a plan. */
export function attrsHeader(ops: readonly OpDef[]): string {
  const structs = ops.filter((op) => Object.keys(op.attrs).length > 0).map(attrsStruct);
  return `// ${GENERATED}
// Included by code compiled for every ISA: everything here is forced inline. The validator has checked every word.
#pragma once
#include <stdint.h>

namespace tenon {

// clang-format off
${structs.join('\n')}
// clang-format on

}  // namespace tenon
`;
}

function attrsStruct(op: OpDef): string {
  const type = `${pascal(op.name)}Attrs`;
  const fields: string[] = [],
    reads: string[] = [];
  let word = 0;
  for (const [name, kind] of Object.entries(op.attrs)) {
    fields.push(...field(snake(name), kind));
    reads.push(...readField(snake(name), kind, word));
    word += attrWords(kind);
  }
  return `struct ${type} {
${fields.map((f) => `  ${f}\n`).join('')}  __attribute__((always_inline)) static inline ${type} read(const uint64_t* words) {
    ${type} a;
${reads.map((r) => `    ${r}\n`).join('')}    return a;
  }
};
`;
}

function field(name: string, kind: AttrKind): string[] {
  if (kind === 'u32') return [`uint32_t ${name};`];
  if (kind === 'f32') return [`float ${name};`];
  if (kind === 'dims') return [`uint32_t ${name}_rank;`, `uint64_t ${name}[8];`];
  if ('oneOf' in kind) return [`uint32_t ${name};  // ${kind.oneOf.map((c, i) => `${i} ${c}`).join(', ')}`];
  return [`uint32_t ${name}[${kind.u32}];`];
}

function readField(name: string, kind: AttrKind, word: number): string[] {
  const whole = (target: string, at: string | number): string => `${target} = static_cast<uint32_t>(words[${at}]);`;
  if (kind === 'f32')
    return [
      `double ${name}_word;`,
      `__builtin_memcpy(&${name}_word, words + ${word}, sizeof ${name}_word);`,
      `a.${name} = static_cast<float>(${name}_word);`,
    ];
  if (kind === 'dims')
    return [whole(`a.${name}_rank`, word), `for (int i = 0; i < 8; i++) a.${name}[i] = words[${word + 1} + i];`];
  if (typeof kind === 'object' && 'u32' in kind)
    return [`for (int i = 0; i < ${kind.u32}; i++) ${whole(`a.${name}[i]`, `${word} + i`)}`];
  return [whole(`a.${name}`, word)];
}
