// Softmax over the last axis, its gradient, and cross-entropy with whole-number labels. The largest value is subtracted
// first; sums of exponentials are good to 1e-7.
#include "gen/attrs.h"
#include "ops/parts.h"
#include "ops/rows.h"
#include "simd/math.h"

namespace tenon::TENON_ISA {
namespace {

struct Rows {
  uint64_t rows;
  uint64_t width;
};

// All but the last axis are rows. Empty tensors have none.
Rows rows_of(const View& v) {
  const uint64_t n = numel(v);
  if (n == 0) return {0, 0};
  const uint64_t width = v.dims[v.rank - 1];
  return {n / width, width};
}

// body(row) in parallel; `weight` tells how much more than a copy a row's element is.
template <typename Body>
void for_each_row(const Runtime& rt, const Rows& r, uint64_t weight, Body body) {
  for_parts(rt, parts_of(r.rows, r.width * weight), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t row = begin; row < end; row++) body(row);
  });
}

constexpr uint64_t kExpWeight = 4;

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

Status run_softmax(const Step& step, const Runtime& rt) {
  const Rows r = rows_of(step.in[0]);
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  for_each_row(rt, r, kExpWeight, [&](uint64_t row) { softmax_row(y + row * r.width, x + row * r.width, r.width); });
  return {};
}

// dx = y * (dy - sum(dy * y))
Status run_softmax_grad(const Step& step, const Runtime& rt) {
  const Rows r = rows_of(step.in[0]);
  for_each_row(rt, r, 1, [&](uint64_t row) {
    const uint64_t at = row * r.width;
    const float *y = f32(step.in[0]) + at, *dy = f32(step.in[1]) + at;
    float* dx = f32(step.out[0]) + at;
    const float along = static_cast<float>(
        sum_terms(r.width, [&](uint64_t i, int count) { return load_part(y + i, count) * load_part(dy + i, count); }));
    for_lanes(r.width, [&](uint64_t i, int count) {
      store_part(dx + i, load_part(y + i, count) * (load_part(dy + i, count) - along), count);
    });
  });
  return {};
}

Status bad_label() { return {Code::kBadIndex, "a label is not one of the classes", -1, "labels"}; }

bool all_classes(const View& labels, uint64_t classes) {
  const int32_t* p = i32(labels);
  bool inside = true;
  for (uint64_t i = 0; i < labels.dims[0]; i++) inside &= p[i] >= 0 && static_cast<uint64_t>(p[i]) < classes;
  return inside;
}

// loss = log(sum e^(x - largest)) + largest - x[label], the logarithm and the difference in f64.
Status run_cross_entropy(const Step& step, const Runtime& rt) {
  const Rows r = rows_of(step.in[0]);
  const int32_t* label = i32(step.in[1]);
  if (!all_classes(step.in[1], step.in[0].dims[1])) return bad_label();
  for_each_row(rt, r, kExpWeight, [&](uint64_t row) {
    const float* x = f32(step.in[0]) + row * r.width;
    const float largest = max_row(x, r.width);
    const double rest = static_cast<double>(largest) - static_cast<double>(x[label[row]]);
    f32(step.out[0])[row] = static_cast<float>(__builtin_log(exp_sum(x, largest, r.width)) + rest);
  });
  return {};
}

// dlogits = (softmax - onehot) * dloss
Status run_cross_entropy_grad(const Step& step, const Runtime& rt) {
  const Rows r = rows_of(step.in[0]);
  const int32_t* label = i32(step.in[1]);
  if (!all_classes(step.in[1], step.in[0].dims[1])) return bad_label();
  for_each_row(rt, r, kExpWeight, [&](uint64_t row) {
    const float* x = f32(step.in[0]) + row * r.width;
    float* dx = f32(step.out[0]) + row * r.width;
    softmax_row(dx, x, r.width);
    dx[label[row]] -= 1.0f;
    const float dloss = f32(step.in[2])[row];
    map_row(dx, dx, r.width, [&](vf d) { return d * dloss; });
  });
  return {};
}

// Whether the first largest logit is the label's; a row with NaN, or a label that is no class, has none.
Status run_correct(const Step& step, const Runtime& rt) {
  const Rows r = {step.in[0].dims[0], step.in[0].dims[1]};
  const int32_t* label = i32(step.in[1]);
  for_each_row(rt, r, 1, [&](uint64_t row) {
    const float* x = f32(step.in[0]) + row * r.width;
    const float largest = max_row(x, r.width);
    uint64_t first = 0;
    while (first < r.width && x[first] != largest) first++;
    const bool hit = first < r.width && label[row] >= 0 && first == static_cast<uint64_t>(label[row]);
    f32(step.out[0])[row] = hit ? 1.0f : 0.0f;
  });
  return {};
}

}  // namespace

extern const Kernel softmax_kernel = {nullptr, nullptr, run_softmax};
extern const Kernel softmax_grad_kernel = {nullptr, nullptr, run_softmax_grad};
extern const Kernel cross_entropy_kernel = {nullptr, nullptr, run_cross_entropy};
extern const Kernel cross_entropy_grad_kernel = {nullptr, nullptr, run_cross_entropy_grad};
extern const Kernel correct_kernel = {nullptr, nullptr, run_correct};

}  // namespace tenon::TENON_ISA
