// Data movement: repeats, transposes, cuts and joins along an axis.
#include "gen/attrs.h"
#include "ops/rows.h"
#include "ops/walk.h"

namespace tenon::TENON_ISA {
namespace {

// body(row, from, n): elements [from, from + n) of `rows` rows of `run` each, in parallel.
template <typename Body>
void for_runs(const Runtime& rt, uint64_t rows, uint64_t run, Body body) {
  if (rows == 0 || run == 0) return;
  const uint64_t piece = at_most(run, kPart), pieces = ceil_div(run, piece);
  for_parts(rt, parts_of(rows * pieces, piece), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t i = begin; i < end; i++) {
      const uint64_t from = pieces == 1 ? 0 : i % pieces * piece;
      body(pieces == 1 ? i : i / pieces, from, at_most(piece, run - from));
    }
  });
}

void copy_rows(const Runtime& rt, float* y, uint64_t y_stride, const float* x, uint64_t x_stride, uint64_t rows,
               uint64_t run) {
  for_runs(rt, rows, run, [&](uint64_t row, uint64_t from, uint64_t n) {
    copy_row(y + row * y_stride + from, x + row * x_stride + from, n);
  });
}

void zero_rows(const Runtime& rt, float* y, uint64_t y_stride, uint64_t rows, uint64_t run) {
  for_runs(rt, rows, run,
           [&](uint64_t row, uint64_t from, uint64_t n) { fill_row(y + row * y_stride + from, 0.0f, n); });
}

// ---- broadcast_to

Status check_broadcast(const Step& step) {
  const BroadcastToAttrs at = BroadcastToAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (!dims_are(y, at.dims_rank, at.dims)) return bad_plan("y must have the shape dims", "y");
  if (x.rank > y.rank) return bad_plan("x has more axes than dims", "x");
  for (uint32_t i = 0; i < y.rank; i++) {
    const uint64_t dim = aligned_dim(x, y.rank, i);
    if (dim != 1 && dim != y.dims[i]) return bad_plan("x does not repeat to dims", "x");
  }
  return {};
}

Status run_broadcast(const Step& step, const Runtime& rt) {
  const Walk<1> w = broadcast_walk<1>(step.out[0], step.in);
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  const bool repeats = w.stride[0][w.rank - 1] == 0;
  for_rows(rt, w, [&](uint64_t out, const uint64_t(&at)[1], uint64_t n) {
    if (repeats) return fill_row(y + out, x[at[0]], n);
    copy_row(y + out, x + at[0], n);
  });
  return {};
}

// ---- transpose

Status check_transpose(const Step& step) {
  const TransposeAttrs at = TransposeAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (y.rank != x.rank) return bad_plan("y must have the rank of x", "y");
  uint32_t seen = 0;
  for (uint32_t i = 0; i < x.rank; i++) {
    if (at.perm[i] >= x.rank || (seen >> at.perm[i] & 1) != 0) return bad_plan("perm is not a permutation", "perm");
    seen |= 1u << at.perm[i];
    if (y.dims[i] != x.dims[at.perm[i]]) return bad_plan("y must have the permuted shape of x", "y");
  }
  return {};
}

// y[a][b] = x[b][a] for a < rows, b < columns: one tile of vectors, or less.
void transpose_tile(float* y, uint64_t y_stride, const float* x, uint64_t x_stride, int rows, int columns) {
  vf tile[kLanes];
  if (rows == kLanes && columns == kLanes) {
    for (int b = 0; b < kLanes; b++) tile[b] = load(x + b * x_stride);
    transpose(tile);
    for (int a = 0; a < kLanes; a++) store(y + a * y_stride, tile[a]);
    return;
  }
  for (int b = 0; b < kLanes; b++) tile[b] = b < columns ? load_first(x + b * x_stride, rows) : zero();
  transpose(tile);
  for (int a = 0; a < kLanes; a++)
    if (a < rows) store_first(y + a * y_stride, tile[a], columns);
}

// The walk's axis `fast` is dense in x, its last axis in y.
void transpose_tiles(const Runtime& rt, float* y, const float* x, const Walk<1>& w, uint32_t fast) {
  constexpr uint64_t kBand = 64;
  const uint32_t last = w.rank - 1;
  uint64_t y_stride[kMaxRank], running = 1, outer = 1;
  for (uint32_t i = w.rank; i-- > 0;) {
    y_stride[i] = running;
    running *= w.dims[i];
    if (i != fast && i != last) outer *= w.dims[i];
  }
  const uint64_t rows = w.dims[fast], columns = w.dims[last], bands = ceil_div(rows, kBand);
  for_parts(rt, parts_of(outer * bands, at_most(rows, kBand) * columns), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t i = begin; i < end; i++) {
      const uint64_t from = i % bands * kBand, to = at_most(from + kBand, rows);
      uint64_t rest = i / bands, x_at = 0, y_at = 0;
      for (uint32_t axis = w.rank; axis-- > 0;) {
        if (axis == fast || axis == last) continue;
        const uint64_t index = rest % w.dims[axis];
        rest /= w.dims[axis];
        x_at += index * w.stride[0][axis];
        y_at += index * y_stride[axis];
      }
      for (uint64_t b = 0; b < columns; b += kLanes)
        for (uint64_t a = from; a < to; a += kLanes)
          transpose_tile(y + y_at + a * y_stride[fast] + b, y_stride[fast], x + x_at + b * w.stride[0][last] + a,
                         w.stride[0][last], static_cast<int>(at_most(kLanes, to - a)),
                         static_cast<int>(at_most(kLanes, columns - b)));
    }
  });
}

Status run_transpose(const Step& step, const Runtime& rt) {
  const TransposeAttrs at = TransposeAttrs::read(step.attrs);
  const View& in = step.in[0];
  const float* x = f32(in);
  float* y = f32(step.out[0]);
  if (numel(in) == 0) return {};
  uint64_t stride[kMaxRank], running = 1;
  for (uint32_t i = in.rank; i-- > 0;) {
    stride[i] = running;
    running *= in.dims[i];
  }
  Walk<1> w;
  for (uint32_t i = 0; i < in.rank; i++) add_axis<1>(w, in.dims[at.perm[i]], {stride[at.perm[i]]});
  close_walk(w);
  for (uint32_t i = 0; i + 1 < w.rank; i++)
    if (w.stride[0][i] == 1) {
      transpose_tiles(rt, y, x, w, i);
      return {};
    }
  for_rows(rt, w, [&](uint64_t out, const uint64_t(&from)[1], uint64_t n) { copy_row(y + out, x + from[0], n); });
  return {};
}

// ---- slice, pad, concat: [outer, along the axis, inner]

bool same_but_axis(const View& a, const View& b, uint32_t axis) {
  if (a.rank != b.rank) return false;
  for (uint32_t i = 0; i < a.rank; i++)
    if (i != axis && a.dims[i] != b.dims[i]) return false;
  return true;
}

Status check_slice(const Step& step) {
  const SliceAttrs at = SliceAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (at.axis >= x.rank) return bad_plan("axis is not one of x", "axis");
  if (uint64_t{at.start} + at.size > x.dims[at.axis]) return bad_plan("the slice ends past the axis", "size");
  if (!same_but_axis(x, y, at.axis) || y.dims[at.axis] != at.size)
    return bad_plan("y must have the shape of x but for size along the axis", "y");
  return {};
}

Status run_slice(const Step& step, const Runtime& rt) {
  const SliceAttrs at = SliceAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (numel(y) == 0) return {};
  const uint64_t outer = span_of(x, 0, at.axis), inner = span_of(x, at.axis + 1, x.rank);
  copy_rows(rt, f32(y), at.size * inner, f32(x) + at.start * inner, x.dims[at.axis] * inner, outer, at.size * inner);
  return {};
}

Status check_pad(const Step& step) {
  const PadAttrs at = PadAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (at.axis >= x.rank) return bad_plan("axis is not one of x", "axis");
  if (!same_but_axis(x, y, at.axis) || y.dims[at.axis] != x.dims[at.axis] + at.before + at.after)
    return bad_plan("y must have the shape of x, longer by before + after along the axis", "y");
  return {};
}

Status run_pad(const Step& step, const Runtime& rt) {
  const PadAttrs at = PadAttrs::read(step.attrs);
  const View &x = step.in[0], &y = step.out[0];
  if (numel(y) == 0) return {};
  const uint64_t outer = span_of(x, 0, at.axis), inner = span_of(x, at.axis + 1, x.rank);
  const uint64_t before = at.before * inner, run = x.dims[at.axis] * inner, after = at.after * inner;
  const uint64_t whole = before + run + after;
  zero_rows(rt, f32(y), whole, outer, before);
  copy_rows(rt, f32(y) + before, whole, f32(x), run, outer, run);
  zero_rows(rt, f32(y) + before + run, whole, outer, after);
  return {};
}

Status check_concat(const Step& step) {
  const ConcatAttrs at = ConcatAttrs::read(step.attrs);
  const View& y = step.out[0];
  if (step.inputs == 0) return bad_plan("there is nothing to join", "xs");
  if (at.axis >= y.rank) return bad_plan("axis is not one of y", "axis");
  uint64_t total = 0;
  for (uint32_t i = 0; i < step.inputs; i++) {
    if (!same_but_axis(step.in[i], y, at.axis)) return bad_plan("shapes differ off the axis", "xs");
    total += step.in[i].dims[at.axis];
  }
  if (total != y.dims[at.axis]) return bad_plan("y must be as long as all inputs together", "y");
  return {};
}

Status run_concat(const Step& step, const Runtime& rt) {
  const ConcatAttrs at = ConcatAttrs::read(step.attrs);
  const View& y = step.out[0];
  if (numel(y) == 0) return {};
  const uint64_t outer = span_of(y, 0, at.axis), inner = span_of(y, at.axis + 1, y.rank);
  float* to = f32(y);
  for (uint32_t i = 0; i < step.inputs; i++) {
    const uint64_t run = step.in[i].dims[at.axis] * inner;
    copy_rows(rt, to, y.dims[at.axis] * inner, f32(step.in[i]), run, outer, run);
    to += run;
  }
  return {};
}

}  // namespace

extern const Kernel broadcast_to_kernel = {check_broadcast, nullptr, run_broadcast};
extern const Kernel transpose_kernel = {check_transpose, nullptr, run_transpose};
extern const Kernel slice_kernel = {check_slice, nullptr, run_slice};
extern const Kernel pad_kernel = {check_pad, nullptr, run_pad};
extern const Kernel concat_kernel = {check_concat, nullptr, run_concat};

}  // namespace tenon::TENON_ISA
