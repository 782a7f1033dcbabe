// The gradient of an expert's weight: rows by columns with the expert's tokens inside.
#pragma once
#include "ops/moe_grad.h"

namespace tenon::TENON_ISA {

// Rows of k per block: so many tiles of tokens.
constexpr int64_t kTokenTiles = 24;
constexpr int64_t kTokenBlock = kTokenTiles * kTileRows;
constexpr int64_t kGradTiles = 40;          // row tiles of a weight's gradient that go together
constexpr int64_t kStreamFrom = 256 << 10;  // numbers of all experts that no second cache would keep

// A panel of the right side, [tokens][columns].
struct RightPanel {
  const float* data;
  int64_t step;
};

// pack_left(to, token tile, row, rows) packs the tokens of a tile as [tokens][kPackRows]; right(slot, slots, panel,
// columns) gives a panel.
struct WeightGrad {
  const Experts& ex;
  const Piece& p;
  int64_t rows, cols;
  float *dw, *bias;  // of the expert; a bias may be null
  float* lefts;      // of the worker

  template <typename PackLeft, typename Right>
  void run(PackLeft pack_left, Right right) const {
    const int64_t e = p.expert, blocks = most(1, ceil_div(ex.tiles(e), kTokenTiles));
    TileBlock made[2];
    Carried carried;
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t from = part(ex.tiles(e), block, blocks), to = part(ex.tiles(e), block + 1, blocks);
      const int64_t s = ex.tile_row(e, from), count = ex.tile_row(e, to) - s;
      for (int64_t k = from; k < to; k++)
        for (int64_t t = p.tile0; t < p.tile1; t++)
          pack_left(left(t, count) + (ex.tile_row(e, k) - s) * kPackRows, k, row_of(t), rows_of(t));
      if (bias && p.panel0 == 0)
        for (int64_t t = p.tile0; t < p.tile1; t++)
          add_bias(bias + row_of(t), left(t, count), count, rows_of(t), block == 0);
      for (int64_t panel = p.panel0; panel < least(p.panel1, ceil_div(cols, kTileCols)); panel++) {
        TileCall call;
        call.cols = cols_of(panel, cols);
        const RightPanel r = right(s, count, panel, call.cols);
        call.b = r.data;
        call.b_step = r.step;
        call.a_row = 1;
        call.a_step = kPackRows;
        call.k = count;
        for (int64_t t = p.tile0; t < p.tile1; t++) {
          call.a = left(t, count);
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
  float* left(int64_t t, int64_t count) const { return lefts + (t - p.tile0) * count * kPackRows; }
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

  static void add_bias(float* bias, const float* packed, int64_t count, int rows, bool first) {
    for (int i0 = 0; i0 < rows; i0 += kLanes) {
      const int here = static_cast<int>(least(kLanes, rows - i0));
      vf sums[4] = {first ? zero() : load_first(bias + i0, here)};
      for (int64_t k = 0; k < count; k++) sums[k % 4] += load(packed + k * kPackRows + i0);
      store_first(bias + i0, (sums[0] + sums[1]) + (sums[2] + sums[3]), here);
    }
  }
};

}  // namespace tenon::TENON_ISA
