// y = activation(x weightᵀ + bias) + residual, and dx = (dy weight) slope + more. What comes after a product is done to
// a tile in the first cache.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/product.h"

namespace tenon::TENON_ISA {
namespace {

// p += x over n numbers in a row.
TENON_INLINE void add_run(float* p, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(p + i, load(p + i) + load(x + i));
  if (i == n) return;
  const int rest = static_cast<int>(n - i);
  store_first(p + i, load_first(p + i, rest) + load_first(x + i, rest), rest);
}

const float* maybe(const Step& s, uint32_t input) {
  return s.inputs > input && s.in[input].present ? f32(s.in[input]) : nullptr;
}

// Activation, then residual.
struct Forward {
  uint32_t activation;
  const float* residual;
  int64_t width;

  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    ActivationAfter{activation}(c, c_row, row, rows, col, cols);
    for (int i = 0; residual && i < rows; i++) add_run(c + i * c_row, residual + (row + i) * width + col, cols);
  }
};

// Slope, then another gradient.
struct Backward {
  uint32_t slope;
  const float *z, *more;
  int64_t width;

  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    const int64_t at = row * width + col;
    if (z) slope_rows(slope, {c, c_row, z + at, width, rows, cols});
    for (int i = 0; more && i < rows; i++) add_run(c + i * c_row, more + at + i * width, cols);
  }
};

Product forward_of(const Step& s) {
  const View &x = s.in[0], &w = s.in[1];
  const int64_t in = static_cast<int64_t>(x.dims[1]);
  Product p;
  p.shape = {static_cast<int64_t>(x.dims[0]), static_cast<int64_t>(w.dims[0]), in};
  p.left = {{f32(x), in, 1}};
  p.right = {{f32(w), 1, in}};
  p.precision = LinearAttrs::read(s.attrs).precision;
  return p;
}

Product backward_of(const Step& s) {
  const View &dy = s.in[0], &w = s.in[1];
  const int64_t out = static_cast<int64_t>(dy.dims[1]), width = static_cast<int64_t>(w.dims[1]);
  Product p;
  p.shape = {static_cast<int64_t>(dy.dims[0]), width, out};
  p.left = {{f32(dy), out, 1}};
  p.right = {{f32(w), width, 1}};
  p.precision = LinearInputGradAttrs::read(s.attrs).precision;
  return p;
}

template <Product (*kProduct)(const Step&)>
uint64_t scratch(const Step& s, int threads) {
  return kProduct(s).scratch(threads);
}

Status run_linear(const Step& s, const Runtime& rt) {
  const LinearAttrs at = LinearAttrs::read(s.attrs);
  const Product p = forward_of(s);
  const int64_t width = p.shape.cols;
  p.run(rt, rt.scratch, GemmOut{f32(s.out[0]), width, 0, maybe(s, 2), floor_of(at.activation), maybe(s, 3)},
        Forward{at.activation, maybe(s, 3), width});
  return {};
}

Status check_input_grad(const Step& s) {
  const bool slope = LinearInputGradAttrs::read(s.attrs).slope != kNone;
  if (slope != (s.inputs > 2 && s.in[2].present))
    return bad_plan("z must be there exactly where slope is not none", "z");
  return {};
}

Status run_input_grad(const Step& s, const Runtime& rt) {
  const Product p = backward_of(s);
  const int64_t width = p.shape.cols;
  p.run(rt, rt.scratch, GemmOut{f32(s.out[0]), width, 0, nullptr, -__builtin_inff(), maybe(s, 3)},
        Backward{LinearInputGradAttrs::read(s.attrs).slope, maybe(s, 2), maybe(s, 3), width});
  return {};
}

}  // namespace

extern const Kernel linear_kernel = {nullptr, scratch<forward_of>, run_linear};
extern const Kernel linear_input_grad_kernel = {check_input_grad, scratch<backward_of>, run_input_grad};

}  // namespace tenon::TENON_ISA
