// Packing: blocks of a matrix copied into the order in which a tile's kernel reads them.
#pragma once
#include "ops/gemm_tile.h"

namespace tenon::TENON_ISA {

// A packed row tile holds k columns of kPackRows rows (whole vectors; those past kTileRows are never read).
constexpr int kPackRows = (kTileRows + kLanes - 1) / kLanes * kLanes;

// Columns that a packed panel holds at each k.
TENON_INLINE int panel_width(int64_t cols) { return cols <= kLanes ? kLanes : kTileCols; }

// to[k * width + j] = from[k * ld + j] for j < cols, zeros to `width`, a whole number of vectors.
TENON_INLINE void pack_copy(float* to, int width, const float* from, int64_t ld, int64_t k, int cols) {
  if (width == kTileCols && cols == kTileCols) {
    for (; k > 0; k--, to += kTileCols, from += ld)
      for (int v = 0; v < kTileVecs; v++) store(to + v * kLanes, load(from + v * kLanes));
    return;
  }
  for (; k > 0; k--, to += width, from += ld)
    for (int j = 0; j < width; j += kLanes) {
      const int here = cols - j;
      store(to + j, here >= kLanes ? load(from + j) : load_first(from + j, here > 0 ? here : 0));
    }
}

// to[k * width + j] = from[j * ld + k] for j < cols, zeros to `width`; from column `first` on, a whole vector's.
TENON_INLINE void pack_transposed(float* to, int width, const float* from, int64_t ld, int64_t k, int cols,
                                  int first = 0) {
  for (int j0 = first; j0 < width; j0 += kLanes) {
    const int here = cols - j0 < kLanes ? cols - j0 : kLanes;
    for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
      const int deep = k - k0 < kLanes ? static_cast<int>(k - k0) : kLanes;
      vf r[kLanes];
      for (int j = 0; j < kLanes; j++) {
        const float* p = from + (j0 + j) * ld + k0;
        r[j] = j >= here ? zero() : deep == kLanes ? load(p) : load_first(p, deep);
      }
      transpose(r);
      float* at = to + k0 * width + j0;
      for (int i = 0; i < deep; i++) store(at + i * width, r[i]);
    }
  }
}

// Rows of k elements, from_row apart, to to_row apart; to_row is at least k in whole vectors.
TENON_INLINE void copy_rows(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t k) {
  for (; rows > 0; rows--, to += to_row, from += from_row) {
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes) store(to + i, load(from + i));
    if (i < k) store(to + i, load_first(from + i, static_cast<int>(k - i)));
  }
}

// A matrix in memory: element (i, j) at data[i * row + j * col], one of the two steps being 1.
struct Matrix {
  const float* data = nullptr;
  int64_t row = 0;
  int64_t col = 1;
};

// As the left side, a(i, k).
struct LeftMatrix {
  Matrix m;
  int64_t next = 0;  // elements from a product's matrix to the next one's
  LeftMatrix of(int64_t product) const { return {{m.data + product * next, m.row, m.col}, next}; }
  Matrix at(int64_t row, int64_t k) const { return {m.data + row * m.row + k * m.col, m.row, m.col}; }
  // Where m.col is 1.
  void copy(float* to, int64_t to_row, int64_t row, int64_t rows, int64_t k0, int64_t k) const {
    copy_rows(to, to_row, m.data + row * m.row + k0, m.row, rows, k);
  }
  void pack(float* to, int64_t row, int rows, int64_t k0, int64_t k) const {
    const float* from = m.data + row * m.row + k0 * m.col;
    if (m.col == 1)
      pack_transposed(to, kPackRows, from, m.row, k, rows);
    else
      pack_copy(to, kPackRows, from, m.col, k, rows);
  }
};

// As the right side, b(k, j).
struct RightMatrix {
  Matrix m;
  int64_t next = 0;
  RightMatrix of(int64_t product) const { return {{m.data + product * next, m.row, m.col}, next}; }
  bool direct() const { return m.col == 1; }
  Matrix at(int64_t k, int64_t col) const { return {m.data + k * m.row + col * m.col, m.row, m.col}; }
  void pack(float* to, int64_t k0, int64_t k, int64_t col, int cols) const {
    const float* from = m.data + k0 * m.row + col * m.col;
    if (m.col == 1)
      pack_copy(to, panel_width(cols), from, m.row, k, cols);
    else
      pack_transposed(to, panel_width(cols), from, m.col, k, cols);
  }
};

}  // namespace tenon::TENON_ISA
