// y = activation(x weightᵀ + bias).
#include "gen/attrs.h"
#include "ops/gemm.h"

namespace tenon::TENON_ISA {
namespace {

struct Problem {
  GemmShape shape;
  LeftMatrix left;
  RightMatrix right;
};

Problem problem_of(const Step& s) {
  const View &x = s.in[0], &w = s.in[1];
  const int64_t in = static_cast<int64_t>(x.dims[1]);
  Problem p;
  p.shape = {static_cast<int64_t>(x.dims[0]), static_cast<int64_t>(w.dims[0]), in};
  p.left = {{f32(x), in, 1}};
  p.right = {{f32(w), 1, in}};
  return p;
}

uint64_t scratch(const Step& s, int threads) {
  const Problem p = problem_of(s);
  return gemm_scratch(plan_gemm(p.shape, threads, p.left.m, false), threads);
}

Status run(const Step& s, const Runtime& rt) {
  const LinearAttrs at = LinearAttrs::read(s.attrs);
  const Problem p = problem_of(s);
  const float* bias = s.inputs > 2 && s.in[2].present ? f32(s.in[2]) : nullptr;
  const GemmOut out{f32(s.out[0]), p.shape.cols, 0, bias, floor_of(at.activation)};
  gemm(rt, rt.scratch, plan_gemm(p.shape, rt.threads, p.left.m, false), p.left, p.right, out,
       ActivationAfter{at.activation});
  return {};
}

}  // namespace

extern const Kernel linear_kernel;
const Kernel linear_kernel = {nullptr, scratch, run};

}  // namespace tenon::TENON_ISA
