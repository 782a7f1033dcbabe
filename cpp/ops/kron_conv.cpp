// conv(x, W) with W = sum of a_i ⊗ f_i, and its gradients. Of W, and of dW before it is reduced to da and df, there is
// never more than a block of channels of each group that, as the convolution packs it, about fills a second cache; or
// where Winograd's way is taken, of W a panel a thread, so that tiles are transformed once for all blocks.
#include "gen/attrs.h"
#include "ops/conv_blocks.h"
#include "ops/conv_steps.h"
#include "ops/kron_blocks.h"
#include "ops/winograd_weight.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kBlockBytes = int64_t{5} << 18;

View weight_of(const View& f) {
  const uint64_t n = f.dims[0];
  const uint64_t dims[5] = {n * f.dims[1], f.dims[2], f.dims[3], f.dims[4], n * f.dims[5]};
  return f32_view(nullptr, 5, dims);
}

struct Problem {
  KronShape k;
  ConvShape c;
  const float *x, *a, *f;
  int64_t inner() const { return k.taps * k.in(); }
};

// Channels of a block in each group, and the shape of its convolution but for their number.
struct Blocks {
  ConvShape c;
  int64_t all = 0, each = 0;
  int64_t at(int64_t block) const { return least(all, block * each); }
  int64_t count() const { return each == 0 ? 0 : ceil_div(all, each); }
};

// `deep`: channels on the other side. Larger tiles of Winograd's take more room for fewer products; where not even a
// panel of them fits, smaller ones are taken.
Blocks blocks_of(const ConvShape& c, int64_t all, int64_t deep) {
  Blocks b{c, all, all};
  if (!fits_winograd(c)) b.c.winograd = 0;
  for (;;) {
    const int64_t points = b.c.winograd == 4 ? 36 : b.c.winograd == 2 ? 16 : c.taps();
    const int64_t room = kBlockBytes / most(1, points * deep * c.groups * 4);
    b.each = least(all, most(kLanes, room / kTileCols * kTileCols));
    if (b.each == all || room >= kTileCols || b.c.winograd == 0) return b;
    b.c.winograd -= 2;
  }
}
Blocks row_blocks(const Problem& q) { return blocks_of(q.c, q.c.out, q.c.in); }
Blocks column_blocks(const Problem& q) { return blocks_of(q.c, q.c.in, q.c.out); }

ConvShape with_outputs(const Blocks& b, int64_t count) {
  ConvShape c = b.c;
  c.out = count;
  return c;
}
ConvShape with_inputs(const Blocks& b, int64_t count) {
  ConvShape c = b.c;
  c.in = count;
  return c;
}

// The most that a block needs: all are as wide as the first one but for the last.
template <typename Bytes>
uint64_t most_of(const Blocks& b, const Bytes& bytes) {
  if (b.count() == 0) return 0;
  const uint64_t first = bytes(least(b.all, b.each)), last = bytes(b.all - b.at(b.count() - 1));
  return first > last ? first : last;
}

Runtime with_scratch(const Runtime& rt, uint64_t used) {
  Runtime inner = rt;
  inner.scratch = rt.scratch + used;
  return inner;
}

Status check_problem(const Step& s, const View& y) {
  const View& f = s.in[2];
  const uint32_t groups = ConvAttrs::read(s.attrs).groups;
  if (f.rank != 6) return bad_plan("a factor of a convolution has rank 6", "rank");
  const Status status = check_algebra(s.in[1], f, groups);
  if (!status.ok()) return status;
  uint64_t all = 0;
  if (__builtin_mul_overflow(f.dims[0], f.dims[1], &all) || __builtin_mul_overflow(f.dims[0], f.dims[5], &all))
    return bad_plan("the weight is too large", "dims");
  const View w = weight_of(f);
  if (!is_sound(w)) return bad_plan("the weight is too large", "dims");
  return conv_step(s.attrs, s.in[0], w, y).check(conv_kernel);
}

Problem problem_of(const Step& s, const View& y) {
  const ConvAttrs at = ConvAttrs::read(s.attrs);
  return {kron_shape(s.in[2], at.groups), conv_shape(at, s.in[0], weight_of(s.in[2]), y), f32(s.in[0]), f32(s.in[1]),
          f32(s.in[2])};
}

// ---- forward

uint64_t row_bytes(const Problem& q) { return round64(row_blocks(q).each * q.c.groups * q.inner() * 4); }

bool makes_panels(const Blocks& b) { return b.count() > 1 && conv_makes_panels(b.c); }

uint64_t scratch(const Step& s, int threads) {
  const Problem q = problem_of(s, s.out[0]);
  const Blocks b = row_blocks(q);
  if (makes_panels(b)) return conv_panels_scratch(b.c, threads);
  return row_bytes(q) + most_of(b, [&](int64_t n) { return conv_scratch(with_outputs(b, n), threads); });
}

// body(row, at): rows [row, row + count) of W are those of a block in one group, which lie at `at` of the block.
template <typename Body>
void for_group_rows(const Problem& q, int64_t from, int64_t count, const Body& body) {
  if (q.c.groups == 1 || count == q.c.out) return body(from * q.c.groups, int64_t{0}, count * q.c.groups);
  for (int64_t g = 0; g < q.c.groups; g++) body(g * q.c.out + from, g * count * q.inner(), count);
}

void run_forward(const Step& s, const Runtime& rt, const float* bias, uint32_t activation) {
  const Problem q = problem_of(s, s.out[0]);
  const Blocks b = row_blocks(q);
  float *w = reinterpret_cast<float*>(rt.scratch), *y = f32(s.out[0]);
  if (makes_panels(b)) {
    const MadeWeight made{&q, [](const void* of, float* w, int64_t begin, int64_t end) {
                            const Problem& q = *static_cast<const Problem*>(of);
                            make_some_rows(q.k, q.a, q.f, w, begin, end, 0, q.k.groups * q.k.outs);
                          }};
    return conv_panels_forward(rt, b.c, q.x, made, y, bias, activation);
  }
  const Runtime inner = with_scratch(rt, row_bytes(q));
  for (int64_t i = 0; i < b.count(); i++) {
    const int64_t from = b.at(i), count = b.at(i + 1) - from;
    for_group_rows(q, from, count, [&](int64_t row, int64_t at, int64_t rows) {
      make_kron_rows(rt, q.k, q.a, q.f, w + at, row, row + rows);
    });
    conv_forward(inner, with_outputs(b, count), q.x, w, y + from, bias ? bias + from : nullptr, activation);
  }
}

Status check(const Step& s) { return check_problem(s, s.out[0]); }
Status run(const Step& s, const Runtime& rt) {
  run_forward(s, rt, nullptr, kNone);
  return {};
}

Status act_check(const Step& s) {
  const Status status = check_problem(s, s.out[0]);
  if (!status.ok()) return status;
  const View bias = s.inputs > 3 ? s.in[3] : View{};
  return conv_act_step(s.attrs, s.in[0], weight_of(s.in[2]), bias, s.out[0], 0).check(conv_act_kernel);
}
Status act_run(const Step& s, const Runtime& rt) {
  const bool biased = s.inputs > 3 && s.in[3].present;
  run_forward(s, rt, biased ? f32(s.in[3]) : nullptr, KronConvActAttrs::read(s.attrs).activation);
  return {};
}

// ---- gradients

Status grad_check(const Step& s) {
  const View &x = s.in[0], &dy = s.in[3];
  const Status status = check_problem(s, dy);
  if (!status.ok()) return status;
  for (uint32_t i = 0; i < 3; i++)
    if (!same_dims(s.out[i], s.in[i])) return bad_plan("a gradient has not the shape of its input", "dims");
  const View w = weight_of(s.in[2]);
  const Status dx = conv_input_grad_step(s.attrs, dy, w, s.out[0]).check(conv_input_grad_kernel);
  return dx.ok() ? conv_weight_grad_step(s.attrs, x, dy, w).check(conv_weight_grad_kernel) : dx;
}

uint64_t column_bytes(const Problem& q) { return round64(column_blocks(q).each * q.c.groups * q.c.out * q.k.taps * 4); }
uint64_t sum_bytes(const Problem& q) { return round64(static_cast<int64_t>(kron_sums(q.k) * sizeof(double))); }

bool makes_grad_panels(const Blocks& b) { return b.count() > 1 && conv_input_grad_makes_panels(b.c); }
uint64_t input_grad_scratch(const Problem& q, int threads) {
  const Blocks b = column_blocks(q);
  if (makes_grad_panels(b)) return conv_input_grad_panels_scratch(b.c, threads);
  return column_bytes(q) + most_of(b, [&](int64_t n) { return conv_input_grad_scratch(with_inputs(b, n), threads); });
}

// x's tiles are transformed once for all blocks.
bool takes_parts(const Blocks& b) { return b.count() > 1 && winograd_size(with_outputs(b, b.each)) != 0; }
uint64_t factor_grads_scratch(const Problem& q, int threads) {
  const Blocks b = row_blocks(q);
  if (takes_parts(b)) return row_bytes(q) + conv_weight_parts_scratch(with_outputs(b, b.each));
  return row_bytes(q) + most_of(b, [&](int64_t n) { return conv_weight_grad_scratch(with_outputs(b, n), threads); });
}

uint64_t grad_scratch(const Step& s, int threads) {
  const Problem q = problem_of(s, s.in[3]);
  const uint64_t dx = input_grad_scratch(q, threads), dw = factor_grads_scratch(q, threads);
  return sum_bytes(q) + (dx > dw ? dx : dw);
}

void input_grad(const Runtime& rt, const Problem& q, const float* dy, float* dx) {
  const Blocks b = column_blocks(q);
  if (makes_grad_panels(b)) {
    const MadeWeight made{&q, [](const void* of, float* w, int64_t begin, int64_t end) {
                            const Problem& q = *static_cast<const Problem*>(of);
                            make_some_columns(q.k, q.a, q.f, w, begin, end, 0, q.k.groups * q.k.outs);
                          }};
    return conv_panels_input_grad(rt, b.c, dy, made, dx);
  }
  float* w = reinterpret_cast<float*>(rt.scratch);
  const Runtime inner = with_scratch(rt, column_bytes(q));
  for (int64_t i = 0; i < b.count(); i++) {
    const int64_t from = b.at(i), to = b.at(i + 1);
    if (b.count() == 1)
      make_kron_rows(rt, q.k, q.a, q.f, w, 0, q.k.out());
    else
      make_kron_columns(rt, q.k, q.a, q.f, w, from, to);
    conv_input_grad(inner, with_inputs(b, to - from), dy, w, dx + from);
  }
}

// df; and da's sums, first those of all. dw: a block's.
struct FactorGrads {
  const Runtime& rt;
  const Problem& q;
  float *dw, *df;
  double* sums;

  void take(int64_t from, int64_t to, bool start) const {
    for_group_rows(q, from, to - from, [&](int64_t row, int64_t at, int64_t rows) {
      reduce_kron_rows(rt, q.k, q.a, q.f, dw + at, df, sums, row, row + rows, start);
    });
  }
};

void factor_grads(const Runtime& rt, const Problem& q, const float* dy, float* df, double* sums) {
  const Blocks b = row_blocks(q);
  const FactorGrads grads{rt, q, reinterpret_cast<float*>(rt.scratch), df, sums};
  const Runtime inner = with_scratch(rt, row_bytes(q));
  if (takes_parts(b))
    return conv_weight_parts(inner, with_outputs(b, b.each), b.all, q.x, dy, grads.dw,
                             {&grads, [](const void* of, int64_t from, int64_t to, bool start) {
                                static_cast<const FactorGrads*>(of)->take(from, to, start);
                              }});
  for (int64_t i = 0; i < b.count(); i++) {
    const int64_t from = b.at(i), to = b.at(i + 1);
    conv_weight_grad(inner, with_outputs(b, to - from), q.x, dy + from, grads.dw);
    grads.take(from, to, true);
  }
}

Status grad_run(const Step& s, const Runtime& rt) {
  const Problem q = problem_of(s, s.in[3]);
  const float* dy = f32(s.in[3]);
  double* sums = reinterpret_cast<double*>(rt.scratch);
  for (int64_t j = 0; j < q.k.cube(); j++) sums[j] = 0;
  const Runtime inner = with_scratch(rt, sum_bytes(q));
  input_grad(inner, q, dy, f32(s.out[0]));
  factor_grads(inner, q, dy, f32(s.out[2]), sums);
  sum_algebra(f32(s.out[1]), sums, 1, q.k.cube());
  return {};
}

}  // namespace

extern const Kernel kron_conv_kernel = {check, scratch, run};
extern const Kernel kron_conv_act_kernel = {act_check, scratch, act_run};
extern const Kernel kron_conv_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
