// What vector extensions cannot say, for AVX2. Included by vec.h only.
#pragma once
#include <immintrin.h>

namespace tenon::TENON_ISA {

TENON_INLINE __m256i first_lanes(int n) { return (__m256i)(lane_index() < n); }

// The first n lanes (0 <= n <= kLanes) from memory, zeros after; touches no byte past them.
TENON_INLINE vf load_first(const float* p, int n) { return (vf)_mm256_maskload_ps(p, first_lanes(n)); }
TENON_INLINE void store_first(float* p, vf v, int n) { _mm256_maskstore_ps(p, first_lanes(n), (__m256)v); }
// Past the caches; p is aligned to a vector. Follow a run of them with stream_fence().
TENON_INLINE void stream(float* p, vf v) { _mm256_stream_ps(p, (__m256)v); }
TENON_INLINE void stream_fence() { _mm_sfence(); }

TENON_INLINE vf sqrt(vf v) { return (vf)_mm256_sqrt_ps((__m256)v); }
// x, or the bound where x is beyond it; NaN stays NaN.
TENON_INLINE vf at_most(vf x, float bound) { return (vf)_mm256_min_ps(_mm256_set1_ps(bound), (__m256)x); }
TENON_INLINE vf at_least(vf x, float bound) { return (vf)_mm256_max_ps(_mm256_set1_ps(bound), (__m256)x); }
// Sums in a fixed order.
TENON_INLINE float hsum(vf v) {
  __m128 t = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  t = _mm_add_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

// Lane i is lane at[i] of v, whose number is below kLanes.
TENON_INLINE vf permute(vf v, vi at) { return (vf)_mm256_permutevar8x32_ps((__m256)v, (__m256i)at); }

// Rows become columns: r[i][j] and r[j][i] change places.
TENON_INLINE void transpose(vf (&r)[kLanes]) {
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps((__m256)r[i], (__m256)r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps((__m256)r[i], (__m256)r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = (vf)_mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = (vf)_mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

}  // namespace tenon::TENON_ISA
