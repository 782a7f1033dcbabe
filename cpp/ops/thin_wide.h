// A product with a small matrix that makes wide rows of thin ones, c = x * thin + bias. Many of them go past the
// caches, of which the last one holds but a part: a tile leaves while the next one is made.
#pragma once
#include "ops/thin.h"

namespace tenon::TENON_ISA {

struct WideRows {
  Thin thin;
  const float* bias;  // null: none
  float* c;
  int64_t rows;  // of all of c

  bool streams() const {
    return thin.cols % kTileCols == 0 && thin.inner <= kDepth && rows * thin.cols * 4 > kLastBytes &&
           reinterpret_cast<uintptr_t>(c) % (4 * kLanes) == 0;
  }

  // Rows [first, first + n) of c, of which x holds those of the thin matrix.
  void make(int64_t first, int64_t n, const float* x) const {
    alignas(64) float tiles[2][kTileRows * kTileCols];
    const bool streaming = streams();
    Carried carried;
    TileCall call;
    call.a_row = call.k = thin.inner;
    call.a_step = 1;
    const int64_t row_tiles = ceil_div(n, int64_t{kTileRows});
    for (int64_t i = 0; i < row_tiles; i++) {
      const int64_t row = part(n, i, row_tiles), count = part(n, i + 1, row_tiles) - row;
      call.a = x + row * call.a_row;
      for (int64_t col = 0; col < thin.cols; col += kTileCols) {
        float* to = c + (first + row) * thin.cols + col;
        call.cols = static_cast<int>(least(kTileCols, thin.cols - col));
        call.b = thin.packed + col * call.k;
        call.b_step = panel_width(call.cols);
        call.init = bias ? bias + col : kTileZeros;
        if (!streaming) {
          call.c = to;
          call.c_row = thin.cols;
          tile_function(kStep, static_cast<int>(count), call.cols)(call);
          continue;
        }
        call.c = carried.from == tiles[0] ? tiles[1] : tiles[0];
        call.c_row = kTileCols;
        carrying_tile_function(static_cast<int>(count))(call, carried);
        carried = {to, thin.cols, call.c, count};
      }
    }
    if (!streaming) return;
    carry(carried);
    stream_fence();
  }
};

}  // namespace tenon::TENON_ISA
