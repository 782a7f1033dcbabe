// Random matrices of which no entry is stored (src/ops/lib/projection.ts says what each is): attributes, counters, and
// what kernels of every kind share.
#pragma once
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/normal.h"
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {

enum Kind : uint32_t { kRademacher, kGaussian, kSparse, kFastfood };
enum Purpose : uint32_t { kEntries = 0, kScales = 1, kOrder = 2 };

struct Projection {
  uint32_t kind;
  PhiloxKey key;
  uint32_t stream;
  uint64_t rows, columns;
  uint64_t stratum, strata;  // sparse
  uint32_t third(Purpose purpose) const { return 4 * stream + purpose; }
};

constexpr uint64_t kMostRows = uint64_t{1} << 31;
constexpr uint32_t kMostStreams = 1u << 30;
constexpr uint64_t kMostStratum = 32768;
constexpr uint64_t kMostParts = 16;  // partial results of a transpose

// √n to the nearest whole number, at least 1.
TENON_INLINE uint64_t rounded_root(uint64_t n) {
  const uint64_t root = static_cast<uint64_t>(__builtin_sqrt(static_cast<double>(n)) + 0.5);
  return root < 1 ? 1 : root;
}

template <class Attrs>
TENON_INLINE Projection projection_of(const Attrs& at, uint64_t rows, uint64_t columns) {
  const uint64_t root = rounded_root(rows);
  const uint64_t stratum = at.stratum != 0 ? at.stratum : root < kMostStratum ? root : kMostStratum;
  return {at.kind, {at.key0, at.key1}, at.stream, rows, columns, stratum, ceil_div(rows, stratum)};
}

TENON_INLINE Status check_projection(const Projection& p) {
  if (p.columns > p.rows) return bad_plan("more dimensions than numbers", "d");
  if (p.rows > kMostRows) return bad_plan("more than 2^31 numbers", "dims");
  if (p.stream >= kMostStreams) return bad_plan("must be below 2^30", "stream");
  if (p.stratum > kMostStratum) return bad_plan("a stratum has at most 32768 rows", "stratum");
  return {};
}

// The words of the blocks of counters (first, second): see philox().
TENON_INLINE void words_of(const Projection& p, vuq first, vuq second, Purpose purpose, vuq (&word)[4]) {
  philox_at(first, second, p.third(purpose), 0, p.key, word);
}

// float[kLanes] from places that are given.
TENON_INLINE vf gathered(const float* from, vi at) {
#if TENON_VBYTES == 64
  return (vf)_mm512_i32gather_ps((__m512i)at, from, 4);
#else
  vf v;
  for (int i = 0; i < kLanes; i++) v[i] = from[at[i]];
  return v;
#endif
}

// One of sixteen numbers by the low four bits of each lane.
TENON_INLINE vf looked_up(const float* table, vu at) {
#if TENON_VBYTES == 64
  return (vf)_mm512_permutexvar_ps((__m512i)at, _mm512_loadu_ps(table));
#elif TENON_VBYTES == 32
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)at);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)at);
  return (vf)_mm256_blendv_ps(low, high, (__m256)(at << 28));
#else
  vf v;
  for (int i = 0; i < kLanes; i++) v[i] = table[at[i] & 15];
  return v;
#endif
}

TENON_INLINE void zero_or_copy(float* to, const float* from, uint64_t n) {
  if (from == to) return;
  if (from) return copy_row(to, from, n);
  fill_row(to, 0.0f, n);
}

// v[c] = scale * the sum over parts of partial[part][c], in order.
TENON_INLINE void add_parts(float* v, const float* partial, uint32_t parts, uint64_t columns, float scale) {
  for (uint64_t c = 0; c < columns; c++) {
    float sum = 0;
    for (uint32_t part = 0; part < parts; part++) sum += partial[part * columns + c];
    v[c] = sum * scale;
  }
}

}  // namespace tenon::TENON_ISA
