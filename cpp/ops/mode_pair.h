// The last two products of a chain, along the axis before the last and then along the last: y[l, i, j] = sum over a, b
// of u[i, a] * x[l, a, b] * v[j, b]. A row tile goes through both, so that what lies between stays in the first cache.
#pragma once
#include "ops/rows.h"
#include "ops/thin.h"

namespace tenon::TENON_ISA {

struct ModePair {
  int64_t lead = 0;
  int64_t from[2] = {}, to[2] = {};  // of either axis
  float scale = 1;

  int64_t tiles() const { return ceil_div(to[0], int64_t{kTileRows}); }
  int64_t size() const { return lead * to[0] * to[1]; }
  // Short sums, and few enough numbers that a lead's share of x and a row tile lie near.
  bool suits() const {
    return least(least(from[0], from[1]), size()) > 0 && from[0] <= kDepth && from[1] <= kDepth &&
           from[0] * from[1] <= 8192 && to[1] <= 4096 && to[0] >= 4;
  }
  bool is_large() const { return to[1] % kTileCols == 0 && size() * 4 > kLastBytes; }
};

struct ModePairPlan {
  int64_t panels = 0;  // of x's columns
  uint64_t right_bytes = 0, x_bytes = 0, mid_bytes = 0, out_bytes = 0;
  uint64_t own_bytes() const { return x_bytes + mid_bytes + out_bytes; }
};

TENON_INLINE ModePairPlan plan_pair(const ModePair& m) {
  ModePairPlan p;
  p.panels = ceil_div(m.from[1], int64_t{kTileCols});
  p.right_bytes = Thin::bytes(m.from[1], m.to[1]);
  p.x_bytes = round64(p.panels * m.from[0] * kTileCols * 4);
  p.mid_bytes = round64(kTileRows * m.from[1] * 4);
  p.out_bytes = m.is_large() ? 2 * round64(kTileRows * kTileCols * 4) : 0;
  return p;
}

TENON_INLINE uint64_t pair_scratch(const ModePair& m, int threads) {
  const ModePairPlan p = plan_pair(m);
  return p.right_bytes + static_cast<uint64_t>(threads) * p.own_bytes();
}

struct ModePairRun {
  const ModePair& m;
  ModePairPlan p;
  const float *x, *u;
  float* y;
  uint8_t* scratch;

  Thin right() const { return {m.from[1], m.to[1], reinterpret_cast<float*>(scratch)}; }
  float* own(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + p.right_bytes + worker * p.own_bytes());
  }
  float* mid(float* own) const { return own + p.x_bytes / 4; }
  float* out(float* own) const { return mid(own) + p.mid_bytes / 4; }
  int cols_of(int64_t panel) const { return static_cast<int>(least(kTileCols, m.from[1] - panel * kTileCols)); }

  void pack_x(int64_t lead, float* own) const {
    const float* from = x + lead * m.from[0] * m.from[1];
    for (int64_t i = 0; i < p.panels; i++)
      pack_copy(own + i * m.from[0] * kTileCols, panel_width(cols_of(i)), from + i * kTileCols, m.from[1], m.from[0],
                cols_of(i));
  }

  bool streams() const { return p.out_bytes > 0 && reinterpret_cast<uintptr_t>(y) % (4 * kLanes) == 0; }

  // Rows [row, row + rows) of one lead, whose x is packed. Where results leave past the caches, a tile's do so while
  // the next one is made.
  void tile(int64_t lead, int64_t row, int rows, float* own, Carried& carried) const {
    TileCall call;
    call.a = u + row * m.from[0];
    call.a_row = m.from[0];
    call.a_step = 1;
    call.k = m.from[0];
    call.init = kTileZeros;
    call.c_row = m.from[1];
    for (int64_t i = 0; i < p.panels; i++) {
      call.cols = cols_of(i);
      call.b = own + i * m.from[0] * kTileCols;
      call.b_step = panel_width(call.cols);
      call.c = mid(own) + i * kTileCols;
      tile_function(kStep, rows, call.cols)(call);
    }
    float* to = y + (lead * m.to[0] + row) * m.to[1];
    if (!streams()) return right().rows(to, m.to[1], mid(own), m.from[1], rows, nullptr, 0, true);
    call.a = mid(own);
    call.a_row = call.k = m.from[1];
    call.b_step = call.c_row = call.cols = kTileCols;
    for (int64_t col = 0; col < m.to[1]; col += kTileCols) {
      call.b = right().packed + col * m.from[1];
      call.c = out(own) + (carried.from == out(own) ? p.out_bytes / 8 : 0);
      carrying_tile_function(rows)(call, carried);
      carried = {to + col, m.to[1], call.c, rows};
    }
  }
};

// v: [to[1], from[1]].
TENON_INLINE void run_pair(const Runtime& rt, uint8_t* scratch, const ModePair& m, const float* x, const float* u,
                           const float* v, float* y) {
  const ModePairRun run{m, plan_pair(m), x, u, y, scratch};
  const Thin right = run.right();
  right.pack({{v, 1, m.from[1]}});
  if (m.scale != 1.0f) {
    const vf s = splat(m.scale);
    map_row(right.packed, right.packed, run.p.right_bytes / 4, [s](vf w) { return w * s; });
  }
  const int64_t tiles = m.tiles(), units = m.lead * tiles;
  const int64_t tasks = least(units, int64_t{8} * rt.threads);
  parallel_for(rt, static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t worker) {
    float* own = run.own(worker);
    int64_t packed = -1;
    Carried carried;
    for (int64_t i = part(units, task, tasks); i < part(units, task + 1, tasks); i++) {
      const int64_t lead = i / tiles, row = part(m.to[0], i % tiles, tiles);
      if (lead != packed) run.pack_x(lead, own);
      packed = lead;
      run.tile(lead, row, static_cast<int>(part(m.to[0], i % tiles + 1, tiles) - row), own, carried);
    }
    carry(carried);
    if (run.streams()) stream_fence();
  });
}

}  // namespace tenon::TENON_ISA
