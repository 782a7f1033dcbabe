// The gradient of a convolution with respect to its weights: dw[o, tap, c] = sum over positions of dy[p, o] * x[p *
// stride + tap, c]. Positions are the inner dimension. They are cut into chunks fixed by the shape, whose sums are
// added in order.
#include "gen/attrs.h"
#include "ops/conv_blocks.h"
#include "ops/conv_taps.h"
#include "ops/depthwise_weight.h"
#include "ops/winograd_weight.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kPositions = 256;  // of a block: so many rows of x and dy stay in the first cache

struct Problem {
  ConvShape c;
  const float *x, *dy;
  float* dw;
};

struct Plan {
  int64_t row = 0, slice = 0;  // elements of a band
  bool copies = false;
  int64_t band = 1, bands = 1;    // output rows of a band; bands of a slice of an image
  int64_t span = 1, spans = 1;    // output positions of a row of a band; spans of a row
  int64_t rows = 1;               // output rows of a block
  int64_t units = 0, chunks = 1;  // bands in all; sums kept apart
  int64_t run = 0, runs = 0;      // neighbouring columns of dw of one group; such runs
  int64_t panels = 0, col_groups = 1;
  int64_t positions = 0;  // of a block, at most
  uint64_t sum_bytes = 0, index_bytes = 0, band_bytes = 0;
};

Problem problem_of(const Step& s) {
  const ConvWeightGradAttrs at = ConvWeightGradAttrs::read(s.attrs);
  return {conv_shape(at, s.in[0], s.out[0], s.in[1]), f32(s.in[0]), f32(s.in[1]), f32(s.out[0])};
}

int64_t extent(const ConvShape& c, int i, int64_t positions) {
  return (positions - 1) * c.stride[i] + c.dilation[i] * (c.kernel[i] - 1) + 1;
}

// x as a sweep sees it, for copying bands.
Sweep source_of(const Problem& p) {
  Sweep s;
  s.images = p.c.images;
  s.groups = p.c.groups;
  s.in = p.c.in;
  s.src = p.x;
  s.src_image = p.c.pixels() * p.c.in * p.c.groups;
  for (int i = 0; i < 3; i++) {
    Axis& a = s.axis[i];
    a.size = p.c.size[i];
    a.pad = p.c.pad[i];
    a.extent = extent(p.c, i, p.c.result[i]);
    a.step = p.c.stride[i];
    a.out = p.c.result[i];
    a.taps = p.c.kernel[i];
    a.delta = p.c.dilation[i];
  }
  return s;
}

Plan plan_of(const Problem& q, int threads) {
  const ConvShape& c = q.c;
  Plan p;
  const int64_t weights = c.groups * c.out * c.inner();
  if (c.images * c.positions() == 0 || weights == 0) return p;
  const Sweep s = source_of(q);
  const bool joined = joins_taps(c);
  p.run = joined ? c.kernel[2] * c.in : c.in;
  p.runs = c.kernel[0] * c.kernel[1] * (joined ? 1 : c.kernel[2]);
  p.panels = ceil_div(p.run, kTileCols);
  p.copies = needs_padding(s) || p.run % kLanes != 0;
  p.span = span_positions(s, 1, kCacheOfSums);
  p.spans = ceil_div(c.result[2], p.span);
  p.row = (p.copies ? rows_read(s.axis[2], p.span) : c.size[2]) * c.in * c.groups;
  p.band = p.spans > 1 ? 1 : band_rows(s, rows_read(s.axis[2], p.span) * c.in * c.groups, 1, 1, kCacheOfSums);
  p.bands = ceil_div(c.result[1], p.band);
  p.slice = p.row * (p.copies ? rows_read(s.axis[1], p.band) : c.size[1]);
  p.rows = least(p.band, most(1, kPositions / p.span));
  p.positions = least(p.rows * p.span, 2 * kPositions);
  p.units = c.images * c.result[0] * p.bands * p.spans;
  const int64_t positions = c.images * c.positions();
  p.chunks = most(1, least(least(p.units, 32), least(positions / 512, (int64_t{4} << 20) / weights)));
  if (p.chunks < 4 * threads && threads > 1)
    p.col_groups = least(p.panels * p.runs * c.groups, ceil_div(4 * threads, p.chunks));
  if (p.chunks > 1) p.sum_bytes = round64(p.chunks * weights * 4);
  p.index_bytes = round64(p.positions * 8);
  if (p.copies) p.band_bytes = round64((p.slice * slices_read(s.axis[0]) + kTileCols) * 4);
  return p;
}

struct Run {
  const Problem& q;
  Plan p;
  Sweep source;
  uint8_t* scratch;

  const ConvShape& c() const { return q.c; }
  float* sums(int64_t chunk) const {
    if (p.sum_bytes == 0) return q.dw;
    return reinterpret_cast<float*>(scratch) + chunk * c().groups * c().out * c().inner();
  }
  int64_t* index() const { return reinterpret_cast<int64_t*>(scratch + p.sum_bytes); }
  float* own(uint32_t worker) const {
    return reinterpret_cast<float*>(scratch + p.sum_bytes + p.index_bytes + worker * p.band_bytes);
  }
  int64_t channels() const { return c().in * c().groups; }

  void make_index() const {
    int64_t* to = index();
    for (int64_t i = 0; i < p.positions; i++) {
      const int64_t y = i / c().result[2], x = i % c().result[2];
      to[i] = (y * c().stride[1] * p.row + x * c().stride[2] * channels()) * 4;
    }
  }

  // x under tap (kd, kh, kw), from the start of a band.
  int64_t tap(int64_t kd, int64_t kh, int64_t kw) const {
    return kd * c().dilation[0] * p.slice + kh * c().dilation[1] * p.row + kw * c().dilation[2] * channels();
  }

  Band band_of(int64_t unit) const {
    Band b;
    b.w = unit % p.spans * p.span;
    b.cols = least(p.span, c().result[2] - b.w);
    unit /= p.spans;
    b.h = unit % p.bands * p.band;
    b.rows = least(p.band, c().result[1] - b.h);
    unit /= p.bands;
    b.d = unit % c().result[0];
    b.image = unit / c().result[0];
    return b;
  }

  // body(x, dy, positions, first) for every block of positions of the units [unit0, unit1), in order.
  template <typename Body>
  void blocks(int64_t unit0, int64_t unit1, uint32_t worker, const Body& body) const {
    bool first = true;
    for (int64_t unit = unit0; unit < unit1; unit++) {
      const Band b = band_of(unit);
      const float* x = q.x + b.image * source.src_image + b.d * c().stride[0] * p.slice + b.h * c().stride[1] * p.row +
                       b.w * c().stride[2] * channels();
      if (p.copies) {
        copy_band(source, b, own(worker), p.row, p.slice);
        x = own(worker);
      }
      const float* dy =
          q.dy + (((b.image * c().result[0] + b.d) * c().result[1] + b.h) * c().result[2] + b.w) * c().y_row;
      const int64_t wide = p.rows == 1 ? p.positions : b.cols;  // of a row, in a block; several rows are whole ones
      for (int64_t y = 0; y < b.rows; y += p.rows)
        for (int64_t w = 0; w < b.cols; w += wide) {
          const int64_t n = p.rows == 1 ? least(wide, b.cols - w) : least(p.rows, b.rows - y) * wide;
          body(x + y * c().stride[1] * p.row + w * c().stride[2] * channels(), dy + (y * c().result[2] + w) * c().y_row,
               n, first);
          first = false;
        }
    }
  }

  // Panels [from, to) of dw's columns, every row of them, over one block of positions.
  void tiles(float* dw, const float* x, const float* dy, int64_t positions, bool first, int64_t from,
             int64_t to) const {
    const int64_t joined = c().taps() / p.runs;  // taps of a run
    const int64_t row_tiles = ceil_div(c().out, kTileRows);
    TileCall call;
    call.a_row = 1;
    call.a_step = c().y_row;
    call.index = index();
    call.k = positions;
    call.c_row = c().inner();
    for (int64_t u = from; u < to; u++) {
      const int64_t col = u % p.panels * kTileCols, run = u / p.panels % p.runs, group = u / p.panels / p.runs;
      const int64_t t = run * joined;
      const int64_t kw = t % c().kernel[2], kh = t / c().kernel[2] % c().kernel[1],
                    kd = t / c().kernel[2] / c().kernel[1];
      call.cols = static_cast<int>(least(kTileCols, p.run - col));
      call.b = x + tap(kd, kh, kw) + group * c().in + col;
      for (int64_t i = 0; i < row_tiles; i++) {
        const int64_t o = part(c().out, i, row_tiles);
        const int rows = static_cast<int>(part(c().out, i + 1, row_tiles) - o);
        call.a = dy + group * c().y_group + o;
        call.c = dw + (group * c().out + o) * c().inner() + t * c().in + col;
        call.init = first ? kTileZeros : call.c;
        call.init_row = first ? 0 : call.c_row;
        tile_function(kIndexB, rows, call.cols)(call);
      }
    }
  }

  void chunk(int64_t i, int64_t g, uint32_t worker) const {
    const int64_t all = p.panels * p.runs * c().groups;
    const int64_t from = part(all, g, p.col_groups), to = part(all, g + 1, p.col_groups);
    const int64_t unit0 = part(p.units, i, p.chunks), unit1 = part(p.units, i + 1, p.chunks);
    blocks(unit0, unit1, worker, [&](const float* x, const float* dy, int64_t positions, bool first) {
      tiles(sums(i), x, dy, positions, first, from, to);
    });
  }

  // Adds the chunks' sums up, in order, for the numbers [from, to) of dw.
  void add_up(int64_t from, int64_t to) const {
    const int64_t size = c().groups * c().out * c().inner();
    const float* s = sums(0);
    for (int64_t i = from; i < to; i += kLanes) {
      const int here = static_cast<int>(least(kLanes, to - i));
      vf y = zero();
      for (int64_t n = 0; n < p.chunks; n++) y += load_first(s + n * size + i, here);
      store_first(q.dw + i, y, here);
    }
  }
};

GemmShape pointwise_shape(const ConvShape& c) { return {c.out, c.in, c.images * c.positions()}; }

Status check(const Step& s) {
  const ConvWeightGradAttrs at = ConvWeightGradAttrs::read(s.attrs);
  const Status status = check_conv(at, s.in[0], s.out[0], s.in[1]);
  if (!status.ok()) return status;
  for (int i = 0; i < 3; i++)
    if (s.out[0].dims[1 + i] != at.kernel[i])
      return {Code::kBadPlan, "the result's kernel is not `kernel`", -1, "kernel"};
  return status;
}

}  // namespace

uint64_t conv_weight_grad_scratch(const ConvShape& shape, int threads) {
  const Problem q{shape, nullptr, nullptr, nullptr};
  if (q.c.pointwise())
    return gemm_scratch(plan_gemm(pointwise_shape(q.c), threads, {nullptr, 1, q.c.y_row}, true), threads);
  if (const int m = winograd_size(q.c); m != 0)
    return m == 4 ? plan_winograd_weight<4>(q.c).bytes() : plan_winograd_weight<2>(q.c).bytes();
  if (shape.depthwise()) return plan_depthwise_weight(shape, source_of(q), threads).bytes();
  if (suits_taps(shape)) return taps_scratch(plan_taps(shape, source_of(q)), threads);
  const Plan p = plan_of(q, threads);
  return p.sum_bytes + p.index_bytes + static_cast<uint64_t>(threads) * p.band_bytes;
}

void conv_weight_grad(const Runtime& rt, const ConvShape& c, const float* x, const float* dy, float* dw) {
  const Problem q{c, x, dy, dw};
  if (c.pointwise()) {
    const LeftMatrix left{{q.dy, 1, c.y_row}};
    gemm(rt, rt.scratch, plan_gemm(pointwise_shape(c), rt.threads, left.m, true), left, RightMatrix{{q.x, c.in, 1}},
         GemmOut{q.dw, c.in}, NoAfter{});
    return;
  }
  if (const int m = winograd_size(c); m != 0) {
    if (m == 4)
      winograd_weight<4>(rt, c, q.x, q.dy, q.dw);
    else
      winograd_weight<2>(rt, c, q.x, q.dy, q.dw);
    return;
  }
  if (c.depthwise()) return depthwise_weight(rt, c, source_of(q), dy, dw);
  if (suits_taps(c)) return taps_weight(rt, c, source_of(q), dy, dw);
  const Plan p = plan_of(q, rt.threads);
  const int64_t size = c.groups * c.out * c.inner();
  if (p.units == 0) {
    fill_zeros(q.dw, size);
    return;
  }
  const Run run{q, p, source_of(q), rt.scratch};
  run.make_index();
  if (p.copies)
    for (int i = 0; i < rt.threads; i++)
      fill_zeros(run.own(static_cast<uint32_t>(i)) + p.slice * slices_read(run.source.axis[0]), kTileCols);
  parallel_for(rt, static_cast<uint32_t>(p.chunks * p.col_groups),
               [&](uint32_t task, uint32_t worker) { run.chunk(task / p.col_groups, task % p.col_groups, worker); });
  if (p.sum_bytes == 0) return;
  const int64_t adders = most(1, least(64, size * p.chunks / 65536));
  parallel_for(rt, static_cast<uint32_t>(adders), [&](uint32_t task, uint32_t) {
    run.add_up(part(size, task, adders, kLanes), part(size, task + 1, adders, kLanes));
  });
  return;
}

uint64_t conv_weight_parts_scratch(const ConvShape& c) {
  return winograd_size(c) == 4 ? plan_winograd_weight<4>(c, kWinogradPartBytes).bytes()
                               : plan_winograd_weight<2>(c, kWinogradPartBytes).bytes();
}
void conv_weight_parts(const Runtime& rt, const ConvShape& c, int64_t all, const float* x, const float* dy, float* dw,
                       const PartUse& use) {
  const auto take = [&](int64_t from, int64_t to, bool start) { use.use(use.of, from, to, start); };
  if (winograd_size(c) == 4) return winograd_weight_parts<4>(rt, c, all, x, dy, dw, take);
  winograd_weight_parts<2>(rt, c, all, x, dy, dw, take);
}

namespace {

uint64_t scratch(const Step& s, int threads) { return conv_weight_grad_scratch(problem_of(s).c, threads); }
Status run(const Step& s, const Runtime& rt) {
  const Problem q = problem_of(s);
  conv_weight_grad(rt, q.c, q.x, q.dy, q.dw);
  return {};
}

}  // namespace

extern const Kernel conv_weight_grad_kernel;
const Kernel conv_weight_grad_kernel = {check, scratch, run};

}  // namespace tenon::TENON_ISA
