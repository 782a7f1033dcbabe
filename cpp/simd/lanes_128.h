// What vector extensions cannot say, for 128-bit vectors: x86-64-v2 and NEON. Included by vec.h only.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace tenon::TENON_ISA {

// The first n lanes (0 <= n <= kLanes) from memory, zeros after; touches no byte past them.
TENON_INLINE vf load_first(const float* p, int n) {
  if (n >= kLanes) return load(p);
  const float a = n > 0 ? p[0] : 0.0f, b = n > 1 ? p[1] : 0.0f, c = n > 2 ? p[2] : 0.0f;
  return vf{a, b, c, 0.0f};
}
TENON_INLINE void store_first(float* p, vf v, int n) {
  if (n >= kLanes) return store(p, v);
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
}
// Past the caches; p is aligned to a vector. Follow a run of them with stream_fence().
#if defined(__x86_64__)
TENON_INLINE void stream(float* p, vf v) { _mm_stream_ps(p, (__m128)v); }
TENON_INLINE void stream_fence() { _mm_sfence(); }
TENON_INLINE vf sqrt(vf v) { return (vf)_mm_sqrt_ps((__m128)v); }
#elif defined(__aarch64__)
TENON_INLINE void stream(float* p, vf v) { store(p, v); }
TENON_INLINE void stream_fence() {}
TENON_INLINE vf sqrt(vf v) { return (vf)vsqrtq_f32((float32x4_t)v); }
#else
TENON_INLINE void stream(float* p, vf v) { store(p, v); }
TENON_INLINE void stream_fence() {}
TENON_INLINE vf sqrt(vf v) {
  return vf{__builtin_sqrtf(v[0]), __builtin_sqrtf(v[1]), __builtin_sqrtf(v[2]), __builtin_sqrtf(v[3])};
}
#endif
// x, or the bound where x is beyond it; NaN stays NaN.
TENON_INLINE vf at_most(vf x, float bound) { return select(x > bound, splat(bound), x); }
TENON_INLINE vf at_least(vf x, float bound) { return select(x < bound, splat(bound), x); }
// Sums in a fixed order.
TENON_INLINE float hsum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }

// Rows become columns: r[i][j] and r[j][i] change places.
TENON_INLINE void transpose(vf (&r)[kLanes]) {
  const vf a = r[0], b = r[1], c = r[2], d = r[3];
  r[0] = vf{a[0], b[0], c[0], d[0]};
  r[1] = vf{a[1], b[1], c[1], d[1]};
  r[2] = vf{a[2], b[2], c[2], d[2]};
  r[3] = vf{a[3], b[3], c[3], d[3]};
}

}  // namespace tenon::TENON_ISA
