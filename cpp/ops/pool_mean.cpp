// The mean of each window, padding left out, and its gradient.
#include "gen/attrs.h"
#include "ops/pool.h"

namespace tenon::TENON_ISA {
namespace {

// Sums are nested, a row of the window at a time, so that rounding grows with the window's side, not its area.
void mean_window(const Pool& p, const float* x, const Line& at, uint64_t w0, uint64_t w1, float* y) {
  const float share = 1.0f / static_cast<float>((at.d1 - at.d0) * (at.h1 - at.h0) * (w1 - w0));
  for_lanes(p.channels, [&](uint64_t c, int count) {
    vf all = zero();
    for (uint64_t d = at.d0; d < at.d1; d++)
      for (uint64_t h = at.h0; h < at.h1; h++) {
        const float* row = x + (d * p.h.size + h) * p.w.size * p.channels + c;
        vf some = zero();
        for (uint64_t w = w0; w < w1; w++) some += load_part(row + w * p.channels, count);
        all += some;
      }
    store_part(y + c, all * share, count);
  });
}

// Windows that lie inside the row, `count` of them; kTaps of 0: as many as there are.
template <int kTaps>
void mean_inside(const Pool& p, const Taps& t, const float* x, uint64_t place, uint64_t count, float* y) {
  const int taps = kTaps == 0 ? t.count : kTaps;
  const float share = 1.0f / static_cast<float>(taps);
  for (uint64_t i = 0; i < count; i++, place += p.w.stride, y += p.channels) {
    const float* window = x + place * p.channels;
    for_lanes(p.channels, [&](uint64_t c, int some) {
      vf all = load_part(window + c, some);
      for (int k = 1; k < taps; k++) all += load_part(window + t.offset[k] + c, some);
      store_part(y + c, all * share, some);
    });
  }
}

// The same with a vector over several windows.
void mean_inside_few(const Pool& p, const Taps& t, const FewChannels& f, const float* x, uint64_t place, uint64_t count,
                     float* y) {
  const uint64_t pixels = static_cast<uint64_t>(f.pixels);
  const float share = 1.0f / static_cast<float>(t.count);
  for (; count > 0;) {
    const uint64_t some = at_most(pixels, count);
    const int lanes = static_cast<int>(some * p.channels);
    const vi offset = f.offset & (lane_index() < lanes);
    vf all = zero();
    for (int k = 0; k < t.count; k++) all += gather(x + place * p.channels + t.offset[k], offset);
    store_part(y, all * share, lanes);
    count -= some;
    place += some * p.w.stride;
    y += lanes;
  }
}

Status check_avgpool(const Step& step) { return check_pool<AvgpoolAttrs>(step, step.in[0], step.out[0]); }

Status run_avgpool(const Step& step, const Runtime& rt) {
  const Pool p = pool_of<AvgpoolAttrs>(step, step.in[0], step.out[0]);
  const uint64_t inside = p.w.inside(), inside_end = p.w.inside_end();
  const FewChannels few = few_channels(p);
  for_lines(rt, p, [&](uint64_t line) {
    const Line at = line_of(p, line);
    const float* x = f32(step.in[0]) + at.b * p.plane() * p.channels;
    float* y = f32(step.out[0]) + line * p.w.outputs * p.channels;
    const Taps t = taps_of(p, at.d1 - at.d0, at.h1 - at.h0);
    for (uint64_t o = 0; o < p.w.outputs; o++) {
      if (o == inside && o < inside_end && t.count > 0) {
        const uint64_t place = (at.d0 * p.h.size + at.h0) * p.w.size + p.w.first(o), n = inside_end - inside;
        float* to = y + o * p.channels;
        if (takes_few(p, t))
          mean_inside_few(p, t, few, x, place, n, to);
        else if (t.count == 4)
          mean_inside<4>(p, t, x, place, n, to);
        else
          mean_inside<0>(p, t, x, place, n, to);
        o = inside_end - 1;
        continue;
      }
      mean_window(p, x, at, p.w.first(o), p.w.end(o), y + o * p.channels);
    }
  });
  return {};
}

Status check_avgpool_grad(const Step& step) { return check_size<AvgpoolGradAttrs>(step); }

// dx (+)= dy times its share, for one row of dx and one row of outputs whose windows it meets.
template <bool kAdds>
void spread_means(const Pool& p, const float* dy, uint64_t area, float* dx) {
  for (uint64_t o = 0; o < p.w.outputs; o++, dy += p.channels) {
    const uint64_t w0 = p.w.first(o), w1 = p.w.end(o);
    const float share = 1.0f / static_cast<float>(area * (w1 - w0));
    for_lanes(p.channels, [&](uint64_t c, int count) {
      const vf part = load_part(dy + c, count) * share;
      for (uint64_t w = w0; w < w1; w++) {
        float* to = dx + w * p.channels + c;
        store_part(to, kAdds ? load_part(to, count) + part : part, count);
      }
    });
  }
}

// One row of dx. Where windows tile, all of it is written once.
void row_of_means(const Pool& p, const float* dy, uint64_t d, uint64_t h, bool tiled, float* dx) {
  if (!tiled) fill_row(dx, 0.0f, p.w.size * p.channels);
  for (uint64_t od = p.d.cover(d); od < p.d.cover_end(d); od++)
    for (uint64_t oh = p.h.cover(h); oh < p.h.cover_end(h); oh++) {
      const uint64_t area = (p.d.end(od) - p.d.first(od)) * (p.h.end(oh) - p.h.first(oh));
      const float* from = dy + (od * p.h.outputs + oh) * p.w.outputs * p.channels;
      if (tiled)
        spread_means<false>(p, from, area, dx);
      else
        spread_means<true>(p, from, area, dx);
    }
}

Status run_avgpool_grad(const Step& step, const Runtime& rt) {
  const Pool p = pool_of<AvgpoolGradAttrs>(step, step.out[0], step.in[0]);
  if (numel(step.out[0]) == 0) return {};
  const uint64_t rows = p.batch * p.d.size * p.h.size;
  const uint64_t weight = ceil_div(p.d.kernel, p.d.stride) * ceil_div(p.h.kernel, p.h.stride);
  const bool tiled = tiles(p.d) && tiles(p.h) && tiles(p.w) && covers(p.d) && covers(p.h) && covers(p.w);
  for_parts(rt, parts_of(rows, p.w.size * p.channels * at_most(weight, kPart)),
            [&](uint64_t begin, uint64_t end, uint32_t) {
              for (uint64_t row = begin; row < end; row++) {
                const uint64_t h = row % p.h.size, d = row / p.h.size % p.d.size, b = row / p.h.size / p.d.size;
                const float* dy = f32(step.in[0]) + b * p.outputs() * p.channels;
                row_of_means(p, dy, d, h, tiled, f32(step.out[0]) + row * p.w.size * p.channels);
              }
            });
  return {};
}

}  // namespace

extern const Kernel avgpool_kernel = {check_avgpool, nullptr, run_avgpool};
extern const Kernel avgpool_grad_kernel = {check_avgpool_grad, nullptr, run_avgpool_grad};

}  // namespace tenon::TENON_ISA
