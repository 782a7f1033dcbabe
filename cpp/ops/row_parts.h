// How sums over the rows of a batch are cut: by the number of rows alone, so that the gradient of a weight has the same
// bits in whatever way it is made.
#pragma once
#include "ops/gemm_plan.h"

namespace tenon::TENON_ISA {
constexpr int64_t kPassRows = 128;    // rows that pass together: parts begin at multiples
constexpr int64_t kPartRows = 1024;   // at least, and
constexpr int64_t kMostRowParts = 8;  // at most

TENON_INLINE int64_t row_parts(int64_t rows) { return most(1, least(kMostRowParts, rows / kPartRows)); }
TENON_INLINE int64_t row_part(int64_t rows, int64_t i) { return part(rows, i, row_parts(rows), kPassRows); }

}  // namespace tenon::TENON_ISA
