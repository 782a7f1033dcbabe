// A sweep whose groups have one channel in and one out: vectors run over channels, and a block of neighbouring
// positions shares the weights of a tap. Taps outside the source are left out, so it is read where it lies. Weights are
// laid out as tap_numbers says, taps of a row in the order of what they read.
#pragma once
#include "ops/depthwise_slide.h"

namespace tenon::TENON_ISA {

TENON_INLINE bool slides(const Sweep& s) { return !s.pooling && suits_slide(ascending(s)); }

TENON_INLINE SweepPlan plan_depthwise(const Sweep& s, int threads) {
  SweepPlan p = plan_sweep(s, threads);
  const int64_t height = s.axis[1].out, slices = s.images * s.axis[0].out;
  if (p.taps > 0 && slides(s)) {  // down the whole map, where there are slices for all threads
    p.bands = threads == 1 ? 1 : most(1, least(ceil_div(height, 4), ceil_div(4 * threads, slices * p.spans)));
    p.band = ceil_div(height, p.bands);
    p.bands = ceil_div(height, p.band);
  }
  p.col_groups = 1;
  p.weight_bytes = round64(ceil_div(s.groups, kLanes) * tap_numbers(s) * 4);
  p.index_bytes = p.band_bytes = 0;
  plan_pooling(s, p, s.axis[1].dst);
  return p;
}

constexpr int64_t kLeaveFrom = int64_t{12} << 20;  // bytes: the last cache would not keep more for what reads them

// Weights: `tap(to, apart, t)` writes the weights of tap t for every channel, vectors of them `apart`.
template <typename Weights>
struct DepthwiseRun {
  Sweep s;
  SweepPlan p;
  Weights weights;
  float* packed;
  uint8_t* rest;

  static SweepPlan plan(const Sweep& s, int threads) { return plan_depthwise(s, threads); }
  static uint64_t rest_bytes(const SweepPlan& p, int threads) { return sweep_rest(p, threads); }

  // Whether results, so many that no cache keeps them, are written past the caches, a line at a time.
  bool leaves() const {
    return kLanes * 4 == 64 && s.groups % kLanes == 0 && !s.pooling && s.activation <= kRelu &&
           s.images * s.dst_image * 4 >= kLeaveFrom && reinterpret_cast<uintptr_t>(s.dst) % 64 == 0;
  }

  float* own(uint32_t worker) const { return reinterpret_cast<float*>(rest + worker * p.band_bytes); }

  // Positions whose taps along the row all lie inside, or a single one, of `here` channels.
  struct Positions {
    const TapRows& r;
    const float *src, *w, *bias;
    float* dst;
    int64_t channels, numbers, src_step, tap_step, dst_step, rows_step;
    float floor;
    bool past;  // the caches

    template <int n, int kTaps, int kStep, bool whole>
    __attribute__((always_inline)) void make(int64_t c, int here, TapRange in) const {
      const auto get = [here](const float* q) __attribute__((always_inline)) {
        return whole ? load(q) : load_first(q, here);
      };
      vf y[n];
      for (int i = 0; i < n; i++) y[i] = bias ? get(bias + c) : zero();
      const float* weights = w + c / kLanes * numbers;
      for (int64_t a = 0; a < r.deep; a++)
        for (int64_t b = 0; b < r.high; b++) {
          const float* at = src + a * r.src_deep + b * r.src_high + c;
          const float* f = weights + a * r.tap_deep + b * r.tap_high;
          if constexpr (kTaps > 0) {
            if (a + 1 == r.deep && b + 1 == r.high)
              for (int64_t i = 1; i <= rows_step; i++) wish<n * kStep>(at + i * r.src_row, channels);
            vf k[kTaps];
            for (int t = 0; t < kTaps; t++) k[t] = get(f + t * kLanes);
            using Block = Positioned<n, kTaps, kStep>;
            for_constants<Block::reads>([&]<int j>(Constant<j>) __attribute__((always_inline)) {
              if (j < in.from || j >= in.to) return;
              vf x = get(at + j * channels);
              in_register(x);
              for_meeting<Block, j>([&](int t, int i) __attribute__((always_inline)) { y[i] = muladd(k[t], x, y[i]); });
            });
          } else {
            for (int64_t t = in.from; t < in.to; t++, at += tap_step, f += kLanes) {
              const vf k = get(f);
              for (int i = 0; i < n; i++) y[i] = muladd(k, get(at + i * src_step), y[i]);
            }
          }
        }
      for (int i = 0; i < n; i++) {
        const vf v = max(splat(floor), y[i]);
        if (whole && past)
          stream(dst + i * dst_step + c, v);
        else if (whole)
          store(dst + i * dst_step + c, v);
        else
          store_first(dst + i * dst_step + c, v, here);
      }
    }
  };

  // n positions from x on, of an output row at dst.
  void line(const TapRows& r, int64_t x, int64_t n, float* dst) const {
    const Axis& wide = s.axis[2];
    for_positions(wide, x, n,
                  [&]<int kCount, int kTaps, int kStep>(Positioned<kCount, kTaps, kStep> block, int64_t at) {
                    const int64_t all = s.groups, first = kTaps > 0 ? 0 : block.inside.from;
                    const Positions run{r,
                                        s.src + r.src + source_of(wide, at, first) * all,
                                        packed + r.tap + first * kLanes,
                                        s.bias,
                                        dst + (at - x) * wide.dst,
                                        all,
                                        tap_numbers(s),
                                        wide.step * all,
                                        wide.delta * all,
                                        wide.dst,
                                        rows_ahead(s.axis[1]),
                                        floor_of(s.activation),
                                        leaves()};
                    int64_t c = 0;
                    for (; c + kLanes <= all; c += kLanes)
                      run.template make<kCount, kTaps, kStep, true>(c, kLanes, block.inside);
                    if (c < all)
                      run.template make<kCount, kTaps, kStep, false>(c, static_cast<int>(all - c), block.inside);
                  });
    if (s.activation > kRelu)
      for (int64_t i = 0; i < n; i++) activate_run(s.activation, dst + i * wide.dst, s.groups);
  }

  void band(const Band& b, float* dst) const {
    for (int64_t y = 0; y < b.rows; y++) line(tap_rows(s, b.image, b.d, b.h + y), b.w, b.cols, dst + y * s.axis[1].dst);
  }

  // The same by strips.
  void strips(const Band& b, float* dst) const {
    const SlideMap map = slide_map(s, b.image, b.d);
    const int64_t apart = s.axis[2].dst, row = s.axis[1].dst, numbers = tap_numbers(s);
    const bool past = leaves();
    const auto strip = [&]<typename S, bool plain>(S, Plain<plain>, const SlidePlace& at) {
      float start[kLanes];
      store(start, s.bias ? load_first(s.bias + at.channel, at.here) : zero());
      const SlideTarget to{dst + (at.x - b.w) * apart + at.channel, row, apart, start, floor_of(s.activation), past};
      slide<S, plain>(map, at, packed + at.channel / kLanes * numbers, to);
    };
    for_strips<kSlideAcross>(map, s.axis[2].step, {b.w, b.h, b.h + b.rows}, b.cols, 0, s.groups, strip);
    if (s.activation > kRelu)
      for (int64_t y = 0; y < b.rows; y++)
        for (int64_t i = 0; i < b.cols; i++) activate_run(s.activation, dst + y * row + i * apart, s.groups);
  }

  void pack(const Runtime&) const {
    for (int64_t t = 0; t < p.taps; t++) weights.tap(packed + tap_place(s, t) * kLanes, tap_numbers(s), t);
  }
  void make(const Runtime& rt) const {
    if (p.panels == 0 || s.groups == 0) return;
    DepthwiseRun run = *this;  // taps ascending
    run.s = ascending(s);
    const bool down = slides(s);
    for_bands(rt, s, p, [&](const Band& b, uint32_t worker) {
      make_results(s, p, b, s.src, own(worker), 0, s.groups, [&](const Band& some, const float*, float* dst) {
        down ? run.strips(some, dst) : run.band(some, dst);
      });
      if (run.leaves()) stream_fence();
    });
  }
};

// Packed beforehand.
struct NoWeights {};

// Runs over one source whose results lie between one another's, the first with the most of them along each axis, and
// taps ascending: row by row, so that the source is read and results are written once.
TENON_INLINE void make_between(const Runtime& rt, const DepthwiseRun<NoWeights>* runs, int64_t count) {
  SweepPlan all = runs[0].p;
  all.inner = 0;
  for (int64_t i = 0; i < count; i++) all.inner += runs[i].p.inner;
  for_bands(rt, runs[0].s, all, [&](const Band& b, uint32_t) {
    for (int64_t y = 0; y < b.rows; y++)
      for (int64_t i = 0; i < count; i++) {
        const Axis(&axis)[3] = runs[i].s.axis;
        Band row = b;
        row.h += y;
        row.rows = 1;
        row.cols = least(b.cols, axis[2].out - b.w);
        if (b.d < axis[0].out && row.h < axis[1].out && row.cols > 0) runs[i].band(row, result_of(runs[i].s, row));
      }
    if (runs[0].leaves()) stream_fence();
  });
}

}  // namespace tenon::TENON_ISA
