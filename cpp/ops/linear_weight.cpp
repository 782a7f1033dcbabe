// dweight = dyᵀ x and dbias = the column sums of dy, from one pass over both. Rows are cut into parts by the shape
// alone, each with sums of its own; a part's rows pass in blocks that stay in the second cache, dy packed, and the next
// block is fetched while one is multiplied.
#include "gen/attrs.h"
#include "ops/columns.h"
#include "ops/gemm.h"
#include "ops/row_parts.h"

namespace tenon::TENON_ISA {
namespace {

constexpr int64_t kGroupTiles = 40;    // tiles of outputs whose packed block leaves room in the second cache
constexpr int64_t kPackTogether = 16;  // rows of dy packed at once

struct Problem {
  int64_t rows, outs, width;
  const float *dy, *x;
  float *dweight, *dbias;

  explicit Problem(const Step& s)
      : rows(static_cast<int64_t>(s.in[0].dims[0])),
        outs(static_cast<int64_t>(s.in[0].dims[1])),
        width(static_cast<int64_t>(s.in[1].dims[1])),
        dy(f32(s.in[0])),
        x(f32(s.in[1])),
        dweight(f32(s.out[0])),
        dbias(f32(s.out[1])) {}

  int64_t tiles(int threads) const {
    const int64_t n = groups(threads);
    return n * ceil_div(ceil_div(outs, n), int64_t{kTileRows});
  }
  int64_t panels() const { return ceil_div(width, int64_t{kTileCols}); }
  int64_t size() const { return outs * width; }
  int64_t parts() const { return row_parts(rows); }
  int64_t groups(int threads) const {
    const int64_t tiles = ceil_div(outs, int64_t{kTileRows});
    return least(most(1, tiles), most(ceil_div(tiles, kGroupTiles), ceil_div(int64_t{threads}, parts())));
  }
  int64_t part_start(int64_t i) const { return row_part(rows, i); }
};

// Scratch: sums of the parts where there are several, then what each worker has of its own.
struct Room {
  int64_t sums, bias, packed, panel;  // the first two a part, in floats and doubles
  int64_t parts;
  Room(const Problem& p, int threads)
      : sums(p.parts() > 1 ? p.size() : 0),
        bias(p.outs),
        packed(ceil_div(p.tiles(threads), p.groups(threads)) * kPassRows * kPackRows),
        panel(kPassRows * kTileCols),
        parts(p.parts()) {}
  uint64_t bias_at() const { return round64(parts * sums * 4); }
  uint64_t own_at() const { return bias_at() + round64(parts * bias * 8); }
  uint64_t own() const { return round64((packed + panel) * 4); }
};

uint64_t scratch(const Step& s, int threads) {
  const Problem p(s);
  const Room room(p, threads);
  return room.own_at() + static_cast<uint64_t>(threads) * room.own();
}

// Some tiles of outputs over the rows of one part.
struct Group {
  const Problem& p;
  int64_t tiles, tile0, tile1;
  float *c, *packed, *panel;
  double* bias;  // of all outputs

  int64_t row_of(int64_t tile) const { return part(p.outs, tile, tiles); }
  float* packed_tile(int64_t tile) const { return packed + (tile - tile0) * kPassRows * kPackRows; }

  // Rows [from, from + k) of dy, some at a time across all tiles, so that memory is read along its rows.
  void pack(int64_t from, int64_t k) const {
    for (int64_t i = 0; i < k; i += kPackTogether)
      for (int64_t t = tile0; t < tile1; t++) {
        const int64_t n = least(kPackTogether, k - i), out = row_of(t);
        pack_and_sum(packed_tile(t) + i * kPackRows, p.dy + (from + i) * p.outs + out, n,
                     static_cast<int>(row_of(t + 1) - out), bias + out);
      }
  }
  void pack_and_sum(float* to, const float* from, int64_t k, int cols, double* sum) const {
    for (int j = 0; j < kPackRows; j += kLanes) {
      const int here = cols - j < kLanes ? cols - j : kLanes;
      if (here <= 0) return;
      vf all = zero();
      for (int64_t i = 0; i < k; i++) {
        const vf v = load_part(from + i * p.outs + j, here);
        store(to + i * kPackRows + j, v);
        all += v;
      }
      add_lanes(sum + j, all, here);
    }
  }

  // Outputs of one block by panel j. The first tile packs x on its way.
  void multiply(int64_t from, int64_t k, int64_t j, bool first) const {
    TileCall call;
    const int64_t col = j * kTileCols;
    call.k = k;
    call.cols = static_cast<int>(least(kTileCols, p.width - col));
    call.a_row = 1;
    call.a_step = kPackRows;
    call.c_row = p.width;
    call.init_row = first ? 0 : p.width;
    call.copy = panel;
    for (int64_t t = tile0; t < tile1; t++) {
      const int64_t out = row_of(t);
      call.b = t == tile0 ? p.x + from * p.width + col : panel;
      call.b_step = t == tile0 ? p.width : panel_width(call.cols);
      call.a = packed_tile(t);
      call.c = c + out * p.width + col;
      call.init = first ? kTileZeros : call.c;
      fetch(call, from + k, (j * (tile1 - tile0) + t - tile0), p.panels() * (tile1 - tile0));
      tile_function(t == tile0 ? kCopy : kStep, static_cast<int>(row_of(t + 1) - out), call.cols)(call);
    }
  }

  // Part i of n of the block from row `next` on, of dy and then of x.
  void fetch(TileCall& call, int64_t next, int64_t i, int64_t n) const {
    const int64_t k = least(kPassRows, p.rows - next), dys = k * p.outs, all = k * (p.outs + p.width);
    const int64_t from = part(all, i, n), to = part(all, i + 1, n);
    call.ahead = from < dys ? p.dy + next * p.outs + from : p.x + next * p.width + (from - dys);
    call.ahead_step = (to - from) * 4 / call.k;
  }

  void run(int64_t from, int64_t to) const {
    for (int64_t t = row_of(tile0); t < row_of(tile1); t++) bias[t] = 0;
    const int64_t start = from;
    for (; from < to; from += kPassRows) {
      const int64_t k = least(kPassRows, to - from);
      pack(from, k);
      for (int64_t j = 0; j < p.panels(); j++) multiply(from, k, j, from == start);
    }
  }
};

// The sums of the parts, in order.
void join(const Problem& p, const float* sums, const double* bias, const Runtime& rt) {
  const int64_t parts = p.parts();
  if (parts > 1)
    for_parts(rt, parts_of(static_cast<uint64_t>(p.size()), static_cast<uint64_t>(parts)),
              [&](uint64_t begin, uint64_t end, uint32_t) {
                for_lanes(end - begin, [&](uint64_t i, int count) {
                  vf y = load_part(sums + begin + i, count);
                  for (int64_t q = 1; q < parts; q++)
                    y += load_part(sums + q * p.size() + static_cast<int64_t>(begin + i), count);
                  store_part(p.dweight + begin + i, y, count);
                });
              });
  for (int64_t i = 0; i < p.outs; i++) {
    double y = 0;
    for (int64_t q = 0; q < parts; q++) y += bias[q * p.outs + i];
    p.dbias[i] = static_cast<float>(y);
  }
}

Status run(const Step& s, const Runtime& rt) {
  const Problem p(s);
  if (p.rows == 0) {
    fill_row(p.dweight, 0.0f, static_cast<uint64_t>(p.size()));
    fill_row(p.dbias, 0.0f, static_cast<uint64_t>(p.outs));
    return {};
  }
  if (p.outs == 0) return {};
  const Room room(p, rt.threads);
  float* sums = reinterpret_cast<float*>(rt.scratch);
  double* bias = reinterpret_cast<double*>(rt.scratch + room.bias_at());
  const int64_t groups = p.groups(rt.threads), tiles = p.tiles(rt.threads);
  parallel_for(rt, static_cast<uint32_t>(room.parts * groups), [&](uint32_t task, uint32_t worker) {
    const int64_t i = task / groups, g = task % groups;
    float* own = reinterpret_cast<float*>(rt.scratch + room.own_at() + worker * room.own());
    const Group group{p,
                      tiles,
                      part(tiles, g, groups),
                      part(tiles, g + 1, groups),
                      room.parts > 1 ? sums + i * p.size() : p.dweight,
                      own,
                      own + room.packed,
                      bias + i * p.outs};
    group.run(p.part_start(i), p.part_start(i + 1));
  });
  join(p, sums, bias, rt);
  return {};
}

}  // namespace

extern const Kernel linear_weight_grad_kernel;
const Kernel linear_weight_grad_kernel = {nullptr, scratch, run};

}  // namespace tenon::TENON_ISA
