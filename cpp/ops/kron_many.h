// Products of many rows and a Kronecker weight, and their gradients: W's panels are expanded while they are packed, and
// a panel of dW is reduced to its parts of da and df while it lies in the second cache.
#pragma once
#include "ops/kron_rows.h"
#include "ops/row_parts.h"

namespace tenon::TENON_ISA {
TENON_INLINE KronRight forward_right(const KronRows& q, const float* turned) {
  const KronShape& k = q.k;
  return {turned, k.n, k.ins * turned_row(k), turned_row(k), k.ins, k.outs, q.a, 1, k.n};
}
TENON_INLINE KronRight backward_right(const KronRows& q) {
  const KronShape& k = q.k;
  return {q.f, k.n, k.factor_size(), k.ins, k.outs, k.ins, q.a, k.n, 1};
}

TENON_INLINE GemmPlan forward_plan(const KronRows& q, int threads) {
  return plan_gemm({q.rows, q.k.out(), q.k.in()}, threads, {nullptr, q.k.in(), 1}, false, false);
}
TENON_INLINE GemmPlan backward_plan(const KronRows& q, int threads) {
  return plan_gemm({q.rows, q.k.in(), q.k.out()}, threads, {nullptr, q.k.out(), 1}, false, false);
}

TENON_INLINE void turn_factors(const Runtime& rt, const KronShape& k, const float* f, float* to) {
  const int64_t blocks = ceil_div(k.outs, int64_t{kLanes});
  const int64_t tasks = most(1, least(k.n * blocks, k.n * k.factor_size() / 16384));
  parallel_for(rt, static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t) {
    for (int64_t u = part(k.n * blocks, task, tasks); u < part(k.n * blocks, task + 1, tasks); u++) {
      const int64_t i = u / blocks, o = u % blocks * kLanes;
      turn_rows(to + i * k.ins * turned_row(k) + o, turned_row(k), f + i * k.factor_size() + o * k.ins, k.ins,
                static_cast<int>(least(kLanes, k.outs - o)));
    }
  });
}

TENON_INLINE void forward_many(const Runtime& rt, const KronRows& q, const float* bias, uint32_t activation, float* y) {
  float* turned = reinterpret_cast<float*>(rt.scratch);
  turn_factors(rt, q.k, q.f, turned);
  const LeftMatrix left{{q.x, q.k.in(), 1}};
  gemm(rt, rt.scratch + round64(turned_size(q.k) * 4), forward_plan(q, rt.threads), left, forward_right(q, turned),
       GemmOut{y, q.k.out(), 0, bias, floor_of(activation)}, ActivationAfter{activation});
}

// dW is made in slabs: for some rows o of the factors and a panel of their columns c, all (p, q). A slab becomes df of
// its o and c, and a part of da.
constexpr int64_t kSlabRows = 18 * kTileRows;  // rows (p, o)

struct SlabPlan {
  int64_t o_each = 0, o_parts = 0, panels = 0, depth = 0;
  int64_t tiles = 0;  // of one p, of at most kTileRows rows
  int64_t parts = 1;  // of the rows, each with sums of its own
  uint64_t slab_bytes = 0, left_bytes = 0, right_bytes = 0, sum_bytes = 0;
  int64_t tasks() const { return o_parts * panels; }
  uint64_t slabs_bytes() const { return slab_bytes * (parts > 1 ? 2 : 1); }
  uint64_t own_bytes() const { return slabs_bytes() + left_bytes + right_bytes; }
};

TENON_INLINE SlabPlan plan_slabs(const KronRows& q) {
  const KronShape& k = q.k;
  SlabPlan p;
  const int64_t whole = most(1, kSlabRows / k.n / kTileRows) * kTileRows;
  p.o_parts = ceil_div(k.outs, whole);
  p.o_each = ceil_div(k.outs, most(1, p.o_parts));
  p.panels = ceil_div(k.ins, int64_t{kTileCols});
  p.depth = least(kPassRows, q.rows);
  p.parts = row_parts(q.rows);
  p.tiles = ceil_div(p.o_each, int64_t{kTileRows});
  p.slab_bytes = round64(k.n * k.n * p.o_each * kTileCols * 4);
  p.left_bytes = round64(k.n * p.tiles * p.depth * kPackRows * 4);
  p.right_bytes = round64(p.depth * kTileCols * 4);
  p.sum_bytes = round64(p.tasks() * k.cube() * 8);
  return p;
}

struct SlabRun {
  const KronRows& q;
  SlabPlan p;
  const float* dy;
  float* df;
  uint8_t* scratch;

  double* sums(int64_t task) const { return reinterpret_cast<double*>(scratch) + task * q.k.cube(); }

  void task(int64_t task, uint32_t worker) const {
    const KronShape& k = q.k;
    const int64_t o0 = part(k.outs, task / p.panels, p.o_parts), o1 = part(k.outs, task / p.panels + 1, p.o_parts);
    const int64_t c0 = task % p.panels * kTileCols;
    const int cols = static_cast<int>(least(kTileCols, k.ins - c0));
    uint8_t* own = scratch + p.sum_bytes + worker * p.own_bytes();
    float* slab = reinterpret_cast<float*>(own);
    float* left = reinterpret_cast<float*>(own + p.slabs_bytes());
    for (int64_t i = 0; i < p.parts; i++) {
      float* to = i == 0 ? slab : reinterpret_cast<float*>(own + p.slab_bytes);
      const int64_t first = row_part(q.rows, i), last = row_part(q.rows, i + 1);
      for (int64_t t = first; t < last; t += p.depth)
        products(to, left, t, least(p.depth, last - t), t == first, o0, o1 - o0, c0, cols);
      if (i > 0) add_slab(slab, to, k.n * k.n * (o1 - o0), cols);
    }
    reduce(slab, sums(task), o0, o1 - o0, c0, cols);
  }

  static void add_slab(float* slab, const float* more, int64_t rows, int cols) {
    for (int64_t r = 0; r < rows; r++)
      for (int c = 0; c < cols; c += kLanes)
        store(slab + r * kTileCols + c, load(slab + r * kTileCols + c) + load(more + r * kTileCols + c));
  }

  // slab [p, q, o, kTileCols] of dW gets the products of `depth` rows from t on, the `first` ones or more.
  void products(float* slab, float* left, int64_t t, int64_t depth, bool first, int64_t o0, int64_t outs, int64_t c0,
                int cols) const {
    const KronShape& k = q.k;
    float* right = left + p.left_bytes / 4;
    const int64_t tiles = ceil_div(outs, int64_t{kTileRows});
    for (int64_t j = 0; j < k.n * tiles; j++) {
      const int64_t o = part(outs, j % tiles, tiles);
      pack_copy(left + j * depth * kPackRows, kPackRows, dy + t * k.out() + j / tiles * k.outs + o0 + o, k.out(), depth,
                static_cast<int>(part(outs, j % tiles + 1, tiles) - o));
    }
    TileCall call;
    call.a_row = 1;
    call.a_step = kPackRows;
    call.b = right;
    call.b_step = panel_width(cols);
    call.k = depth;
    call.c_row = kTileCols;
    call.cols = cols;
    for (int64_t qq = 0; qq < k.n; qq++) {
      pack_copy(right, panel_width(cols), q.x + t * k.in() + qq * k.ins + c0, k.in(), depth, cols);
      for (int64_t j = 0; j < k.n * tiles; j++) {
        const int64_t o = part(outs, j % tiles, tiles);
        call.a = left + j * depth * kPackRows;
        call.c = slab + ((j / tiles * k.n + qq) * outs + o) * kTileCols;
        call.init = first ? kTileZeros : call.c;
        call.init_row = first ? 0 : kTileCols;
        tile_function(kStep, static_cast<int>(part(outs, j % tiles + 1, tiles) - o), cols)(call);
      }
    }
  }

  void reduce(const float* slab, double* own, int64_t o0, int64_t outs, int64_t c0, int cols) const {
    const KronShape& k = q.k;
    const int64_t pair = outs * kTileCols;
    for (int64_t i = 0; i < k.n; i++)
      combine(df + i * k.factor_size() + o0 * k.ins + c0, slab, q.a + i * k.n * k.n, {outs, cols, k.ins, kTileCols},
              {1, k.n * k.n, 0, pair, 0, 1});
    for (int64_t j = 0; j < k.cube(); j++) own[j] = 0;
    add_dots(own, slab, q.f + o0 * k.ins + c0,
             {k.n * k.n, k.n, pair, k.factor_size(), 1, k.n * k.n, outs, cols, kTileCols, k.ins});
  }
};

TENON_INLINE uint64_t many_grad_scratch(const KronRows& q, int threads) {
  const SlabPlan p = plan_slabs(q);
  const uint64_t slabs = p.sum_bytes + static_cast<uint64_t>(threads) * p.own_bytes();
  const uint64_t product = gemm_scratch(backward_plan(q, threads), threads);
  return slabs > product ? slabs : product;
}

TENON_INLINE void grad_many(const Runtime& rt, const KronRows& q, const float* dy, float* dx, float* da, float* df) {
  const LeftMatrix left{{dy, q.k.out(), 1}};
  gemm(rt, rt.scratch, backward_plan(q, rt.threads), left, backward_right(q), GemmOut{dx, q.k.in()}, NoAfter{});
  const SlabRun run{q, plan_slabs(q), dy, df, rt.scratch};
  parallel_for(rt, static_cast<uint32_t>(run.p.tasks()),
               [&](uint32_t task, uint32_t worker) { run.task(task, worker); });
  sum_algebra(da, run.sums(0), run.p.tasks(), q.k.cube());
}

}  // namespace tenon::TENON_ISA
