// Small maps with many channels and one channel a group. The lines of one channel's vector lie so far apart that they
// crowd a few sets of the first cache, so each should be read once: a strip of neighbouring positions slides down the
// map, and what it reads of a row of the source meets every row of results that needs it while these are in registers.
#pragma once
#include "ops/depthwise_rows.h"

namespace tenon::TENON_ISA {

// n results across; kTaps x kTaps taps, kStep positions from a result's to the next one's, across and down.
template <int n, int kTaps, int kStep>
struct Strip {
  static constexpr int count = n, taps = kTaps, step = kStep, reads = (n - 1) * kStep + kTaps;
  static constexpr int met = (kTaps + kStep - 1) / kStep;  // rows of results that need a row of the source, at most
};

// A slice of the source. The first result reads `lead` rows, columns outside.
struct SlideMap {
  const float* src = nullptr;
  int64_t rows = 0, cols = 0, row = 0, apart = 0;  // elements from a row, a position to the next
  int64_t lead_rows = 0, lead_cols = 0;
};

// Results [x, x + n) of rows [y, end), of a vector from `channel` on with `here` channels.
struct SlidePlace {
  int64_t x = 0, y = 0, end = 0, channel = 0;
  int here = kLanes;
};

constexpr int64_t kSlideTaps = 3;
constexpr int64_t kSlideLines = 2048;  // of source and results, a vector: with the next one's an eighth of 1 MiB
// Lines that hold several vectors are read several times, and should still be in the first cache.
constexpr int64_t kSlideChannels = kLanes * 4 >= 64 ? int64_t{1} << 40 : 192;

TENON_INLINE int64_t lead_of(const Axis& a) { return a.pad - a.first; }

// Of a sweep whose taps ascend: every result reads something of each row beside it.
TENON_INLINE bool suits_slide(const Sweep& s) {
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  const auto fits = [&](const Axis& a) {
    return a.taps == kSlideTaps && a.delta == 1 && a.step == h.step && a.step <= 2;
  };
  const auto beside = [](const Axis& a) { return lead_of(a) < a.taps && source_of(a, a.out - 1, 0) < a.size; };
  const int64_t lines = h.size * w.size + h.out * w.out;
  return d.taps == 1 && beside(d) && fits(h) && fits(w) && beside(w) && lines <= kSlideLines &&
         s.groups <= kSlideChannels;
}

TENON_INLINE SlideMap slide_map(const Sweep& s, int64_t image, int64_t slice) {
  const Axis &h = s.axis[1], &w = s.axis[2];
  const int64_t row = w.size * s.groups;
  const float* src = s.src + image * s.src_image + source_of(s.axis[0], slice, 0) * h.size * row;
  return {src, h.size, w.size, row, s.groups, lead_of(h), lead_of(w)};
}

// What a strip reads. `plain`: whole vectors, none beside the map.
template <typename S, bool plain>
struct SlideReads {
  const SlideMap& m;
  int here, from, to;
  const float* first;  // the first read of row 0, in the map or not

  SlideReads(const SlideMap& map, const SlidePlace& at) : m(map), here(at.here) {
    const int64_t x = at.x * S::step - map.lead_cols;
    from = static_cast<int>(most(0, -x));
    to = static_cast<int>(least(S::reads, map.cols - x));
    first = map.src + x * map.apart + at.channel;
  }

  vf some(const float* p, int n) const { return plain ? load(p) : load_first(p, n); }

  // body(t, i, m, v) for every tap t of the row, across i, of what is read of row r of the S::step that the row of
  // results y is the first to need, with the row of results that needed it m rows ago.
  template <int r, typename Body>
  __attribute__((always_inline)) void row(int64_t y, int64_t end, const Body& body) const {
    const int64_t v = y * S::step + r - m.lead_rows;
    if (v < 0 || v >= m.rows || v > (end - 1) * S::step + S::taps - 1 - m.lead_rows) return;
    const float* at = first + v * m.row;
    for_constants<S::reads>([&]<int j>(Constant<j>) __attribute__((always_inline)) {
      constexpr bool left = j<S::taps - 1, right = j> S::reads - S::taps;
      vf v = some(at + j * m.apart, (left && j < from) || (right && j >= to) ? 0 : here);
      in_register(v);
      if constexpr (j < S::count * S::step) __builtin_prefetch(at + j * m.apart + kLanes, 0, 2);
      for_constants<S::taps>([&]<int t>(Constant<t>) __attribute__((always_inline)) {
        if constexpr (j >= t && (j - t) % S::step == 0 && (j - t) / S::step < S::count)
          for_constants<(S::taps - r + S::step - 1) / S::step>([&]<int m>(Constant<m>) __attribute__((always_inline)) {
            body(r + m * S::step, t, (j - t) / S::step, m, v);
          });
      });
    });
  }
};

// Some rows of a strip, the newest last.
template <typename S>
struct SlideRows {
  vf v[S::met][S::count];

  template <int m = 0, typename Get>
  __attribute__((always_inline)) void push(const Get& get) {
    for_constants<S::count>([&]<int i>(Constant<i>) __attribute__((always_inline)) {
      if constexpr (m + 1 < S::met)
        v[m][i] = v[m + 1][i];
      else
        v[m][i] = get(i);
    });
    if constexpr (m + 1 < S::met) push<m + 1>(get);
  }
  template <int m = 0>
  __attribute__((always_inline)) void fill(vf x) {
    for_constants<S::count>([&]<int i>(Constant<i>) __attribute__((always_inline)) { v[m][i] = x; });
    if constexpr (m + 1 < S::met) fill<m + 1>(x);
  }
};

struct SlideTarget {
  float* dst = nullptr;  // of the first result, of its row
  int64_t row = 0, apart = 0;
  const float* start = nullptr;  // a vector that sums begin with
  float floor = 0;
  bool past = false;  // the caches
};

// w: kLanes numbers a tap.
template <typename S, bool plain>
void slide(const SlideMap& map, const SlidePlace& at, const float* w, const SlideTarget& target) {
  vf k[S::taps][S::taps];
  for_constants<S::taps * S::taps>([&]<int i>(Constant<i>) __attribute__((always_inline)) {
    k[i / S::taps][i % S::taps] = load(w + i * kLanes);
  });
  const SlideReads<S, plain> reads(map, at);
  const SlideTarget to = target;
  const int64_t end = at.end;
  const int here = at.here;
  float* dst = to.dst;
  SlideRows<S> y;
  y.fill(load(to.start));
  for (int64_t row = at.y; row < end + S::met - 1; row++) {
    y.push([&](int) __attribute__((always_inline)) { return load(to.start); });
    for_constants<S::step>([&]<int r>(Constant<r>) __attribute__((always_inline)) {
      reads.template row<r>(
          row, end, [&](int a, int b, int i, int m, vf v) __attribute__((always_inline)) {
            y.v[S::met - 1 - m][i] = muladd(k[a][b], v, y.v[S::met - 1 - m][i]);
          });
    });
    if (row < at.y + S::met - 1) continue;
    for_constants<S::count>([&]<int i>(Constant<i>) __attribute__((always_inline)) {
      const vf v = max(splat(to.floor), y.v[0][i]);
      if (!plain)
        store_first(dst + i * to.apart, v, here);
      else if (to.past)
        stream(dst + i * to.apart, v);
      else
        store(dst + i * to.apart, v);
    });
    dst += to.row;
  }
}

// Adds to the sums, kLanes numbers a tap, of the strip's products with dy, its first row's first result given.
template <typename S, bool plain>
void slide_weight(const SlideMap& map, const SlidePlace& at, const float* dy, int64_t dy_row, float* sums) {
  vf k[S::taps][S::taps];
  for_constants<S::taps * S::taps>([&]<int i>(Constant<i>) __attribute__((always_inline)) {
    k[i / S::taps][i % S::taps] = load(sums + i * kLanes);
  });
  const SlideReads<S, plain> reads(map, at);
  const int64_t end = at.end, apart = map.apart;
  SlideRows<S> g;
  g.fill(zero());
  for (int64_t row = at.y; row < end + S::met - 1; row++, dy += dy_row) {
    if (row < end)
      g.push([&](int i) __attribute__((always_inline)) {
        __builtin_prefetch(dy + i * apart + kLanes, 0, 2);
        return reads.some(dy + i * apart, reads.here);
      });
    else
      g.push([&](int) __attribute__((always_inline)) { return zero(); });
    for_constants<S::step>([&]<int r>(Constant<r>) __attribute__((always_inline)) {
      reads.template row<r>(
          row, end, [&](int a, int b, int i, int m, vf v) __attribute__((always_inline)) {
            k[a][b] = muladd(g.v[S::met - 1 - m][i], v, k[a][b]);
          });
    });
  }
  for_constants<S::taps * S::taps>([&]<int i>(Constant<i>) __attribute__((always_inline)) {
    store(sums + i * kLanes, k[i / S::taps][i % S::taps]);
  });
}

#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int kSlideAcross = 7, kSlideAcrossWeight = 7;  // 32 registers hold the taps and the rows
#else
constexpr int kSlideAcross = 4, kSlideAcrossWeight = 2;
#endif

template <bool plain>
struct Plain {};

template <int kStep, int widest, int n = widest, typename Body>
TENON_INLINE void with_strip(int64_t count, bool plain, const Body& body) {
  using S = Strip<n, kSlideTaps, kStep>;
  if (count == n) return plain ? body(S{}, Plain<true>{}) : body(S{}, Plain<false>{});
  if constexpr (n > 1) with_strip<kStep, widest, n - 1>(count, plain, body);
}

// body(Strip, Plain, place) for strips of even widths, at most `widest`, of the results of `all` and each vector of the
// channels [from, to).
template <int widest, typename Body>
TENON_INLINE void for_strips(const SlideMap& map, int64_t step, const SlidePlace& all, int64_t width, int64_t from,
                             int64_t to, const Body& body) {
  const int64_t strips = ceil_div(width, widest);
  for (int64_t ch = from; ch < to; ch += kLanes)
    for (int64_t i = 0; i < strips; i++) {
      SlidePlace at = all;
      at.x += part(width, i, strips);
      at.channel = ch;
      at.here = static_cast<int>(least(kLanes, to - ch));
      const int64_t count = all.x + part(width, i + 1, strips) - at.x, x = at.x * step - map.lead_cols;
      const bool plain = at.here == kLanes && x >= 0 && x + (count - 1) * step + kSlideTaps <= map.cols;
      const auto go = [&](auto strip, auto kind) __attribute__((always_inline)) { body(strip, kind, at); };
      if (step == 1)
        with_strip<1, widest>(count, plain, go);
      else
        with_strip<2, widest>(count, plain, go);
    }
}

}  // namespace tenon::TENON_ISA
