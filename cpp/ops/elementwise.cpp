// Functions of single elements: unary, gradients of activations, binary with numpy's broadcasting.
#include "gen/attrs.h"
#include "ops/activation.h"
#include "ops/rows.h"
#include "ops/walk.h"
#include "simd/sincos.h"

namespace tenon::TENON_ISA {
namespace {

// ---- one input

vf op_relu(vf x) { return relu(x); }
vf op_gelu(vf x) { return gelu(x); }
vf op_gelu_tanh(vf x) { return gelu_tanh(x); }
vf op_silu(vf x) { return silu(x); }
vf op_tanh(vf x) { return tanh(x); }
vf op_sigmoid(vf x) { return sigmoid(x); }
vf op_exp(vf x) { return exp(x); }
vf op_log(vf x) { return log(x); }
vf op_sin(vf x) { return sin(x); }
vf op_cos(vf x) { return cos(x); }
vf op_sqrt(vf x) { return sqrt(x); }
vf op_rsqrt(vf x) { return 1.0f / sqrt(x); }
vf op_neg(vf x) { return -x; }
vf op_square(vf x) { return x * x; }
vf op_reciprocal(vf x) { return 1.0f / x; }
vf op_erf(vf x) { return erf(x); }
vf op_step(vf x) { return select(x > 0.0f, splat(1.0f), zero()); }
// Zeros and NaN keep what they are.
vf op_sign(vf x) { return select(x > 0.0f, splat(1.0f), select(x < 0.0f, splat(-1.0f), x)); }
vf op_abs(vf x) { return abs(x); }

// A row is an element.
template <vf (*F)(vf)>
Status rows_unary(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  map_row(f32(step.out[0]) + begin, f32(step.in[0]) + begin, end - begin, [](vf x) { return F(x); });
  return {};
}

Status rows_affine(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const AffineAttrs at = AffineAttrs::read(step.attrs);
  const vf scale = splat(static_cast<float>(at.scale)), shift = splat(static_cast<float>(at.shift));
  map_row(f32(step.out[0]) + begin, f32(step.in[0]) + begin, end - begin,
          [=](vf x) { return muladd(x, scale, shift); });
  return {};
}

// ---- two inputs, broadcast

vf op_add(vf a, vf b) { return a + b; }
vf op_sub(vf a, vf b) { return a - b; }
vf op_mul(vf a, vf b) { return a * b; }
vf op_div(vf a, vf b) { return a / b; }
vf op_maximum(vf a, vf b) { return max_nan(a, b); }
vf op_minimum(vf a, vf b) { return select((a < b) | (a != a), a, b); }
vf op_equal(vf a, vf b) { return select(a == b, splat(1.0f), zero()); }

// A row of n: each input advances, or its first element is repeated.
template <vf (*F)(vf, vf)>
void binary_row(float* y, const float* a, const float* b, uint64_t n, bool a_moves, bool b_moves) {
  if (!b_moves) {
    const vf v = splat(*b);
    map_row(y, a, n, [&](vf x) { return F(x, v); });
  } else if (!a_moves) {
    const vf v = splat(*a);
    map_row(y, b, n, [&](vf x) { return F(v, x); });
  } else {
    for_lanes(n, [&](uint64_t i, int count) {
      if (count == kLanes) return store(y + i, F(load(a + i), load(b + i)));
      store_first(y + i, F(load_first(a + i, count), load_first(b + i, count)), count);
    });
  }
}

constexpr uint64_t kPeriod = 512;

// Elements [from, to), whole rows of c, where one input is [rows, c], the other [c] (`repeated`), c small: the short
// one is laid out several times, so that rows of c become rows of whole vectors.
template <vf (*F)(vf, vf)>
void periodic(float* y, const float* a, const float* b, uint64_t from, uint64_t to, uint64_t c, int repeated) {
  float laid[kPeriod];
  const float* once = repeated == 0 ? a : b;
  const uint64_t period = at_most(kPeriod / c * c, to - from);
  for (uint64_t i = 0; i < period; i += c) copy_row(laid + i, once, c);
  for (; from < to; from += period)
    binary_row<F>(y + from, repeated == 0 ? laid : a + from, repeated == 0 ? b + from : laid,
                  at_most(period, to - from), true, true);
}

template <vf (*F)(vf, vf)>
Status rows_binary(const Step& step, uint64_t rows, uint64_t begin, uint64_t end) {
  const float *a = f32(step.in[0]), *b = f32(step.in[1]);
  float* y = f32(step.out[0]);
  const uint64_t n = numel(step.out[0]), width = n / rows, from = begin * width, to = end * width;
  if (numel(step.in[0]) == n && numel(step.in[1]) == n) {
    binary_row<F>(y + from, a + from, b + from, to - from, true, true);
    return {};
  }
  const Walk<2> w = broadcast_walk<2>(step.out[0], step.in);
  const uint32_t last = w.rank - 1;
  const uint64_t c = w.dims[last];
  const bool a_moves = w.stride[0][last] != 0, b_moves = w.stride[1][last] != 0;
  if (w.rank == 2 && a_moves && b_moves && c <= kPeriod / 4 && width % c == 0) {
    periodic<F>(y, a, b, from, to, c, w.stride[0][0] == 0 ? 0 : 1);
    return {};
  }
  for_range(w, from, to, [&](uint64_t out, const uint64_t(&at)[2], uint64_t count) {
    binary_row<F>(y + out, a + at[0], b + at[1], count, a_moves, b_moves);
  });
  return {};
}

template <vf (*F)(vf, vf)>
Status rows_grad(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  binary_row<F>(f32(step.out[0]) + begin, f32(step.in[0]) + begin, f32(step.in[1]) + begin, end - begin, true, true);
  return {};
}

Status check_binary(const Step& step) {
  const View &a = step.in[0], &b = step.in[1], &y = step.out[0];
  if (y.rank != at_least(a.rank, b.rank)) return bad_plan("y must have the rank of the longer input", "y");
  for (uint32_t i = 0; i < y.rank; i++) {
    const uint64_t p = aligned_dim(a, y.rank, i), q = aligned_dim(b, y.rank, i);
    if (p != q && p != 1 && q != 1) return bad_plan("a and b cannot be broadcast together", "b");
    if (y.dims[i] != (p == 1 ? q : p)) return bad_plan("y must have the broadcast shape of a and b", "y");
  }
  return {};
}

constexpr uint32_t kExpWeight = 4;

template <vf (*F)(vf), uint32_t kWeight = 1>
constexpr Kernel unary = {nullptr, nullptr, nullptr, rows_unary<F>, kWeight};
template <vf (*F)(vf, vf), uint32_t kWeight = 1>
constexpr Kernel grad = {nullptr, nullptr, nullptr, rows_grad<F>, kWeight};
template <vf (*F)(vf, vf)>
constexpr Kernel binary = {check_binary, nullptr, nullptr, rows_binary<F>};

}  // namespace

extern const Kernel relu_kernel = unary<op_relu>;
extern const Kernel gelu_kernel = unary<op_gelu, kExpWeight>;
extern const Kernel gelu_tanh_kernel = unary<op_gelu_tanh, kExpWeight>;
extern const Kernel silu_kernel = unary<op_silu, kExpWeight>;
extern const Kernel tanh_kernel = unary<op_tanh, kExpWeight>;
extern const Kernel sigmoid_kernel = unary<op_sigmoid, kExpWeight>;
extern const Kernel exp_kernel = unary<op_exp, kExpWeight>;
extern const Kernel log_kernel = unary<op_log, kExpWeight>;
extern const Kernel sqrt_kernel = unary<op_sqrt>;
extern const Kernel rsqrt_kernel = unary<op_rsqrt>;
extern const Kernel neg_kernel = unary<op_neg>;
extern const Kernel square_kernel = unary<op_square>;
extern const Kernel reciprocal_kernel = unary<op_reciprocal>;
extern const Kernel erf_kernel = unary<op_erf, kExpWeight>;
extern const Kernel sin_kernel = unary<op_sin, kExpWeight>;
extern const Kernel cos_kernel = unary<op_cos, kExpWeight>;
extern const Kernel step_kernel = unary<op_step>;
extern const Kernel sign_kernel = unary<op_sign>;
extern const Kernel abs_kernel = unary<op_abs>;
extern const Kernel affine_kernel = {nullptr, nullptr, nullptr, rows_affine};

extern const Kernel relu_grad_kernel = grad<sloped<kRelu>>;
extern const Kernel tanh_grad_kernel = grad<sloped<kTanh>>;
extern const Kernel sigmoid_grad_kernel = grad<sloped<kSigmoid>>;
extern const Kernel gelu_grad_kernel = grad<sloped<kGelu>, kExpWeight>;
extern const Kernel gelu_tanh_grad_kernel = grad<sloped<kGeluTanh>, kExpWeight>;
extern const Kernel silu_grad_kernel = grad<sloped<kSilu>, kExpWeight>;

extern const Kernel add_kernel = binary<op_add>;
extern const Kernel sub_kernel = binary<op_sub>;
extern const Kernel mul_kernel = binary<op_mul>;
extern const Kernel div_kernel = binary<op_div>;
extern const Kernel maximum_kernel = binary<op_maximum>;
extern const Kernel minimum_kernel = binary<op_minimum>;
extern const Kernel equal_kernel = binary<op_equal>;

}  // namespace tenon::TENON_ISA
