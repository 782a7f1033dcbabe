// Walsh-Hadamard transform over the last axis.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/transform.h"

namespace tenon::TENON_ISA {
namespace {

Status check_hadamard(const Step& step) {
  const View& x = step.in[0];
  const uint64_t n = x.dims[x.rank - 1];
  if (n == 0 || (n & (n - 1)) != 0) return bad_plan("the last axis must be a power of two", "x");
  return {};
}

// x, y: [..., n]   y may be x.
Status run_hadamard(const Step& step, const Runtime& rt) {
  const View& x = step.in[0];
  const uint64_t n = x.dims[x.rank - 1];
  transform_rows(rt, f32(x), f32(step.out[0]), numel(x) / n, n, HadamardAttrs::read(step.attrs).scale);
  return {};
}

}  // namespace

extern const Kernel hadamard_kernel = {check_hadamard, nullptr, run_hadamard};

}  // namespace tenon::TENON_ISA
