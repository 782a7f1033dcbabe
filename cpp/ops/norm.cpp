// Layer and batch normalisation. Statistics are good to 1e-7 of the data's own spread, however far its mean is from 0:
// squares are summed around a mean of the same few rows.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/columns.h"

namespace tenon::TENON_ISA {
namespace {

// ---- layernorm: a row at a time

struct Rows {
  uint64_t rows;
  uint64_t c;
};

// The lead dims are those of mean, which has no elements only where there are no rows.
Rows rows_of(const View& x, const View& mean) { return {numel(mean), x.dims[x.rank - 1]}; }

Status rows_layernorm(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const double eps = static_cast<double>(LayernormAttrs::read(step.attrs).eps);
  const uint64_t c = numel(step.in[1]);
  const float *scale = f32(step.in[1]), *shift = f32(step.in[2]);
  const double share = 1.0 / static_cast<double>(at_least(c, 1));
  for (uint64_t row = begin; row < end; row++) {
    const float* x = f32(step.in[0]) + row * c;
    float* y = f32(step.out[0]) + row * c;
    const float mean = static_cast<float>(sum_row(x, c) * share);
    const double squares = sum_terms(c, [&](uint64_t i, int count) {
      const vf d = load_part(x + i, count) - mean;
      return d * d;
    });
    const float rstd = static_cast<float>(1 / __builtin_sqrt(squares * share + eps));
    f32(step.out[1])[row] = mean;
    f32(step.out[2])[row] = rstd;
    for_lanes(c, [&](uint64_t i, int count) {
      const vf normal = (load_part(x + i, count) - mean) * rstd;
      store_part(y + i, normal * load_part(scale + i, count) + load_part(shift + i, count), count);
    });
  }
  return {};
}

// Partial sums of dscale and dshift, one pair a part, each in f64 with an f32 pair before it for kRowBlock rows.
struct Partials {
  Parts parts;
  uint64_t c;
  uint64_t wide;  // doubles a part
  uint64_t bytes() const { return parts.count * wide * (sizeof(double) + sizeof(float)); }
  double* sums(const Runtime& rt, uint32_t part) const { return reinterpret_cast<double*>(rt.scratch) + part * wide; }
  float* block(const Runtime& rt, uint32_t part) const {
    return reinterpret_cast<float*>(reinterpret_cast<double*>(rt.scratch) + parts.count * wide) + part * wide;
  }
};

Partials partials_of(const Rows& r) {
  Parts parts = few_parts_of(r.rows, r.c, kColumnParts);
  parts.each = at_least(parts.each, kRowBlock);
  parts.count = static_cast<uint32_t>(ceil_div(r.rows, parts.each));
  return {parts, r.c, 2 * r.c};
}

uint64_t scratch_layernorm_grad(const Step& step, int) { return partials_of(rows_of(step.in[0], step.in[2])).bytes(); }

// With n = (x - mean) * rstd and g = dy * scale: dx = rstd * (g - mean(g) - n * mean(g * n)) + more. dx may be more.
template <bool kMore>
void layernorm_grad_row(float* dx, const float* x, const float* dy, const float* scale, float mean, float rstd,
                        uint64_t c, float* dscale, float* dshift, const float* more) {
  const double share = 1.0 / static_cast<double>(c);
  const float mean_g = static_cast<float>(share * sum_terms(c, [&](uint64_t i, int count) {
                                            return load_part(dy + i, count) * load_part(scale + i, count);
                                          }));
  const float mean_gn = static_cast<float>(share * sum_terms(c, [&](uint64_t i, int count) {
                                             const vf g = load_part(dy + i, count) * load_part(scale + i, count);
                                             return g * ((load_part(x + i, count) - mean) * rstd);
                                           }));
  for_lanes(c, [&](uint64_t i, int count) {
    const vf d = load_part(dy + i, count), n = (load_part(x + i, count) - mean) * rstd;
    const vf through = rstd * (d * load_part(scale + i, count) - mean_g - n * mean_gn);
    store_part(dx + i, kMore ? through + load_part(more + i, count) : through, count);
    store_part(dscale + i, load_part(dscale + i, count) + d * n, count);
    store_part(dshift + i, load_part(dshift + i, count) + d, count);
  });
}

// y[j] = the sum of column j of all parts, and z[j] that of column c + j.
void join_partials(const Runtime& rt, const double* sums, uint32_t count, uint64_t c, float* y, float* z) {
  for_parts(rt, parts_of(2 * c, count), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t j = begin; j < end; j++) {
      double all = 0;
      for (uint32_t part = 0; part < count; part++) all += sums[part * 2 * c + j];
      (j < c ? y[j] : z[j - c]) = static_cast<float>(all);
    }
  });
}

template <bool kMore>
Status layernorm_grad(const Step& step, const Runtime& rt) {
  const Rows r = rows_of(step.in[0], step.in[2]);
  const Partials p = partials_of(r);
  const uint64_t c = r.c;
  if (c == 0) return {};
  for_parts(rt, p.parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    double* sums = p.sums(rt, part);
    float* block = p.block(rt, part);
    for (uint64_t i = 0; i < p.wide; i++) sums[i] = 0;
    while (begin < end) {
      const uint64_t stop = at_most(begin + kRowBlock, end);
      fill_row(block, 0.0f, p.wide);
      for (; begin < stop; begin++)
        layernorm_grad_row<kMore>(f32(step.out[0]) + begin * c, f32(step.in[0]) + begin * c,
                                  f32(step.in[4]) + begin * c, f32(step.in[1]), f32(step.in[2])[begin],
                                  f32(step.in[3])[begin], c, block, block + c,
                                  kMore ? f32(step.in[5]) + begin * c : nullptr);
      for (uint64_t i = 0; i < p.wide; i++) sums[i] += static_cast<double>(block[i]);
    }
  });
  join_partials(rt, p.sums(rt, 0), p.parts.count, c, f32(step.out[1]), f32(step.out[2]));
  return {};
}

Status run_layernorm_grad(const Step& step, const Runtime& rt) {
  return step.in[5].present ? layernorm_grad<true>(step, rt) : layernorm_grad<false>(step, rt);
}

// ---- batchnorm: [rows, c] as Columns; a table of numbers a column is laid out to the period

// Room for `tables` laid-out tables of floats and one pair of f64 sums a column for each part and for the rest.
struct Room {
  Columns m;
  uint64_t tables;
  uint64_t pairs() const { return 2 * m.period; }
  uint64_t sums() const { return (m.parts.count + 1) * pairs(); }
  uint64_t bytes() const { return sums() * sizeof(double) + tables * m.period * sizeof(float); }
  double* sums(const Runtime& rt, uint32_t part) const {
    return reinterpret_cast<double*>(rt.scratch) + part * pairs();
  }
  float* table(const Runtime& rt, uint64_t i) const {
    return reinterpret_cast<float*>(reinterpret_cast<double*>(rt.scratch) + sums()) + i * m.period;
  }
};

Room room_of(const View& x, uint64_t tables) { return {columns_of(x.dims[0], x.dims[1]), tables}; }

template <uint64_t kTables>
uint64_t scratch_columns(const Step& step, int) {
  return numel(step.in[0]) == 0 ? 0 : room_of(step.in[0], kTables).bytes();
}

// Lays out value(column).
template <typename Value>
const float* lay_out(const Runtime& rt, const Room& room, uint64_t table, Value value) {
  float* to = room.table(rt, table);
  for (uint64_t j = 0; j < room.m.c; j++) to[j] = value(j);
  repeat_columns(to, room.m.c, room.m.period);
  return to;
}

// body(at, column, count) over all elements in parallel, a vector at a time; `at` their place, `column` in the period.
template <typename Body>
void for_columns(const Runtime& rt, const Columns& m, Body body) {
  const Parts parts = parts_of(m.rows + (m.rest > 0), m.period);
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t row = begin; row < end; row++)
      for_lanes(row < m.rows ? m.period : m.rest,
                [&](uint64_t column, int count) { body(row * m.period + column, column, count); });
  });
}

// Two sums a column. of_block(row, rows, column, count, s, t): those of a block of vectors, s and t to be added to;
// of_one(at, column, s, t): those of one element. Ends in the pair of the first part: s at [j], t at [period + j], j <
// c.
template <typename OfBlock, typename OfOne>
const double* two_sums(const Runtime& rt, const Room& room, OfBlock of_block, OfOne of_one) {
  const Columns& m = room.m;
  for_parts(rt, m.parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    double *s = room.sums(rt, part), *t = s + m.period;
    for (uint64_t i = 0; i < room.pairs(); i++) s[i] = 0;
    for_blocks(begin, end, m.period, [&](uint64_t row, uint64_t rows, uint64_t column, int count) {
      of_block(row, rows, column, count, s + column, t + column);
    });
  });
  double *rest = room.sums(rt, m.parts.count), *all = room.sums(rt, 0);
  for (uint64_t i = 0; i < room.pairs(); i++) rest[i] = 0;
  for (uint64_t j = 0; j < m.rest; j++) of_one(m.rows * m.period + j, j, rest[j], rest[m.period + j]);
  for_parts(rt, parts_of(room.pairs(), m.parts.count), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint32_t part = 1; part <= m.parts.count; part++)
      for (uint64_t i = begin; i < end; i++) all[i] += room.sums(rt, part)[i];
  });
  for (uint64_t i = m.c; i < m.period; i++) {
    all[i % m.c] += all[i];
    all[m.period + i % m.c] += all[m.period + i];
  }
  return all;
}

// Sums of x and of its squares, the latter as exact as if the mean were 0: a block adds its squares around its own mean
// and, in f64, what the mean makes of them.
const double* moments(const Runtime& rt, const Room& room, const float* x) {
  const uint64_t period = room.m.period;
  return two_sums(
      rt, room,
      [&](uint64_t row, uint64_t rows, uint64_t column, int count, double* s, double* t) {
        const float* p = x + row * period + column;
        vf sum = zero(), squares = zero();
        for (uint64_t i = 0; i < rows; i++) sum += load_part(p + i * period, count);
        const vf mean = sum * (1.0f / static_cast<float>(rows));
        for (uint64_t i = 0; i < rows; i++) {
          const vf d = load_part(p + i * period, count) - mean;
          squares += d * d;
        }
        float sums[kLanes], around[kLanes];
        store(sums, sum);
        store(around, squares);
        const double share = 1.0 / static_cast<double>(rows);
        for (int i = 0; i < count; i++) {
          const double all = static_cast<double>(sums[i]);
          s[i] += all;
          t[i] += static_cast<double>(around[i]) + all * all * share;
        }
      },
      [&](uint64_t at, uint64_t, double& s, double& t) {
        const double value = static_cast<double>(x[at]);
        s += value;
        t += value * value;
      });
}

float inverse_deviation(float variance, float eps) {
  return static_cast<float>(1 / __builtin_sqrt(static_cast<double>(variance) + static_cast<double>(eps)));
}

// y = (x - mean) * rstd * scale + shift
void normalise(const Runtime& rt, const Room& room, const Step& step, const float* mean, const float* variance,
               float eps) {
  const float *scale = f32(step.in[1]), *shift = f32(step.in[2]), *x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  const float* a = lay_out(rt, room, 0, [&](uint64_t j) { return inverse_deviation(variance[j], eps) * scale[j]; });
  const float* b = lay_out(rt, room, 1, [&](uint64_t j) { return shift[j]; });
  const float* middle = lay_out(rt, room, 2, [&](uint64_t j) { return mean[j]; });
  for_columns(rt, room.m, [&](uint64_t at, uint64_t column, int count) {
    const vf centred = load_part(x + at, count) - load_part(middle + column, count);
    store_part(y + at, centred * load_part(a + column, count) + load_part(b + column, count), count);
  });
}

Status run_batchnorm(const Step& step, const Runtime& rt) {
  const View& x = step.in[0];
  const uint64_t rows = x.dims[0], c = x.dims[1];
  float *mean = f32(step.out[1]), *variance = f32(step.out[2]);
  if (rows == 0 || c == 0) {
    fill_row(mean, 0.0f, c);
    fill_row(variance, 0.0f, c);
    return {};
  }
  const Room room = room_of(x, 3);
  const double* sums = moments(rt, room, f32(x));
  const double share = 1.0 / static_cast<double>(rows);
  for (uint64_t j = 0; j < c; j++) {
    const double middle = sums[j] * share, spread = sums[room.m.period + j] - sums[j] * middle;
    mean[j] = static_cast<float>(middle);
    variance[j] = spread < 0 ? 0.0f : static_cast<float>(spread * share);  // NaN stays
  }
  normalise(rt, room, step, mean, variance, BatchnormAttrs::read(step.attrs).eps);
  return {};
}

Status run_batchnorm_infer(const Step& step, const Runtime& rt) {
  const View& x = step.in[0];
  if (numel(x) == 0) return {};
  normalise(rt, room_of(x, 3), step, f32(step.in[3]), f32(step.in[4]), BatchnormInferAttrs::read(step.attrs).eps);
  return {};
}

// dshift = sum dy; dscale = rstd * sum dy * (x - mean); dx = scale * rstd * (dy - dshift / rows - n * dscale / rows).
Status run_batchnorm_grad(const Step& step, const Runtime& rt) {
  const float eps = BatchnormGradAttrs::read(step.attrs).eps;
  const uint64_t rows = step.in[0].dims[0], c = step.in[0].dims[1];
  const float *x = f32(step.in[0]), *scale = f32(step.in[1]), *mean = f32(step.in[2]), *variance = f32(step.in[3]);
  const float* dy = f32(step.in[4]);
  float *dx = f32(step.out[0]), *dscale = f32(step.out[1]), *dshift = f32(step.out[2]);
  if (rows == 0 || c == 0) {
    fill_row(dscale, 0.0f, c);
    fill_row(dshift, 0.0f, c);
    return {};
  }
  const Room room = room_of(step.in[0], 4);
  const uint64_t period = room.m.period;
  const float* middle = lay_out(rt, room, 0, [&](uint64_t j) { return mean[j]; });
  const double* sums = two_sums(
      rt, room,
      [&](uint64_t row, uint64_t n, uint64_t column, int count, double* s, double* t) {
        const uint64_t at = row * period + column;
        const vf m = load_part(middle + column, count);
        vf plain = zero(), weighted = zero();
        for (uint64_t i = 0; i < n; i++) {
          const vf d = load_part(dy + at + i * period, count);
          plain += d;
          weighted += d * (load_part(x + at + i * period, count) - m);
        }
        add_lanes(s, plain, count);
        add_lanes(t, weighted, count);
      },
      [&](uint64_t at, uint64_t column, double& s, double& t) {
        s += static_cast<double>(dy[at]);
        t += static_cast<double>(dy[at]) * (static_cast<double>(x[at]) - static_cast<double>(middle[column]));
      });
  const double share = 1.0 / static_cast<double>(rows);
  const float* a = lay_out(rt, room, 1, [&](uint64_t j) { return scale[j] * inverse_deviation(variance[j], eps); });
  const float* b = lay_out(rt, room, 2, [&](uint64_t j) { return static_cast<float>(sums[j] * share); });
  const float* slope = lay_out(rt, room, 3, [&](uint64_t j) {
    const double rstd = static_cast<double>(inverse_deviation(variance[j], eps));
    return static_cast<float>(sums[period + j] * rstd * rstd * share);
  });
  for (uint64_t j = 0; j < c; j++) {
    dshift[j] = static_cast<float>(sums[j]);
    dscale[j] = static_cast<float>(sums[period + j] * static_cast<double>(inverse_deviation(variance[j], eps)));
  }
  for_columns(rt, room.m, [&](uint64_t at, uint64_t column, int count) {
    const vf centred = load_part(x + at, count) - load_part(middle + column, count);
    const vf inner =
        load_part(dy + at, count) - load_part(b + column, count) - centred * load_part(slope + column, count);
    store_part(dx + at, load_part(a + column, count) * inner, count);
  });
  return {};
}

}  // namespace

extern const Kernel layernorm_kernel = {nullptr, nullptr, nullptr, rows_layernorm, 2};
extern const Kernel layernorm_grad_kernel = {nullptr, scratch_layernorm_grad, run_layernorm_grad};
extern const Kernel batchnorm_kernel = {nullptr, scratch_columns<3>, run_batchnorm};
extern const Kernel batchnorm_grad_kernel = {nullptr, scratch_columns<4>, run_batchnorm_grad};
extern const Kernel batchnorm_infer_kernel = {nullptr, scratch_columns<3>, run_batchnorm_infer};

}  // namespace tenon::TENON_ISA
