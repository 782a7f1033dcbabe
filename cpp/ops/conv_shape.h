// The sizes of a convolution, and what its operands must be. x [B, d, h, w, C], weights [O, kd, kh, kw, C/g], y [B, d',
// h', w', O].
#pragma once
#include "base/kernel.h"

namespace tenon::TENON_ISA {

struct ConvShape {
  int64_t images = 0, groups = 1, in = 0, out = 0;  // channels of a group
  int64_t size[3] = {}, result[3] = {}, kernel[3] = {};
  int64_t stride[3] = {}, pad[3] = {}, dilation[3] = {};
  // Elements from a pixel to the next and from a group's channels to the next one's: more than there are where they are
  // a block.
  int64_t x_row = 0, y_row = 0, x_group = 0, y_group = 0;
  int winograd = 0;  // the largest tile that may be taken, where it pays

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t inner() const { return taps() * in; }
  int64_t pixels() const { return size[0] * size[1] * size[2]; }
  int64_t positions() const { return result[0] * result[1] * result[2]; }
  // One tap, every position: a plain product of matrices.
  bool pointwise() const {
    bool one = groups == 1;
    for (int i = 0; i < 3; i++) one = one && kernel[i] == 1 && stride[i] == 1 && pad[i] == 0 && size[i] == result[i];
    return one;
  }
  bool depthwise() const { return in == 1 && out == 1 && groups > 1 && x_row == groups && y_row == groups; }
};

template <typename Attrs>
TENON_INLINE ConvShape conv_shape(const Attrs& at, const View& x, const View& w, const View& y) {
  ConvShape s;
  s.images = static_cast<int64_t>(x.dims[0]);
  s.groups = at.groups;
  s.winograd = at.winograd == 0 ? 4 : 0;
  s.in = static_cast<int64_t>(w.dims[4]);
  s.out = static_cast<int64_t>(w.dims[0]) / at.groups;
  s.x_row = s.in * s.groups;
  s.y_row = s.out * s.groups;
  s.x_group = s.in;
  s.y_group = s.out;
  for (int i = 0; i < 3; i++) {
    s.size[i] = static_cast<int64_t>(x.dims[1 + i]);
    s.result[i] = static_cast<int64_t>(y.dims[1 + i]);
    s.kernel[i] = static_cast<int64_t>(w.dims[1 + i]);
    s.stride[i] = at.stride[i];
    s.pad[i] = at.pad_before[i];
    s.dilation[i] = at.dilation[i];
  }
  return s;
}

// Products of sizes stay below 2^45, so that no later arithmetic overflows.
TENON_INLINE bool product_fits(const int64_t (&n)[5]) {
  int64_t all = 1;
  for (int i = 0; i < 5; i++)
    if (__builtin_mul_overflow(all, n[i], &all) || all > (int64_t{1} << 45)) return false;
  return true;
}

// Positions along axis i; stride is at least 1.
template <typename Attrs>
TENON_INLINE int64_t conv_size(const Attrs& at, int i, const View& x, const View& w) {
  const int64_t padded = static_cast<int64_t>(x.dims[1 + i]) + at.pad_before[i] + at.pad_after[i];
  const int64_t kernel = static_cast<int64_t>(w.dims[1 + i]);
  if (kernel < 1 || kernel > 0x7fffffff) return 0;
  const int64_t room = padded - (int64_t{at.dilation[i]} * (kernel - 1) + 1);
  return room < 0 ? 0 : room / at.stride[i] + 1;
}

template <typename Attrs>
TENON_INLINE Status check_conv(const Attrs& at, const View& x, const View& w, const View& y) {
  if (x.rank != 5 || w.rank != 5 || y.rank != 5)
    return {Code::kBadPlan, "a convolution's tensors have rank 5", -1, "rank"};
  if (at.groups == 0 || w.dims[0] % at.groups != 0)
    return {Code::kBadPlan, "groups does not divide the output channels", -1, "groups"};
  if (x.dims[4] % at.groups != 0 || x.dims[4] / at.groups != w.dims[4])
    return {Code::kBadPlan, "the weight's channels are not x's by groups", -1, "dims"};
  if (y.dims[0] != x.dims[0] || y.dims[4] != w.dims[0])
    return {Code::kBadPlan, "the result's batch or channels do not fit", -1, "dims"};
  int64_t padded[5] = {1, 1, 1, 1, 1};
  for (int i = 0; i < 3; i++) {
    const int64_t k = static_cast<int64_t>(w.dims[1 + i]), s = at.stride[i], dil = at.dilation[i];
    if (s < 1 || dil < 1 || k < 1 || k > 0x7fffffff)
      return {Code::kBadPlan, "stride, dilation and kernel start at 1", -1, "stride"};
    padded[i] = static_cast<int64_t>(x.dims[1 + i]) + at.pad_before[i] + at.pad_after[i];
    if (static_cast<int64_t>(y.dims[1 + i]) != conv_size(at, i, x, w))
      return {Code::kBadPlan, "the result's size does not follow from kernel, stride and padding", -1, "dims"};
  }
  padded[3] = static_cast<int64_t>(x.dims[4]);
  const int64_t weights[5] = {static_cast<int64_t>(w.dims[0]) + 32, static_cast<int64_t>(w.dims[1]),
                              static_cast<int64_t>(w.dims[2]), static_cast<int64_t>(w.dims[3]),
                              static_cast<int64_t>(w.dims[4]) + 1};
  if (!product_fits(padded) || !product_fits(weights))
    return {Code::kBadPlan, "the padded image or the kernel is too large", -1, "dims"};
  return {};
}

// The optional bias is the third input.
TENON_INLINE Status check_bias(const Step& s) {
  if (s.inputs < 3 || !s.in[2].present) return {};
  if (s.in[2].rank != 1 || s.in[2].dims[0] != s.in[1].dims[0])
    return {Code::kBadPlan, "the bias has one number an output channel", -1, "dims"};
  return {};
}
TENON_INLINE const float* bias_of(const Step& s) { return s.inputs > 2 && s.in[2].present ? f32(s.in[2]) : nullptr; }

}  // namespace tenon::TENON_ISA
