// Projections all of whose entries count: signs and normal numbers, kTile rows at a time.
#pragma once
#include "ops/projection.h"

namespace tenon::TENON_ISA {

constexpr int kTile = 4 * kBlocks;  // rows of one call: two vectors

// A tile of results plus the base, the last one cut short.
TENON_INLINE void store_tile(const vf (&sum)[2], const float* base, float* theta, uint64_t row, uint64_t rows) {
  for (int half = 0; half < 2; half++) {
    const uint64_t at = row + static_cast<uint64_t>(half * kLanes);
    if (at >= rows) return;
    const int some = static_cast<int>(at_most(kLanes, rows - at));
    store_part(theta + at, base ? sum[half] + load_part(base + at, some) : sum[half], some);
  }
}

TENON_INLINE void load_tile(const float* g, uint64_t row, uint64_t rows, vf (&x)[2]) {
  for (int half = 0; half < 2; half++) {
    const uint64_t at = row + static_cast<uint64_t>(half * kLanes);
    x[half] = at >= rows ? zero() : load_part(g + at, static_cast<int>(at_most(kLanes, rows - at)));
  }
}

// ---- rademacher: one word is a row by 32 columns

constexpr uint64_t kWord = 32;
constexpr uint64_t kTables = 8;  // of four columns each, in a word

// tables: [ceil(columns / 32), 8, 16]: the sums ±v of four columns by their bits
TENON_INLINE void sign_tables(const float* v, uint64_t columns, float scale, float* tables) {
  for (uint64_t g = 0; g < ceil_div(columns, kWord) * kTables; g++)
    for (uint32_t pattern = 0; pattern < 16; pattern++) {
      float sum = 0;
      for (uint32_t bit = 0; bit < 4; bit++) {
        const uint64_t c = 4 * g + bit;
        const float x = c < columns ? v[c] * scale : 0.0f;
        sum += (pattern >> bit & 1) != 0 ? -x : x;
      }
      tables[16 * g + pattern] = sum;
    }
}

TENON_INLINE void rows_of_signs(const Projection& p, const float* tables, const float* base, float* theta,
                                uint64_t row) {
  const uint64_t words = ceil_div(p.columns, kWord);
  vf even[2] = {zero(), zero()}, odd[2] = {zero(), zero()};
  const vuq blocks = row / 4 + block_index();
  for (uint64_t q = 0; q < words; q++) {
    vuq w[4];
    words_of(p, blocks, q + vuq{}, kEntries, w);
    vu at[2];
    in_order(w, at);
    const float* table = tables + q * kTables * 16;
    for (uint64_t t = 0; t < kTables; t += 2)
      for (int half = 0; half < 2; half++) {
        even[half] += looked_up(table + 16 * t, at[half] >> static_cast<uint32_t>(4 * t));
        odd[half] += looked_up(table + 16 * (t + 1), at[half] >> static_cast<uint32_t>(4 * t + 4));
      }
  }
  const vf sum[2] = {even[0] + odd[0], even[1] + odd[1]};
  store_tile(sum, base, theta, row, p.rows);
}

// partial[32]: the sums over rows [begin, end) of ±g for the columns of word q.
TENON_INLINE void columns_of_signs(const Projection& p, const float* g, uint64_t q, uint64_t begin, uint64_t end,
                                   float* sums) {
  constexpr int kVectors = static_cast<int>(kWord) / kLanes;
  constexpr int kWays = kVectors >= 8 ? 1 : 4;  // sums that run side by side
  vf sum[kWays][kVectors] = {};
  for (uint64_t row = begin; row < end; row += kTile) {
    vuq w[4];
    words_of(p, row / 4 + block_index(), q + vuq{}, kEntries, w);
    vu ordered[2];
    in_order(w, ordered);
    uint32_t word[kTile];
    __builtin_memcpy(word, ordered, sizeof word);
    float x[kTile] = {};
    const uint64_t some = at_most(kTile, end - row);
    if (some == kTile) {
      store(x, load(g + row));
      store(x + kLanes, load(g + row + kLanes));
    } else {
      for (uint64_t i = 0; i < some; i++) x[i] = g[row + i];
    }
    for (int i = 0; i < kTile; i += kWays)
      for (int way = 0; way < kWays; way++)
        for (int k = 0; k < kVectors; k++) {
          const vu shift = static_cast<uint32_t>(31 - k * kLanes) - (vu)lane_index();
          const vu sign = ((word[i + way] + vu{}) << shift) & 0x80000000u;
          sum[way][k] += from_bits(bits(splat(x[i + way])) ^ (vi)sign);
        }
  }
  for (int k = 0; k < kVectors; k++) {
    vf all = sum[0][k];
    for (int way = 1; way < kWays; way++) all += sum[way][k];
    store(sums + k * kLanes, all);
  }
}

// ---- gaussian: a block is four rows of a column

TENON_INLINE void column_tile(const Projection& p, vuq blocks, uint64_t column, vf (&n)[2]) {
  vuq w[4];
  words_of(p, blocks, column + vuq{}, kEntries, w);
  normals_of(w, n[0], n[1]);
}

TENON_INLINE void rows_of_normals(const Projection& p, const float* v, const float* base, float* theta, uint64_t row) {
  vf sum[2] = {zero(), zero()};
  const vuq blocks = row / 4 + block_index();
  for (uint64_t c = 0; c < p.columns; c++) {
    vf n[2];
    column_tile(p, blocks, c, n);
    for (int half = 0; half < 2; half++) sum[half] += n[half] * v[c];
  }
  store_tile(sum, base, theta, row, p.rows);
}

TENON_INLINE float column_of_normals(const Projection& p, const float* g, uint64_t c, uint64_t begin, uint64_t end) {
  vf sum[2] = {zero(), zero()};
  for (uint64_t row = begin; row < end; row += kTile) {
    vf n[2], x[2];
    column_tile(p, row / 4 + block_index(), c, n);
    load_tile(g, row, end, x);
    for (int half = 0; half < 2; half++) sum[half] += n[half] * x[half];
  }
  return hsum(sum[0] + sum[1]);
}

// Σ of the squares of column c.
TENON_INLINE double square_of_column(const Projection& p, uint64_t c) {
  constexpr uint64_t kShort = 64 * kTile;  // rows that are summed in f32
  double total = 0;
  for (uint64_t begin = 0; begin < p.rows; begin += kShort) {
    const uint64_t end = at_most(begin + kShort, p.rows);
    vf sum = zero();
    for (uint64_t row = begin; row < end; row += kTile) {
      vf n[2];
      column_tile(p, row / 4 + block_index(), c, n);
      for (int half = 0; half < 2; half++) {
        const uint64_t at = row + static_cast<uint64_t>(half * kLanes);
        const vi inside = lane_index() < static_cast<int32_t>(at >= end ? 0 : at_most(kLanes, end - at));
        sum += select(inside, n[half] * n[half], zero());
      }
    }
    total += static_cast<double>(hsum(sum));
  }
  return total;
}

}  // namespace tenon::TENON_ISA
