// The shapes of pooling over three spatial axes, channels last: x [B, d, h, w, C]. Vectors run over channels; with
// three channels or fewer, over the pixels of an output row.
#pragma once
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {

// One spatial axis: outputs o = 0 … outputs - 1 have the window [o * stride - before, … + kernel), cut to [0, size).
struct PoolAxis {
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
  PoolAxis d, h, w;
  uint64_t plane() const { return d.size * h.size * w.size; }
  uint64_t outputs() const { return d.outputs * h.outputs * w.outputs; }
  uint64_t window() const { return d.kernel * h.kernel * w.kernel; }
};

template <class Attrs>
TENON_INLINE PoolAxis axis_of(const Attrs& at, int i, const View& x, const View& y) {
  return {x.dims[i + 1], y.dims[i + 1], at.kernel[i], at.stride[i], at.pad_before[i], at.pad_after[i]};
}

// x: the larger side, y: the pooled one.
template <class Attrs>
TENON_INLINE Pool pool_of(const Step& step, const View& x, const View& y) {
  const Attrs at = Attrs::read(step.attrs);
  return {x.dims[0], x.dims[4], axis_of(at, 0, x, y), axis_of(at, 1, x, y), axis_of(at, 2, x, y)};
}

// A window of nothing but padding can't be: padding < kernel and size >= 1.
TENON_INLINE Status check_axis(const PoolAxis& a) {
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
TENON_INLINE Status check_pool(const Step& step, const View& x, const View& y) {
  if (x.rank != 5 || y.rank != 5) return bad_plan("x and y must be [batch, d, h, w, channels]", "x");
  if (x.dims[0] != y.dims[0] || x.dims[4] != y.dims[4]) return bad_plan("batch and channels must agree", "y");
  const Pool p = pool_of<Attrs>(step, x, y);
  const PoolAxis* axes[] = {&p.d, &p.h, &p.w};
  for (const PoolAxis* a : axes)
    if (const Status s = check_axis(*a); !s.ok()) return s;
  return {};
}

// Places in a plane are i32.
TENON_INLINE Status check_plane(const View& x) {
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
TENON_INLINE Status check_size(const Step& step) {
  const Attrs at = Attrs::read(step.attrs);
  const View& dx = step.out[0];
  if (dx.rank != 5) return bad_plan("dx must be [batch, d, h, w, channels]", "dx");
  for (int i = 0; i < 3; i++)
    if (dx.dims[i + 1] != at.size[i]) return bad_plan("dx must have the spatial size `size`", "dx");
  return check_pool<Attrs>(step, dx, step.in[0]);
}

// Windows that touch but do not overlap: each element of dx belongs to one of them at most.
TENON_INLINE bool tiles(const PoolAxis& a) { return a.stride == a.kernel && a.before == 0 && a.after == 0; }
TENON_INLINE bool covers(const PoolAxis& a) { return a.outputs * a.stride == a.size; }

// A row of outputs: example b, planes [d0, d1) and rows [h0, h1) of x under its windows.
struct Line {
  uint64_t b, d0, d1, h0, h1;
};

TENON_INLINE Line line_of(const Pool& p, uint64_t line) {
  const uint64_t oh = line % p.h.outputs, od = line / p.h.outputs % p.d.outputs;
  return {line / p.h.outputs / p.d.outputs, p.d.first(od), p.d.end(od), p.h.first(oh), p.h.end(oh)};
}

// body(line) for all rows of outputs, in parallel.
template <typename Body>
TENON_INLINE void for_lines(const Runtime& rt, const Pool& p, Body body) {
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

TENON_INLINE Taps taps_of(const Pool& p, uint64_t planes, uint64_t rows) {
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

TENON_INLINE FewChannels few_channels(const Pool& p) {
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

TENON_INLINE bool takes_few(const Pool& p, const Taps& t) {
  return p.channels <= kFewChannels && t.count > 0 && p.w.stride * p.channels * kLanes <= 0x3fffffff;
}

TENON_INLINE vf gather(const float* p, vi offset) {
#if TENON_VBYTES == 64
  return (vf)_mm512_i32gather_ps((__m512i)offset, p, 4);
#elif TENON_VBYTES == 32
  return (vf)_mm256_i32gather_ps(p, (__m256i)offset, 4);
#else
  return vf{p[offset[0]], p[offset[1]], p[offset[2]], p[offset[3]]};
#endif
}

}  // namespace tenon::TENON_ISA
