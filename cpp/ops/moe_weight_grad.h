// The gradient of an expert's weight: rows by columns with the expert's tokens inside.
#pragma once
#include "ops/moe_grad.h"

namespace tenon::TENON_ISA {

// Rows of k per block: so many tiles of tokens.
constexpr int64_t kTokenTiles = 24;
constexpr int64_t kTokenBlock = kTokenTiles * kTileRows;
constexpr int64_t kGradTiles = 40;          // row tiles of a weight's gradient that go together
constexpr int64_t kStreamFrom = 256 << 10;  // numbers of all experts that no second cache would keep

// Rows of tokens, `step` apart.
struct TokenRows {
  const float* data;
  int64_t step;
};

// left(slot, slots, row, rows) gives those rows of the weight's gradient, in columns; right(slot, slots, panel,
// columns) a panel; weight(slot) what a token counts in the bias.
struct WeightGrad {
  const Experts& ex;
  const Piece& p;
  int64_t rows, cols;
  float *dw, *bias;  // of the expert; a bias may be null

  template <typename Left, typename Right, typename Weight>
  void run(Left left_of, Right right, Weight weight) const {
    const int64_t e = p.expert, blocks = most(1, ceil_div(ex.tiles(e), kTokenTiles));
    const int64_t row0 = row_of(p.tile0), here = row_of(p.tile1) - row0;
    TileBlock made[2];
    Carried carried;
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t from = part(ex.tiles(e), block, blocks), to = part(ex.tiles(e), block + 1, blocks);
      const int64_t s = ex.tile_row(e, from), count = ex.tile_row(e, to) - s;
      const TokenRows left = left_of(s, count, row0, here);
      if (bias && p.panel0 == 0)
        add_bias(bias + row0, left, count, here, block == 0, [&](int64_t k) { return splat(weight(s + k)); });
      for (int64_t panel = p.panel0; panel < least(p.panel1, ceil_div(cols, kTileCols)); panel++) {
        TileCall call;
        call.cols = cols_of(panel, cols);
        const TokenRows r = right(s, count, panel, call.cols);
        call.b = r.data;
        call.b_step = r.step;
        call.a_row = 1;
        call.a_step = left.step;
        call.k = count;
        for (int64_t t = p.tile0; t < p.tile1; t++) {
          call.a = left.data + row_of(t) - row0;
          float* to = dw + row_of(t) * cols + panel * kTileCols;
          if (blocks == 1 && streams() && call.cols == kTileCols)
            multiply_streaming(call, to, rows_of(t), made, carried);
          else
            multiply(call, to, rows_of(t), block == 0);
        }
      }
    }
    if (carried.rows > 0) {
      carry(carried);
      stream_fence();
    }
  }

 private:
  int64_t row_of(int64_t t) const { return part(rows, t, ceil_div(rows, kTileRows)); }
  int rows_of(int64_t t) const { return static_cast<int>(row_of(t + 1) - row_of(t)); }
  bool streams() const {
    return ex.experts * rows * cols >= kStreamFrom && cols % kLanes == 0 &&
           reinterpret_cast<uintptr_t>(dw) % (4 * kLanes) == 0;
  }

  void multiply(TileCall& call, float* to, int tile_rows, bool first) const {
    call.c = to;
    call.c_row = cols;
    call.init = first ? kTileZeros : to;
    call.init_row = first ? 0 : cols;
    tile_function(kStep, tile_rows, call.cols)(call);
  }

  // Past the caches, each tile while the next one is made.
  void multiply_streaming(TileCall& call, float* to, int tile_rows, TileBlock* made, Carried& carried) const {
    call.c = made[carried.from == made[0].c[0]].c[0];
    call.c_row = kTileCols;
    call.init = kTileZeros;
    carrying_tile_function(tile_rows)(call, carried);
    carried = {to, cols, call.c, tile_rows};
  }

  // A block's sum is added to those before it.
  template <typename Weight>
  static void add_bias(float* bias, TokenRows left, int64_t count, int64_t rows, bool first, Weight weight) {
    for_vectors<4>(rows, [&](auto vectors, int64_t i) {
      constexpr int n = vectors.kCount;
      vf sum[n], x[n];
      for (int v = 0; v < n; v++) sum[v] = zero();
      for (int64_t k = 0; k < count; k++) {
        vectors.load(left.data + k * left.step + i, x);
        for (int v = 0; v < n; v++) sum[v] = muladd(weight(k), x[v], sum[v]);
      }
      vectors.load(bias + i, x);
      for (int v = 0; v < n; v++) sum[v] += first ? zero() : x[v];
      vectors.store(bias + i, sum);
    });
  }
};

}  // namespace tenon::TENON_ISA
