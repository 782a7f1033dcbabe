// Row tiles of an expert's tokens by panels of its weights: of rows, which are turned into columns, or of columns,
// which are brought together. Both while the tiles of the panel before are made.
#pragma once
#include "ops/experts.h"

namespace tenon::TENON_ISA {

// Room for two panels: one is read while the other one is made.
struct PanelPair {
  float* room[2];
  float* of(int64_t panel) const { return room[panel & 1]; }
};

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
TENON_INLINE void for_panels(int64_t first, int64_t last, int64_t tiles, int64_t k, PanelPair room, Source source,
                             Tile tile, After after) {
  if (first == last) return;
  WeightRows next = source(first);
  pack_transposed(room.of(first), panel_width(next.cols), next.from, k, k, next.cols);
  for (int64_t panel = first; panel < last; panel++) {
    const WeightRows here = next;
    next = panel + 1 < last ? source(panel + 1) : WeightRows{};
    float* ahead = room.of(panel + 1);
    int turned = 0;
    for (int64_t t = 0; t < tiles; t++) {
      TileCall call;
      call.a_step = 1;
      call.k = k;
      call.b = room.of(panel);
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

// Matrices one below another, each of k rows that lie `ld` apart.
struct Below {
  const float* matrix[2];
  int count;
  int64_t ld, k, cols;

  float* panel(float* room, int i, int64_t width) const { return room + i * k * width; }
  // The share of tile `nth` of `of` in bringing that panel of a matrix.
#if TENON_VBYTES == 64
  Brought share(int i, int64_t of_panel, float* room, int64_t nth, int64_t of) const {
    const int64_t from = part(k, nth, of), to = part(k, nth + 1, of);
    const float* first = matrix[i] + of_panel * kTileCols;
    const bool last = nth + 1 == of;
    return {first + from * ld, ld, panel(room, i, kTileCols) + from * kTileCols, to - from,
            last ? first + kTileCols : first + to * ld};
  }
#endif
};

// For the panels [first, last) of columns: as above. A panel that no tile could bring is packed by the first one that
// meets it, and the last tiles before have wished for it, a line each of every row. room: of two panels of all rows.
template <typename Tile, typename After>
TENON_INLINE void for_columns(int64_t first, int64_t last, int64_t tiles, const Below& from, PanelPair room, Tile tile,
                              After after) {
  constexpr int kLine = 16;
  bool ready = false;
  for (int64_t panel = first; panel < last; panel++) {
    const int cols = cols_of(panel, from.cols), next = panel + 1 < last ? cols_of(panel + 1, from.cols) : 0;
    const int64_t packing = ready ? 0 : 1;
    bool brings = false;
#if TENON_VBYTES == 64
    brings = cols == kTileCols && next == kTileCols && tiles > packing;
#endif
    for (int64_t t = 0; t < tiles; t++) {
      TileCall call;
      call.a_step = 1;
      call.k = from.k;
      call.cols = cols;
      call.init = kTileZeros;
      const int rows = tile(panel, t, call);
      for (int i = 0; i < from.count; i++) {
        call.copy = from.panel(room.of(panel), i, panel_width(cols));
        call.b = t < packing ? from.matrix[i] + panel * kTileCols : call.copy;
        call.b_step = t < packing ? from.ld : panel_width(cols);
        const int64_t line = brings ? 0 : (tiles - 1 - t) * kLine;
        if (line < next) {
          call.ahead = from.matrix[i] + (panel + 1) * kTileCols + line;
          call.ahead_step = from.ld * 4;
        }
#if TENON_VBYTES == 64
        if (brings && t >= packing)
          bringing_tile_function(rows)(call,
                                       from.share(i, panel + 1, room.of(panel + 1), t - packing, tiles - packing));
        else
#endif
          tile_function(t < packing ? kCopy : kStep, rows, cols)(call);
        call.a += from.k;
        call.init = call.c;
        call.init_row = call.c_row;
      }
      after(panel, t);
    }
    ready = brings;
  }
}

}  // namespace tenon::TENON_ISA
