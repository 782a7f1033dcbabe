#include "exec/isa.h"

#include <string.h>

#include "exec/op_info.h"

namespace tenon {
namespace {

#if !defined(__x86_64__)
bool always() { return true; }
#endif
bool never() { return false; }

#if defined(__x86_64__)
bool has_base() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}
bool has_avx2() {
  return has_base() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

}  // namespace

#if defined(__x86_64__)
const Isa kIsas[] = {{"base", has_base, tenon_kernels_base, never},
                     {"avx2", has_avx2, tenon_kernels_avx2, never},
                     {"avx512", has_avx512, tenon_kernels_avx512, has_avx512_bf16}};
#elif defined(__aarch64__)
const Isa kIsas[] = {{"neon", always, tenon_kernels_neon, never}};
#else
const Isa kIsas[] = {{"base", always, tenon_kernels_base, never}};
#endif
const uint32_t kIsaCount = sizeof kIsas / sizeof kIsas[0];

Fault pick_isa(const char* wanted, const Isa** isa) {
  *isa = nullptr;
  std::string names;
  for (uint32_t i = 0; i < kIsaCount; i++) {
    if (!kIsas[i].supported()) continue;
    names += (names.empty() ? "" : " | ") + std::string(kIsas[i].name);
    if (!wanted || !*wanted || strcmp(wanted, kIsas[i].name) == 0) *isa = &kIsas[i];
  }
  if (*isa) return Fault();
  if (names.empty()) return fault(Code::kBadArgument, "isa", "this CPU is too old", "SSE4.2 or later", "none of it");
  return fault(Code::kBadArgument, "isa", "no such instruction set on this CPU", names,
               std::string("'") + wanted + "'");
}

}  // namespace tenon
