// Convolution, bias, activation and pooling in one pass: a few rows of results at a time are made and pooled.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/conv_blocks.h"
#include "ops/pooled.h"

namespace tenon::TENON_ISA {
namespace {

bool is_mean(const ConvPoolAttrs& at) { return at.pool == 1; }
bool is_mean(const ConvMaxpoolAttrs&) { return false; }

// A convolution and the pooling of its results, of which only those under a window are made.
struct PooledConv {
  ConvShape c;
  Pooling pooling;
};

template <typename Attrs>
PooledConv pooled_conv(const Step& s) {
  const Attrs at = Attrs::read(s.attrs);
  PooledConv p{conv_shape(at, s.in[0], s.in[1], s.out[0]), {}};
  p.pooling.high = at.window[0];
  p.pooling.wide = at.window[1];
  p.pooling.mean = is_mean(at);
  p.pooling.depth = p.c.result[0];
  p.pooling.rows = conv_size(at, 1, s.in[0], s.in[1]);
  p.pooling.cols = conv_size(at, 2, s.in[0], s.in[1]);
  p.pooling.channels = p.c.y_row;
  p.pooling.y = f32(s.out[0]);
  p.pooling.index = s.outputs > 1 ? i32(s.out[1]) : nullptr;
  p.c.result[1] *= p.pooling.high;
  p.c.result[2] *= p.pooling.wide;
  return p;
}

template <typename Attrs>
Status pool_check(const Step& s) {
  const Attrs at = Attrs::read(s.attrs);
  if (s.in[0].rank != 5 || s.in[1].rank != 5 || s.out[0].rank != 5)
    return {Code::kBadPlan, "a convolution's tensors have rank 5", -1, "rank"};
  View full = s.out[0];
  for (int i = 0; i < 3; i++) {
    if (at.stride[i] < 1) return {Code::kBadPlan, "stride, dilation and kernel start at 1", -1, "stride"};
    full.dims[1 + i] = static_cast<uint64_t>(conv_size(at, i, s.in[0], s.in[1]));
  }
  if (const Status status = check_conv(at, s.in[0], s.in[1], full); !status.ok()) return status;
  const int64_t sizes[5] = {static_cast<int64_t>(full.dims[0]), static_cast<int64_t>(full.dims[1]),
                            static_cast<int64_t>(full.dims[2]), static_cast<int64_t>(full.dims[3]),
                            static_cast<int64_t>(full.dims[4])};
  const int64_t plane[5] = {1, sizes[1], sizes[2], sizes[3], 1};
  if (!product_fits(sizes) || !product_fits(plane))
    return {Code::kBadPlan, "the convolution's result is too large", -1, "dims"};
  if (s.outputs > 1 && sizes[1] * sizes[2] * sizes[3] > 0x7fffffff)
    return {Code::kBadPlan, "a plane must have fewer than 2^31 places", -1, "dims"};
  if (s.out[0].dims[1] != full.dims[1]) return {Code::kBadPlan, "windows have a depth of 1", -1, "dims"};
  for (int i = 0; i < 2; i++) {
    if (at.window[i] < 1 || at.window[i] > full.dims[2 + i])
      return {Code::kBadPlan, "a window lies inside the convolution's result", -1, "window"};
    if (s.out[0].dims[2 + i] != full.dims[2 + i] / at.window[i])
      return {Code::kBadPlan, "the pooled size does not follow from the window", -1, "dims"};
  }
  return check_bias(s);
}
template <typename Attrs>
uint64_t pool_scratch(const Step& s, int threads) {
  const PooledConv p = pooled_conv<Attrs>(s);
  return conv_scratch(p.c, threads, &p.pooling);
}
template <typename Attrs>
Status pool_run(const Step& s, const Runtime& rt) {
  const PooledConv p = pooled_conv<Attrs>(s);
  conv_forward(rt, p.c, f32(s.in[0]), f32(s.in[1]), nullptr, bias_of(s), Attrs::read(s.attrs).activation, &p.pooling);
  return {};
}

}  // namespace

extern const Kernel conv_pool_kernel, conv_maxpool_kernel;
const Kernel conv_pool_kernel = {pool_check<ConvPoolAttrs>, pool_scratch<ConvPoolAttrs>, pool_run<ConvPoolAttrs>};
const Kernel conv_maxpool_kernel = {pool_check<ConvMaxpoolAttrs>, pool_scratch<ConvMaxpoolAttrs>,
                                    pool_run<ConvMaxpoolAttrs>};

}  // namespace tenon::TENON_ISA
