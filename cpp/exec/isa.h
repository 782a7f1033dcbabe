// The kernels of each instruction set that this binary holds, and the choice among them.
#pragma once
#include <string>

#include "base/kernel.h"
#include "exec/fault.h"

namespace tenon {

struct Isa {
  const char* name;
  bool (*supported)();
  const Kernel* const* (*kernels)();  // in the order of kOps; null for alias ops
  bool (*bf16)();                     // whether this CPU multiplies bf16 by instructions that these kernels use
};

// From the simplest to the best.
extern const Isa kIsas[];
extern const uint32_t kIsaCount;

// The best that this CPU has, or the one asked for ("" and null: any). On a fault *isa is null.
Fault pick_isa(const char* wanted, const Isa** isa);

}  // namespace tenon
