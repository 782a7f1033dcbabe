// A product of two matrices in memory, or of batches of them: in f32, or with operands rounded to bf16.
#pragma once
#include "ops/bf16.h"

namespace tenon::TENON_ISA {

enum Precision : uint32_t { kF32, kBf16 };

struct Product {
  GemmShape shape;
  LeftMatrix left;
  RightMatrix right;
  uint32_t precision = kF32;
  uint64_t* memo = nullptr;  // of the step

  GemmPlan plan(int threads) const {
    if (precision == kF32) return plan_gemm(shape, threads, left.m, right.direct(), true, true, kLanes, memo);
    GemmShape words = shape;
    words.inner = bf16_way().words(shape.inner);
    return plan_gemm(words, threads, left.m, false, true, false, kLanes, memo);
  }
  uint64_t scratch(int threads) const { return gemm_scratch(plan(threads), threads); }
  template <typename After>
  void run(const Runtime& rt, uint8_t* scratch, const GemmOut& out, const After& after) const {
    const GemmPlan p = plan(rt.threads);
    if (precision == kF32) return gemm(rt, scratch, p, left, right, out, after);
    const Bf16Way* way = &bf16_way();
    gemm(rt, scratch, p, Bf16Left{way, left, shape.inner}, Bf16Right{way, right, shape.inner}, out, after);
  }
};

}  // namespace tenon::TENON_ISA
