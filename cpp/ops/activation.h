// The activations that products apply to a tile while it is in registers. Indices are those of the `activation`
// attribute.
#pragma once
#include "ops/rows.h"
#include "simd/gelu.h"

namespace tenon::TENON_ISA {

constexpr uint32_t kActivations = 7;
enum Activation : uint32_t { kNone, kRelu, kGelu, kGeluTanh, kSilu, kTanh, kSigmoid };
template <uint32_t... kinds>
struct Kinds {};
using EveryActivation = Kinds<kNone, kRelu, kGelu, kGeluTanh, kSilu, kTanh, kSigmoid>;

// NaN stays NaN.
TENON_INLINE vf relu(vf x) { return select(x < 0.0f, zero(), x); }

template <uint32_t kind>
TENON_INLINE vf activate(vf x) {
  if constexpr (kind == kRelu) return relu(x);
  if constexpr (kind == kGelu) return gelu(x);
  if constexpr (kind == kGeluTanh) return gelu_tanh(x);
  if constexpr (kind == kSilu) return silu(x);
  if constexpr (kind == kTanh) return tanh(x);
  if constexpr (kind == kSigmoid) return sigmoid(x);
  return x;
}

// y = activate(x) and its derivative there.
template <uint32_t kind>
TENON_INLINE void activate_with_slope(vf x, vf& y, vf& slope) {
  y = activate<kind>(x);
  if constexpr (kind == kNone) slope = splat(1);
  if constexpr (kind == kRelu) slope = select(x > 0.0f, splat(1), zero());
  if constexpr (kind == kGelu) slope = gelu_slope(x);
  if constexpr (kind == kGeluTanh) slope = gelu_tanh_slope(x);
  if constexpr (kind == kSilu) slope = silu_slope(x);
  if constexpr (kind == kTanh) slope = 1.0f - y * y;
  if constexpr (kind == kSigmoid) slope = y * (1.0f - y);
}

// Vectors that gelu takes step by step.
constexpr int kTogether = 2;
template <uint32_t kind, int n>
TENON_INLINE void activate(vf (&x)[n]) {
  if constexpr (kind == kGelu) return gelu(x);
  for (int i = 0; i < n; i++) x[i] = activate<kind>(x[i]);
}
template <uint32_t kind, int n>
TENON_INLINE void activate_with_slope(const vf (&x)[n], vf (&y)[n], vf (&slope)[n]) {
  if constexpr (kind == kGelu) return gelu_with_slope(x, y, slope);
  for (int i = 0; i < n; i++) activate_with_slope<kind>(x[i], y[i], slope[i]);
}

// In place over rows of n numbers, `row` apart.
template <uint32_t kind>
TENON_INLINE void activate_each(float* p, int64_t row, int64_t rows, int64_t n) {
  for (; rows > 0; rows--, p += row)
    for_vectors<kTogether>(n, [&](auto vectors, int64_t i) {
      vf x[vectors.kCount];
      vectors.load(p + i, x);
      activate<kind>(x);
      vectors.store(p + i, x);
    });
}

// dy times the slope at z: the output of relu, tanh and sigmoid, the input of the others.
template <uint32_t kind>
TENON_INLINE vf sloped(vf z, vf dy) {
  if constexpr (kind == kRelu) return select(z > 0.0f, dy, zero());
  if constexpr (kind == kGelu) return dy * gelu_slope(z);
  if constexpr (kind == kGeluTanh) return dy * gelu_tanh_slope(z);
  if constexpr (kind == kSilu) return dy * silu_slope(z);
  if constexpr (kind == kTanh) return dy * (1.0f - z * z);
  if constexpr (kind == kSigmoid) return dy * (z * (1.0f - z));
  return dy;
}

static inline void activate_rows(uint32_t kind, float* p, int64_t row, int64_t rows, int64_t n) {
  switch (kind) {
    case kRelu:
      return activate_each<kRelu>(p, row, rows, n);
    case kGelu:
      return activate_each<kGelu>(p, row, rows, n);
    case kGeluTanh:
      return activate_each<kGeluTanh>(p, row, rows, n);
    case kSilu:
      return activate_each<kSilu>(p, row, rows, n);
    case kTanh:
      return activate_each<kTanh>(p, row, rows, n);
    case kSigmoid:
      return activate_each<kSigmoid>(p, row, rows, n);
    default:
      return;
  }
}
TENON_INLINE void activate_run(uint32_t kind, float* p, int64_t n) { activate_rows(kind, p, 0, 1, n); }

}  // namespace tenon::TENON_ISA
