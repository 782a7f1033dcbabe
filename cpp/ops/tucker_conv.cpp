// y = conv(x, base) + bias + scale * conv(x, core x_out uOut x_in uIn), and its gradients, without that weight: 1x1
// into the rank, the core, 1x1 out of it. What lies between has as many channels as the rank. Over many positions the
// way out is taken by the base's panels, which get their part of the product while they are packed.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/conv_blocks.h"
#include "ops/conv_steps.h"
#include "ops/sweep.h"
#include "ops/thin_gram.h"
#include "ops/thin_wide.h"

namespace tenon::TENON_ISA {

namespace {

struct Tucker {
  View x, u_in, core, u_out, y, base, bias;  // y or dy
  View into, out;                            // between the products: [.., rank in], [.., rank out] with the scale
  float scale = 1;
  bool keep = true;  // into and out are outputs

  uint64_t rank_in() const { return u_in.dims[1]; }
  uint64_t rank_out() const { return u_out.dims[1]; }
  int64_t positions_in() const { return static_cast<int64_t>(span_of(x, 0, 4)); }
  int64_t positions_out() const { return static_cast<int64_t>(span_of(y, 0, 4)); }
  int64_t channels() const { return static_cast<int64_t>(x.dims[4]); }
  int64_t outputs() const { return static_cast<int64_t>(y.dims[4]); }
  int64_t taps() const { return static_cast<int64_t>(span_of(core, 1, 4)); }
};

Tucker tucker_of(const Step& s, float scale, const View& y, uint32_t base, uint32_t bias) {
  Tucker t;
  t.x = s.in[0];
  t.u_in = s.in[1];
  t.core = s.in[2];
  t.u_out = s.in[3];
  t.y = y;
  if (base < s.inputs) t.base = s.in[base];
  if (bias < s.inputs) t.bias = s.in[bias];
  t.scale = scale;
  t.into = f32_view(nullptr, 5, t.x.dims);
  t.into.dims[4] = t.rank_in();
  t.out = f32_view(nullptr, 5, t.y.dims);
  t.out.dims[4] = t.rank_out();
  return t;
}

InnerStep small_conv(const Step& s, const Tucker& t) { return conv_step(s.attrs, t.into, t.core, t.out); }
InnerStep small_input_grad(const Step& s, const Tucker& t) {
  return conv_input_grad_step(s.attrs, t.out, t.core, t.into);
}
InnerStep small_weight_grad(const Step& s, const Tucker& t, const View& d_out, const View& dcore) {
  return conv_weight_grad_step(s.attrs, t.into, d_out, dcore);
}
InnerStep base_conv(const Step& s, const Tucker& t) { return conv_act_step(s.attrs, t.x, t.base, t.bias, t.y, 0); }
InnerStep base_input_grad(const Step& s, const Tucker& t, const View& dx) {
  return conv_input_grad_step(s.attrs, t.y, t.base, dx);
}
ConvShape base_shape(const Step& s, const Tucker& t) { return conv_shape(ConvAttrs::read(s.attrs), t.x, t.base, t.y); }

ConvShape small_shape(const Step& s, const Tucker& t) {
  return conv_shape(ConvAttrs::read(s.attrs), t.into, t.core, t.out);
}

// One way through the factors: from `from` channels into a rank, the core, out of a rank to `to` channels.
struct Way {
  int64_t from = 0, rank_from = 0, rank_to = 0, to = 0, positions = 0;  // those of `to`

  uint64_t left_floats(int64_t taps) const { return static_cast<uint64_t>(from * taps * rank_to); }
  // Whether it is less work to add the product to the base than to widen every position.
  bool merges(const Step& s, const Tucker& t) const {
    if (!t.base.present || base_shape(s, t).pointwise()) return false;
    const double rank = static_cast<double>(rank_to), taps = static_cast<double>(t.taps());
    return taps * static_cast<double>(from) * rank * static_cast<double>(rank_from + to) <
           rank * static_cast<double>(to) * static_cast<double>(positions);
  }
};
Way forward_way(const Tucker& t) {
  return {t.channels(), static_cast<int64_t>(t.rank_in()), static_cast<int64_t>(t.rank_out()), t.outputs(),
          t.positions_out()};
}
Way backward_way(const Tucker& t) {
  return {t.outputs(), static_cast<int64_t>(t.rank_out()), static_cast<int64_t>(t.rank_in()), t.channels(),
          t.positions_in()};
}

Status check_tucker(const Step& s, const Tucker& t) {
  if (ConvAttrs::read(s.attrs).groups != 1) return bad_plan("a Tucker convolution has one group", "groups");
  if (t.u_in.rank != 2 || t.u_out.rank != 2 || t.x.rank != 5 || t.y.rank != 5 || t.core.rank != 5)
    return bad_plan("the ranks do not fit", "rank");
  if (t.u_in.dims[0] != t.x.dims[4] || t.u_out.dims[0] != t.y.dims[4])
    return bad_plan("the factors do not fit the channels", "dims");
  if (t.bias.present && (t.bias.rank != 1 || t.bias.dims[0] != t.y.dims[4]))
    return bad_plan("the bias is not [out]", "dims");
  if (!is_sound(t.into) || !is_sound(t.out)) return bad_plan("what lies between the products is too large", "dims");
  const Status status = small_conv(s, t).check(conv_kernel);
  if (!status.ok() || !t.base.present) return status;
  return base_conv(s, t).check(conv_act_kernel);
}

// Of a way that merges: the core turned to the way's rank, and what is added to the base's panels.
struct Merging {
  bool on;
  uint64_t turn, left;
};
Merging merging_of(const Step& s, const Tucker& t, const Way& way, Layout& l) {
  if (!way.merges(s, t)) return {false, l.at, l.at};
  const uint64_t turn = l.take(Thin::bytes(way.rank_from, t.taps() * way.rank_to));
  return {true, turn, l.floats(way.left_floats(t.taps()))};
}

// What stays to the end, then what a stage needs.
struct ForwardLayout {
  uint64_t core, narrow, widen, into, out;
  Merging merging;
  ThroughNeeds through;
  uint64_t rest;
  // The stages one after the other, of which the merged product of a base needs none.
  bool apart(const Tucker& t) const { return through.blocks == 0 && (t.keep || !merging.on); }
};
ForwardLayout forward_layout(const Step& s, const Tucker& t, int threads) {
  Layout l;
  ForwardLayout f;
  f.core = l.floats(t.scale == 1.0f ? 0 : numel(t.core));
  f.narrow = l.take(Thin::bytes(t.channels(), static_cast<int64_t>(t.rank_in())));
  f.widen = l.take(Thin::bytes(static_cast<int64_t>(t.rank_out()), t.outputs()));
  f.merging = merging_of(s, t, forward_way(t), l);
  if (!t.base.present) {
    const ThroughNeeds needs = conv_through_needs(small_shape(s, t), t.keep);
    if (needs.suits(threads)) f.through = needs;
  }
  const bool made = !t.keep && f.apart(t);
  f.into = l.floats(made ? numel(t.into) : 0);
  f.out = l.floats(made ? numel(t.out) : 0);
  f.rest = l.at;
  return f;
}

Runtime at_rest(Runtime rt, uint64_t rest) {
  rt.scratch += rest;
  return rt;
}
float* floats_at(const Runtime& rt, uint64_t at) { return reinterpret_cast<float*>(rt.scratch + at); }

// The core times scale.
void scale_core(Tucker& t, float* to) {
  if (t.scale == 1.0f) return;
  const vf s = splat(t.scale);
  map_row(to, f32(t.core), numel(t.core), [s](vf v) { return v * s; });
  t.core.data = to;
}

// c[rows, cols] (+)= x[rows, inner] * right.
void thin_product(const Runtime& rt, const Thin& thin, const RightMatrix& right, int64_t rows, const float* x, float* c,
                  bool more, const float* bias) {
  thin.pack(right);
  for_thin_rows(rt, rows, [&](int64_t first, int64_t count) {
    float* to = c + first * thin.cols;
    thin.rows(to, thin.cols, x + first * thin.inner, thin.inner, count, more ? to : bias, more ? thin.cols : 0,
              !more && !bias);
  });
}

Tucker forward_of(const Step& s) {
  const TuckerConvAttrs at = TuckerConvAttrs::read(s.attrs);
  Tucker t = tucker_of(s, at.scale, s.out[0], 4, 5);
  t.keep = at.keep != 0;
  return t;
}

Status check_between(const Tucker& t, const View& into, const View& out) {
  View kept_into = t.into, kept_out = t.out;
  if (!t.keep) kept_into.dims[0] = kept_out.dims[0] = 0;
  if (same_dims(into, kept_into) && same_dims(out, kept_out)) return {};
  return bad_plan("what lies between the products has another shape", "dims");
}

Status check(const Step& s) {
  if (TuckerConvAttrs::read(s.attrs).keep > 1) return bad_plan("keep must be 0 or 1", "keep");
  const Tucker t = forward_of(s);
  const Status status = check_tucker(s, t);
  return status.ok() ? check_between(t, s.out[1], s.out[2]) : status;
}

uint64_t scratch(const Step& s, int threads) {
  const Tucker t = forward_of(s);
  const ForwardLayout f = forward_layout(s, t, threads);
  const uint64_t small = f.apart(t) ? small_conv(s, t).scratch(conv_kernel, threads) : f.through.scratch(threads);
  const uint64_t base = t.base.present ? base_conv(s, t).scratch(conv_act_kernel, threads) : 0;
  return f.rest + (small > base ? small : base);
}

// All three stages block by block.
void run_through(const Step& s, const Runtime& rt, const Tucker& t, const ForwardLayout& f) {
  const int64_t rank_in = static_cast<int64_t>(t.rank_in()), rank_out = static_cast<int64_t>(t.rank_out());
  Through through;
  through.narrow = {t.channels(), rank_in, floats_at(rt, f.narrow)};
  through.widen = {rank_out, t.outputs(), floats_at(rt, f.widen)};
  through.narrow.pack({{f32(t.u_in), rank_in, 1}});
  through.widen.pack({{f32(t.u_out), 1, rank_out}});
  through.x = f32(t.x);
  through.y = f32(t.y);
  through.kept_into = t.keep ? f32(t.into) : nullptr;
  through.kept_out = t.keep ? f32(t.out) : nullptr;
  through.bias = t.bias.present ? f32(t.bias) : nullptr;
  conv_through(at_rest(rt, f.rest), small_shape(s, t), f32(t.core), through);
}

Status run(const Step& s, const Runtime& rt) {
  Tucker t = forward_of(s);
  const ForwardLayout f = forward_layout(s, t, rt.threads);
  const int64_t rank_in = static_cast<int64_t>(t.rank_in()), rank_out = static_cast<int64_t>(t.rank_out());
  t.into.data = t.keep ? s.out[1].data : floats_at(rt, f.into);
  t.out.data = t.keep ? s.out[2].data : floats_at(rt, f.out);
  scale_core(t, floats_at(rt, f.core));
  if (f.through.blocks > 0) {
    run_through(s, rt, t, f);
    return {};
  }
  Status status;
  if (f.apart(t)) {
    thin_product(rt, {t.channels(), rank_in, floats_at(rt, f.narrow)}, {{f32(t.u_in), rank_in, 1}}, t.positions_in(),
                 f32(t.x), f32(t.into), false, nullptr);
    status = small_conv(s, t).run(conv_kernel, rt, rt.scratch + f.rest);
  }
  const Thin widen{rank_out, t.outputs(), floats_at(rt, f.widen)};
  const RightMatrix out{{f32(t.u_out), 1, rank_out}};
  const float* bias = t.bias.present ? f32(t.bias) : nullptr;
  if (status.ok() && f.merging.on) {
    // left [channels, rank out, taps]
    const Thin turn{rank_in, rank_out * t.taps(), floats_at(rt, f.merging.turn)};
    thin_product(rt, turn, {{f32(t.core), 1, rank_in}}, t.channels(), f32(t.u_in), floats_at(rt, f.merging.left), false,
                 nullptr);
    widen.pack(out);
    conv_forward(at_rest(rt, f.rest), base_shape(s, t), f32(t.x), f32(t.base), f32(t.y), bias, kNone, nullptr,
                 {floats_at(rt, f.merging.left), turn.cols, 1, t.taps(), widen});
    return status;
  }
  if (status.ok() && t.base.present) status = base_conv(s, t).run(conv_act_kernel, rt, rt.scratch + f.rest);
  if (!status.ok()) return status;
  if (t.base.present) {
    thin_product(rt, widen, out, t.positions_out(), f32(t.out), f32(t.y), true, bias);
    return {};
  }
  widen.pack(out);
  const WideRows wide{widen, bias, f32(t.y), t.positions_out()};
  for_thin_rows(rt, wide.rows,
                [&](int64_t first, int64_t count) { wide.make(first, count, f32(t.out) + first * widen.inner); });
  return {};
}

// ---- gradients: into and out are those of the forward pass

Tucker grad_of(const Step& s) {
  Tucker t = tucker_of(s, TuckerConvGradAttrs::read(s.attrs).scale, s.in[4], 7, 8);
  t.into.data = s.in[5].data;
  t.out.data = s.in[6].data;
  return t;
}

Status grad_check(const Step& s) {
  const Tucker t = grad_of(s);
  Status status = check_tucker(s, t);
  if (status.ok()) status = check_between(t, s.in[5], s.in[6]);
  if (!status.ok()) return status;
  for (uint32_t i = 0; i < 4; i++)
    if (!same_dims(s.out[i], s.in[i])) return bad_plan("a gradient has not the shape of its input", "dims");
  const Status small = small_input_grad(s, t).check(conv_input_grad_kernel);
  if (!small.ok()) return small;
  const Status base = t.base.present ? base_input_grad(s, t, s.out[0]).check(conv_input_grad_kernel) : Status{};
  return base.ok() ? small_weight_grad(s, t, t.out, s.out[2]).check(conv_weight_grad_kernel) : base;
}

ThinGram in_gram(const Tucker& t) { return {t.positions_in(), t.channels(), static_cast<int64_t>(t.rank_in())}; }
ThinGram out_gram(const Tucker& t) { return {t.positions_out(), t.outputs(), static_cast<int64_t>(t.rank_out())}; }

struct GradLayout {
  uint64_t core, d_out, d_into, back, wide;
  Merging merging;
  uint64_t rest;
};
GradLayout grad_layout(const Step& s, const Tucker& t) {
  Layout l;
  GradLayout g;
  g.core = l.floats(t.scale == 1.0f ? 0 : numel(t.core));
  g.d_out = l.floats(numel(t.out));
  g.d_into = l.floats(numel(t.into));
  g.back = l.take(Thin::bytes(t.outputs(), static_cast<int64_t>(t.rank_out())));
  g.wide = l.take(Thin::bytes(static_cast<int64_t>(t.rank_in()), t.channels()));
  g.merging = merging_of(s, t, backward_way(t), l);
  g.rest = l.at;
  return g;
}

uint64_t grad_scratch(const Step& s, int threads) {
  const Tucker t = grad_of(s);
  uint64_t most_bytes = 0;
  const auto need = [&](uint64_t bytes) { most_bytes = bytes > most_bytes ? bytes : most_bytes; };
  need(small_input_grad(s, t).scratch(conv_input_grad_kernel, threads));
  need(small_weight_grad(s, t, t.out, s.out[2]).scratch(conv_weight_grad_kernel, threads));
  if (t.base.present) need(base_input_grad(s, t, s.out[0]).scratch(conv_input_grad_kernel, threads));
  need(in_gram(t).scratch(threads));
  need(out_gram(t).scratch(threads));
  return grad_layout(s, t).rest + most_bytes;
}

// duOut, dcore and duIn; the gradient of `into` stays in d.
Status factor_grads(const Step& s, const Runtime& rt, const Tucker& t, Tucker& d, const GradLayout& g) {
  const int64_t rank_out = static_cast<int64_t>(t.rank_out());
  uint8_t* rest = rt.scratch + g.rest;
  d.into.data = floats_at(rt, g.d_into);
  d.out.data = floats_at(rt, g.d_out);
  const Thin back{t.outputs(), rank_out, floats_at(rt, g.back)};
  back.pack({{f32(t.u_out), rank_out, 1}});
  thin_gram(rt, rest, out_gram(t), f32(t.y), f32(t.out), f32(s.out[3]), &back, f32(d.out));
  Status status = small_weight_grad(s, t, d.out, s.out[2]).run(conv_weight_grad_kernel, rt, rest);
  if (status.ok()) status = small_input_grad(s, d).run(conv_input_grad_kernel, rt, rest);
  if (!status.ok()) return status;
  if (t.scale != 1.0f) {
    const vf scale = splat(t.scale);
    map_row(f32(s.out[2]), f32(s.out[2]), numel(s.out[2]), [scale](vf v) { return v * scale; });
  }
  thin_gram(rt, rest, in_gram(t), f32(t.x), f32(d.into), f32(s.out[1]), nullptr, nullptr);
  return {};
}

Status grad_run(const Step& s, const Runtime& rt) {
  Tucker t = grad_of(s);
  const GradLayout g = grad_layout(s, t);
  uint8_t* rest = rt.scratch + g.rest;
  scale_core(t, floats_at(rt, g.core));
  Tucker d = t;
  Status status = factor_grads(s, rt, t, d, g);
  const int64_t rank_in = static_cast<int64_t>(t.rank_in()), rank_out = static_cast<int64_t>(t.rank_out());
  const Thin wide{rank_in, t.channels(), floats_at(rt, g.wide)};
  const RightMatrix in{{f32(t.u_in), 1, rank_in}};
  if (status.ok() && g.merging.on) {
    // left [outputs, taps, rank in]
    const Thin turn{rank_out, t.taps() * rank_in, floats_at(rt, g.merging.turn)};
    thin_product(rt, turn, {{f32(t.core), t.taps() * rank_in, 1}}, t.outputs(), f32(t.u_out),
                 floats_at(rt, g.merging.left), false, nullptr);
    wide.pack(in);
    conv_input_grad(at_rest(rt, g.rest), base_shape(s, t), f32(t.y), f32(t.base), f32(s.out[0]),
                    {floats_at(rt, g.merging.left), turn.cols, rank_in, 1, wide});
    return status;
  }
  if (status.ok() && t.base.present) status = base_input_grad(s, t, s.out[0]).run(conv_input_grad_kernel, rt, rest);
  if (!status.ok()) return status;
  thin_product(rt, wide, in, t.positions_in(), f32(d.into), f32(s.out[0]), t.base.present, nullptr);
  return {};
}

}  // namespace

extern const Kernel tucker_conv_kernel = {check, scratch, run};
extern const Kernel tucker_conv_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
