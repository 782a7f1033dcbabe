// Sums and maxima over any axes. After merging axes the input is [kept…, reduced…, rows, columns] in some order of the
// outer ones: dense blocks of `rows` by `columns`, which are reduced to `columns` numbers.
#include "gen/attrs.h"
#include "ops/columns.h"
#include "ops/walk.h"
#include "simd/wide.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kColumnBlock = 1024;
constexpr uint64_t kEnoughTasks = 64;
static_assert(kColumnBlock >= kMaxPeriod);

// Sums are f64 throughout, so that cancellation costs nothing: a vector is loaded as two halves.
struct SumFold {
  static constexpr float kFirst = 0.0f;
  static double join(double a, double b) { return a + b; }
  struct Lanes {
    vd low = {}, high = {};
    void take(const float* x, int count) {
      float some[kLanes];
      if (count < kLanes) store(some, load_first(x, count));
      const float* p = count < kLanes ? some : x;
      low += widen(p);
      high += widen(p + kWideLanes);
    }
    void take(const Lanes& other) {
      low += other.low;
      high += other.high;
    }
    // Element i of an array of kLanes.
    void give(double* lanes) const {
      __builtin_memcpy(lanes, &low, sizeof low);
      __builtin_memcpy(lanes + kWideLanes, &high, sizeof high);
    }
    double all() const {
      double lanes[kWideLanes];
      const vd both = low + high;
      __builtin_memcpy(lanes, &both, sizeof both);
      for (int half = kWideLanes / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
      return lanes[0];
    }
  };
};

// NaN where one is in it.
struct MaxFold {
  static constexpr float kFirst = -__builtin_inff();
  static double join(double a, double b) { return a > b || a != a ? a : b; }
  struct Lanes {
    vf most = splat(kFirst);
    void take(const float* x, int count) {
      most = max_nan(most, count == kLanes ? load(x) : first_lanes_of(load_first(x, count), count, kFirst));
    }
    void take(const Lanes& other) { most = max_nan(most, other.most); }
    void give(double* lanes) const {
      float narrow[kLanes];
      store(narrow, most);
      for (int i = 0; i < kLanes; i++) lanes[i] = static_cast<double>(narrow[i]);
    }
    double all() const { return static_cast<double>(max_lanes(most)); }
  };
};

struct Reduction {
  Walk<1> kept, reduced;   // outer axes
  uint64_t rows, columns;  // of a block; columns are kept
  uint64_t outputs;        // kept.outer: each gives `columns` numbers
  uint64_t lines;          // rows of all blocks of one output
  uint64_t column_blocks;  // columns are cut so that accumulators fit the stack
  uint64_t splits;         // parts of `lines` with a partial result each
  uint64_t lines_each;
};

uint64_t count_of(const Walk<1>& w) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < w.rank; i++) n *= w.dims[i];
  return n;
}

uint64_t place_of(const Walk<1>& w, uint64_t index) {
  if (w.rank == 1) return index * w.stride[0][0];
  uint64_t at = 0;
  for (uint32_t i = w.rank; i-- > 0;) {
    at += index % w.dims[i] * w.stride[0][i];
    index /= w.dims[i];
  }
  return at;
}

// Axes of size 1 and the rightmost axes of a block are left out of the walks.
Reduction plan_reduction(const View& x, uint32_t axes) {
  Reduction r = {};
  uint64_t dims[kMaxRank];
  bool reduces[kMaxRank];
  uint32_t rank = 0;
  for (uint32_t i = 0; i < x.rank; i++) {
    if (x.dims[i] == 1) continue;
    const bool reduced = (axes >> i & 1) != 0;
    if (rank > 0 && reduces[rank - 1] == reduced) {
      dims[rank - 1] *= x.dims[i];
    } else {
      dims[rank] = x.dims[i];
      reduces[rank++] = reduced;
    }
  }
  r.columns = rank > 0 && !reduces[rank - 1] ? dims[--rank] : 1;
  r.rows = rank > 0 && reduces[rank - 1] ? dims[--rank] : 1;
  uint64_t stride[kMaxRank], running = r.rows * r.columns;
  for (uint32_t i = rank; i-- > 0;) {
    stride[i] = running;
    running *= dims[i];
  }
  for (uint32_t i = 0; i < rank; i++) add_axis<1>(reduces[i] ? r.reduced : r.kept, dims[i], {stride[i]});
  close_walk(r.kept);
  close_walk(r.reduced);
  r.outputs = count_of(r.kept);
  r.lines = count_of(r.reduced) * r.rows;
  r.column_blocks = at_least(ceil_div(r.columns, kColumnBlock), 1);
  const uint64_t jobs = at_least(r.outputs * r.column_blocks, 1);
  const uint64_t work = r.lines * at_most(r.columns, kColumnBlock);
  r.splits = jobs >= kEnoughTasks ? 1 : at_least(at_most(work / kPart, kEnoughTasks / jobs), 1);
  r.lines_each = ceil_div(r.lines, r.splits);
  return r;
}

// acc[j] joins the columns of x: [rows, c], `stride` apart.
template <class Fold, int kVectors>
void fold_group(const float* x, uint64_t rows, uint64_t stride, int count, double* acc) {
  typename Fold::Lanes lanes[kVectors];
  for (uint64_t row = 0; row < rows; row++)
    for (int k = 0; k < kVectors; k++) lanes[k].take(x + row * stride + k * kLanes, count);
  for (int k = 0; k < kVectors; k++) {
    double given[kLanes];
    lanes[k].give(given);
    for (int i = 0; i < count; i++) acc[k * kLanes + i] = Fold::join(acc[k * kLanes + i], given[i]);
  }
}

template <class Fold>
void fold_block(const float* x, uint64_t rows, uint64_t stride, uint64_t c, double* acc) {
  for (uint64_t row = 0; row < rows; row += kRowBlock) {
    const float* p = x + row * stride;
    const uint64_t n = at_most(kRowBlock, rows - row);
    uint64_t j = 0;
    for (; j + 4 * kLanes <= c; j += 4 * kLanes) fold_group<Fold, 4>(p + j, n, stride, kLanes, acc + j);
    for (; j + kLanes <= c; j += kLanes) fold_group<Fold, 1>(p + j, n, stride, kLanes, acc + j);
    if (j < c) fold_group<Fold, 1>(p + j, n, stride, static_cast<int>(c - j), acc + j);
  }
}

template <class Fold>
TENON_INLINE double fold_row(const float* x, uint64_t n) {
  if (n < 4) {
    double all = static_cast<double>(Fold::kFirst);
    for (uint64_t i = 0; i < n; i++) all = Fold::join(all, static_cast<double>(x[i]));
    return all;
  }
  typename Fold::Lanes one;
  uint64_t i = 0;
  if (n >= 4 * kLanes) {
    typename Fold::Lanes lanes[4];
    for (; i + 4 * kLanes <= n; i += 4 * kLanes)
      for (int k = 0; k < 4; k++) lanes[k].take(x + i + k * kLanes, kLanes);
    lanes[0].take(lanes[1]);
    lanes[2].take(lanes[3]);
    lanes[0].take(lanes[2]);
    one = lanes[0];
  }
  for (; i + kLanes <= n; i += kLanes) one.take(x + i, kLanes);
  if (i < n) one.take(x + i, static_cast<int>(n - i));
  return one.all();
}

// The same for few columns of a dense block.
template <class Fold>
void fold_few(const float* x, uint64_t rows, uint64_t c, double* acc) {
  const uint64_t period = period_of(c), all = rows * c, whole = all / period;
  double wide[kMaxPeriod];
  for (uint64_t i = 0; i < period; i++) wide[i] = static_cast<double>(Fold::kFirst);
  fold_block<Fold>(x, whole, period, period, wide);
  for (uint64_t i = whole * period; i < all; i++) {
    double& to = wide[i - whole * period];
    to = Fold::join(to, static_cast<double>(x[i]));
  }
  for (uint64_t i = 0; i < period; i += c)
    for (uint64_t j = 0; j < c; j++) acc[j] = Fold::join(acc[j], wide[i + j]);
}

// Lines [from, to) of output `output`, columns [column, column + c).
template <class Fold>
void fold_lines(const float* x, const Reduction& r, uint64_t output, uint64_t column, uint64_t c, uint64_t from,
                uint64_t to, double* acc) {
  for (uint64_t j = 0; j < c; j++) acc[j] = static_cast<double>(Fold::kFirst);
  const float* base = x + place_of(r.kept, output) + column;
  while (from < to) {
    const uint64_t row = from % r.rows, n = at_most(r.rows - row, to - from);
    const float* p = base + place_of(r.reduced, from / r.rows) + row * r.columns;
    if (r.columns == 1) {
      acc[0] = Fold::join(acc[0], fold_row<Fold>(p, n));
    } else if (r.columns < kFewColumns && n * r.columns >= 4 * kMaxPeriod) {
      fold_few<Fold>(p, n, r.columns, acc);
    } else {
      fold_block<Fold>(p, n, r.columns, c, acc);
    }
    from += n;
  }
}

template <class Fold>
Status run_reduce(const Step& step, const Runtime& rt, uint32_t axes) {
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  if (numel(step.out[0]) == 0) return {};
  if (numel(step.in[0]) == 0) {
    fill_row(y, Fold::kFirst, numel(step.out[0]));
    return {};
  }
  const Reduction r = plan_reduction(step.in[0], axes);
  if (r.columns == 1 && r.lines == r.rows && r.splits == 1) {  // rows alone
    for_parts(rt, parts_of(r.outputs, r.rows), [&](uint64_t begin, uint64_t end, uint32_t) {
      for (uint64_t i = begin; i < end; i++) y[i] = static_cast<float>(fold_row<Fold>(x + i * r.rows, r.rows));
    });
    return {};
  }
  const uint64_t width = at_most(r.columns, kColumnBlock);
  const Parts parts = parts_of(r.outputs * r.column_blocks * r.splits, r.lines_each * width);
  double* partial = reinterpret_cast<double*>(rt.scratch);
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t i = begin; i < end; i++) {
      const uint64_t split = i % r.splits, job = i / r.splits;
      const uint64_t output = job / r.column_blocks, column = job % r.column_blocks * kColumnBlock;
      const uint64_t c = at_most(kColumnBlock, r.columns - column);
      const uint64_t from = at_most(split * r.lines_each, r.lines);
      double acc[kColumnBlock];
      fold_lines<Fold>(x, r, output, column, c, from, at_most(from + r.lines_each, r.lines), acc);
      double* keep = partial + split * r.outputs * r.columns + output * r.columns + column;
      for (uint64_t j = 0; j < c; j++) {
        if (r.splits > 1)
          keep[j] = acc[j];
        else
          y[output * r.columns + column + j] = static_cast<float>(acc[j]);
      }
    }
  });
  if (r.splits == 1) return {};
  const uint64_t n = r.outputs * r.columns;
  for_parts(rt, parts_of(n, r.splits), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t j = begin; j < end; j++) {
      double all = partial[j];
      for (uint64_t split = 1; split < r.splits; split++) all = Fold::join(all, partial[split * n + j]);
      y[j] = static_cast<float>(all);
    }
  });
  return {};
}

uint64_t scratch_reduce(const View& x, uint32_t axes) {
  if (numel(x) == 0) return 0;
  const Reduction r = plan_reduction(x, axes);
  return r.splits == 1 ? 0 : r.splits * r.outputs * r.columns * sizeof(double);
}

Status check_reduce(const Step& step, uint32_t axes) {
  const View &x = step.in[0], &y = step.out[0];
  if (axes >> x.rank != 0) return bad_plan("axes names an axis that x lacks", "axes");
  if (y.rank != x.rank) return bad_plan("y must have the rank of x", "y");
  for (uint32_t i = 0; i < x.rank; i++)
    if (y.dims[i] != ((axes >> i & 1) != 0 ? 1 : x.dims[i]))
      return bad_plan("y must have the shape of x with reduced axes of size 1", "y");
  return {};
}

template <class Fold, class Attrs>
constexpr Kernel reduce = {
    [](const Step& step) { return check_reduce(step, Attrs::read(step.attrs).axes); },
    [](const Step& step, int) { return scratch_reduce(step.in[0], Attrs::read(step.attrs).axes); },
    [](const Step& step, const Runtime& rt) { return run_reduce<Fold>(step, rt, Attrs::read(step.attrs).axes); }};

}  // namespace

extern const Kernel sum_kernel = reduce<SumFold, SumAttrs>;
extern const Kernel max_reduce_kernel = reduce<MaxFold, MaxReduceAttrs>;

}  // namespace tenon::TENON_ISA
