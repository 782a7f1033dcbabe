// The product of a tensor and a matrix along one axis: y[l, i, t] = scale * sum over j of u(i, j) * x[l, j, t].
#pragma once
#include "ops/checks.h"
#include "ops/gemm.h"

namespace tenon::TENON_ISA {

struct ModeShape {
  int64_t lead = 0, from = 0, to = 0, tail = 0;  // x [lead, from, tail], y [lead, to, tail]
  bool transposed = false;                       // u is [from, to], else [to, from]
};

TENON_INLINE ModeShape mode_shape(const uint64_t* dims, uint32_t rank, uint32_t axis, const View& u, bool transposed) {
  ModeShape m;
  m.lead = m.tail = 1;
  for (uint32_t i = 0; i < axis; i++) m.lead *= static_cast<int64_t>(dims[i]);
  for (uint32_t i = axis + 1; i < rank; i++) m.tail *= static_cast<int64_t>(dims[i]);
  m.from = static_cast<int64_t>(u.dims[transposed ? 0 : 1]);
  m.to = static_cast<int64_t>(u.dims[transposed ? 1 : 0]);
  m.transposed = transposed;
  return m;
}

struct ScaleAfter {
  float scale;
  void operator()(float* c, int64_t c_row, int64_t, int rows, int64_t, int64_t cols) const {
    if (scale == 1.0f) return;
    for (int i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j += kLanes) {
        const int here = static_cast<int>(least(kLanes, cols - j));
        float* at = c + i * c_row + j;
        store_first(at, load_first(at, here) * splat(scale), here);
      }
  }
};

// The last axis: one product of [lead, from] and the factor. Others: one product of the factor and [from, tail] for
// every lead.
struct ModeProblem {
  GemmShape shape;
  LeftMatrix left;
  RightMatrix right;
  GemmOut out;
};

TENON_INLINE ModeProblem mode_problem(const ModeShape& m, const float* x, const float* u, float* y) {
  ModeProblem p;
  const int64_t ld = m.transposed ? m.to : m.from;  // of u
  if (m.tail == 1) {
    p.shape = {m.lead, m.to, m.from};
    p.left = {{x, m.from, 1}};
    p.right = {m.transposed ? Matrix{u, ld, 1} : Matrix{u, 1, ld}};
    p.out = {y, m.to};
  } else {
    p.shape = {m.to, m.tail, m.from, m.lead};
    p.left = {m.transposed ? Matrix{u, 1, ld} : Matrix{u, ld, 1}};
    p.right = {{x, m.tail, 1}, m.from * m.tail};
    p.out = {y, m.tail, m.to * m.tail};
  }
  return p;
}

TENON_INLINE GemmPlan mode_plan(const ModeProblem& p, int threads) {
  return plan_gemm(p.shape, threads, p.left.m, p.right.direct());
}

TENON_INLINE uint64_t mode_scratch(const ModeShape& m, int threads) {
  return gemm_scratch(mode_plan(mode_problem(m, nullptr, nullptr, nullptr), threads), threads);
}

TENON_INLINE void run_mode(const Runtime& rt, uint8_t* scratch, const ModeShape& m, const float* x, const float* u,
                           float* y, float scale) {
  const ModeProblem p = mode_problem(m, x, u, y);
  gemm(rt, scratch, mode_plan(p, rt.threads), p.left, p.right, p.out, ScaleAfter{scale});
}

}  // namespace tenon::TENON_ISA
