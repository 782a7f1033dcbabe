// KronProducts of few rows and a Kronecker weight, and their gradients: the sum over q goes to the rows,
//   z[t, p, i] = sum over q of a[i, p, q] x[t, q],   y[t, p] = sum over i of f_i z[t, p, i],
// as many multiply-adds as of the weight, but none is expanded, and the products are those of [rows * n, C] and [C, O /
// n].
#pragma once
#include "ops/kron_rows.h"

namespace tenon::TENON_ISA {
// body(first, count) for blocks of rows, in parallel; the bounds do not matter for what is computed.
template <typename Body>
TENON_INLINE void for_row_blocks(const Runtime& rt, const KronRows& q, Body body) {
  const uint64_t width = static_cast<uint64_t>(q.k.n * q.k.n * q.k.in());
  for_parts(rt, parts_of(static_cast<uint64_t>(q.rows), width), [&](uint64_t begin, uint64_t end, uint32_t) {
    body(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
  });
}

TENON_INLINE int64_t z_size(const KronRows& q) { return q.rows * q.k.n * q.k.in(); }

// z [rows, p, i, ins]
TENON_INLINE void make_z(const Runtime& rt, const KronRows& q, float* z) {
  const KronShape& k = q.k;
  for_row_blocks(rt, q, [&](int64_t first, int64_t count) {
    for (int64_t p = 0; p < k.n; p++)
      for (int64_t i = 0; i < k.n; i++)
        combine(z + (first * k.n + p) * k.in() + i * k.ins, q.x + first * k.in(), q.a + (i * k.n + p) * k.n,
                {count, k.ins, k.n * k.in(), k.in()}, {1, k.n, 0, k.ins, 0, 1});
  });
}

// The f_i side by side: b((i, c), o) = f[i, o, c].
struct FactorsRight {
  const float* f;
  KronShape k;
  FactorsRight of(int64_t) const { return *this; }
  static constexpr bool direct() { return false; }
  Matrix at(int64_t, int64_t) const { return {}; }
  void pack(float* to, int64_t k0, int64_t count, int64_t col, int cols) const {
    const int width = panel_width(cols);
    for (int64_t i = 0; i < count;) {
      const int64_t c = (k0 + i) % k.ins, here = least(k.ins - c, count - i);
      pack_transposed(to + i * width, width, f + (k0 + i) / k.ins * k.factor_size() + col * k.ins + c, k.ins, here,
                      cols);
      i += here;
    }
  }
};

// Rows (t, p) of [rows * n, O / n] are y's own: the bias depends on p.
struct RowBiasAfter {
  const float* bias;
  int64_t n, outs;
  uint32_t activation;
  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    for (int i = 0; i < rows; i++) {
      float* y = c + i * c_row;
      if (bias) {
        const float* b = bias + (row + i) % n * outs + col;
        for_lanes(static_cast<uint64_t>(cols), [&](uint64_t j, int count) {
          store_part(y + j, load_part(y + j, count) + load_part(b + j, count), count);
        });
      }
      activate_run(activation, y, cols);
    }
  }
};

TENON_INLINE GemmShape few_shape(const KronRows& q) { return {q.rows * q.k.n, q.k.outs, q.k.in()}; }
TENON_INLINE GemmPlan few_plan(const KronRows& q, int threads) {
  return plan_gemm(few_shape(q), threads, {nullptr, q.k.in(), 1}, false, false);
}

TENON_INLINE void forward_few(const Runtime& rt, const KronRows& q, const float* bias, uint32_t activation, float* y) {
  float* z = reinterpret_cast<float*>(rt.scratch);
  make_z(rt, q, z);
  const LeftMatrix left{{z, q.k.in(), 1}};
  uint8_t* rest = rt.scratch + round64(z_size(q) * 4);
  gemm(rt, rest, few_plan(q, rt.threads), left, FactorsRight{q.f, q.k}, GemmOut{y, q.k.outs},
       RowBiasAfter{bias, q.k.n, q.k.outs, activation});
}

// u[t, p, i] = f_iᵀ dy[t, p]: n products beside each other.
struct KronProducts {
  GemmShape shape;
  LeftMatrix left;
  RightMatrix right;
  GemmOut out;
  GemmPlan plan(int threads) const { return plan_gemm(shape, threads, left.m, right.direct(), false); }
};

TENON_INLINE KronProducts u_products(const KronRows& q, const float* dy, float* u) {
  const KronShape& k = q.k;
  return {
      {q.rows * k.n, k.ins, k.outs, k.n}, {{dy, k.outs, 1}}, {{q.f, k.ins, 1}, k.factor_size()}, {u, k.in(), k.ins}};
}
// df_i = sum over rows (t, p) of dy z_iᵀ.
TENON_INLINE KronProducts df_products(const KronRows& q, const float* dy, const float* z, float* df) {
  const KronShape& k = q.k;
  return {{k.outs, k.ins, q.rows * k.n, k.n}, {{dy, 1, k.outs}}, {{z, k.in(), 1}, k.ins}, {df, k.ins, k.factor_size()}};
}

constexpr uint64_t kFewAlgebraParts = 32;
TENON_INLINE Parts algebra_parts(const KronRows& q) {
  return few_parts_of(static_cast<uint64_t>(q.rows), static_cast<uint64_t>(q.k.n * q.k.n * q.k.in()), kFewAlgebraParts);
}

// dx[t, q] = sum over i, p of a[i, p, q] u[t, p, i];   da[i, p, q] = sum over t of <u[t, p, i], x[t, q]>.
TENON_INLINE void reduce_u(const Runtime& rt, const KronRows& q, const float* u, float* dx, double* sums) {
  const KronShape& k = q.k;
  for_parts(rt, algebra_parts(q), [&](uint64_t begin, uint64_t end, uint32_t part) {
    const int64_t first = static_cast<int64_t>(begin), count = static_cast<int64_t>(end - begin);
    const float *from = u + first * k.n * k.in(), *x = q.x + first * k.in();
    double* own = sums + part * k.cube();
    for (int64_t j = 0; j < k.cube(); j++) own[j] = 0;
    for (int64_t j = 0; j < k.n; j++)
      combine(dx + first * k.in() + j * k.ins, from, q.a + j, {count, k.ins, k.in(), k.n * k.in()},
              {k.n, k.n, k.ins, k.in(), k.n * k.n, k.n});
    for (int64_t i = 0; i < k.n; i++)
      add_dots(own + i * k.n * k.n, from + i * k.ins, x,
               {k.n, k.n, k.in(), k.ins, k.n, 1, count, k.ins, k.n * k.in(), k.in()});
  });
}

TENON_INLINE uint64_t few_grad_scratch(const KronRows& q, int threads) {
  const uint64_t u = gemm_scratch(u_products(q, nullptr, nullptr).plan(threads), threads);
  const uint64_t df = gemm_scratch(df_products(q, nullptr, nullptr, nullptr).plan(threads), threads);
  const uint64_t sums = round64(algebra_parts(q).count * q.k.cube() * 8);
  return round64(z_size(q) * 4) + sums + (u > df ? u : df);
}

TENON_INLINE void grad_few(const Runtime& rt, const KronRows& q, const float* dy, float* dx, float* da, float* df) {
  float* z = reinterpret_cast<float*>(rt.scratch);  // u, then z
  double* sums = reinterpret_cast<double*>(rt.scratch + round64(z_size(q) * 4));
  const Parts parts = algebra_parts(q);
  uint8_t* rest = reinterpret_cast<uint8_t*>(sums) + round64(parts.count * q.k.cube() * 8);
  const auto run = [&](const KronProducts& p) {
    gemm(rt, rest, p.plan(rt.threads), p.left, p.right, p.out, NoAfter{});
  };
  run(u_products(q, dy, z));
  reduce_u(rt, q, z, dx, sums);
  sum_algebra(da, sums, parts.count, q.k.cube());
  make_z(rt, q, z);
  run(df_products(q, dy, z, df));
}

}  // namespace tenon::TENON_ISA
