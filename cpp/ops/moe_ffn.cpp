// The feed-forward part of a mixture of experts. Row tiles of an expert's tokens pass through both products packed:
// what the first one's epilogue stores is already the left side of the second.
#include "ops/moe_ffn.h"

namespace tenon::TENON_ISA {
namespace {

struct Forward {
  Layer l;
  Experts ex;
  Pieces pieces;
  const float *b1 = nullptr, *b2 = nullptr;
  float *y = nullptr, *h = nullptr;  // h is null where it is not kept
  float* a = nullptr;                // packed row tiles [hidden][kPackRows]; rows where there are few
  float* gated_rows = nullptr;       // [slots, width], where a token has several choices
  float* left = nullptr;             // of workers
  float* right = nullptr;
  int64_t left_size = 0, right_size = 0;  // a worker

  void carve(Carve& m, int threads) {
    ex = experts_of(l);
    ex.carve(m);
    const int64_t tiles = ex.most_tiles();
    pieces.list = m.take<Piece>(Pieces::room(1, l.experts, tiles, threads));
    a = m.take<float>(tiles * kPackRows * l.hidden);
    if (l.top_k > 1) gated_rows = m.take<float>(ex.choices() * l.width);
    left_size = least(tiles, near_tiles(l.width)) * kPackRows * l.width;
    right_size = most(l.width * (l.gated ? 2 : 1), l.hidden) * kTileCols;
    left = m.take<float>(left_size * threads);
    right = m.take<float>(right_size * threads);
  }

  bool few(int64_t e) const { return ex.rows(e) <= kFewRows; }
  // Reading an expert's weights costs about as much as some rows do.
  int64_t work(int64_t e) const { return ex.rows(e) ? most(ex.rows(e), 8) * l.width * l.hidden : 0; }
  float* a_tile(int64_t e, int64_t t) const { return a + (ex.tile[e] + t) * kPackRows * l.hidden; }
  float* out_row(int64_t s) const { return l.top_k == 1 ? y + ex.choice[s] * l.width : gated_rows + s * l.width; }

  void plan(int64_t panels, int64_t inner, int threads) {
    int64_t total = 0;
    for (int64_t e = 0; e < l.experts; e++) total += work(e);
    pieces.begin(total, threads);
    for (int64_t e = 0; e < l.experts; e++) pieces.add(0, e, ex.tiles(e), panels, work(e), near_tiles(inner));
  }

  // a = activation(w1 x + b1), times w3 x.
  void first(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    float* rows = left + worker * left_size;
    float* panel_of[2] = {right + worker * right_size, right + worker * right_size + l.width * kTileCols};
    const float* w[2] = {l.w1_of(e), l.gated ? l.w3_of(e) : nullptr};
    const int factors = l.gated ? 2 : 1;
    const float* few_at[kFewRows];
    if (few(e)) {
      for (int64_t i = 0; i < ex.rows(e); i++) few_at[i] = l.x + ex.token(ex.start[e] + i) * l.width;
    } else {
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        const int64_t s = ex.tile_row(e, t);
        pack_rows(
            rows + (t - p.tile0) * kPackRows * l.width, [&](int i) { return l.x + ex.token(s + i) * l.width; },
            static_cast<int>(ex.tile_row(e, t + 1) - s), l.width);
      }
    }
    TileBlock block;
    for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
      const int64_t col = panel * kTileCols;
      const int cols = cols_of(panel, l.hidden);
      const float* bias[2] = {b1 ? b1 + e * l.hidden + col : nullptr, nullptr};
      if (!few(e))
        for (int f = 0; f < factors; f++)
          pack_transposed(panel_of[f], panel_width(cols), w[f] + col * l.width, l.width, l.width, cols);
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        const int64_t s = ex.tile_row(e, t);
        const int count = static_cast<int>(ex.tile_row(e, t + 1) - s);
        for (int f = 0; f < factors; f++) {
          if (few(e))
            few_rows(count, few_at, w[f] + col * l.width, l.width, l.width, bias[f], cols, block.c[f]);
          else
            tile_by_panel(rows + (t - p.tile0) * kPackRows * l.width, count, panel_of[f], cols, l.width, bias[f],
                          block.c[f]);
        }
        finish_first(block, p, t, panel, w);
      }
    }
  }

  // Row by row, each with wishes for what comes next: many at once are not granted.
  void finish_first(TileBlock& block, const Piece& p, int64_t t, int64_t panel, const float* const* w) const {
    const int64_t e = p.expert, s = ex.tile_row(e, t), col = panel * kTileCols;
    const int rows = static_cast<int>(ex.tile_row(e, t + 1) - s), cols = cols_of(panel, l.hidden);
    const bool last = t + 1 == p.tile1;
    const int64_t next = ex.tile_row(e, last ? p.tile0 : t + 1), next_col = last ? col + kTileCols : col;
    float *c = block.c[0], *u = block.c[1];
    for (int i = 0; i < rows; i++) {
      if (!few(e) && panel + 1 < p.panel1)
        for (int f = 0; f < (l.gated ? 2 : 1); f++)
          look_at(w[f] + (col + kTileCols) * l.width, cols_of(panel + 1, l.hidden) * l.width, ex.place(p, s + i));
      if (h) {
        if (next + i < ex.start[e + 1]) l.look_at_kept<1>(h, ex.choice[next + i], next_col);
        float* to = h + ex.choice[s + i] * l.made() + col;
        copy_row(to, c + i * kTileCols, static_cast<uint64_t>(cols));
        if (l.gated) copy_row(to + l.hidden, u + i * kTileCols, static_cast<uint64_t>(cols));
      }
      activate_run(l.activation, c + i * kTileCols, cols);
    }
    if (l.gated)
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) c[i * kTileCols + j] *= u[i * kTileCols + j];
    if (few(e))
      for (int i = 0; i < rows; i++)
        copy_row(a_tile(e, 0) + i * l.hidden + col, c + i * kTileCols, static_cast<uint64_t>(cols));
    else
      pack_transposed(a_tile(e, t) + col * kPackRows, kPackRows, c, kTileCols, cols, rows);
  }

  // The rows gate * (w2 a + b2).
  void second(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    float* packed = right + worker * right_size;
    const float* few_at[kFewRows];
    if (few(e))
      for (int64_t i = 0; i < ex.rows(e); i++) few_at[i] = a_tile(e, 0) + i * l.hidden;
    TileBlock block;
    float* c = block.c[0];
    for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
      const int64_t col = panel * kTileCols;
      const int cols = cols_of(panel, l.width);
      const float* w = l.w2_of(e) + col * l.hidden;
      const float* bias = b2 ? b2 + e * l.width + col : nullptr;
      if (!few(e)) pack_transposed(packed, panel_width(cols), w, l.hidden, l.hidden, cols);
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        const int64_t s = ex.tile_row(e, t);
        const int rows = static_cast<int>(ex.tile_row(e, t + 1) - s);
        if (few(e))
          few_rows(rows, few_at, w, l.hidden, l.hidden, bias, cols, c);
        else
          tile_by_panel(a_tile(e, t), rows, packed, cols, l.hidden, bias, c);
        for (int i = 0; i < rows; i++) {
          if (!few(e) && panel + 1 < p.panel1)
            look_at(w + kTileCols * l.hidden, cols_of(panel + 1, l.width) * l.hidden, ex.place(p, s + i));
          const vf g = splat(l.gate[ex.choice[s + i]]);
          map_row(out_row(s + i) + col, c + i * kTileCols, static_cast<uint64_t>(cols), [&](vf v) { return v * g; });
        }
      }
    }
  }
};

Forward forward_of(const Step& s) {
  const MoeFfnAttrs at = MoeFfnAttrs::read(s.attrs);
  Forward f;
  f.l = layer_of(s, 7, at.activation);
  f.b1 = optional(s.in[5]);
  f.b2 = optional(s.in[6]);
  f.y = f32(s.out[0]);
  f.h = at.keep ? f32(s.out[1]) : nullptr;
  return f;
}

Status check_forward(const Step& s) {
  const MoeFfnAttrs at = MoeFfnAttrs::read(s.attrs);
  if (at.keep > 1) return bad_plan("keep must be 0 or 1", "keep");
  const View &x = s.in[0], &gate = s.in[1], &w1 = s.in[3];
  if (Status fault = check_sizes(x, gate, w1); !fault.ok()) return fault;
  if (!same_dims(s.out[0], x)) return bad_plan("y must have the shape of x", "y");
  const uint64_t rows = at.keep ? gate.dims[0] * gate.dims[1] : 0;
  const uint64_t h[] = {rows, s.in[7].present ? 2 * w1.dims[1] : w1.dims[1]};
  if (!dims_are(s.out[1], 2, h)) return bad_plan("h must be [choices, hidden], twice as wide in a gated layer", "h");
  return {};
}

uint64_t scratch_forward(const Step& s, int threads) {
  Forward f = forward_of(s);
  Carve m;
  f.carve(m, threads);
  return m.used;
}

Status run_forward(const Step& s, const Runtime& rt) {
  Forward f = forward_of(s);
  Carve m{rt.scratch};
  f.carve(m, rt.threads);
  if (!f.ex.sort(f.l.expert)) return bad_expert();
  f.plan(f.l.hidden_panels(), f.l.width, rt.threads);
  f.pieces.run(rt, [&](const Piece& p, uint32_t worker) { f.first(p, worker); });
  f.plan(f.l.width_panels(), f.l.hidden, rt.threads);
  f.pieces.run(rt, [&](const Piece& p, uint32_t worker) { f.second(p, worker); });
  add_choices(rt, f.ex, f.l.width, f.gated_rows, f.y);
  if (f.h && f.ex.slots() < f.ex.choices())
    for (int64_t c = 0; c < f.ex.choices(); c++)
      if (f.ex.slot[c] < 0) fill_row(f.h + c * f.l.made(), 0, static_cast<uint64_t>(f.l.made()));
  return {};
}

}  // namespace

extern const Kernel moe_ffn_kernel;
const Kernel moe_ffn_kernel = {check_forward, scratch_forward, run_forward};

}  // namespace tenon::TENON_ISA
