// The gradient of the feed-forward part of a mixture of experts.
#include "ops/moe_hidden_grad.h"
#include "ops/moe_weight_grad.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kWave = 2 << 20;  // numbers of a that make a wave, a thread

enum Kind : int32_t { kHidden, kDx, kDw2, kDw1, kDw3 };

struct Backward : MoeGrad {
  Pieces pieces;
  float *dx = nullptr, *dgate = nullptr, *dw1 = nullptr, *dw2 = nullptr, *db1 = nullptr, *db2 = nullptr, *dw3 = nullptr;
  float* dx_rows = nullptr;  // [slots, width], where a token has several choices
  float* left = nullptr;     // of workers
  float* right = nullptr;
  int64_t left_size = 0, right_size = 0, panel_size = 0;

  void carve(Carve& m, int threads) {
    MoeGrad::carve(m);
    const int64_t tiles = ex.most_tiles();
    const int64_t grad_tiles = l.experts * (ceil_div(l.width, kTileRows) + ceil_div(l.made(), kTileRows));
    pieces.list = m.take<Piece>(Pieces::room(5, l.experts, 2 * tiles + grad_tiles, threads));
    if (l.top_k > 1) dx_rows = m.take<float>(ex.choices() * l.width);
    left_size = most(least(tiles, near_tiles(l.width)) * kTileRows * copied_row(l.width),
                     kTokenBlock * copied_row(least(l.width, kGradTiles * kTileRows)));
    panel_size = most(l.width, l.made()) * kTileCols;
    right_size = most(2 * panel_size, kTokenBlock * kTileCols);
    left = m.take<float>(left_size * threads);
    right = m.take<float>(right_size * threads);
  }

  float* left_of(uint32_t worker) const { return left + worker * left_size; }
  float* right_of(uint32_t worker) const { return right + worker * right_size; }
  PanelPair panels_of(uint32_t worker) const { return {right_of(worker), right_of(worker) + panel_size}; }
  int64_t work(int64_t e) const { return most(ex.rows(e), 8) * l.width * l.hidden; }

  // The end of the wave that begins with expert `first`. A single thread does all of an expert before the next.
  int64_t wave_end(int64_t first, int threads) const {
    int64_t end = least(first + 1, l.experts);
    if (threads == 1) return end;
    while (end < l.experts && (ex.start[end] - ex.start[first]) * l.hidden < kWave * threads) end++;
    return end;
  }

  // What is left to do for experts from `done` to `first`, and w2ᵀ dy of those from there to `last`: one pool, for they
  // need nothing of each other.
  void plan(int64_t done, int64_t first, int64_t last, int threads) {
    int64_t total = 0;
    for (int64_t e = done; e < last; e++) total += e < first ? work(e) * (l.gated ? 5 : 3) : ex.rows(e) ? work(e) : 0;
    pieces.begin(total, threads);
    const int64_t width_tiles = ceil_div(l.width, kTileRows), hidden_tiles = ceil_div(l.hidden, kTileRows);
    for (int64_t e = done; e < first; e++) {
      pieces.add(kDx, e, ex.tiles(e), l.width_panels(), work(e) * (l.gated ? 2 : 1), near_tiles(l.made()));
      pieces.add(kDw2, e, width_tiles, most(1, l.hidden_panels()), work(e), kGradTiles);
      pieces.add(kDw1, e, hidden_tiles, most(1, l.width_panels()), work(e), kGradTiles);
      if (l.gated) pieces.add(kDw3, e, hidden_tiles, l.width_panels(), work(e), kGradTiles);
    }
    for (int64_t e = first; e < last; e++)
      pieces.add(kHidden, e, ex.tiles(e), most(1, l.hidden_panels()), work(e), near_tiles(l.width));
  }

  void products(const Runtime& rt) {
    bool at_end = false;
    for (int64_t done = 0, first = 0; done < l.experts; at_end = !at_end) {
      const int64_t last = wave_end(first, rt.threads);
      place(first, last, at_end);
      plan(done, first, last, rt.threads);
      pieces.run(rt, [&](const Piece& p, uint32_t worker) { piece(p, worker); });
      done = first;
      first = last;
    }
  }

  // Rows of dx by choice: dh w1 (+ du w3).
  void tokens(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    const Below w = {{l.w1_of(e), l.gated ? l.w3_of(e) : nullptr}, l.gated ? 2 : 1, l.width, l.hidden, l.width};
    const bool apart = l.top_k > 1;
    TileBlock block;
    for_columns(
        p.panel0, p.panel1, p.tile1 - p.tile0, w, panels_of(worker),
        [&](int64_t panel, int64_t t, TileCall& call) {
          const int64_t s = ex.tile_row(e, p.tile0 + t);
          call.a = dh_of(e, s);
          call.a_row = dh_row();
          call.c = apart ? dx_rows + s * l.width + panel * kTileCols : block.c[0];
          call.c_row = apart ? l.width : kTileCols;
          return rows_of(e, p.tile0 + t);
        },
        [&](int64_t panel, int64_t t) {
          const int32_t* choice = ex.choice + ex.tile_row(e, p.tile0 + t);
          for (int i = 0; !apart && i < rows_of(e, p.tile0 + t); i++)
            copy_row(dx + choice[i] * l.width + panel * kTileCols, block.c[0] + i * kTileCols,
                     static_cast<uint64_t>(cols_of(panel, l.width)));
        });
  }

  void weight2(const Piece& p, uint32_t worker) const {
    const int64_t e = p.expert;
    const auto left = [&](int64_t s, int64_t count, int64_t row, int64_t rows) {
      float* to = left_of(worker);
      gather_rows(to, copied_row(rows), dy + row, l, ex, s, count, rows);
      return TokenRows{to, copied_row(rows)};
    };
    const auto panel_of = [&](int64_t s, int64_t, int64_t panel, int) {
      return TokenRows{a_row(e, panel, s), kTileCols};
    };
    const WeightGrad w2{ex, p, l.width, l.hidden, dw2 + e * l.width * l.hidden, db2 + e * l.width};
    w2.run(left, panel_of, [&](int64_t s) { return l.gate[ex.choice[s]]; });
  }

  // Of w1, and of w3 whose part of dh lies `offset` behind.
  void weight1(const Piece& p, uint32_t worker, float* dw, float* bias, int64_t offset) const {
    const int64_t e = p.expert;
    const auto left = [&](int64_t s, int64_t, int64_t row, int64_t) {
      return TokenRows{dh_of(e, s) + offset + row, dh_row()};
    };
    const auto panel_of = [&](int64_t s, int64_t count, int64_t panel, int cols) {
      float* packed = right_of(worker);
      gather_rows(packed, panel_width(cols), l.x + panel * kTileCols, l, ex, s, count, cols);
      return TokenRows{packed, panel_width(cols)};
    };
    const WeightGrad w1{ex, p, l.hidden, l.width, dw + e * l.width * l.hidden, bias ? bias + e * l.hidden : nullptr};
    w1.run(left, panel_of, [](int64_t) { return 1.0f; });
  }

  void piece(const Piece& p, uint32_t worker) const {
    switch (p.kind) {
      case kHidden:
        return MoeHiddenGrad{*this, p, left_of(worker), panels_of(worker)}.run();
      case kDx:
        return tokens(p, worker);
      case kDw2:
        return weight2(p, worker);
      case kDw1:
        return weight1(p, worker, dw1, db1, 0);
      default:
        return weight1(p, worker, dw3, nullptr, l.hidden);
    }
  }

  // The sums of their parts, in the order of slots; 0 where a choice was dropped.
  void gates(const Runtime& rt) const {
    const int64_t parts = l.hidden_panels() + (b2 ? 1 : 0);
    for (int64_t c = 0; ex.slots() < ex.choices() && c < ex.choices(); c++) dgate[c] = 0;
    for_parts(rt, parts_of(static_cast<uint64_t>(ex.slots()), static_cast<uint64_t>(parts)),
              [&](uint64_t begin, uint64_t end, uint32_t) {
                for_lanes(end - begin, [&](uint64_t i, int count) {
                  const int64_t s = static_cast<int64_t>(begin + i);
                  vf sum = zero();
                  for (int64_t k = 0; k < parts; k++) sum += load_part(dg_part(k, s), count);
                  for (int j = 0; j < count; j++) dgate[ex.choice[s + j]] = sum[j];
                });
              });
  }

  void run(const Runtime& rt) {
    products(rt);
    add_choices(rt, ex, l.width, dx_rows, nullptr, dx);
    gates(rt);
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
  const bool gated = s.in[6].present;
  if (Status fault = check_layer(x, gate, w1, gated, s.in[7], true); !fault.ok()) return fault;
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

}  // namespace

extern const Kernel moe_ffn_grad_kernel;
const Kernel moe_ffn_grad_kernel = {check_backward, scratch_of<backward_of>, run_of<backward_of>};

}  // namespace tenon::TENON_ISA
