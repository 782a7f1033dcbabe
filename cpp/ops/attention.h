// What attention and its gradient share: sizes, which keys a query sees, and products of one block of queries with one
// block of keys. A head's numbers lie in columns of q, k, v: rows are `heads` times as far apart as they are long.
#pragma once
#include "ops/checks.h"
#include "ops/gemm.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {

// Blocks follow from the shape alone.
constexpr int64_t kQueryBlock = 64;
constexpr int64_t kKeyBlock = 128;
constexpr int64_t kScoreRow = kKeyBlock;  // elements from a row of a block of scores to the next

struct AttentionShape {
  int64_t batch, heads, queries, keys;
  int64_t width, depth;  // of a head, in q and k, and in v
  bool causal;
  float scale;
  const int32_t* lengths;  // one an example, or none

  int64_t query_blocks() const { return ceil_div(queries, kQueryBlock); }
  int64_t key_blocks() const { return ceil_div(keys, kKeyBlock); }
  int64_t length(int64_t example) const { return lengths ? lengths[example] : keys; }
  // So many keys, from the first on, are seen by query `row` of an example of that length.
  int64_t seen(int64_t row, int64_t length) const { return causal ? least(length, row + 1) : length; }
};

// The shape of a step whose first inputs are q, k, v. Its widths are whole multiples of heads: `check_heads` has seen
// to it.
TENON_INLINE AttentionShape attention_shape(const Step& s, uint64_t heads, uint32_t causal, float scale,
                                            const View* lengths) {
  const View &q = s.in[0], &k = s.in[1], &v = s.in[2];
  const int64_t h = static_cast<int64_t>(heads);
  return {static_cast<int64_t>(q.dims[0]),
          h,
          static_cast<int64_t>(q.dims[1]),
          static_cast<int64_t>(k.dims[1]),
          static_cast<int64_t>(q.dims[2]) / h,
          static_cast<int64_t>(v.dims[2]) / h,
          causal != 0,
          scale,
          lengths && lengths->present ? i32(*lengths) : nullptr};
}

TENON_INLINE Status check_heads(const Step& s, uint64_t heads, uint32_t causal) {
  if (causal > 1) return bad_plan("causal must be 0 or 1", "causal");
  if (heads == 0 || s.in[0].dims[2] % heads != 0 || s.in[2].dims[2] % heads != 0)
    return bad_plan("heads must divide the widths of q and v", "heads");
  return {};
}

TENON_INLINE Status check_lengths(const AttentionShape& a) {
  for (int64_t i = 0; a.lengths && i < a.batch; i++)
    if (a.lengths[i] < 0 || a.lengths[i] > a.keys)
      return {Code::kBadIndex, "a length is not between 0 and the number of keys", -1, "lengths"};
  return {};
}

// Rows of one head.
struct HeadRows {
  float* data;
  int64_t row;  // elements from one to the next

  float* at(int64_t i) const { return data + i * row; }
};

// [example, tokens, heads * n], of which a head has n columns.
TENON_INLINE HeadRows head_rows(const View& v, int64_t n, int64_t heads, int64_t example, int64_t head) {
  const int64_t tokens = static_cast<int64_t>(v.dims[1]);
  return {f32(v) + (example * tokens * heads + head) * n, heads * n};
}

// Rows of a head that comes later, fetched by the products of another on their way: a line of some rows a product.
struct Later {
  static constexpr int kMost = 8;
  static constexpr int64_t kRoom = 65536;  // so many numbers leave the caches to the head that is made
  struct Rows {
    HeadRows at;
    int64_t rows, width;
  };
  Rows all[kMost];
  int count = 0, one = 0;
  int64_t row = 0, column = 0, total = 0;

  void add(const HeadRows& at, int64_t rows, int64_t width) {
    total += rows * width;
    if (rows > 0 && width > 0) all[count++] = {at, rows, width};
  }
  void give(TileCall& t) {
    if (one == count || total > kRoom) return;
    const Rows& x = all[one];
    t.ahead = x.at.at(row) + column;
    t.ahead_step = x.at.row * 4;
    row += t.k;
    if (row < x.rows) return;
    row = 0;
    column += 16;
    if (column < x.width) return;
    column = 0;
    one++;
  }
};

TENON_INLINE int64_t whole_panels(int64_t n) { return ceil_div(n, kTileCols) * kTileCols; }

// `rows` rows of n columns as the right side of products over these rows: where they lie, if whole vectors can be read
// there, else a copy.
struct RightRows {
  const float* data;
  int64_t row;
};
TENON_INLINE bool readable(int64_t n) { return n % kLanes == 0; }
TENON_INLINE int64_t copy_size(int64_t rows, int64_t n) { return readable(n) ? 0 : rows * whole_panels(n); }
TENON_INLINE RightRows right_rows(const HeadRows& x, int64_t from, int64_t rows, int64_t n, float* copy) {
  if (readable(n)) return {x.at(from), x.row};
  const int64_t wide = whole_panels(n);
  for (int64_t i = 0; i < rows; i++) {
    const float* p = x.at(from + i);
    for (int64_t j = 0; j < wide; j += kLanes) {
      const int64_t left = n - j;
      store(copy + i * wide + j, load_first(p + j, static_cast<int>(left < 0 ? 0 : least(left, kLanes))));
    }
  }
  return {copy, wide};
}

// c[m, n] += a[m, k] right[k, n], or = with `first`; a(i, k) at a[i * a_row + k * a_step].
TENON_INLINE void add_product(float* c, int64_t c_row, bool first, const float* a, int64_t a_row, int64_t a_step,
                              const RightRows& right, int64_t m, int64_t n, int64_t k, Later& later) {
  TileCall t;
  t.a = a;
  t.a_row = a_row;
  t.a_step = a_step;
  t.b_step = right.row;
  t.k = k;
  t.c_row = c_row;
  t.init_row = first ? 0 : c_row;
  for (int64_t j = 0; j < n; j += kTileCols) {
    t.b = right.data + j;
    t.c = c + j;
    t.init = first ? kTileZeros : t.c;
    t.cols = static_cast<int>(least(kTileCols, n - j));
    later.give(t);
    tile_function(kStep, static_cast<int>(m), t.cols)(t);
  }
}

// Keys [from, from + keys) as the right side of products over their columns: panels of kTileCols keys.
TENON_INLINE void pack_keys(float* to, const HeadRows& x, int64_t from, int64_t keys, int64_t n) {
  for (int64_t j = 0; j < keys; j += kTileCols)
    pack_transposed(to + j * n, kTileCols, x.at(from + j), x.row, n, static_cast<int>(least(kTileCols, keys - j)));
}

// c[m, keys] = x[m, n] · keysᵀ, rows of c kScoreRow apart.
TENON_INLINE void key_products(float* c, const float* x, int64_t x_row, const float* packed, int64_t m, int64_t keys,
                               int64_t n, Later& later) {
  TileCall t;
  t.a = x;
  t.a_row = x_row;
  t.a_step = 1;
  t.b_step = kTileCols;
  t.k = n;
  t.c_row = kScoreRow;
  t.init = kTileZeros;
  for (int64_t j = 0; j < keys; j += kTileCols) {
    t.b = packed + j * n;
    t.c = c + j;
    t.cols = static_cast<int>(least(kTileCols, keys - j));
    later.give(t);
    tile_function(kStep, static_cast<int>(m), t.cols)(t);
  }
}

// body(row, rows) over the row tiles of [from, to).
template <typename Body>
TENON_INLINE void for_tiles(int64_t from, int64_t to, const Body& body) {
  const int64_t tiles = ceil_div(to - from, kTileRows);
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t row = from + part(to - from, t, tiles);
    body(row, from + part(to - from, t + 1, tiles) - row);
  }
}

}  // namespace tenon::TENON_ISA
