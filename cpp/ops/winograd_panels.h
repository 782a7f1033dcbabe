// The same for a weight that is made a panel at a time (MadeWeight) and never lies anywhere as a whole. Tiles go
// through in chunks that stay in the last cache: all threads open a chunk, then each makes one panel after the other
// and takes it over the chunk's tiles.
#pragma once
#include "ops/conv_blocks.h"
#include "ops/winograd_sweep.h"

namespace tenon::TENON_ISA {

constexpr int64_t kChunkBytes = int64_t{4} << 20;  // of opened tiles

struct PanelsPlan {
  WinogradPlan run;    // a block is a chunk
  int64_t piece = 0;   // tiles whose sums are kept at once
  int64_t splits = 1;  // tasks of a panel
  uint64_t panel_bytes = 0, room_bytes = 0, row_bytes = 0, chunk_bytes = 0;
  uint64_t own_bytes() const { return panel_bytes + room_bytes + row_bytes; }
};

template <int m>
TENON_INLINE PanelsPlan plan_panels(const Sweep& s, int threads) {
  constexpr int64_t points = Winograd<m>::n * Winograd<m>::n;
  PanelsPlan q;
  WinogradPlan& p = q.run;
  p.tiles = winograd_grid<m>(s).tiles();
  p.panels = ceil_div(s.out, kTileCols);
  p.group = 1;
  p.width = whole_lanes(s.in);
  p.blocks = ceil_div(p.tiles, most(kTileRows, kChunkBytes / (points * 4 * p.width)));
  p.block = ceil_div(p.tiles, p.blocks);
  q.piece = least(p.block, 4 * kTileRows);
  if (threads > 1 && p.panels < 4 * threads)
    q.splits = least(ceil_div(2 * threads, p.panels), ceil_div(p.block, q.piece));
  p.source = point_step(p.block * p.width);
  p.sums = point_step(q.piece * kTileCols);
  const int64_t taps = 9 * s.in * kTileCols;
  q.panel_bytes = round64(points * s.in * kTileCols * 4);
  q.room_bytes = round64(most(taps, points * p.sums) * 4);
  q.row_bytes = round64(taps * 4);
  q.chunk_bytes = round64((points * p.source + p.width) * 4);
  return q;
}

TENON_INLINE uint64_t panels_scratch(const PanelsPlan& q, int threads) {
  return q.chunk_bytes + static_cast<uint64_t>(threads) * q.own_bytes();
}

// weights(rows): what packs panels by way of the weight's rows in that room.
template <int m, typename Weights>
TENON_INLINE void winograd_panels(const Runtime& rt, uint8_t* scratch, const Sweep& s, const Weights& weights) {
  constexpr int64_t points = Winograd<m>::n * Winograd<m>::n;
  using Packs = decltype(weights(nullptr));
  const PanelsPlan q = plan_panels<m>(s, rt.threads);
  const WinogradPlan& p = q.run;
  float *chunk = reinterpret_cast<float*>(scratch), *zeros = chunk + points * p.source;
  fill_zeros(zeros, p.width);
  for (int64_t block = 0; block < p.blocks; block++) {
    const int64_t first = part(p.tiles, block, p.blocks), tiles = part(p.tiles, block + 1, p.blocks) - first;
    const int64_t bunches = ceil_div(tiles, kTilesAtOnce);
    const WinogradRun<m, Packs> opener{s, p, weights(nullptr), nullptr, nullptr};
    parallel_for(rt, static_cast<uint32_t>(bunches), [&](uint32_t task, uint32_t) {
      for (int64_t t = part(tiles, task, bunches); t < part(tiles, task + 1, bunches); t++)
        opener.open(winograd_grid<m>(s).place(first + t), zeros, chunk + t * p.width);
    });
    parallel_for(rt, static_cast<uint32_t>(p.panels * q.splits), [&](uint32_t task, uint32_t worker) {
      uint8_t* own = scratch + q.chunk_bytes + worker * q.own_bytes();
      float *room = reinterpret_cast<float*>(own + q.panel_bytes),
            *rows = reinterpret_cast<float*>(own + q.panel_bytes + q.room_bytes);
      const int64_t panel = task / q.splits, split = task % q.splits;
      const WinogradRun<m, Packs> run{s, p, weights(rows), reinterpret_cast<float*>(own), nullptr, panel};
      run.pack_panel(panel, room);
      const int64_t end = part(tiles, split + 1, q.splits);
      for (int64_t t = part(tiles, split, q.splits); t < end; t += q.piece)
        run.results_of(first + t, least(q.piece, end - t), chunk + t * p.width, room, panel, panel + 1);
    });
  }
}

}  // namespace tenon::TENON_ISA
