// Numbers rounded to bf16, to nearest and ties to even; subnormals become 0 and NaN stays NaN, as AVX512-BF16 has it.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

// As f32 numbers whose low half is 0.
TENON_INLINE vf round_bf16(vf x) {
  const vu b = (vu)x;
  const vu near = (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000u;
  const vi quiet = (vi)((b | 0x400000) & 0xffff0000u), signed_zero = (vi)(b & 0x80000000u);
  const vi small = (vi)(b & 0x7fffffff) < 0x800000;
  return from_bits(select((vi)(x != x), quiet, select(small, signed_zero, (vi)near)));
}

#if TENON_VBYTES == 64
// The instructions of AVX512-BF16, for CPUs where has_bf16() is true. They are written out, so that code that asks at
// run time needs no other options of the compiler.
TENON_INLINE bool has_bf16() { return __builtin_cpu_supports("avx512bf16"); }

// 32 numbers as bf16, in order.
TENON_INLINE vf narrow(vf first, vf second) {
  vf y;
  __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(y) : "v"(first), "v"(second));
  return y;
}
// Lane i holds a pair: even[i] in its low half, odd[i] in its high half.
TENON_INLINE vf pairs(vf even, vf odd) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (vf)_mm512_permutexvar_epi16(_mm512_load_si512(kOrder), (__m512i)narrow(even, odd));
}
// sum + odd products, rounded, + even products, rounded.
TENON_INLINE vf dot_pairs(vf a, vf b, vf sum) {
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
#else
TENON_INLINE bool has_bf16() { return false; }
#endif

}  // namespace tenon::TENON_ISA
