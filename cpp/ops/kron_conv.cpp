// conv(x, W) with W = sum of a_i ⊗ f_i, and its gradients. W, and dW before it is reduced to da and df, exist in
// scratch alone and while the step runs.
#include "gen/attrs.h"
#include "ops/conv_steps.h"
#include "ops/kron.h"

namespace tenon::TENON_ISA {

extern const Kernel kron_weight_kernel, kron_factor_grad_kernel, kron_algebra_grad_kernel;

namespace {

View weight_of(const View& f) {
  const uint64_t n = f.dims[0];
  const uint64_t dims[5] = {n * f.dims[1], f.dims[2], f.dims[3], f.dims[4], n * f.dims[5]};
  return f32_view(nullptr, 5, dims);
}

struct Problem {
  const uint64_t* attrs;
  View x, a, f, y, w;  // y or dy
  uint32_t groups;

  InnerStep make() const { return inner_step(a, f, w).word(groups); }
  InnerStep input_grad(const View& dx) const { return conv_input_grad_step(attrs, y, w, dx); }
  InnerStep weight_grad() const { return conv_weight_grad_step(attrs, x, y, w); }
  InnerStep algebra_grad(const View& da) const { return inner_step(f, w, da).word(groups); }
  InnerStep factor_grad(const View& df) const { return inner_step(a, w, df).word(groups); }
  uint64_t weight_bytes() const { return (numel(w) * 4 + 63) / 64 * 64; }
};

Problem problem_of(const Step& s, const View& y, uint32_t groups) {
  return {s.attrs, s.in[0], s.in[1], s.in[2], y, weight_of(s.in[2]), groups};
}

Status check_problem(const Step& s, const View& y) {
  const View& f = s.in[2];
  const uint32_t groups = ConvAttrs::read(s.attrs).groups;
  if (f.rank != 6) return bad_plan("a factor of a convolution has rank 6", "rank");
  const Status status = check_algebra(s.in[1], f, groups);
  if (!status.ok()) return status;
  uint64_t all = 0;
  if (__builtin_mul_overflow(f.dims[0], f.dims[1], &all) || __builtin_mul_overflow(f.dims[0], f.dims[5], &all))
    return bad_plan("the weight is too large", "dims");
  const Problem p = problem_of(s, y, groups);
  if (!is_sound(p.w)) return bad_plan("the weight is too large", "dims");
  return conv_step(s.attrs, p.x, p.w, y).check(conv_kernel);
}

uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

InnerStep act_step(const Problem& p, const View& bias, uint32_t activation) {
  return conv_act_step(p.attrs, p.x, p.w, bias, p.y, activation);
}

uint64_t forward_scratch(const Problem& p, const View& bias, int threads) {
  return p.weight_bytes() +
         larger(p.make().scratch(kron_weight_kernel, threads), act_step(p, bias, 0).scratch(conv_act_kernel, threads));
}

Status run_forward(Problem p, const Runtime& rt, const View& bias, uint32_t activation) {
  uint8_t* rest = rt.scratch + p.weight_bytes();
  p.w.data = rt.scratch;
  const Status status = p.make().run(kron_weight_kernel, rt, rest);
  return status.ok() ? act_step(p, bias, activation).run(conv_act_kernel, rt, rest) : status;
}

Problem forward_of(const Step& s) { return problem_of(s, s.out[0], ConvAttrs::read(s.attrs).groups); }

Status check(const Step& s) { return check_problem(s, s.out[0]); }
uint64_t scratch(const Step& s, int threads) { return forward_scratch(forward_of(s), {}, threads); }
Status run(const Step& s, const Runtime& rt) { return run_forward(forward_of(s), rt, {}, 0); }

View bias_of(const Step& s) { return s.inputs > 3 ? s.in[3] : View{}; }

Status act_check(const Step& s) {
  const Status status = check_problem(s, s.out[0]);
  if (!status.ok()) return status;
  const Problem p = forward_of(s);
  return act_step(p, bias_of(s), 0).check(conv_act_kernel);
}
uint64_t act_scratch(const Step& s, int threads) { return forward_scratch(forward_of(s), bias_of(s), threads); }
Status act_run(const Step& s, const Runtime& rt) {
  return run_forward(forward_of(s), rt, bias_of(s), KronConvActAttrs::read(s.attrs).activation);
}

Problem grad_of(const Step& s) { return problem_of(s, s.in[3], ConvAttrs::read(s.attrs).groups); }

Status grad_check(const Step& s) {
  const Status status = check_problem(s, s.in[3]);
  if (!status.ok()) return status;
  for (uint32_t i = 0; i < 3; i++)
    if (!same_dims(s.out[i], s.in[i])) return bad_plan("a gradient has not the shape of its input", "dims");
  const Problem p = grad_of(s);
  const Status dx = p.input_grad(s.out[0]).check(conv_input_grad_kernel);
  return dx.ok() ? p.weight_grad().check(conv_weight_grad_kernel) : dx;
}

uint64_t grad_scratch(const Step& s, int threads) {
  const Problem p = grad_of(s);
  uint64_t rest = p.make().scratch(kron_weight_kernel, threads);
  rest = larger(rest, p.input_grad(s.out[0]).scratch(conv_input_grad_kernel, threads));
  rest = larger(rest, p.weight_grad().scratch(conv_weight_grad_kernel, threads));
  rest = larger(rest, p.algebra_grad(s.out[1]).scratch(kron_algebra_grad_kernel, threads));
  return p.weight_bytes() + rest;
}

Status grad_run(const Step& s, const Runtime& rt) {
  Problem p = grad_of(s);
  uint8_t* rest = rt.scratch + p.weight_bytes();
  p.w.data = rt.scratch;  // W, then dW
  Status status = p.make().run(kron_weight_kernel, rt, rest);
  if (status.ok()) status = p.input_grad(s.out[0]).run(conv_input_grad_kernel, rt, rest);
  if (status.ok()) status = p.weight_grad().run(conv_weight_grad_kernel, rt, rest);
  if (status.ok()) status = p.algebra_grad(s.out[1]).run(kron_algebra_grad_kernel, rt, rest);
  if (status.ok()) status = p.factor_grad(s.out[2]).run(kron_factor_grad_kernel, rt, rest);
  return status;
}

}  // namespace

extern const Kernel kron_conv_kernel = {check, scratch, run};
extern const Kernel kron_conv_act_kernel = {act_check, act_scratch, act_run};
extern const Kernel kron_conv_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
