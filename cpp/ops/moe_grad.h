// What the stages of the gradient of a mixture of experts hand on to each other.
#pragma once
#include "ops/moe_ffn.h"

namespace tenon::TENON_ISA {

struct MoeGrad {
  Layer l;
  Experts ex;
  const float *b2 = nullptr, *h = nullptr, *dy = nullptr;
  float* dh = nullptr;        // packed row tiles [made][kPackRows]
  float* a = nullptr;         // [hidden panels][slots][kTileCols]
  float* dg_parts = nullptr;  // [hidden panels][slots]

  float* dh_tile(int64_t e, int64_t t) const { return dh + (ex.tile[e] + t) * kPackRows * l.made(); }
  float* a_row(int64_t panel, int64_t s) const { return a + (panel * ex.choices() + s) * kTileCols; }
  float* dg_part(int64_t panel, int64_t s) const { return dg_parts + panel * ex.choices() + s; }
  int rows_of(int64_t e, int64_t t) const { return static_cast<int>(ex.tile_row(e, t + 1) - ex.tile_row(e, t)); }
};

}  // namespace tenon::TENON_ISA
