// Softmax over the last axis, its gradient, and cross-entropy with whole-number labels. The largest value is subtracted
// first; sums of exponentials are good to 1e-7.
#include "base/kernel.h"
#include "gen/attrs.h"
#include "ops/rows.h"
#include "simd/math.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint32_t kExpWeight = 4;

// All but the last axis are rows.
uint64_t width_of(const View& v) { return v.dims[v.rank - 1]; }

// y = e^(x - largest); gives the sum of y.
double exp_row(float* y, const float* x, float largest, uint64_t n) {
  return sum_terms(n, [&](uint64_t i, int count) {
    const vf e = exp(load_part(x + i, count) - largest);
    store_part(y + i, e, count);
    return e;
  });
}

double exp_sum(const float* x, float largest, uint64_t n) {
  return sum_terms(n, [&](uint64_t i, int count) { return exp(load_part(x + i, count) - largest); });
}

void softmax_row(float* y, const float* x, uint64_t n) {
  const float scale = static_cast<float>(1.0 / exp_row(y, x, max_row(x, n), n));
  map_row(y, y, n, [&](vf e) { return e * scale; });
}

Status rows_softmax(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const uint64_t n = width_of(step.in[0]);
  for (uint64_t at = begin * n; at < end * n; at += n) softmax_row(f32(step.out[0]) + at, f32(step.in[0]) + at, n);
  return {};
}

// dx = y * (dy - sum(dy * y))
Status rows_softmax_grad(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const uint64_t n = width_of(step.in[0]);
  for (uint64_t at = begin * n; at < end * n; at += n) {
    const float *y = f32(step.in[0]) + at, *dy = f32(step.in[1]) + at;
    float* dx = f32(step.out[0]) + at;
    const float along = static_cast<float>(
        sum_terms(n, [&](uint64_t i, int count) { return load_part(y + i, count) * load_part(dy + i, count); }));
    for_lanes(n, [&](uint64_t i, int count) {
      store_part(dx + i, load_part(y + i, count) * (load_part(dy + i, count) - along), count);
    });
  }
  return {};
}

Status bad_label() { return {Code::kBadIndex, "a label is not one of the classes", -1, "labels"}; }

bool all_classes(const int32_t* label, uint64_t begin, uint64_t end, uint64_t classes) {
  bool inside = true;
  for (uint64_t i = begin; i < end; i++) inside &= label[i] >= 0 && static_cast<uint64_t>(label[i]) < classes;
  return inside;
}

// loss = log(sum e^(x - largest)) + largest - x[label], the logarithm and the difference in f64.
Status rows_cross_entropy(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const uint64_t n = width_of(step.in[0]);
  const int32_t* label = i32(step.in[1]);
  if (!all_classes(label, begin, end, n)) return bad_label();
  for (uint64_t row = begin; row < end; row++) {
    const float* x = f32(step.in[0]) + row * n;
    const float largest = max_row(x, n);
    const double rest = static_cast<double>(largest) - static_cast<double>(x[label[row]]);
    f32(step.out[0])[row] = static_cast<float>(__builtin_log(exp_sum(x, largest, n)) + rest);
  }
  return {};
}

// dlogits = (softmax - onehot) * dloss
Status rows_cross_entropy_grad(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const uint64_t n = width_of(step.in[0]);
  const int32_t* label = i32(step.in[1]);
  if (!all_classes(label, begin, end, n)) return bad_label();
  for (uint64_t row = begin; row < end; row++) {
    const float* x = f32(step.in[0]) + row * n;
    float* dx = f32(step.out[0]) + row * n;
    softmax_row(dx, x, n);
    dx[label[row]] -= 1.0f;
    const float dloss = f32(step.in[2])[row];
    map_row(dx, dx, n, [&](vf d) { return d * dloss; });
  }
  return {};
}

// Whether the first largest logit is the label's; a row with NaN, or a label that is no class, has none.
Status rows_correct(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const uint64_t n = width_of(step.in[0]);
  const int32_t* label = i32(step.in[1]);
  for (uint64_t row = begin; row < end; row++) {
    const float* x = f32(step.in[0]) + row * n;
    const float largest = max_row(x, n);
    uint64_t first = 0;
    while (first < n && x[first] != largest) first++;
    const bool hit = first < n && label[row] >= 0 && first == static_cast<uint64_t>(label[row]);
    f32(step.out[0])[row] = hit ? 1.0f : 0.0f;
  }
  return {};
}

}  // namespace

extern const Kernel softmax_kernel = {nullptr, nullptr, nullptr, rows_softmax, kExpWeight};
extern const Kernel softmax_grad_kernel = {nullptr, nullptr, nullptr, rows_softmax_grad, 2};
extern const Kernel cross_entropy_kernel = {nullptr, nullptr, nullptr, rows_cross_entropy, kExpWeight};
extern const Kernel cross_entropy_grad_kernel = {nullptr, nullptr, nullptr, rows_cross_entropy_grad, kExpWeight};
extern const Kernel correct_kernel = {nullptr, nullptr, nullptr, rows_correct};

}  // namespace tenon::TENON_ISA
