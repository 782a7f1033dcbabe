// One vector type a lane kind, as wide as the ISA (TENON_VBYTES). Arithmetic, comparisons and `mask ? a : b` come from
// the compiler's vector extensions; what those cannot say (masks, square roots, transposes) is in lanes_<isa>.h.
// Compiled with -ffp-contract=fast: a * b + c is one fused operation where the ISA has it.
#pragma once
#include "base/view.h"

namespace tenon::TENON_ISA {

constexpr int kLanes = TENON_VBYTES / 4;

typedef float vf __attribute__((vector_size(TENON_VBYTES)));
typedef int32_t vi __attribute__((vector_size(TENON_VBYTES)));
typedef uint32_t vu __attribute__((vector_size(TENON_VBYTES)));
// Forms for memory of any alignment.
typedef float vf_mem __attribute__((vector_size(TENON_VBYTES), aligned(4), may_alias));
typedef int32_t vi_mem __attribute__((vector_size(TENON_VBYTES), aligned(4), may_alias));

TENON_INLINE vf load(const float* p) { return (vf) * reinterpret_cast<const vf_mem*>(p); }
TENON_INLINE vi load(const int32_t* p) { return (vi) * reinterpret_cast<const vi_mem*>(p); }
TENON_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_mem*>(p) = (vf_mem)v; }
TENON_INLINE void store(int32_t* p, vi v) { *reinterpret_cast<vi_mem*>(p) = (vi_mem)v; }

TENON_INLINE vf splat(float x) { return x - vf{}; }
TENON_INLINE vi splat_i(int32_t x) { return x + vi{}; }
TENON_INLINE vf zero() { return vf{}; }

TENON_INLINE vi bits(vf v) { return (vi)v; }
TENON_INLINE vf from_bits(vi v) { return (vf)v; }
TENON_INLINE vf to_f32(vi v) { return __builtin_convertvector(v, vf); }

// mask lanes are 0 or -1, as comparisons give them.
TENON_INLINE vf select(vi mask, vf a, vf b) { return mask ? a : b; }
TENON_INLINE vi select(vi mask, vi a, vi b) { return mask ? a : b; }
// The second argument where either is NaN.
TENON_INLINE vf max(vf a, vf b) { return a > b ? a : b; }
TENON_INLINE vf min(vf a, vf b) { return a < b ? a : b; }
TENON_INLINE vf abs(vf v) { return from_bits(bits(v) & 0x7fffffff); }
// |v| with the sign of s.
TENON_INLINE vf with_sign(vf v, vf s) {
  return from_bits((bits(v) & 0x7fffffff) | (bits(s) & static_cast<int32_t>(0x80000000u)));
}
TENON_INLINE vf muladd(vf a, vf b, vf c) { return a * b + c; }

// Keeps v in a register, where the compiler would else read it from memory once a use.
TENON_INLINE void in_register(vf& v) {
#if defined(__x86_64__)
  __asm__("" : "+v"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
}

// 0, 1, 2, …
TENON_INLINE vi lane_index() {
  vi v;
  for (int i = 0; i < kLanes; i++) v[i] = i;
  return v;
}

}  // namespace tenon::TENON_ISA

#if TENON_VBYTES == 64
#include "simd/lanes_avx512.h"
#elif TENON_VBYTES == 32
#include "simd/lanes_avx2.h"
#else
#include "simd/lanes_128.h"
#endif
