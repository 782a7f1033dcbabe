// A weight that is a sum of Kronecker products as the right side of a product, expanded panel by panel while it is
// packed.
#pragma once
#include "ops/combine.h"
#include "ops/kron.h"
#include "ops/pack.h"

namespace tenon::TENON_ISA {

// b(k, j) = sum over i of a[i, k / run_k, j / run_j] * f[i, k % run_k, j % run_j].
struct KronRight {
  const float* f = nullptr;
  int64_t n = 0, f_next = 0, f_row = 0;
  int64_t run_k = 1, run_j = 1;
  const float* a = nullptr;
  int64_t a_k = 0, a_j = 0;  // elements of a from a block of k or j to the next

  KronRight of(int64_t) const { return *this; }
  static constexpr bool direct() { return false; }
  Matrix at(int64_t, int64_t) const { return {}; }
  void pack(float* to, int64_t k0, int64_t k, int64_t col, int cols) const {
    const int width = panel_width(cols);
    for (int64_t j = 0; j < cols;) {
      const int64_t here = least_of(run_j - (col + j) % run_j, cols - j);
      rows(to + j, width, k0, k, (col + j) / run_j, (col + j) % run_j, here);
      j += here;
    }
    if (cols < width)
      for (int64_t i = 0; i < k; i++)
        for (int64_t j = cols; j < width; j++) to[i * width + j] = 0.0f;
  }

 private:
  static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
  void rows(float* to, int width, int64_t k0, int64_t k, int64_t block, int64_t within, int64_t cols) const {
    for (int64_t i = 0; i < k;) {
      const int64_t here = least_of(run_k - (k0 + i) % run_k, k - i);
      combine(to + i * width, f + (k0 + i) % run_k * f_row + within, a + (k0 + i) / run_k * a_k + block * a_j,
              {here, cols, width, f_row}, {1, n, 0, f_next, 0, n * n});
      i += here;
    }
  }
};

// f_i turned over, [n, ins, outs in whole vectors]: so that a panel whose columns are outputs is a plain sum.
TENON_INLINE int64_t turned_row(const KronShape& k) { return (k.outs + kLanes - 1) / kLanes * kLanes; }
TENON_INLINE int64_t turned_size(const KronShape& k) { return k.n * k.ins * turned_row(k); }

// `rows` rows [k] of `from` -> to[k, row], a vector wide.
TENON_INLINE void turn_rows(float* to, int64_t to_row, const float* from, int64_t k, int rows) {
  for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
    const int deep = static_cast<int>(k - k0 < kLanes ? k - k0 : kLanes);
    vf r[kLanes];
    for (int j = 0; j < kLanes; j++) r[j] = j < rows ? load_part(from + j * k + k0, deep) : zero();
    transpose(r);
    for (int i = 0; i < deep; i++) store(to + (k0 + i) * to_row, r[i]);
  }
}

}  // namespace tenon::TENON_ISA
