// Convolutions whose channels may be a block of those of their tensors (ConvShape's x_row, y_row), for other kernels.
// Scratch is rt.scratch. Written by conv.cpp and conv_weight.cpp.
#pragma once
#include "ops/conv_shape.h"

namespace tenon::TENON_ISA {

struct Pooling;
uint64_t conv_scratch(const ConvShape& c, int threads, const Pooling* pooling = nullptr);
// With `pooling` y is left alone, and results are those of whole windows only.
void conv_forward(const Runtime& rt, const ConvShape& c, const float* x, const float* w, float* y, const float* bias,
                  uint32_t activation, const Pooling* pooling = nullptr);

uint64_t conv_input_grad_scratch(const ConvShape& c, int threads);
void conv_input_grad(const Runtime& rt, const ConvShape& c, const float* dy, const float* w, float* dx);

uint64_t conv_weight_grad_scratch(const ConvShape& c, int threads);
void conv_weight_grad(const Runtime& rt, const ConvShape& c, const float* x, const float* dy, float* dw);

}  // namespace tenon::TENON_ISA
