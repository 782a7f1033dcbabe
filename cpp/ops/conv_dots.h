// The gradient of a kernel with few weights and few output channels: positions lie on the lanes of both sides, so that
// a short run of taps leaves no lane idle. x and dy are copied channel by channel, dy's rows as far apart as x's, zeros
// between them; sums stay whole vectors, one a weight, and are added up across lanes at the end.
#pragma once
#include "ops/conv_shape.h"
#include "ops/planar.h"

namespace tenon::TENON_ISA {

#if TENON_VBYTES == 64 || defined(__aarch64__)
constexpr int kDotRows = 6, kDotTaps = 4;
#else
constexpr int kDotRows = 3, kDotTaps = 3;
#endif

struct DotPlan {
  int64_t row = 0, slice = 0, plane = 0;  // of x
  int64_t dy_plane = 0;
  int64_t weights = 0, outs = 0;  // an output channel's; output channels
  uint64_t bytes() const { return round64((sums() + x_floats() + dy_floats()) * 4); }
  int64_t sums() const { return outs * weights * kLanes; }
  int64_t x_floats() const { return channels * plane + 2 * kLanes; }
  int64_t dy_floats() const { return outs * dy_plane; }
  int64_t channels = 0;
};

// Where a run of taps would fill less than five eighths of a vector, and output channels are few.
TENON_INLINE bool suits_dots(const ConvShape& c) {
  const int64_t run = c.dilation[2] == 1 ? c.kernel[2] * c.in : c.in;
  return c.groups == 1 && c.stride[1] == 1 && c.stride[2] == 1 && run * 8 < kLanes * 5 && c.inner() <= 8 * kLanes &&
         c.out <= kDotRows + 2 && c.out == c.y_row;
}

TENON_INLINE DotPlan plan_dots(const ConvShape& c, const Sweep& s, int64_t band, int64_t span) {
  DotPlan p;
  p.row = rows_read(s.axis[2], span);
  p.slice = p.row * rows_read(s.axis[1], band);
  p.plane = p.slice * slices_read(s.axis[0]);
  p.dy_plane = ceil_div((band - 1) * p.row + span, kLanes) * kLanes;
  p.weights = c.inner();
  p.outs = c.out;
  p.channels = c.in;
  return p;
}

// rows output channels by taps weights, over n positions.
template <int rows, int taps>
void dot_tile(float* sums, int64_t sums_row, const float* dy, int64_t dy_plane, const float* x, const int64_t* offset,
              int64_t n) {
  vf s[rows][taps];
  for (int i = 0; i < rows; i++)
    for (int t = 0; t < taps; t++) s[i][t] = load(sums + i * sums_row + t * kLanes);
  for (int64_t p = 0; p < n; p += kLanes) {
    vf g[rows];
    for (int i = 0; i < rows; i++) g[i] = load(dy + i * dy_plane + p);
    for (int t = 0; t < taps; t++) {
      const vf v = load(x + offset[t] + p);
      for (int i = 0; i < rows; i++) s[i][t] = muladd(g[i], v, s[i][t]);
    }
  }
  for (int i = 0; i < rows; i++)
    for (int t = 0; t < taps; t++) store(sums + i * sums_row + t * kLanes, s[i][t]);
}

template <int rows>
TENON_INLINE void dot_row(int taps, float* sums, int64_t sums_row, const float* dy, int64_t dy_plane, const float* x,
                          const int64_t* offset, int64_t n) {
  if (taps == 1) dot_tile<rows, 1>(sums, sums_row, dy, dy_plane, x, offset, n);
  if (taps == 2) dot_tile<rows, 2>(sums, sums_row, dy, dy_plane, x, offset, n);
  if (taps == 3) dot_tile<rows, 3>(sums, sums_row, dy, dy_plane, x, offset, n);
  if (kDotTaps > 3 && taps == 4) dot_tile<rows, kDotTaps>(sums, sums_row, dy, dy_plane, x, offset, n);
}

struct DotRun {
  const ConvShape& c;
  const Sweep& source;
  const float* dy;
  DotPlan p;
  float* own;  // of the worker

  float* sums() const { return own; }
  float* x_planes() const { return own + p.sums(); }
  float* dy_planes() const { return x_planes() + p.x_floats(); }

  void begin() const { fill_zeros(own, p.sums()); }

  void copy(const Band& b) const {
    fill_zeros(x_planes(), p.x_floats());
    visit_band(
        source, b,
        [this](int64_t i, int64_t j, int64_t x, const float* from, int64_t n) {
          to_planes(x_planes() + i * p.slice + j * p.row + x, p.plane, from, n, c.in);
        },
        [](int64_t, int64_t, int64_t, int64_t) {});
    fill_zeros(dy_planes(), p.dy_floats());  // another band's rows may have been longer, or more
    const float* from = dy + (((b.image * c.result[0] + b.d) * c.result[1] + b.h) * c.result[2] + b.w) * c.out;
    for (int64_t y = 0; y < b.rows; y++)
      to_planes(dy_planes() + y * p.row, p.dy_plane, from + y * c.result[2] * c.out, b.cols, c.out);
  }

  // The offset of weight k = (tap, channel) in the planes of x.
  int64_t offset(int64_t k) const {
    const int64_t t = k / c.in, kw = t % c.kernel[2], kh = t / c.kernel[2] % c.kernel[1],
                  kd = t / c.kernel[2] / c.kernel[1];
    return k % c.in * p.plane + kd * c.dilation[0] * p.slice + kh * c.dilation[1] * p.row + kw * c.dilation[2];
  }

  void band(const Band& b) const {
    copy(b);
    const int64_t n = (b.rows - 1) * p.row + b.cols;
    const int64_t row_tiles = ceil_div(c.out, kDotRows), tap_tiles = ceil_div(p.weights, kDotTaps);
    for (int64_t t = 0; t < tap_tiles; t++) {
      const int64_t k = part(p.weights, t, tap_tiles);
      const int taps = static_cast<int>(part(p.weights, t + 1, tap_tiles) - k);
      int64_t at[kDotTaps];
      for (int i = 0; i < taps; i++) at[i] = offset(k + i);
      for (int64_t r = 0; r < row_tiles; r++) {
        const int64_t o = part(c.out, r, row_tiles);
        tile(static_cast<int>(part(c.out, r + 1, row_tiles) - o), taps, o, k, at, n);
      }
    }
  }

  void tile(int rows, int taps, int64_t o, int64_t k, const int64_t* at, int64_t n) const {
    float* s = sums() + (o * p.weights + k) * kLanes;
    const float* g = dy_planes() + o * p.dy_plane;
    const int64_t step = p.weights * kLanes;
    switch (rows) {
      case 1:
        return dot_row<1>(taps, s, step, g, p.dy_plane, x_planes(), at, n);
      case 2:
        return dot_row<2>(taps, s, step, g, p.dy_plane, x_planes(), at, n);
      case 3:
        return dot_row<3>(taps, s, step, g, p.dy_plane, x_planes(), at, n);
      case 4:
        return dot_row < kDotRows < 4 ? 1 : 4 > (taps, s, step, g, p.dy_plane, x_planes(), at, n);
      case 5:
        return dot_row < kDotRows < 5 ? 1 : 5 > (taps, s, step, g, p.dy_plane, x_planes(), at, n);
      default:
        return dot_row<kDotRows>(taps, s, step, g, p.dy_plane, x_planes(), at, n);
    }
  }

  // dw of what was seen since begin().
  void end(float* dw) const {
    for (int64_t i = 0; i < c.out * p.weights; i++) dw[i] = hsum(load(sums() + i * kLanes));
  }
};

}  // namespace tenon::TENON_ISA
