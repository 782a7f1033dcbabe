// Convolutions whose channels may be a block of those of their tensors (ConvShape's x_row, y_row), for other kernels.
// Scratch is rt.scratch. Written by conv.cpp and conv_weight.cpp.
#pragma once
#include "ops/conv_shape.h"
#include "ops/thin.h"

namespace tenon::TENON_ISA {

// A change of few ranks that a weight gets while its panels are packed: that of tap t between channel k, over which
// the product sums, and a channel that it makes is sum over r of left[k * row + t * tap + r * step] * right(r, made).
// Of one group that is not pointwise.
struct WeightChange {
  const float* left = nullptr;
  int64_t row = 0, tap = 0, step = 1;
  Thin right;

  // to: k of [0, count) at tap t of the packed panel whose first channel is `col`.
  void add(float* to, int64_t t, int64_t count, int64_t col) const {
    if (!left) return;
    TileCall call;
    call.a_row = row;
    call.a_step = step;
    call.c_row = panel_width(static_cast<int>(least(kTileCols, right.cols - col)));
    right.panel(call, col, left + t * tap, to, count, to, call.c_row);
  }
};

struct Pooling;
uint64_t conv_scratch(const ConvShape& c, int threads, const Pooling* pooling = nullptr);
// With `pooling` y is left alone, and results are those of whole windows only.
void conv_forward(const Runtime& rt, const ConvShape& c, const float* x, const float* w, float* y, const float* bias,
                  uint32_t activation, const Pooling* pooling = nullptr, const WeightChange& change = {});

uint64_t conv_input_grad_scratch(const ConvShape& c, int threads);
void conv_input_grad(const Runtime& rt, const ConvShape& c, const float* dy, const float* w, float* dx,
                     const WeightChange& change = {});

// A convolution of one group whose channels are few between those of x and y: y = (conv of x * narrow) * widen + bias,
// without what lies between in memory, unless it is to be kept. narrow and widen are packed.
struct Through {
  Thin narrow, widen;
  const float* x = nullptr;
  float* y = nullptr;
  float *kept_into = nullptr, *kept_out = nullptr;  // [pixels, c.in], [positions, c.out]: both or none
  const float* bias = nullptr;
};
// How the shape is cut; no blocks where that gains nothing. Bits are those of the three products one after the other,
// so that the number of threads may have a part in the choice.
struct ThroughNeeds {
  int64_t blocks = 0;
  uint64_t shared_bytes = 0, own_bytes = 0;
  bool suits(int threads) const { return blocks >= (threads == 1 ? 1 : int64_t{4} * threads); }
  uint64_t scratch(int threads) const { return shared_bytes + static_cast<uint64_t>(threads) * own_bytes; }
};
ThroughNeeds conv_through_needs(const ConvShape& c, bool keeps);
void conv_through(const Runtime& rt, const ConvShape& c, const float* w, const Through& t);

// A weight of one group that is made on the way, some channels at a time, on one thread: for the convolution rows
// [end - begin, taps, in], for the gradient of x columns [out, taps, end - begin].
struct MadeWeight {
  const void* of = nullptr;
  void (*make)(const void* of, float* w, int64_t begin, int64_t end) = nullptr;
};
// Where a way that makes each panel once a few tiles suits the shape. No more of the weight is held than a panel a
// thread.
bool conv_makes_panels(const ConvShape& c);
uint64_t conv_panels_scratch(const ConvShape& c, int threads);
void conv_panels_forward(const Runtime& rt, const ConvShape& c, const float* x, const MadeWeight& w, float* y,
                         const float* bias, uint32_t activation);
bool conv_input_grad_makes_panels(const ConvShape& c);
uint64_t conv_input_grad_panels_scratch(const ConvShape& c, int threads);
void conv_panels_input_grad(const Runtime& rt, const ConvShape& c, const float* dy, const MadeWeight& w, float* dx);

uint64_t conv_weight_grad_scratch(const ConvShape& c, int threads);
void conv_weight_grad(const Runtime& rt, const ConvShape& c, const float* x, const float* dy, float* dw);

// The gradient of c.out of `all` weights' channels at a time, in parts: use(of, from, to, start) takes up what dw holds
// of channels [from, to), their first part with `start`. x is transformed once. Where Winograd's way is taken.
struct PartUse {
  const void* of = nullptr;
  void (*use)(const void* of, int64_t from, int64_t to, bool start) = nullptr;
};
uint64_t conv_weight_parts_scratch(const ConvShape& c);
void conv_weight_parts(const Runtime& rt, const ConvShape& c, int64_t all, const float* x, const float* dy, float* dw,
                       const PartUse& use);

}  // namespace tenon::TENON_ISA
