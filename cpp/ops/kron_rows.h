// What kron_few.h and kron_many.h share: y = activation(x Wᵀ + bias) with W = sum of a_i ⊗ f_i (kron.h).
#pragma once
#include "ops/gemm.h"
#include "ops/kron_pack.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {
struct KronRows {
  KronShape k;
  int64_t rows = 0;
  const float *x = nullptr, *a = nullptr, *f = nullptr;
};

TENON_INLINE KronRows kron_rows(const Step& s) {
  return {kron_shape(s.in[2], 1), static_cast<int64_t>(s.in[0].dims[0]), f32(s.in[0]), f32(s.in[1]), f32(s.in[2])};
}

// Making z costs n² * rows * C multiply-adds, expanding W n * O * C. One product has no structure: it is the plain
// layer, bit for bit.
TENON_INLINE bool by_structure(const KronRows& q) { return q.k.n > 1 && 2 * q.rows <= q.k.outs; }

}  // namespace tenon::TENON_ISA
