// The packed, blocked product that matmul, linear and later ops are built on: c = after(max(floor, bias + left *
// right)).
//
// A task makes some row tiles by some panels of columns; k runs in blocks, so that a panel of `right` stays in the
// first cache and a group of row tiles in the second. Sources say how they are read where they lie and how they are
// packed. The blocks of k, and its splits where there are few tiles, follow from the shape and the ISA alone, so
// results do not depend on the number of threads; threads choose the groups of rows and columns only.
#pragma once
#include "ops/activation.h"
#include "ops/gemm_plan.h"
#include "simd/parallel.h"

namespace tenon::TENON_ISA {

// What is done besides the product. c's rows lie c_row apart, its products c_step.
struct GemmOut {
  float* c = nullptr;
  int64_t c_row = 0;
  int64_t c_step = 0;
  const float* bias = nullptr;  // one a column, or none
  float floor = -__builtin_inff();
  const float* near[2] = {};  // what `after` reads or writes besides, laid out as c
};

// Nothing is done to finished tiles besides bias and floor.
struct NoAfter {
  void operator()(float*, int64_t, int64_t, int, int64_t, int64_t) const {}
};
// An activation over a finished block while it is in the first cache.
struct ActivationAfter {
  uint32_t kind;
  void operator()(float* c, int64_t c_row, int64_t, int rows, int64_t, int64_t cols) const {
    if (kind > kRelu) activate_rows(kind, c, c_row, rows, cols);
  }
};
TENON_INLINE float floor_of(uint32_t activation) { return activation == kRelu ? 0.0f : -__builtin_inff(); }

// The tile of a product: f32's, unless its right side knows another.
template <typename Right>
TENON_INLINE TileFn tile_of(const Right& right, Walk walk, int rows, int cols) {
  if constexpr (requires { right.tile(walk, rows, cols); })
    return right.tile(walk, rows, cols);
  else
    return tile_function(walk, rows, cols);
}

// Panels [first, end) of a task; they start at column `col` and end before `col_end`.
struct Panels {
  int64_t first = 0, end = 0, col = 0, col_end = 0;
  int64_t col_of(int64_t panel) const { return col + (panel - first) * kTileCols; }
  int cols_of(int64_t panel) const { return static_cast<int>(least(kTileCols, col_end - col_of(panel))); }
};

// One block of k of one task. The one before it may have packed its first panel and copied rows of its tiles.
struct Slice {
  int64_t tile0 = 0, tile1 = 0, shared_first = 0;
  Panels panels;
  int64_t k0 = 0, k = 0;
  bool first = true, last = true;  // block of its piece
  bool packed = false;             // its first panel is
  int64_t slot = 0;                // where that panel lies among those that a worker keeps
  int64_t room = 0;                // steps that a tile of the block before had for rows of these, or 0
  float *packed_left = nullptr, *packed_right = nullptr;
  float* c = nullptr;
  int64_t c_row = 0;
  const float* bias = nullptr;
  float floor = -__builtin_inff();
};

// One run of a plan: the tasks share it.
template <typename Left, typename Right, typename After>
struct GemmRun {
  GemmPlan p;
  Left left;
  Right right;
  GemmOut out;
  After after;
  uint8_t* scratch;

  float* shared() const { return reinterpret_cast<float*>(scratch + p.split_bytes); }
  uint8_t* own(uint32_t worker) const {
    return scratch + p.split_bytes + p.shared_bytes + worker * (p.left_bytes + p.right_bytes);
  }
  int64_t split_start(int64_t split) const { return part(p.shape.inner, split, p.splits, kLanes); }

  // Packs the panels [from, to) of the shared block that starts at panel `first`: some rows of k across all of them,
  // then the next, so that memory is read along its rows.
  void pack_shared(int64_t first, int64_t from, int64_t to) const {
    const int64_t inner = p.shape.inner, deep = right.direct() ? 16 : kDepth;
    const Right b = right.of(0);
    for (int64_t k = 0; k < inner; k += deep)
      for (int64_t panel = from; panel < to; panel++) {
        const int cols = static_cast<int>(least(kTileCols, p.shape.cols - panel * kTileCols));
        b.pack(shared() + (panel - first) * inner * kTileCols + k * panel_width(cols), k, least(deep, inner - k),
               panel * kTileCols, cols);
      }
  }

  // Group g of the columns: of `here` panels from `first` on where they are packed beforehand, else of all columns, cut
  // between vectors, so that groups are about of a width.
  Panels panels_of(int64_t g, int64_t first, int64_t here) const {
    const int64_t n = p.col_groups, cols = p.shape.cols;
    if (p.right == RightMode::kShared) {
      const int64_t from = first + part(here, g, n), to = first + part(here, g + 1, n);
      return {from, to, from * kTileCols, least(to * kTileCols, cols)};
    }
    const int64_t grains = ceil_div(cols, p.col_grain), from = part(grains, g, n) * p.col_grain,
                  to = least(part(grains, g + 1, n) * p.col_grain, cols);
    return {0, ceil_div(to - from, int64_t{kTileCols}), from, to};
  }

  // The rows of group r by some panels of one piece (a product, or a split of it).
  void block(int64_t piece, int64_t r, const Panels& panels, int64_t shared_first, uint32_t worker) const {
    const int64_t product = piece / p.splits, split = piece % p.splits;
    const Left a = left.of(product);
    const Right b = right.of(product);
    Slice s;
    s.tile0 = part(p.tiles, r, p.row_groups);
    s.tile1 = part(p.tiles, r + 1, p.row_groups);
    s.panels = panels;
    s.shared_first = shared_first;
    s.packed_left = reinterpret_cast<float*>(own(worker));
    s.packed_right = reinterpret_cast<float*>(own(worker) + p.left_bytes);
    if (p.splits > 1) {
      s.c = reinterpret_cast<float*>(scratch) + piece * p.shape.rows * p.shape.cols;
      s.c_row = p.shape.cols;
    } else {
      s.c = out.c + piece * out.c_step;
      s.c_row = out.c_row;
      s.bias = out.bias;
      s.floor = out.floor;
    }
    const int64_t from = split_start(split), to = split_start(split + 1);
    const int64_t blocks = most(1, ceil_div(to - from, kDepth));
    const auto depth_of = [&](int64_t i) {
      return part(to - from, i + 1, blocks, kLanes) - part(to - from, i, blocks, kLanes);
    };
    s.k0 = from;
    s.k = depth_of(0);
    for (int64_t i = 0; i < blocks; i++) {
      s.last = i + 1 == blocks;
      const Slice then = slice_after(b, s, s.last ? 0 : depth_of(i + 1));
      slice(a, b, s, then);
      s = then;
    }
  }

  // The slice after s, of depth k, or of none.
  Slice slice_after(const Right& b, const Slice& s, int64_t k) const {
    const int64_t panels = s.panels.end - s.panels.first;
    Slice n = s;
    n.first = false;
    n.k0 = s.k0 + s.k;
    n.k = k;
    n.slot = s.slot + panels;
    n.packed = packs_next(b, s, n, s.panels.end - 1);
    n.room = k > 0 && panels > 1 ? s.k - (n.packed ? steps_of_share(s, k) : 0) : 0;
    return n;
  }

  int64_t row_of(int64_t tile) const { return part(p.shape.rows, tile, p.tiles); }

  // The panels that a slice's row tiles pass by together.
  struct Pass {
    int64_t panel = 0, panels = 1;
    bool packed = false;    // by the pass before
    bool packs = false;     // the next one
    bool near_ends = true;  // rows of c lie close together
    bool far = false;       // they do not, and c is too large for the second cache
  };
  // A row tile of a slice, and the rows of the one after it, if any.
  struct TileRows {
    int64_t tile = 0, row = 0, rows = 0, next = 0;
  };

  // One block of k of it, and what is due before the next.
  void slice(const Left& a, const Right& b, const Slice& s, const Slice& then) const {
    // Tiles stay in the second cache, panels pass by; where few panels need no packing, rather the other way around.
    const int64_t panels = s.panels.end - s.panels.first, tiles = s.tile1 - s.tile0;
    const bool ready = p.right == RightMode::kShared ||
                       (b.direct() && panels > 0 && panels * 2 < tiles && reads_in_place(b, s, kTileCols) &&
                        reads_in_place(b, s, s.panels.cols_of(s.panels.end - 1)));
    Pass pass;
    pass.panels = ready && panels * s.k <= kPanelsNear * kDepth ? panels : 1;
    pass.near_ends = pass.panels == panels && s.panels.col_end - s.panels.col == s.c_row;
    pass.packed = s.packed;
    pass.far = !pass.near_ends && p.shape.count * p.splits * p.shape.rows * p.shape.cols * 4 >= near_bytes();
    for (pass.panel = s.panels.first; pass.panel < s.panels.end; pass.panel += pass.panels, pass.packed = pass.packs) {
      pass.packs = packs_next(b, s, then, pass.panel);
      if (p.right == RightMode::kByTask && !b.direct())
        b.pack(packed_panel(s, pass.panel), s.k0, s.k, s.panels.col_of(pass.panel), s.panels.cols_of(pass.panel));
      const int64_t end = pass.panel + pass.panels;
      int64_t next = row_of(s.tile0), after_next = row_of(s.tile0 + 1);
      for (int64_t t = s.tile0; t < s.tile1; t++) {
        const int64_t row = next;
        next = after_next;
        after_next = t + 1 < s.tile1 ? row_of(t + 2) : next;
        const TileRows tile{t, row, next - row, after_next - next};
        if (p.left != LeftMode::kDirect && pass.panel == s.panels.first) bring_left(a, b, s, then, tile);
        for (int64_t panel = pass.panel; panel < end; panel++) cell(a, b, s, then, pass, tile, panel);
        if (s.last && p.splits == 1)
          finish(s, tile, s.panels.col_of(pass.panel), least(s.panels.col_of(end), s.panels.col_end));
      }
    }
  }

  // What a cell wishes for.
  struct Region {
    const float* at = nullptr;
    int64_t count = 0;
    Region share(int64_t i, int64_t n) const {
      return {at + part(count, i, n), part(count, i + 1, n) - part(count, i, n)};
    }
  };

  // Rows of c and of the left side for the tile after t, and what is read after this one, in turn; where they are whole
  // rows and so lie close together.
  Region wish_of(const Left& a, const Slice& s, const Pass& pass, const TileRows& t, int64_t panel) const {
    const int64_t i = panel - pass.panel, n = pass.panels, next = t.row + t.rows;
    Region wishes[4];
    int count = 0;
    if (pass.panel == s.panels.first && t.next > 0 && p.left != LeftMode::kPacked) {
      const Matrix m = a.at(next, s.k0);
      if (m.col == 1 && m.row == s.k) wishes[count++] = {m.data, t.next * s.k};
    }
    if (pass.near_ends) {
      if (t.next > 0) wishes[count++] = {s.c + next * s.c_row, t.next * s.c_row};
      for (const float* near : out.near)
        if (s.last && near) wishes[count++] = {near + t.row * s.c_row, t.rows * s.c_row};
    }
    if (count == 0) return {};
    const int64_t w = least(i * count / n, count - 1), first = ceil_div(w * n, count),
                  end = ceil_div((w + 1) * n, count);
    return wishes[w].share(i - first, end - first);
  }

  float* left_tile(const Slice& s, int64_t tile) const {
    return s.packed_left + (tile - s.tile0) * (p.left == LeftMode::kPacked ? p.depth_max * kPackRows
                                                                           : kTileRows * copied_row(p.depth_max));
  }
  // Steps of k in which rows of a tile may be copied before its turn: beside the tile after it of the slice before,
  // whose own rows of that tile have passed by every panel; else beside the tile before it in the first pass.
  int64_t room_of(const Right& b, const Slice& s, const Slice& then, int64_t tile) const {
    if (s.room > 0 && tile + 1 < s.tile1) return s.room;
    const bool copies_panel = !s.packed && packs_on_the_way(b, s, s.panels.cols_of(s.panels.first));
    if (tile <= s.tile0 + copies_panel || tile >= s.tile1) return 0;
    return s.k - (packs_next(b, s, then, s.panels.first) ? steps_of_share(s, depth_after(s, then, s.panels.first)) : 0);
  }
  // Rows of a tile of s that another copies: whole vectors, as many as there is room for.
  Errand left_errand(const Left& a, const Slice& s, int64_t tile, int64_t row, int64_t rows, int64_t room) const {
    if (p.left != LeftMode::kCopied || s.k < kLanes || room <= 0) return {};
    const Matrix m = a.at(row, s.k0);
    if (!m.data) return {};
    Errand e;
    e.from = m.data;
    e.to = left_tile(s, tile);
    e.run = s.k / kLanes;
    e.runs = most(0, least(rows, room / e.run - 1));
    e.from_step = e.to_step = kLanes;
    e.from_jump = m.row;
    e.to_jump = copied_row(s.k);
    return e;
  }
  void bring_left(const Left& a, const Right& b, const Slice& s, const Slice& then, const TileRows& t) const {
    float* to = left_tile(s, t.tile);
    if (p.left == LeftMode::kPacked) return a.pack(to, t.row, static_cast<int>(t.rows), s.k0, s.k);
    const Errand done = left_errand(a, s, t.tile, t.row, t.rows, room_of(b, s, then, t.tile));
    const int64_t k = done.run * kLanes, to_row = copied_row(s.k);
    if (k < s.k) a.copy(to + k, to_row, t.row, done.runs, s.k0 + k, s.k - k);
    if (done.runs < t.rows) a.copy(to + done.runs * to_row, to_row, t.row + done.runs, t.rows - done.runs, s.k0, s.k);
  }

  // Two panels of a worker's, used in turn where one is packed while the other is read.
  float* packed_panel(const Slice& s, int64_t panel) const {
    return s.packed_right + ((s.slot + panel - s.panels.first) & (p.right_panels - 1)) * p.depth_max * kTileCols;
  }
  bool packs_on_the_way(const Right& b, const Slice& s, int cols) const {
    return p.right == RightMode::kByTask && b.direct() && !reads_in_place(b, s, cols);
  }
  // Depth of the panel that is read after this one: the next, or the first of the slice after.
  int64_t depth_after(const Slice& s, const Slice& then, int64_t panel) const {
    return panel + 1 < s.panels.end ? s.k : then.k;
  }
  // Whether the tiles that pass by a panel pack the one after it, all but the first an equal share of its rows.
  // Otherwise that one's first tile packs it.
  bool packs_next(const Right& b, const Slice& s, const Slice& then, int64_t panel) const {
    const int64_t k = depth_after(s, then, panel);
    const int cols = s.panels.cols_of(panel + 1 < s.panels.end ? panel + 1 : s.panels.first);
    return k > 0 && s.tile1 - s.tile0 > 1 && cols == kTileCols && steps_of_share(s, k) <= s.k &&
           packs_on_the_way(b, s, kTileCols);
  }
  int64_t share_of(const Slice& s, int64_t k) const { return ceil_div(k, most(1, s.tile1 - s.tile0 - 1)); }
  int64_t steps_of_share(const Slice& s, int64_t k) const { return share_of(s, k) * (kTileVecs + 1); }
  Errand right_errand(const Right& b, const Slice& s, const Slice& then, int64_t panel, int64_t tile) const {
    const bool inside = panel + 1 < s.panels.end;
    const Slice& of = inside ? s : then;
    const int64_t next = inside ? panel + 1 : s.panels.first, share = share_of(s, of.k),
                  k = (tile - s.tile0 - 1) * share;
    const Matrix m = b.at(of.k0 + k, s.panels.col_of(next));
    Errand e;
    e.from = m.data;
    e.to = packed_panel(of, next) + k * kTileCols;
    e.run = least(share, of.k - k);
    e.runs = e.run > 0 ? kTileVecs : 0;
    e.from_step = m.row;
    e.to_step = kTileCols;
    e.from_jump = e.to_jump = kLanes;
    return e;
  }

  // Whether all tiles read a panel of b where it lies. Where its rows are far apart they crowd the second cache, which
  // packing mends if there are enough tiles; a row's end is not read past.
  bool reads_in_place(const Right& b, const Slice& s, int cols) const {
    if constexpr (requires { b.padded(); }) return true;
    return cols % kLanes == 0 && (b.at(0, 0).row < kFar || s.tile1 - s.tile0 <= kFewTiles);
  }

  // One tile by one panel.
  void cell(const Left& a, const Right& b, const Slice& s, const Slice& then, const Pass& pass, const TileRows& t,
            int64_t panel) const {
    TileCall call;
    const Region wish = wish_of(a, s, pass, t, panel);
    call.ahead = wish.at;
    call.ahead_step = wish.count > 0 ? wish.count * 4 / most(1, s.k) : 0;
    const int64_t col = s.panels.col_of(panel);
    call.k = s.k;
    call.cols = s.panels.cols_of(panel);
    if (p.left == LeftMode::kDirect) {
      const Matrix m = a.at(t.row, s.k0);
      call.a = m.data;
      call.a_row = m.row;
      call.a_step = m.col;
    } else {
      const bool packed = p.left == LeftMode::kPacked;
      call.a = left_tile(s, t.tile);
      call.a_row = packed ? 1 : copied_row(s.k);
      call.a_step = packed ? kPackRows : 1;
    }
    Walk walk = kStep;
    call.b_step = panel_width(call.cols);
    if (p.right == RightMode::kShared) {
      call.b = shared() + (panel - s.shared_first) * p.shape.inner * kTileCols + s.k0 * call.b_step;
    } else if (b.direct() && ((t.tile == s.tile0 && !pass.packed) || reads_in_place(b, s, call.cols))) {
      const Matrix m = b.at(s.k0, col);
      call.b = m.data;
      call.b_step = m.row;
      call.copy = packed_panel(s, panel);
      if (!reads_in_place(b, s, call.cols)) walk = kCopy;  // the first tile packs for the others
    } else {
      call.b = packed_panel(s, panel);
    }
    if (walk == kStep && send(a, b, s, then, pass, t, panel, call.errands)) walk = kErrand;
    call.c = s.c + t.row * s.c_row + col;
    call.c_row = s.c_row;
    call.init = !s.first ? call.c : s.bias ? s.bias + col : kTileZeros;
    call.init_row = s.first ? 0 : s.c_row;
    if (s.last) call.floor = s.floor;
    if (pass.far) wish_results(s, pass, t, panel);
    tile_of(b, walk, static_cast<int>(t.rows), call.cols)(call);
  }

  // Asks the second cache for the results of the cell after this one; a tile asks the first for its own. In line: a
  // function that does nothing else is taken for one without effects.
  __attribute__((always_inline)) void wish_results(const Slice& s, const Pass& pass, const TileRows& t,
                                                   int64_t panel) const {
    const bool down = panel + 1 == pass.panel + pass.panels;  // the next cell lies below, or else beside
    const bool over = down && t.next == 0;                    // or on top of the next panel
    if (over && panel + 1 == s.panels.end) return;
    const int64_t rows = over ? row_of(s.tile0 + 1) - row_of(s.tile0) : down ? t.next : t.rows;
    const float* c = s.c +
                     (over   ? row_of(s.tile0)
                      : down ? t.row + t.rows
                             : t.row) *
                         s.c_row +
                     s.panels.col_of(over || !down ? panel + 1 : pass.panel);
    for (int64_t i = 0; i < rows; i++, c += s.c_row)
      for (int v = 0; v < kTileVecs; v++) __builtin_prefetch(c + v * kLanes, 1, 2);
  }

  // Whether a cell has errands.
  bool send(const Left& a, const Right& b, const Slice& s, const Slice& then, const Pass& pass, const TileRows& t,
            int64_t panel, Errand (&errands)[2]) const {
    if (pass.packs && t.tile > s.tile0) errands[0] = right_errand(b, s, then, panel, t.tile);
    if (panel == s.panels.first && (s.room == 0 || t.tile + 2 >= s.tile1))
      errands[1] = left_errand(a, s, t.tile + 1, t.row + t.rows, t.next, room_of(b, s, then, t.tile + 1));
    if (panel + 1 == s.panels.end && then.room > 0 && t.tile > s.tile0) {
      const int64_t row = row_of(t.tile - 1);
      errands[1] = left_errand(a, then, t.tile - 1, row, t.row - row, then.room);
    }
    return errands[0].runs > 0 || errands[1].runs > 0;
  }

  // Columns [from, to) of a row tile are done but for what comes after.
  void finish(const Slice& s, const TileRows& t, int64_t from, int64_t to) const {
    after(s.c + t.row * s.c_row + from, s.c_row, t.row, static_cast<int>(t.rows), from, to - from);
  }

  // Adds the splits of product n up, in order, over some rows.
  void add_splits(int64_t n, int64_t row0, int64_t row1) const {
    const int64_t cols = p.shape.cols, size = p.shape.rows * cols;
    const float* from = reinterpret_cast<const float*>(scratch) + n * p.splits * size;
    for (int64_t i = row0; i < row1; i++) {
      float* c = out.c + n * out.c_step + i * out.c_row;
      for (int64_t j = 0; j < cols; j += kLanes) {
        const int here = static_cast<int>(least(kLanes, cols - j));
        vf y = out.bias ? load_first(out.bias + j, here) : zero();
        for (int64_t s = 0; s < p.splits; s++) y += load_first(from + s * size + i * cols + j, here);
        store_first(c + j, max(splat(out.floor), y), here);
      }
      after(c, out.c_row, i, 1, 0, cols);
    }
  }
};

template <typename Left, typename Right, typename After>
TENON_INLINE void gemm(const Runtime& rt, uint8_t* scratch, const GemmPlan& p, const Left& left, const Right& right,
                       const GemmOut& out, const After& after) {
  if (p.tiles == 0 || p.panels == 0 || p.shape.count == 0) return;
  const GemmRun<Left, Right, After> run{p, left, right, out, after, scratch};
  const uint32_t grid = p.row_groups * p.col_groups;
  const int64_t pieces = p.shape.count * p.splits;
  const int64_t step = p.right == RightMode::kShared ? p.shared_panels : p.panels;
  for (int64_t first = 0; first < p.panels; first += step) {
    const int64_t here = least(step, p.panels - first);
    if (p.right == RightMode::kShared) {
      const uint32_t tasks =
          static_cast<uint32_t>(least(least(here, rt.threads * 2), most(1, p.shape.inner * here * kTileCols / 16384)));
      parallel_for(rt, tasks, [&](uint32_t task, uint32_t) {
        run.pack_shared(first, first + part(here, task, tasks), first + part(here, task + 1, tasks));
      });
    }
    // Many small products go several to a task.
    const int64_t bunches = grid > 1 ? pieces : least(pieces, rt.threads * 8);
    parallel_for(rt, static_cast<uint32_t>(bunches * grid), [&](uint32_t task, uint32_t worker) {
      const int64_t bunch = task / grid, cell = task % grid;
      const int64_t r = cell / p.col_groups, g = cell % p.col_groups;
      const Panels panels = run.panels_of(g, first, here);
      for (int64_t piece = part(pieces, bunch, bunches); piece < part(pieces, bunch + 1, bunches); piece++)
        run.block(piece, r, panels, first, worker);
    });
  }
  if (p.splits > 1) {
    const int64_t chunks = least(p.shape.rows, 16);
    parallel_for(rt, static_cast<uint32_t>(p.shape.count * chunks), [&](uint32_t task, uint32_t) {
      const int64_t n = task / chunks, i = task % chunks;
      run.add_splits(n, part(p.shape.rows, i, chunks), part(p.shape.rows, i + 1, chunks));
    });
  }
}

}  // namespace tenon::TENON_ISA
