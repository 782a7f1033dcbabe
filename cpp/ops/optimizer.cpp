// Parameter updates, one pass over memory. Outputs may stand in the memory of param and the moments.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint32_t kSgdWeight = 2, kAdamwWeight = 4;

Status check_sgd(const Step &step) {
  if (SgdAttrs::read(step.attrs).nesterov > 1) return bad_plan("nesterov must be 0 or 1", "nesterov");
  return {};
}

Status rows_sgd(const Step &step, uint64_t, uint64_t begin, uint64_t end) {
  const SgdAttrs at = SgdAttrs::read(step.attrs);
  const float *param = f32(step.in[0]), *grad = f32(step.in[1]), *velocity = f32(step.in[2]);
  float *param_next = f32(step.out[0]), *velocity_next = f32(step.out[1]);
  const float lr = f32(step.in[3])[0], momentum = at.momentum, decay = at.weight_decay;
  const bool nesterov = at.nesterov != 0;
  for_lanes(end - begin, [&](uint64_t element, int count) {
    const uint64_t i = begin + element;
    const vf p = load_part(param + i, count);
    const vf g = load_part(grad + i, count) + decay * p;
    const vf v = momentum * load_part(velocity + i, count) + g;
    store_part(velocity_next + i, v, count);
    store_part(param_next + i, p - lr * (nesterov ? g + momentum * v : v), count);
  });
  return {};
}

double power(double base, uint64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if ((exponent & 1) != 0) result *= base;
  return result;
}

// 1 / (1 - beta^t) for t = step + 1; steps before the first count as the first.
float correction(float beta, int32_t step) {
  const uint64_t t = step < 0 ? 1 : uint64_t{static_cast<uint32_t>(step)} + 1;
  return static_cast<float>(1 / (1 - power(static_cast<double>(beta), t)));
}

Status rows_adamw(const Step &step, uint64_t, uint64_t begin, uint64_t end) {
  const AdamwAttrs at = AdamwAttrs::read(step.attrs);
  const float *param = f32(step.in[0]), *grad = f32(step.in[1]), *m = f32(step.in[2]), *v = f32(step.in[3]);
  float *param_next = f32(step.out[0]), *m_next = f32(step.out[1]), *v_next = f32(step.out[2]);
  const float lr = f32(step.in[4])[0];
  const int32_t time = i32(step.in[5])[0];
  const float beta1 = at.beta1, beta2 = at.beta2, eps = at.eps, decay = at.weight_decay;
  const float rest1 = static_cast<float>(1 - static_cast<double>(beta1));
  const float rest2 = static_cast<float>(1 - static_cast<double>(beta2));
  const float correct1 = correction(beta1, time);
  const float correct2 = correction(beta2, time);
  for_lanes(end - begin, [&](uint64_t element, int count) {
    const uint64_t i = begin + element;
    const vf p = load_part(param + i, count), g = load_part(grad + i, count);
    const vf m1 = beta1 * load_part(m + i, count) + rest1 * g;
    const vf v1 = beta2 * load_part(v + i, count) + rest2 * (g * g);
    store_part(m_next + i, m1, count);
    store_part(v_next + i, v1, count);
    const vf move = m1 * correct1 / (sqrt(v1 * correct2) + eps);
    store_part(param_next + i, p - lr * (move + decay * p), count);
  });
  return {};
}

}  // namespace

extern const Kernel sgd_kernel = {check_sgd, nullptr, nullptr, rows_sgd, kSgdWeight};
extern const Kernel adamw_kernel = {nullptr, nullptr, nullptr, rows_adamw, kAdamwWeight};

}  // namespace tenon::TENON_ISA
