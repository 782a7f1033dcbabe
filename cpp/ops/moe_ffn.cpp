// The feed-forward part of a mixture of experts. Where there are many row tiles, a task takes some of an expert's
// through both products, and what lies between them stays in its cache; where there are few, tasks are columns too and
// the products follow one another.
#include "ops/moe_ffn.h"

#include "ops/expert_panels.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kManyTiles = 8;         // a thread
constexpr int64_t kBlockBytes = 2 << 20;  // of a task's rows, about
constexpr int64_t kBlockLeast = 4;        // row tiles of a task: fewer do not hide that a panel is turned
constexpr int64_t kBlockMost = 40;

struct Forward {
  Layer l;
  Experts ex;
  Pieces pieces;
  const float *b1 = nullptr, *b2 = nullptr;
  float *y = nullptr, *h = nullptr;  // h is null where it is not kept
  float* gated_rows = nullptr;       // [slots, width] without their gates, where a token has several choices
  float* between = nullptr;          // [slots, a_row()], where there are few tiles
  float* own = nullptr;              // of workers
  int64_t block_tiles = 0, own_size = 0;

  int64_t x_row() const { return copied_row(l.width); }
  int64_t a_row() const { return copied_row(l.hidden); }
  int64_t panel_size() const { return most(l.width, l.hidden) * kTileCols; }

  void carve(Carve& m, int threads) {
    ex = experts_of(l);
    ex.carve(m);
    const int64_t tiles = ex.most_tiles();
    block_tiles =
        least(tiles, most(kBlockLeast, least(kBlockMost, kBlockBytes / (most(x_row(), a_row()) * kTileRows * 4))));
    pieces.list = m.take<Piece>(Pieces::room(1, l.experts, tiles, threads) + ceil_div(tiles, kBlockLeast));
    if (l.top_k > 1) gated_rows = m.take<float>(ex.choices() * l.width);
    between = m.take<float>(threads == 1 ? 0 : least(ex.choices(), kManyTiles * threads * kTileRows) * a_row());
    own_size = block_tiles * kTileRows * (x_row() + a_row()) + 2 * panel_size();
    own = m.take<float>(own_size * threads);
  }

  // A worker's rows of x, rows between the products, and panels.
  float* x_rows(uint32_t worker) const { return own + worker * own_size; }
  float* a_rows(uint32_t worker) const { return x_rows(worker) + block_tiles * kTileRows * x_row(); }
  PanelPair panels(uint32_t worker) const {
    float* first = x_rows(worker) + own_size - 2 * panel_size();
    return {first, first + panel_size()};
  }

  bool few(int64_t e) const { return ex.rows(e) <= kFewRows; }
  // Reading an expert's weights costs about as much as some rows do.
  int64_t work(int64_t e) const { return ex.rows(e) ? most(ex.rows(e), 8) * l.width * l.hidden : 0; }
  bool many(int threads) const { return threads == 1 || ex.tile[l.experts] >= kManyTiles * threads; }

  void plan(int64_t panels, int threads) {
    int64_t total = 0;
    for (int64_t e = 0; e < l.experts; e++) total += work(e);
    pieces.begin(total, threads);
    for (int64_t e = 0; e < l.experts; e++) pieces.add(0, e, ex.tiles(e), panels, work(e), block_tiles);
  }
  void plan_blocks(int threads) {
    pieces.begin(0, threads);
    const int64_t even = threads == 1 ? block_tiles : ex.tile[l.experts] / (kManyTiles * threads);
    const int64_t unit = most(1, least(block_tiles, most(kBlockLeast, even)));
    for (int64_t e = 0; e < l.experts; e++) pieces.add_rows(e, ex.tiles(e), work(e), ceil_div(ex.tiles(e), unit));
  }

  int64_t first_slot(const Piece& p) const { return ex.tile_row(p.expert, p.tile0); }
  int rows_of(const Piece& p, int64_t t) const {
    return static_cast<int>(ex.tile_row(p.expert, p.tile0 + t + 1) - ex.tile_row(p.expert, p.tile0 + t));
  }
  int64_t row_of(const Piece& p, int64_t t) const { return ex.tile_row(p.expert, p.tile0 + t) - first_slot(p); }

  // a = activation(w1 x + b1), times w3 x: rows a_row() apart.
  void first(const Piece& p, uint32_t worker, float* a) const {
    const int64_t e = p.expert, s0 = first_slot(p), factors = l.gated ? 2 : 1;
    const float *w[2] = {l.w1_of(e), l.gated ? l.w3_of(e) : nullptr}, *bias = b1 ? b1 + e * l.hidden : nullptr;
    TileBlock block;
    if (few(e)) {
      const float* rows[kFewRows];
      for (int64_t i = 0; i < ex.rows(e); i++) rows[i] = l.x + ex.token(s0 + i) * l.width;
      for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
        const int64_t col = panel * kTileCols;
        const int count = rows_of(p, 0), cols = cols_of(panel, l.hidden);
        for (int64_t f = 0; f < factors; f++)
          few_rows(count, rows, w[f] + col * l.width, l.width, l.width, f == 0 && bias ? bias + col : nullptr, cols,
                   block.c[f]);
        for (int i = 0; i < count; i++)
          copy_row(a + i * a_row() + col, block.c[0] + i * kTileCols, static_cast<uint64_t>(cols));
        finish(p, 0, panel, 0, a, nullptr);
        if (l.gated) finish(p, 0, panel, 1, a, block.c[1]);
      }
      return;
    }
    float* rows = x_rows(worker);
    const int64_t count = ex.tile_row(e, p.tile1) - s0;
    gather_rows(rows, x_row(), l.x, l, ex, s0, count, l.width);
    for_panels(
        p.panel0 * factors, p.panel1 * factors, p.tile1 - p.tile0, l.width, panels(worker),
        [&](int64_t q) {
          const int64_t panel = q / factors;
          return WeightRows{w[q % factors] + panel * kTileCols * l.width, cols_of(panel, l.hidden)};
        },
        [&](int64_t q, int64_t t, TileCall& call) {
          const int64_t col = q / factors * kTileCols;
          const bool factor = q % factors == 1;
          call.a = rows + row_of(p, t) * x_row();
          call.a_row = x_row();
          call.init = bias && !factor ? bias + col : kTileZeros;
          call.c = factor ? block.c[1] : a + row_of(p, t) * a_row() + col;
          call.c_row = factor ? kTileCols : a_row();
          return rows_of(p, t);
        },
        [&](int64_t q, int64_t t) { finish(p, t, q / factors, q % factors, a, block.c[1]); });
  }

  // Tile t by a panel of w1 lies in a; by the same one of w3 (factor 1) in u. Row by row, each with a wish for a row of
  // h that is written next: many at once are not granted.
  void finish(const Piece& p, int64_t t, int64_t panel, int64_t factor, float* a, const float* u) const {
    const int64_t s = first_slot(p) + row_of(p, t), col = panel * kTileCols;
    const int rows = rows_of(p, t), cols = cols_of(panel, l.hidden);
    float* to = a + row_of(p, t) * a_row() + col;
    if (h) {
      const bool last = p.tile0 + t + 1 == p.tile1;
      const int64_t next = last ? first_slot(p) : s + rows, next_col = last ? col + kTileCols : col;
      for (int i = 0; i < rows; i++) {
        if (next + i < ex.start[p.expert + 1]) l.look_at_kept<1>(h, ex.choice[next + i], next_col);
        copy_row(h + ex.choice[s + i] * l.made() + factor * l.hidden + col,
                 factor == 0 ? to + i * a_row() : u + i * kTileCols, static_cast<uint64_t>(cols));
      }
    }
    if (l.gated && factor == 0) return;
    activate_rows(l.activation, to, a_row(), rows, cols);
    if (l.gated)
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) to[i * a_row() + j] *= u[i * kTileCols + j];
  }

  // The rows w2 a + b2; with its gate where it is all that a token gets.
  void second(const Piece& p, uint32_t worker, const float* a) const {
    const int64_t e = p.expert, s0 = first_slot(p);
    const float *w = l.w2_of(e), *bias = b2 ? b2 + e * l.width : nullptr;
    TileBlock block;
    float* const c = block.c[0];
    const bool apart = l.top_k > 1;
    if (few(e)) {
      const float* rows[kFewRows];
      for (int64_t i = 0; i < ex.rows(e); i++) rows[i] = a + i * a_row();
      for (int64_t panel = p.panel0; panel < p.panel1; panel++) {
        const int64_t col = panel * kTileCols;
        few_rows(rows_of(p, 0), rows, w + col * l.hidden, l.hidden, l.hidden, bias ? bias + col : nullptr,
                 cols_of(panel, l.width), c);
        put(p, 0, panel, c);
      }
      return;
    }
    for_panels(
        p.panel0, p.panel1, p.tile1 - p.tile0, l.hidden, panels(worker),
        [&](int64_t panel) {
          return WeightRows{w + panel * kTileCols * l.hidden, cols_of(panel, l.width)};
        },
        [&](int64_t panel, int64_t t, TileCall& call) {
          const int64_t col = panel * kTileCols;
          call.a = a + row_of(p, t) * a_row();
          call.a_row = a_row();
          call.init = bias ? bias + col : kTileZeros;
          call.c = apart ? gated_rows + (s0 + row_of(p, t)) * l.width + col : c;
          call.c_row = apart ? l.width : kTileCols;
          return rows_of(p, t);
        },
        [&](int64_t panel, int64_t t) {
          if (!apart) put(p, t, panel, c);
        });
  }

  // A block of results to where they belong.
  void put(const Piece& p, int64_t t, int64_t panel, const float* c) const {
    const int64_t s = first_slot(p) + row_of(p, t), col = panel * kTileCols;
    const uint64_t cols = static_cast<uint64_t>(cols_of(panel, l.width));
    for (int i = 0; i < rows_of(p, t); i++) {
      if (l.top_k > 1) {
        copy_row(gated_rows + (s + i) * l.width + col, c + i * kTileCols, cols);
        continue;
      }
      const vf g = splat(l.gate[ex.choice[s + i]]);
      map_row(y + ex.choice[s + i] * l.width + col, c + i * kTileCols, cols, [&](vf v) { return v * g; });
    }
  }

  void products(const Runtime& rt) {
    if (many(rt.threads)) {
      plan_blocks(rt.threads);
      return pieces.run(rt, [&](const Piece& p, uint32_t worker) {
        Piece all = p;
        all.panel1 = l.hidden_panels();
        first(all, worker, a_rows(worker));
        all.panel1 = l.width_panels();
        second(all, worker, a_rows(worker));
      });
    }
    plan(l.hidden_panels(), rt.threads);
    pieces.run(rt, [&](const Piece& p, uint32_t worker) { first(p, worker, between + first_slot(p) * a_row()); });
    plan(l.width_panels(), rt.threads);
    pieces.run(rt, [&](const Piece& p, uint32_t worker) { second(p, worker, between + first_slot(p) * a_row()); });
  }

  void run(const Runtime& rt) {
    products(rt);
    add_choices(rt, ex, l.width, gated_rows, l.gate, y);
    if (!h || ex.slots() == ex.choices()) return;
    for (int64_t c = 0; c < ex.choices(); c++)
      if (ex.slot[c] < 0) fill_row(h + c * l.made(), 0, static_cast<uint64_t>(l.made()));
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
  if (!same_dims(s.out[0], s.in[0])) return bad_plan("y must have the shape of x", "y");
  return check_layer(s.in[0], s.in[1], s.in[3], s.in[7].present, s.out[1], at.keep == 1);
}

}  // namespace

extern const Kernel moe_ffn_kernel;
const Kernel moe_ffn_kernel = {check_forward, scratch_of<forward_of>, run_of<forward_of>};

}  // namespace tenon::TENON_ISA
