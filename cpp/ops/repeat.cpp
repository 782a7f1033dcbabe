// Affine maps repeated in registers: arithmetic without memory.
#include "gen/attrs.h"
#include "ops/rows.h"
#include "simd/parallel.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int kChains = 12;  // independent ones: more than a multiply-add unit's latency times the units of a core
constexpr uint64_t kBlock = kChains * kLanes;
constexpr uint64_t kMaxRounds = 65536;
constexpr uint64_t kMaxWork = uint64_t{1} << 40;  // rounds times numbers: a step ends in seconds

// y, x: `count` numbers, at most a block. y may be x.
void repeat_block(float* y, const float* x, int64_t count, uint64_t rounds, vf scale, vf shift) {
  vf v[kChains];
  const auto lanes = [&](int i) {
    const int64_t here = count - i * kLanes;
    return static_cast<int>(here < 0 ? 0 : here < kLanes ? here : kLanes);
  };
  for (int i = 0; i < kChains; i++) v[i] = load_first(x + i * kLanes, lanes(i));
  for (uint64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) v[i] = muladd(v[i], scale, shift);
  for (int i = 0; i < kChains; i++) store_first(y + i * kLanes, v[i], lanes(i));
}

Status check_repeat(const Step& step) {
  const RepeatAffineAttrs at = RepeatAffineAttrs::read(step.attrs);
  if (at.rounds > kMaxRounds) return {Code::kBadPlan, "more rounds than 65536", -1, "rounds"};
  if (at.rounds > 0 && numel(step.out[0]) > kMaxWork / at.rounds)
    return {Code::kBadPlan, "more work than a step may be", -1, "rounds"};
  return {};
}

Status run_repeat(const Step& step, const Runtime& rt) {
  const RepeatAffineAttrs at = RepeatAffineAttrs::read(step.attrs);
  const vf scale = splat(static_cast<float>(at.scale)), shift = splat(static_cast<float>(at.shift));
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  const uint64_t n = numel(step.out[0]), blocks = (n + kBlock - 1) / kBlock;
  const uint64_t each = at.rounds < 256 ? 64 : 1;  // blocks a task
  parallel_for(rt, static_cast<uint32_t>((blocks + each - 1) / each), [&](uint32_t task, uint32_t) {
    for (uint64_t b = task * each; b < (task + 1) * each && b < blocks; b++) {
      const uint64_t left = n - b * kBlock;
      repeat_block(y + b * kBlock, x + b * kBlock, static_cast<int64_t>(left < kBlock ? left : kBlock), at.rounds,
                   scale, shift);
    }
  });
  return {};
}

}  // namespace

extern const Kernel repeat_affine_kernel;
const Kernel repeat_affine_kernel{.check = check_repeat, .run = run_repeat};

}  // namespace tenon::TENON_ISA
