// A lambda over Runtime::parallel, without std headers (code compiled for every ISA must not instantiate them).
#pragma once
#include "base/kernel.h"

namespace tenon::TENON_ISA {

template <typename Body>
TENON_INLINE void parallel_for(const Runtime& rt, uint32_t tasks, Body body) {
  if (tasks == 0) return;
  rt.parallel(
      rt, tasks, [](void* arg, uint32_t task, uint32_t worker) { (*static_cast<Body*>(arg))(task, worker); }, &body);
}

}  // namespace tenon::TENON_ISA
