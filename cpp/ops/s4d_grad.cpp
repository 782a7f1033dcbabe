// Gradients of S4D along sequences and of its response. Of a mode they are two complex numbers, by C' = C dt phi and by
// z = dt A; the parameters' follow from them at the end.
#include "ops/s4d.h"

namespace tenon::TENON_ISA {
namespace {

// The derivatives by C' and z of a mode (holomorphic: of Re f(x), that by Im x is -Im f').
struct Slopes {
  Complex by_c, by_z;
};
constexpr uint64_t kSlopes = 2 * kComplex;  // doubles
Slopes load_slopes(const double* p) { return {load_complex(p), load_complex(p + kComplex)}; }
void store_slopes(double* p, const Slopes& s) {
  store_complex(p, s.by_c);
  store_complex(p + kComplex, s.by_z);
}

void put_pair(float* p, const Complex& x, uint64_t stride, int count) {
  float re[kLanes], im[kLanes];
  for (int s = 0; s < 2; s++) {
    narrow(re + s * kWideLanes, x.re[s]);
    narrow(im + s * kWideLanes, -x.im[s]);
  }
  for (int i = 0; i < count; i++) {
    p[static_cast<uint64_t>(i) * stride] = re[i];
    p[static_cast<uint64_t>(i) * stride + 1] = im[i];
  }
}

// Writes dLogDt, dA, dC of a vector of channels, outputs from `first` on; slopes(n, mode) gives those of mode n.
template <typename Of>
TENON_INLINE void finish(const Step& step, uint32_t first, const Channels& p, uint64_t channel, Of slopes) {
  const Steps steps = steps_of(p);
  const uint64_t stride = 2 * p.modes, at = channel * stride;
  vd by_log_dt[2] = {};
  for (uint64_t n = 0; n < p.modes; n++) {
    const Mode m = mode_of(p, steps, n);
    const Slopes f = slopes(n, m);
    const Complex by_c = scaled(f.by_c, m.dt);
    const Complex by_z = f.by_z + by_c * m.c * m.slope();
    put_pair(f32(step.out[first + 1]) + at + 2 * n, scaled(by_z, m.dt), stride, p.count);
    put_pair(f32(step.out[first + 2]) + at + 2 * n, by_c * m.phi, stride, p.count);
    const Complex along = by_z * m.z + by_c * m.phi * m.c;
    for (int s = 0; s < 2; s++) by_log_dt[s] += along.re[s];
  }
  float all[kLanes];
  for (int s = 0; s < 2; s++) narrow(all + s * kWideLanes, by_log_dt[s]);
  for (int i = 0; i < p.count; i++) f32(step.out[first])[channel + static_cast<uint64_t>(i)] = all[i];
}

// ---- of K: P = sum_l w^l dK_l and Q = sum_l l w^l dK_l, by Horner's rule from the last span on

struct ResponseRoom {
  Tables tables;
  float *dk, *sums, *ramped;
  double *p, *q;  // of the modes at hand
  uint64_t bytes;
};
ResponseRoom response_room_of(const Step& step, uint8_t* at) {
  const int64_t modes = modes_at_once(step.in[1].dims[1]);
  const uint64_t sums = static_cast<uint64_t>(2 * modes * kSegment * kLanes);
  Scratch s{at, 0};
  ResponseRoom r = {tables_in(s, modes, true), nullptr, nullptr, nullptr, nullptr, nullptr, 0};
  r.dk = s.take<float>(kSegmentSteps * kLanes);
  r.sums = s.take<float>(sums);
  r.ramped = s.take<float>(sums);
  r.p = s.take<double>(static_cast<uint64_t>(modes * kComplex));
  r.q = s.take<double>(static_cast<uint64_t>(modes * kComplex));
  r.bytes = s.used;
  return r;
}
uint64_t scratch_response(const Step& step, int threads) {
  return response_room_of(step, nullptr).bytes * static_cast<uint64_t>(threads);
}

void horner(const ResponseRoom& r, int64_t spans) {
  const Tables& t = r.tables;
  for (int64_t n = 0; n < t.modes; n++) {
    const Complex span = load_complex(t.span + n * kComplex), slope = static_cast<double>(kSpan) * span;
    Complex p = load_complex(r.p + n * kComplex), q = load_complex(r.q + n * kComplex);
    for (int64_t s = spans - 1; s >= 0; s--) {
      const int64_t at = (s * t.rows() + 2 * n) * kLanes;
      q = widen_complex(r.ramped + at) + span * q + slope * p;
      p = widen_complex(r.sums + at) + span * p;
    }
    store_complex(r.p + n * kComplex, p);
    store_complex(r.q + n * kComplex, q);
  }
}

// p and q of the modes of the tables.
void sum_response(const ResponseRoom& r, const float* dk, uint64_t length, int count) {
  const Tables& t = r.tables;
  for (int64_t i = 0; i < t.modes * kComplex; i++) r.p[i] = r.q[i] = 0;
  for (uint64_t segment = ceil_div(length, kSegmentSteps); segment-- > 0;) {
    const uint64_t from = segment * kSegmentSteps;
    const int64_t steps = segment_steps(length, from), spans = spans_of(steps);
    pack_rows(r.dk, dk + from, length, count, steps, spans);
    project<false>(t, t.powers, r.dk, spans, r.sums);
    project<false>(t, t.ramps, r.dk, spans, r.ramped);
    horner(r, spans);
  }
}

Status run_response(const Step& step, const Runtime& rt) {
  const uint64_t h = step.in[3].dims[0], length = step.in[3].dims[1];
  const uint64_t bytes = response_room_of(step, nullptr).bytes;
  const Parts units = parts_of(ceil_div(h, kLanes), at_least(length, kSpan) * kLanes);
  for_units(rt, units, [&](uint64_t unit, uint32_t worker) {
    ResponseRoom r = response_room_of(step, rt.scratch + worker * bytes);
    Tables& t = r.tables;
    const uint64_t channel = unit * kLanes;
    const Channels p = channels_of(step, 0, channel);
    const Steps steps = steps_of(p);
    finish(step, 0, p, channel, [&](uint64_t n, const Mode& m) {
      if (n % kModesAtOnce == 0) {
        make_tables(t, p, steps, n, nullptr);
        sum_response(r, f32(step.in[3]) + channel * length, length, p.count);
      }
      const int64_t at = static_cast<int64_t>(n % kModesAtOnce) * kComplex;
      return Slopes{2.0 * load_complex(r.p + at), 2.0 * m.c_bar() * load_complex(r.q + at)};
    });
  });
  return {};
}

// ---- of y. With X the state before a span and M what it leads to, M = sum_l w^l dy_l + w^kSpan M', a mode's
// derivatives are sums over spans of X G, X G', S' M' and X M', where G = sum_l w^l dy_l, and G' and S' have l w^l for
// w^l; what stays within a span comes from dK.

struct Room {
  Tables tables;
  float *u, *dy, *du;         // of a segment
  float *sums, *sums_ramped;  // S and S'; then X in the place of S
  float *back, *back_ramped;  // G and G'; then 2 C w M' in the place of G
  float *dk, *padded;         // dK of a segment; a span of dy, zeros after
  double* dks;                // dK of all
  double* meets;              // a mode: sums of X G, of X G' + S' M', of X M'
  double* after;              // a mode: M'
  double* starts;             // a segment and mode: X
  uint64_t bytes;
};
constexpr int64_t kMeets = 3 * kComplex;

Room room_of(const Step& step, uint8_t* at) {
  const uint64_t modes = static_cast<uint64_t>(modes_at_once(step.in[2].dims[1]));
  const uint64_t segments = ceil_div(step.in[0].dims[1], kSegmentSteps);
  Scratch s{at, 0};
  Room r = {};
  r.tables = tables_in(s, static_cast<int64_t>(modes), true);
  float** const spans[] = {&r.sums, &r.sums_ramped, &r.back, &r.back_ramped};
  for (float** p : spans) *p = s.take<float>(2 * modes * kSegment * kLanes);
  float** const steps[] = {&r.u, &r.dy, &r.du};
  for (float** p : steps) *p = s.take<float>(kSegmentSteps * kLanes);
  r.dk = s.take<float>(kTable);
  r.padded = s.take<float>(2 * kTable);
  r.dks = s.take<double>(kTable);
  r.meets = s.take<double>(modes * kMeets);
  r.after = s.take<double>(modes * kComplex);
  r.starts = s.take<double>(segments * modes * kComplex);
  r.bytes = s.used;
  return r;
}

// What units leave: Slopes of every mode, and dD.
struct Partials {
  uint64_t each, units;
  double* at(const Runtime& rt, uint64_t unit) const { return reinterpret_cast<double*>(rt.scratch) + unit * each; }
  uint64_t bytes() const { return units * each * sizeof(double); }
};
Partials partials_of(const Step& step) {
  const uint64_t modes = step.in[2].dims[1];
  return {modes * kSlopes + kLanes, units_of(step.in[0], modes).units.items};
}

uint64_t scratch(const Step& step, int threads) {
  if (numel(step.in[0]) == 0) return 0;
  return partials_of(step).bytes() + room_of(step, nullptr).bytes * static_cast<uint64_t>(threads);
}

TENON_INLINE int64_t place(const Tables& t, int64_t span, int64_t n) { return (span * t.rows() + 2 * n) * kLanes; }

// X goes on over a segment.
void advance(const Tables& t, const float* sums, int64_t spans) {
  for (int64_t n = 0; n < t.modes; n++) {
    const Complex span = load_complex(t.span + n * kComplex);
    Complex x = load_complex(t.state + n * kComplex);
    for (int64_t s = 0; s < spans; s++) x = span * x + widen_complex(sums + place(t, s, n));
    store_complex(t.state + n * kComplex, x);
  }
}

// The states at the start of segments.
void find_starts(const Room& r, const float* u, uint64_t length, uint64_t stride, int count) {
  const Tables& t = r.tables;
  const int64_t numbers = t.modes * kComplex;
  for (int64_t i = 0; i < numbers; i++) t.state[i] = 0;
  double* start = r.starts;
  for (uint64_t from = 0; from < length; from += kSegmentSteps, start += numbers) {
    for (int64_t i = 0; i < numbers; i++) start[i] = t.state[i];
    if (from + kSegmentSteps >= length) return;
    pack_steps(r.u, u + from * stride, stride, count, kSegmentSteps, kSegment);
    project<true>(t, t.powers, r.u, kSegment, r.sums);
    advance(t, r.sums, kSegment);
  }
}

// States of a segment meet what flows back through it.
void meet(const Room& r, const double* starts, int64_t spans) {
  const Tables& t = r.tables;
  for (int64_t n = 0; n < t.modes; n++) {
    const Complex span = load_complex(t.span + n * kComplex), out = load_complex(t.out + n * kComplex);
    double* meets = r.meets + n * kMeets;
    Complex same = load_complex(meets), ramped = load_complex(meets + kComplex);
    Complex far = load_complex(meets + 2 * kComplex);
    Complex x = load_complex(starts + n * kComplex);
    for (int64_t s = 0; s < spans; s++) {
      const int64_t at = place(t, s, n);
      const Complex sums = widen_complex(r.sums + at);
      same = same + x * widen_complex(r.back + at);
      ramped = ramped + x * widen_complex(r.back_ramped + at);
      narrow_complex(r.sums + at, x);
      x = span * x + sums;
    }
    Complex after = load_complex(r.after + n * kComplex);
    for (int64_t s = spans - 1; s >= 0; s--) {
      const int64_t at = place(t, s, n);
      const Complex back = widen_complex(r.back + at);
      ramped = ramped + widen_complex(r.sums_ramped + at) * after;
      far = far + widen_complex(r.sums + at) * after;
      narrow_complex(r.back + at, conjugate(out * after));
      after = span * after + back;
    }
    store_complex(r.after + n * kComplex, after);
    store_complex(meets, same);
    store_complex(meets + kComplex, ramped);
    store_complex(meets + 2 * kComplex, far);
  }
}

// dK_l += sum_j dy_(j+l) u_j within each span.
void add_dk(const Room& r, int64_t spans) {
  constexpr int64_t kAtOnce = 8;
  fill_row(r.dk, 0.0f, kTable);
  fill_row(r.padded + kTable, 0.0f, kTable);
  for (int64_t s = 0; s < spans; s++) {
    const float* u = r.u + s * kTable;
    copy_row(r.padded, r.dy + s * kTable, kTable);
    for (int64_t l = 0; l < kSpan; l += kAtOnce) {
      vf sum[kAtOnce];
      for (int64_t i = 0; i < kAtOnce; i++) sum[i] = load(r.dk + (l + i) * kLanes);
      for (int64_t j = 0; j + l < kSpan; j++) {
        const vf x = load(u + j * kLanes);
        for (int64_t i = 0; i < kAtOnce; i++) sum[i] = muladd(x, load(r.padded + (j + l + i) * kLanes), sum[i]);
      }
      for (int64_t i = 0; i < kAtOnce; i++) store(r.dk + (l + i) * kLanes, sum[i]);
    }
  }
  for (int64_t i = 0; i < kTable; i++) r.dks[i] += static_cast<double>(r.dk[i]);
}

void sequence(const Room& r, const float* u, const float* dy, float* du, uint64_t length, uint64_t stride, int count) {
  const Tables& t = r.tables;
  const int64_t numbers = t.modes * kComplex;
  find_starts(r, u, length, stride, count);
  for (int64_t i = 0; i < numbers; i++) r.after[i] = 0;
  for (uint64_t segment = ceil_div(length, kSegmentSteps); segment-- > 0;) {
    const uint64_t from = segment * kSegmentSteps;
    const int64_t steps = segment_steps(length, from), spans = spans_of(steps);
    pack_steps(r.u, u + from * stride, stride, count, steps, spans);
    pack_steps(r.dy, dy + from * stride, stride, count, steps, spans);
    project<true>(t, t.powers, r.u, spans, r.sums);
    project<true>(t, t.ramps, r.u, spans, r.sums_ramped);
    project<false>(t, t.powers, r.dy, spans, r.back);
    project<false>(t, t.ramps, r.dy, spans, r.back_ramped);
    meet(r, r.starts + static_cast<int64_t>(segment) * numbers, spans);
    expand<true>(t, r.dy, r.back, spans, r.du);
    unpack_steps(du + from * stride, r.du, stride, count, steps, t.first > 0);
    if (t.first == 0) add_dk(r, spans);
  }
}

// Slopes of mode n of the tables, which is mode m.
Slopes slopes_of(const Room& r, const Mode& m, int64_t n) {
  const double* meets = r.meets + n * kMeets;
  const Complex same = load_complex(meets), far = load_complex(meets + 2 * kComplex);
  const Complex across = same + load_complex(meets + kComplex) +
                         static_cast<double>(kSpan) * load_complex(r.tables.span + n * kComplex) * far;
  Complex within = real_number(0), within_ramped = real_number(0), power = real_number(1);
  for (int64_t l = 0; l < kSpan; l++) {
    const double* dk = r.dks + l * kLanes;
    const Complex term = scaled(power, {load(dk), load(dk + kWideLanes)});
    within = within + term;
    within_ramped = within_ramped + static_cast<double>(l) * term;
    power = power * m.w;
  }
  return {2.0 * (m.w * same + within), 2.0 * m.c_bar() * (m.w * across + within_ramped)};
}

void unit_grad(Room& r, const Step& step, const Units& all, uint64_t unit, double* partial) {
  const uint64_t channel = all.channel(unit);
  const Channels p = channels_of(step, 1, channel);
  const Steps steps = steps_of(p);
  for (int64_t i = 0; i < kTable; i++) r.dks[i] = 0;
  uint64_t first = 0;
  do {
    make_tables(r.tables, p, steps, first, first == 0 ? f32(step.in[4]) + channel : nullptr);
    for (int64_t i = 0; i < r.tables.modes * kMeets; i++) r.meets[i] = 0;
    all.for_examples(unit, [&](uint64_t at) {
      sequence(r, f32(step.in[0]) + at, f32(step.in[5]) + at, f32(step.out[0]) + at, all.length, all.h, p.count);
    });
    for (int64_t n = 0; n < r.tables.given; n++) {
      const uint64_t mode = first + static_cast<uint64_t>(n);
      store_slopes(partial + mode * kSlopes, slopes_of(r, mode_of(p, steps, mode), n));
    }
    first += kModesAtOnce;
  } while (first < p.modes);
  for (int i = 0; i < kLanes; i++) partial[p.modes * kSlopes + static_cast<uint64_t>(i)] = r.dks[i];
}

Status run_empty(const Step& step) {
  for (uint32_t i = 1; i < 5; i++) fill_row(f32(step.out[i]), 0.0f, numel(step.out[i]));
  return {};
}

Status run(const Step& step, const Runtime& rt) {
  if (numel(step.in[0]) == 0) return run_empty(step);
  const uint64_t modes = step.in[2].dims[1], bytes = room_of(step, nullptr).bytes;
  const Units all = units_of(step.in[0], modes);
  const Partials partials = partials_of(step);
  for_units(rt, all.units, [&](uint64_t unit, uint32_t worker) {
    Room r = room_of(step, rt.scratch + partials.bytes() + worker * bytes);
    unit_grad(r, step, all, unit, partials.at(rt, unit));
  });
  for_units(rt, parts_of(ceil_div(all.h, kLanes), at_least(modes, 1) * all.parts * kLanes), [&](uint64_t i, uint32_t) {
    const Channels p = channels_of(step, 1, i * kLanes);
    finish(step, 1, p, i * kLanes, [&](uint64_t n, const Mode&) {
      Slopes sum = {real_number(0), real_number(0)};
      for (uint64_t part = 0; part < all.parts; part++) {
        const Slopes one = load_slopes(partials.at(rt, i * all.parts + part) + n * kSlopes);
        sum = {sum.by_c + one.by_c, sum.by_z + one.by_z};
      }
      return sum;
    });
    for (int lane = 0; lane < p.count; lane++) {
      double sum = 0;
      for (uint64_t part = 0; part < all.parts; part++)
        sum += partials.at(rt, i * all.parts + part)[modes * kSlopes + static_cast<uint64_t>(lane)];
      f32(step.out[4])[i * kLanes + static_cast<uint64_t>(lane)] = static_cast<float>(sum);
    }
  });
  return {};
}

}  // namespace

extern const Kernel s4d_grad_kernel = {nullptr, scratch, run};
extern const Kernel s4d_response_grad_kernel = {nullptr, scratch_response, run_response};

}  // namespace tenon::TENON_ISA
