// Convolution, with bias and activation where fused, and its gradient with respect to the input. Channels last.
#include "gen/attrs.h"
#include "ops/conv_through.h"
#include "ops/depthwise.h"
#include "ops/planar.h"
#include "ops/winograd_panels.h"

namespace tenon::TENON_ISA {
namespace {

// k runs over taps, then input channels, as the weights lie.
struct ForwardWeights {
  const float* w;
  const ConvShape& c;
  const WeightChange& change;

  void pack(float* to, int64_t group, int64_t col, int cols) const {
    const int width = panel_width(cols);
    pack_transposed(to, width, w + (group * c.out + col) * c.inner(), c.inner(), c.inner(), cols);
    for (int64_t t = 0; t < c.taps(); t++) change.add(to + t * c.in * width, t, c.in, col);
  }
  // Vectors of channels `apart`.
  void tap(float* to, int64_t apart, int64_t t) const {
    for (int64_t g = 0; g < c.groups; g++) to[g / kLanes * apart + g % kLanes] = w[g * c.inner() + t];
  }
};

Sweep forward_sweep(const ConvShape& c, const float* x, float* y) {
  Sweep s;
  s.images = c.images;
  s.groups = c.groups;
  s.in = c.in;
  s.out = c.out;
  s.src = x;
  s.dst = y;
  s.src_image = c.pixels() * c.in * c.groups;
  s.dst_image = c.positions() * c.y_row;
  s.dst_group = c.y_group;
  int64_t dst = c.y_row;
  for (int i = 2; i >= 0; i--) {
    const int64_t last = c.dilation[i] * (c.kernel[i] - 1);
    s.axis[i] = {c.size[i],   c.pad[i],      (c.result[i] - 1) * c.stride[i] + last + 1,
                 c.stride[i], c.result[i],   c.kernel[i],
                 0,           c.dilation[i], dst};
    dst *= c.result[i];
  }
  return s;
}

// Input positions i with i = first (mod stride) meet the same taps: the gradient of x is one stride-1 sweep over dy for
// each such class of positions. Taps of an axis: first, first + apart, …
struct ClassAxis {
  int64_t start = 0, out = 0;  // positions of x: start, start + stride, …
  int64_t tap = 0, taps = 0, apart = 1;
};

int64_t common_divisor(int64_t a, int64_t b) { return b == 0 ? a : common_divisor(b, a % b); }

ClassAxis class_axis(const ConvShape& c, int i, int64_t start) {
  ClassAxis a;
  a.start = start;
  a.out = ceil_div(c.size[i] - start, c.stride[i]);
  a.apart = c.stride[i] / common_divisor(c.stride[i], c.dilation[i]);
  const int64_t kernel = c.kernel[i];
  for (a.tap = 0; a.tap < kernel && a.tap < a.apart; a.tap++)
    if ((start + c.pad[i] - a.tap * c.dilation[i]) % c.stride[i] == 0) break;
  a.taps = a.tap < kernel && a.tap < a.apart ? ceil_div(kernel - a.tap, a.apart) : 0;
  return a;
}

// k runs over the class's taps, then dy's channels.
struct BackwardWeights {
  const float* w;
  const ConvShape& c;
  const ClassAxis (&axis)[3];
  const WeightChange& change;

  // The class's tap t among the kernel's.
  int64_t tap_of(int64_t t) const {
    const int64_t kw = axis[2].tap + t % axis[2].taps * axis[2].apart;
    const int64_t kh = axis[1].tap + t / axis[2].taps % axis[1].taps * axis[1].apart;
    const int64_t kd = axis[0].tap + t / axis[2].taps / axis[1].taps * axis[0].apart;
    return (kd * c.kernel[1] + kh) * c.kernel[2] + kw;
  }
  void pack(float* to, int64_t group, int64_t col, int cols) const {
    const int64_t taps = axis[0].taps * axis[1].taps * axis[2].taps;
    const float* from = w + group * c.out * c.inner() + col;
    for (int64_t t = 0; t < taps; t++, to += c.out * panel_width(cols)) {
      pack_copy(to, panel_width(cols), from + tap_of(t) * c.in, c.inner(), c.out, cols);
      change.add(to, tap_of(t), c.out, col);
    }
  }
  void tap(float* to, int64_t apart, int64_t t) const {
    const float* from = w + tap_of(t) * c.in;
    for (int64_t g = 0; g < c.groups; g++) to[g / kLanes * apart + g % kLanes] = from[g * c.inner()];
  }
};

Sweep class_sweep(const ConvShape& c, const ClassAxis (&axis)[3], const float* dy, float* dx) {
  Sweep s;
  s.images = c.images;
  s.groups = c.groups;
  s.in = c.out;
  s.out = c.in;
  s.src = dy;
  s.dst = dx;
  s.src_image = c.positions() * c.out * c.groups;
  s.dst_image = c.pixels() * c.x_row;
  s.dst_group = c.x_group;
  int64_t dst = c.x_row;
  for (int i = 2; i >= 0; i--) {
    const ClassAxis& a = axis[i];
    // dy's place of the first position's tap j: at - j * delta.
    const int64_t at = (a.start + c.pad[i] - a.tap * c.dilation[i]) / c.stride[i];
    const int64_t delta = a.apart * c.dilation[i] / c.stride[i];
    const int64_t lowest = at - (a.taps - 1) * delta, pad = lowest < 0 ? -lowest : 0;
    s.axis[i] = {c.result[i], pad, pad + at + a.out, 1, a.out, a.taps, pad + at, -delta, dst * c.stride[i]};
    if (a.taps == 0) s.axis[i].pad = s.axis[i].extent = s.axis[i].first = 0;
    s.dst += a.start * dst;
    dst *= c.size[i];
  }
  return s;
}

// Calls body(axis) for every class of input positions.
template <typename Body>
void for_classes(const ConvShape& c, const Body& body) {
  ClassAxis axis[3];
  for (int64_t d = 0; d < least(c.stride[0], c.size[0]); d++)
    for (int64_t h = 0; h < least(c.stride[1], c.size[1]); h++)
      for (int64_t w = 0; w < least(c.stride[2], c.size[2]); w++) {
        axis[0] = class_axis(c, 0, d);
        axis[1] = class_axis(c, 1, h);
        axis[2] = class_axis(c, 2, w);
        body(axis);
      }
}

// The way that suits a sweep.
enum class Way { kSweep, kDepthwise, kPlanar, kWinograd4, kWinograd2 };

Way way_of(const ConvShape& c, const Sweep& s) {
  if (c.depthwise()) return Way::kDepthwise;
  if (suits_planar(s)) return Way::kPlanar;
  const int m = winograd_size(s, c.winograd);
  if (s.pooling && !holds_windows(*s.pooling, m)) return Way::kSweep;
  return m == 4 ? Way::kWinograd4 : m == 2 ? Way::kWinograd2 : Way::kSweep;
}

// body<Run>() with what makes a sweep that way.
template <typename Weights, typename Body>
auto with_way(Way way, const Body& body) {
  switch (way) {
    case Way::kDepthwise:
      return body.template operator()<DepthwiseRun<Weights>>();
    case Way::kPlanar:
      return body.template operator()<PlanarRun<Weights>>();
    case Way::kWinograd4:
      return body.template operator()<WinogradRun<4, Weights>>();
    case Way::kWinograd2:
      return body.template operator()<WinogradRun<2, Weights>>();
    case Way::kSweep:
      break;
  }
  return body.template operator()<SweepRun<Weights>>();
}

uint64_t scratch_of(const ConvShape& c, const Sweep& s, int threads) {
  return with_way<ForwardWeights>(way_of(c, s), [&]<typename Run>() {
    const auto p = Run::plan(s, threads);
    return p.weight_bytes + Run::rest_bytes(p, threads);
  });
}

template <typename Weights>
void run_sweep(const Runtime& rt, const ConvShape& c, const Sweep& s, const Weights& weights) {
  with_way<Weights>(way_of(c, s), [&]<typename Run>() {
    const auto p = Run::plan(s, rt.threads);
    const Run run{s, p, weights, reinterpret_cast<float*>(rt.scratch), rt.scratch + p.weight_bytes};
    run.pack(rt);
    run.make(rt);
  });
}

GemmShape pointwise_forward(const ConvShape& c) { return {c.images * c.positions(), c.out, c.in}; }
GemmShape pointwise_backward(const ConvShape& c) { return {c.images * c.positions(), c.in, c.out}; }

}  // namespace

uint64_t conv_scratch(const ConvShape& c, int threads, const Pooling* pooling) {
  if (c.pointwise() && !pooling)
    return gemm_scratch(plan_gemm(pointwise_forward(c), threads, {nullptr, c.in, 1}, false), threads);
  Sweep s = forward_sweep(c, nullptr, nullptr);
  s.pooling = pooling;
  return scratch_of(c, s, threads);
}

void conv_forward(const Runtime& rt, const ConvShape& c, const float* x, const float* w, float* y, const float* bias,
                  uint32_t activation, const Pooling* pooling, const WeightChange& change) {
  if (c.pointwise() && !pooling) {
    const GemmOut out{y, c.y_row, 0, bias, floor_of(activation)};
    const LeftMatrix left{{x, c.in, 1}};
    gemm(rt, rt.scratch, plan_gemm(pointwise_forward(c), rt.threads, left.m, false), left, RightMatrix{{w, 1, c.in}},
         out, ActivationAfter{activation});
    return;
  }
  Sweep s = forward_sweep(c, x, y);
  s.bias = bias;
  s.activation = activation;
  s.pooling = pooling;
  run_sweep(rt, c, s, ForwardWeights{w, c, change});
}

namespace {

// Of one channel a group: the classes of a stride are made together.
struct DepthwiseClasses {
  static constexpr int64_t kMost = 16;
  using Run = DepthwiseRun<BackwardWeights>;

  static bool suit(const ConvShape& c) {
    int64_t all = 1;
    for (int i = 0; i < 3; i++) all *= least(kMost + 1, least(c.stride[i], c.size[i]));
    return c.depthwise() && c.images > 0 && all > 1 && all <= kMost;
  }
  static uint64_t bytes(const ConvShape& c, int threads) {
    uint64_t all = 0;
    for_classes(c, [&](const ClassAxis(&axis)[3]) {
      all += Run::plan(class_sweep(c, axis, nullptr, nullptr), threads).weight_bytes;
    });
    return all;
  }
  static void make(const Runtime& rt, const ConvShape& c, const float* dy, const float* w, float* dx,
                   const WeightChange& change) {
    DepthwiseRun<NoWeights> runs[kMost];
    float* packed = reinterpret_cast<float*>(rt.scratch);
    int64_t count = 0;
    for_classes(c, [&](const ClassAxis(&axis)[3]) {
      const Sweep s = class_sweep(c, axis, dy, dx);
      const SweepPlan p = Run::plan(s, rt.threads);
      Run{s, p, BackwardWeights{w, c, axis, change}, packed, nullptr}.pack(rt);
      runs[count++] = {ascending(s), p, {}, packed, nullptr};
      packed += p.weight_bytes / 4;
    });
    make_between(rt, runs, count);
  }
};

}  // namespace

uint64_t conv_input_grad_scratch(const ConvShape& c, int threads) {
  if (c.pointwise()) return gemm_scratch(plan_gemm(pointwise_backward(c), threads, {nullptr, c.out, 1}, true), threads);
  if (DepthwiseClasses::suit(c)) return DepthwiseClasses::bytes(c, threads);
  uint64_t bytes = 0;
  for_classes(c, [&](const ClassAxis(&axis)[3]) {
    const uint64_t here = scratch_of(c, class_sweep(c, axis, nullptr, nullptr), threads);
    if (here > bytes) bytes = here;
  });
  return bytes;
}

void conv_input_grad(const Runtime& rt, const ConvShape& c, const float* dy, const float* w, float* dx,
                     const WeightChange& change) {
  if (c.pointwise()) {
    const LeftMatrix left{{dy, c.out, 1}};
    gemm(rt, rt.scratch, plan_gemm(pointwise_backward(c), rt.threads, left.m, true), left, RightMatrix{{w, c.in, 1}},
         GemmOut{dx, c.x_row}, NoAfter{});
    return;
  }
  if (DepthwiseClasses::suit(c)) return DepthwiseClasses::make(rt, c, dy, w, dx, change);
  for_classes(c, [&](const ClassAxis(&axis)[3]) {
    run_sweep(rt, c, class_sweep(c, axis, dy, dx), BackwardWeights{w, c, axis, change});
  });
}

// ---- between two narrow products

namespace {

int64_t unit_of(Way way) { return way == Way::kWinograd4 ? 4 : way == Way::kWinograd2 ? 2 : 1; }

}  // namespace

ThroughNeeds conv_through_needs(const ConvShape& c, bool keeps) {
  const Sweep s = forward_sweep(c, nullptr, nullptr);
  const Way way = way_of(c, s);
  return with_way<ForwardWeights>(way, [&]<typename Run>() {
    const ThroughPlan p = plan_through<Run>(s, unit_of(way));
    if (c.pointwise() || !suits_through(s, p, keeps)) return ThroughNeeds{};
    return ThroughNeeds{p.blocks(), p.weight_bytes, p.own_bytes()};
  });
}

void conv_through(const Runtime& rt, const ConvShape& c, const float* w, const Through& t) {
  const Sweep s = forward_sweep(c, nullptr, nullptr);
  const Way way = way_of(c, s);
  const WeightChange none;
  with_way<ForwardWeights>(way, [&]<typename Run>() {
    through<Run>(rt, s, plan_through<Run>(s, unit_of(way)), ForwardWeights{w, c, none}, t);
  });
}

// ---- weights made a panel at a time

namespace {

struct MadeRows {
  const MadeWeight& w;
  const ConvShape& c;
  float* rows;
  void pack(float* to, int64_t, int64_t col, int cols) const {
    w.make(w.of, rows, col, col + cols);
    pack_transposed(to, panel_width(cols), rows, c.inner(), c.inner(), cols);
  }
};
struct MadeColumns {
  const MadeWeight& w;
  const ConvShape& c;
  float* rows;
  void pack(float* to, int64_t, int64_t col, int cols) const {
    w.make(w.of, rows, col, col + cols);
    for (int64_t t = 0; t < c.taps(); t++, to += c.out * panel_width(cols))
      pack_copy(to, panel_width(cols), rows + t * cols, c.taps() * cols, c.out, cols);
  }
};

// The gradient of x of a stride of 1.
Sweep backward_sweep(const ConvShape& c, const float* dy, float* dx) {
  const ClassAxis axis[3] = {class_axis(c, 0, 0), class_axis(c, 1, 0), class_axis(c, 2, 0)};
  return class_sweep(c, axis, dy, dx);
}

uint64_t panels_scratch_of(const ConvShape& c, const Sweep& s, int threads) {
  return winograd_size(s, c.winograd) == 4 ? panels_scratch(plan_panels<4>(s, threads), threads)
                                           : panels_scratch(plan_panels<2>(s, threads), threads);
}
template <typename Weights>
void run_panels(const Runtime& rt, const ConvShape& c, const Sweep& s, const Weights& weights) {
  if (winograd_size(s, c.winograd) == 4) return winograd_panels<4>(rt, rt.scratch, s, weights);
  winograd_panels<2>(rt, rt.scratch, s, weights);
}
bool makes_panels(const ConvShape& c, const Sweep& s) {
  const Way way = way_of(c, s);
  return way == Way::kWinograd4 || way == Way::kWinograd2;
}

}  // namespace

bool conv_makes_panels(const ConvShape& c) {
  return !c.pointwise() && makes_panels(c, forward_sweep(c, nullptr, nullptr));
}
uint64_t conv_panels_scratch(const ConvShape& c, int threads) {
  return panels_scratch_of(c, forward_sweep(c, nullptr, nullptr), threads);
}
void conv_panels_forward(const Runtime& rt, const ConvShape& c, const float* x, const MadeWeight& w, float* y,
                         const float* bias, uint32_t activation) {
  Sweep s = forward_sweep(c, x, y);
  s.bias = bias;
  s.activation = activation;
  run_panels(rt, c, s, [&](float* rows) { return MadeRows{w, c, rows}; });
}

bool conv_input_grad_makes_panels(const ConvShape& c) {
  for (int i = 0; i < 3; i++)
    if (c.stride[i] != 1) return false;
  return !c.pointwise() && makes_panels(c, backward_sweep(c, nullptr, nullptr));
}
uint64_t conv_input_grad_panels_scratch(const ConvShape& c, int threads) {
  return panels_scratch_of(c, backward_sweep(c, nullptr, nullptr), threads);
}
void conv_panels_input_grad(const Runtime& rt, const ConvShape& c, const float* dy, const MadeWeight& w, float* dx) {
  run_panels(rt, c, backward_sweep(c, dy, dx), [&](float* rows) { return MadeColumns{w, c, rows}; });
}

namespace {

Status check(const Step& s) { return check_conv(ConvAttrs::read(s.attrs), s.in[0], s.in[1], s.out[0]); }
uint64_t scratch(const Step& s, int threads) {
  return conv_scratch(conv_shape(ConvAttrs::read(s.attrs), s.in[0], s.in[1], s.out[0]), threads);
}
Status run(const Step& s, const Runtime& rt) {
  conv_forward(rt, conv_shape(ConvAttrs::read(s.attrs), s.in[0], s.in[1], s.out[0]), f32(s.in[0]), f32(s.in[1]),
               f32(s.out[0]), nullptr, kNone);
  return {};
}

Status act_check(const Step& s) {
  const Status status = check_conv(ConvActAttrs::read(s.attrs), s.in[0], s.in[1], s.out[0]);
  return status.ok() ? check_bias(s) : status;
}
uint64_t act_scratch(const Step& s, int threads) {
  return conv_scratch(conv_shape(ConvActAttrs::read(s.attrs), s.in[0], s.in[1], s.out[0]), threads);
}
Status act_run(const Step& s, const Runtime& rt) {
  const ConvActAttrs at = ConvActAttrs::read(s.attrs);
  conv_forward(rt, conv_shape(at, s.in[0], s.in[1], s.out[0]), f32(s.in[0]), f32(s.in[1]), f32(s.out[0]), bias_of(s),
               at.activation);
  return {};
}

Status input_grad_check(const Step& s) {
  const ConvInputGradAttrs at = ConvInputGradAttrs::read(s.attrs);
  const Status status = check_conv(at, s.out[0], s.in[1], s.in[0]);
  if (!status.ok()) return status;
  uint64_t classes = 1;
  for (int i = 0; i < 3; i++) {
    if (s.out[0].dims[1 + i] != at.size[i]) return {Code::kBadPlan, "the result's size is not `size`", -1, "size"};
    classes *= at.size[i] < at.stride[i] ? at.size[i] : at.stride[i];
    if (classes > 65536) return {Code::kBadPlan, "the stride is too large for an input gradient", -1, "stride"};
  }
  return status;
}
ConvShape input_grad_shape(const Step& s) {
  return conv_shape(ConvInputGradAttrs::read(s.attrs), s.out[0], s.in[1], s.in[0]);
}
uint64_t input_grad_scratch(const Step& s, int threads) {
  return conv_input_grad_scratch(input_grad_shape(s), threads);
}
Status input_grad_run(const Step& s, const Runtime& rt) {
  conv_input_grad(rt, input_grad_shape(s), f32(s.in[0]), f32(s.in[1]), f32(s.out[0]));
  return {};
}

}  // namespace

extern const Kernel conv_kernel, conv_act_kernel, conv_input_grad_kernel;
const Kernel conv_kernel = {check, scratch, run};
const Kernel conv_act_kernel = {act_check, act_scratch, act_run};
const Kernel conv_input_grad_kernel = {input_grad_check, input_grad_scratch, input_grad_run};

}  // namespace tenon::TENON_ISA
