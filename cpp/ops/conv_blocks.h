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

uint64_t conv_weight_grad_scratch(const ConvShape& c, int threads);
void conv_weight_grad(const Runtime& rt, const ConvShape& c, const float* x, const float* dy, float* dw);

}  // namespace tenon::TENON_ISA
