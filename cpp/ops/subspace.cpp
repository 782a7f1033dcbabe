// Random subspaces: theta = base + P v and its gradient v = Pᵀ g. Nothing random is stored; sums have an order that is
// a function of the sizes.
#include "ops/fastfood.h"
#include "ops/projection_dense.h"
#include "ops/projection_sparse.h"

namespace tenon::TENON_ISA {
namespace {

TENON_INLINE float inverse_root(uint64_t n) { return static_cast<float>(1 / __builtin_sqrt(static_cast<double>(n))); }

// ---- theta = base + P v

Projection projection_of_project(const Step& step) {
  return projection_of(SubspaceProjectAttrs::read(step.attrs), numel(step.out[0]), step.in[0].dims[0]);
}

Status check_project(const Step& step) {
  const SubspaceProjectAttrs at = SubspaceProjectAttrs::read(step.attrs);
  if (!dims_are(step.out[0], at.dims_rank, at.dims)) return bad_plan("theta must have the shape dims", "theta");
  if (step.in[1].present && !same_dims(step.in[1], step.out[0])) return bad_plan("base must be as theta", "base");
  return check_projection(projection_of_project(step));
}

uint64_t padded_columns(const Projection& p) { return ceil_div(p.columns, 32) * 32; }

uint64_t scratch_project(const Step& step, int) {
  const Projection p = projection_of_project(step);
  if (p.kind == kFastfood) return fastfood_scratch(fastfood_sizes(p.rows, p.columns));
  if (p.kind == kRademacher) return padded_columns(p) * 4 * sizeof(float);
  return p.kind == kSparse ? padded_columns(p) * 2 * sizeof(float) : 0;
}

void project_sparse(const Projection& p, const Runtime& rt, const float* v, const float* base, float* theta) {
  float* twice = reinterpret_cast<float*>(rt.scratch);
  const float scale = inverse_root(p.strata);
  for (uint64_t c = 0; c < padded_columns(p); c++) twice[2 * c] = twice[2 * c + 1] = c < p.columns ? v[c] * scale : 0;
  const uint64_t rows = kStrata * p.stratum, work = at_least(rows, kStrata * p.columns);
  for_parts(rt, parts_of(ceil_div(p.strata, kStrata), work), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t block = begin; block < end; block++) {
      const uint64_t row = block * rows;
      zero_or_copy(theta + row, base ? base + row : nullptr, at_most(rows, p.rows - row));
      rows_of_strata(p, twice, theta + row, block);
    }
  });
}

// Whole tiles of rows a part; `row` from one tile to the next.
template <typename Body>
TENON_INLINE void for_tiles(const Runtime& rt, uint64_t rows, uint64_t columns, Body body) {
  for_parts(rt, parts_of(ceil_div(rows, kTile), kTile * columns), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t tile = begin; tile < end; tile++) body(tile * kTile);
  });
}

// theta may be base.
Status run_project(const Step& step, const Runtime& rt) {
  const Projection p = projection_of_project(step);
  const float* v = f32(step.in[0]);
  const float* base = step.in[1].present ? f32(step.in[1]) : nullptr;
  float* theta = f32(step.out[0]);
  if (p.columns == 0) {
    for_parts(rt, parts_of(p.rows, 1), [&](uint64_t begin, uint64_t end, uint32_t) {
      zero_or_copy(theta + begin, base ? base + begin : nullptr, end - begin);
    });
    return {};
  }
  if (p.kind == kFastfood) fastfood(p, rt, v, base, theta);
  if (p.kind == kSparse) project_sparse(p, rt, v, base, theta);
  if (p.kind == kRademacher) {
    float* tables = reinterpret_cast<float*>(rt.scratch);
    sign_tables(v, p.columns, inverse_root(p.rows), tables);
    for_tiles(rt, p.rows, p.columns / 8, [&](uint64_t row) { rows_of_signs(p, tables, base, theta, row); });
  }
  if (p.kind == kGaussian)
    for_tiles(rt, p.rows, p.columns * 4, [&](uint64_t row) { rows_of_normals(p, v, base, theta, row); });
  return {};
}

// ---- v = Pᵀ g

Projection projection_of_transpose(const Step& step) {
  return projection_of(SubspaceTransposeAttrs::read(step.attrs), numel(step.in[0]), step.out[0].dims[0]);
}

Status check_transpose(const Step& step) {
  if (step.out[0].dims[0] != SubspaceTransposeAttrs::read(step.attrs).d) return bad_plan("v must be d long", "v");
  return check_projection(projection_of_transpose(step));
}

// Rows (or blocks of strata) in parts, of each of which a partial result is kept.
Parts parts_of_rows(const Projection& p) {
  if (p.kind == kSparse) return few_parts_of(ceil_div(p.strata, kStrata), kStrata * p.columns, kMostParts);
  return few_parts_of(ceil_div(p.rows, kTile), kTile * at_least(p.columns / 8, 1), kMostParts);
}

uint64_t scratch_transpose(const Step& step, int) {
  const Projection p = projection_of_transpose(step);
  if (p.kind == kFastfood) return fastfood_scratch(fastfood_sizes(p.rows, p.columns));
  return padded_columns(p) * (p.kind == kSparse ? 2 : 1) * kMostParts * sizeof(float);
}

void transpose_sparse(const Projection& p, const Runtime& rt, const float* g, float* v) {
  float* partial = reinterpret_cast<float*>(rt.scratch);
  const uint64_t width = 2 * padded_columns(p), rows = kStrata * p.stratum;
  const Parts parts = parts_of_rows(p);
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    float* sums = partial + part * width;
    fill_row(sums, 0.0f, width);
    for (uint64_t block = begin; block < end; block++) columns_of_strata(p, g + block * rows, sums, block);
  });
  add_parts(partial, partial, parts.count, width, inverse_root(p.strata));
  for (uint64_t c = 0; c < p.columns; c++) v[c] = partial[2 * c] + partial[2 * c + 1];
}

void transpose_dense(const Projection& p, const Runtime& rt, const float* g, float* v) {
  float* partial = reinterpret_cast<float*>(rt.scratch);
  const uint64_t width = padded_columns(p), each = p.kind == kRademacher ? kWord : 1;
  const Parts parts = parts_of_rows(p);
  const uint32_t pieces = static_cast<uint32_t>(ceil_div(p.columns, kWord));
  parallel_for(rt, parts.count * pieces, [&](uint32_t task, uint32_t) {
    const uint64_t part = task / pieces, begin = part * parts.each * kTile;
    const uint64_t end = at_most(begin + parts.each * kTile, p.rows), first = task % pieces * kWord;
    float* sums = partial + part * width;
    if (each == kWord) return columns_of_signs(p, g, first / kWord, begin, end, sums + first);
    for (uint64_t c = first; c < at_most(first + kWord, p.columns); c++)
      sums[c] = column_of_normals(p, g, c, begin, end);
  });
  add_parts(partial, partial, parts.count, width, p.kind == kRademacher ? inverse_root(p.rows) : 1);
  copy_row(v, partial, p.columns);
}

Status run_transpose(const Step& step, const Runtime& rt) {
  const Projection p = projection_of_transpose(step);
  const float* g = f32(step.in[0]);
  float* v = f32(step.out[0]);
  if (p.kind == kFastfood) fastfood_transposed(p, rt, g, v);
  if (p.kind == kSparse) transpose_sparse(p, rt, g, v);
  if (p.kind == kRademacher || p.kind == kGaussian) transpose_dense(p, rt, g, v);
  return {};
}

// ---- lengths of the columns of gaussian

Projection projection_of_norms(const Step& step) {
  const SubspaceNormsAttrs at = SubspaceNormsAttrs::read(step.attrs);
  return {kGaussian, {at.key0, at.key1}, at.stream, at.rows, step.out[0].dims[0], 1, 1};
}

Status check_norms(const Step& step) {
  if (step.out[0].dims[0] != SubspaceNormsAttrs::read(step.attrs).d) return bad_plan("norms must be d long", "norms");
  return check_projection(projection_of_norms(step));
}

Status run_norms(const Step& step, const Runtime& rt) {
  const Projection p = projection_of_norms(step);
  float* norms = f32(step.out[0]);
  for_parts(rt, parts_of(p.columns, p.rows * 4), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t c = begin; c < end; c++) norms[c] = static_cast<float>(__builtin_sqrt(square_of_column(p, c)));
  });
  return {};
}

}  // namespace

extern const Kernel subspace_project_kernel = {check_project, scratch_project, run_project};
extern const Kernel subspace_transpose_kernel = {check_transpose, scratch_transpose, run_transpose};
extern const Kernel subspace_norms_kernel = {check_norms, nullptr, run_norms};

}  // namespace tenon::TENON_ISA
