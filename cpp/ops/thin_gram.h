// The gradient of a factor: g[c, r] = sum over rows of wide[row, c] * thin[row, r], where r is a rank. A pass may also
// make another thin matrix of the same rows, narrow = wide * right, while they are in the second cache.
#pragma once
#include "ops/rows.h"
#include "ops/thin.h"

namespace tenon::TENON_ISA {

struct ThinGram {
  int64_t rows = 0, channels = 0, rank = 0;

  int64_t size() const { return rank * channels; }
  // Each has sums of its own; they follow from the shape alone.
  int64_t parts() const { return most(1, least(least(32, rows / 512), (int64_t{4} << 20) / most(1, size() * 4))); }
  uint64_t sum_bytes() const { return round64(parts() * size() * 4); }
  uint64_t panel_bytes() const { return channels % kLanes == 0 ? 0 : round64(kThinRows * kTileCols * 4); }
  uint64_t scratch(int threads) const { return sum_bytes() + static_cast<uint64_t>(threads) * panel_bytes(); }
};

struct ThinGramRun {
  ThinGram g;
  const float *wide, *thin;
  float* to;
  uint8_t* scratch;

  float* sums(int64_t part) const { return reinterpret_cast<float*>(scratch) + part * g.size(); }
  float* panel(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + g.sum_bytes() + worker * g.panel_bytes());
  }

  // sums [rank, channels] of a part get `count` rows from `first` on.
  void block(float* sums, int64_t first, int64_t count, bool start, float* panel) const {
    const int64_t tiles = ceil_div(g.rank, int64_t{kTileRows});
    TileCall call;
    call.a_row = 1;
    call.a_step = g.rank;
    call.c_row = g.channels;
    call.k = count;
    const char* next = reinterpret_cast<const char*>(wide + (first + count) * g.channels);
    call.ahead_step = ceil_div(g.channels * 4, most(1, tiles * ceil_div(g.channels, kTileCols)));
    for (int64_t col = 0; col < g.channels; col += kTileCols) {
      call.cols = static_cast<int>(least(kTileCols, g.channels - col));
      call.b = wide + first * g.channels + col;
      call.b_step = g.channels;
      call.copy = panel;
      for (int64_t i = 0; i < tiles; i++) {
        const int64_t r = part(g.rank, i, tiles);
        call.a = thin + first * g.rank + r;
        call.c = sums + r * g.channels + col;
        call.init = start ? kTileZeros : call.c;
        call.init_row = start ? 0 : call.c_row;
        call.ahead = next;
        next += count * call.ahead_step;
        // A row's end is not read past: the first tile copies it for the others.
        const bool copies = call.cols % kLanes != 0 && i == 0;
        tile_function(copies ? kCopy : kStep, static_cast<int>(part(g.rank, i + 1, tiles) - r), call.cols)(call);
        if (copies) {
          call.b = panel;
          call.b_step = panel_width(call.cols);
        }
      }
    }
  }

  void add_up() const {
    const int64_t parts = g.parts();
    for (int64_t r = 0; r < g.rank; r++)
      for_lanes(static_cast<uint64_t>(g.channels), [&](uint64_t c, int count) {
        const float* from = sums(0) + r * g.channels + c;
        vf y = load_part(from, count);
        for (int64_t i = 1; i < parts; i++) y += load_part(from + i * g.size(), count);
        for (int j = 0; j < count; j++) to[(static_cast<int64_t>(c) + j) * g.rank + r] = y[j];
      });
  }
};

// to [channels, rank]. Where `narrow` is given, narrow [rows, its columns] = wide * its packed right side.
TENON_INLINE void thin_gram(const Runtime& rt, uint8_t* scratch, const ThinGram& g, const float* wide,
                            const float* thin, float* to, const Thin* narrow, float* narrowed) {
  const ThinGramRun run{g, wide, thin, to, scratch};
  const int64_t parts = g.parts();
  if (g.rows == 0) return fill_row(to, 0.0f, static_cast<uint64_t>(g.size()));
  parallel_for(rt, static_cast<uint32_t>(parts), [&](uint32_t task, uint32_t worker) {
    const int64_t begin = part(g.rows, task, parts), end = part(g.rows, task + 1, parts);
    for (int64_t row = begin; row < end; row += kThinRows) {
      const int64_t count = least(kThinRows, end - row);
      if (narrow)
        narrow->rows(narrowed + row * narrow->cols, narrow->cols, wide + row * g.channels, g.channels, count, nullptr,
                     0, true);
      run.block(run.sums(task), row, count, row == begin, run.panel(worker));
    }
  });
  run.add_up();
}

}  // namespace tenon::TENON_ISA
