// y = activation(x Wᵀ + bias) with W = sum of a_i ⊗ f_i, and its gradients, without W.
//
// Many rows: W's panels are expanded while they are packed, and a panel of dW is reduced to its parts of da and df
// while it lies in the second cache. Few rows: the sum over q goes to the rows instead,
//   z[t, p, i] = sum over q of a[i, p, q] x[t, q],   y[t, p] = sum over i of f_i z[t, p, i],
// as many multiply-adds, but no weight is expanded, and the products are those of [rows * n, C] and [C, O / n].
#include "gen/attrs.h"
#include "ops/gemm.h"
#include "ops/kron_pack.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {
namespace {

struct Problem {
  KronShape k;
  int64_t rows = 0;
  const float *x = nullptr, *a = nullptr, *f = nullptr;
};

Problem problem_of(const Step& s) {
  return {kron_shape(s.in[2], 1), static_cast<int64_t>(s.in[0].dims[0]), f32(s.in[0]), f32(s.in[1]), f32(s.in[2])};
}

// Making z costs n² * rows * C multiply-adds, expanding W n * O * C.
bool by_structure(const Problem& q) { return 2 * q.rows <= q.k.outs; }

// body(first, count) for blocks of rows, in parallel; the bounds do not matter for what is computed.
template <typename Body>
void for_row_blocks(const Runtime& rt, const Problem& q, Body body) {
  const uint64_t width = static_cast<uint64_t>(q.k.n * q.k.n * q.k.in());
  for_parts(rt, parts_of(static_cast<uint64_t>(q.rows), width), [&](uint64_t begin, uint64_t end, uint32_t) {
    body(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
  });
}

// ---- few rows

int64_t z_size(const Problem& q) { return q.rows * q.k.n * q.k.in(); }

// z [rows, p, i, ins]
void make_z(const Runtime& rt, const Problem& q, float* z) {
  const KronShape& k = q.k;
  for_row_blocks(rt, q, [&](int64_t first, int64_t count) {
    for (int64_t p = 0; p < k.n; p++)
      for (int64_t i = 0; i < k.n; i++)
        combine(z + (first * k.n + p) * k.in() + i * k.ins, q.x + first * k.in(), q.a + (i * k.n + p) * k.n,
                {count, k.ins, k.n * k.in(), k.in()}, {1, k.n, 0, k.ins, 0, 1});
  });
}

// The f_i side by side: b((i, c), o) = f[i, o, c].
struct FactorsRight {
  const float* f;
  KronShape k;
  FactorsRight of(int64_t) const { return *this; }
  static constexpr bool direct() { return false; }
  Matrix at(int64_t, int64_t) const { return {}; }
  void pack(float* to, int64_t k0, int64_t count, int64_t col, int cols) const {
    const int width = panel_width(cols);
    for (int64_t i = 0; i < count;) {
      const int64_t c = (k0 + i) % k.ins, here = least(k.ins - c, count - i);
      pack_transposed(to + i * width, width, f + (k0 + i) / k.ins * k.factor_size() + col * k.ins + c, k.ins, here,
                      cols);
      i += here;
    }
  }
};

// Rows (t, p) of [rows * n, O / n] are y's own: the bias depends on p.
struct RowBiasAfter {
  const float* bias;
  int64_t n, outs;
  uint32_t activation;
  void operator()(float* c, int64_t c_row, int64_t row, int rows, int64_t col, int64_t cols) const {
    for (int i = 0; i < rows; i++) {
      float* y = c + i * c_row;
      if (bias) {
        const float* b = bias + (row + i) % n * outs + col;
        for_lanes(static_cast<uint64_t>(cols), [&](uint64_t j, int count) {
          store_part(y + j, load_part(y + j, count) + load_part(b + j, count), count);
        });
      }
      activate_run(activation, y, cols);
    }
  }
};

GemmShape few_shape(const Problem& q) { return {q.rows * q.k.n, q.k.outs, q.k.in()}; }
GemmPlan few_plan(const Problem& q, int threads) {
  return plan_gemm(few_shape(q), threads, {nullptr, q.k.in(), 1}, false, false);
}

void forward_few(const Runtime& rt, const Problem& q, const float* bias, uint32_t activation, float* y) {
  float* z = reinterpret_cast<float*>(rt.scratch);
  make_z(rt, q, z);
  const LeftMatrix left{{z, q.k.in(), 1}};
  uint8_t* rest = rt.scratch + round64(z_size(q) * 4);
  const FactorsRight right{q.f, q.k};
  if (q.k.n == 1)  // as linear does it, for the same bits
    gemm(rt, rest, few_plan(q, rt.threads), left, right, GemmOut{y, q.k.outs, 0, bias, floor_of(activation)},
         ActivationAfter{activation});
  else
    gemm(rt, rest, few_plan(q, rt.threads), left, right, GemmOut{y, q.k.outs},
         RowBiasAfter{bias, q.k.n, q.k.outs, activation});
}

// u[t, p, i] = f_iᵀ dy[t, p]: n products beside each other.
struct Products {
  GemmShape shape;
  LeftMatrix left;
  RightMatrix right;
  GemmOut out;
  GemmPlan plan(int threads) const { return plan_gemm(shape, threads, left.m, right.direct(), false); }
};

Products u_products(const Problem& q, const float* dy, float* u) {
  const KronShape& k = q.k;
  return {
      {q.rows * k.n, k.ins, k.outs, k.n}, {{dy, k.outs, 1}}, {{q.f, k.ins, 1}, k.factor_size()}, {u, k.in(), k.ins}};
}
// df_i = sum over rows (t, p) of dy z_iᵀ.
Products df_products(const Problem& q, const float* dy, const float* z, float* df) {
  const KronShape& k = q.k;
  return {{k.outs, k.ins, q.rows * k.n, k.n}, {{dy, 1, k.outs}}, {{z, k.in(), 1}, k.ins}, {df, k.ins, k.factor_size()}};
}

constexpr uint64_t kAlgebraParts = 32;
Parts algebra_parts(const Problem& q) {
  return few_parts_of(static_cast<uint64_t>(q.rows), static_cast<uint64_t>(q.k.n * q.k.n * q.k.in()), kAlgebraParts);
}

// dx[t, q] = sum over i, p of a[i, p, q] u[t, p, i];   da[i, p, q] = sum over t of <u[t, p, i], x[t, q]>.
void reduce_u(const Runtime& rt, const Problem& q, const float* u, float* dx, double* sums) {
  const KronShape& k = q.k;
  for_parts(rt, algebra_parts(q), [&](uint64_t begin, uint64_t end, uint32_t part) {
    const int64_t first = static_cast<int64_t>(begin), count = static_cast<int64_t>(end - begin);
    const float *from = u + first * k.n * k.in(), *x = q.x + first * k.in();
    double* own = sums + part * k.cube();
    for (int64_t j = 0; j < k.cube(); j++) own[j] = 0;
    for (int64_t j = 0; j < k.n; j++)
      combine(dx + first * k.in() + j * k.ins, from, q.a + j, {count, k.ins, k.in(), k.n * k.in()},
              {k.n, k.n, k.ins, k.in(), k.n * k.n, k.n});
    for (int64_t i = 0; i < k.n; i++)
      add_dots(own + i * k.n * k.n, from + i * k.ins, x,
               {k.n, k.n, k.in(), k.ins, k.n, 1, count, k.ins, k.n * k.in(), k.in()});
  });
}

uint64_t few_grad_scratch(const Problem& q, int threads) {
  const uint64_t u = gemm_scratch(u_products(q, nullptr, nullptr).plan(threads), threads);
  const uint64_t df = gemm_scratch(df_products(q, nullptr, nullptr, nullptr).plan(threads), threads);
  const uint64_t sums = round64(algebra_parts(q).count * q.k.cube() * 8);
  return round64(z_size(q) * 4) + sums + (u > df ? u : df);
}

void grad_few(const Runtime& rt, const Problem& q, const float* dy, float* dx, float* da, float* df) {
  float* z = reinterpret_cast<float*>(rt.scratch);  // u, then z
  double* sums = reinterpret_cast<double*>(rt.scratch + round64(z_size(q) * 4));
  const Parts parts = algebra_parts(q);
  uint8_t* rest = reinterpret_cast<uint8_t*>(sums) + round64(parts.count * q.k.cube() * 8);
  const auto run = [&](const Products& p) { gemm(rt, rest, p.plan(rt.threads), p.left, p.right, p.out, NoAfter{}); };
  run(u_products(q, dy, z));
  reduce_u(rt, q, z, dx, sums);
  sum_algebra(da, sums, parts.count, q.k.cube());
  make_z(rt, q, z);
  run(df_products(q, dy, z, df));
}

// ---- many rows

KronRight forward_right(const Problem& q, const float* turned) {
  const KronShape& k = q.k;
  return {turned, k.n, k.ins * turned_row(k), turned_row(k), k.ins, k.outs, q.a, 1, k.n};
}
KronRight backward_right(const Problem& q) {
  const KronShape& k = q.k;
  return {q.f, k.n, k.factor_size(), k.ins, k.outs, k.ins, q.a, k.n, 1};
}

GemmPlan forward_plan(const Problem& q, int threads) {
  return plan_gemm({q.rows, q.k.out(), q.k.in()}, threads, {nullptr, q.k.in(), 1}, false, false);
}
GemmPlan backward_plan(const Problem& q, int threads) {
  return plan_gemm({q.rows, q.k.in(), q.k.out()}, threads, {nullptr, q.k.out(), 1}, false, false);
}

void turn_factors(const Runtime& rt, const KronShape& k, const float* f, float* to) {
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

void forward_many(const Runtime& rt, const Problem& q, const float* bias, uint32_t activation, float* y) {
  float* turned = reinterpret_cast<float*>(rt.scratch);
  turn_factors(rt, q.k, q.f, turned);
  const LeftMatrix left{{q.x, q.k.in(), 1}};
  gemm(rt, rt.scratch + round64(turned_size(q.k) * 4), forward_plan(q, rt.threads), left, forward_right(q, turned),
       GemmOut{y, q.k.out(), 0, bias, floor_of(activation)}, ActivationAfter{activation});
}

// dW is made in slabs: for some rows o of the factors and a panel of their columns c, all (p, q). A slab becomes df of
// its o and c, and a part of da.
constexpr int64_t kSlabRows = 18 * kTileRows;  // rows (p, o)
constexpr int64_t kSlabDepth = 256;            // rows of x and dy at once

struct SlabPlan {
  int64_t o_each = 0, o_parts = 0, panels = 0, depth = 0;
  int64_t tiles = 0;  // of one p, of at most kTileRows rows
  uint64_t slab_bytes = 0, left_bytes = 0, right_bytes = 0, sum_bytes = 0;
  int64_t tasks() const { return o_parts * panels; }
  uint64_t own_bytes() const { return slab_bytes + left_bytes + right_bytes; }
};

SlabPlan plan_slabs(const Problem& q) {
  const KronShape& k = q.k;
  SlabPlan p;
  const int64_t whole = most(1, kSlabRows / k.n / kTileRows) * kTileRows;
  p.o_parts = ceil_div(k.outs, whole);
  p.o_each = ceil_div(k.outs, most(1, p.o_parts));
  p.panels = ceil_div(k.ins, int64_t{kTileCols});
  p.depth = least(kSlabDepth, q.rows);
  p.tiles = ceil_div(p.o_each, int64_t{kTileRows});
  p.slab_bytes = round64(k.n * k.n * p.o_each * kTileCols * 4);
  p.left_bytes = round64(k.n * p.tiles * p.depth * kPackRows * 4);
  p.right_bytes = round64(p.depth * kTileCols * 4);
  p.sum_bytes = round64(p.tasks() * k.cube() * 8);
  return p;
}

struct SlabRun {
  const Problem& q;
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
    for (int64_t t = 0; t < q.rows; t += p.depth)
      products(slab, reinterpret_cast<float*>(own + p.slab_bytes), t, least(p.depth, q.rows - t), o0, o1 - o0, c0,
               cols);
    reduce(slab, sums(task), o0, o1 - o0, c0, cols);
  }

  // slab [p, q, o, kTileCols] of dW gets the products of `depth` rows from t on.
  void products(float* slab, float* left, int64_t t, int64_t depth, int64_t o0, int64_t outs, int64_t c0,
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
        call.init = t == 0 ? kTileZeros : call.c;
        call.init_row = t == 0 ? 0 : kTileCols;
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

uint64_t many_grad_scratch(const Problem& q, int threads) {
  const SlabPlan p = plan_slabs(q);
  const uint64_t slabs = p.sum_bytes + static_cast<uint64_t>(threads) * p.own_bytes();
  const uint64_t product = gemm_scratch(backward_plan(q, threads), threads);
  return slabs > product ? slabs : product;
}

void grad_many(const Runtime& rt, const Problem& q, const float* dy, float* dx, float* da, float* df) {
  const LeftMatrix left{{dy, q.k.out(), 1}};
  gemm(rt, rt.scratch, backward_plan(q, rt.threads), left, backward_right(q), GemmOut{dx, q.k.in()}, NoAfter{});
  const SlabRun run{q, plan_slabs(q), dy, df, rt.scratch};
  parallel_for(rt, static_cast<uint32_t>(run.p.tasks()),
               [&](uint32_t task, uint32_t worker) { run.task(task, worker); });
  sum_algebra(da, run.sums(0), run.p.tasks(), q.k.cube());
}

// ---- the ops

Status check_x(const Step& s, const View& y) {
  const View &x = s.in[0], &f = s.in[2];
  const Status status = check_algebra(s.in[1], f, 1);
  if (!status.ok()) return status;
  const uint64_t n = f.dims[0];
  if (f.rank != 3 || x.rank != 2 || y.rank != 2) return bad_plan("the ranks do not fit", "rank");
  if (x.dims[1] % n != 0 || x.dims[1] / n != f.dims[2]) return bad_plan("x is not [rows, n * in / n]", "dims");
  if (y.dims[0] != x.dims[0] || y.dims[1] % n != 0 || y.dims[1] / n != f.dims[1])
    return bad_plan("y is not [rows, n * out / n]", "dims");
  return {};
}

uint64_t forward_scratch(const Step& s, int threads) {
  const Problem q = problem_of(s);
  if (numel(s.out[0]) == 0) return 0;
  if (by_structure(q)) return round64(z_size(q) * 4) + gemm_scratch(few_plan(q, threads), threads);
  return round64(turned_size(q.k) * 4) + gemm_scratch(forward_plan(q, threads), threads);
}

void run_forward(const Step& s, const Runtime& rt, const float* bias, uint32_t activation) {
  if (numel(s.out[0]) == 0) return;
  (by_structure(problem_of(s)) ? forward_few : forward_many)(rt, problem_of(s), bias, activation, f32(s.out[0]));
}

Status check(const Step& s) { return check_x(s, s.out[0]); }
Status run(const Step& s, const Runtime& rt) {
  run_forward(s, rt, nullptr, kNone);
  return {};
}

Status act_check(const Step& s) {
  const Status status = check_x(s, s.out[0]);
  if (!status.ok() || s.inputs < 4 || !s.in[3].present) return status;
  if (s.in[3].rank != 1 || s.in[3].dims[0] != s.out[0].dims[1]) return bad_plan("the bias is not [out]", "dims");
  return {};
}
Status act_run(const Step& s, const Runtime& rt) {
  run_forward(s, rt, s.inputs > 3 && s.in[3].present ? f32(s.in[3]) : nullptr,
              KronLinearActAttrs::read(s.attrs).activation);
  return {};
}

Status grad_check(const Step& s) {
  const Status status = check_x(s, s.in[3]);
  if (!status.ok()) return status;
  for (int i = 0; i < 3; i++)
    if (!same_dims(s.out[i], s.in[i])) return bad_plan("a gradient has not the shape of its input", "dims");
  return {};
}

bool is_empty(const Step& s) { return numel(s.in[0]) == 0 || numel(s.in[3]) == 0; }

uint64_t grad_scratch(const Step& s, int threads) {
  const Problem q = problem_of(s);
  if (is_empty(s)) return 0;
  return by_structure(q) ? few_grad_scratch(q, threads) : many_grad_scratch(q, threads);
}

Status grad_run(const Step& s, const Runtime& rt) {
  float *dx = f32(s.out[0]), *da = f32(s.out[1]), *df = f32(s.out[2]);
  if (is_empty(s)) {
    for (int i = 0; i < 3; i++) fill_row(f32(s.out[i]), 0.0f, numel(s.out[i]));
    return {};
  }
  (by_structure(problem_of(s)) ? grad_few : grad_many)(rt, problem_of(s), f32(s.in[3]), dx, da, df);
  return {};
}

}  // namespace

extern const Kernel kron_linear_kernel = {check, forward_scratch, run};
extern const Kernel kron_linear_act_kernel = {act_check, forward_scratch, act_run};
extern const Kernel kron_linear_grad_kernel = {grad_check, grad_scratch, grad_run};

}  // namespace tenon::TENON_ISA
