// How a product is cut into tasks: sizes only, no data.
#pragma once
#include "base/machine.h"
#include "ops/pack.h"

namespace tenon::TENON_ISA {

constexpr int64_t kDepth = 512;             // k of a block
constexpr int64_t kFar = 8 * TENON_VBYTES;  // elements between rows of the right side: narrow tiles meet them often
constexpr int64_t kFewTiles = 6;            // by which it is cheaper not to pack
constexpr int64_t kPanelsNear = 8;          // so many shared panels of a block's depth lie there instead

// Bytes of the left side that a task keeps in its second cache.
TENON_INLINE int64_t near_bytes() { return static_cast<int64_t>(second_cache() / 2); }

struct GemmShape {
  int64_t rows = 0, cols = 0, inner = 0;
  int64_t count = 1;                         // products of this shape
  bool left_made = true, right_made = true;  // a side is written time and again, a part of it by each thread
};

// The left side is read where it lies, from rows copied closer together, or from packed tiles; the last two are a
// task's own.
enum class LeftMode : uint8_t { kDirect, kCopied, kPacked };
// Panels of the right side are packed by each task, or all of them before the tasks start.
enum class RightMode : uint8_t { kByTask, kShared };

struct GemmPlan {
  GemmShape shape;
  int64_t tiles = 0, panels = 0;
  int64_t splits = 1;          // of k, each with sums of its own
  int64_t depth_max = 0;       // deepest block of k
  int64_t shared_panels = 0;   // panels packed before their tasks start
  int64_t right_panels = 1;    // panels packed that a worker keeps
  int64_t col_grain = kLanes;  // groups of columns start at multiples of it
  uint32_t row_groups = 1, col_groups = 1;
  LeftMode left = LeftMode::kDirect;
  RightMode right = RightMode::kByTask;
  uint64_t split_bytes = 0, shared_bytes = 0, left_bytes = 0, right_bytes = 0;  // of scratch; the last two a worker
};

TENON_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
TENON_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
TENON_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
TENON_INLINE uint64_t round64(int64_t bytes) { return (static_cast<uint64_t>(bytes) + 63) / 64 * 64; }
// The start of part i of n, of `total` things, cut at multiples of `grain`.
TENON_INLINE int64_t part(int64_t total, int64_t i, int64_t n, int64_t grain = 1) {
  return i == n ? total : total / grain * i / n * grain;
}

// Whether so many of a tile's rows meet in one set of the first cache that they drive each other out: 64 sets of 64
// bytes, of 8 ways at least, one of which b and c need.
TENON_INLINE bool rows_crowd(int64_t rows, int64_t row_bytes) {
  uint8_t met[64] = {};
  bool crowd = false;
  for (int64_t i = 0; i < rows; i++) crowd |= ++met[i * row_bytes / 64 % 64] > 7;
  return crowd;
}
// Elements between copied rows of k: an odd number of lines of 64 bytes, which never crowd.
TENON_INLINE int64_t copied_row(int64_t k) { return (ceil_div(k, 16) | 1) * 16; }

// Costs, in products of one vector with one number (a cycle on AVX-512).
struct GemmCosts {
  double left = 0, right = 0;  // to bring an element of either side, copied or packed or not
  double shared = 0;           // to bring one of a panel that another thread has packed
  double cross = 0.5;          // or of a side that another thread wrote: caches hand over 25 to 68 GB/s
  double beside = 12;          // of a row of c that several threads write: what one core fetches ahead is the other's
  double tile = 1;             // to load b for a tile, as so many rows
  double task = 500;           // to start a task
  double fork = 1500;          // to have several threads at it: 500 where they share a last cache, else up to 5000
  double phase = 8000;         // to let tasks wait for one another
};

struct GemmCut {
  int64_t rows = 1, cols = 1;  // groups of either
  bool shared = false;
  double cost = 0;
};

// A thread's part: rows of the left side, columns of the right. Groups of rows are shared out first.
struct GemmShare {
  double by_rows = 1, by_cols = 1;
  double rows = 0, cols = 0;
};
TENON_INLINE GemmShare share_of(const GemmShape& s, int threads, const GemmCut& c) {
  GemmShare t;
  t.by_rows = static_cast<double>(least(c.rows, threads));
  t.by_cols = static_cast<double>(least(c.cols, ceil_div(threads, least(c.rows, threads))));
  t.rows = static_cast<double>(s.rows) / t.by_rows;
  t.cols = static_cast<double>(s.cols) / t.by_cols;
  return t;
}

// What threads cost one another: what others wrote of the sides, where those are written in equal parts, and ends of
// rows of c beside another thread's, where there is one c to share.
TENON_INLINE double cost_of_others(const GemmShape& s, double inner, const GemmCosts& costs, int threads,
                                   const GemmCut& c) {
  if (threads == 1) return 0;
  const GemmShare t = share_of(s, threads, c);
  const double written =
      (s.left_made ? t.rows * (1 - 1 / t.by_cols) : 0) + (s.right_made ? t.cols * (1 - 1 / t.by_rows) : 0);
  const double ends = s.count > 1 ? 0 : t.by_cols > 2 ? 2 : t.by_cols - 1;
  return costs.cross * written * inner + costs.beside * t.rows * ends;
}

// What the slowest thread has to do.
TENON_INLINE double cut_cost(const GemmPlan& p, const GemmCosts& costs, int threads, const GemmCut& c) {
  const double inner = static_cast<double>(p.shape.inner) / static_cast<double>(p.splits);
  const double rows = static_cast<double>(ceil_div(p.shape.rows, c.rows));
  const double busy = rows + costs.tile * static_cast<double>(ceil_div(ceil_div(p.shape.rows, c.rows), kTileRows));
  const int64_t vecs = ceil_div(p.shape.cols, kLanes);
  const double right = kLanes * (c.shared ? costs.shared : costs.right);
  const auto task_of = [&](int64_t wide) {
    return inner * (busy * static_cast<double>(wide) + rows * costs.left + static_cast<double>(wide) * right) +
           costs.task;
  };
  const int64_t grain = c.shared ? kTileCols : p.col_grain;
  const int64_t wide = least(vecs, ceil_div(ceil_div(p.shape.cols, grain), c.cols) * (grain / kLanes));
  const int64_t pieces = p.shape.count * p.splits, tasks = c.rows * c.cols * pieces;
  const double task = task_of(wide);
  double all = task * static_cast<double>(ceil_div(tasks, threads));
  // The group with the last panel is narrower, which counts where it is a round of its own.
  const int64_t whole = c.rows * (c.cols - 1) * pieces;
  if (c.shared && p.panels % c.cols == 0 && whole % threads == 0)
    all = task * static_cast<double>(whole / threads) +
          task_of(vecs - wide * (c.cols - 1)) * static_cast<double>(ceil_div(c.rows * pieces, threads));
  all += cost_of_others(p.shape, inner, costs, threads, c);
  if (threads > 1 && tasks > 1) all += costs.fork;
  if (c.shared) all += costs.phase + static_cast<double>(vecs) * kLanes * inner * costs.right / threads;
  return all + (threads > 1 ? task / 100 : 0);  // threads do not start at once
}

// The cheapest of the cuts into about so many tasks as threads, or a few times that.
TENON_INLINE GemmCut best_cut(const GemmPlan& p, const GemmCosts& costs, int threads, int64_t least_rows,
                              bool may_share) {
  GemmCut best;
  best.cost = __builtin_inf();
  const int64_t pieces = p.shape.count * p.splits;
  const int most_rounds = threads == 1 ? 1 : 4;
  const auto look = [&](GemmCut c) {
    c.cost = cut_cost(p, costs, threads, c);
    if (c.cost < best.cost) best = c;
  };
  if (threads > 1 && least_rows == 1) look({1, 1, false});
  int64_t last = 0;
  for (int64_t wide = p.panels; wide > 0 && last < int64_t{4} * threads;
       wide = least(wide - 1, ceil_div(p.panels, last + 1))) {
    const int64_t cols = ceil_div(p.panels, wide);
    if (cols == last) continue;
    last = cols;
    for (int rounds = 1; rounds <= most_rounds; rounds++) {
      int64_t rows = most(least_rows, ceil_div(int64_t{rounds} * threads, cols * pieces));
      if (rows > threads) rows = ceil_div(rows, threads) * threads;
      rows = least(rows, p.tiles);
      look({rows, cols, false});
      if (may_share && rows > 1) look({rows, cols, true});
    }
  }
  return best;
}

TENON_INLINE GemmCut find_cut(const GemmPlan& p, int threads, bool right_direct, bool right_shared) {
  const GemmShape& s = p.shape;
  GemmCosts costs;
  costs.left = p.left == LeftMode::kDirect ? 0.05 : 0.25;
  costs.right = right_direct ? 0.06 : 0.4;
  costs.shared = threads > 1 ? 0.03 : 0;
  const int64_t tile_bytes = kTileRows * most(1, p.depth_max) * 4;
  // What is dear to pack is packed for more rows at once.
  const int64_t least_rows = ceil_div(p.tiles, most(4, (right_direct ? 1 : 2) * near_bytes() / tile_bytes));
  // Tiles pack what may be read where it lies as they go, unless all of it stays near: then a tile passes by all of its
  // panels, and what is done to its rows finds them in the first cache.
  const bool near_whole = p.panels * s.inner <= kPanelsNear * kDepth;
  return best_cut(p, costs, threads, least_rows,
                  right_shared && (!right_direct || near_whole) && s.count * p.splits == 1 && s.inner <= 65536);
}

// Looking for a cut takes as long as a small product, so a step keeps it in a word beside the number of threads.
TENON_INLINE bool recall_cut(const uint64_t* memo, int threads, GemmCut* cut) {
  const uint64_t word = memo ? __atomic_load_n(memo, __ATOMIC_RELAXED) : 0;
  *cut = {static_cast<int64_t>(word >> 40), static_cast<int64_t>(word >> 16 & 0xffffff), (word & 1) != 0};
  return (word >> 1 & 0x7fff) == static_cast<uint64_t>(threads);
}
TENON_INLINE void keep_cut(uint64_t* memo, int threads, const GemmCut& cut) {
  if (!memo || cut.rows > 0xffffff || cut.cols > 0xffffff) return;
  const uint64_t word = (static_cast<uint64_t>(cut.rows) << 40) | (static_cast<uint64_t>(cut.cols) << 16) |
                        (static_cast<uint64_t>(threads) << 1) | (cut.shared ? 1 : 0);
  __atomic_store_n(memo, word, __ATOMIC_RELAXED);
}

// left: how the left source lies; right_direct: whether right may be read where it lies; right_shared: whether it may
// be packed as a whole; left_direct: whether left may be read where it lies; memo: a word of the step's, or null.
TENON_INLINE GemmPlan plan_gemm(GemmShape s, int threads, const Matrix& left, bool right_direct,
                                bool right_shared = true, bool left_direct = true, int64_t col_grain = kLanes,
                                uint64_t* memo = nullptr) {
  GemmPlan p;
  p.col_grain = col_grain;
  p.shape = s;
  p.tiles = ceil_div(s.rows, kTileRows);
  p.panels = ceil_div(s.cols, kTileCols);
  if (p.tiles == 0 || p.panels == 0) return p;
  const int64_t cells = p.tiles * p.panels;
  // Long sums of few tiles are split. Nothing here may ask for the number of threads.
  if (cells * s.count < 32 && s.inner >= 4096)
    p.splits = least(most(1, 64 / most(1, cells * s.count)), least(32, s.inner / 1024));
  p.depth_max = least(s.inner, kDepth + 64);

  if (left.col != 1)
    p.left = left_direct && p.panels <= 2 ? LeftMode::kDirect : LeftMode::kPacked;
  else
    p.left = !left_direct || (p.panels > 1 && rows_crowd(ceil_div(s.rows, p.tiles), left.row * 4)) ? LeftMode::kCopied
                                                                                                   : LeftMode::kDirect;
  GemmCut cut;
  if (!recall_cut(memo, threads, &cut)) {
    cut = find_cut(p, threads, right_direct, right_shared);
    keep_cut(memo, threads, cut);
  }
  // Heights of tiles are evened out, and groups have the same number of tiles.
  p.tiles = cut.rows * ceil_div(ceil_div(s.rows, cut.rows), kTileRows);
  p.row_groups = static_cast<uint32_t>(cut.rows);
  p.col_groups = static_cast<uint32_t>(cut.cols);
  p.right = cut.shared ? RightMode::kShared : RightMode::kByTask;

  if (p.splits > 1) p.split_bytes = round64(s.count * p.splits * s.rows * s.cols * 4);
  if (p.right == RightMode::kShared) {
    p.shared_panels = least(p.panels, most(8, (int64_t{4} << 20) / most(1, s.inner * kTileCols)));
    p.shared_bytes = round64(p.shared_panels * s.inner * kTileCols * 4);
  } else {
    p.right_panels = right_direct ? 2 : 1;
    p.right_bytes = round64(p.right_panels * p.depth_max * kTileCols * 4);
  }
  const int64_t near_tiles = ceil_div(p.tiles, cut.rows);
  if (p.left == LeftMode::kPacked) p.left_bytes = round64(near_tiles * p.depth_max * kPackRows * 4);
  if (p.left == LeftMode::kCopied) p.left_bytes = round64(near_tiles * kTileRows * copied_row(p.depth_max) * 4);
  return p;
}

TENON_INLINE uint64_t gemm_scratch(const GemmPlan& p, int threads) {
  return p.split_bytes + p.shared_bytes + static_cast<uint64_t>(threads) * (p.left_bytes + p.right_bytes);
}

}  // namespace tenon::TENON_ISA
