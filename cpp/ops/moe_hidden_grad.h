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

  void finish(TileBlock& block, int64_t t, int64_t panel) const {
    const int cols = cols_of(panel, g.l.hidden), rows = g.rows_of(p.expert, t);
    rows_by(EveryActivation{}, block, t, panel, cols);
    float* to = g.dh_tile(p.expert, t) + panel * kTileCols * kPackRows;
    pack_transposed(to, kPackRows, block.c[0], kTileCols, cols, rows);
    if (g.l.gated) pack_transposed(to + g.l.hidden * kPackRows, kPackRows, block.c[1], kTileCols, cols, rows);
  }

  template <uint32_t... kinds>
  void rows_by(Kinds<kinds...>, TileBlock& block, int64_t t, int64_t panel, int cols) const {
    ((g.l.activation == kinds ? (cols == kTileCols ? rows_of<kinds, true>(block, t, panel, cols)
                                                   : rows_of<kinds, false>(block, t, panel, cols))
                              : void()),
     ...);
  }

  // From w2ᵀ dy to dh (and the gradient of the factor), and the parts of the gates' gradients. Row by row, each with
  // wishes for a row of h that the next tile reads: many wishes at once are not granted.
  template <uint32_t kind, bool whole>
  void rows_of(TileBlock& block, int64_t t, int64_t panel, int cols) const {
    const Layer& l = g.l;
    const int64_t e = p.expert, s = g.ex.tile_row(e, t), col = panel * kTileCols;
    const bool last = t + 1 == p.tile1;
    const int64_t next = last ? p.tile0 : t + 1, next_s = g.ex.tile_row(e, next);
    const int rows = g.rows_of(e, t), next_rows = g.rows_of(e, next);
    for (int i = 0; i < rows; i++) {
      if (i < next_rows) l.look_at_kept<0>(g.h, g.ex.choice[next_s + i], last ? col + kTileCols : col);
      const int64_t choice = g.ex.choice[s + i];
      float *c = block.c[0] + i * kTileCols, *du = block.c[1] + i * kTileCols, *kept = g.a_row(e, panel, s + i);
      const float* before = g.h + choice * l.made() + col;
      const vf gate = splat(l.gate[choice]);
      vf sum = zero();
      for_vectors<kTogether>(whole ? kTileCols : cols, [&](auto vectors, int64_t j) {
        constexpr int n = vectors.kCount;
        vf z[n], a[n], slope[n], back[n], u[n], da[n];
        vectors.load(before + j, z);
        vectors.load(c + j, back);
        activate_with_slope<kind>(z, a, slope);
        for (int k = 0; k < n; k++) da[k] = gate * back[k];
        if (l.gated) {
          vectors.load(before + l.hidden + j, u);
          for (int k = 0; k < n; k++) z[k] = da[k] * a[k];
          vectors.store(du + j, z);
          for (int k = 0; k < n; k++) a[k] *= u[k], slope[k] *= u[k];
        }
        for (int k = 0; k < n; k++) {
          store(kept + j + k * kLanes, a[k]);
          sum = muladd(a[k], back[k], sum);
          slope[k] *= da[k];
        }
        vectors.store(c + j, slope);
      });
      *g.dg_part(panel, s + i) = hsum(sum);
    }
  }
};

}  // namespace tenon::TENON_ISA
