// Two passes over blocks [rows, cols] of several matrices: their sum with coefficients, and their scalar products.
#pragma once
#include "ops/rows.h"

namespace tenon::TENON_ISA {

// outer * inner terms, in this order: matrix (i, j) lies at i * outer_step + j * inner_step, its coefficient likewise.
struct Terms {
  int64_t outer = 1, inner = 1;
  int64_t outer_step = 0, inner_step = 0;
  int64_t outer_coef = 0, inner_coef = 0;
};

struct Block {
  int64_t rows = 0, cols = 0;
  int64_t to_row = 0, from_row = 0;  // elements from a row to the next
};

// N terms; `more` adds to what is there. The first product of all is no addition, so that one term of 1 is a copy.
template <int N, bool more>
void combine_some(float* to, const float* from, const float* coef, const Block& b, int64_t step, int64_t coef_step) {
  vf s[N];
  for (int t = 0; t < N; t++) s[t] = splat(coef[t * coef_step]);
  for (int64_t r = 0; r < b.rows; r++, to += b.to_row, from += b.from_row)
    for_lanes(static_cast<uint64_t>(b.cols), [&](uint64_t c, int count) {
      vf y = s[0] * load_part(from + c, count);
      if constexpr (more) y = muladd(s[0], load_part(from + c, count), load_part(to + c, count));
      in_register(y);  // not fused with the next product: which of two is rounded must not depend on where c lies
      for (int t = 1; t < N; t++) y = muladd(s[t], load_part(from + t * step + c, count), y);
      store_part(to + c, y, count);
    });
}

template <bool more>
TENON_INLINE void combine_upto4(int64_t n, float* to, const float* from, const float* coef, const Block& b,
                                int64_t step, int64_t coef_step) {
  if (n == 1) return combine_some<1, more>(to, from, coef, b, step, coef_step);
  if (n == 2) return combine_some<2, more>(to, from, coef, b, step, coef_step);
  if (n == 3) return combine_some<3, more>(to, from, coef, b, step, coef_step);
  combine_some<4, more>(to, from, coef, b, step, coef_step);
}

// to[r, c] = sum over terms of coef * from[r, c]; `more`: added to what is there.
static inline void combine(float* to, const float* from, const float* coef, const Block& b, const Terms& t,
                           bool more = false) {
  for (int64_t i = 0; i < t.outer; i++)
    for (int64_t j = 0; j < t.inner; j += 4) {
      const int64_t n = t.inner - j < 4 ? t.inner - j : 4;
      const float* at = from + i * t.outer_step + j * t.inner_step;
      const float* c = coef + i * t.outer_coef + j * t.inner_coef;
      if (i == 0 && j == 0 && !more)
        combine_upto4<false>(n, to, at, c, b, t.inner_step, t.inner_coef);
      else
        combine_upto4<true>(n, to, at, c, b, t.inner_step, t.inner_coef);
    }
}

// sums[i * left_sum + j * right_sum] += <left i, right j> over a block of at most kProductRows rows.
struct Dots {
  int64_t left = 1, right = 1;            // matrices
  int64_t left_step = 0, right_step = 0;  // from one to the next
  int64_t left_sum = 0, right_sum = 0;
  int64_t rows = 0, cols = 0, left_row = 0, right_row = 0;
};
constexpr int64_t kProductRows = 32;  // summed in f32, a lane

template <int N>
void dots_tile(double* sums, const float* left, const float* right, const Dots& d, int64_t rows, int64_t i0,
               int64_t j0) {
  vf s[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) s[i][j] = zero();
  // Past the last matrix the last one again, whose sums are dropped.
  const float *l[N], *r[N];
  for (int i = 0; i < N; i++) {
    l[i] = left + (i0 + i < d.left ? i0 + i : d.left - 1) * d.left_step;
    r[i] = right + (j0 + i < d.right ? j0 + i : d.right - 1) * d.right_step;
  }
  for (int64_t row = 0; row < rows; row++)
    for_lanes(static_cast<uint64_t>(d.cols), [&](uint64_t c, int count) {
      vf b[N];
      for (int j = 0; j < N; j++) b[j] = load_part(r[j] + row * d.right_row + c, count);
      for (int i = 0; i < N; i++) {
        const vf a = load_part(l[i] + row * d.left_row + c, count);
        for (int j = 0; j < N; j++) s[i][j] = muladd(a, b[j], s[i][j]);
      }
    });
  for (int i = 0; i < N && i0 + i < d.left; i++)
    for (int j = 0; j < N && j0 + j < d.right; j++)
      sums[(i0 + i) * d.left_sum + (j0 + j) * d.right_sum] += static_cast<double>(hsum(s[i][j]));
}

#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int kDotsTile = 4;
#else
constexpr int kDotsTile = 3;
#endif

static inline void add_dots(double* sums, const float* left, const float* right, const Dots& d) {
  for (int64_t row = 0; row < d.rows; row += kProductRows) {
    const int64_t rows = d.rows - row < kProductRows ? d.rows - row : kProductRows;
    const float *l = left + row * d.left_row, *r = right + row * d.right_row;
    if (d.left == 1 && d.right == 1) {
      dots_tile<1>(sums, l, r, d, rows, 0, 0);
      continue;
    }
    for (int64_t i = 0; i < d.left; i += kDotsTile)
      for (int64_t j = 0; j < d.right; j += kDotsTile) dots_tile<kDotsTile>(sums, l, r, d, rows, i, j);
  }
}

}  // namespace tenon::TENON_ISA
