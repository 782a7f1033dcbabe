// What the stages of the gradient of a mixture of experts hand on to each other.
#pragma once
#include "ops/expert_panels.h"
#include "ops/moe_ffn.h"

namespace tenon::TENON_ISA {

// Experts pass in waves: while one wave's dh and a are made, the one before it uses its own. So they are still near,
// and lie where others lay before. Waves take turns at the two ends of the memory.
struct MoeGrad {
  Layer l;
  Experts ex;
  const float *b2 = nullptr, *h = nullptr, *dy = nullptr;
  float* dh = nullptr;        // rows of made, dh_row() apart
  float* a = nullptr;         // times the gates, of an expert: [hidden panels][rows][kTileCols]
  float* dg_parts = nullptr;  // [hidden panels + 1][slots]: the last one is what b2 adds
  int64_t* row_at = nullptr;  // [experts] place of the first row in both

  void carve(Carve& m) {
    ex = experts_of(l);
    ex.carve(m);
    row_at = m.take<int64_t>(l.experts);
    dh = m.take<float>(ex.choices() * dh_row());
    a = m.take<float>(ex.choices() * l.hidden_panels() * kTileCols);
    dg_parts = m.take<float>((l.hidden_panels() + 1) * ex.choices());
  }
  // Experts from `first` to `last` are a wave, at the end or the start of the memory.
  void place(int64_t first, int64_t last, bool at_end) {
    const int64_t row = at_end ? ex.slots() - ex.start[last] : -ex.start[first];
    for (int64_t e = first; e < last; e++) row_at[e] = ex.start[e] + row;
  }

  int64_t dh_row() const { return copied_row(l.made()); }
  // Of slot s, an expert's.
  float* dh_of(int64_t e, int64_t s) const { return dh + (row_at[e] + s - ex.start[e]) * dh_row(); }
  float* a_row(int64_t e, int64_t panel, int64_t s) const {
    return a + (row_at[e] * l.hidden_panels() + panel * ex.rows(e) + s - ex.start[e]) * kTileCols;
  }
  float* dg_part(int64_t panel, int64_t s) const { return dg_parts + panel * ex.choices() + s; }
  int rows_of(int64_t e, int64_t t) const { return static_cast<int>(ex.tile_row(e, t + 1) - ex.tile_row(e, t)); }
};

}  // namespace tenon::TENON_ISA
