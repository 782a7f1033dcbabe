// What vector extensions cannot say, for AVX-512. Included by vec.h only. The same functions as lanes_avx2.h.
#pragma once
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // GCC 12's own header trips over its _mm512_undefined_ps
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

namespace tenon::TENON_ISA {

// The first n lanes (0 <= n <= kLanes) from memory, zeros after; touches no byte past them.
TENON_INLINE vf load_first(const float* p, int n) {
  return (vf)_mm512_maskz_loadu_ps(static_cast<__mmask16>(_bzhi_u32(0xffffu, static_cast<unsigned>(n))), p);
}
TENON_INLINE void store_first(float* p, vf v, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(_bzhi_u32(0xffffu, static_cast<unsigned>(n))), (__m512)v);
}
// Past the caches; p is aligned to a vector. Follow a run of them with stream_fence().
TENON_INLINE void stream(float* p, vf v) { _mm512_stream_ps(p, (__m512)v); }
TENON_INLINE void stream_fence() { _mm_sfence(); }

TENON_INLINE vf sqrt(vf v) { return (vf)_mm512_sqrt_ps((__m512)v); }
// x, or the bound where x is beyond it; NaN stays NaN.
TENON_INLINE vf at_most(vf x, float bound) { return (vf)_mm512_min_ps(_mm512_set1_ps(bound), (__m512)x); }
TENON_INLINE vf at_least(vf x, float bound) { return (vf)_mm512_max_ps(_mm512_set1_ps(bound), (__m512)x); }
// Sums in a fixed order.
TENON_INLINE float hsum(vf v) {
  const __m256 lo = _mm512_castps512_ps256((__m512)v), hi = _mm512_extractf32x8_ps((__m512)v, 1);
  const __m256 s = _mm256_add_ps(lo, hi);
  __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_add_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

// Lane i is lane at[i] of v, whose number is below kLanes.
TENON_INLINE vf permute(vf v, vi at) { return (vf)_mm512_permutexvar_ps((__m512i)at, (__m512)v); }

// Rows become columns: r[i][j] and r[j][i] change places.
TENON_INLINE void transpose(vf (&r)[kLanes]) {
  __m512 t[16], u[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = (vf)_mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = (vf)_mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = (vf)_mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = (vf)_mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

}  // namespace tenon::TENON_ISA
