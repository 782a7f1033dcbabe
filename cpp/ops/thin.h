// Products of a tall matrix with a small one, which is packed whole and read by all: c[rows, cols] = start + x[rows,
// inner] * right.
#pragma once
#include "ops/gemm.h"

namespace tenon::TENON_ISA {

// Results of more bytes hardly stay in the last cache, and may leave past it: a store need not read what it overwrites.
constexpr int64_t kLastBytes = int64_t{16} << 20;

struct Thin {
  int64_t inner = 0, cols = 0;
  float* packed = nullptr;  // [panels, inner, panel's width]

  static uint64_t bytes(int64_t inner, int64_t cols) {
    return round64(ceil_div(cols, int64_t{kTileCols}) * inner * kTileCols * 4);
  }
  void pack(const RightMatrix& right) const {
    for (int64_t col = 0; col < cols; col += kTileCols)
      right.pack(packed + col * inner, 0, inner, col, static_cast<int>(least(kTileCols, cols - col)));
  }

  // start: of each row, start_row apart (0: the same for all).
  void rows(float* c, int64_t c_row, const float* x, int64_t x_row, int64_t n, const float* start, int64_t start_row,
            bool zero_start) const {
    TileCall call;
    call.a_row = x_row;
    call.a_step = 1;
    call.c_row = c_row;
    for (int64_t col = 0; col < cols; col += kTileCols)
      panel(call, col, x, c + col, n, zero_start ? kTileZeros : start + col, zero_start ? 0 : start_row);
  }

  // One panel of columns, from `col` on, of n rows: x's rows and steps are those of the call. The first panel brings
  // x nearer: where its rows follow each other, a tile wishes for the next one's.
  void panel(TileCall call, int64_t col, const float* x, float* c, int64_t n, const float* start,
             int64_t start_row) const {
    const int64_t tiles = ceil_div(n, int64_t{kTileRows}), blocks = most(1, ceil_div(inner, kDepth));
    call.cols = static_cast<int>(least(kTileCols, cols - col));
    call.b_step = panel_width(call.cols);
    for (int64_t i = 0; i < blocks; i++) {
      const int64_t k0 = part(inner, i, blocks);
      call.k = part(inner, i + 1, blocks) - k0;
      call.b = packed + col * inner + k0 * call.b_step;
      for (int64_t t = 0; t < tiles; t++) {
        const int64_t row = part(n, t, tiles);
        const int64_t rows = part(n, t + 1, tiles) - row;
        call.a = x + row * call.a_row + k0 * call.a_step;
        if (col == 0 && call.a_step == 1 && call.a_row == call.k) {
          call.ahead = call.a + rows * call.a_row;
          call.ahead_step = rows * 4;
        }
        call.c = c + row * call.c_row;
        call.init = i > 0 ? call.c : start + row * start_row;
        call.init_row = i > 0 ? call.c_row : start_row;
        tile_function(kStep, static_cast<int>(rows), call.cols)(call);
      }
    }
  }
};

constexpr int64_t kThinRows = 8 * kTileRows;  // of a task at least

// body(first, count) for blocks of rows, in parallel.
template <typename Body>
TENON_INLINE void for_thin_rows(const Runtime& rt, int64_t rows, const Body& body) {
  const int64_t blocks = ceil_div(rows, kThinRows);
  const int64_t tasks = least(blocks, most(1, least(int64_t{4} * rt.threads, blocks)));
  parallel_for(rt, static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t) {
    for (int64_t i = part(blocks, task, tasks); i < part(blocks, task + 1, tasks); i++)
      body(part(rows, i, blocks), part(rows, i + 1, blocks) - part(rows, i, blocks));
  });
}

}  // namespace tenon::TENON_ISA
