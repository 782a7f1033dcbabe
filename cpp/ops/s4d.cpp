// S4D along a sequence, and its response to an impulse.
#include "ops/s4d.h"

namespace tenon::TENON_ISA {
namespace {

// What a worker has: the tables of so many modes at once, and a segment of steps and of states. u: where there are
// inputs.
struct Room {
  Tables tables;
  float *y, *states, *u;
  uint64_t bytes;
};
Room room_of(const View& a, bool inputs, uint8_t* at) {
  const int64_t modes = modes_at_once(a.dims[1]);
  Scratch s{at, 0};
  Room r = {tables_in(s, modes, false), nullptr, nullptr, nullptr, 0};
  r.y = s.take<float>(kSegmentSteps * kLanes);
  r.states = s.take<float>(static_cast<uint64_t>(2 * modes * kSegment * kLanes));
  if (inputs) r.u = s.take<float>(kSegmentSteps * kLanes);
  r.bytes = s.used;
  return r;
}

// ---- y = K * u + d u

Room room_of(const Step& step, uint8_t* at) { return room_of(step.in[2], true, at); }

uint64_t scratch(const Step& step, int threads) {
  return numel(step.in[0]) == 0 ? 0 : room_of(step, nullptr).bytes * static_cast<uint64_t>(threads);
}

// S of each span becomes what the state before the span gives: 2 C w X, its imaginary part negated. X goes on.
void carry(const Tables& t, float* states, int64_t spans) {
  for (int64_t n = 0; n < t.modes; n++) {
    const Complex span = load_complex(t.span + n * kComplex), out = load_complex(t.out + n * kComplex);
    Complex x = load_complex(t.state + n * kComplex);
    float* at = states + 2 * n * kLanes;
    for (int64_t s = 0; s < spans; s++, at += t.rows() * kLanes) {
      const Complex sums = widen_complex(at);
      narrow_complex(at, conjugate(out * x));
      x = span * x + sums;
    }
    store_complex(t.state + n * kComplex, x);
  }
}

void sequence(const Room& r, const float* u, float* y, uint64_t length, uint64_t stride, int count) {
  const Tables& t = r.tables;
  for (int64_t i = 0; i < t.modes * kComplex; i++) t.state[i] = 0;
  for (uint64_t from = 0; from < length; from += kSegmentSteps) {
    const int64_t steps = segment_steps(length, from), spans = spans_of(steps);
    pack_steps(r.u, u + from * stride, stride, count, steps, spans);
    project<true>(t, t.powers, r.u, spans, r.states);
    carry(t, r.states, spans);
    expand<false>(t, r.u, r.states, spans, r.y);
    unpack_steps(y + from * stride, r.y, stride, count, steps, t.first > 0);
  }
}

Status run(const Step& step, const Runtime& rt) {
  if (numel(step.in[0]) == 0) return {};
  const Units all = units_of(step.in[0], step.in[2].dims[1]);
  const uint64_t bytes = room_of(step, nullptr).bytes;
  for_units(rt, all.units, [&](uint64_t unit, uint32_t worker) {
    Room r = room_of(step, rt.scratch + worker * bytes);
    const Channels p = channels_of(step, 1, all.channel(unit));
    const Steps steps = steps_of(p);
    uint64_t first = 0;
    do {
      make_tables(r.tables, p, steps, first, first == 0 ? f32(step.in[4]) + all.channel(unit) : nullptr);
      all.for_examples(unit, [&](uint64_t at) {
        sequence(r, f32(step.in[0]) + at, f32(step.out[0]) + at, all.length, all.h, p.count);
      });
      first += kModesAtOnce;
    } while (first < p.modes);
  });
  return {};
}

// ---- K

// Parts of the response, each begun anew: the phases of its powers are good to 1e-16 of themselves.
constexpr uint64_t kResponsePart = 4096;
static_assert(kResponsePart % kSegmentSteps == 0, "whole segments");

Room response_room_of(const Step& step, uint8_t* at) { return room_of(step.in[1], false, at); }

uint64_t scratch_response(const Step& step, int threads) {
  return numel(step.out[0]) == 0 ? 0 : response_room_of(step, nullptr).bytes * static_cast<uint64_t>(threads);
}

// The states that spans from step `from` on start with, of an impulse: 2 C w^l.
void impulse_states(const Tables& t, const Channels& p, const Steps& steps, uint64_t from) {
  for (int64_t n = 0; n < t.modes; n++) {
    const Mode m = mode_of(p, steps, t.first + static_cast<uint64_t>(n < t.given ? n : 0));
    const Complex c = n < t.given ? 2.0 * m.c_bar() : real_number(0);
    store_complex(t.state + n * kComplex, c * exp(static_cast<double>(from) * m.z));
  }
}
void impulse_spans(const Tables& t, float* states, int64_t spans) {
  for (int64_t n = 0; n < t.modes; n++) {
    const Complex span = load_complex(t.span + n * kComplex);
    Complex x = load_complex(t.state + n * kComplex);
    for (int64_t s = 0; s < spans; s++) {
      narrow_complex(states + (s * t.rows() + 2 * n) * kLanes, conjugate(x));
      x = span * x;
    }
    store_complex(t.state + n * kComplex, x);
  }
}

// K of the steps [begin, end) of a vector of channels, rows `length` apart.
void response(Room& r, const Channels& p, float* k, uint64_t length, uint64_t begin, uint64_t end) {
  const Steps steps = steps_of(p);
  uint64_t first = 0;
  do {
    make_tables(r.tables, p, steps, first, nullptr);
    impulse_states(r.tables, p, steps, begin);
    for (uint64_t from = begin; from < end; from += kSegmentSteps) {
      const int64_t here = segment_steps(end, from), spans = spans_of(here);
      impulse_spans(r.tables, r.states, spans);
      expand<false>(r.tables, nullptr, r.states, spans, r.y);
      unpack_rows(k + from, r.y, length, p.count, here, first > 0);
    }
    first += kModesAtOnce;
  } while (first < p.modes);
}

Status run_response(const Step& step, const Runtime& rt) {
  const View& k = step.out[0];
  if (numel(k) == 0) return {};
  const uint64_t h = k.dims[0], length = k.dims[1], parts = ceil_div(length, kResponsePart);
  const Parts units = parts_of(ceil_div(h, kLanes) * parts, at_most(length, kResponsePart) * kLanes);
  const uint64_t bytes = response_room_of(step, nullptr).bytes;
  for_units(rt, units, [&](uint64_t unit, uint32_t worker) {
    Room r = response_room_of(step, rt.scratch + worker * bytes);
    const uint64_t channel = unit / parts * kLanes, begin = unit % parts * kResponsePart;
    response(r, channels_of(step, 0, channel), f32(k) + channel * length, length, begin,
             at_most(begin + kResponsePart, length));
  });
  return {};
}

}  // namespace

extern const Kernel s4d_kernel = {nullptr, scratch, run};
extern const Kernel s4d_response_kernel = {nullptr, scratch_response, run_response};

}  // namespace tenon::TENON_ISA
