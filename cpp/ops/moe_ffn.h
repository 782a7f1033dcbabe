// What the feed-forward part of a mixture of experts and its gradient share: the layer, its sizes, the sum over the
// choices of a token.
#pragma once
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/experts.h"
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {
struct Layer {
  int64_t tokens, top_k, experts, width, hidden;
  const float *x, *gate, *w1, *w2;
  const float* w3 = nullptr;  // of a gated layer
  const int32_t* expert;
  uint32_t activation;

  int64_t made() const { return gated ? 2 * hidden : hidden; }
  int64_t hidden_panels() const { return ceil_div(hidden, kTileCols); }
  int64_t width_panels() const { return ceil_div(width, kTileCols); }
  const float* w1_of(int64_t e) const { return w1 + e * hidden * width; }
  const float* w2_of(int64_t e) const { return w2 + e * hidden * width; }
  const float* w3_of(int64_t e) const { return w3 + e * hidden * width; }
  bool gated = false;

  // Wishes for a panel of a row of h, to be read or (write = 1) written.
  template <int write>
  void look_at_kept(const float* h, int64_t choice, int64_t col) const {
    for (int64_t half = 0; half < made(); half += hidden)
      for (int j = 0; j < kTileCols; j += 16) __builtin_prefetch(h + choice * made() + half + col + j, write, 2);
  }
};

TENON_INLINE Layer layer_of(const Step& s, uint32_t w3, uint32_t activation) {
  Layer l;
  l.tokens = static_cast<int64_t>(s.in[0].dims[0]);
  l.width = static_cast<int64_t>(s.in[0].dims[1]);
  l.top_k = static_cast<int64_t>(s.in[1].dims[1]);
  l.experts = static_cast<int64_t>(s.in[3].dims[0]);
  l.hidden = static_cast<int64_t>(s.in[3].dims[1]);
  l.x = f32(s.in[0]);
  l.gate = f32(s.in[1]);
  l.expert = i32(s.in[2]);
  l.w1 = f32(s.in[3]);
  l.w2 = f32(s.in[4]);
  l.gated = s.in[w3].present;
  if (l.gated) l.w3 = f32(s.in[w3]);
  l.activation = activation;
  return l;
}

TENON_INLINE Experts experts_of(const Layer& l) {
  Experts x;
  x.tokens = l.tokens;
  x.top_k = l.top_k;
  x.experts = l.experts;
  return x;
}

TENON_INLINE const float* optional(const View& v) { return v.present ? f32(v) : nullptr; }
TENON_INLINE Status bad_expert() {
  return {Code::kBadIndex, "an expert is neither one of the layer's nor their number", -1, "expert"};
}

// Everything that scratch is cut from stays far below 2^63. h has a row a choice, or none where it is not kept.
TENON_INLINE Status check_layer(const View& x, const View& gate, const View& w1, bool gated, const View& h, bool kept) {
  uint64_t choices, wide, tiles;
  if (!checked_mul(gate.dims[0], gate.dims[1], &choices) || choices > 0x7fffffffu)
    return bad_plan("more than 2^31 choices of experts", "expert");
  const uint64_t widest = 2 * w1.dims[1] > x.dims[1] ? 2 * w1.dims[1] : x.dims[1];
  const uint64_t experts = w1.dims[0];
  if (!checked_mul(choices + experts + 64, widest + 64, &tiles) || tiles > kMaxBytes ||
      !checked_mul(experts + 1, widest + 64, &wide) || wide > kMaxBytes)
    return bad_plan("a mixture of experts that is too large for any machine", "w1");
  const uint64_t made[] = {kept ? choices : 0, gated ? 2 * w1.dims[1] : w1.dims[1]};
  if (!dims_are(h, 2, made)) return bad_plan("h must be [choices, hidden], twice as wide in a gated layer", "h");
  return {};
}

// The scratch and the run of a kernel: what kOf makes of a step carves its memory, has its choices sorted and runs.
template <auto kOf>
uint64_t scratch_of(const Step& s, int threads) {
  auto pass = kOf(s);
  Carve m;
  pass.carve(m, threads);
  return m.used;
}
template <auto kOf>
Status run_of(const Step& s, const Runtime& rt) {
  auto pass = kOf(s);
  Carve m{rt.scratch};
  pass.carve(m, rt.threads);
  if (!pass.ex.sort(pass.l.expert)) return bad_expert();
  pass.run(rt);
  return {};
}

// y[t] = Σ over the kept choices of t of from[slot], times their gates where those are given, in the order of choices;
// where there is one choice a token only the dropped ones are left to do.
TENON_INLINE void add_choices(const Runtime& rt, const Experts& ex, int64_t width, const float* from, const float* gate,
                              float* y) {
  for_parts(rt, parts_of(static_cast<uint64_t>(ex.tokens), static_cast<uint64_t>(width * most(ex.top_k, 1))),
            [&](uint64_t begin, uint64_t end, uint32_t) {
              for (int64_t t = static_cast<int64_t>(begin); t < static_cast<int64_t>(end); t++) {
                const int32_t* slot = ex.slot + t * ex.top_k;
                float* to = y + t * width;
                if (ex.top_k == 1 && slot[0] >= 0) continue;
                for_lanes(static_cast<uint64_t>(width), [&](uint64_t i, int count) {
                  vf sum = zero();
                  for (int64_t j = 0; j < ex.top_k; j++)
                    if (slot[j] >= 0)
                      sum = muladd(load_part(from + slot[j] * width + i, count),
                                   splat(gate ? gate[t * ex.top_k + j] : 1.0f), sum);
                  store_part(to + i, sum, count);
                });
              }
            });
}

constexpr int64_t kRowsAhead = 12;  // of what is copied row by row, to be fetched before

// to[i, j] = from[token of slot s + i, j] for j < cols; rows lie to_row apart, and in `from` the width of the layer.
TENON_INLINE void gather_rows(float* to, int64_t to_row, const float* from, const Layer& l, const Experts& ex,
                              int64_t s, int64_t count, int64_t cols) {
  for (int64_t i = 0; i < count; i++) {
    if (i + kRowsAhead < count)
      for (int64_t j = 0; j < cols; j += 16)
        __builtin_prefetch(from + ex.token(s + i + kRowsAhead) * l.width + j, 0, 2);
    copy_row(to + i * to_row, from + ex.token(s + i) * l.width, static_cast<uint64_t>(cols));
  }
}

}  // namespace tenon::TENON_ISA
