// y = conv(x, base) + bias + scale * conv(x, core x_out uOut x_in uIn), and its gradients, without that weight: 1x1
// into the rank, the core, 1x1 out of it. What lies between has as many channels as the rank.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/conv_steps.h"
#include "ops/sweep.h"
#include "ops/thin_gram.h"

namespace tenon::TENON_ISA {

namespace {

struct Tucker {
  View x, u_in, core, u_out, y, base, bias;  // y or dy
  View into, out;                            // between the products: [.., rank in], [.., rank out] with the scale
  float scale = 1;

  uint64_t rank_in() const { return u_in.dims[1]; }
  uint64_t rank_out() const { return u_out.dims[1]; }
  int64_t positions_in() const { return static_cast<int64_t>(span_of(x, 0, 4)); }
  int64_t positions_out() const { return static_cast<int64_t>(span_of(y, 0, 4)); }
  int64_t channels() const { return static_cast<int64_t>(x.dims[4]); }
  int64_t outputs() const { return static_cast<int64_t>(y.dims[4]); }
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

// What is kept, then what a stage needs.
struct ForwardLayout {
  uint64_t core, narrow, widen, rest;
};
ForwardLayout forward_layout(const Tucker& t) {
  Layout l;
  ForwardLayout f;
  f.core = l.floats(t.scale == 1.0f ? 0 : numel(t.core));
  f.narrow = l.take(Thin::bytes(t.channels(), static_cast<int64_t>(t.rank_in())));
  f.widen = l.take(Thin::bytes(static_cast<int64_t>(t.rank_out()), t.outputs()));
  f.rest = l.at;
  return f;
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

Tucker forward_of(const Step& s) { return tucker_of(s, TuckerConvAttrs::read(s.attrs).scale, s.out[0], 4, 5); }

Status check_between(const Tucker& t, const View& into, const View& out) {
  if (same_dims(into, t.into) && same_dims(out, t.out)) return {};
  return bad_plan("what lies between the products has another shape", "dims");
}

Status check(const Step& s) {
  const Tucker t = forward_of(s);
  const Status status = check_tucker(s, t);
  return status.ok() ? check_between(t, s.out[1], s.out[2]) : status;
}

uint64_t scratch(const Step& s, int threads) {
  const Tucker t = forward_of(s);
  const uint64_t small = small_conv(s, t).scratch(conv_kernel, threads);
  const uint64_t base = t.base.present ? base_conv(s, t).scratch(conv_act_kernel, threads) : 0;
  return forward_layout(t).rest + (small > base ? small : base);
}

Status run(const Step& s, const Runtime& rt) {
  Tucker t = forward_of(s);
  const ForwardLayout f = forward_layout(t);
  const int64_t rank_in = static_cast<int64_t>(t.rank_in()), rank_out = static_cast<int64_t>(t.rank_out());
  t.into.data = s.out[1].data;
  t.out.data = s.out[2].data;
  scale_core(t, floats_at(rt, f.core));
  thin_product(rt, {t.channels(), rank_in, floats_at(rt, f.narrow)}, {{f32(t.u_in), rank_in, 1}}, t.positions_in(),
               f32(t.x), f32(t.into), false, nullptr);
  Status status = small_conv(s, t).run(conv_kernel, rt, rt.scratch + f.rest);
  if (status.ok() && t.base.present) status = base_conv(s, t).run(conv_act_kernel, rt, rt.scratch + f.rest);
  if (!status.ok()) return status;
  thin_product(rt, {rank_out, t.outputs(), floats_at(rt, f.widen)}, {{f32(t.u_out), 1, rank_out}}, t.positions_out(),
               f32(t.out), f32(t.y), t.base.present, t.bias.present ? f32(t.bias) : nullptr);
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
  uint64_t core, d_out, d_into, back, wide, rest;
};
GradLayout grad_layout(const Tucker& t) {
  Layout l;
  GradLayout g;
  g.core = l.floats(t.scale == 1.0f ? 0 : numel(t.core));
  g.d_out = l.floats(numel(t.out));
  g.d_into = l.floats(numel(t.into));
  g.back = l.take(Thin::bytes(t.outputs(), static_cast<int64_t>(t.rank_out())));
  g.wide = l.take(Thin::bytes(static_cast<int64_t>(t.rank_in()), t.channels()));
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
  return grad_layout(t).rest + most_bytes;
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
  const GradLayout g = grad_layout(t);
  uint8_t* rest = rt.scratch + g.rest;
  scale_core(t, floats_at(rt, g.core));
  Tucker d = t;
  Status status = factor_grads(s, rt, t, d, g);
  if (status.ok() && t.base.present) status = base_input_grad(s, t, s.out[0]).run(conv_input_grad_kernel, rt, rest);
  if (!status.ok()) return status;
  const int64_t rank_in = static_cast<int64_t>(t.rank_in());
  thin_product(rt, {rank_in, t.channels(), floats_at(rt, g.wide)}, {{f32(t.u_in), 1, rank_in}}, t.positions_in(),
               f32(d.into), f32(s.out[0]), t.base.present, nullptr);
  return {};
}

}  // namespace

extern const Kernel tucker_conv_kernel = {check, scratch, run};
extern const Kernel tucker_conv_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
