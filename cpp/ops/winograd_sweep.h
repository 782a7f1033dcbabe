// A sweep of 3x3 taps by Winograd's transforms: n² products of matrices [tiles, in] x [in, out] instead of nine of
// [m² · tiles, in] x [in, out]. A task takes a block of tiles, wherever in the images they lie, through all three
// stages, so that a transformed tensor never exists as a whole: what a block needs stays in the second cache. Each
// tile is computed alone, so blocks may follow the number of threads.
#pragma once
#include "ops/sweep.h"
#include "ops/winograd.h"

namespace tenon::TENON_ISA {

// Two axes of three neighbouring taps, one slice of depth.
TENON_INLINE bool fits_winograd(const Sweep& s) {
  const Axis& d = s.axis[0];
  bool fits = s.groups == 1 && d.taps == 1 && d.out == 1 && d.size == 1 && d.pad == 0 && d.first == 0;
  for (int i = 1; i < 3; i++) {
    const Axis& a = s.axis[i];
    fits = fits && a.step == 1 && a.taps == 3 && (a.delta == 1 || a.delta == -1) && a.out > 0;
  }
  return fits && s.axis[1].delta == s.axis[2].delta && s.images > 0 && s.in > 0 && s.out > 0;
}

TENON_INLINE int winograd_size(const Sweep& s, int largest) {
  return fits_winograd(s) ? winograd_size(s.images, s.axis[1].out, s.axis[2].out, s.in, s.out, largest) : 0;
}

template <int m>
TENON_INLINE WinogradGrid<m> winograd_grid(const Sweep& s) {
  return {s.images, s.axis[1].out, s.axis[2].out};
}

struct WinogradPlan {
  int64_t tiles = 0, block = 0, blocks = 0;  // tiles of all images, of a task; tasks
  int64_t panels = 0, group = 0;             // of output channels; those whose sums are kept at once
  int64_t width = 0;                         // input channels in whole vectors
  int64_t source = 0, sums = 0;              // elements from a point to the next
  uint64_t weight_bytes = 0, own_bytes = 0;
};

constexpr int64_t kWinogradBytes = int64_t{640} << 10;  // of a block

template <int m>
TENON_INLINE WinogradPlan plan_winograd(const Sweep& s, int threads) {
  constexpr int64_t points = Winograd<m>::n * Winograd<m>::n;
  WinogradPlan p;
  p.tiles = winograd_grid<m>(s).tiles();
  p.panels = ceil_div(s.out, kTileCols);
  p.group = p.panels;
  p.width = whole_lanes(s.in);
  const int64_t room = kWinogradBytes / (points * 4 * (p.width + p.group * kTileCols));
  int64_t block = most(1, room / kTileRows) * kTileRows;
  if (threads > 1) block = least(block, ceil_div(ceil_div(p.tiles, threads * 4), kTileRows) * kTileRows);
  p.blocks = ceil_div(p.tiles, block);
  if (p.blocks > threads) p.blocks = ceil_div(p.blocks, threads) * threads;
  p.blocks = least(p.blocks, p.tiles);
  p.block = ceil_div(p.tiles, p.blocks);
  p.source = point_step(p.block * p.width);
  p.sums = point_step(p.block * p.group * kTileCols);
  p.weight_bytes = round64(p.panels * points * s.in * kTileCols * 4);
  const int64_t packing = 9 * s.in * kTileCols;
  p.own_bytes = round64(most(packing, points * (p.source + p.sums) + p.width) * 4);
  return p;
}

template <int m, typename Weights>
struct WinogradRun {
  static constexpr int n = Winograd<m>::n, points = n * n;
  using Place = typename WinogradGrid<m>::Place;
  const Sweep& s;
  WinogradPlan p;
  Weights weights;
  float* packed;
  uint8_t* rest;
  int64_t first_panel = 0;  // of those that are packed

  static WinogradPlan plan(const Sweep& s, int threads) { return plan_winograd<m>(s, threads); }
  static uint64_t rest_bytes(const WinogradPlan& p, int threads) {
    return static_cast<uint64_t>(threads) * p.own_bytes;
  }

  // [panels, points, in, columns of the panel]
  float* panel_at(int64_t panel) const { return packed + (panel - first_panel) * points * s.in * kTileCols; }
  float* own(uint32_t worker) const { return reinterpret_cast<float*>(rest + worker * p.own_bytes); }
  int cols_of(int64_t panel) const { return static_cast<int>(least(kTileCols, s.out - panel * kTileCols)); }

  void pack_panel(int64_t panel, float* taps) const {
    const int64_t width = panel_width(cols_of(panel)), step = s.in * width;
    const bool turned = s.axis[1].delta < 0;
    weights.pack(taps, 0, panel * kTileCols, cols_of(panel));
    float* to = panel_at(panel);
    for (int64_t i = 0; i < step; i += kLanes) {
      transform_values<m, 3>([&](int y, int x) { return load(taps + (turned ? 8 - 3 * y - x : 3 * y + x) * step + i); },
                             [&](int y, int x, vf v) {
                               store(to + (y * n + x) * step + i,
                                     v * (Winograd<m>::kScale[y] * Winograd<m>::kScale[x]));
                             });
    }
  }

  // One tile of x -> its points, `to` apart by p.source.
  void open(const Place& at, const float* zeros, float* to) const {
    const Axis &h = s.axis[1], &w = s.axis[2];
    const int64_t back = h.delta < 0 ? 2 : 0;
    const auto pixels = Pixels<n>::of(s.src + at.image * s.src_image, h.size, w.size, s.in,
                                      at.y + h.first - back - h.pad, at.x + w.first - back - w.pad, zeros);
    open_tile<m>(pixels, s.in, to, p.source, [](const auto& get, const auto& put) { transform_inputs<m>(get, put); });
  }

  // Sums of one tile and panel -> results, or what they are pooled to.
  void close(const Place& at, const float* from, int64_t panel) const {
    const Axis &h = s.axis[1], &w = s.axis[2];
    const int64_t rows = least(m, h.out - at.y), cols = least(m, w.out - at.x), channel = panel * kTileCols;
    if (!s.pooling) {
      float* dst = s.dst + at.image * s.dst_image + at.y * h.dst + at.x * w.dst + channel;
      return results(from, panel, dst, rows, cols, h.dst, w.dst);
    }
    alignas(64) float tile[m * m * kTileCols];
    results(from, panel, tile, rows, cols, m * kTileCols, kTileCols);
    pool_block(*s.pooling, {at.image, 0, at.y, rows, at.x, cols, channel, cols_of(panel)}, tile, m * kTileCols,
               kTileCols);
  }

  // The first rows_here x cols_here results of a tile; elements from a row, a column of dst to the next.
  void results(const float* from, int64_t panel, float* dst, int64_t rows_here, int64_t cols_here, int64_t row,
               int64_t col) const {
    const int cols = cols_of(panel);
    const vf floor = splat(floor_of(s.activation));
    for (int c = 0; c < cols; c += kLanes) {
      const int here = cols - c < kLanes ? cols - c : kLanes;
      const vf bias = s.bias ? load_first(s.bias + panel * kTileCols + c, here) : zero();
      transform_sums<m, m>([&](int y, int x) { return load(from + (y * n + x) * p.sums + c); },
                           [&](int y, int x, vf v) {
                             if (y >= rows_here || x >= cols_here) return;
                             store_first(dst + y * row + x * col + c, max(floor, v + bias), here);
                           });
    }
    if (s.activation > kRelu)
      for (int64_t i = 0; i < rows_here; i++) activate_rows(s.activation, dst + i * row, col, cols_here, cols);
  }

  // Panels [from, to) of the sums at one point, over the tiles of a block.
  void product(int point, int64_t tiles, const float* source, float* sums, int64_t from, int64_t to) const {
    const int64_t row_tiles = ceil_div(tiles, kTileRows), depths = ceil_div(s.in, kDepth);
    TileCall call;
    call.a_row = p.width;
    call.a_step = 1;
    call.c_row = p.group * kTileCols;
    for (int64_t panel = from; panel < to; panel++) {
      call.cols = panel_width(cols_of(panel));
      call.b_step = call.cols;
      for (int64_t i = 0; i < depths; i++) {
        const int64_t k = part(s.in, i, depths);
        call.k = part(s.in, i + 1, depths) - k;
        call.b = panel_at(panel) + (point * s.in + k) * call.b_step;
        for (int64_t t = 0; t < row_tiles; t++) {
          const int64_t row = part(tiles, t, row_tiles);
          const int rows = static_cast<int>(part(tiles, t + 1, row_tiles) - row);
          call.a = source + row * call.a_row + k;
          call.ahead = t + 1 < row_tiles ? call.a + rows * call.a_row : source + p.source + k;
          call.ahead_step = rows * call.a_row * 4 / most(1, call.k);
          call.c = sums + row * call.c_row + (panel - from) * kTileCols;
          call.init = i == 0 ? kTileZeros : call.c;
          call.init_row = i == 0 ? 0 : call.c_row;
          tile_function(kStep, rows, call.cols)(call);
        }
      }
    }
  }

  // Results of panels [from, to) over tiles whose points are at `source`.
  void results_of(int64_t first, int64_t tiles, const float* source, float* sums, int64_t from, int64_t to) const {
    const WinogradGrid<m> grid = winograd_grid<m>(s);
    for (int k = 0; k < points; k++) product(k, tiles, source + k * p.source, sums + k * p.sums, from, to);
    for (int64_t t = 0; t < tiles; t++)
      for (int64_t i = from; i < to; i++) close(grid.place(first + t), sums + (t * p.group + i - from) * kTileCols, i);
  }

  void block(int64_t first, int64_t tiles, float* own) const {
    float *source = own, *sums = own + points * p.source, *zeros = sums + points * p.sums;
    const WinogradGrid<m> grid = winograd_grid<m>(s);
    fill_zeros(zeros, p.width);
    for (int64_t t = 0; t < tiles; t++) open(grid.place(first + t), zeros, source + t * p.width);
    for (int64_t panel = 0; panel < p.panels; panel += p.group)
      results_of(first, tiles, source, sums, panel, least(panel + p.group, p.panels));
  }

  void pack(const Runtime& rt) const {
    parallel_for(rt, static_cast<uint32_t>(p.panels),
                 [&](uint32_t task, uint32_t worker) { pack_panel(task, own(worker)); });
  }
  void make(const Runtime& rt) const {
    parallel_for(rt, static_cast<uint32_t>(p.blocks), [&](uint32_t task, uint32_t worker) {
      const int64_t first = part(p.tiles, task, p.blocks);
      block(first, part(p.tiles, task + 1, p.blocks) - first, own(worker));
    });
  }
};

}  // namespace tenon::TENON_ISA
