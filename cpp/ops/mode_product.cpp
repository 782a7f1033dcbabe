// Mode products, and the gram matrix along one axis that is their adjoint in the factor.
#include "gen/attrs.h"
#include "ops/mode.h"
#include "ops/sweep.h"

namespace tenon::TENON_ISA {
namespace {

ModeShape shape_of(const Step& s) {
  const ModeProductAttrs at = ModeProductAttrs::read(s.attrs);
  return mode_shape(s.in[0].dims, s.in[0].rank, at.axis, s.in[1], at.transposed != 0);
}

Status check(const Step& s) {
  const ModeProductAttrs at = ModeProductAttrs::read(s.attrs);
  const View &x = s.in[0], &u = s.in[1], &y = s.out[0];
  if (at.transposed > 1) return bad_plan("transposed must be 0 or 1", "transposed");
  if (at.axis >= x.rank) return bad_plan("there is no such axis", "axis");
  if (y.rank != x.rank || u.rank != 2) return bad_plan("the ranks do not fit", "rank");
  for (uint32_t i = 0; i < x.rank; i++)
    if (i != at.axis && x.dims[i] != y.dims[i]) return bad_plan("the result's other axes are not x's", "dims");
  if (x.dims[at.axis] != u.dims[at.transposed ? 0 : 1] || y.dims[at.axis] != u.dims[at.transposed ? 1 : 0])
    return bad_plan("the factor does not fit the axis", "dims");
  return {};
}

uint64_t scratch(const Step& s, int threads) { return mode_scratch(shape_of(s), threads); }

Status run(const Step& s, const Runtime& rt) {
  run_mode(rt, rt.scratch, shape_of(s), f32(s.in[0]), f32(s.in[1]), f32(s.out[0]), 1.0f);
  return {};
}

// ---- g[i, j] = sum over l, t of a[l, i, t] * b[l, j, t]

constexpr int64_t kPages = 16;       // at most so many sums are kept apart
constexpr double kPartWork = 200e3;  // multiply-adds of one at least
constexpr int64_t kRun = 256;        // t of a block

struct Gram {
  int64_t lead = 1, rows = 0, cols = 0, tail = 1;
  bool pages() const { return lead > 1 && tail > 1; }
  GemmShape shape() const { return {rows, cols, lead * tail}; }
  LeftMatrix left(const float* a) const { return {tail == 1 ? Matrix{a, 1, rows} : Matrix{a, tail, 1}}; }
  RightMatrix right(const float* b) const { return {tail == 1 ? Matrix{b, cols, 1} : Matrix{b, 1, tail}}; }
  GemmPlan plan(int threads) const { return plan_gemm(shape(), threads, left(nullptr).m, right(nullptr).direct()); }
  int64_t parts() const {
    const double work = static_cast<double>(rows * cols) * static_cast<double>(lead * tail);
    return most(1, least(least(lead, kPages), static_cast<int64_t>(work / kPartWork)));
  }
  uint64_t sum_bytes() const { return round64(parts() * rows * cols * 4); }
  uint64_t panel_bytes() const { return round64(kRun * kTileCols * 4); }
};

Gram gram_of(const Step& s) {
  const uint32_t axis = ModeGramAttrs::read(s.attrs).axis;
  const View &a = s.in[0], &b = s.in[1];
  Gram g;
  g.lead = static_cast<int64_t>(span_of(a, 0, axis));
  g.tail = static_cast<int64_t>(span_of(a, axis + 1, a.rank));
  g.rows = static_cast<int64_t>(a.dims[axis]);
  g.cols = static_cast<int64_t>(b.dims[axis]);
  return g;
}

Status check_gram(const Step& s) {
  const uint32_t axis = ModeGramAttrs::read(s.attrs).axis;
  const View &a = s.in[0], &b = s.in[1], &g = s.out[0];
  if (axis >= a.rank) return bad_plan("there is no such axis", "axis");
  if (b.rank != a.rank || g.rank != 2) return bad_plan("the ranks do not fit", "rank");
  for (uint32_t i = 0; i < a.rank; i++)
    if (i != axis && a.dims[i] != b.dims[i]) return bad_plan("the other axes differ", "dims");
  if (g.dims[0] != a.dims[axis] || g.dims[1] != b.dims[axis])
    return bad_plan("the result is not [a's size, b's size] of the axis", "dims");
  return {};
}

uint64_t scratch_gram(const Step& s, int threads) {
  const Gram g = gram_of(s);
  if (numel(s.in[0]) == 0 || numel(s.in[1]) == 0) return 0;
  if (!g.pages()) return gemm_scratch(g.plan(threads), threads);
  return g.sum_bytes() + static_cast<uint64_t>(threads) * g.panel_bytes();
}

// One page's products added to a part's sums.
void add_page(const Gram& g, const float* a, const float* b, float* sums, bool first, float* panel) {
  const int64_t row_tiles = ceil_div(g.rows, kTileRows);
  TileCall call;
  call.a_row = g.tail;
  call.a_step = 1;
  call.b = panel;
  call.c_row = g.cols;
  for (int64_t t = 0; t < g.tail; t += kRun)
    for (int64_t col = 0; col < g.cols; col += kTileCols) {
      call.k = least(kRun, g.tail - t);
      call.cols = static_cast<int>(least(kTileCols, g.cols - col));
      call.b_step = panel_width(call.cols);
      pack_transposed(panel, panel_width(call.cols), b + col * g.tail + t, g.tail, call.k, call.cols);
      for (int64_t i = 0; i < row_tiles; i++) {
        const int64_t row = part(g.rows, i, row_tiles);
        call.a = a + row * g.tail + t;
        call.c = sums + row * g.cols + col;
        call.init = first && t == 0 ? kTileZeros : call.c;
        call.init_row = first && t == 0 ? 0 : call.c_row;
        tile_function(kStep, static_cast<int>(part(g.rows, i + 1, row_tiles) - row), call.cols)(call);
      }
    }
}

Status run_gram(const Step& s, const Runtime& rt) {
  const Gram g = gram_of(s);
  const float *a = f32(s.in[0]), *b = f32(s.in[1]);
  float* out = f32(s.out[0]);
  const int64_t size = g.rows * g.cols;
  if (numel(s.in[0]) == 0 || numel(s.in[1]) == 0) {
    fill_zeros(out, size);
    return {};
  }
  if (!g.pages()) {
    gemm(rt, rt.scratch, g.plan(rt.threads), g.left(a), g.right(b), GemmOut{out, g.cols}, NoAfter{});
    return {};
  }
  const int64_t parts = g.parts();
  float* sums = reinterpret_cast<float*>(rt.scratch);
  parallel_for(rt, static_cast<uint32_t>(parts), [&](uint32_t task, uint32_t worker) {
    float* panel = reinterpret_cast<float*>(rt.scratch + g.sum_bytes() + worker * g.panel_bytes());
    const int64_t from = part(g.lead, task, parts), to = part(g.lead, task + 1, parts);
    for (int64_t l = from; l < to; l++)
      add_page(g, a + l * g.rows * g.tail, b + l * g.cols * g.tail, sums + task * size, l == from, panel);
  });
  for (int64_t i = 0; i < size; i += kLanes) {
    const int here = static_cast<int>(least(kLanes, size - i));
    vf y = load_first(sums + i, here);
    for (int64_t n = 1; n < parts; n++) y += load_first(sums + n * size + i, here);
    store_first(out + i, y, here);
  }
  return {};
}

}  // namespace

extern const Kernel mode_product_kernel = {check, scratch, run};
extern const Kernel mode_gram_kernel = {check_gram, scratch_gram, run_gram};

}  // namespace tenon::TENON_ISA
