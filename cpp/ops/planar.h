// A sweep with few output channels: positions lie on the lanes and channels are the rows of a tile, so that no lane is
// idle. The band is copied channel by channel; positions run on through the padding between rows, whose results are
// dropped as tiles are turned into channels-last order.
#pragma once
#include "ops/sweep.h"

namespace tenon::TENON_ISA {

TENON_INLINE bool suits_planar(const Sweep& s) {
  const int64_t most_rows = least(kTileRows, kLanes * 5 / 8);
  return s.axis[2].step == 1 && s.out >= 1 && s.out <= most_rows && s.in > 0;
}

// Results of a channel are pooled plane by plane: what its tiles and windows touch past its rows.
TENON_INLINE int64_t plane_slack(const Sweep& s) { return kWideCols + kLanes * s.pooling->wide; }

TENON_INLINE SweepPlan plan_planar(const Sweep& s, int threads) {
  SweepPlan p = plan_sweep(s, threads);
  if (p.taps == 0) return p;
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  p.copies = true;
  p.col_groups = 1;
  p.row = rows_read(w, p.span);
  p.slice = p.row * rows_read(h, p.band);
  p.band_bytes = round64((p.slice * slices_read(d) * channels_in(s) + kWideCols) * 4);
  if (s.pooling) {
    plan_pooling(s, p, p.row * s.out);
    p.band_bytes += round64(s.out * plane_slack(s) * 4);
  }
  return p;
}

// Every `step`-th of the numbers from p on.
TENON_INLINE vf load_apart(const float* p, int64_t step) {
  if (step == 1) return load(p);
  vf v;
  for (int i = 0; i < kLanes; i++) v[i] = p[i * step];
  return v;
}
TENON_INLINE void load_pairs(const float* p, vf& even, vf& odd) {
  const vf a = load(p), b = load(p + kLanes);
#if TENON_VBYTES == 64
  even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif TENON_VBYTES == 32
  even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  even = __builtin_shufflevector(a, b, 0, 2, 4, 6);
  odd = __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

// One row of windows, results of a channel together: rows `row` apart, channels `step`. Lanes are windows, turned into
// channels-last order as they are written. Reads kLanes windows at a time.
TENON_INLINE void pool_planes(const Pooling& p, const PoolBlock& b, const float* from, int64_t row, int64_t step) {
  with_kind(p, [&]<typename Kind>(Kind) {
    const int64_t windows = b.cols / p.wide;
    const vi lanes = lane_index() * static_cast<int32_t>(p.wide);
    for (int64_t x = 0; x < windows; x += kLanes) {
      vf value[kLanes], place[kLanes];
      for (int o = 0; o < kLanes; o++) value[o] = place[o] = zero();
      for (int o = 0; o < b.n; o++) {
        const float* at = from + o * step + x * p.wide;
        vf pair[2][2];
        if constexpr (Kind::pairs)
          for (int i = 0; i < 2; i++) load_pairs(at + i * row, pair[i][0], pair[i][1]);
        const Best best = Kind::window(p, p.place(b.d, b.h, b.w + x * p.wide), [&](int64_t i, int64_t j) {
          if constexpr (Kind::pairs)
            return pair[i][j];
          else
            return load_apart(at + i * row + j, p.wide);
        });
        value[o] = best.value;
        place[o] = from_bits(best.place + lanes);
      }
      const int64_t to = p.at(b.image, b.d, b.h, b.w + x * p.wide) + b.channel, here = least(kLanes, windows - x);
      const int n = static_cast<int>(b.n);
      transpose(value);
      for (int64_t i = 0; i < here; i++) store_first(p.y + to + i * p.channels, value[i], n);
      if constexpr (Kind::places) {
        transpose(place);
        for (int64_t i = 0; i < here; i++) store_ints(p.index + to + i * p.channels, bits(place[i]), n);
      }
    }
  });
}

// from [n, channels] -> to[c * plane + i].
TENON_INLINE void to_planes(float* to, int64_t plane, const float* from, int64_t n, int64_t channels) {
  if (channels == 1) {
    copy_run(to, from, n);
    return;
  }
  for (int64_t c0 = 0; c0 < channels; c0 += kLanes) {
    const int wide = static_cast<int>(least(kLanes, channels - c0));
    for (int64_t i0 = 0; i0 < n; i0 += kLanes) {
      const int here = static_cast<int>(least(kLanes, n - i0));
      vf r[kLanes];
      for (int i = 0; i < kLanes; i++) {
        const float* p = from + (i0 + i) * channels + c0;
        r[i] = i >= here ? zero() : wide == kLanes ? load(p) : load_first(p, wide);
      }
      transpose(r);
      for (int c = 0; c < wide; c++) {
        float* p = to + (c0 + c) * plane + i0;
        if (here == kLanes)
          store(p, r[c]);
        else
          store_first(p, r[c], here);
      }
    }
  }
}

template <typename Weights>
struct PlanarRun {
  const Sweep& s;
  SweepPlan p;
  Weights weights;
  float* packed;
  uint8_t* rest;

  static SweepPlan plan(const Sweep& s, int threads) { return plan_planar(s, threads); }
  static uint64_t rest_bytes(const SweepPlan& p, int threads) { return sweep_rest(p, threads); }

  float* panel_at(int64_t group) const { return packed + group * p.inner * kTileCols; }
  // A packed panel's rows, moved together: they are read one by one, and must lie in the first cache.
  void pack_group(int64_t group) const {
    float* panel = panel_at(group);
    weights.pack(panel, group, 0, static_cast<int>(s.out));
    const int64_t width = panel_width(s.out);
    for (int64_t k = 0; k < p.inner; k++)
      for (int64_t o = 0; o < s.out; o++) panel[k * s.out + o] = panel[k * width + o];
  }
  int64_t* index() const { return reinterpret_cast<int64_t*>(rest); }
  float* own(uint32_t worker) const { return reinterpret_cast<float*>(rest + p.index_bytes + worker * p.band_bytes); }
  int64_t plane() const { return p.slice * slices_read(s.axis[0]); }

  void make_index() const {
    const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
    int64_t* to = index();
    for (int64_t a = 0; a < d.taps; a++)
      for (int64_t b = 0; b < h.taps; b++)
        for (int64_t c = 0; c < w.taps; c++)
          for (int64_t i = 0; i < s.in; i++)
            *to++ = 4 * (i * plane() + (d.first + a * d.delta) * p.slice + (h.first + b * h.delta) * p.row + w.first +
                         c * w.delta);
  }

  // The source of a band, channel by channel. Padding is cleared in one go: rows of single channels are short.
  void copy(float* to, const Band& b) const {
    const int64_t channels = channels_in(s);
    fill_zeros(to, channels * plane() + kWideCols);
    visit_band(
        s, b,
        [=, this](int64_t i, int64_t j, int64_t x, const float* from, int64_t n) {
          to_planes(to + i * p.slice + j * p.row + x, plane(), from, n, channels);
        },
        [](int64_t, int64_t, int64_t, int64_t) {});
  }

  void band(const Band& b, const float* src, float* own) const {
    alignas(64) float init[kTileRows * kWideCols];
    for (int64_t g = 0; g < s.groups; g++) {
      for (int64_t o = 0; o < s.out; o++)
        for (int j = 0; j < kWideCols; j++) init[o * kWideCols + j] = s.bias ? s.bias[g * s.dst_group + o] : 0.0f;
      const float* from = src + g * s.in * plane();
      if (s.pooling)
        pooled(g, init, from, b, own + p.pool_at);
      else
        turned(g, init, from, b, result_of(s, b) + g * s.dst_group);
    }
  }

  // lines(y, n, k) for n positions from row y of rows [h, h + rows) on: those of many rows, which lie one after another
  // but for strides, where they meet the same taps.
  template <typename Lines>
  void for_lines(int64_t h, int64_t rows, int64_t cols, const Lines& lines) const {
    for (int64_t y = 0, end; y < rows; y = end) {
      const Depths k = depths_inside(s, p.inner, h + y);
      end = y + 1;
      while (s.axis[1].step == 1 && end < rows && depths_inside(s, p.inner, h + end) == k) end++;
      lines(y, (end - y - 1) * p.row + cols, k);
    }
  }

  void turned(int64_t group, const float* init, const float* src, const Band& b, float* dst) const {
    alignas(64) float out[(kTileRows > kLanes ? kTileRows : kLanes) * kWideCols];
    for_lines(b.h, b.rows, b.cols, [&, this](int64_t row, int64_t n, const Depths& k) {
      int64_t y = row, x = 0;
      for (int64_t i = 0; i < n;) {
        const int here = tile(group, k, init, src + row * s.axis[1].step * p.row + i, out, kWideCols, n - i);
        for (int j = 0; j < here; j += kLanes)
          turn(out + j, dst, y, x, b.cols, static_cast<int>(least(kLanes, here - j)));
        i += here;
      }
    });
  }

  // A few rows of results, channel by channel, then their windows.
  void pooled(int64_t group, const float* init, const float* src, const Band& b, float* results) const {
    const int64_t step = p.pool_rows * p.row + plane_slack(s);
    for (int64_t h = 0; h < b.rows; h += p.pool_rows) {
      const int64_t rows = least(p.pool_rows, b.rows - h);
      for_lines(b.h + h, rows, b.cols, [&, this](int64_t row, int64_t n, const Depths& k) {
        const float* from = src + (h + row) * s.axis[1].step * p.row;
        for (int64_t i = 0; i < n;) i += tile(group, k, init, from + i, results + row * p.row + i, step, n - i);
      });
      for (int64_t y = 0; y < rows; y += s.pooling->high)
        pool_planes(*s.pooling, {b.image, b.d, b.h + h + y, 1, b.w, b.cols, group * s.out, s.out}, results + y * p.row,
                    p.row, step);
    }
  }

  // Results at up to wide_vecs positions of n, rows of `out` `step` apart, which are written to the end of a tile; how
  // many of them are meant.
  int tile(int64_t group, const Depths& k, const float* init, const float* src, float* out, int64_t step,
           int64_t n) const {
    TileCall call;
    call.a = panel_at(group) + k.from * s.out;
    call.a_row = 1;
    call.a_step = s.out;
    call.b = src;
    call.index = index() + k.from;
    call.k = k.count();
    call.init = init;
    call.init_row = kWideCols;
    call.c = out;
    call.c_row = step;
    call.floor = floor_of(s.activation);
    const int rows = static_cast<int>(s.out), wide = wide_vecs(rows) * kLanes;
    call.cols = n > wide - kLanes ? wide : n > kLanes ? kTileCols : kLanes;
    const int here = static_cast<int>(least(call.cols, n));
    (call.cols > kTileCols ? wide_tile_function(rows) : tile_function(kIndexB, rows, call.cols))(call);
    if (s.activation > kRelu) activate_rows(s.activation, out, step, s.out, here);
    return here;
  }

  // One vector a channel -> the channels of each position; (y, x) is the first position and moves on.
  void turn(const float* out, float* dst, int64_t& y, int64_t& x, int64_t cols, int here) const {
    vf r[kLanes];
    for (int o = 0; o < kLanes; o++) r[o] = o < s.out ? load(out + o * kWideCols) : zero();
    transpose(r);
    for (int j = 0; j < here; j++) {
      if (x < cols) store_first(dst + y * s.axis[1].dst + x * s.axis[2].dst, r[j], static_cast<int>(s.out));
      if (++x == p.row) {
        x = 0;
        y++;
      }
    }
  }

  SweepRun<Weights> of_no_taps() const { return {s, p, weights, packed, rest}; }
  void pack(const Runtime& rt) const {
    if (p.taps == 0) return of_no_taps().pack(rt);
    for (int64_t g = 0; g < s.groups; g++) pack_group(g);
  }
  void make(const Runtime& rt) const {
    if (p.taps == 0) return of_no_taps().make(rt);
    make_index();
    for_bands(rt, s, p, [&](const Band& b, uint32_t worker) {
      float* room = own(worker);
      copy(room, b);
      band(b, room, room);
    });
  }
};

}  // namespace tenon::TENON_ISA
