// panels[p, k, j] = weight[kPanel p + j, k], zeros where there is no such row.
#include "ops/panels.h"

#include "ops/checks.h"
#include "ops/gemm_plan.h"
#include "simd/parallel.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kDeep = 512;  // numbers of a row that a task turns

Status check(const Step& s) {
  const View& w = s.in[0];
  const uint64_t dims[] = {w.dims[0] / kPanel + (w.dims[0] % kPanel != 0), w.dims[1], kPanel};
  return dims_are(s.out[0], 3, dims) ? Status() : bad_plan("they do not hold the weight", "panels");
}

Status run(const Step& s, const Runtime& rt) {
  const int64_t out = static_cast<int64_t>(s.in[0].dims[0]), width = static_cast<int64_t>(s.in[0].dims[1]);
  const int64_t panels = ceil_div(out, int64_t{kPanel}), parts = ceil_div(width, kDeep);
  const float* from = f32(s.in[0]);
  float* to = f32(s.out[0]);
  parallel_for(rt, static_cast<uint32_t>(panels * parts), [&](uint32_t task, uint32_t) {
    const int64_t p = task / parts, k = task % parts * kDeep;
    pack_transposed(to + (p * width + k) * kPanel, kPanel, from + p * kPanel * width + k, width,
                    least(kDeep, width - k), static_cast<int>(least(kPanel, out - p * kPanel)));
  });
  return {};
}

}  // namespace

extern const Kernel panels_kernel;
const Kernel panels_kernel{.check = check, .run = run};

}  // namespace tenon::TENON_ISA
