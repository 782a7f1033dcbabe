// The gradient of weights with one channel a group: vectors run over channels, and a block of neighbouring positions
// adds to the sums of a row of taps, or a strip of a small map to those of all. Rows of results, or slices of small
// maps, are cut into chunks by the shape alone, whose sums are added in order; threads may also share the channels of a
// chunk.
#pragma once
#include "ops/conv_shape.h"
#include "ops/depthwise_slide.h"

namespace tenon::TENON_ISA {

struct DepthwiseWeightPlan {
  bool slides = false;
  int64_t units = 0, chunks = 1, sums = 0;  // rows of results, or slices; parts of them; numbers of a part
  int64_t cuts = 1;                         // of the channels
  uint64_t bytes() const { return round64(chunks * sums * 4); }
};

// s: x and its taps.
TENON_INLINE DepthwiseWeightPlan plan_depthwise_weight(const ConvShape& c, const Sweep& s, int threads) {
  DepthwiseWeightPlan p;
  p.slides = suits_slide(s);
  p.units = c.images * c.result[0] * (p.slides ? 1 : c.result[1]);
  p.sums = c.taps() * ceil_div(c.groups, kLanes) * kLanes;
  const double products = static_cast<double>(c.images * c.positions()) * static_cast<double>(p.sums);
  p.chunks = most(1, least(p.units, products < 32e6 ? static_cast<int64_t>(products / 1e6) : 32));
  if (threads > 1) p.cuts = most(1, least(c.groups / (4 * kLanes), ceil_div(4 * threads, p.chunks)));
  return p;
}

template <bool whole>
struct Whole {};

struct DepthwiseWeightRun {
  const ConvShape& c;
  const Sweep& s;  // x and its taps
  const float* dy;
  float* dw;
  DepthwiseWeightPlan p;
  float* scratch;

  float* sums(int64_t chunk) const { return scratch + chunk * p.sums; }

  template <int n, int kTaps, int kStep, bool whole>
  static __attribute__((always_inline)) void add(float* sums, const float* x, const float* dy, const TapRows& r,
                                                 int64_t channels, int64_t x_step, int64_t tap_step, TapRange in,
                                                 int64_t rows_step, int64_t dy_row, int here) {
    const auto get = [here](const float* q) __attribute__((always_inline)) {
      return whole ? load(q) : load_first(q, here);
    };
    vf g[n];
    for (int i = 0; i < n; i++) g[i] = get(dy + i * channels);
    for (int64_t a = 0; a < r.deep; a++)
      for (int64_t b = 0; b < r.high; b++) {
        const float* at = x + a * r.src_deep + b * r.src_high;
        float* to = sums + a * r.tap_deep + b * r.tap_high;
        if constexpr (kTaps > 0) {
          if (a + 1 == r.deep && b + 1 == r.high) {
            for (int64_t i = 1; i <= rows_step; i++) wish<n * kStep>(at + i * r.src_row, channels);
            wish<n>(dy + dy_row, channels);
          }
          vf k[kTaps];
          for (int t = 0; t < kTaps; t++) k[t] = load(to + t * kLanes);
          using Block = Positioned<n, kTaps, kStep>;
          for_constants<Block::reads>([&]<int j>(Constant<j>) __attribute__((always_inline)) {
            if (j < in.from || j >= in.to) return;
            vf v = get(at + j * channels);
            in_register(v);
            for_meeting<Block, j>([&](int t, int i) __attribute__((always_inline)) { k[t] = muladd(g[i], v, k[t]); });
          });
          for (int t = 0; t < kTaps; t++) store(to + t * kLanes, k[t]);
        } else {
          for (int64_t t = in.from; t < in.to; t++, at += tap_step, to += kLanes) {
            vf k = load(to);
            for (int i = 0; i < n; i++) k = muladd(g[i], get(at + i * x_step), k);
            store(to, k);
          }
        }
      }
  }

  // Channels [from, to) of a row of results.
  void row(float* sums, int64_t row, int64_t from, int64_t to) const {
    const int64_t y = row % c.result[1], d = row / c.result[1] % c.result[0], image = row / c.result[1] / c.result[0];
    const TapRows r = tap_rows(s, image, d, y);
    const float* g = dy + row * c.result[2] * c.groups;
    const Axis& wide = s.axis[2];
    for_positions(wide, 0, c.result[2],
                  [&]<int kCount, int kTaps, int kStep>(Positioned<kCount, kTaps, kStep> block, int64_t x) {
                    const int64_t first = kTaps > 0 ? 0 : block.inside.from;
                    const float* src = s.src + r.src + source_of(wide, x, first) * c.groups;
                    float* at = sums + r.tap + first * kLanes;
                    const auto channels = [&]<bool whole>(Whole<whole>, int64_t ch, int here) {
                      add<kCount, kTaps, kStep, whole>(at + ch * c.taps(), src + ch, g + x * c.groups + ch, r, c.groups,
                                                       wide.step * c.groups, wide.delta * c.groups, block.inside,
                                                       rows_ahead(s.axis[1]), c.result[2] * c.groups, here);
                    };
                    int64_t ch = from;
                    for (; ch + kLanes <= to; ch += kLanes) channels(Whole<true>{}, ch, kLanes);
                    if (ch < to) channels(Whole<false>{}, ch, static_cast<int>(to - ch));
                  });
  }

  // Channels [from, to) of a slice of results.
  void slice(float* sums, int64_t slice, int64_t from, int64_t to) const {
    const SlideMap map = slide_map(s, slice / c.result[0], slice % c.result[0]);
    const float* g = dy + slice * c.result[1] * c.result[2] * c.groups;
    for_strips<kSlideAcrossWeight>(map, s.axis[2].step, {0, 0, c.result[1]}, c.result[2], from, to,
                                   [&]<typename S, bool plain>(S, Plain<plain>, const SlidePlace& at) {
                                     slide_weight<S, plain>(map, at, g + at.x * c.groups + at.channel,
                                                            c.result[2] * c.groups, sums + at.channel * c.taps());
                                   });
  }

  void chunk(int64_t i, int64_t cut) const {
    const int64_t from = part(c.groups, cut, p.cuts, kLanes), to = part(c.groups, cut + 1, p.cuts, kLanes);
    fill_zeros(sums(i) + from * c.taps(), ceil_div(to - from, kLanes) * tap_numbers(s));
    for (int64_t u = part(p.units, i, p.chunks); u < part(p.units, i + 1, p.chunks); u++)
      p.slides ? slice(sums(i), u, from, to) : row(sums(i), u, from, to);
  }

  // dw [channel, tap] of channels [from, to), from the chunks' sums.
  void add_up(int64_t from, int64_t to) const {
    for (int64_t ch = from; ch < to; ch += kLanes) {
      const int here = static_cast<int>(least(kLanes, to - ch));
      for (int64_t t = 0; t < c.taps(); t++) {
        vf y = zero();
        for (int64_t i = 0; i < p.chunks; i++) y += load(sums(i) + ch * c.taps() + t * kLanes);
        for (int j = 0; j < here; j++) dw[(ch + j) * c.taps() + t] = y[j];
      }
    }
  }
};

// x: s.src.
TENON_INLINE void depthwise_weight(const Runtime& rt, const ConvShape& c, const Sweep& s, const float* dy, float* dw) {
  const DepthwiseWeightPlan p = plan_depthwise_weight(c, s, rt.threads);
  const DepthwiseWeightRun run{c, s, dy, dw, p, reinterpret_cast<float*>(rt.scratch)};
  parallel_for(rt, static_cast<uint32_t>(p.chunks * p.cuts),
               [&](uint32_t task, uint32_t) { run.chunk(task / p.cuts, task % p.cuts); });
  const int64_t adders = most(1, least(64, p.sums * p.chunks / 65536));
  parallel_for(rt, static_cast<uint32_t>(adders), [&](uint32_t task, uint32_t) {
    run.add_up(part(c.groups, task, adders, kLanes), part(c.groups, task + 1, adders, kLanes));
  });
}

}  // namespace tenon::TENON_ISA
