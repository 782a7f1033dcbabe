// W = sum of a_i ⊗ f_i, and its adjoints in a and f. See kron.h.
#include "gen/attrs.h"
#include "ops/combine.h"
#include "ops/kron.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kAlgebraParts = 32;  // of rows, each with sums of its own

// Rows (γ, o, κ) of the factors that lie in one block (γ) of W: consecutive in both.
struct Rows {
  int64_t factor, weight, count;  // first row in f_i, its row of W with p = 0, rows
};

// body(Rows) for the parts of [begin, end) that lie in one γ each.
template <typename Body>
void for_groups(const KronShape& k, int64_t begin, int64_t end, Body body) {
  const int64_t block = k.outs * k.taps;
  for (int64_t row = begin; row < end;) {
    const int64_t group = row / block, within = row % block;
    const int64_t count = block - within < end - row ? block - within : end - row;
    body(Rows{row, group * k.n * block + within, count});
    row += count;
  }
}

Parts parts_of_rows(const KronShape& k) {
  return parts_of(static_cast<uint64_t>(k.factor_rows()), static_cast<uint64_t>(k.cube() * k.ins));
}

// body(Rows, part) for all rows of the factors, in parallel.
template <typename Body>
void for_rows(const Runtime& rt, const KronShape& k, const Parts& parts, Body body) {
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    for_groups(k, static_cast<int64_t>(begin), static_cast<int64_t>(end), [&](const Rows& r) { body(r, part); });
  });
}

Status check(const Step& s) { return check_kron(s.in[0], s.in[1], s.out[0], KronWeightAttrs::read(s.attrs).groups); }

Status run(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.in[1], KronWeightAttrs::read(s.attrs).groups);
  const float *a = f32(s.in[0]), *f = f32(s.in[1]);
  float* w = f32(s.out[0]);
  if (numel(s.out[0]) == 0) return {};
  for_rows(rt, k, parts_of_rows(k), [&](const Rows& r, uint32_t) {
    for (int64_t p = 0; p < k.n; p++)
      for (int64_t q = 0; q < k.n; q++)
        combine(w + ((r.weight + p * k.outs * k.taps) * k.n + q) * k.ins, f + r.factor * k.ins, a + p * k.n + q,
                {r.count, k.ins, k.in(), k.ins}, {1, k.n, 0, k.factor_size(), 0, k.n * k.n});
  });
  return {};
}

Status check_factor(const Step& s) {
  return check_kron(s.in[0], s.out[0], s.in[1], KronFactorGradAttrs::read(s.attrs).groups);
}

Status run_factor(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.out[0], KronFactorGradAttrs::read(s.attrs).groups);
  const float *a = f32(s.in[0]), *dw = f32(s.in[1]);
  float* df = f32(s.out[0]);
  if (numel(s.out[0]) == 0) return {};
  for_rows(rt, k, parts_of_rows(k), [&](const Rows& r, uint32_t) {
    for (int64_t i = 0; i < k.n; i++)
      combine(df + i * k.factor_size() + r.factor * k.ins, dw + r.weight * k.in(), a + i * k.n * k.n,
              {r.count, k.ins, k.ins, k.in()}, {k.n, k.n, k.outs * k.taps * k.in(), k.ins, k.n, 1});
  });
  return {};
}

Status check_algebra_grad(const Step& s) {
  return check_kron(s.out[0], s.in[0], s.in[1], KronAlgebraGradAttrs::read(s.attrs).groups);
}

Parts algebra_parts(const KronShape& k) {
  return few_parts_of(static_cast<uint64_t>(k.factor_rows()), static_cast<uint64_t>(k.cube() * k.ins), kAlgebraParts);
}

uint64_t scratch_algebra(const Step& s, int) {
  if (numel(s.in[0]) == 0) return 0;
  const KronShape k = kron_shape(s.in[0], KronAlgebraGradAttrs::read(s.attrs).groups);
  return algebra_parts(k).count * static_cast<uint64_t>(k.cube()) * sizeof(double);
}

Status run_algebra(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.in[0], KronAlgebraGradAttrs::read(s.attrs).groups);
  const float *f = f32(s.in[0]), *dw = f32(s.in[1]);
  float* da = f32(s.out[0]);
  const int64_t cube = k.cube();
  if (numel(s.in[0]) == 0) {
    fill_row(da, 0.0f, static_cast<uint64_t>(cube));
    return {};
  }
  double* sums = reinterpret_cast<double*>(rt.scratch);
  const Parts parts = algebra_parts(k);
  for (int64_t j = 0; j < parts.count * cube; j++) sums[j] = 0;
  for_rows(rt, k, parts, [&](const Rows& r, uint32_t part) {
    for (int64_t p = 0; p < k.n; p++) {
      // left: the n blocks q of a row of W; right: the f_i.
      const Dots d = {k.n, k.n, k.ins, k.factor_size(), 1, k.n * k.n, r.count, k.ins, k.in(), k.ins};
      add_dots(sums + part * cube + p * k.n, dw + (r.weight + p * k.outs * k.taps) * k.in(), f + r.factor * k.ins, d);
    }
  });
  sum_algebra(da, sums, parts.count, cube);
  return {};
}

}  // namespace

extern const Kernel kron_weight_kernel = {check, nullptr, run};
extern const Kernel kron_factor_grad_kernel = {check_factor, nullptr, run_factor};
extern const Kernel kron_algebra_grad_kernel = {check_algebra_grad, scratch_algebra, run_algebra};

}  // namespace tenon::TENON_ISA
