// The convolution and its adjoints as steps inside of other kernels, whose attributes begin with those of conv.
#pragma once
#include "gen/attrs.h"
#include "ops/inner_step.h"

namespace tenon::TENON_ISA {

extern const Kernel conv_kernel, conv_act_kernel, conv_input_grad_kernel, conv_weight_grad_kernel;

// All of them are u32: one word each.
constexpr uint32_t kConvWords = sizeof(ConvAttrs) / sizeof(uint32_t);
static_assert(kConvWords + 3 <= InnerStep::kWords);

TENON_INLINE InnerStep conv_step(const uint64_t* attrs, const View& x, const View& w, const View& y) {
  return inner_step(x, w, y).word_list(attrs, kConvWords);
}
TENON_INLINE InnerStep conv_act_step(const uint64_t* attrs, const View& x, const View& w, const View& bias,
                                     const View& y, uint32_t activation) {
  InnerStep s = conv_step(attrs, x, w, y).word(activation);
  s.in[2] = bias;
  s.inputs = 3;
  return s;
}
TENON_INLINE InnerStep conv_input_grad_step(const uint64_t* attrs, const View& dy, const View& w, const View& dx) {
  return inner_step(dy, w, dx).word_list(attrs, kConvWords).word_list(dx.dims + 1, 3);
}
TENON_INLINE InnerStep conv_weight_grad_step(const uint64_t* attrs, const View& x, const View& dy, const View& dw) {
  return inner_step(x, dy, dw).word_list(attrs, kConvWords).word_list(dw.dims + 1, 3);
}

}  // namespace tenon::TENON_ISA
