// Tiles of a sweep whose sums are short, as in a first layer of one channel: weights stay in registers, and positions
// pass by. A tile that keeps its sums instead would spend its time on starting and ending.
#pragma once
#include "ops/gemm_tile.h"

namespace tenon::TENON_ISA {

#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int kShortVecs = 2;  // of columns at a time
#else
constexpr int kShortVecs = 1;
#endif
constexpr int kShortSum = 9;  // with so many k the weights and 4 positions fill the registers
constexpr int kShortPositions = 4;

// n positions of a TileCall that walks by kIndexA. Unless whole, the last vector of columns is cut to `last` lanes.
template <bool whole, bool floored, int k, int vecs, int n>
TENON_INLINE void short_positions(const TileCall& t, const vf (&w)[k][vecs], const float* a, const float* init,
                                  float* c, int last) {
  vf s[n][vecs];
  for (int j = 0; j < vecs; j++) {
    const float* from = init + j * kLanes;
    const vf first = whole || j + 1 < vecs ? load(from) : load_first(from, last);
    for (int i = 0; i < n; i++) s[i][j] = first;
  }
  for (int q = 0; q < k; q++)
    for (int i = 0; i < n; i++) {
      const vf x = splat(*reinterpret_cast<const float*>(reinterpret_cast<const char*>(a + i * t.a_row) + t.index[q]));
      for (int j = 0; j < vecs; j++) s[i][j] = muladd(x, w[q][j], s[i][j]);
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < vecs; j++) {
      float* to = c + i * t.c_row + j * kLanes;
      const vf y = floored ? max(splat(t.floor), s[i][j]) : s[i][j];
      if (whole || j + 1 < vecs)
        store(to, y);
      else
        store_first(to, y, last);
    }
}

// `count` positions, columns from `col` on.
template <bool whole, bool floored, int k, int vecs>
void short_columns(const TileCall& t, int64_t count, int col, int last) {
  vf w[k][vecs];
  for (int q = 0; q < k; q++)
    for (int j = 0; j < vecs; j++) w[q][j] = load(t.b + q * t.b_step + col + j * kLanes);
  const float *a = t.a, *init = t.init + col;
  float* c = t.c + col;
  for (; count >= kShortPositions; count -= kShortPositions) {
    short_positions<whole, floored, k, vecs, kShortPositions>(t, w, a, init, c, last);
    a += kShortPositions * t.a_row;
    c += kShortPositions * t.c_row;
  }
  for (; count > 0; count--, a += t.a_row, c += t.c_row)
    short_positions<whole, floored, k, vecs, 1>(t, w, a, init, c, last);
}

template <int vecs, int k = 1>
TENON_INLINE void short_sums(const TileCall& t, int64_t count, int col, int last) {
  if constexpr (k < kShortSum) {
    if (t.k != k) return short_sums<vecs, k + 1>(t, count, col, last);
  }
  const bool floored = t.floor > -__builtin_inff();
  if (last < kLanes)
    short_columns<false, true, k, vecs>(t, count, col, last);
  else if (floored)
    short_columns<true, true, k, vecs>(t, count, col, last);
  else
    short_columns<true, false, k, vecs>(t, count, col, last);
}

// `count` positions; call.k in [1, kShortSum], init one row for all of them.
static inline void short_line(const TileCall& call, int64_t count) {
  constexpr int wide = kShortVecs * kLanes;
  for (int col = 0; col < call.cols; col += wide) {
    const int here = call.cols - col < wide ? call.cols - col : wide;
    if (here > (kShortVecs - 1) * kLanes)
      short_sums<kShortVecs>(call, count, col, here - (kShortVecs - 1) * kLanes);
    else
      short_sums<1>(call, count, col, here);
  }
}

}  // namespace tenon::TENON_ISA
