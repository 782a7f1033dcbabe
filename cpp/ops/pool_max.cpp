// The largest of each window, and where it stands.
#include "gen/attrs.h"
#include "ops/best.h"
#include "ops/pool.h"

namespace tenon::TENON_ISA {
namespace {

// One window, wherever it lies, a vector of channels at a time.
void max_window(const Pool& p, const float* x, const Line& at, uint64_t w0, uint64_t w1, float* y, int32_t* index) {
  for_lanes(p.channels, [&](uint64_t c, int count) {
    const uint64_t first = (at.d0 * p.h.size + at.h0) * p.w.size + w0;
    Best best = {load_part(x + first * p.channels + c, count), splat_i(static_cast<int32_t>(first))};
    for (uint64_t d = at.d0; d < at.d1; d++)
      for (uint64_t h = at.h0; h < at.h1; h++)
        for (uint64_t w = w0; w < w1; w++) {
          const uint64_t place = (d * p.h.size + h) * p.w.size + w;
          Best::meet(best, load_part(x + place * p.channels + c, count), splat_i(static_cast<int32_t>(place)));
        }
    store_part(y + c, best.value, count);
    store_ints(index + c, best.place, count);
  });
}

// Windows that lie inside the row, `count` of them; kTaps of 0: as many as there are.
template <int kTaps>
void max_inside(const Pool& p, const Taps& t, const float* x, uint64_t place, uint64_t count, float* y,
                int32_t* index) {
  const int taps = kTaps == 0 ? t.count : kTaps;
  for (uint64_t i = 0; i < count; i++, place += p.w.stride, y += p.channels, index += p.channels) {
    const float* window = x + place * p.channels;
    const vi start = splat_i(static_cast<int32_t>(place));
    for_lanes(p.channels, [&](uint64_t c, int some) {
      Best best = {load_part(window + c, some), start};
      for (int k = 1; k < taps; k++) Best::meet(best, load_part(window + t.offset[k] + c, some), start + t.place[k]);
      store_part(y + c, best.value, some);
      store_ints(index + c, best.place, some);
    });
  }
}

// The same with a vector over several windows.
void max_inside_few(const Pool& p, const Taps& t, const FewChannels& f, const float* x, uint64_t place, uint64_t count,
                    float* y, int32_t* index) {
  const uint64_t pixels = static_cast<uint64_t>(f.pixels);
  for (; count > 0;) {
    const uint64_t some = at_most(pixels, count);
    const int lanes = static_cast<int>(some * p.channels);
    const vi in_use = lane_index() < lanes;
    const vi offset = f.offset & in_use, start = (f.place & in_use) + static_cast<int32_t>(place);
    const float* window = x + place * p.channels;
    Best best = {gather(window, offset), start};
    for (int k = 1; k < t.count; k++) Best::meet(best, gather(window + t.offset[k], offset), start + t.place[k]);
    store_part(y, best.value, lanes);
    store_ints(index, best.place, lanes);
    count -= some;
    place += some * p.w.stride;
    y += lanes;
    index += lanes;
  }
}

Status run_maxpool(const Step& step, const Runtime& rt) {
  const Pool p = pool_of<MaxpoolAttrs>(step, step.in[0], step.out[0]);
  const uint64_t inside = p.w.inside(), inside_end = p.w.inside_end();
  const FewChannels few = few_channels(p);
  for_lines(rt, p, [&](uint64_t line) {
    const Line at = line_of(p, line);
    const float* x = f32(step.in[0]) + at.b * p.plane() * p.channels;
    float* y = f32(step.out[0]) + line * p.w.outputs * p.channels;
    int32_t* index = i32(step.out[1]) + line * p.w.outputs * p.channels;
    const Taps t = taps_of(p, at.d1 - at.d0, at.h1 - at.h0);
    for (uint64_t o = 0; o < p.w.outputs; o++) {
      if (o == inside && o < inside_end && t.count > 0) {
        const uint64_t place = (at.d0 * p.h.size + at.h0) * p.w.size + p.w.first(o), n = inside_end - inside;
        float* to = y + o * p.channels;
        int32_t* index_to = index + o * p.channels;
        if (takes_few(p, t))
          max_inside_few(p, t, few, x, place, n, to, index_to);
        else if (t.count == 4)
          max_inside<4>(p, t, x, place, n, to, index_to);
        else
          max_inside<0>(p, t, x, place, n, to, index_to);
        o = inside_end - 1;
        continue;
      }
      max_window(p, x, at, p.w.first(o), p.w.end(o), y + o * p.channels, index + o * p.channels);
    }
  });
  return {};
}

Status check_maxpool(const Step& step) {
  if (!same_dims(step.out[0], step.out[1])) return bad_plan("index must have the shape of y", "index");
  if (const Status s = check_pool<MaxpoolAttrs>(step, step.in[0], step.out[0]); !s.ok()) return s;
  return check_plane(step.in[0]);
}

}  // namespace

extern const Kernel maxpool_kernel = {check_maxpool, nullptr, run_maxpool};

}  // namespace tenon::TENON_ISA
