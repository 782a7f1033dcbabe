// Random ops: pure functions of key, step and position, so that rewrites and threads change nothing and nothing is
// stored.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"
#include "simd/philox.h"

namespace tenon::TENON_ISA {
namespace {

static_assert(kPart % kBlockWords == 0);

// ---- dropout

Status check_dropout(const Step& step) {
  const float p = DropoutAttrs::read(step.attrs).p;
  if (!(p >= 0.0f && p <= 1.0f)) return bad_plan("p must be between 0 and 1", "p");
  return {};
}

// Element e is kept where its word, e % 4 of block e / 4, is at least p * 2^32 (rounded half up).
Status rows_dropout(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const DropoutAttrs at = DropoutAttrs::read(step.attrs);
  const double p = static_cast<double>(at.p);
  const uint64_t threshold = static_cast<uint64_t>(p * 4294967296.0 + 0.5);
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  const uint32_t count = static_cast<uint32_t>(i32(step.in[1])[0]);
  const PhiloxKey key = {at.key0, at.key1};
  if (threshold > 0xffffffffu) {
    fill_row(y + begin, 0.0f, end - begin);
    return {};
  }
  const vu limit = static_cast<uint32_t>(threshold) + vu{};
  const vf scale = splat(static_cast<float>(1 / (1 - p)));
  vu words[2];
  if (begin % 4 != 0) {
    philox_words(begin / 4, count, key, words);
    for (; begin % 4 != 0 && begin < end; begin++)
      y[begin] = words[0][begin % 4] >= limit[0] ? x[begin] * scale[0] : 0.0f;
  }
  for (uint64_t i = begin; i < end; i += kBlockWords) {
    philox_words(i / 4, count, key, words);
    for (int half = 0; half < 2; half++) {
      const uint64_t from = i + static_cast<uint64_t>(half) * kLanes;
      if (from >= end) break;
      const int some = static_cast<int>(at_most(kLanes, end - from));
      const vi kept = (vi)(words[half] >= limit);
      store_part(y + from, select(kept, load_part(x + from, some) * scale, zero()), some);
    }
  }
  return {};
}

// ---- random_normal, fill: no inputs

template <class Attrs>
Status check_dims(const Step& step) {
  const Attrs at = Attrs::read(step.attrs);
  if (!dims_are(step.out[0], at.dims_rank, at.dims)) return bad_plan("y must have the shape dims", "y");
  return {};
}

Status run_random_normal(const Step& step, const Runtime& rt) {
  const RandomNormalAttrs at = RandomNormalAttrs::read(step.attrs);
  const PhiloxKey key = {at.key0, at.key1};
  const uint32_t count = step.in[0].present ? static_cast<uint32_t>(i32(step.in[0])[0]) : 0;
  float* y = f32(step.out[0]);
  for_parts(rt, parts_of(numel(step.out[0]), 1), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (; begin + kBlockWords <= end; begin += kBlockWords) normals(begin / 4, count, 0, key, at.std, y + begin);
    if (begin == end) return;
    float last[kBlockWords];
    normals(begin / 4, count, 0, key, at.std, last);
    copy_row(y + begin, last, end - begin);
  });
  return {};
}

Status rows_fill(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  fill_row(f32(step.out[0]) + begin, FillAttrs::read(step.attrs).value, end - begin);
  return {};
}

}  // namespace

extern const Kernel dropout_kernel = {check_dropout, nullptr, nullptr, rows_dropout, 2};
extern const Kernel random_normal_kernel = {check_dims<RandomNormalAttrs>, nullptr, run_random_normal};
extern const Kernel fill_kernel = {check_dims<FillAttrs>, nullptr, nullptr, rows_fill};

}  // namespace tenon::TENON_ISA
