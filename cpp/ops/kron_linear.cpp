// y = activation(x Wᵀ + bias) with W = sum of a_i ⊗ f_i, and its gradients, without W: by structure for few rows, else
// by panels of it.
#include "gen/attrs.h"
#include "ops/kron_few.h"
#include "ops/kron_many.h"

namespace tenon::TENON_ISA {
namespace {

Status check_x(const Step& s, const View& y) {
  const View &x = s.in[0], &f = s.in[2];
  const Status status = check_algebra(s.in[1], f, 1);
  if (!status.ok()) return status;
  const uint64_t n = f.dims[0];
  if (f.rank != 3 || x.rank != 2 || y.rank != 2) return bad_plan("the ranks do not fit", "rank");
  if (x.dims[1] % n != 0 || x.dims[1] / n != f.dims[2]) return bad_plan("x is not [rows, n * in / n]", "dims");
  if (y.dims[0] != x.dims[0] || y.dims[1] % n != 0 || y.dims[1] / n != f.dims[1])
    return bad_plan("y is not [rows, n * out / n]", "dims");
  return {};
}

uint64_t forward_scratch(const Step& s, int threads) {
  const KronRows q = kron_rows(s);
  if (numel(s.out[0]) == 0) return 0;
  if (by_structure(q)) return round64(z_size(q) * 4) + gemm_scratch(few_plan(q, threads), threads);
  return round64(turned_size(q.k) * 4) + gemm_scratch(forward_plan(q, threads), threads);
}

void run_forward(const Step& s, const Runtime& rt, const float* bias, uint32_t activation) {
  if (numel(s.out[0]) == 0) return;
  (by_structure(kron_rows(s)) ? forward_few : forward_many)(rt, kron_rows(s), bias, activation, f32(s.out[0]));
}

Status check(const Step& s) { return check_x(s, s.out[0]); }
Status run(const Step& s, const Runtime& rt) {
  run_forward(s, rt, nullptr, kNone);
  return {};
}

Status act_check(const Step& s) {
  const Status status = check_x(s, s.out[0]);
  if (!status.ok() || s.inputs < 4 || !s.in[3].present) return status;
  if (s.in[3].rank != 1 || s.in[3].dims[0] != s.out[0].dims[1]) return bad_plan("the bias is not [out]", "dims");
  return {};
}
Status act_run(const Step& s, const Runtime& rt) {
  run_forward(s, rt, s.inputs > 3 && s.in[3].present ? f32(s.in[3]) : nullptr,
              KronLinearActAttrs::read(s.attrs).activation);
  return {};
}

Status grad_check(const Step& s) {
  const Status status = check_x(s, s.in[3]);
  if (!status.ok()) return status;
  for (int i = 0; i < 3; i++)
    if (!same_dims(s.out[i], s.in[i])) return bad_plan("a gradient has not the shape of its input", "dims");
  return {};
}

bool is_empty(const Step& s) { return numel(s.in[0]) == 0 || numel(s.in[3]) == 0; }

uint64_t grad_scratch(const Step& s, int threads) {
  const KronRows q = kron_rows(s);
  if (is_empty(s)) return 0;
  return by_structure(q) ? few_grad_scratch(q, threads) : many_grad_scratch(q, threads);
}

Status grad_run(const Step& s, const Runtime& rt) {
  float *dx = f32(s.out[0]), *da = f32(s.out[1]), *df = f32(s.out[2]);
  if (is_empty(s)) {
    for (int i = 0; i < 3; i++) fill_row(f32(s.out[i]), 0.0f, numel(s.out[i]));
    return {};
  }
  (by_structure(kron_rows(s)) ? grad_few : grad_many)(rt, kron_rows(s), f32(s.in[3]), dx, da, df);
  return {};
}

}  // namespace

extern const Kernel kron_linear_kernel = {check, forward_scratch, run};
extern const Kernel kron_linear_act_kernel = {act_check, forward_scratch, act_run};
extern const Kernel kron_linear_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
