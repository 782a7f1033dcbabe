// Results of a convolution that are pooled while they lie in the first cache, by windows that touch and do not overlap.
#pragma once
#include "ops/best.h"

namespace tenon::TENON_ISA {

struct Pooling {
  int64_t high = 1, wide = 1;  // a window
  bool mean = false;           // of it, or its largest
  int64_t rows = 0, cols = 0;  // a slice of results before pooling, those under no window among them
  int64_t depth = 0;           // slices of an image
  int64_t channels = 0;        // of all groups
  float* y = nullptr;          // [images, depth, rows / high, cols / wide, channels]
  int32_t* index = nullptr;    // of the same shape, or none: the place of the largest in its image
  int64_t pooled_cols() const { return cols / wide; }
  // Elements of y ahead of the window whose first result is (h, w).
  int64_t at(int64_t image, int64_t d, int64_t h, int64_t w) const {
    return (((image * depth + d) * (rows / high) + h / high) * pooled_cols() + w / wide) * channels;
  }
  int64_t place(int64_t d, int64_t h, int64_t w) const { return (d * rows + h) * cols + w; }
};

// Whether tiles of m x m results, and blocks of whole tiles, hold whole windows.
TENON_INLINE bool holds_windows(const Pooling& p, int64_t m) { return m % p.high == 0 && m % p.wide == 0; }

enum class Pool { kMean, kMax, kPlace };

// One vector of a window, of which get(i, j) are the results. kHigh, kWide of 0: as many as p says.
template <Pool kind, int kHigh, int kWide, typename Get>
TENON_INLINE Best pool_window(const Pooling& p, int64_t place, const Get& get) {
  const int64_t high = kHigh ? kHigh : p.high, wide = kWide ? kWide : p.wide;
  Best best = {get(0, 0), splat_i(static_cast<int32_t>(place))};
  for (int64_t i = 0; i < high; i++)
    for (int64_t j = i == 0 ? 1 : 0; j < wide; j++) {
      if constexpr (kind == Pool::kMean)
        best.value += get(i, j);
      else
        Best::meet(best, get(i, j), splat_i(static_cast<int32_t>(place + i * p.cols + j)));
    }
  if constexpr (kind == Pool::kMean) best.value = best.value * (1.0f / static_cast<float>(high * wide));
  return best;
}

// What is known of a pooling while its kernel is compiled; size 0: any window.
template <Pool kPool, int kSize>
struct PoolKind {
  static constexpr Pool pool = kPool;
  static constexpr bool pairs = kSize == 2, places = kPool == Pool::kPlace;
  template <typename Get>
  TENON_INLINE Best window(const Pooling& p, int64_t place, const Get& get) {
    return pool_window<kPool, kSize, kSize>(p, place, get);
  }
};

template <int kSize, typename Body>
TENON_INLINE void with_pool(const Pooling& p, const Body& body) {
  if (p.mean) return body(PoolKind<Pool::kMean, kSize>{});
  if (p.index) return body(PoolKind<Pool::kPlace, kSize>{});
  body(PoolKind<Pool::kMax, kSize>{});
}
// body(kind) with the PoolKind of p.
template <typename Body>
TENON_INLINE void with_kind(const Pooling& p, const Body& body) {
  if (p.high == 2 && p.wide == 2) return with_pool<2>(p, body);
  with_pool<0>(p, body);
}

// A block of whole windows: rows [h, h + rows) and columns [w, w + cols) of slice d, channels [channel, channel + n).
struct PoolBlock {
  int64_t image = 0, d = 0, h = 0, rows = 0, w = 0, cols = 0;
  int64_t channel = 0, n = 0;
};

// `n` channels of a window, at x, to y and index.
template <typename Kind>
TENON_INLINE void pool_channels(const Pooling& p, const float* x, int64_t row, int64_t col, int64_t place, int64_t n,
                                float* y, int32_t* index) {
  int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    const Best best = Kind::window(p, place, [&](int64_t i, int64_t j) { return load(x + i * row + j * col + c); });
    store(y + c, best.value);
    if constexpr (Kind::places) store(index + c, best.place);
  }
  if (c == n) return;
  const int here = static_cast<int>(n - c);
  const Best best =
      Kind::window(p, place, [&](int64_t i, int64_t j) { return load_first(x + i * row + j * col + c, here); });
  store_first(y + c, best.value, here);
  if constexpr (Kind::places) store_ints(index + c, best.place, here);
}

// from: the block's first channel of its first result; elements from a row, a column to the next.
TENON_INLINE void pool_block(const Pooling& p, const PoolBlock& b, const float* from, int64_t row, int64_t col) {
  with_kind(p, [&]<typename Kind>(Kind) {
    for (int64_t h = 0; h < b.rows; h += p.high) {
      int64_t to = p.at(b.image, b.d, b.h + h, b.w) + b.channel, place = p.place(b.d, b.h + h, b.w);
      const float *x = from + h * row, *end = x + b.cols * col;
      for (; x < end; x += p.wide * col, to += p.channels, place += p.wide)
        pool_channels<Kind>(p, x, row, col, place, b.n, p.y + to, Kind::places ? p.index + to : nullptr);
    }
  });
}

}  // namespace tenon::TENON_ISA
