// Gradients of maxpool: to the places of the winners, and back from there.
#include "gen/attrs.h"
#include "ops/pool.h"

namespace tenon::TENON_ISA {
namespace {

Status bad_place() { return {Code::kBadIndex, "an index is outside the plane", -1, "index"}; }

// dx[index] += dy in the order of the outputs. A task owns some channels of one example.
bool scatter(const Runtime& rt, const Pool& p, const float* dy, const int32_t* index, float* dx) {
  constexpr uint64_t kChannels = 32;
  const uint64_t plane = p.plane(), outputs = p.outputs(), blocks = ceil_div(p.channels, kChannels);
  Flag outside;
  for_parts(rt, parts_of(p.batch * blocks, (outputs + plane) * at_most(p.channels, kChannels)),
            [&](uint64_t begin, uint64_t end, uint32_t) {
              for (uint64_t i = begin; i < end; i++) {
                const uint64_t b = i / blocks, c = i % blocks * kChannels, n = at_most(kChannels, p.channels - c);
                float* to = dx + b * plane * p.channels + c;
                for (uint64_t place = 0; place < plane; place++) fill_row(to + place * p.channels, 0.0f, n);
                const uint64_t from = b * outputs * p.channels + c;
                for (uint64_t o = 0; o < outputs; o++)
                  for (uint64_t j = 0; j < n; j++) {
                    const uint64_t at = from + o * p.channels + j;
                    const uint32_t place = static_cast<uint32_t>(index[at]);
                    if (place >= plane) return outside.raise();
                    to[place * p.channels + j] += dy[at];
                  }
              }
            });
  return !outside.up();
}

// One output row where windows tile: every tap is dy or 0. False where an index is not in its window.
template <int kTaps>
bool spread_line(const Pool& p, const Taps& t, const float* dy, const int32_t* index, uint64_t place, float* dx) {
  const int taps = kTaps == 0 ? t.count : kTaps;
  vi lost = {};
  for (uint64_t o = 0; o < p.w.outputs; o++, place += p.w.stride) {
    float* window = dx + place * p.channels;
    for_lanes(p.channels, [&](uint64_t c, int count) {
      const vf d = load_part(dy + o * p.channels + c, count);
      const vi winner = bits(load_part(reinterpret_cast<const float*>(index) + o * p.channels + c, count));
      const vi from = winner - static_cast<int32_t>(place);
      vi found = {};
      for (int k = 0; k < taps; k++) {
        const vi here = from == t.place[k];
        found |= here;
        store_part(window + t.offset[k] + c, select(here, d, zero()), count);
      }
      lost |= ~found & (lane_index() < count);
    });
  }
  int any = 0;
  for (int i = 0; i < kLanes; i++) any |= lost[i];
  return any == 0;
}

// The same with a vector over the elements of a row of dx: lane l belongs to window l / (kernel * channels). An output
// has at most one place in its window, so all are found where there are as many hits as outputs.
bool spread_few(const Pool& p, const float* dy, const int32_t* index, const Line& at, float* dx) {
  const int c = static_cast<int>(p.channels), kernel = static_cast<int>(p.w.kernel), each = kernel * c;
  const uint64_t windows = static_cast<uint64_t>(kLanes / each);
  vi from = {}, pixel = {};
  for (int l = 0; l < kLanes / each * each; l++) {
    from[l] = l / each * c + l % c;
    pixel[l] = l / c;
  }
  vi hits = {};
  for (uint64_t d = at.d0; d < at.d1; d++)
    for (uint64_t h = at.h0; h < at.h1; h++)
      for (uint64_t o = 0; o < p.w.outputs; o += windows) {
        const int lanes = static_cast<int>(at_most(windows, p.w.outputs - o)) * each;
        const vi in_use = lane_index() < lanes, source = from & in_use;
        const uint64_t place = (d * p.h.size + h) * p.w.size + o * p.w.stride;
        const vf value = gather(dy + o * p.channels, source);
        const vi winner = bits(gather(reinterpret_cast<const float*>(index) + o * p.channels, source));
        const vi here = in_use & (winner == pixel + static_cast<int32_t>(place));
        hits -= here;
        store_part(dx + place * p.channels, select(here, value, zero()), lanes);
      }
  uint64_t all = 0;
  for (int i = 0; i < kLanes; i++) all += static_cast<uint64_t>(hits[i]);
  return all == p.w.outputs * p.channels;
}

// False where it is not known to be right: then everything is to be scattered.
bool spread(const Runtime& rt, const Pool& p, const float* dy, const int32_t* index, float* dx) {
  if (!tiles(p.d) || !tiles(p.h) || !tiles(p.w)) return false;
  const Taps t = taps_of(p, p.d.kernel, p.h.kernel);
  if (t.count == 0) return false;
  const uint64_t all = p.batch * p.plane() * p.channels;
  if (!covers(p.d) || !covers(p.h) || !covers(p.w))
    for_parts(rt, parts_of(all, 1),
              [&](uint64_t begin, uint64_t end, uint32_t) { fill_row(dx + begin, 0.0f, end - begin); });
  const bool few = p.channels <= kFewChannels && p.channels * p.w.kernel <= kLanes;
  Flag lost;
  for_lines(rt, p, [&](uint64_t line) {
    const Line at = line_of(p, line);
    const uint64_t place = (at.d0 * p.h.size + at.h0) * p.w.size, from = line * p.w.outputs * p.channels;
    float* to = dx + at.b * p.plane() * p.channels;
    bool whole;
    if (few)
      whole = spread_few(p, dy + from, index + from, at, to);
    else if (t.count == 4)
      whole = spread_line<4>(p, t, dy + from, index + from, place, to);
    else
      whole = spread_line<0>(p, t, dy + from, index + from, place, to);
    if (!whole) lost.raise();
  });
  return !lost.up();
}

Status check_maxpool_grad(const Step& step) {
  if (const Status s = check_size<MaxpoolGradAttrs>(step); !s.ok()) return s;
  return check_plane(step.out[0]);
}

Status run_maxpool_grad(const Step& step, const Runtime& rt) {
  const Pool p = pool_of<MaxpoolGradAttrs>(step, step.out[0], step.in[0]);
  if (numel(step.out[0]) == 0) return {};
  const float* dy = f32(step.in[0]);
  const int32_t* index = i32(step.in[1]);
  float* dx = f32(step.out[0]);
  if (spread(rt, p, dy, index, dx) || scatter(rt, p, dy, index, dx)) return {};
  return bad_place();
}

Status check_maxpool_gather(const Step& step) {
  if (!same_dims(step.out[0], step.in[1])) return bad_plan("index must have the shape of y", "index");
  if (const Status s = check_pool<MaxpoolGatherAttrs>(step, step.in[0], step.out[0]); !s.ok()) return s;
  return check_plane(step.in[0]);
}

Status run_maxpool_gather(const Step& step, const Runtime& rt) {
  const Pool p = pool_of<MaxpoolGatherAttrs>(step, step.in[0], step.out[0]);
  const uint64_t plane = p.plane();
  Flag outside;
  for_lines(rt, p, [&](uint64_t line) {
    const float* x = f32(step.in[0]) + line_of(p, line).b * plane * p.channels;
    const uint64_t n = p.w.outputs * p.channels;
    const int32_t* index = i32(step.in[1]) + line * n;
    float* y = f32(step.out[0]) + line * n;
    for (uint64_t o = 0; o < p.w.outputs; o++)
      for (uint64_t c = 0; c < p.channels; c++) {
        const uint32_t place = static_cast<uint32_t>(index[o * p.channels + c]);
        if (place >= plane) return outside.raise();
        y[o * p.channels + c] = x[place * p.channels + c];
      }
  });
  return outside.up() ? bad_place() : Status{};
}

}  // namespace

extern const Kernel maxpool_grad_kernel = {check_maxpool_grad, nullptr, run_maxpool_grad};
extern const Kernel maxpool_gather_kernel = {check_maxpool_gather, nullptr, run_maxpool_gather};

}  // namespace tenon::TENON_ISA
