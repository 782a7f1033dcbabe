// Products of many experts, each with rows of its own: choices sorted by expert, and one pool of tasks over
// (expert, row tiles, panels of columns), longest first. Row counts come from data; how the work is cut decides no sum.
#pragma once
#include "base/checked.h"
#include "ops/gemm.h"

namespace tenon::TENON_ISA {

// Memory handed out piece by piece; with a null base it only counts.
struct Carve {
  uint8_t* base = nullptr;
  uint64_t used = 0;
  template <typename T>
  T* take(int64_t n) {
    T* p = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += round64(n * static_cast<int64_t>(sizeof(T)));
    return p;
  }
};

// Some row tiles by some panels of one expert's product.
struct Piece {
  int64_t work = 0;
  int32_t kind = 0, expert = 0;
  int64_t tile0 = 0, tile1 = 0, panel0 = 0, panel1 = 0;
};

// One of so many.
struct Place {
  int64_t index, of;
};

// The choices of all tokens sorted by expert, in their order; those of expert `experts` were dropped and have no slot.
struct Experts {
  int64_t tokens = 0, top_k = 0, experts = 0;
  int64_t* start = nullptr;   // [experts + 1] first slot
  int64_t* tile = nullptr;    // [experts + 1] first row tile
  int32_t* choice = nullptr;  // [slots] t * top_k + j
  int32_t* slot = nullptr;    // [tokens * top_k], -1 where dropped

  int64_t choices() const { return tokens * top_k; }
  int64_t most_tiles() const { return choices() / kTileRows + least(experts, choices()); }
  int64_t slots() const { return start[experts]; }
  int64_t rows(int64_t e) const { return start[e + 1] - start[e]; }
  int64_t tiles(int64_t e) const { return tile[e + 1] - tile[e]; }
  int64_t tile_row(int64_t e, int64_t t) const { return t == 0 ? start[e] : start[e] + part(rows(e), t, tiles(e)); }
  int64_t token(int64_t s) const { return choice[s] / top_k; }
  // A slot among those of a piece.
  Place place(const Piece& p, int64_t s) const {
    const int64_t first = tile_row(p.expert, p.tile0);
    return {s - first, tile_row(p.expert, p.tile1) - first};
  }

  void carve(Carve& m) {
    start = m.take<int64_t>(experts + 1);
    tile = m.take<int64_t>(experts + 1);
    choice = m.take<int32_t>(choices());
    slot = m.take<int32_t>(choices());
  }

  // A stable counting sort. False where an expert is out of range.
  bool sort(const int32_t* expert) {
    for (int64_t e = 0; e <= experts; e++) start[e] = 0;
    for (int64_t c = 0; c < choices(); c++) {
      const uint32_t e = static_cast<uint32_t>(expert[c]);
      if (e > static_cast<uint64_t>(experts)) return false;
      if (e < experts) start[e + 1]++;
    }
    tile[0] = 0;
    for (int64_t e = 0; e < experts; e++) {
      tile[e + 1] = tile[e] + ceil_div(start[e + 1], kTileRows);
      start[e + 1] += start[e];
    }
    for (int64_t c = 0; c < choices(); c++) {
      const int64_t e = expert[c];
      slot[c] = e < experts ? static_cast<int32_t>(start[e]++) : -1;
      if (e < experts) choice[slot[c]] = static_cast<int32_t>(c);
    }
    for (int64_t e = experts; e > 0; e--) start[e] = start[e - 1];
    start[0] = 0;
    return true;
  }
};

constexpr int64_t kNearLeast = 20;  // row tiles that go together where there are so many

// The tasks of one pool.
struct Pieces {
  Piece* list = nullptr;
  int64_t count = 0;
  int64_t unit = 1;  // of work: what one task should not be larger than by far

  // Room for the tasks of `kinds` products, of at most so many tiles in all.
  static int64_t room(int64_t kinds, int64_t experts, int64_t tiles, int threads) {
    return kinds * 4 * experts + tiles / kNearLeast + 64 * threads;
  }
  // `total` multiply-adds in all.
  void begin(int64_t total, int threads) {
    count = 0;
    const int64_t tasks = threads == 1 ? 1 : least(threads * 6, total / 200000);
    unit = most(1, total / most(1, tasks));
  }
  // A product of `work` multiply-adds, `near` of whose row tiles may go together.
  void add(int32_t kind, int64_t expert, int64_t tiles, int64_t panels, int64_t work, int64_t near) {
    if (tiles == 0 || panels == 0) return;
    const int64_t want = least(ceil_div(work, unit), 1024);
    int64_t rows = ceil_div(tiles, near);
    const int64_t cols = most(1, least(panels, ceil_div(want, rows)));
    rows = most(rows, least(ceil_div(want, cols), tiles / 4));
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < cols; c++)
        list[count++] = {work / (rows * cols),         kind,
                         static_cast<int32_t>(expert), part(tiles, r, rows),
                         part(tiles, r + 1, rows),     part(panels, c, cols),
                         part(panels, c + 1, cols)};
  }
  // The same as `parts` groups of rows, of all columns.
  void add_rows(int64_t expert, int64_t tiles, int64_t work, int64_t parts) {
    for (int64_t r = 0; r < parts; r++)
      list[count++] = {
          work / parts, 0, static_cast<int32_t>(expert), part(tiles, r, parts), part(tiles, r + 1, parts), 0, 0};
  }
  void sort() {  // longest first, by Shell's gaps
    int64_t gap = 1;
    while (gap < count / 3) gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3)
      for (int64_t i = gap; i < count; i++) {
        const Piece p = list[i];
        int64_t j = i;
        for (; j >= gap && list[j - gap].work < p.work; j -= gap) list[j] = list[j - gap];
        list[j] = p;
      }
  }
  // A single thread runs them as they were added.
  template <typename Body>
  void run(const Runtime& rt, Body body) {
    if (rt.threads > 1) sort();
    parallel_for(rt, static_cast<uint32_t>(count), [&](uint32_t task, uint32_t worker) { body(list[task], worker); });
  }
};

// So many row tiles of this depth go together: what is packed of them stays in the second cache or close to it.
TENON_INLINE int64_t near_tiles(int64_t inner) {
  return most(kNearLeast, (int64_t{2} << 20) / most(1, inner * kPackRows * 4));
}

TENON_INLINE int cols_of(int64_t panel, int64_t cols) {
  return static_cast<int>(least(kTileCols, cols - panel * kTileCols));
}

// One tile's results, twice for a gated layer.
struct TileBlock {
  alignas(64) float c[2][kPackRows * kTileCols];
};

// Rows of w that go together with n rows: memory is read fastest along several of them, as far as sums find registers.
#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int dot_rows(int64_t n) { return n <= 3 ? 8 : 4; }
#else
constexpr int dot_rows(int64_t) { return 4; }
#endif

// dot products of `n` rows with `many` rows of w, each a sum by lanes, then over lanes: out[i * kTileCols + j]. The
// next rows of w are on their way to the second cache meanwhile.
template <int n, int many>
inline void dots(const float* const* rows, const float* w, int64_t w_row, int64_t k, float* out) {
  vf s[n][many];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < many; j++) s[i][j] = zero();
  int64_t at = 0;
  for (; at + kLanes <= k; at += kLanes) {
    vf b[many];
    for (int j = 0; j < many; j++) {
      b[j] = load(w + j * w_row + at);
      __builtin_prefetch(w + (many + j) * w_row + at, 0, 2);
    }
    for (int i = 0; i < n; i++) {
      const vf a = load(rows[i] + at);
      for (int j = 0; j < many; j++) s[i][j] = muladd(a, b[j], s[i][j]);
    }
  }
  if (at < k) {
    const int here = static_cast<int>(k - at);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < many; j++)
        s[i][j] = muladd(load_first(rows[i] + at, here), load_first(w + j * w_row + at, here), s[i][j]);
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < many; j++) out[i * kTileCols + j] = hsum(s[i][j]);
}

// No packing up to so many rows: weights are read once, where they lie.
constexpr int kFewRows = kTileRows < 6 ? kTileRows : 6;

template <int n>
TENON_INLINE void dots_of(const float* const* at, const float* w, int64_t w_row, int64_t k, int cols, float* out) {
  int j = 0;
  for (; j + dot_rows(n) <= cols; j += dot_rows(n)) dots<n, dot_rows(n)>(at, w + j * w_row, w_row, k, out + j);
  for (; j < cols; j++) dots<n, 1>(at, w + j * w_row, w_row, k, out + j);
}
template <int n = 1>
TENON_INLINE void dots_by_rows(int rows, const float* const* at, const float* w, int64_t w_row, int64_t k, int cols,
                               float* out) {
  if constexpr (n <= kFewRows) {
    if (rows == n) return dots_of<n>(at, w, w_row, k, cols, out);
    return dots_by_rows<n + 1>(rows, at, w, w_row, k, cols, out);
  }
}

// c[i, j] = bias[j] + <row i, w row j> for `cols` rows of w; c's rows lie kTileCols apart.
TENON_INLINE void few_rows(int rows, const float* const* at, const float* w, int64_t w_row, int64_t k,
                           const float* bias, int cols, float* c) {
  dots_by_rows(rows, at, w, w_row, k, cols, c);
  if (bias)
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < cols; j++) c[i * kTileCols + j] += bias[j];
}

}  // namespace tenon::TENON_ISA
