// The gradient of a kernel with few channels in: output channels lie on the lanes of dy, and the numbers of a row of
// the kernel, which are neighbours in x, are the rows of a tile, broadcast from where they lie. A tile's sums stay in
// registers over a band of rows of results; rows of the kernel that lie above or below the image are left out. Of few
// output channels several neighbouring positions share a vector of dy.
#pragma once
#include "ops/conv_shape.h"
#include "ops/sweep.h"

namespace tenon::TENON_ISA {

// Rows of a tile that is `vecs` vectors broad.
constexpr int tap_rows(int vecs) { return kTileRows * kTileVecs / vecs; }

struct TapCall {
  const float *x = nullptr, *dy = nullptr;  // of the first position
  int64_t x_line = 0, dy_line = 0;          // elements from a row of results to the next
  int64_t x_step = 0, dy_step = 0;          // from a position to the next
  int64_t lines = 0, positions = 0;
  float* sums = nullptr;  // [rows, sums_row], added to
  int64_t sums_row = 0;
  const char* ahead = nullptr;  // is wished for, so many bytes further at each step
  int64_t ahead_step = 0;
  // Positions of a vector of dy, `channels` lanes each, where it has several; of each lane, where x lies past the
  // first.
  int64_t shared = 1, channels = 0;
  const int32_t* lanes = nullptr;
};

// The sums of a tile, by recursion: see Sums in gemm_tile.cpp.
template <int rows, int vecs>
struct TapSums {
  vf v[rows][vecs];

  template <int i = 0>
  __attribute__((always_inline)) void load_from(const float* p, int64_t row) {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) v[i][j] = load(p + j * kLanes);
      load_from<i + 1>(p + row, row);
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void store_to(float* p, int64_t row) const {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) store(p + j * kLanes, v[i][j]);
      store_to<i + 1>(p + row, row);
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void clear() {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) v[i][j] = zero();
      clear<i + 1>();
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void join(const TapSums& other) {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) v[i][j] += other.v[i][j];
      join<i + 1>(other);
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void add(const float* x, const vf (&g)[vecs]) {
    if constexpr (i < rows) {
      const vf a = splat(x[i]);
      for (int j = 0; j < vecs; j++) v[i][j] = muladd(a, g[j], v[i][j]);
      add<i + 1>(x, g);
    }
  }
#if TENON_VBYTES >= 32
  // Row i times the numbers of x at lanes + i.
  template <int i = 0>
  __attribute__((always_inline)) void add_lanes(vf x, vi lanes, vf g) {
    if constexpr (i < rows) {
      v[i][0] = muladd(permute(x, lanes + i), g, v[i][0]);
      add_lanes<i + 1>(x, lanes, g);
    }
  }
#endif
};

// Sums that would wait for one another are made twice, every other position.
constexpr int tap_ways(int sums) { return sums < 8 && 2 * sums <= kTileRows * kTileVecs ? 2 : 1; }

template <int rows, int vecs>
void tap_tile(const TapCall& t) {
  constexpr int ways = tap_ways(rows * vecs);
  TapSums<rows, vecs> s[ways];
  s[0].load_from(t.sums, t.sums_row);
  if constexpr (ways > 1) s[1].clear();
  const char* ahead = t.ahead;
  const int64_t x_step = t.x_step, dy_step = t.dy_step, ahead_step = t.ahead_step;
  for (int64_t y = 0; y < t.lines; y++) {
    const float *x = t.x + y * t.x_line, *dy = t.dy + y * t.dy_line;
    const auto step = [&](TapSums<rows, vecs> & to) __attribute__((always_inline)) {
      vf g[vecs];
      for (int j = 0; j < vecs; j++) g[j] = load(dy + j * kLanes);
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
      to.add(x, g);
      x += x_step;
      dy += dy_step;
    };
    int64_t i = t.positions;
#pragma GCC unroll 2
    for (; i >= ways; i -= ways) {
      step(s[0]);
      if constexpr (ways > 1) step(s[1]);
    }
    if (ways > 1 && i > 0) step(s[0]);
  }
  if constexpr (ways > 1) s[0].join(s[1]);
  s[0].store_to(t.sums, t.sums_row);
}

#if TENON_VBYTES >= 32
// Of TapCall::shared > 1. Whole vectors of x are read, zeros past the last positions of a row.
template <int rows>
void shared_tap_tile(const TapCall& t) {
  TapSums<rows, 1> s;
  s.load_from(t.sums, t.sums_row);
  const vi lanes = load(t.lanes);
  const int64_t x_step = t.shared * t.x_step, dy_step = t.shared * t.dy_step, rest = t.positions % t.shared;
  const int rest_x = static_cast<int>((rest - 1) * t.x_step + rows), rest_dy = static_cast<int>(rest * t.channels);
  const char* ahead = t.ahead;
  const int64_t ahead_step = t.ahead_step;
  for (int64_t y = 0; y < t.lines; y++) {
    const float *x = t.x + y * t.x_line, *dy = t.dy + y * t.dy_line;
    for (int64_t i = t.positions / t.shared; i > 0; i--) {
      s.add_lanes(load(x), lanes, load(dy));
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
      x += x_step;
      dy += dy_step;
    }
    if (rest > 0) s.add_lanes(load_first(x, rest_x), lanes, load_first(dy, rest_dy));
  }
  s.store_to(t.sums, t.sums_row);
}
#endif

using TapFn = void (*)(const TapCall&);
struct TapTable {
  TapFn fn[kTileVecs][tap_rows(1)];
  TapFn shared[kTileRows];
  template <int vecs, int rows = 1>
  constexpr void fill() {
    fn[vecs - 1][rows - 1] = tap_tile<rows, vecs>;
#if TENON_VBYTES >= 32
    if constexpr (vecs == 1 && rows <= kTileRows) shared[rows - 1] = shared_tap_tile<rows>;
#endif
    if constexpr (rows < tap_rows(vecs)) fill<vecs, rows + 1>();
  }
  constexpr TapTable() : fn{}, shared{} {
    fill<1>();
    fill<2>();
  }
};

struct TapPlan {
  int64_t run = 0, runs = 0;      // neighbours in x and in the kernel; such runs
  int64_t width = 0, shared = 1;  // output channels, up to whole vectors; positions of a vector of dy
  int64_t rows = 0;               // of a tile, at most
  int64_t band = 1, bands = 1;    // rows of results of a band; bands of a slice of an image
  int64_t span = 1, spans = 1;    // positions of a row of a band; spans of a row
  int64_t row = 0, slice = 0;     // elements of x, or of a band's copy of it
  bool copies = false;
  int64_t units = 0, chunks = 1;                  // bands in all; sums kept apart
  int64_t x_floats = 0, dy_floats = 0, sums = 0;  // of a worker's copies; of a chunk
  uint64_t own_bytes() const { return round64((x_floats + dy_floats) * 4); }
  uint64_t sum_bytes() const { return round64(chunks * sums * 4); }
};

// Taps along the width are neighbours in x and in the kernel.
TENON_INLINE bool joins_taps(const ConvShape& c) { return c.groups == 1 && c.dilation[2] == 1; }

// From a position to the next along axis i, where there is a next: a lone one may have any stride.
TENON_INLINE int64_t step_of(const ConvShape& c, int i) { return c.result[i] > 1 ? c.stride[i] : 1; }

// Products of vectors at each position: with tap tiles, and with dy broadcast to vectors of taps.
struct TapCost {
  double here = 0, there = 0;
};
TENON_INLINE int64_t shared_positions(const ConvShape& c, int64_t run) {
  if (kLanes < 8 || c.out * 2 > kLanes || c.out != c.y_row) return 1;
  const int64_t reach = least(run, 5);  // rows that a tile should have
  return least(kLanes / c.out, (kLanes - reach) / (step_of(c, 2) * c.in) + 1);
}
TENON_INLINE TapCost tap_cost(const ConvShape& c) {
  constexpr int64_t kInFlight = 6;  // a step of fewer products takes no less time
  const int64_t run = joins_taps(c) ? c.kernel[2] * c.in : c.in, shared = shared_positions(c, run);
  const double runs = static_cast<double>(c.inner() / run);
  const double here = static_cast<double>(most(kInFlight / 2, run * ceil_div(c.out, kLanes)));
  const double there = static_cast<double>(most(kInFlight, c.out * ceil_div(run, kLanes)));
  return {runs * (shared > 1 ? here * 4 / static_cast<double>(3 * shared) : here),  // permutations take turns
          runs * there};
}
constexpr int64_t kNearSums = int64_t{512} << 10;  // bytes that stay in the second cache
TENON_INLINE bool suits_taps(const ConvShape& c) {
  if (c.groups != 1 || c.images * c.positions() == 0 || c.out == 0 || c.in == 0) return false;
  const TapCost cost = tap_cost(c);
  const bool near = 4 * c.inner() * whole_times(c.out, kLanes) <= kNearSums;
  return near ? cost.here <= cost.there : cost.here * 1.125 <= cost.there;
}

TENON_INLINE TapPlan plan_taps(const ConvShape& c, const Sweep& s) {
  TapPlan p;
  p.run = joins_taps(c) ? c.kernel[2] * c.in : c.in;
  p.runs = c.inner() / p.run;
  p.width = whole_times(c.out, kLanes);
  p.shared = shared_positions(c, p.run);
  p.rows = least(kTileRows, kLanes - (p.shared - 1) * step_of(c, 2) * c.in);
  p.sums = c.inner() * p.width;
  p.copies = p.shared > 1 || needs_padding(s);
  const int64_t bytes = 4 * (c.y_row + step_of(c, 1) * step_of(c, 2) * c.in);  // of a position
  const int64_t room = most(64, band_bytes(kCacheOfSums) / bytes);
  p.span = ceil_div(c.result[2], ceil_div(c.result[2], room));
  p.spans = ceil_div(c.result[2], p.span);
  p.band = p.spans > 1 ? 1 : ceil_div(c.result[1], ceil_div(c.result[1], most(1, room / c.result[2])));
  p.bands = ceil_div(c.result[1], p.band);
  p.row = (p.copies ? rows_read(s.axis[2], p.span) : c.size[2]) * c.in;
  p.slice = p.row * (p.copies ? rows_read(s.axis[1], p.band) : c.size[1]);
  if (p.copies) p.x_floats = p.slice * slices_read(s.axis[0]) + kLanes;
  if (p.width > c.out) p.dy_floats = ((p.band - 1) * c.result[2] + p.span) * c.y_row + p.width;
  p.units = c.images * c.result[0] * p.bands * p.spans;
  p.chunks = most(1, least(least(p.units, 32), least(c.images * c.positions() / 512, (int64_t{4} << 20) / p.sums)));
  return p;
}

struct TapRun {
  const ConvShape& c;
  const Sweep& source;
  const float* dy;
  float* dw;
  TapPlan p;
  uint8_t* scratch;
  int32_t lanes[kLanes] = {};  // TapCall::lanes

  void set_lanes() {
    for (int64_t i = 0; i < p.shared * c.out && p.shared > 1; i++)
      lanes[i] = static_cast<int32_t>(i / c.out * step_of(c, 2) * c.in);
  }

  float* sums(int64_t chunk) const { return reinterpret_cast<float*>(scratch) + chunk * p.sums; }
  float* own(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + p.sum_bytes() + worker * p.own_bytes());
  }

  Band band_of(int64_t unit) const {
    Band b;
    b.w = unit % p.spans * p.span;
    b.cols = least(p.span, c.result[2] - b.w);
    unit /= p.spans;
    b.h = unit % p.bands * p.band;
    b.rows = least(p.band, c.result[1] - b.h);
    unit /= p.bands;
    b.d = unit % c.result[0];
    b.image = unit / c.result[0];
    return b;
  }

  // dy of a band. Vectors read past the channels of a position: what lies near the tensor's end is copied to where they
  // may.
  const float* dy_of(const Band& b, float* own) const {
    const int64_t first = ((b.image * c.result[0] + b.d) * c.result[1] + b.h) * c.result[2] + b.w;
    const int64_t positions = (b.rows - 1) * c.result[2] + b.cols, left = c.images * c.positions() - first - positions;
    if (p.dy_floats == 0 || left * c.y_row >= p.width) return dy + first * c.y_row;
    copy_run(own, dy + first * c.y_row, (positions - 1) * c.y_row + c.out);
    return own;
  }

  void chunk(int64_t i, uint32_t worker) const {
    fill_zeros(sums(i), p.sums);
    for (int64_t unit = part(p.units, i, p.chunks); unit < part(p.units, i + 1, p.chunks); unit++) {
      const Band b = band_of(unit);
      const float* x = source.src + b.image * source.src_image + b.d * c.stride[0] * p.slice +
                       b.h * c.stride[1] * p.row + b.w * c.stride[2] * c.in;
      if (p.copies) {
        copy_band(source, b, own(worker), p.row, p.slice);
        x = own(worker);
      }
      band(sums(i), b, x, dy_of(b, own(worker) + p.x_floats), unit + 1 < p.units);
    }
  }

  // Every run of the kernel, over the rows of a band's results for which it lies inside the image.
  void band(float* sums, const Band& b, const float* x, const float* g, bool more) const {
    TapCall call;
    call.x_line = step_of(c, 1) * p.row;
    call.dy_line = c.result[2] * c.y_row;
    call.x_step = step_of(c, 2) * c.in;
    call.dy_step = c.y_row;
    call.positions = b.cols;
    call.sums_row = p.width;
    call.shared = p.shared;
    call.channels = c.out;
    call.lanes = lanes;
    // The next band's dy, which lies behind this one's, by all tiles together.
    const int64_t end = (b.rows - 1) * call.dy_line + b.cols * c.y_row;
    call.ahead = reinterpret_cast<const char*>(more ? g + end : g);
    call.ahead_step = more ? p.shared * c.y_row * 4 / tiles_of_all() + 1 : 0;
    const int64_t apart = c.kernel[2] * c.in / p.run;  // runs of a row of the kernel
    for (int64_t r = 0; r < p.runs; r++) {
      const int64_t kw = r % apart, kh = r / apart % c.kernel[1], kd = r / apart / c.kernel[1];
      const int64_t depth = b.d * c.stride[0] + kd * c.dilation[0] - c.pad[0];
      if (depth < 0 || depth >= c.size[0]) continue;
      const int64_t above = c.pad[1] - kh * c.dilation[1], below = c.size[1] - 1 + above;
      const int64_t from = most(b.h, above > 0 ? ceil_div(above, c.stride[1]) : 0);
      const int64_t to = least(b.h + b.rows, below < 0 ? 0 : below / c.stride[1] + 1);
      if (from >= to) continue;
      call.lines = to - from;
      call.x = x + kd * c.dilation[0] * p.slice + kh * c.dilation[1] * p.row + kw * c.dilation[2] * c.in +
               (from - b.h) * call.x_line;
      call.dy = g + (from - b.h) * call.dy_line;
      call.sums = sums + r * p.run * p.width;
      tiles(call);
    }
  }

  int64_t row_tiles(int vecs) const { return ceil_div(p.run, p.shared > 1 ? p.rows : tap_rows(vecs)); }
  int64_t tiles_of_all() const {
    return p.runs * (p.width / kTileCols * row_tiles(2) + p.width % kTileCols / kLanes * row_tiles(1));
  }
  // The sums of one run.
  void tiles(TapCall& call) const {
    static constexpr TapTable table;
    const float *x = call.x, *g = call.dy;
    float* sums = call.sums;
    for (int64_t o = 0; o < p.width; o += kTileCols) {
      const int vecs = p.width - o > kLanes ? 2 : 1;
      const TapFn* fn = p.shared > 1 ? table.shared : table.fn[vecs - 1];
      const int64_t tiles = row_tiles(vecs);
      for (int64_t i = 0; i < tiles; i++) {
        const int64_t first = part(p.run, i, tiles), rows = part(p.run, i + 1, tiles) - first;
        call.x = x + first;
        call.dy = g + o;
        call.sums = sums + first * p.width + o;
        fn[rows - 1](call);
        call.ahead += call.ahead_step * call.lines * ceil_div(call.positions, p.shared);
      }
    }
  }

  // dw [out, k] for k of [from, to), from the chunks' sums, in order, and those of the positions of a vector.
  void add_up(int64_t from, int64_t to) const {
    for (int64_t k = from; k < to; k++)
      for (int64_t o = 0; o < c.out; o += kLanes) {
        vf y = zero();
        for (int64_t i = 0; i < p.chunks; i++) y += load(sums(i) + k * p.width + o);
        for (int64_t j = 0; j < least(kLanes, c.out - o); j++) {
          float sum = y[j];
          for (int64_t i = 1; i < p.shared; i++) sum += y[i * c.out + j];
          dw[(o + j) * c.inner() + k] = sum;
        }
      }
  }
};

TENON_INLINE uint64_t taps_scratch(const TapPlan& p, int threads) {
  return p.sum_bytes() + static_cast<uint64_t>(threads) * p.own_bytes();
}

// x: source.src.
TENON_INLINE void taps_weight(const Runtime& rt, const ConvShape& c, const Sweep& source, const float* dy, float* dw) {
  TapRun run{c, source, dy, dw, plan_taps(c, source), rt.scratch};
  run.set_lanes();
  parallel_for(rt, static_cast<uint32_t>(run.p.chunks),
               [&](uint32_t task, uint32_t worker) { run.chunk(task, worker); });
  const int64_t adders = most(1, least(64, run.p.sums * run.p.chunks / 65536));
  parallel_for(rt, static_cast<uint32_t>(adders), [&](uint32_t task, uint32_t) {
    run.add_up(part(c.inner(), task, adders), part(c.inner(), task + 1, adders));
  });
}

}  // namespace tenon::TENON_ISA
