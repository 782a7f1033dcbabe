// What convolutions with one channel a group share: which taps of a row of results lie inside the source, and blocks of
// neighbouring positions.
#pragma once
#include "ops/sweep.h"

namespace tenon::TENON_ISA {

// The same taps in the order of what they read.
TENON_INLINE Axis ascending(Axis a) {
  if (a.delta < 0) {
    a.first += (a.taps - 1) * a.delta;
    a.delta = -a.delta;
  }
  return a;
}
TENON_INLINE Sweep ascending(Sweep s) {
  for (Axis& a : s.axis) a = ascending(a);
  return s;
}
// The place of tap t, of all three axes, among them.
TENON_INLINE int64_t tap_place(const Sweep& s, int64_t t) {
  int64_t place = 0, count = 1;
  for (int i = 2; i >= 0; i--) {
    const Axis& a = s.axis[i];
    const int64_t here = t % a.taps;
    place += count * (a.delta < 0 ? a.taps - 1 - here : here);
    count *= a.taps;
    t /= a.taps;
  }
  return place;
}

struct TapRange {
  int64_t from = 0, to = 0;
  int64_t count() const { return to - from; }
};
// Where tap t of output position i lies in the source, without its padding.
TENON_INLINE int64_t source_of(const Axis& a, int64_t i, int64_t t) {
  return i * a.step + a.first + t * a.delta - a.pad;
}
TENON_INLINE TapRange taps_inside(const Axis& a, int64_t i) {
  const auto inside = [&](int64_t t) {
    const int64_t at = source_of(a, i, t);
    return at >= 0 && at < a.size;
  };
  TapRange r{0, a.taps};
  while (r.from < r.to && !inside(r.from)) r.from++;
  while (r.to > r.from && !inside(r.to - 1)) r.to--;
  return r;
}

// What each tap has for each channel lies [vector of channels, tap, lane]: channels are often a power of two, and rows
// so far apart would crowd the first cache.
TENON_INLINE int64_t tap_numbers(const Sweep& s) {
  return s.axis[0].taps * s.axis[1].taps * s.axis[2].taps * kLanes;  // of a vector
}

// The rows of taps inside the source, of one row of results. Steps in elements.
struct TapRows {
  int64_t deep = 0, high = 0;                                // so many
  int64_t src = 0, src_deep = 0, src_high = 0, src_row = 0;  // of the source: where its row of the first tap begins
  int64_t tap = 0, tap_deep = 0, tap_high = 0;               // of what lies as a tap has it
};
TENON_INLINE TapRows tap_rows(const Sweep& s, int64_t image, int64_t slice, int64_t y) {
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  const TapRange deep = taps_inside(d, slice), high = taps_inside(h, y);
  TapRows r{deep.count(), high.count()};
  const int64_t row = w.size * s.groups;
  r.src = image * s.src_image + (source_of(d, slice, deep.from) * h.size + source_of(h, y, high.from)) * row;
  r.src_row = row;
  r.src_high = h.delta * row;
  r.src_deep = d.delta * h.size * row;
  r.tap_high = w.taps * kLanes;
  r.tap_deep = h.taps * r.tap_high;
  r.tap = deep.from * r.tap_deep + high.from * r.tap_high;
  return r;
}

// kCount neighbouring positions. Where kTaps is not 0, so many neighbouring taps along the row, kStep from a position
// to the next; together they read `reads` neighbours, of which those of `inside` lie in the source. Else any taps,
// `inside`.
template <int kCount, int kTaps, int kStep>
struct Positioned {
  static constexpr int count = kCount, taps = kTaps, step = kStep, reads = (kCount - 1) * kStep + kTaps;
  TapRange inside;
};

#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int kMostPositions = 8;
#else
constexpr int kMostPositions = 4;
#endif

// body(Constant<i>) for i from 0 to n - 1, so that each register is named when this is compiled: of such a loop that it
// does not unroll GCC 12 has been seen to read the wrong one.
template <int i>
struct Constant {};
template <int n, int i = 0, typename Body>
TENON_INLINE void for_constants(const Body& body) {
  if constexpr (i < n) {
    body(Constant<i>{});
    for_constants<n, i + 1>(body);
  }
}
// body(t, i) for each tap t and position i of a block that meet at its read j.
template <typename Block, int j, typename Body>
TENON_INLINE void for_meeting(const Body& body) {
  for_constants<Block::taps>([&]<int t>(Constant<t>) __attribute__((always_inline)) {
    if constexpr (j >= t && (j - t) % Block::step == 0 && (j - t) / Block::step < Block::count)
      body(t, (j - t) / Block::step);
  });
}

// What the next row of results reads first, `step` elements apart, is asked for into the second cache.
template <int n>
TENON_INLINE void wish(const float* at, int64_t step) {
  for (int i = 0; i < n; i++) __builtin_prefetch(at + i * step, 0, 2);
}

// So many rows of the source does the next row of results read first: no more than it has taps, however large the step.
TENON_INLINE int64_t rows_ahead(const Axis& h) { return least(h.step, h.taps); }

template <int kCount, int kTaps, int kStep, typename Body>
TENON_INLINE void neighbours(const Axis& w, int64_t& x, int64_t end, const Body& body) {
  using Block = Positioned<kCount, kTaps, kStep>;
  for (; x + kCount <= end; x += kCount) {
    const int64_t first = source_of(w, x, 0), last = least(Block::reads, w.size - first);
    body(Block{{most(0, -first), most(0, last)}}, x);
  }
  if constexpr (kCount > 1) neighbours<kCount / 2, kTaps, kStep>(w, x, end, body);
}

// Blocks where all taps lie inside, one position at a time elsewhere.
template <typename Body>
TENON_INLINE void any_positions(const Axis& w, int64_t x, int64_t end, const Body& body) {
  const int64_t last = w.size - 1 - source_of(w, 0, w.taps - 1);
  const int64_t from = most(x, ceil_div(most(0, -source_of(w, 0, 0)), w.step));
  const int64_t to = last < 0 ? 0 : least(end, last / w.step + 1);
  const auto one = [&] { body(Positioned<1, 0, 0>{taps_inside(w, x)}, x); };
  for (; x < least(end, from); x++) one();
  for (; x + kMostPositions <= to; x += kMostPositions) body(Positioned<kMostPositions, 0, 0>{{0, w.taps}}, x);
  for (; x < end; x++) one();
}

// body(Positioned, x) for positions [x, x + n) of a row in blocks.
template <typename Body>
TENON_INLINE void for_positions(const Axis& w, int64_t x, int64_t n, const Body& body) {
  const int64_t end = x + n;
  const auto by = [&]<int kTaps, int kStep>(Positioned<1, kTaps, kStep>) {
    neighbours<kMostPositions, kTaps, kStep>(w, x, end, body);
  };
  if (w.taps == 1 && w.step == 1) return by(Positioned<1, 1, 1>{});
  if (w.delta == 1 && w.step == 1) {
    if (w.taps == 2) return by(Positioned<1, 2, 1>{});
    if (w.taps == 3) return by(Positioned<1, 3, 1>{});
    if (w.taps == 5) return by(Positioned<1, 5, 1>{});
    if (w.taps == 7) return by(Positioned<1, 7, 1>{});
  }
  if (w.delta == 1 && w.step == 2) {
    if (w.taps == 3) return by(Positioned<1, 3, 2>{});
    if (w.taps == 5) return by(Positioned<1, 5, 2>{});
  }
  any_positions(w, x, end, body);
}

}  // namespace tenon::TENON_ISA
