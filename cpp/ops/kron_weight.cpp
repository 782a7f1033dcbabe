// W = sum of a_i ⊗ f_i, and its adjoints in a and f. See kron.h.
#include "gen/attrs.h"
#include "ops/kron.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kAlgebraParts = 32;  // of rows, each with sums of its own

Status check(const Step& s) { return check_kron(s.in[0], s.in[1], s.out[0], KronWeightAttrs::read(s.attrs).groups); }

Status run(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.in[1], KronWeightAttrs::read(s.attrs).groups);
  const float *a = f32(s.in[0]), *f = f32(s.in[1]);
  float* w = f32(s.out[0]);
  if (numel(s.out[0]) == 0) return {};
  for_parts(rt, parts_of(k.factor_rows() * k.n, k.n * k.n * k.ins), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t row = begin; row < end; row++) {
      const uint64_t tap = row % k.taps, o = row / k.taps % k.outs, p = row / k.taps / k.outs % k.n;
      expand_row(w + row * k.n * k.ins, k, a, p, f + k.factor_row(row / k.taps / k.outs / k.n, o, tap),
                 k.factor_size());
    }
  });
  return {};
}

// Row (γ, p, o, κ) of W for p = 0; the next p lies outs * taps rows on.
uint64_t weight_row(const KronShape& k, uint64_t factor_row) {
  const uint64_t block = k.outs * k.taps;
  return factor_row / block * k.n * block + factor_row % block;
}

Status check_factor(const Step& s) {
  return check_kron(s.in[0], s.out[0], s.in[1], KronFactorGradAttrs::read(s.attrs).groups);
}

Status run_factor(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.out[0], KronFactorGradAttrs::read(s.attrs).groups);
  const float *a = f32(s.in[0]), *dw = f32(s.in[1]);
  float* df = f32(s.out[0]);
  if (numel(s.out[0]) == 0) return {};
  const uint64_t next_p = k.outs * k.taps * k.n * k.ins;
  for_parts(rt, parts_of(k.factor_rows(), k.n * k.n * k.n * k.ins), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t row = begin; row < end; row++) {
      const float* from = dw + weight_row(k, row) * k.n * k.ins;
      for (uint64_t i = 0; i < k.n; i++)
        for_lanes(k.ins, [&](uint64_t c, int count) {
          const float* at = a + i * k.n * k.n;
          vf sum = splat(at[0]) * load_part(from + c, count);
          for (uint64_t pq = 1; pq < k.n * k.n; pq++)
            sum = muladd(splat(at[pq]), load_part(from + pq / k.n * next_p + pq % k.n * k.ins + c, count), sum);
          store_part(df + (i * k.factor_rows() + row) * k.ins + c, sum, count);
        });
    }
  });
  return {};
}

Status check_algebra_grad(const Step& s) {
  return check_kron(s.out[0], s.in[0], s.in[1], KronAlgebraGradAttrs::read(s.attrs).groups);
}

Parts algebra_parts(const Step& s) {
  const KronShape k = kron_shape(s.in[0], KronAlgebraGradAttrs::read(s.attrs).groups);
  return few_parts_of(k.factor_rows(), k.n * k.n * k.n * k.ins, kAlgebraParts);
}

uint64_t scratch_algebra(const Step& s, int) {
  return numel(s.in[0]) == 0 ? 0 : algebra_parts(s).count * numel(s.out[0]) * sizeof(double);
}

Status run_algebra(const Step& s, const Runtime& rt) {
  const KronShape k = kron_shape(s.in[0], KronAlgebraGradAttrs::read(s.attrs).groups);
  const float *f = f32(s.in[0]), *dw = f32(s.in[1]);
  float* da = f32(s.out[0]);
  const uint64_t cube = k.n * k.n * k.n;
  if (numel(s.in[0]) == 0) {
    fill_row(da, 0.0f, cube);
    return {};
  }
  double* sums = reinterpret_cast<double*>(rt.scratch);
  const Parts parts = algebra_parts(s);
  const uint64_t next_p = k.outs * k.taps * k.n * k.ins;
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    double* own = sums + part * cube;
    for (uint64_t j = 0; j < cube; j++) own[j] = 0;
    for (uint64_t row = begin; row < end; row++) {
      const float* from = dw + weight_row(k, row) * k.n * k.ins;
      for (uint64_t j = 0; j < cube; j++) {
        const float* g = from + j / k.n % k.n * next_p + j % k.n * k.ins;
        const float* at = f + (j / k.n / k.n * k.factor_rows() + row) * k.ins;
        own[j] +=
            sum_terms(k.ins, [&](uint64_t c, int count) { return load_part(g + c, count) * load_part(at + c, count); });
      }
    }
  });
  for (uint64_t j = 0; j < cube; j++) {
    double sum = sums[j];
    for (uint64_t part = 1; part < parts.count; part++) sum += sums[part * cube + j];
    da[j] = static_cast<float>(sum);
  }
  return {};
}

}  // namespace

extern const Kernel kron_weight_kernel = {check, nullptr, run};
extern const Kernel kron_factor_grad_kernel = {check_factor, nullptr, run_factor};
extern const Kernel kron_algebra_grad_kernel = {check_algebra_grad, scratch_algebra, run_algebra};

}  // namespace tenon::TENON_ISA
