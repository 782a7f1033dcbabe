// Vectors of doubles, half as many lanes.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

constexpr int kWideLanes = kLanes / 2;
typedef double vd __attribute__((vector_size(TENON_VBYTES)));
typedef int64_t vq __attribute__((vector_size(TENON_VBYTES)));
typedef uint64_t vuq __attribute__((vector_size(TENON_VBYTES)));

typedef double vd_mem __attribute__((vector_size(TENON_VBYTES), aligned(8), may_alias));

TENON_INLINE vd load(const double* p) { return (vd) * reinterpret_cast<const vd_mem*>(p); }
TENON_INLINE void store(double* p, vd v) { *reinterpret_cast<vd_mem*>(p) = (vd_mem)v; }
TENON_INLINE vd splat_d(double x) { return x - vd{}; }

// kWideLanes floats from memory of any alignment. (__builtin_convertvector makes two quarters of it in GCC 12.)
TENON_INLINE vd widen(const float* p) {
#if TENON_VBYTES == 64
  return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif TENON_VBYTES == 32
  return (vd)_mm256_cvtps_pd(_mm_loadu_ps(p));
#else
  return vd{static_cast<double>(p[0]), static_cast<double>(p[1])};
#endif
}

TENON_INLINE void narrow(float* p, vd v) {
#if TENON_VBYTES == 64
  _mm256_storeu_ps(p, _mm512_cvtpd_ps((__m512d)v));
#elif TENON_VBYTES == 32
  _mm_storeu_ps(p, _mm256_cvtpd_ps((__m256d)v));
#else
  p[0] = static_cast<float>(v[0]);
  p[1] = static_cast<float>(v[1]);
#endif
}

}  // namespace tenon::TENON_ISA
