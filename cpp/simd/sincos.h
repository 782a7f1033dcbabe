// Sine and cosine of a vector of floats, of any size, to 0.51 units in the last place (test/ops/ulps.test.ts): in f64,
// rounded once.
#pragma once
#include "simd/wide_math.h"

namespace tenon::TENON_ISA {

// The bits of 1 / (2 pi) behind the point.
constexpr uint32_t kTurns[] = {0x28be60db, 0x9391054a, 0x7f09d5f4, 0x7d4d3770, 0x36d8a566, 0x4f10e410, 0x7f9458ea};

// |x| in [2^20, infinity) as r + quarter * pi / 2: of 1 / (2 pi), the bits that x makes whole turns of are left out,
// and 96 of those after them taken (Payne and Hanek 1983).
static inline double exact_quarter(float x, int64_t& quarter) {
  const uint32_t word = __builtin_bit_cast(uint32_t, x);
  const uint64_t mantissa = (word & 0x7fffff) | 0x800000;
  const int power = static_cast<int>(word >> 23 & 255) - 150 + 32;  // x = mantissa * 2^(power - 32), power in [29, 136]
  uint64_t bits[3];
  for (int i = 0; i < 3; i++) {
    const int from = power / 32 - 1 + i, shift = power % 32;
    const uint64_t both = (from < 0 ? 0 : uint64_t{kTurns[from]} << 32) | kTurns[from + 1];
    bits[i] = both << shift >> 32 & 0xffffffff;
  }
  const uint64_t turn = (mantissa * bits[0] << 32) + mantissa * bits[1] + (mantissa * bits[2] >> 32);  // of 2^64
  const uint64_t nearest = (turn + (uint64_t{1} << 61)) >> 62;
  quarter = static_cast<int64_t>(nearest);
  double r = static_cast<double>(static_cast<int64_t>(turn - (nearest << 62))) * 3.4061215800865545e-19;  // 2 pi / 2^64
  if (word >> 31) {
    r = -r;
    quarter = -quarter;
  }
  return r;
}

TENON_INLINE void sincos_part(const float* x, float* sine, float* cosine) {
  vq quarter;
  vd r = near_quarter(widen(x), quarter);
  for (int i = 0; i < kWideLanes; i++)
    if (__builtin_fabsf(x[i]) >= 1048576.0f && __builtin_isfinite(x[i])) {
      int64_t whole;
      r[i] = exact_quarter(x[i], whole);
      quarter[i] = whole;
    }
  vd s, c;
  sincos_near(r, quarter, s, c);
  narrow(sine, s);
  narrow(cosine, c);
}

TENON_INLINE void sincos(vf x, vf& sine, vf& cosine) {
  float from[kLanes], s[kLanes], c[kLanes];
  store(from, x);
  for (int i = 0; i < kLanes; i += kWideLanes) sincos_part(from + i, s + i, c + i);
  sine = load(s);
  cosine = load(c);
}
TENON_INLINE vf sin(vf x) {
  vf s, c;
  sincos(x, s, c);
  return s;
}
TENON_INLINE vf cos(vf x) {
  vf s, c;
  sincos(x, s, c);
  return c;
}

}  // namespace tenon::TENON_ISA
