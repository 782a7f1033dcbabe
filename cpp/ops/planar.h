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

TENON_INLINE SweepPlan plan_planar(const Sweep& s, int threads) {
  SweepPlan p = plan_sweep(s, threads);
  if (p.taps == 0) return p;
  const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
  p.copies = true;
  p.col_groups = 1;
  p.row = rows_read(w, p.span);
  p.slice = p.row * rows_read(h, p.band);
  p.band_bytes = round64((p.slice * slices_read(d) * channels_in(s) + kWideCols) * 4);
  return p;
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
  uint8_t* scratch;

  float* panel_at(int64_t group) const { return reinterpret_cast<float*>(scratch) + group * p.inner * kTileCols; }
  // A packed panel's rows, moved together: they are read one by one, and must lie in the first cache.
  void pack(int64_t group) const {
    float* panel = panel_at(group);
    weights.pack(panel, group, 0, static_cast<int>(s.out));
    const int64_t width = panel_width(s.out);
    for (int64_t k = 0; k < p.inner; k++)
      for (int64_t o = 0; o < s.out; o++) panel[k * s.out + o] = panel[k * width + o];
  }
  int64_t* index() const { return reinterpret_cast<int64_t*>(scratch + p.weight_bytes); }
  float* own(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + p.weight_bytes + p.index_bytes + worker * p.band_bytes);
  }
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

  void band(const Band& b, const float* src) const {
    float* dst = result_of(s, b);
    alignas(64) float init[kTileRows * kWideCols];
    for (int64_t g = 0; g < s.groups; g++) {
      for (int64_t o = 0; o < s.out; o++)
        for (int j = 0; j < kWideCols; j++) init[o * kWideCols + j] = s.bias ? s.bias[g * s.out + o] : 0.0f;
      const float* from = src + g * s.in * plane();
      float* to = dst + g * s.out;
      if (s.axis[1].step == 1) {
        run_on(g, init, from, to, (b.rows - 1) * p.row + b.cols, b.cols);
      } else {
        for (int64_t y = 0; y < b.rows; y++)
          run_on(g, init, from + y * s.axis[1].step * p.row, to + y * s.axis[1].dst, b.cols, b.cols);
      }
    }
  }

  // n positions one after another, those between rows of `cols` among them.
  void run_on(int64_t group, const float* init, const float* src, float* dst, int64_t n, int64_t cols) const {
    alignas(64) float out[(kTileRows > kLanes ? kTileRows : kLanes) * kWideCols];
    TileCall call;
    call.a = panel_at(group);
    call.a_row = 1;
    call.a_step = s.out;
    call.index = index();
    call.k = p.inner;
    call.init = init;
    call.init_row = kWideCols;
    call.c = out;
    call.c_row = kWideCols;
    call.floor = floor_of(s.activation);
    int64_t y = 0, x = 0;
    const int rows = static_cast<int>(s.out), wide = wide_vecs(rows) * kLanes;
    for (int64_t i = 0; i < n;) {
      const bool narrow = n - i <= kTileCols;
      const int here = static_cast<int>(least(wide, n - i));
      call.cols = narrow ? kTileCols : wide;
      call.b = src + i;
      (narrow ? tile_function(kIndexB, rows, kTileCols) : wide_tile_function(rows))(call);
      if (s.activation > kRelu)
        for (int64_t o = 0; o < s.out; o++) activate_run(s.activation, out + o * kWideCols, here);
      for (int j = 0; j < here; j += kLanes) turn(out + j, dst, y, x, cols, static_cast<int>(least(kLanes, here - j)));
      i += here;
    }
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
};

template <typename Weights>
TENON_INLINE void planar(const Runtime& rt, uint8_t* scratch, const Sweep& s, const Weights& weights) {
  const SweepPlan p = plan_planar(s, rt.threads);
  if (p.taps == 0) return sweep(rt, scratch, s, weights);
  const PlanarRun<Weights> run{s, p, weights, scratch};
  run.make_index();
  for (int64_t g = 0; g < s.groups; g++) run.pack(g);
  for_bands(rt, s, p, [&](const Band& b, uint32_t worker) {
    run.copy(run.own(worker), b);
    run.band(b, run.own(worker));
  });
}

}  // namespace tenon::TENON_ISA
