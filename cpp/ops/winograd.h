// Winograd's transforms for 3x3 kernels: tiles of m x m results from (m + 2) x (m + 2) inputs, with as many products a
// pair of channels as there are inputs (Lavin and Gray 2016; made by Toom and Cook's method for any points).
// Evaluation at 0, ±a, (±b,) ∞. Of a few points tried for m = 4, those below have the smallest error, less than half of
// that of the usual 0, ±1, ±2, ∞.
#pragma once
#include "ops/gemm.h"

namespace tenon::TENON_ISA {

template <int m>
struct Winograd;

// F(4, 3): x (x² - a²) (x² - b²).
template <>
struct Winograd<4> {
  static constexpr int n = 6;
  static constexpr float a = 0.625f, b = 1.5f, aa = a * a, bb = b * b;
  static constexpr float kScale[n] = {1 / (aa * bb),
                                      1 / (2 * aa * (aa - bb)),
                                      1 / (2 * aa * (aa - bb)),
                                      1 / (2 * bb * (bb - aa)),
                                      1 / (2 * bb * (bb - aa)),
                                      1};

  TENON_INLINE void inputs(const vf* d, vf* t) {
    const vf d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4];
    const vf even_a = d4 - bb * d2, odd_a = d3 - bb * d1, even_b = d4 - aa * d2, odd_b = d3 - aa * d1;
    t[0] = d4 - (aa + bb) * d2 + aa * bb * d[0];
    t[1] = even_a + a * odd_a;
    t[2] = even_a - a * odd_a;
    t[3] = even_b + b * odd_b;
    t[4] = even_b - b * odd_b;
    t[5] = d[5] - (aa + bb) * d3 + aa * bb * d1;
  }

  // A polynomial's `count` coefficients, 3 or 4 -> its values, without their scale.
  template <int count>
  TENON_INLINE void values(const vf* g, vf* u) {
    vf even_a = g[0] + aa * g[2], odd_a = g[1];
    vf even_b = g[0] + bb * g[2], odd_b = g[1];
    if constexpr (count == 4) {
      odd_a += aa * g[3];
      odd_b += bb * g[3];
    }
    const vf last = g[count - 1];
    u[0] = g[0];
    u[1] = even_a + a * odd_a;
    u[2] = even_a - a * odd_a;
    u[3] = even_b + b * odd_b;
    u[4] = even_b - b * odd_b;
    u[5] = last;
  }

  // Sums of products at the points -> `count` results, 3 or 4.
  template <int count>
  TENON_INLINE void results(const vf* s, vf* y) {
    const vf plus_a = s[1] + s[2], less_a = s[1] - s[2];
    const vf plus_b = s[3] + s[4], less_b = s[3] - s[4];
    const vf last = s[5];
    y[0] = s[0] + plus_a + plus_b;
    y[1] = a * less_a + b * less_b;
    y[2] = aa * plus_a + bb * plus_b;
    if constexpr (count == 4)
      y[3] = a * aa * less_a + b * bb * less_b + last;
    else
      y[2] += last;
  }
};

// F(2, 3): x (x² - 1).
template <>
struct Winograd<2> {
  static constexpr int n = 4;
  static constexpr float kScale[n] = {-1, 0.5f, 0.5f, 1};

  TENON_INLINE void inputs(const vf* d, vf* t) {
    const vf d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    t[0] = d2 - d0;
    t[1] = d2 + d1;
    t[2] = d2 - d1;
    t[3] = d3 - d1;
  }
  // `count` 2 or 3.
  template <int count>
  TENON_INLINE void values(const vf* g, vf* u) {
    vf even = g[0];
    if constexpr (count == 3) even += g[2];
    const vf first = g[0], odd = g[1], last = g[count - 1];
    u[0] = first;
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = last;
  }
  // `count` 2 or 3.
  template <int count>
  TENON_INLINE void results(const vf* s, vf* y) {
    const vf plus = s[1] + s[2], less = s[1] - s[2], first = s[0], last = s[3];
    y[0] = first + plus;
    if constexpr (count == 3) {
      y[1] = less;
      y[2] = plus + last;
    } else {
      y[1] = less + last;
    }
  }
};

// Both axes of a tile: get(row, column) gives what goes in, put(row, column, v) takes what comes out.
template <int in, int out, typename Axis, typename Get, typename Put>
TENON_INLINE void transform_tile(const Axis& axis, const Get& get, const Put& put) {
  vf half[out][in];
#pragma GCC unroll 6
  for (int j = 0; j < in; j++) {
    vf v[in], t[out];
    for (int i = 0; i < in; i++) v[i] = get(i, j);
    axis(v, t);
    for (int i = 0; i < out; i++) half[i][j] = t[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < out; i++) {
    vf t[out];
    axis(half[i], t);
    for (int j = 0; j < out; j++) put(i, j, t[j]);
  }
}

// n x n inputs -> as many points.
template <int m, typename Get, typename Put>
TENON_INLINE void transform_inputs(const Get& get, const Put& put) {
  transform_tile<Winograd<m>::n, Winograd<m>::n>([](const vf* d, vf* t) { Winograd<m>::inputs(d, t); }, get, put);
}
// count x count coefficients -> their values at the points, without scale.
template <int m, int count, typename Get, typename Put>
TENON_INLINE void transform_values(const Get& get, const Put& put) {
  transform_tile<count, Winograd<m>::n>([](const vf* g, vf* u) { Winograd<m>::template values<count>(g, u); }, get,
                                        put);
}
// Sums of products at the points -> count x count results.
template <int m, int count, typename Get, typename Put>
TENON_INLINE void transform_sums(const Get& get, const Put& put) {
  transform_tile<Winograd<m>::n, count>([](const vf* s, vf* y) { Winograd<m>::template results<count>(s, y); }, get,
                                        put);
}

TENON_INLINE int64_t whole_lanes(int64_t n) { return ceil_div(n, kLanes) * kLanes; }
// Elements from a point's matrix to the next one's: an odd number of lines, so that the points of one tile do not meet
// in the same sets of the first cache.
TENON_INLINE int64_t point_step(int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

// How a plane of results is cut into tiles of m x m, image after image.
template <int m>
struct WinogradGrid {
  int64_t images = 0, rows = 0, cols = 0;  // results of a plane
  int64_t high() const { return ceil_div(rows, m); }
  int64_t wide() const { return ceil_div(cols, m); }
  int64_t tiles() const { return images * high() * wide(); }
  struct Place {
    int64_t image, y, x;  // of a tile's first result
  };
  Place place(int64_t tile) const { return {tile / wide() / high(), tile / wide() % high() * m, tile % wide() * m}; }
};

// The m up to `largest` that is fastest for 3x3 taps, 0 for none: the one of the least cost in products of one lane.
// What a transform costs beside them was measured on AVX-512: an input number of a tile 12, an output number 16, a
// weight 16.
TENON_INLINE int winograd_size(int64_t images, int64_t rows, int64_t cols, int64_t in, int64_t out, int largest) {
  const double pairs = static_cast<double>(in) * static_cast<double>(out);
  const double sides = 12.0 * static_cast<double>(whole_lanes(in)) + 16.0 * static_cast<double>(whole_lanes(out));
  const auto cost = [=](int64_t tiles, double points) {
    return points * (static_cast<double>(tiles) * (pairs + sides) + 16.0 * pairs);
  };
  const double direct = 9.0 * static_cast<double>(images * rows * cols) * pairs;
  const double four = cost(WinogradGrid<4>{images, rows, cols}.tiles(), 36);
  const double two = cost(WinogradGrid<2>{images, rows, cols}.tiles(), 16);
  if (largest >= 4 && four <= two) return four < direct ? 4 : 0;
  return largest >= 2 && two < direct ? 2 : 0;
}

constexpr int64_t kTilesAtOnce = 8;  // opened by a task

// count x count pixels from (y, x) of a plane [rows, cols, channels]; those outside are at `zeros`.
template <int count>
struct Pixels {
  const float* at[count][count];
  TENON_INLINE Pixels of(const float* plane, int64_t rows, int64_t cols, int64_t channels, int64_t y, int64_t x,
                         const float* zeros) {
    Pixels p;
    for (int i = 0; i < count; i++)
      for (int j = 0; j < count; j++) {
        const bool inside = y + i >= 0 && y + i < rows && x + j >= 0 && x + j < cols;
        p.at[i][j] = inside ? plane + ((y + i) * cols + x + j) * channels : zeros;
      }
    return p;
  }
};

// Pixels -> points, `step` apart in `to`, as whole vectors of channels. transform(get, put) is one of the above.
template <int m, int count, typename Transform>
TENON_INLINE void open_tile(const Pixels<count>& from, int64_t channels, float* to, int64_t step,
                            const Transform& transform) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int here = static_cast<int>(least(kLanes, channels - c));
    const auto put = [&](int i, int j, vf v) { store(to + (i * Winograd<m>::n + j) * step + c, v); };
    if (here == kLanes)
      transform([&](int i, int j) { return load(from.at[i][j] + c); }, put);
    else
      transform([&](int i, int j) { return load_first(from.at[i][j] + c, here); }, put);
  }
}

}  // namespace tenon::TENON_ISA
