// Normal numbers in f32 lanes by Box-Muller, to about two roundings: twice as fast as in f64 (simd/philox.h).
#pragma once
#include "simd/philox.h"

namespace tenon::TENON_ISA {

TENON_INLINE vf to_f32(vu v) { return __builtin_convertvector(v, vf); }

// −2 ln u, u = (w + 1/2) / 2^32. Near 1 the logarithm is taken from 1 − u, which is exact in w.
TENON_INLINE vf minus_two_log(vu w) {
  const vi near_one = (vi)(w >= 0xb504f333u);
  const vf x = to_f32(w) + 0.5f, t = (to_f32(~w) + 0.5f) * 2.3283064365386963e-10f;
  const vi base = bits(x) - 0x3f3504f3;  // so that the fraction lies in [sqrt(1/2), sqrt(2))
  const vf m = from_bits((base & 0x007fffff) + 0x3f3504f3);
  const vf exponent = select(near_one, zero(), to_f32((base >> 23) - 32));
  const vf s = select(near_one, -t, m - 1.0f) / select(near_one, 2.0f - t, m + 1.0f), q = s * s;
  vf tail = splat(1.0f / 11);
  tail = tail * q + 1.0f / 9;
  tail = tail * q + 1.0f / 7;
  tail = tail * q + 1.0f / 5;
  tail = tail * q + 1.0f / 3;
  return (s * q * tail + s) * -4.0f + exponent * -1.38629436f;
}

// Cosine and sine of 2 pi u: quarters from the word's bits, so that the rest is exact.
TENON_INLINE void sincos_of(vu w, vf& sine, vf& cosine) {
  const vu quarter = (w + 0x20000000u) >> 30;
  const vf a = (to_f32((vi)(w - (quarter << 30))) + 0.5f) * 1.4629180792671596e-9f, q = a * a;
  vf s = splat(1.0f / 362880), c = splat(-1.0f / 3628800);
  s = s * q - 1.0f / 5040;
  s = s * q + 1.0f / 120;
  s = s * q - 1.0f / 6;
  s = s * q * a + a;
  c = c * q + 1.0f / 40320;
  c = c * q - 1.0f / 720;
  c = c * q + 1.0f / 24;
  c = c * q - 0.5f;
  c = c * q + 1.0f;
  const vi odd = (vi)((quarter & 1u) != 0u);
  const vf sin = select(odd, c, s), cos = select(odd, s, c);
  sine = from_bits(bits(sin) ^ (vi)((quarter & 2u) << 30));
  cosine = from_bits(bits(cos) ^ (vi)(((quarter + 1u) & 2u) << 30));
}

// Lanes a0 b0 a1 b1 … of two vectors.
TENON_INLINE vf interleaved_low(vf a, vf b) {
#if TENON_VBYTES == 64
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif TENON_VBYTES == 32
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}
TENON_INLINE vf interleaved_high(vf a, vf b) {
#if TENON_VBYTES == 64
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif TENON_VBYTES == 32
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

// Normal numbers of the words of kBlocks blocks, in the order of blocks and words: 2 kLanes of them.
TENON_INLINE void normals_of(const vuq (&word)[4], vf& first, vf& second) {
  const vu radii = (vu)((word[0] & 0xffffffffu) | word[2] << 32);
  const vu turns = (vu)((word[1] & 0xffffffffu) | word[3] << 32);
  vf sine, cosine;
  sincos_of(turns, sine, cosine);
  const vf radius = sqrt(minus_two_log(radii));
  first = interleaved_low(radius * cosine, radius * sine);
  second = interleaved_high(radius * cosine, radius * sine);
}

}  // namespace tenon::TENON_ISA
