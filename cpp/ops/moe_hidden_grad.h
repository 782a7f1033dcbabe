// The first stage of the gradient of a mixture of experts: w2ᵀ dy, and from it what flows into the gates and into h;
// and once more the activations, which the gradient of w2 reads.
#pragma once
#include "ops/moe_grad.h"

namespace tenon::TENON_ISA {

struct MoeHiddenGrad {
  const MoeGrad& g;
  const Piece& p;
  float *rows, *packed;  // of the worker: dy's row tiles [width][kPackRows], a panel of w2 [width][kTileCols]

  void run() const {
    const Layer& l = g.l;
    const int64_t e = p.expert;
    for (int64_t t = p.tile0; t < p.tile1; t++) {
      const int64_t s = g.ex.tile_row(e, t);
      pack_rows(
          row_tile(t), [&](int i) { return g.dy + g.ex.token(s + i) * l.width; }, g.rows_of(e, t), l.width);
    }
    const Below w2 = {{l.w2_of(e)}, 1, l.hidden, l.width};
    TileBlock block;
    for (int64_t panel = p.panel0; panel < p.panel1; panel++)
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        tile_by_columns(row_tile(t), g.rows_of(e, t), w2, panel * kTileCols, cols_of(panel, l.hidden), packed,
                        t - p.tile0, p.tile1 - 1 - t, panel + 1 < p.panel1 ? cols_of(panel + 1, l.hidden) : 0,
                        block.c[0]);
        finish(block, t, panel);
      }
  }

 private:
  float* row_tile(int64_t t) const { return rows + (t - p.tile0) * kPackRows * g.l.width; }

  // Row by row, each with wishes for a row of h that the next tile reads: many wishes at once are not granted.
  void finish(TileBlock& block, int64_t t, int64_t panel) const {
    const Layer& l = g.l;
    const int64_t e = p.expert, s = g.ex.tile_row(e, t), col = panel * kTileCols;
    const bool last = t + 1 == p.tile1;
    const int64_t next = last ? p.tile0 : t + 1, next_s = g.ex.tile_row(e, next);
    const int rows = g.rows_of(e, t), next_rows = g.rows_of(e, next), cols = cols_of(panel, l.hidden);
    for (int i = 0; i < rows; i++) {
      if (i < next_rows) l.look_at_kept<0>(g.h, g.ex.choice[next_s + i], last ? col + kTileCols : col);
      *g.dg_part(panel, s + i) = row(block, i, g.ex.choice[s + i], col, cols, g.a_row(panel, s + i));
    }
    float* to = g.dh_tile(e, t) + col * kPackRows;
    pack_transposed(to, kPackRows, block.c[0], kTileCols, cols, rows);
    if (l.gated) pack_transposed(to + l.hidden * kPackRows, kPackRows, block.c[1], kTileCols, cols, rows);
  }

  // Row i of a block from w2ᵀ dy to dh (and the gradient of the factor); gives the part of the gate's gradient.
  float row(TileBlock& block, int i, int64_t choice, int64_t col, int cols, float* a) const {
    switch (g.l.activation) {
      case kRelu:
        return row_of<kRelu>(block, i, choice, col, cols, a);
      case kGelu:
        return row_of<kGelu>(block, i, choice, col, cols, a);
      case kGeluTanh:
        return row_of<kGeluTanh>(block, i, choice, col, cols, a);
      case kSilu:
        return row_of<kSilu>(block, i, choice, col, cols, a);
      case kTanh:
        return row_of<kTanh>(block, i, choice, col, cols, a);
      case kSigmoid:
        return row_of<kSigmoid>(block, i, choice, col, cols, a);
      default:
        return row_of<kNone>(block, i, choice, col, cols, a);
    }
  }
  template <uint32_t kind>
  float row_of(TileBlock& block, int i, int64_t choice, int64_t col, int cols, float* kept_a) const {
    const Layer& l = g.l;
    float *c = block.c[0] + i * kTileCols, *du = block.c[1] + i * kTileCols;
    const float* before = g.h + choice * l.made() + col;
    const vf gate = splat(l.gate[choice]);
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(cols), [&](uint64_t j, int count) {
      const vf back = load_part(c + j, count);
      vf a, slope;
      activate_with_slope<kind>(load_part(before + j, count), a, slope);
      const vf da = gate * back;
      if (l.gated) {
        const vf u = load_part(before + l.hidden + j, count);
        store_part(du + j, da * a, count);
        a *= u;
        slope *= u;
      }
      store(kept_a + j, a);
      sum = muladd(a, back, sum);
      store_part(c + j, da * slope, count);
    });
    return hsum(sum);
  }
};

}  // namespace tenon::TENON_ISA
