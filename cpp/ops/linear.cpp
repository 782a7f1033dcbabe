// y = activation(x weightᵀ + bias) + residual, the same with the slope of the activation, and dx = (dy weight) factor +
// more. What comes after a product is done to a tile in the first cache.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/panels.h"
#include "ops/product.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {
namespace {

// p += x, and p *= x, over n numbers in a row.
TENON_INLINE void add_run(float* p, const float* x, int64_t n) {
  for_lanes(static_cast<uint64_t>(n), [&](uint64_t i, int count) {
    store_part(p + i, load_part(p + i, count) + load_part(x + i, count), count);
  });
}
TENON_INLINE void multiply_run(float* p, const float* x, int64_t n) {
  for_lanes(static_cast<uint64_t>(n), [&](uint64_t i, int count) {
    store_part(p + i, load_part(p + i, count) * load_part(x + i, count), count);
  });
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

// y becomes activation(z) and z its slope, n of them.
template <uint32_t kind>
void keep_slopes(float* z, float* y, int64_t n) {
  for_vectors<kTogether>(n, [&](auto vectors, int64_t i) {
    vf x[vectors.kCount], value[vectors.kCount], slope[vectors.kCount];
    vectors.load(z + i, x);
    activate_with_slope<kind>(x, value, slope);
    vectors.store(y + i, value);
    vectors.store(z + i, slope);
  });
}
using KeepSlopes = void (*)(float*, float*, int64_t);
template <uint32_t... kinds>
KeepSlopes keep_slopes_of(uint32_t kind, Kinds<kinds...>) {
  constexpr KeepSlopes kTable[] = {keep_slopes<kinds>...};
  return kTable[kind];
}

// A product that is z and shall be a slope.
struct WithSlope {
  KeepSlopes keep;
  float* y;
  int64_t width;

  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    for (int i = 0; i < rows; i++) keep(c + i * c_row, y + (row + i) * width + col, cols);
  }
};

// Factor, then another gradient.
struct Backward {
  const float *factor, *more;
  int64_t width;

  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    const int64_t at = row * width + col;
    for (int i = 0; factor && i < rows; i++) multiply_run(c + i * c_row, factor + at + i * width, cols);
    for (int i = 0; more && i < rows; i++) add_run(c + i * c_row, more + at + i * width, cols);
  }
};

template <typename Attrs>
Product forward_of(const Step& s) {
  const View &x = s.in[0], &w = s.in[1];
  const int64_t in = static_cast<int64_t>(x.dims[1]);
  Product p;
  p.shape = {static_cast<int64_t>(x.dims[0]), static_cast<int64_t>(w.dims[0]), in, 1, x.made, w.made};
  p.left = {{f32(x), in, 1}};
  p.right = {{f32(w), 1, in}};
  p.precision = Attrs::read(s.attrs).precision;
  p.memo = s.memo;
  return p;
}

Product backward_of(const Step& s) {
  const View &dy = s.in[0], &w = s.in[1];
  const int64_t out = static_cast<int64_t>(dy.dims[1]), width = static_cast<int64_t>(w.dims[1]);
  Product p;
  p.shape = {static_cast<int64_t>(dy.dims[0]), width, out, 1, dy.made, w.made};
  p.left = {{f32(dy), out, 1}};
  p.right = {{f32(w), width, 1}};
  p.precision = LinearInputGradAttrs::read(s.attrs).precision;
  p.memo = s.memo;
  return p;
}

template <Product (*kProduct)(const Step&)>
uint64_t scratch(const Step& s, int threads) {
  return kProduct(s).scratch(threads);
}

Status run_linear(const Step& s, const Runtime& rt) {
  const LinearAttrs at = LinearAttrs::read(s.attrs);
  const Product p = forward_of<LinearAttrs>(s);
  const int64_t width = p.shape.cols;
  p.run(rt, rt.scratch, GemmOut{f32(s.out[0]), width, 0, maybe(s, 2), floor_of(at.activation), {maybe(s, 3)}},
        Forward{at.activation, maybe(s, 3), width});
  return {};
}

// A weight in panels needs no room to be packed.
struct PanelProduct {
  GemmShape shape;
  LeftMatrix left;
  RightPanels right;
  uint64_t* memo;

  explicit PanelProduct(const Step& s) : memo(s.memo) {
    const int64_t in = static_cast<int64_t>(s.in[0].dims[1]);
    const View &x = s.in[0], &panels = s.in[1];
    shape = {static_cast<int64_t>(x.dims[0]), static_cast<int64_t>(s.out[0].dims[1]), in, 1, x.made, panels.made};
    left = {{f32(s.in[0]), in, 1}};
    right = {f32(s.in[1]), in};
  }
  GemmPlan plan(int threads) const {
    GemmPlan p = plan_gemm(shape, threads, left.m, true, false, true, kTileCols, memo);
    p.right_bytes = 0;
    return p;
  }
};

Status check_panels(const Step& s) {
  const uint64_t out = LinearPanelsAttrs::read(s.attrs).out;
  if (s.out[0].dims[1] != out) return bad_plan("not as many outputs as the attribute says", "y");
  if (s.in[1].dims[0] != out / kPanel + (out % kPanel != 0))
    return bad_plan("not as many as the outputs take", "panels");
  return {};
}

uint64_t scratch_panels(const Step& s, int threads) { return gemm_scratch(PanelProduct(s).plan(threads), threads); }

Status run_panels(const Step& s, const Runtime& rt) {
  const LinearPanelsAttrs at = LinearPanelsAttrs::read(s.attrs);
  const PanelProduct p(s);
  const int64_t width = p.shape.cols;
  gemm(rt, rt.scratch, p.plan(rt.threads), p.left, p.right,
       GemmOut{f32(s.out[0]), width, 0, maybe(s, 2), floor_of(at.activation), {maybe(s, 3)}},
       Forward{at.activation, maybe(s, 3), width});
  return {};
}

Status run_with_slope(const Step& s, const Runtime& rt) {
  const Product p = forward_of<LinearWithSlopeAttrs>(s);
  const int64_t width = p.shape.cols;
  float *y = f32(s.out[0]), *slope = f32(s.out[1]);
  const KeepSlopes keep = keep_slopes_of(LinearWithSlopeAttrs::read(s.attrs).activation, EveryActivation{});
  p.run(rt, rt.scratch, GemmOut{slope, width, 0, maybe(s, 2), -__builtin_inff(), {y}}, WithSlope{keep, y, width});
  return {};
}

Status run_input_grad(const Step& s, const Runtime& rt) {
  const Product p = backward_of(s);
  const int64_t width = p.shape.cols;
  const float *factor = maybe(s, 2), *more = maybe(s, 3);
  p.run(rt, rt.scratch, GemmOut{f32(s.out[0]), width, 0, nullptr, -__builtin_inff(), {factor, more}},
        Backward{factor, more, width});
  return {};
}

}  // namespace

extern const Kernel linear_kernel = {nullptr, scratch<forward_of<LinearAttrs>>, run_linear};
extern const Kernel linear_panels_kernel = {check_panels, scratch_panels, run_panels};
extern const Kernel linear_with_slope_kernel = {nullptr, scratch<forward_of<LinearWithSlopeAttrs>>, run_with_slope};
extern const Kernel linear_input_grad_kernel = {nullptr, scratch<backward_of>, run_input_grad};

}  // namespace tenon::TENON_ISA
