// The gradient of 3x3 weights by Winograd's transforms: per tile the correlation of (m + 2) x (m + 2) pixels of x with
// m x m of dy, whose sums over all tiles are n² products [out, tiles] x [tiles, in], turned into nine weights at the
// end. Tiles go through in blocks that stay in the last cache, all threads together on each.
#pragma once
#include "ops/conv_shape.h"
#include "ops/sweep.h"
#include "ops/winograd.h"

namespace tenon::TENON_ISA {

TENON_INLINE bool fits_winograd(const ConvShape& c) {
  bool fits = c.groups == 1 && c.kernel[0] == 1 && c.size[0] == 1 && c.result[0] == 1 && c.pad[0] == 0;
  for (int i = 1; i < 3; i++) fits = fits && c.kernel[i] == 3 && c.stride[i] == 1 && c.dilation[i] == 1;
  return fits && c.images > 0 && c.positions() > 0 && c.in > 0 && c.out > 0;
}

TENON_INLINE int winograd_size(const ConvShape& c) {
  return fits_winograd(c) ? winograd_size(c.images, c.result[1], c.result[2], c.in, c.out, c.winograd) : 0;
}

template <int m>
TENON_INLINE WinogradGrid<m> winograd_grid(const ConvShape& c) {
  return {c.images, c.result[1], c.result[2]};
}

struct WinogradWeightPlan {
  int64_t tiles = 0, blocks = 0;  // of all images; their blocks, which follow from the shape alone
  int64_t in = 0, out = 0;        // channels in whole vectors
  int64_t source = 0, grads = 0;  // elements from a point to the next: of x, of dy
  int64_t sums = 0;
  int64_t points = 0;
  uint64_t bytes() const { return round64((points * (sums + source + grads) + most(in, out)) * 4); }
};

constexpr int64_t kWinogradWeightBytes = int64_t{6} << 20;  // of a block

// `room`: bytes of a block.
template <int m>
TENON_INLINE WinogradWeightPlan plan_winograd_weight(const ConvShape& c, int64_t room = kWinogradWeightBytes) {
  WinogradWeightPlan p;
  p.points = Winograd<m>::n * Winograd<m>::n;
  p.tiles = winograd_grid<m>(c).tiles();
  p.in = whole_lanes(c.in);
  p.out = whole_lanes(c.out);
  p.blocks = ceil_div(p.tiles, most(kLanes, room / (p.points * 4 * (p.in + p.out))));
  const int64_t block = ceil_div(p.tiles, p.blocks);
  p.source = point_step(block * p.in);
  p.grads = point_step(block * p.out);
  p.sums = point_step(c.out * p.in);
  return p;
}

template <int m>
struct WinogradWeightRun {
  static constexpr int n = Winograd<m>::n, points = n * n;
  const ConvShape& c;
  const float *x, *dy;
  float* dw;
  WinogradWeightPlan p;
  float* scratch;

  float* sums() const { return scratch; }
  float* source() const { return sums() + points * p.sums; }
  float* grads() const { return source() + points * p.source; }
  float* zeros() const { return grads() + points * p.grads; }

  // Tile `tile`, which is the `t`-th of its block: of x, of dy.
  void open_source(int64_t tile, int64_t t) const {
    const auto at = winograd_grid<m>(c).place(tile);
    const auto of_x = Pixels<n>::of(x + at.image * c.pixels() * c.in, c.size[1], c.size[2], c.in, at.y - c.pad[1],
                                    at.x - c.pad[2], zeros());
    open_tile<m>(of_x, c.in, source() + t * p.in, p.source,
                 [](const auto& get, const auto& put) { transform_inputs<m>(get, put); });
  }
  void open_grads(int64_t tile, int64_t t) const {
    const auto at = winograd_grid<m>(c).place(tile);
    const auto of_dy =
        Pixels<m>::of(dy + at.image * c.positions() * c.y_row, c.result[1], c.result[2], c.y_row, at.y, at.x, zeros());
    open_tile<m>(of_dy, c.out, grads() + t * p.out, p.grads,
                 [](const auto& get, const auto& put) { transform_values<m, m>(get, put); });
  }

  // One point, one panel of input channels: all of dy's channels over the tiles of a block.
  void product(int64_t point, int64_t col, int64_t tiles, bool first) const {
    TileCall call;
    call.a_row = 1;
    call.a_step = p.out;
    call.b = source() + point * p.source + col;
    call.b_step = p.in;
    call.k = tiles;
    call.c_row = p.in;
    call.cols = static_cast<int>(least(kTileCols, p.in - col));
    const int64_t row_tiles = ceil_div(c.out, kTileRows);
    for (int64_t i = 0; i < row_tiles; i++) {
      const int64_t o = part(c.out, i, row_tiles);
      call.a = grads() + point * p.grads + o;
      call.c = sums() + point * p.sums + o * p.in + col;
      call.init = first ? kTileZeros : call.c;
      call.init_row = first ? 0 : call.c_row;
      tile_function(kStep, static_cast<int>(part(c.out, i + 1, row_tiles) - o), call.cols)(call);
    }
  }

  // All weights of output channel o.
  void close(int64_t o) const {
    for (int64_t i = 0; i < c.in; i += kLanes) {
      const int here = static_cast<int>(least(kLanes, c.in - i));
      const float* from = sums() + o * p.in + i;
      float* to = dw + o * 9 * c.in + i;
      transform_sums<m, 3>(
          [&](int a, int b) {
            return load(from + (a * n + b) * p.sums) * (Winograd<m>::kScale[a] * Winograd<m>::kScale[b]);
          },
          [&](int a, int b, vf v) { store_first(to + (3 * a + b) * c.in, v, here); });
    }
  }
};

// body(t) for the tiles of a block, some at once.
template <typename Body>
TENON_INLINE void for_tiles(const Runtime& rt, int64_t tiles, const Body& body) {
  const int64_t bunches = ceil_div(tiles, kTilesAtOnce);
  parallel_for(rt, static_cast<uint32_t>(bunches), [&](uint32_t task, uint32_t) {
    for (int64_t t = part(tiles, task, bunches); t < part(tiles, task + 1, bunches); t++) body(t);
  });
}

template <int m>
TENON_INLINE void products(const Runtime& rt, const WinogradWeightRun<m>& run, int64_t tiles, bool first) {
  const int64_t panels = ceil_div(run.p.in, kTileCols);
  parallel_for(rt, static_cast<uint32_t>(run.p.points * panels),
               [&](uint32_t task, uint32_t) { run.product(task / panels, task % panels * kTileCols, tiles, first); });
}
template <int m>
TENON_INLINE void close(const Runtime& rt, const WinogradWeightRun<m>& run) {
  const int64_t out = run.c.out, closers = most(1, least(out, out * run.p.in * run.p.points / 16384));
  parallel_for(rt, static_cast<uint32_t>(closers), [&](uint32_t task, uint32_t) {
    for (int64_t o = part(out, task, closers); o < part(out, task + 1, closers); o++) run.close(o);
  });
}

template <int m>
TENON_INLINE void winograd_weight(const Runtime& rt, const ConvShape& c, const float* x, const float* dy, float* dw) {
  const WinogradWeightPlan p = plan_winograd_weight<m>(c);
  const WinogradWeightRun<m> run{c, x, dy, dw, p, reinterpret_cast<float*>(rt.scratch)};
  fill_zeros(run.zeros(), most(p.in, p.out));
  for (int64_t block = 0; block < p.blocks; block++) {
    const int64_t from = part(p.tiles, block, p.blocks), tiles = part(p.tiles, block + 1, p.blocks) - from;
    for_tiles(rt, tiles, [&](int64_t t) {
      run.open_source(from + t, t);
      run.open_grads(from + t, t);
    });
    products(rt, run, tiles, block == 0);
  }
  close(rt, run);
}

// The same where no more is held of dw than `c.out` of its `all` output channels: dw gets the part that a block of
// tiles has in some, in order, and is taken up by use(from, to, first of their blocks) before the next ones.
constexpr int64_t kWinogradPartBytes = int64_t{12} << 20;

template <int m, typename Use>
TENON_INLINE void winograd_weight_parts(const Runtime& rt, const ConvShape& c, int64_t all, const float* x,
                                        const float* dy, float* dw, const Use& use) {
  const WinogradWeightPlan p = plan_winograd_weight<m>(c, kWinogradPartBytes);
  ConvShape some = c;
  WinogradWeightRun<m> run{some, x, dy, dw, p, reinterpret_cast<float*>(rt.scratch)};
  fill_zeros(run.zeros(), most(p.in, p.out));
  for (int64_t block = 0; block < p.blocks; block++) {
    const int64_t first = part(p.tiles, block, p.blocks), tiles = part(p.tiles, block + 1, p.blocks) - first;
    for_tiles(rt, tiles, [&](int64_t t) { run.open_source(first + t, t); });
    for (int64_t from = 0; from < all; from += c.out) {
      some.out = least(c.out, all - from);
      run.dy = dy + from;
      for_tiles(rt, tiles, [&](int64_t t) { run.open_grads(first + t, t); });
      products(rt, run, tiles, true);
      close(rt, run);
      use(from, from + some.out, block == 0);
    }
  }
}

}  // namespace tenon::TENON_ISA
