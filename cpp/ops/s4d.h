// What S4D and its gradients share. Lanes are channels; nothing goes from lane to lane. A sequence is cut into spans of
// kSpan steps. Within a span the response K works alone; a complex state a mode carries what came before:
//   S = sum_j w^(kSpan-1-j) u_j,   X' = w^kSpan X + S,   y_l = sum_j K_(l-j) u_j + Re sum_n w^l (2 C w X)_n
// so all but the steps from span to span are products with a table of powers, of few accumulators and no chains, and
// take 4 multiply-adds a mode and step, and kSpan / 2 for K (the recurrence alone takes 6). Tables and states are made
// in f64: nothing drifts, however long the sequence.
#pragma once
#include "ops/rows.h"
#include "ops/s4d_modes.h"

namespace tenon::TENON_ISA {

constexpr int64_t kSpan = 32;
constexpr int64_t kSegment = 8;  // spans whose states are at hand at a time
constexpr int64_t kSegmentSteps = kSpan * kSegment;
constexpr int64_t kModesAtOnce = 64;  // a table of whose powers, 256 KiB, stays in the second cache
constexpr int64_t kTileRows = 4;
#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int64_t kTileColumns = 4;
#else
constexpr int64_t kTileColumns = 2;
#endif
static_assert(kSpan % kTileRows == 0 && kSegment % kTileColumns == 0, "whole tiles");

// ---- tables

// Some modes of a vector of channels, in their worker's scratch. Row 2 n of a table is the real part of mode n, row
// 2 n + 1 the imaginary part; so it is of states. An odd number of modes is filled up by one that is 0.
struct Tables {
  int64_t modes;               // filled up
  int64_t given;               // at most kModesAtOnce
  uint64_t first;              // of the channels' modes
  float* powers;               // w^l
  float* ramps;                // l w^l, or none
  float* k;                    // K_l [kSpan] behind 3 zeros
  double *span, *out, *state;  // a mode: w^kSpan, 2 C w, X

  int64_t rows() const { return 2 * modes; }
  // Four steps side by side: columns of tiles for outputs, steps of sums for states.
  int64_t at(int64_t l, int64_t row) const { return (l / 4 * rows() * 4 + row * 4 + l % 4) * kLanes; }
};
constexpr int64_t kRows = 2 * kModesAtOnce;
constexpr int64_t kTable = kSpan * kLanes;  // floats a row
constexpr int64_t kResponse = (3 + kSpan) * kLanes;

// Sizes of scratch follow from the most modes at a time.
TENON_INLINE int64_t modes_at_once(uint64_t modes) {
  const int64_t n = static_cast<int64_t>(at_most(modes, kModesAtOnce));
  return n + (n & 1);
}

// Takes its arrays from scratch.
struct Scratch {
  uint8_t* at;
  uint64_t used;
  template <typename T>
  T* take(uint64_t count) {
    T* p = reinterpret_cast<T*>(at + used);
    used += (count * sizeof(T) + 63) & ~uint64_t{63};
    return p;
  }
};

TENON_INLINE Tables tables_in(Scratch& s, int64_t modes, bool ramps) {
  Tables t = {};
  t.powers = s.take<float>(static_cast<uint64_t>(2 * modes * kTable));
  if (ramps) t.ramps = s.take<float>(static_cast<uint64_t>(2 * modes * kTable));
  t.k = s.take<float>(kResponse) + 3 * kLanes;
  t.span = s.take<double>(static_cast<uint64_t>(modes * kComplex));
  t.out = s.take<double>(static_cast<uint64_t>(modes * kComplex));
  t.state = s.take<double>(static_cast<uint64_t>(modes * kComplex));
  return t;
}

// The tables of the modes from `first` on. K has `d` at its start, where given.
static inline void make_tables(Tables& t, const Channels& p, const Steps& steps, uint64_t first, const float* d) {
  t.first = first;
  t.given = static_cast<int64_t>(at_most(p.modes - first, kModesAtOnce));
  t.modes = t.given + (t.given & 1);
  double sums[kSpan * kLanes];
  for (double& sum : sums) sum = 0;
  for (int i = 0; d && i < p.count; i++) sums[i] = static_cast<double>(d[i]);
  for (int64_t n = 0; n < t.modes; n++) {
    const bool none = n >= t.given;
    const Mode m = mode_of(p, steps, first + static_cast<uint64_t>(none ? 0 : n));
    const Complex c = none ? real_number(0) : 2.0 * m.c_bar();
    Complex power = real_number(none ? 0 : 1);
    for (int64_t l = 0; l < kSpan; l++) {
      narrow_complex(t.powers + t.at(l, 2 * n), power, 4 * kLanes);
      if (t.ramps) narrow_complex(t.ramps + t.at(l, 2 * n), static_cast<double>(l) * power, 4 * kLanes);
      const Complex term = c * power;
      for (int s = 0; s < 2; s++) {
        double* sum = sums + l * kLanes + s * kWideLanes;
        store(sum, load(sum) + term.re[s]);
      }
      power = power * m.w;
    }
    store_complex(t.span + n * kComplex, power);
    store_complex(t.out + n * kComplex, c * m.w);
  }
  for (int64_t i = 0; i < 3 * kLanes; i++) t.k[i - 3 * kLanes] = 0;
  for (int64_t i = 0; i < kSpan * kLanes; i++) t.k[i] = static_cast<float>(sums[i]);
}

// ---- products of all lanes

typedef vf Tile[kTileRows][kTileColumns];

// sum += A B over 4 * fours terms: vectors a_row apart from row to row, a_term from term to term, a_four from four
// terms to the next; b_column from column to column; terms of B lie side by side.
TENON_INLINE void add_product(Tile& sum, const float* a, int64_t a_row, int64_t a_term, int64_t a_four, const float* b,
                              int64_t b_column, int64_t fours) {
  for (int64_t i = 0; i < fours; i++, a += a_four * kLanes, b += 4 * kLanes)
    for (int64_t q = 0; q < 4; q++) {
      vf x[kTileRows];
      for (int64_t r = 0; r < kTileRows; r++) x[r] = load(a + (r * a_row + q * a_term) * kLanes);
      for (int64_t c = 0; c < kTileColumns; c++) {
        const vf y = load(b + (c * b_column + q) * kLanes);
        for (int64_t r = 0; r < kTileRows; r++) sum[r][c] = muladd(x[r], y, sum[r][c]);
      }
    }
}
TENON_INLINE void clear(Tile& sum) {
  for (auto& row : sum)
    for (vf& v : row) v = zero();
}
// Rows lie side by side.
TENON_INLINE void store_tile(float* p, const Tile& sum, int64_t column) {
  for (int64_t c = 0; c < kTileColumns; c++)
    for (int64_t r = 0; r < kTileRows; r++) store(p + (c * column + r) * kLanes, sum[r][c]);
}

// sums[span, row] = sum_l table[l, row] x[span, l], or table[kSpan-1-l, row] where `reversed`.
template <bool reversed>
static inline void project(const Tables& t, const float* table, const float* x, int64_t spans, float* sums) {
  const int64_t rows = t.rows();
  for (int64_t s = 0; s < spans; s += kTileColumns)
    for (int64_t row = 0; row < rows; row += kTileRows) {
      Tile sum;
      clear(sum);
      const float* from = table + (reversed ? t.at(kSpan - 1, row) : t.at(0, row));
      add_product(sum, from, 4, reversed ? -1 : 1, reversed ? -4 * rows : 4 * rows, x + s * kTable, kSpan, kSpan / 4);
      store_tile(sums + (s * rows + row) * kLanes, sum, rows);
    }
}

// y[span, l] = sum_row table[l, row] states[span, row], and what K makes of x in the span; the same from the end of the
// span to its beginning where `reversed`. States have the sign of their imaginary parts changed. No x: without K.
template <bool reversed>
static inline void expand(const Tables& t, const float* x, const float* states, int64_t spans, float* y) {
  const int64_t rows = t.rows();
  for (int64_t s = 0; s < spans; s += kTileColumns)
    for (int64_t l = 0; l < kSpan; l += kTileRows) {
      Tile sum;
      clear(sum);
      if (x && reversed)
        add_product(sum, t.k, -1, 1, 4, x + (s * kSpan + l) * kLanes, kSpan, (kSpan - l) / 4);
      else if (x)
        add_product(sum, t.k + l * kLanes, 1, -1, -4, x + s * kTable, kSpan, l / 4 + 1);
      const float* from = t.powers + (reversed ? t.at(kSpan - 1 - l, 0) : t.at(l, 0));
      add_product(sum, from, reversed ? -1 : 1, 4, 16, states + s * rows * kLanes, rows, rows / 4);
      store_tile(y + (s * kSpan + l) * kLanes, sum, kSpan);
    }
}

// ---- sequences: steps of a vector of channels, `stride` floats apart

// Up to kSegmentSteps of them, zeros after, to whole tiles.
TENON_INLINE void pack_steps(float* to, const float* x, uint64_t stride, int count, int64_t steps, int64_t spans) {
  for (int64_t i = 0; i < steps; i++) store(to + i * kLanes, load_part(x + static_cast<uint64_t>(i) * stride, count));
  fill_row(to + steps * kLanes, 0.0f, static_cast<uint64_t>((spans * kSpan - steps) * kLanes));
}
TENON_INLINE void unpack_steps(float* y, const float* from, uint64_t stride, int count, int64_t steps, bool add) {
  for (int64_t i = 0; i < steps; i++) {
    float* to = y + static_cast<uint64_t>(i) * stride;
    const vf v = load(from + i * kLanes);
    store_part(to, add ? load_part(to, count) + v : v, count);
  }
}

// Spans that so many steps take, to whole tiles.
TENON_INLINE int64_t spans_of(int64_t steps) {
  const int64_t in_tile = kSpan * kTileColumns;
  return (steps + in_tile - 1) / in_tile * kTileColumns;
}
TENON_INLINE int64_t segment_steps(uint64_t length, uint64_t from) {
  return static_cast<int64_t>(at_most(length - from, kSegmentSteps));
}

// The same from and to rows, one a channel.
TENON_INLINE void pack_rows(float* to, const float* x, uint64_t stride, int count, int64_t steps, int64_t spans) {
  for (int64_t i = 0; i < spans * kSpan; i += kLanes) {
    const int64_t here = steps - i < kLanes ? steps - i : kLanes;
    vf r[kLanes];
    for (int lane = 0; lane < kLanes; lane++)
      r[lane] = lane < count && here > 0
                    ? load_part(x + static_cast<uint64_t>(lane) * stride + i, static_cast<int>(here))
                    : zero();
    transpose(r);
    for (int j = 0; j < kLanes; j++) store(to + (i + j) * kLanes, r[j]);
  }
}
TENON_INLINE void unpack_rows(float* y, const float* from, uint64_t stride, int count, int64_t steps, bool add) {
  for (int64_t i = 0; i < steps; i += kLanes) {
    const int here = static_cast<int>(steps - i < kLanes ? steps - i : kLanes);
    vf r[kLanes];
    for (int j = 0; j < kLanes; j++) r[j] = load(from + (i + j) * kLanes);
    transpose(r);
    for (int lane = 0; lane < count; lane++) {
      float* to = y + static_cast<uint64_t>(lane) * stride + i;
      store_part(to, add ? load_part(to, here) + r[lane] : r[lane], here);
    }
  }
}

// ---- tasks, cut by the shape alone

// Of logDt [h], a [h, n, 2] and c [h, n, 2], the inputs from `first` on.
TENON_INLINE Channels channels_of(const Step& step, uint32_t first, uint64_t channel) {
  const uint64_t h = step.in[first].dims[0], modes = step.in[first + 1].dims[1];
  const uint64_t at = channel * modes * 2;
  return {f32(step.in[first]) + channel, f32(step.in[first + 1]) + at, f32(step.in[first + 2]) + at, modes,
          static_cast<int>(at_most(h - channel, kLanes))};
}

// body(unit, worker) for every item of the parts.
template <typename Body>
TENON_INLINE void for_units(const Runtime& rt, const Parts& parts, Body body) {
  parallel_for(rt, parts.count, [&](uint32_t task, uint32_t worker) {
    const uint64_t begin = task * parts.each, end = at_most(begin + parts.each, parts.items);
    for (uint64_t unit = begin; unit < end; unit++) body(unit, worker);
  });
}

constexpr uint64_t kUnitSteps = 2048;  // of a unit, at least, where there are so many: it makes tables for them
constexpr uint64_t kMostParts = 16;    // units that share a vector of channels

// Sequences [batch, length, h], none of them 0. A unit is a vector of channels and some examples.
struct Units {
  uint64_t batch, length, h;
  uint64_t each, parts;  // examples a unit, units a vector of channels
  Parts units;

  uint64_t channel(uint64_t unit) const { return unit / parts * kLanes; }
  // body(the place of an example's first number of the channel) for each of the unit's.
  template <typename Body>
  void for_examples(uint64_t unit, Body body) const {
    const uint64_t begin = unit % parts * each, end = begin + each < batch ? begin + each : batch;
    for (uint64_t e = begin; e < end; e++) body(e * length * h + channel(unit));
  }
};
TENON_INLINE Units units_of(const View& u, uint64_t modes) {
  Units all = {u.dims[0], u.dims[1], u.dims[2], 0, 0, {}};
  all.each = at_least(ceil_div(kUnitSteps, all.length), ceil_div(all.batch, kMostParts));
  all.parts = ceil_div(all.batch, all.each);
  const uint64_t width = at_most(all.each, all.batch) * all.length * kLanes;
  all.units = parts_of(ceil_div(all.h, kLanes) * all.parts, width * at_least(at_most(modes, kModesAtOnce), 1));
  return all;
}

}  // namespace tenon::TENON_ISA
