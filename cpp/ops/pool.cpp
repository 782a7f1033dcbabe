// Pooling over three spatial axes, channels last: x [B, d, h, w, C]. Vectors run over channels; with three channels or
// fewer, over the pixels of an output row.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {
namespace {

// ---- shapes

// One spatial axis: outputs o = 0 … outputs - 1 have the window [o * stride - before, … + kernel), cut to [0, size).
struct Axis {
  uint64_t size;
  uint64_t outputs;
  uint64_t kernel;
  uint64_t stride;
  uint64_t before;
  uint64_t after;
  uint64_t first(uint64_t o) const { return o * stride > before ? o * stride - before : 0; }
  uint64_t end(uint64_t o) const { return at_most(o * stride + kernel - before, size); }  // before < kernel
  // Windows that cover i: [cover(i), cover_end(i)).
  uint64_t cover(uint64_t i) const { return i + before < kernel ? 0 : (i + before - kernel) / stride + 1; }
  uint64_t cover_end(uint64_t i) const { return at_most((i + before) / stride + 1, outputs); }
  // Windows that lie inside: [inside(), inside_end()).
  uint64_t inside() const { return at_most(ceil_div(before, stride), outputs); }
  uint64_t inside_end() const {
    if (size + before < kernel) return inside();
    return at_least(at_most((size + before - kernel) / stride + 1, outputs), inside());
  }
};

struct Pool {
  uint64_t batch;
  uint64_t channels;
  Axis d, h, w;
  uint64_t plane() const { return d.size * h.size * w.size; }
  uint64_t outputs() const { return d.outputs * h.outputs * w.outputs; }
  uint64_t window() const { return d.kernel * h.kernel * w.kernel; }
};

template <class Attrs>
Axis axis_of(const Attrs& at, int i, const View& x, const View& y) {
  return {x.dims[i + 1], y.dims[i + 1], at.kernel[i], at.stride[i], at.pad_before[i], at.pad_after[i]};
}

// x: the larger side, y: the pooled one.
template <class Attrs>
Pool pool_of(const Step& step, const View& x, const View& y) {
  const Attrs at = Attrs::read(step.attrs);
  return {x.dims[0], x.dims[4], axis_of(at, 0, x, y), axis_of(at, 1, x, y), axis_of(at, 2, x, y)};
}

// A window of nothing but padding can't be: padding < kernel and size >= 1.
Status check_axis(const Axis& a) {
  if (a.kernel < 1) return bad_plan("kernel must be at least 1", "kernel");
  if (a.stride < 1) return bad_plan("stride must be at least 1", "stride");
  if (a.before >= a.kernel) return bad_plan("padding must be smaller than the kernel", "padBefore");
  if (a.after >= a.kernel) return bad_plan("padding must be smaller than the kernel", "padAfter");
  const uint64_t padded = a.size + a.before + a.after;
  if (a.size < 1 || padded < a.kernel) return bad_plan("the window is larger than the padded input", "kernel");
  if (a.outputs != (padded - a.kernel) / a.stride + 1) return bad_plan("the pooled size does not follow", "y");
  return {};
}

template <class Attrs>
Status check_pool(const Step& step, const View& x, const View& y) {
  if (x.rank != 5 || y.rank != 5) return bad_plan("x and y must be [batch, d, h, w, channels]", "x");
  if (x.dims[0] != y.dims[0] || x.dims[4] != y.dims[4]) return bad_plan("batch and channels must agree", "y");
  const Pool p = pool_of<Attrs>(step, x, y);
  const Axis* axes[] = {&p.d, &p.h, &p.w};
  for (const Axis* a : axes)
    if (const Status s = check_axis(*a); !s.ok()) return s;
  return {};
}

// Places in a plane are i32.
Status check_plane(const View& x) {
  constexpr uint64_t kMost = 0x7fffffff;
  uint64_t plane = 1;
  for (int i = 1; i <= 3; i++) {
    if (x.dims[i] > kMost) return bad_plan("a plane must have fewer than 2^31 places", "x");
    plane *= x.dims[i];
    if (plane > kMost) return bad_plan("a plane must have fewer than 2^31 places", "x");
  }
  return {};
}

template <class Attrs>
Status check_size(const Step& step) {
  const Attrs at = Attrs::read(step.attrs);
  const View& dx = step.out[0];
  if (dx.rank != 5) return bad_plan("dx must be [batch, d, h, w, channels]", "dx");
  for (int i = 0; i < 3; i++)
    if (dx.dims[i + 1] != at.size[i]) return bad_plan("dx must have the spatial size `size`", "dx");
  return check_pool<Attrs>(step, dx, step.in[0]);
}

// A row of outputs: example b, planes [d0, d1) and rows [h0, h1) of x under its windows.
struct Line {
  uint64_t b, d0, d1, h0, h1;
};

Line line_of(const Pool& p, uint64_t line) {
  const uint64_t oh = line % p.h.outputs, od = line / p.h.outputs % p.d.outputs;
  return {line / p.h.outputs / p.d.outputs, p.d.first(od), p.d.end(od), p.h.first(oh), p.h.end(oh)};
}

// body(line) for all rows of outputs, in parallel.
template <typename Body>
void for_lines(const Runtime& rt, const Pool& p, Body body) {
  if (p.batch == 0 || p.channels == 0) return;
  const uint64_t lines = p.batch * p.d.outputs * p.h.outputs;
  const uint64_t rows = at_most(p.d.kernel, p.d.size) * at_most(p.h.kernel, p.h.size);
  for_parts(rt, parts_of(lines, p.w.size * p.channels * rows), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t line = begin; line < end; line++) body(line);
  });
}

// The taps of a whole window, as offsets from its first element: in x, and in places.
constexpr uint64_t kMostTaps = 64;
constexpr uint64_t kFewChannels = 3;
struct Taps {
  int count = 0;  // 0: too many, or offsets beyond i32
  int32_t offset[kMostTaps];
  int32_t place[kMostTaps];
};

Taps taps_of(const Pool& p, uint64_t planes, uint64_t rows) {
  Taps t;
  if (planes * rows > kMostTaps || planes * rows * p.w.kernel > kMostTaps) return t;
  const uint64_t reach = (planes * p.h.size + rows) * p.w.size + p.w.kernel;
  if (reach * p.channels > 0x3fffffff) return t;
  for (uint64_t d = 0; d < planes; d++)
    for (uint64_t h = 0; h < rows; h++)
      for (uint64_t w = 0; w < p.w.kernel; w++) {
        const uint64_t place = (d * p.h.size + h) * p.w.size + w;
        t.place[t.count] = static_cast<int32_t>(place);
        t.offset[t.count++] = static_cast<int32_t>(place * p.channels);
      }
  return t;
}

// Lane l holds element l of the first elements of consecutive windows of a row, channels last; `lanes` of them, whole
// windows, are in use and the others repeat the first.
struct FewChannels {
  int pixels;
  int lanes;
  vi offset;
  vi place;
};

FewChannels few_channels(const Pool& p) {
  FewChannels f = {};
  if (p.channels == 0 || p.channels > kFewChannels) return f;
  const int c = static_cast<int>(p.channels), stride = static_cast<int>(p.w.stride);
  f.pixels = kLanes / c;
  f.lanes = f.pixels * c;
  for (int l = 0; l < f.lanes; l++) {
    f.place[l] = l / c * stride;
    f.offset[l] = f.place[l] * c + l % c;
  }
  return f;
}

bool takes_few(const Pool& p, const Taps& t) {
  return p.channels <= kFewChannels && t.count > 0 && p.w.stride * p.channels * kLanes <= 0x3fffffff;
}

vf gather(const float* p, vi offset) {
#if TENON_VBYTES == 64
  return (vf)_mm512_i32gather_ps((__m512i)offset, p, 4);
#elif TENON_VBYTES == 32
  return (vf)_mm256_i32gather_ps(p, (__m256i)offset, 4);
#else
  return vf{p[offset[0]], p[offset[1]], p[offset[2]], p[offset[3]]};
#endif
}

// ---- maxpool

// The first of the largest; NaN above all.
struct Best {
  vf value;
  vi place;
  TENON_INLINE void meet(Best& best, vf v, vi at) {
    const vi wins = ~(v <= best.value) & (best.value == best.value);
    best.value = select(wins, v, best.value);
    best.place = select(wins, at, best.place);
  }
};

TENON_INLINE void store_ints(int32_t* p, vi v, int count) {
  if (count == kLanes) return store(p, v);
  store_first(reinterpret_cast<float*>(p), from_bits(v), count);
}

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

// ---- maxpool_grad, maxpool_gather

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

// Windows that touch but do not overlap: each element of dx belongs to one of them at most.
bool tiles(const Axis& a) { return a.stride == a.kernel && a.before == 0 && a.after == 0; }
bool covers(const Axis& a) { return a.outputs * a.stride == a.size; }

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

// ---- avgpool

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

extern const Kernel maxpool_kernel = {check_maxpool, nullptr, run_maxpool};
extern const Kernel maxpool_grad_kernel = {check_maxpool_grad, nullptr, run_maxpool_grad};
extern const Kernel maxpool_gather_kernel = {check_maxpool_gather, nullptr, run_maxpool_gather};
extern const Kernel avgpool_kernel = {check_avgpool, nullptr, run_avgpool};
extern const Kernel avgpool_grad_kernel = {check_avgpool_grad, nullptr, run_avgpool_grad};

}  // namespace tenon::TENON_ISA
