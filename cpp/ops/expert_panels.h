// Row tiles of an expert's tokens by panels of its weights, which lie as rows and are turned into columns a panel
// ahead.
#pragma once
#include "ops/experts.h"

namespace tenon::TENON_ISA {

// Rows of a weight, `k` elements each: columns of the product.
struct WeightRows {
  const float* from = nullptr;
  int cols = 0;
};

#if TENON_VBYTES == 64
// The next panel's columns that a tile turns on its way, of those left for so many tiles.
TENON_INLINE int columns_to_turn(int left, int64_t tiles) {
  if (left <= 0) return 0;
  return left > tiles * kTurned ? 2 * kTurned : kTurned;
}
#endif

// For the panels [first, last): source(panel) gives its WeightRows, tile(panel, t, call) says where tile t of `tiles`
// and its result lie and returns its rows, after(panel, t) follows each. room: of two panels of k.
template <typename Source, typename Tile, typename After>
TENON_INLINE void for_panels(int64_t first, int64_t last, int64_t tiles, int64_t k, float* const (&room)[2],
                             Source source, Tile tile, After after) {
  if (first == last) return;
  WeightRows next = source(first);
  pack_transposed(room[first & 1], panel_width(next.cols), next.from, k, k, next.cols);
  for (int64_t panel = first; panel < last; panel++) {
    const WeightRows here = next;
    next = panel + 1 < last ? source(panel + 1) : WeightRows{};
    float* ahead = room[~panel & 1];
    int turned = 0;
    for (int64_t t = 0; t < tiles; t++) {
      TileCall call;
      call.a_step = 1;
      call.k = k;
      call.b = room[panel & 1];
      call.b_step = panel_width(here.cols);
      call.cols = here.cols;
      const int rows = tile(panel, t, call);
#if TENON_VBYTES == 64
      const bool may_turn = here.cols == kTileCols && next.cols == kTileCols && k % 2 == 0;
      if (const int columns = may_turn ? columns_to_turn(kTileCols - turned, tiles - t) : 0; columns > 0) {
        turning_tile_function(rows, columns)(call, {next.from + turned * k, k, ahead + turned, columns});
        turned += columns;
        after(panel, t);
        continue;
      }
#endif
      if (turned == 0 && k > 0) {
        const int64_t size = next.cols * k;
        call.ahead = next.from ? next.from + part(size, t, tiles) : nullptr;
        call.ahead_step = ceil_div(size, tiles) * 4 / k;
      }
      tile_function(kStep, rows, here.cols)(call);
      after(panel, t);
    }
    if (turned < next.cols) pack_transposed(ahead, panel_width(next.cols), next.from, k, k, next.cols, turned);
  }
}

}  // namespace tenon::TENON_ISA
