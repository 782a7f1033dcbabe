// The activations that products apply to a tile while it is in registers. Indices are those of the `activation` attribute.
#pragma once
#include "simd/math.h"

namespace tenon::TENON_ISA {

constexpr uint32_t kActivations = 7;
enum Activation : uint32_t { kNone, kRelu, kGelu, kGeluTanh, kSilu, kTanh, kSigmoid };

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

TENON_INLINE vf activate(uint32_t kind, vf x) {
  switch (kind) {
    case kRelu: return relu(x);
    case kGelu: return gelu(x);
    case kGeluTanh: return gelu_tanh(x);
    case kSilu: return silu(x);
    case kTanh: return tanh(x);
    case kSigmoid: return sigmoid(x);
    default: return x;
  }
}

}  // namespace tenon::TENON_ISA
