// Passes over a row of floats: copies, fills, maps, sums. Tails are padded with zeros and never read or written past
// the row. Sums are good to about 1e-7 of their terms: at most 32 a lane in f32, then f64, in a fixed order.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

constexpr uint64_t kSumBlock = 32;

TENON_INLINE vf load_part(const float* x, int count) { return count == kLanes ? load(x) : load_first(x, count); }
TENON_INLINE void store_part(float* y, vf v, int count) {
  if (count == kLanes) return store(y, v);
  store_first(y, v, count);
}

TENON_INLINE void copy_row(float* y, const float* x, uint64_t n) {
  uint64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(x + i));
  if (i < n) store_first(y + i, load_first(x + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

TENON_INLINE void fill_row(float* y, float value, uint64_t n) {
  const vf v = splat(value);
  uint64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, v);
  if (i < n) store_first(y + i, v, static_cast<int>(n - i));
}

// body(i, count): `count` is kLanes but for the last call, where it may be less.
template <typename Body>
TENON_INLINE void for_lanes(uint64_t n, Body body) {
  uint64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

// n vectors of a row, the last one of `count` floats.
template <int n>
struct Vectors {
  static constexpr int kCount = n;
  int count = kLanes;
  void load(const float* p, vf (&v)[n]) const {
    for (int i = 0; i < n; i++) v[i] = load_part(p + i * kLanes, i + 1 < n ? kLanes : count);
  }
  void store(float* p, const vf (&v)[n]) const {
    for (int i = 0; i < n; i++) store_part(p + i * kLanes, v[i], i + 1 < n ? kLanes : count);
  }
};
// body(Vectors, i): n vectors at a time, then one.
template <int n, typename Body>
TENON_INLINE void for_vectors(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + n * kLanes <= count; i += n * kLanes) body(Vectors<n>{}, i);
  for (; i < count; i += kLanes) body(Vectors<1>{count - i < kLanes ? static_cast<int>(count - i) : kLanes}, i);
}

// y[i] = f(x[i]); y may be x.
template <typename F>
TENON_INLINE void map_row(float* y, const float* x, uint64_t n, F f) {
  for_lanes(n, [&](uint64_t i, int count) { store_part(y + i, f(load_part(x + i, count)), count); });
}

TENON_INLINE vf first_lanes_of(vf v, int count, float rest) { return select(lane_index() < count, v, splat(rest)); }

// The sum of term(i, count) over a row of n: a vector whose lanes from `count` on do not matter.
template <typename Term>
TENON_INLINE double sum_terms(uint64_t n, Term term) {
  double total = 0;
  uint64_t i = 0;
  for (; i + 4 * kLanes <= n;) {
    vf s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    for (uint64_t j = 0; j < kSumBlock && i + 4 * kLanes <= n; j += 4, i += 4 * kLanes) {
      s0 += term(i, kLanes);
      s1 += term(i + kLanes, kLanes);
      s2 += term(i + 2 * kLanes, kLanes);
      s3 += term(i + 3 * kLanes, kLanes);
    }
    total += static_cast<double>(hsum((s0 + s1) + (s2 + s3)));
  }
  if (i == n) return total;
  vf s = zero();
  for (; i + kLanes <= n; i += kLanes) s += term(i, kLanes);
  if (i < n) {
    const int count = static_cast<int>(n - i);
    s += first_lanes_of(term(i, count), count, 0.0f);
  }
  return total + static_cast<double>(hsum(s));
}

TENON_INLINE double sum_row(const float* x, uint64_t n) {
  return sum_terms(n, [&](uint64_t i, int count) { return load_part(x + i, count); });
}

// The larger; NaN where either is.
TENON_INLINE vf max_nan(vf a, vf b) { return select((a > b) | (a != a), a, b); }
TENON_INLINE float max_nan(float a, float b) { return a > b || a != a ? a : b; }

// v with lanes i and i ^ kDistance in each other's place.
template <int kDistance>
TENON_INLINE vf swap_lanes(vf v) {
  constexpr int d = kDistance;
#if TENON_VBYTES == 64
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, 8 ^ d, 9 ^ d, 10 ^ d,
                                 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d);
#elif TENON_VBYTES == 32
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d);
#else
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d);
#endif
}

TENON_INLINE float max_lanes(vf v) {
  if constexpr (kLanes > 8) v = max_nan(v, swap_lanes<8 % kLanes>(v));
  if constexpr (kLanes > 4) v = max_nan(v, swap_lanes<4 % kLanes>(v));
  v = max_nan(v, swap_lanes<2>(v));
  return max_nan(v, swap_lanes<1>(v))[0];
}

// -infinity for an empty row, NaN where one is in it.
TENON_INLINE float max_row(const float* x, uint64_t n) {
  const float low = -__builtin_inff();
  if (n < 4) {
    float m = low;
    for (uint64_t i = 0; i < n; i++) m = max_nan(m, x[i]);
    return m;
  }
  vf m = splat(low);
  for_lanes(n, [&](uint64_t i, int count) {
    m = max_nan(m, count == kLanes ? load(x + i) : first_lanes_of(load_first(x + i, count), count, low));
  });
  return max_lanes(m);
}

}  // namespace tenon::TENON_ISA
