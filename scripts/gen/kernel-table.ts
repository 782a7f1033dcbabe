import type { OpDef } from '../../src/ir/op.ts';
import { GENERATED } from './names.ts';

/** `cpp/gen/kernels.cpp`: the kernels of one ISA in the order of the op table. A kernel that is missing is a link error. */
export function kernelTable(ops: readonly OpDef[]): string {
  const kernels = ops.filter((op) => !op.alias).map((op) => `extern const Kernel ${op.name}_kernel;`);
  const rows = ops.map((op) => (op.alias ? '    nullptr,' : `    &${op.name}_kernel,`) + `  // ${op.name}`);
  return `// ${GENERATED} Compiled once per ISA.
#include "base/kernel.h"

#define TENON_JOIN_(a, b) a##b
#define TENON_JOIN(a, b) TENON_JOIN_(a, b)

// clang-format off
namespace tenon::TENON_ISA {

${kernels.join('\n')}

static const Kernel* const kKernels[] = {
${rows.join('\n')}
};

}  // namespace tenon::TENON_ISA
// clang-format on

extern "C" const tenon::Kernel* const* TENON_JOIN(tenon_kernels_, TENON_ISA)() { return tenon::TENON_ISA::kKernels; }
`;
}
