// A sweep whose groups have one channel in and one out: vectors run over channels, a few positions at a time share the
// weights of a tap. Weights are laid out [tap, channel].
#pragma once
#include "ops/sweep.h"

namespace tenon::TENON_ISA {

struct DepthwiseRun {
  const Sweep& s;
  SweepPlan p;
  uint8_t* scratch;

  float* weights() const { return reinterpret_cast<float*>(scratch); }
  int64_t* index() const { return reinterpret_cast<int64_t*>(scratch + p.weight_bytes); }
  float* own(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + p.weight_bytes + p.index_bytes + worker * p.band_bytes);
  }

  // `here` channels of n neighbouring positions.
  template <int n, bool whole>
  static __attribute__((always_inline)) void positions(const float* src, int64_t src_step, float* dst, int64_t dst_step,
                                                       const float* w, const float* bias, const int64_t* index,
                                                       int64_t taps, int64_t channels, float floor, int here) {
    const auto get = [here](const float* q) { return whole ? load(q) : load_first(q, here); };
    vf y[n];
    for (int i = 0; i < n; i++) y[i] = bias ? get(bias) : zero();
    for (int64_t t = 0; t < taps; t++) {
      const vf f = get(w + t * channels);
      const float* at = reinterpret_cast<const float*>(reinterpret_cast<const char*>(src) + index[t]);
      for (int i = 0; i < n; i++) y[i] = muladd(f, get(at + i * src_step), y[i]);
    }
    for (int i = 0; i < n; i++) {
      const vf r = max(splat(floor), y[i]);
      if (whole)
        store(dst + i * dst_step, r);
      else
        store_first(dst + i * dst_step, r, here);
    }
  }

  template <bool whole>
  void channels(const float* src, float* dst, int64_t n, int64_t c, int here) const {
    const Axis& w = s.axis[2];
    const int64_t all = s.groups, step = w.step * all;
    const float* bias = s.bias ? s.bias + c : nullptr;
    const float floor = floor_of(s.activation);
    int64_t x = 0;
    for (; x + 6 <= n; x += 6)
      positions<6, whole>(src + x * step + c, step, dst + x * w.dst + c, w.dst, weights() + c, bias, index(), p.taps,
                          all, floor, here);
    for (; x < n; x++)
      positions<1, whole>(src + x * step + c, step, dst + x * w.dst + c, w.dst, weights() + c, bias, index(), p.taps,
                          all, floor, here);
  }

  // n positions of an output row.
  void line(const float* src, float* dst, int64_t n) const {
    int64_t c = 0;
    for (; c + kLanes <= s.groups; c += kLanes) channels<true>(src, dst, n, c, kLanes);
    if (c < s.groups) channels<false>(src, dst, n, c, static_cast<int>(s.groups - c));
    if (s.activation > kRelu)
      for (int64_t x = 0; x < n; x++) activate_run(s.activation, dst + x * s.axis[2].dst, s.groups);
  }
};

TENON_INLINE SweepPlan plan_depthwise(const Sweep& s, int threads) {
  SweepPlan p = plan_sweep(s, threads);
  p.col_groups = 1;
  p.weight_bytes = round64(p.taps * s.groups * 4);
  return p;
}

// weights: `tap(to, t)` writes the weights of tap t for every channel.
template <typename Weights>
TENON_INLINE void depthwise(const Runtime& rt, uint8_t* scratch, const Sweep& s, const Weights& weights) {
  const SweepPlan p = plan_depthwise(s, rt.threads);
  if (p.panels == 0 || s.groups == 0) return;
  const DepthwiseRun run{s, p, scratch};
  const SweepRun<Weights> index{s, p, weights, scratch};
  index.make_index();
  for (int64_t t = 0; t < p.taps; t++) weights.tap(run.weights() + t * s.groups, t);
  for_bands(rt, s, p, [&](const Band& b, uint32_t worker) {
    float* own = run.own(worker);
    make_results(s, p, b, open_band(s, p, b, own), own, 0, s.groups,
                 [&](const Band& some, const float* src, float* dst) {
                   for (int64_t y = 0; y < some.rows; y++)
                     run.line(src + y * s.axis[1].step * p.row, dst + y * s.axis[1].dst, some.cols);
                 });
  });
}

}  // namespace tenon::TENON_ISA
