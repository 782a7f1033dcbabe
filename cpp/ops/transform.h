// Walsh-Hadamard transforms of power-of-two length: butterflies over registers, kRadix vectors at a time.
#pragma once
#include "ops/parts.h"
#include "simd/vec.h"

namespace tenon::TENON_ISA {

#if TENON_VBYTES == 64
constexpr int kRadix = 16;  // of 32 registers
#else
constexpr int kRadix = 8;  // of 16
#endif

template <int... kIndex>
struct LaneList {};
#if TENON_VBYTES == 64
typedef LaneList<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15> AllLanes;
#elif TENON_VBYTES == 32
typedef LaneList<0, 1, 2, 3, 4, 5, 6, 7> AllLanes;
#else
typedef LaneList<0, 1, 2, 3> AllLanes;
#endif

// One level over lanes h apart: v[i ^ h] + (i & h ? -v[i] : v[i]).
template <int kH, int... kIndex>
TENON_INLINE vf lane_level(vf v, LaneList<kIndex...>) {
  const vf sign = {((kIndex & kH) != 0 ? -1.0f : 1.0f)...};
  return muladd(v, sign, __builtin_shufflevector(v, v, (kIndex ^ kH)...));
}

// The transform of the lanes of a vector.
TENON_INLINE vf lane_transform(vf v) {
  v = lane_level<1>(v, AllLanes());
  v = lane_level<2>(v, AllLanes());
  if constexpr (kLanes > 4) v = lane_level<4>(v, AllLanes());
  if constexpr (kLanes > 8) v = lane_level<8>(v, AllLanes());
  return v;
}

// The transform across kN vectors.
template <int kN>
TENON_INLINE void butterflies(vf* r) {
#pragma GCC unroll 4
  for (int h = 1; h < kN; h *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < kN; i++) {
      if (i & h) continue;
      const vf a = r[i], b = r[i + h];
      r[i] = a + b;
      r[i + h] = a - b;
    }
  }
}

// One group: kN vectors that lie `from_step` floats apart in `from`, to `to_step` apart in `to`.
template <int kN, bool kInLanes>
TENON_INLINE void group(const float* from, uint64_t from_step, float* to, uint64_t to_step, vf scale) {
  vf r[kN];
#pragma GCC unroll 16
  for (int i = 0; i < kN; i++) r[i] = load(from + static_cast<uint64_t>(i) * from_step);
  if constexpr (kInLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kN; i++) r[i] = lane_transform(r[i]);
  }
  butterflies<kN>(r);
#pragma GCC unroll 16
  for (int i = 0; i < kN; i++) store(to + static_cast<uint64_t>(i) * to_step, r[i] * scale);
}

// All groups of one pass over n floats whose lines are `step` floats long: levels step, 2 step, … kN/2 step.
template <int kN, bool kInLanes>
TENON_INLINE void pass(const float* from, float* to, uint64_t n, uint64_t step, vf scale) {
  for (uint64_t block = 0; block < n; block += step * kN)
    for (uint64_t i = block; i < block + step; i += kLanes) group<kN, kInLanes>(from + i, step, to + i, step, scale);
}

template <bool kInLanes>
TENON_INLINE void pass_of(uint64_t radix, const float* from, float* to, uint64_t n, uint64_t step, vf scale) {
  switch (radix) {
    case 1:
      return pass<1, kInLanes>(from, to, n, step, scale);
    case 2:
      return pass<2, kInLanes>(from, to, n, step, scale);
    case 4:
      return pass<4, kInLanes>(from, to, n, step, scale);
    case 8:
      return pass<8, kInLanes>(from, to, n, step, scale);
    default:
      return pass<kRadix, kInLanes>(from, to, n, step, scale);
  }
}

// y = scale * H x for one row that fits a cache; y may be x.
static __attribute__((noinline)) void transform_row(const float* x, float* y, uint64_t n, float scale) {
  if (n < kLanes) {
    float t[kLanes] = {};
    for (uint64_t i = 0; i < n; i++) t[i] = x[i];
    for (uint64_t h = 1; h < n; h *= 2)
      for (uint64_t i = 0; i < n; i++) {
        if (i & h) continue;
        const float a = t[i], b = t[i + h];
        t[i] = a + b;
        t[i + h] = a - b;
      }
    for (uint64_t i = 0; i < n; i++) y[i] = t[i] * scale;
    return;
  }
  uint64_t left = n / kLanes, step = kLanes;
  const uint64_t first = at_most(left, kRadix);
  left /= first;
  pass_of<true>(first, x, y, n, step, splat(left == 1 ? scale : 1.0f));
  step *= first;
  while (left > 1) {
    const uint64_t radix = at_most(left, kRadix);
    left /= radix;
    pass_of<false>(radix, y, y, n, step, splat(left == 1 ? scale : 1.0f));
    step *= radix;
  }
}

// ---- rows beyond a cache: first the levels across lines, some columns at a time, then each line

constexpr uint64_t kLine = 16384;                 // floats of a line: it and its result fit the second cache
constexpr uint64_t kMostLines = kRadix * kRadix;  // that one pass over columns joins
constexpr uint64_t kColumns = 4 * kLanes;         // columns a task's buffer holds

// How many lines lie apart that the next pass joins, and how many of them it joins.
struct ColumnPass {
  uint64_t step;   // floats between lines
  uint64_t lines;  // joined
};

// The levels between `lines` lines for kColumns columns from x on to y; y may be x.
static __attribute__((noinline)) void transform_columns(const float* x, float* y, ColumnPass p) {
  float buffer[kMostLines * kColumns];
  const vf one = splat(1.0f);
  const uint64_t inner = at_most(p.lines, kRadix), outer = p.lines / inner;
  for (uint64_t o = 0; o < outer; o++) {
    const float* from = x + o * inner * p.step;
    float* to = outer == 1 ? y : buffer + o * inner * kColumns;
    const uint64_t to_step = outer == 1 ? p.step : kColumns;
    for (uint64_t c = 0; c < kColumns; c += kLanes) switch (inner) {
        case 2:
          group<2, false>(from + c, p.step, to + c, to_step, one);
          break;
        case 4:
          group<4, false>(from + c, p.step, to + c, to_step, one);
          break;
        case 8:
          group<8, false>(from + c, p.step, to + c, to_step, one);
          break;
        default:
          group<kRadix, false>(from + c, p.step, to + c, to_step, one);
      }
  }
  if (outer == 1) return;
  for (uint64_t i = 0; i < inner; i++)
    for (uint64_t c = 0; c < kColumns; c += kLanes) {
      const float* from = buffer + i * kColumns + c;
      float* to = y + i * p.step + c;
      const uint64_t from_step = inner * kColumns, to_step = inner * p.step;
      switch (outer) {
        case 2:
          group<2, false>(from, from_step, to, to_step, one);
          break;
        case 4:
          group<4, false>(from, from_step, to, to_step, one);
          break;
        case 8:
          group<8, false>(from, from_step, to, to_step, one);
          break;
        default:
          group<kRadix, false>(from, from_step, to, to_step, one);
      }
    }
}

// Every pass over columns of rows x of n floats, in parallel; what is left then are the lines. x and y: [rows, n]
TENON_INLINE void transform_across_lines(const Runtime& rt, const float* x, float* y, uint64_t rows, uint64_t n) {
  for (uint64_t step = n; step > kLine;) {
    const ColumnPass p = {step / at_most(step / kLine, kMostLines), at_most(step / kLine, kMostLines)};
    const uint64_t tasks = p.step / kColumns, pieces = rows * (n / step);
    const float* from = step == n ? x : y;
    for_parts(rt, parts_of(pieces * tasks, p.lines * kColumns), [&](uint64_t begin, uint64_t end, uint32_t) {
      for (uint64_t t = begin; t < end; t++) {
        const uint64_t at = t / tasks * step + t % tasks * kColumns;
        transform_columns(from + at, y + at, p);
      }
    });
    step = p.step;
  }
}

// y = scale * H x over each row; y may be x.
TENON_INLINE void transform_rows(const Runtime& rt, const float* x, float* y, uint64_t rows, uint64_t n, float scale) {
  const bool lines = n > kLine;
  if (lines) transform_across_lines(rt, x, y, rows, n);
  const uint64_t length = lines ? kLine : n;
  const float* from = lines ? y : x;
  for_parts(rt, parts_of(rows * (n / length), length), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t i = begin; i < end; i++) transform_row(from + i * length, y + i * length, length, scale);
  });
}

}  // namespace tenon::TENON_ISA
