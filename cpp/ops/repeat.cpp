// Affine maps and products of bf16 repeated in registers: arithmetic without memory.
#include "gen/attrs.h"
#include "ops/rows.h"
#include "simd/bf16.h"
#include "simd/parallel.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int kChains = 12;  // independent ones: more than a multiply-add unit's latency times the units of a core
constexpr uint64_t kBlock = kChains * kLanes;
constexpr uint64_t kMaxRounds = 65536;
constexpr uint64_t kMaxWork = uint64_t{1} << 40;  // rounds times numbers: a step ends in seconds

// y, x: `count` numbers, at most a block. y may be x.
template <typename Round>
void repeat_block(float* y, const float* x, int64_t count, uint64_t rounds, const Round& round) {
  vf v[kChains];
  const auto lanes = [&](int i) {
    const int64_t here = count - i * kLanes;
    return static_cast<int>(here < 0 ? 0 : here < kLanes ? here : kLanes);
  };
  for (int i = 0; i < kChains; i++) v[i] = load_first(x + i * kLanes, lanes(i));
  for (uint64_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) v[i] = round(v[i]);
  for (int i = 0; i < kChains; i++) store_first(y + i * kLanes, v[i], lanes(i));
}

Status check_rounds(const Step& step, uint64_t rounds) {
  if (rounds > kMaxRounds) return {Code::kBadPlan, "more rounds than 65536", -1, "rounds"};
  if (rounds > 0 && numel(step.out[0]) > kMaxWork / rounds)
    return {Code::kBadPlan, "more work than a step may be", -1, "rounds"};
  return {};
}

template <typename Round>
Status repeat(const Step& step, const Runtime& rt, uint64_t rounds, const Round& round) {
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  const uint64_t n = numel(step.out[0]), blocks = (n + kBlock - 1) / kBlock;
  const uint64_t each = rounds < 256 ? 64 : 1;  // blocks a task
  parallel_for(rt, static_cast<uint32_t>((blocks + each - 1) / each), [&](uint32_t task, uint32_t) {
    for (uint64_t b = task * each; b < (task + 1) * each && b < blocks; b++) {
      const uint64_t left = n - b * kBlock;
      repeat_block(y + b * kBlock, x + b * kBlock, static_cast<int64_t>(left < kBlock ? left : kBlock), rounds, round);
    }
  });
  return {};
}

Status check_affine(const Step& step) { return check_rounds(step, RepeatAffineAttrs::read(step.attrs).rounds); }
Status check_dot(const Step& step) { return check_rounds(step, RepeatDotAttrs::read(step.attrs).rounds); }

Status run_affine(const Step& step, const Runtime& rt) {
  const RepeatAffineAttrs at = RepeatAffineAttrs::read(step.attrs);
  const vf scale = splat(static_cast<float>(at.scale)), shift = splat(static_cast<float>(at.shift));
  return repeat(step, rt, at.rounds, [=](vf v) { return muladd(v, scale, shift); });
}

Status run_dot(const Step& step, const Runtime& rt) {
  const RepeatDotAttrs at = RepeatDotAttrs::read(step.attrs);
  const vf a = splat(static_cast<float>(at.a)), b = splat(static_cast<float>(at.b));
#if TENON_VBYTES == 64
  if (has_bf16()) {
    const vf as = pairs(a, a), bs = pairs(b, b);
    return repeat(step, rt, at.rounds, [=](vf v) { return dot_pairs(as, bs, v); });
  }
#endif
  const vf as = round_bf16(a), bs = round_bf16(b);
  return repeat(step, rt, at.rounds, [=](vf v) { return muladd(as, bs, muladd(as, bs, v)); });
}

}  // namespace

extern const Kernel repeat_affine_kernel, repeat_dot_kernel;
const Kernel repeat_affine_kernel{.check = check_affine, .run = run_affine};
const Kernel repeat_dot_kernel{.check = check_dot, .run = run_dot};

}  // namespace tenon::TENON_ISA
