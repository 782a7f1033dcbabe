// Columns of a [rows, c] matrix. Few columns are seen as more: a dense matrix of c columns is one of `period` columns,
// whole vectors wide, with fewer rows and a last row that may be cut short; column j stands for column j % c.
#pragma once
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {

constexpr uint64_t kFewColumns = 64;
constexpr uint64_t kMaxPeriod = 1024;  // of few columns
constexpr uint64_t kRowBlock = kSumBlock;
constexpr uint64_t kColumnParts = 64;  // at most so many partial results, each of at least kRowBlock rows

// A multiple of c; for few columns also one of kLanes, and at least kFewColumns.
TENON_INLINE uint64_t period_of(uint64_t c) {
  if (c >= kFewColumns || c == 0) return c;
  uint64_t period = c;
  while (period % kLanes != 0) period *= 2;
  while (period < kFewColumns) period *= 2;
  return period;
}

// A [rows, c] matrix as `rows` whole rows of `period` columns, then `rest` elements, cut into parts of whole rows.
struct Columns {
  uint64_t c;
  uint64_t period;
  uint64_t rows;
  uint64_t rest;
  Parts parts;
};

TENON_INLINE Columns columns_of(uint64_t rows, uint64_t c) {
  const uint64_t period = period_of(c), all = rows * c;
  Columns m = {c, period, period == 0 ? 0 : all / period, period == 0 ? 0 : all % period, {}};
  m.parts = few_parts_of(m.rows, period, kColumnParts);
  m.parts.each = at_least(m.parts.each, kRowBlock);
  m.parts.count = static_cast<uint32_t>(ceil_div(m.rows, m.parts.each));
  return m;
}

// body(row, rows, column, count): blocks of at most kRowBlock rows by one vector of columns.
template <typename Body>
TENON_INLINE void for_blocks(uint64_t begin, uint64_t end, uint64_t period, Body body) {
  for (uint64_t row = begin; row < end; row += kRowBlock)
    for_lanes(period, [&](uint64_t column, int count) { body(row, at_most(kRowBlock, end - row), column, count); });
}

TENON_INLINE void add_lanes(double* sum, vf v, int count) {
  if (count == kLanes) {
    for (int i = 0; i < kLanes; i++) sum[i] += static_cast<double>(v[i]);
    return;
  }
  float lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < count; i++) sum[i] += static_cast<double>(lanes[i]);
}

// Repeats the first c of `period` values.
TENON_INLINE void repeat_columns(float* values, uint64_t c, uint64_t period) {
  for (uint64_t i = c; i < period; i++) values[i] = values[i - c];
}

}  // namespace tenon::TENON_ISA
