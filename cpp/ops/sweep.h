// Convolutions without an unfolded matrix: dst[p] = sum over taps of src[p * step + tap] * weights[tap], for every
// position p of a grid, by the tile kernels. Rows of a tile are neighbouring positions along the last axis, read where
// they lie, or from a copy of a band of rows with its padding written out; k runs over taps and channels through a
// table of offsets that all tiles share. A band is what one task makes: some output rows of one image.
#pragma once
#include "ops/gemm.h"
#include "ops/pooled.h"
#include "ops/short_sums.h"

namespace tenon::TENON_ISA {

// The taps of one axis lie at first, first + delta, … of the padded source.
struct Axis {
  int64_t size = 0;    // of the source
  int64_t pad = 0;     // zeros before it
  int64_t extent = 0;  // of the padded source, as far as it is read
  int64_t step = 1;    // from an output position to the next
  int64_t out = 0;     // output positions
  int64_t taps = 0, first = 0, delta = 1;
  int64_t dst = 0;  // elements of dst from an output position to the next
};

struct Sweep {
  Axis axis[3];  // depth, height, width
  int64_t images = 0;
  int64_t groups = 1;
  int64_t in = 0, out = 0;               // channels of a group
  int64_t dst_group = 0;                 // elements of dst, and of the bias, from a group's channels to the next one's
  int64_t src_image = 0, dst_image = 0;  // elements
  const float* src = nullptr;
  float* dst = nullptr;
  const float* bias = nullptr;
  uint32_t activation = 0;
  const Pooling* pooling = nullptr;  // then dst is no place: a few rows of results at a time are scratch
};

struct SweepPlan {
  int64_t taps = 0, inner = 0, panels = 0;
  bool copies = false;                 // bands are copied
  int64_t band = 1, bands = 1;         // output rows of a task; such bands of a slice of an image
  int64_t span = 1, spans = 1;         // output positions of a row of a task; such spans of a row
  int64_t col_groups = 1;              // tasks a band
  int64_t row = 0, slice = 0;          // elements from a row, a depth slice of the band to the next
  int64_t pool_rows = 0, pool_at = 0;  // results that are pooled at once; where they lie in a worker's scratch
  uint64_t weight_bytes = 0, index_bytes = 0, band_bytes = 0;
};

TENON_INLINE int64_t channels_in(const Sweep& s) { return s.in * s.groups; }
TENON_INLINE int64_t whole_times(int64_t n, int64_t of) { return ceil_div(n, of) * of; }

// Rows (or columns) of the padded source that `n` output rows (or columns) read.
TENON_INLINE int64_t rows_read(const Axis& a, int64_t n) { return a.extent - (a.out - n) * a.step; }

// Whether every tap of every position lies inside the source.
TENON_INLINE bool needs_padding(const Sweep& s) {
  for (int i = 0; i < 3; i++)
    if (s.axis[i].pad > 0 || s.axis[i].extent > s.axis[i].size) return true;
  return false;
}

TENON_INLINE int64_t slices_read(const Axis& d) { return d.extent - (d.out - 1) * d.step; }
// What a task reads should lie in the second cache. Where sums are cut with the bands, that is one of 1 MiB on every
// machine, for the same bits.
TENON_INLINE int64_t band_bytes(uint64_t cache) { return static_cast<int64_t>(cache / 16 * 5); }
constexpr uint64_t kCacheOfSums = uint64_t{1} << 20;

// Output positions of a row that one task makes: all, but of long rows, and where there are few rows for many threads.
TENON_INLINE int64_t span_positions(const Sweep& s, int threads, uint64_t cache) {
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  const int64_t bytes = 4 * most(0, w.extent) * channels_in(s) * most(1, slices_read(d) * rows_read(h, 1));
  const int64_t rows = most(1, s.images * d.out * h.out);
  int64_t spans = ceil_div(bytes, band_bytes(cache));
  if (threads > 1 && rows < 4 * threads) spans = most(spans, ceil_div(4 * threads, rows));
  const int64_t span = most(8 * kTileRows, ceil_div(w.out, most(1, spans)));
  return least(w.out, whole_times(whole_times(span, kTileRows), s.pooling ? s.pooling->wide : 1));
}

// Output rows of a task. `row`: elements of a row that it reads.
TENON_INLINE int64_t band_rows(const Sweep& s, int64_t row, int64_t tasks_a_row, int threads, uint64_t cache) {
  const Axis& h = s.axis[1];
  const int64_t room = most(1, band_bytes(cache) / most(1, 4 * row * slices_read(s.axis[0])));
  int64_t band = room <= rows_read(h, 1) ? 1 : (room - rows_read(h, 1)) / h.step + 1;
  band = most(1, least(band, h.out));
  while (band > 4 && tasks_a_row * ceil_div(h.out, band) < 4 * threads && threads > 1) band = ceil_div(band, 2);
  band = ceil_div(h.out, ceil_div(h.out, band));  // bands of even heights
  return s.pooling ? whole_times(band, s.pooling->high) : band;
}

constexpr int64_t kPoolBytes = 16 << 10;  // results that wait for pooling stay in the first cache

// Room for the results of a few rows of `row` elements.
TENON_INLINE void plan_pooling(const Sweep& s, SweepPlan& p, int64_t row) {
  if (!s.pooling) return;
  const int64_t high = s.pooling->high;
  p.pool_rows = least(p.band, most(1, kPoolBytes / (4 * most(1, row)) / high) * high);
  p.pool_at = static_cast<int64_t>(p.band_bytes) / 4;
  p.band_bytes += round64((p.pool_rows * row + kTileCols) * 4);
}

TENON_INLINE SweepPlan plan_sweep(const Sweep& s, int threads) {
  SweepPlan p;
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  if (d.out <= 0 || h.out <= 0 || w.out <= 0 || s.images <= 0) return p;
  p.taps = d.taps * h.taps * w.taps;
  p.inner = p.taps * s.in;
  p.panels = ceil_div(s.out, kTileCols);
  p.copies = p.taps > 0 && needs_padding(s);
  p.span = span_positions(s, threads, second_cache());
  p.spans = ceil_div(w.out, p.span);
  p.row = (p.copies ? rows_read(w, p.span) : w.size) * channels_in(s);
  p.band = band_rows(s, rows_read(w, p.span) * channels_in(s), s.images * d.out * p.spans, threads, second_cache());
  p.bands = ceil_div(h.out, p.band);
  p.slice = p.row * (p.copies ? rows_read(h, p.band) : h.size);
  const int64_t tasks = s.images * d.out * p.bands * p.spans;
  if (tasks < 2 * threads) p.col_groups = most(1, least(p.panels * s.groups, ceil_div(4 * threads, tasks)));
  p.weight_bytes = round64(s.groups * p.panels * p.inner * kTileCols * 4);
  p.index_bytes = round64(p.inner * 8);
  if (p.copies) p.band_bytes = round64((p.slice * slices_read(d) + kTileCols) * 4);
  plan_pooling(s, p, h.dst);
  return p;
}

// Beside the packed weights.
TENON_INLINE uint64_t sweep_rest(const SweepPlan& p, int threads) {
  return p.index_bytes + static_cast<uint64_t>(threads) * p.band_bytes;
}

// Short runs by whole vectors: a call costs more.
TENON_INLINE void fill_zeros(float* p, int64_t n) {
  if (n > 16 * kLanes) {
    __builtin_memset(p, 0, static_cast<size_t>(n) * 4);
    return;
  }
  for (; n >= kLanes; n -= kLanes, p += kLanes) store(p, zero());
  if (n > 0) store_first(p, zero(), static_cast<int>(n));
}
TENON_INLINE void copy_run(float* to, const float* from, int64_t n) {
  if (n > 16 * kLanes) {
    __builtin_memcpy(to, from, static_cast<size_t>(n) * 4);
    return;
  }
  for (; n >= kLanes; n -= kLanes, to += kLanes, from += kLanes) store(to, load(from));
  if (n > 0) store_first(to, load_first(from, static_cast<int>(n)), static_cast<int>(n));
}

// A task: output rows [h, h + rows) of slice d of an image, their positions [w, w + cols); and its column group.
struct Band {
  int64_t image = 0, d = 0, h = 0, rows = 0, w = 0, cols = 0, group = 0;
};

// The part of the padded source that a band reads: copy(slice, row, x, from, n) takes n positions to x of a row,
// zero(slice, row, x, n) makes as many of padding.
template <typename Copy, typename Zero>
TENON_INLINE void visit_band(const Sweep& s, const Band& b, const Copy& copy, const Zero& zero) {
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  const int64_t channels = channels_in(s), first = b.w * w.step, wide = rows_read(w, b.cols);
  const int64_t left = least(wide, most(0, w.pad - first)), from = most(0, first - w.pad);
  const int64_t body = most(0, least(w.size - from, wide - left)), high = rows_read(h, b.rows);
  for (int64_t i = 0; i < slices_read(d); i++)
    for (int64_t j = 0; j < high; j++) {
      const int64_t sd = b.d * d.step + i - d.pad, sh = b.h * h.step + j - h.pad;
      if (sd < 0 || sd >= d.size || sh < 0 || sh >= h.size || body == 0) {
        zero(i, j, 0, wide);
        continue;
      }
      zero(i, j, 0, left);
      copy(i, j, left, s.src + b.image * s.src_image + ((sd * h.size + sh) * w.size + from) * channels, body);
      zero(i, j, left + body, wide - left - body);
    }
}

TENON_INLINE void copy_band(const Sweep& s, const Band& b, float* to, int64_t row, int64_t slice) {
  const int64_t channels = channels_in(s);
  const auto at = [=](int64_t i, int64_t j, int64_t x) { return to + i * slice + j * row + x * channels; };
  visit_band(
      s, b,
      [=](int64_t i, int64_t j, int64_t x, const float* from, int64_t n) { copy_run(at(i, j, x), from, n * channels); },
      [=](int64_t i, int64_t j, int64_t x, int64_t n) { fill_zeros(at(i, j, x), n * channels); });
}

// k of the taps that do not lie above or below the image for output row y: those of the others are zeros times weights.
struct Depths {
  int64_t from = 0, to = 0;
  int64_t count() const { return most(0, to - from); }
  bool operator==(const Depths&) const = default;
};
TENON_INLINE Depths depths_inside(const Sweep& s, int64_t inner, int64_t y) {
  const Axis& h = s.axis[1];
  if (s.axis[0].taps != 1 || h.taps == 0) return {0, inner};
  const auto inside = [&](int64_t tap) {
    const int64_t row = y * h.step + h.first + tap * h.delta - h.pad;
    return row >= 0 && row < h.size;
  };
  int64_t from = 0, to = h.taps;
  while (from < to && !inside(from)) from++;
  while (to > from && !inside(to - 1)) to--;
  return {from * (inner / h.taps), to * (inner / h.taps)};
}

// Where the source of a band begins, after copying it there where it has to be.
TENON_INLINE const float* open_band(const Sweep& s, const SweepPlan& p, const Band& b, float* own) {
  if (p.taps == 0) return s.src;
  if (p.copies) {
    copy_band(s, b, own, p.row, p.slice);
    return own;
  }
  return s.src + b.image * s.src_image + b.d * s.axis[0].step * p.slice + b.h * s.axis[1].step * p.row +
         b.w * s.axis[2].step * channels_in(s);
}
TENON_INLINE float* result_of(const Sweep& s, const Band& b) {
  return s.dst + b.image * s.dst_image + b.d * s.axis[0].dst + b.h * s.axis[1].dst + b.w * s.axis[2].dst;
}

// make(band, src, dst) for a band whose source is at src: all of it into the result, or some rows at a time into a
// worker's own scratch, from where channels [channel, channel + n) are pooled.
template <typename Make>
TENON_INLINE void make_results(const Sweep& s, const SweepPlan& p, const Band& b, const float* src, float* own,
                               int64_t channel, int64_t n, const Make& make) {
  if (!s.pooling) return make(b, src, result_of(s, b));
  for (int64_t y = 0; y < b.rows; y += p.pool_rows) {
    Band some = b;
    some.h += y;
    some.rows = least(p.pool_rows, b.rows - y);
    float* results = own + p.pool_at;
    make(some, src + y * s.axis[1].step * p.row, results);
    pool_block(*s.pooling, {b.image, b.d, some.h, some.rows, b.w, b.cols, channel, n}, results + channel, s.axis[1].dst,
               s.axis[2].dst);
  }
}

// body(band, worker) for every band, small ones several to a task.
template <typename Body>
TENON_INLINE void for_bands(const Runtime& rt, const Sweep& s, const SweepPlan& p, const Body& body) {
  const int64_t depth = s.axis[0].out, height = s.axis[1].out, width = s.axis[2].out;
  const int64_t units = s.images * depth * p.bands * p.spans * p.col_groups;
  const double work =
      static_cast<double>(s.images * depth * height * width) * static_cast<double>(p.inner * s.out * s.groups);
  const int64_t tasks = most(1, least(units, least(65536, static_cast<int64_t>(work / 100e3))));
  parallel_for(rt, static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t worker) {
    for (int64_t i = part(units, task, tasks); i < part(units, task + 1, tasks); i++) {
      Band b;
      int64_t u = i;
      b.group = u % p.col_groups;
      u /= p.col_groups;
      b.w = u % p.spans * p.span;
      b.cols = least(p.span, width - b.w);
      u /= p.spans;
      b.h = u % p.bands * p.band;
      b.rows = least(p.band, height - b.h);
      u /= p.bands;
      b.d = u % depth;
      b.image = u / depth;
      body(b, worker);
    }
  });
}

// Weights: `pack(to, group, col, cols)` writes all of k of a panel, taps in order, then channels. Once packed, they
// serve sweeps of other sizes as well.
template <typename Weights>
struct SweepRun {
  const Sweep& s;
  SweepPlan p;
  Weights weights;
  float* packed;
  uint8_t* rest;

  static SweepPlan plan(const Sweep& s, int threads) { return plan_sweep(s, threads); }
  static uint64_t rest_bytes(const SweepPlan& p, int threads) { return sweep_rest(p, threads); }

  float* panel_at(int64_t group, int64_t panel) const {
    return packed + (group * p.panels + panel) * p.inner * kTileCols;
  }
  int64_t* index() const { return reinterpret_cast<int64_t*>(rest); }
  float* own(uint32_t worker) const { return reinterpret_cast<float*>(rest + p.index_bytes + worker * p.band_bytes); }
  int cols_of(int64_t panel) const { return static_cast<int>(least(kTileCols, s.out - panel * kTileCols)); }

  void make_index() const {
    const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
    int64_t* to = index();
    for (int64_t a = 0; a < d.taps; a++)
      for (int64_t b = 0; b < h.taps; b++)
        for (int64_t c = 0; c < w.taps; c++) {
          const int64_t at = (d.first + a * d.delta) * p.slice + (h.first + b * h.delta) * p.row +
                             (w.first + c * w.delta) * channels_in(s);
          for (int64_t i = 0; i < s.in; i++) *to++ = (at + i) * 4;
        }
  }

  // The first output channel of one of all groups' panels; that of the one after the last is their number.
  int64_t first_col(int64_t u) const { return u / p.panels * s.dst_group + u % p.panels * kTileCols; }

  // Panels [from, to) of all groups' panels, for a band whose source is at src.
  void band(const Band& b, const float* src, float* dst, int64_t from, int64_t to) const {
    const int64_t blocks = most(1, ceil_div(p.inner, kDepth));
    for (int64_t u = from; u < to; u++) {
      const int64_t group = u / p.panels, panel = u % p.panels, col = first_col(u);
      TileCall call;
      call.cols = cols_of(panel);
      call.b_step = panel_width(call.cols);
      call.a_row = s.axis[2].step * channels_in(s);
      call.c_row = s.axis[2].dst;
      for (int64_t i = 0; i < blocks; i++) {
        if (i + 1 == blocks) call.floor = floor_of(s.activation);
        for (int64_t y = 0; y < b.rows; y++) {
          const Depths all = depths_inside(s, p.inner, b.h + y);
          const Depths k{most(all.from, part(p.inner, i, blocks)), least(all.to, part(p.inner, i + 1, blocks))};
          call.k = k.count();
          call.index = index() + k.from;
          call.b = panel_at(group, panel) + k.from * call.b_step;
          line(call, b.cols, src + y * s.axis[1].step * p.row + group * s.in, dst + y * s.axis[1].dst + col,
               s.bias ? s.bias + col : kTileZeros, i == 0, i + 1 == blocks);
        }
      }
    }
  }

  // n positions of an output row.
  void line(TileCall& call, int64_t n, const float* src, float* dst, const float* bias, bool first, bool last) const {
    if (call.k >= 1 && p.inner <= kShortSum) {
      call.a = src;
      call.c = dst;
      call.init = bias;
      short_line(call, n);
      if (s.activation > kRelu) activate_rows(s.activation, dst, call.c_row, n, call.cols);
      return;
    }
    const int64_t tiles = ceil_div(n, kTileRows);
    for (int64_t t = 0; t < tiles; t++) {
      const int64_t x = part(n, t, tiles);
      const int rows = static_cast<int>(part(n, t + 1, tiles) - x);
      call.a = src + x * call.a_row;
      call.c = dst + x * call.c_row;
      call.init = first ? bias : call.c;
      call.init_row = first ? 0 : call.c_row;
      tile_function(kIndexA, rows, call.cols)(call);
      if (last && s.activation > kRelu) activate_rows(s.activation, call.c, call.c_row, rows, call.cols);
    }
  }

  void pack(const Runtime& rt) const {
    const int64_t all = s.groups * p.panels;
    if (all == 0) return;
    const uint32_t packers = static_cast<uint32_t>(least(all, most(1, p.inner * all * kTileCols / 16384)));
    parallel_for(rt, packers, [&](uint32_t task, uint32_t) {
      for (int64_t u = part(all, task, packers); u < part(all, task + 1, packers); u++)
        weights.pack(panel_at(u / p.panels, u % p.panels), u / p.panels, u % p.panels * kTileCols,
                     cols_of(u % p.panels));
    });
  }

  void make(const Runtime& rt) const {
    const int64_t all = s.groups * p.panels;
    if (all == 0) return;
    make_index();
    for_bands(rt, s, p, [&](const Band& b, uint32_t worker) {
      const int64_t from = part(all, b.group, p.col_groups), to = part(all, b.group + 1, p.col_groups);
      float* room = own(worker);
      make_results(s, p, b, open_band(s, p, b, room), room, first_col(from), first_col(to) - first_col(from),
                   [&](const Band& some, const float* src, float* dst) { band(some, src, dst, from, to); });
    });
  }
};

}  // namespace tenon::TENON_ISA
