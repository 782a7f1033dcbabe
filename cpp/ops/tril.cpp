// The lower triangle of each matrix: y = x where column <= row, else a value.
#include "gen/attrs.h"
#include "ops/rows.h"
#include "simd/parallel.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kGrain = 16384;  // elements a task

// x, y: [..., rows, cols]   y may be x.
Status run_tril(const Step& step, const Runtime& rt) {
  const TrilAttrs at = TrilAttrs::read(step.attrs);
  const View& x = step.in[0];
  const uint64_t cols = x.dims[x.rank - 1], rows = x.dims[x.rank - 2];
  if (numel(x) == 0) return {};
  const uint64_t all = numel(x) / cols, rows_a_task = cols >= kGrain ? 1 : kGrain / cols;
  const float* from = f32(x);
  float* to = f32(step.out[0]);
  parallel_for(rt, static_cast<uint32_t>((all + rows_a_task - 1) / rows_a_task), [&](uint32_t task, uint32_t) {
    const uint64_t first = task * rows_a_task, last = first + rows_a_task < all ? first + rows_a_task : all;
    for (uint64_t r = first; r < last; r++) {
      const uint64_t kept = r % rows + 1 < cols ? r % rows + 1 : cols;
      if (to != from) copy_row(to + r * cols, from + r * cols, kept);
      fill_row(to + r * cols + kept, at.value, cols - kept);
    }
  });
  return {};
}

}  // namespace

extern const Kernel tril_kernel;
const Kernel tril_kernel{.run = run_tril};

}  // namespace tenon::TENON_ISA
