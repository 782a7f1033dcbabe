// The first stage of the gradient of a mixture of experts: w2ᵀ dy, and from it what flows into the gates and into h;
// and once more the activations, which the gradient of w2 reads.
#pragma once
#include "ops/moe_grad.h"

namespace tenon::TENON_ISA {

struct MoeHiddenGrad {
  const MoeGrad& g;
  const Piece& p;
  float* rows;     // of the worker: of dy
  PanelPair room;  // for w2

  void run() const {
    const Layer& l = g.l;
    const int64_t e = p.expert, row = copied_row(l.width), s0 = g.ex.tile_row(e, p.tile0);
    const int64_t count = g.ex.tile_row(e, p.tile1) - s0;
    gather_rows(rows, row, g.dy, l, g.ex, s0, count, l.width);
    if (g.b2 && p.panel0 == 0)
      for (int64_t i = 0; i < count; i++)
        *g.dg_part(l.hidden_panels(), s0 + i) = dot(g.b2 + e * l.width, rows + i * row, l.width);
    const Below w2 = {{l.w2_of(e)}, 1, l.hidden, l.width, l.hidden};
    for_columns(
        p.panel0, least(p.panel1, l.hidden_panels()), p.tile1 - p.tile0, w2, room,
        [&](int64_t panel, int64_t t, TileCall& call) {
          const int64_t s = g.ex.tile_row(e, p.tile0 + t);
          call.a = rows + (s - s0) * row;
          call.a_row = row;
          call.c = g.dh_of(e, s) + panel * kTileCols;
          call.c_row = g.dh_row();
          return g.rows_of(e, p.tile0 + t);
        },
        [&](int64_t panel, int64_t t) { finish(EveryActivation{}, p.tile0 + t, panel, cols_of(panel, l.hidden)); });
  }

 private:
  static float dot(const float* a, const float* b, int64_t n) {
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(n),
              [&](uint64_t i, int count) { sum = muladd(load_part(a + i, count), load_part(b + i, count), sum); });
    return hsum(sum);
  }

  template <uint32_t... kinds>
  void finish(Kinds<kinds...>, int64_t t, int64_t panel, int cols) const {
    ((g.l.activation == kinds
          ? (cols == kTileCols ? rows_of<kinds, true>(t, panel, cols) : rows_of<kinds, false>(t, panel, cols))
          : void()),
     ...);
  }

  // In place from w2ᵀ dy to dh (and the gradient of the factor), and the parts of the gates' gradients. Row by row,
  // each with wishes for a row of h that the next tile reads: many wishes at once are not granted.
  template <uint32_t kind, bool whole>
  void rows_of(int64_t t, int64_t panel, int cols) const {
    const Layer& l = g.l;
    const int64_t e = p.expert, s = g.ex.tile_row(e, t), col = panel * kTileCols;
    const int64_t made = l.made(), hidden = l.hidden, row = g.dh_row();
    const bool last = t + 1 == p.tile1, gated = l.gated;
    const int64_t next = last ? p.tile0 : t + 1, next_col = last ? col + kTileCols : col;
    const int rows = g.rows_of(e, t), next_rows = g.rows_of(e, next);
    const int32_t *choice = g.ex.choice + s, *next_choice = g.ex.choice + g.ex.tile_row(e, next);
    const float *gates = l.gate, *h = g.h;
    float *c = g.dh_of(e, s) + col, *kept = g.a_row(e, panel, s), *sums = g.dg_part(panel, s);
    for (int i = 0; i < rows; i++, c += row, kept += kTileCols) {
      if (i < next_rows) l.look_at_kept<0>(h, next_choice[i], next_col);
      const float* before = h + choice[i] * made + col;
      const vf gate = splat(gates[choice[i]]);
      vf sum = zero();
      const auto vectors_of = [&](auto vectors, int64_t j) __attribute__((always_inline)) {
        constexpr int n = vectors.kCount;
        vf z[n], a[n], slope[n], back[n], u[n], da[n];
        vectors.load(before + j, z);
        vectors.load(c + j, back);
        activate_with_slope<kind>(z, a, slope);
        for (int k = 0; k < n; k++) da[k] = gate * back[k];
        if (gated) {
          vectors.load(before + hidden + j, u);
          for (int k = 0; k < n; k++) z[k] = da[k] * a[k];
          vectors.store(c + hidden + j, z);
          for (int k = 0; k < n; k++) a[k] *= u[k], slope[k] *= u[k];
        }
        for (int k = 0; k < n; k++) {
          store(kept + j + k * kLanes, gate * a[k]);
          sum = muladd(a[k], back[k], sum);
          slope[k] *= da[k];
        }
        vectors.store(c + j, slope);
      };
      if constexpr (whole)
        vectors_of(Vectors<kTileVecs>{}, 0);
      else
        for_vectors<1>(cols, vectors_of);
      sums[i] = hsum(sum);
    }
  }
};

}  // namespace tenon::TENON_ISA
