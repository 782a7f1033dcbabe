// The gradient of the feed-forward part of a mixture of experts.
#include "ops/moe_ffn.h"

namespace tenon::TENON_ISA {
namespace {

// Rows of k per block of a weight gradient: so many tiles of tokens.
constexpr int64_t kTokenTiles = 24;
constexpr int64_t kTokenBlock = kTokenTiles * kTileRows;
constexpr int64_t kRowsAhead = 12;  // of what is packed row by row, to be fetched before
constexpr int64_t kGradTiles = 40;  // row tiles of a weight gradient that go together

enum Kind : int32_t { kDx, kDw2, kDw1, kDw3 };

struct Backward {
  Layer l;
  Experts ex;
  Pieces pieces;
  const float *b2 = nullptr, *h = nullptr, *dy = nullptr;
  float *dx = nullptr, *dgate = nullptr, *dw1 = nullptr, *dw2 = nullptr, *db1 = nullptr, *db2 = nullptr, *dw3 = nullptr;
  float* dh = nullptr;        // packed row tiles [made][kPackRows]
  float* dg_parts = nullptr;  // [hidden panels, slots]
  float* dx_rows = nullptr;   // [slots, width], where a token has several choices
  float* left = nullptr;      // of workers
  float* right = nullptr;
  int64_t left_size = 0, right_size = 0;

  void carve(Carve& m, int threads) {
    ex = experts_of(l);
    ex.carve(m);
    const int64_t tiles = ex.most_tiles();
    const int64_t grad_tiles = l.experts * (ceil_div(l.width, kTileRows) + ceil_div(l.made(), kTileRows));
    pieces.list = m.take<Piece>(Pieces::room(4, l.experts, tiles + grad_tiles, threads));
    dh = m.take<float>(tiles * kPackRows * l.made());
    dg_parts = m.take<float>(l.hidden_panels() * ex.choices());
    if (l.top_k > 1) dx_rows = m.take<float>(ex.choices() * l.width);
    left_size = most(least(tiles, near_tiles(l.width)) * l.width, kGradTiles * kTokenBlock) * kPackRows;
    right_size = most(most(l.width, l.made()), kTokenBlock) * kTileCols;
    left = m.take<float>(left_size * threads);
    right = m.take<float>(right_size * threads);
  }

  int64_t work(int64_t e) const { return most(ex.rows(e), 8) * l.width * l.hidden; }
  float* dh_tile(int64_t e, int64_t t) const { return dh + (ex.tile[e] + t) * kPackRows * l.made(); }
  int rows_of(int64_t e, int64_t t) const { return static_cast<int>(ex.tile_row(e, t + 1) - ex.tile_row(e, t)); }

  void plan_hidden(int threads) {
    int64_t total = 0;
    for (int64_t e = 0; e < l.experts; e++) total += ex.rows(e) ? work(e) : 0;
    pieces.begin(total, threads);
    for (int64_t e = 0; e < l.experts; e++)
      pieces.add(0, e, ex.tiles(e), l.hidden_panels(), work(e), near_tiles(l.width));
  }

  // Gradients of tokens and of weights need nothing of each other: one pool.
  void plan_rest(int threads) {
    int64_t total = 0;
    for (int64_t e = 0; e < l.experts; e++) total += work(e) * (l.gated ? 5 : 3);
    pieces.begin(total, threads);
    const int64_t width_tiles = ceil_div(l.width, kTileRows), hidden_tiles = ceil_div(l.hidden, kTileRows);
    for (int64_t e = 0; e < l.experts; e++) {
      pieces.add(kDx, e, ex.tiles(e), l.width_panels(), work(e) * (l.gated ? 2 : 1), near_tiles(l.made()));
      pieces.add(kDw2, e, width_tiles, most(1, l.hidden_panels()), work(e), kGradTiles);
      pieces.add(kDw1, e, hidden_tiles, most(1, l.width_panels()), work(e), kGradTiles);
      if (l.gated) pieces.add(kDw3, e, hidden_tiles, l.width_panels(), work(e), kGradTiles);
    }
  }

  // w2ᵀ dy, and from it what flows into the gates and into h.
  void hidden(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    float *rows = left + worker * left_size, *packed = right + worker * right_size;
    for (int64_t t = p.tile0; t < p.tile1; t++) {
      const int64_t s = ex.tile_row(e, t);
      pack_rows(
          rows + (t - p.tile0) * kPackRows * l.width, [&](int i) { return dy + ex.token(s + i) * l.width; },
          rows_of(e, t), l.width);
    }
    const Below w2 = {{l.w2_of(e)}, 1, l.hidden, l.width};
    TileBlock block;
    for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
      const int64_t col = panel * kTileCols;
      const int cols = cols_of(panel, l.hidden);
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        tile_by_columns(rows + (t - p.tile0) * kPackRows * l.width, rows_of(e, t), w2, col, cols, packed, t == p.tile0,
                        block.c[0]);
        const bool last = t + 1 == p.tile1;
        finish_hidden(block, e, t, panel, cols, last ? p.tile0 : t + 1, last ? col + kTileCols : col);
      }
    }
  }

  // Row by row, each with a wish for a row of h that the next tile reads: many wishes at once are not granted.
  void finish_hidden(TileBlock& block, int64_t e, int64_t t, int64_t panel, int cols, int64_t next,
                     int64_t next_col) const {
    const int64_t s = ex.tile_row(e, t), next_s = ex.tile_row(e, next), col = panel * kTileCols;
    const int rows = rows_of(e, t), next_rows = rows_of(e, next);
    for (int i = 0; i < rows; i++) {
      if (i < next_rows) l.look_at_kept<0>(h, ex.choice[next_s + i], next_col);
      dg_parts[panel * ex.choices() + s + i] = hidden_row(block, i, ex.choice[s + i], col, cols);
    }
    float* to = dh_tile(e, t) + col * kPackRows;
    pack_transposed(to, kPackRows, block.c[0], kTileCols, cols, rows);
    if (l.gated) pack_transposed(to + l.hidden * kPackRows, kPackRows, block.c[1], kTileCols, cols, rows);
  }

  // Row i of a block from w2ᵀ dy to dh (and the gradient of the factor); gives the part of the gate's gradient.
  float hidden_row(TileBlock& block, int i, int64_t choice, int64_t col, int cols) const {
    switch (l.activation) {
      case kRelu:
        return hidden_row_of<kRelu>(block, i, choice, col, cols);
      case kGelu:
        return hidden_row_of<kGelu>(block, i, choice, col, cols);
      case kGeluTanh:
        return hidden_row_of<kGeluTanh>(block, i, choice, col, cols);
      case kSilu:
        return hidden_row_of<kSilu>(block, i, choice, col, cols);
      case kTanh:
        return hidden_row_of<kTanh>(block, i, choice, col, cols);
      case kSigmoid:
        return hidden_row_of<kSigmoid>(block, i, choice, col, cols);
      default:
        return hidden_row_of<kNone>(block, i, choice, col, cols);
    }
  }
  template <uint32_t kind>
  float hidden_row_of(TileBlock& block, int i, int64_t choice, int64_t col, int cols) const {
    float *c = block.c[0] + i * kTileCols, *du = block.c[1] + i * kTileCols;
    const float* before = h + choice * l.made() + col;
    const vf g = splat(l.gate[choice]);
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(cols), [&](uint64_t j, int count) {
      const vf back = load_part(c + j, count);
      vf a, slope;
      activate_with_slope<kind>(load_part(before + j, count), a, slope);
      const vf da = g * back;
      if (l.gated) {
        const vf u = load_part(before + l.hidden + j, count);
        store_part(du + j, da * a, count);
        a *= u;
        slope *= u;
      }
      sum = muladd(a, back, sum);
      store_part(c + j, da * slope, count);
    });
    return hsum(sum);
  }

  // Rows of dx by choice: dh w1 (+ du w3).
  void tokens(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    float* packed = right + worker * right_size;
    const Below w = {{l.w1_of(e), l.gated ? l.w3_of(e) : nullptr}, l.gated ? 2 : 1, l.width, l.hidden};
    TileBlock block;
    for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
      const int64_t col = panel * kTileCols;
      const int cols = cols_of(panel, l.width);
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        const int64_t s = ex.tile_row(e, t);
        tile_by_columns(dh_tile(e, t), rows_of(e, t), w, col, cols, packed, t == p.tile0, block.c[0]);
        for (int i = 0; i < rows_of(e, t); i++) {
          float* to = l.top_k == 1 ? dx + ex.choice[s + i] * l.width : dx_rows + (s + i) * l.width;
          copy_row(to + col, block.c[0] + i * kTileCols, static_cast<uint64_t>(cols));
        }
      }
    }
  }

  // A weight's gradient, rows by columns with the expert's tokens inside. pack_left(to, token tile, row, rows) packs
  // the tokens of a tile as [tokens][kPackRows]; pack_right(to, slot, slots, column, columns) as [slots][columns].
  template <typename PackLeft, typename PackRight>
  void weight(const Piece& p, uint32_t worker, int64_t rows, int64_t cols, float* dw, float* bias, PackLeft pack_left,
              PackRight pack_right) const {
    const int64_t e = p.expert, all_tiles = ceil_div(rows, kTileRows);
    const auto row_of = [&](int64_t t) { return part(rows, t, all_tiles); };
    float *lefts = left + worker * left_size, *packed = right + worker * right_size;
    const int64_t blocks = most(1, ceil_div(ex.tiles(e), kTokenTiles));
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t from = part(ex.tiles(e), block, blocks), to = part(ex.tiles(e), block + 1, blocks);
      const int64_t s = ex.tile_row(e, from), count = ex.tile_row(e, to) - s;
      for (int64_t t = p.tile0; t < p.tile1; t++) {
        const int here = static_cast<int>(row_of(t + 1) - row_of(t));
        float* packed_left = lefts + (t - p.tile0) * count * kPackRows;
        for (int64_t k = from; k < to; k++)
          pack_left(packed_left + (ex.tile_row(e, k) - s) * kPackRows, k, row_of(t), here);
        if (bias && p.panel0 == 0) add_bias(bias + row_of(t), packed_left, count, here, block == 0);
      }
      for (int64_t panel = p.panel0; panel < least(p.panel1, ceil_div(cols, kTileCols)); panel++) {
        TileCall call;
        const int64_t col = panel * kTileCols;
        call.cols = cols_of(panel, cols);
        pack_right(packed, s, count, col, call.cols);
        call.a_row = 1;
        call.a_step = kPackRows;
        call.b = packed;
        call.b_step = panel_width(call.cols);
        call.k = count;
        call.c_row = cols;
        for (int64_t t = p.tile0; t < p.tile1; t++) {
          call.a = lefts + (t - p.tile0) * count * kPackRows;
          call.c = dw + row_of(t) * cols + col;
          call.init = block == 0 ? kTileZeros : call.c;
          call.init_row = block == 0 ? 0 : cols;
          tile_function(kStep, static_cast<int>(row_of(t + 1) - row_of(t)), call.cols)(call);
        }
      }
    }
  }

  static void add_bias(float* bias, const float* packed, int64_t count, int rows, bool first) {
    for (int i0 = 0; i0 < rows; i0 += kLanes) {
      const int here = static_cast<int>(least(kLanes, rows - i0));
      vf sum = first ? zero() : load_first(bias + i0, here);
      for (int64_t k = 0; k < count; k++) sum += load(packed + k * kPackRows + i0);
      store_first(bias + i0, sum, here);
    }
  }

  void weight2(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    const auto pack_left = [&](float* to, int64_t tile, int64_t row, int rows) {
      for (int64_t s = ex.tile_row(e, tile); s < ex.tile_row(e, tile + 1); s++, to += kPackRows) {
        const vf g = splat(l.gate[ex.choice[s]]);
        const float* from = dy + ex.token(s) * l.width + row;
        for (int i = 0; i < kPackRows; i += kLanes) {
          const int here = rows - i;
          store(to + i, g * load_first(from + i, here > kLanes ? kLanes : here > 0 ? here : 0));
        }
      }
    };
    const auto pack_right = [&](float* to, int64_t s, int64_t count, int64_t col, int cols) {
      const int width = panel_width(cols);
      for (int64_t k = 0; k < count; k++) {
        if (k + kRowsAhead < count) l.look_at_kept<0>(h, ex.choice[s + k + kRowsAhead], col);
        pack_copy(to + k * width, width, h + ex.choice[s + k] * l.made() + col, 0, 1, cols);
      }
      activate_run(l.activation, to, count * width);
      if (!l.gated) return;
      for (int64_t k = 0; k < count; k++)
        for (int j = 0; j < cols; j++) to[k * width + j] *= h[ex.choice[s + k] * l.made() + l.hidden + col + j];
    };
    weight(p, worker, l.width, l.hidden, dw2 + e * l.width * l.hidden, db2 + e * l.width, pack_left, pack_right);
  }

  // Of w1, and of w3 whose part of dh lies `offset` behind.
  void weight1(const Piece& p, uint32_t worker, float* dw, float* bias, int64_t offset) const {
    const int64_t e = p.expert;
    const auto pack_left = [&](float* to, int64_t tile, int64_t row, int rows) {
      turn_packed(to, dh_tile(e, tile) + (offset + row) * kPackRows, rows, rows_of(e, tile));
    };
    const auto pack_right = [&](float* to, int64_t s, int64_t count, int64_t col, int cols) {
      const int width = panel_width(cols);
      for (int64_t k = 0; k < count; k++) {
        if (k + kRowsAhead < count) look_at(l.x + ex.token(s + k + kRowsAhead) * l.width + col, cols, {0, 1});
        pack_copy(to + k * width, width, l.x + ex.token(s + k) * l.width + col, 0, 1, cols);
      }
    };
    weight(p, worker, l.hidden, l.width, dw + e * l.width * l.hidden, bias ? bias + e * l.hidden : nullptr, pack_left,
           pack_right);
  }

  void rest(const Piece& p, uint32_t worker) const {
    if (p.kind == kDx) return tokens(p, worker);
    if (p.kind == kDw2) return weight2(p, worker);
    if (p.kind == kDw1) return weight1(p, worker, dw1, db1, 0);
    weight1(p, worker, dw3, nullptr, l.hidden);
  }

  void gates(const Runtime& rt) const {
    const int64_t panels = l.hidden_panels();
    const auto one = [&](int64_t c) {
      const int64_t s = ex.slot[c];
      if (s < 0) return 0.0f;
      float sum = 0;
      for (int64_t panel = 0; panel < panels; panel++) sum += dg_parts[panel * ex.choices() + s];
      if (!b2) return sum;
      vf along = zero();
      const float *bias = b2 + l.expert[c] * l.width, *from = dy + c / l.top_k * l.width;
      for_lanes(static_cast<uint64_t>(l.width), [&](uint64_t i, int count) {
        along = muladd(load_part(bias + i, count), load_part(from + i, count), along);
      });
      return sum + hsum(along);
    };
    for_parts(rt, parts_of(static_cast<uint64_t>(ex.choices()), static_cast<uint64_t>(l.width + panels * 16)),
              [&](uint64_t begin, uint64_t end, uint32_t) {
                for (uint64_t c = begin; c < end; c++) dgate[c] = one(static_cast<int64_t>(c));
              });
  }
};

Backward backward_of(const Step& s) {
  Backward b;
  b.l = layer_of(s, 6, MoeFfnGradAttrs::read(s.attrs).activation);
  b.b2 = optional(s.in[5]);
  b.h = f32(s.in[7]);
  b.dy = f32(s.in[8]);
  float** outs[] = {&b.dx, &b.dgate, &b.dw1, &b.dw2, &b.db1, &b.db2, &b.dw3};
  for (int i = 0; i < 7; i++) *outs[i] = f32(s.out[i]);
  return b;
}

Status check_backward(const Step& s) {
  const View &x = s.in[0], &gate = s.in[1], &w1 = s.in[3], &w2 = s.in[4];
  if (Status fault = check_sizes(x, gate, w1); !fault.ok()) return fault;
  const bool gated = s.in[6].present;
  const uint64_t h[] = {gate.dims[0] * gate.dims[1], gated ? 2 * w1.dims[1] : w1.dims[1]};
  if (!dims_are(s.in[7], 2, h)) return bad_plan("h must be [choices, hidden], twice as wide in a gated layer", "h");
  const uint64_t b1[] = {w1.dims[0], w1.dims[1]}, b2[] = {w1.dims[0], x.dims[1]};
  const uint64_t w3[] = {gated ? w1.dims[0] : 0, w1.dims[1], w1.dims[2]};
  if (!same_dims(s.out[0], x)) return bad_plan("dx must have the shape of x", "dx");
  if (!same_dims(s.out[1], gate)) return bad_plan("dGate must have the shape of gate", "dGate");
  if (!same_dims(s.out[2], w1)) return bad_plan("dw1 must have the shape of w1", "dw1");
  if (!same_dims(s.out[3], w2)) return bad_plan("dw2 must have the shape of w2", "dw2");
  if (!dims_are(s.out[4], 2, b1)) return bad_plan("db1 must be [experts, hidden]", "db1");
  if (!dims_are(s.out[5], 2, b2)) return bad_plan("db2 must be [experts, width]", "db2");
  if (!dims_are(s.out[6], 3, w3)) return bad_plan("dw3 must have the shape of w3", "dw3");
  return {};
}

uint64_t scratch_backward(const Step& s, int threads) {
  Backward b = backward_of(s);
  Carve m;
  b.carve(m, threads);
  return m.used;
}

Status run_backward(const Step& s, const Runtime& rt) {
  Backward b = backward_of(s);
  Carve m{rt.scratch};
  b.carve(m, rt.threads);
  if (!b.ex.sort(b.l.expert)) return bad_expert();
  b.plan_hidden(rt.threads);
  b.pieces.run(rt, [&](const Piece& p, uint32_t worker) { b.hidden(p, worker); });
  b.plan_rest(rt.threads);
  b.pieces.run(rt, [&](const Piece& p, uint32_t worker) { b.rest(p, worker); });
  add_choices(rt, b.ex, b.l.width, b.dx_rows, b.dx);
  b.gates(rt);
  return {};
}

}  // namespace

extern const Kernel moe_ffn_grad_kernel;
const Kernel moe_ffn_grad_kernel = {check_backward, scratch_backward, run_backward};

}  // namespace tenon::TENON_ISA
