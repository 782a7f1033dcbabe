// Very sparse random projections of data (Li, Hastie and Church 2006), of dense rows and of rows as lists (CSR).
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"
#include "simd/philox.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kMostColumns = 65536;
constexpr uint64_t kMostFeatures = uint64_t{1} << 31;

// R [features, columns]: which entries of a row there are, made from gaps.
struct Sketch {
  PhiloxKey key;
  uint32_t stream;
  uint64_t columns;
  double slope;  // 1 / ln(1 - 1/sparsity), negative; -0 where every entry is there
  float scale;
};

template <class Attrs>
TENON_INLINE Sketch sketch_of(const Attrs& at) {
  const double share = 1 / static_cast<double>(at.sparsity);
  const double slope = share < 1 ? 1 / __builtin_log1p(-share) : -0.0;
  return {
      {at.key0, at.key1}, at.stream, at.k, slope, static_cast<float>(__builtin_sqrt(1 / share / at_least(at.k, 1)))};
}

// Gaps, each with its sign, of kBlocks blocks of words: [4][kBlocks].
struct Gaps {
  double passed[4][kBlocks];
  uint32_t sign[4][kBlocks];
};

TENON_INLINE void gaps_of(const Sketch& s, vuq features, vuq blocks, Gaps& gaps) {
  vuq w[4];
  philox_at(features, blocks, s.stream, 0, s.key, w);
  for (int k = 0; k < 4; k++) {
    const vd gap = log_wide(to_unit(w[k])) * s.slope;
    for (int i = 0; i < kBlocks; i++) {
      gaps.passed[k][i] = gap[i];
      gaps.sign[k][i] = static_cast<uint32_t>(w[k][i]) << 31;
    }
  }
}

// One step along a row: false at its end.
TENON_INLINE bool step_on(const Sketch& s, double gap, uint64_t& at) {
  if (gap >= static_cast<double>(s.columns)) return false;
  at += 1 + static_cast<uint64_t>(gap);
  return at < s.columns;
}

// body(column, sign bit) for row `feature` of R, lane `lane` of the gaps of its first blocks.
template <typename Body>
TENON_INLINE void for_entries(const Sketch& s, const Gaps& first, int lane, uint64_t feature, Body body) {
  uint64_t at = ~uint64_t{0};  // one before the first
  for (int k = 0; k < 4; k++) {
    if (!step_on(s, first.passed[k][lane], at)) return;
    body(at, first.sign[k][lane]);
  }
  for (uint64_t block = 1;; block += kBlocks) {
    Gaps more;
    gaps_of(s, feature + vuq{}, block + block_index(), more);
    for (int b = 0; b < kBlocks; b++)
      for (int k = 0; k < 4; k++) {
        if (!step_on(s, more.passed[k][b], at)) return;
        body(at, more.sign[k][b]);
      }
  }
}

TENON_INLINE float signed_by(float x, uint32_t sign) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits ^= sign;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

template <class Attrs>
Status check_sketch(const Attrs& at, const Step& step) {
  if (at.k > kMostColumns) return bad_plan("at most 65536", "k");
  if (!(at.sparsity >= 1.0f && at.sparsity <= 1e9f)) return bad_plan("must be from 1 to 1e9", "sparsity");
  if (step.out[0].dims[1] != at.k) return bad_plan("y must have k columns", "y");
  return {};
}

// ---- dense rows: the entries of some features are listed once for the rows of a task

constexpr uint64_t kListed = 65536;  // entries of a list
constexpr uint64_t kRows = 64;       // of a task

struct Entry {
  uint32_t feature, column, sign;
};

Status check_dense(const Step& step) {
  if (step.in[0].dims[1] > kMostFeatures) return bad_plan("at most 2^31 features", "x");
  return check_sketch(SparseProjectAttrs::read(step.attrs), step);
}

uint64_t list_room(uint64_t columns) { return kListed + columns * kBlocks; }

uint64_t scratch_dense(const Step& step, int threads) {
  return static_cast<uint64_t>(threads) * list_room(step.out[0].dims[1]) * sizeof(Entry);
}

// Lists rows of R from `feature` on until the list is full or they end; returns the next feature.
uint64_t list_entries(const Sketch& s, uint64_t feature, uint64_t features, Entry* list, uint64_t* count) {
  uint64_t n = 0;
  while (feature < features && n < kListed) {
    Gaps gaps;
    gaps_of(s, feature + block_index(), vuq{}, gaps);
    const int some = static_cast<int>(at_most(kBlocks, features - feature));
    for (int lane = 0; lane < some; lane++) {
      const uint64_t j = feature + static_cast<uint64_t>(lane);
      for_entries(s, gaps, lane, j, [&](uint64_t column, uint32_t sign) {
        list[n++] = {static_cast<uint32_t>(j), static_cast<uint32_t>(column), sign};
      });
    }
    feature += static_cast<uint64_t>(some);
  }
  *count = n;
  return feature;
}

Status run_dense(const Step& step, const Runtime& rt) {
  const Sketch s = sketch_of(SparseProjectAttrs::read(step.attrs));
  const uint64_t rows = step.in[0].dims[0], features = step.in[0].dims[1], k = s.columns;
  const float* x = f32(step.in[0]);
  float* y = f32(step.out[0]);
  if (k == 0) return {};
  parallel_for(rt, static_cast<uint32_t>(ceil_div(rows, kRows)), [&](uint32_t task, uint32_t worker) {
    Entry* list = reinterpret_cast<Entry*>(rt.scratch) + worker * list_room(k);
    const uint64_t begin = task * kRows, end = at_most(begin + kRows, rows);
    fill_row(y + begin * k, 0.0f, (end - begin) * k);
    for (uint64_t feature = 0; feature < features;) {
      uint64_t count;
      feature = list_entries(s, feature, features, list, &count);
      for (uint64_t r = begin; r < end; r++)
        for (uint64_t i = 0; i < count; i++)
          y[r * k + list[i].column] += signed_by(x[r * features + list[i].feature], list[i].sign);
    }
    map_row(y + begin * k, y + begin * k, (end - begin) * k, [&](vf v) { return v * s.scale; });
  });
  return {};
}

// ---- rows as lists

Status check_csr(const Step& step) {
  const View& offsets = step.in[2];
  if (step.out[0].rank != 2 || offsets.dims[0] < 1 || step.out[0].dims[0] != offsets.dims[0] - 1)
    return bad_plan("one more than rows", "offsets");
  const SparseProjectCsrAttrs at = SparseProjectCsrAttrs::read(step.attrs);
  if (at.features > kMostFeatures) return bad_plan("at most 2^31 features", "features");
  return check_sketch(at, step);
}

Status bad_index(const char* what, const char* field) { return {Code::kBadIndex, what, -1, field}; }

// One row: false where an index is none of a feature.
bool project_list(const Sketch& s, const float* values, const int32_t* indices, uint64_t count, uint32_t of, float* y) {
  fill_row(y, 0.0f, s.columns);
  for (uint64_t i = 0; i < count; i += kBlocks) {
    const uint64_t some = at_most(kBlocks, count - i);
    uint32_t feature[kBlocks] = {};
    vuq features = {};
    for (uint64_t lane = 0; lane < some; lane++) {
      feature[lane] = static_cast<uint32_t>(indices[i + lane]);  // a negative one is above all
      if (feature[lane] >= of) return false;
      features[lane] = feature[lane];
    }
    Gaps gaps;
    gaps_of(s, features, vuq{}, gaps);
    for (uint64_t lane = 0; lane < some; lane++) {
      const float x = values[i + lane] * s.scale;
      for_entries(s, gaps, static_cast<int>(lane), feature[lane],
                  [&](uint64_t column, uint32_t sign) { y[column] += signed_by(x, sign); });
    }
  }
  return true;
}

Status run_csr(const Step& step, const Runtime& rt) {
  const SparseProjectCsrAttrs at = SparseProjectCsrAttrs::read(step.attrs);
  const Sketch s = sketch_of(at);
  const uint64_t rows = step.out[0].dims[0], n = step.in[0].dims[0];
  const int32_t* offsets = i32(step.in[2]);
  float* y = f32(step.out[0]);
  if (s.columns == 0) return {};
  Flag order, index;
  for_parts(rt, parts_of(rows, 8 * s.columns), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t r = begin; r < end; r++) {
      const int64_t from = offsets[r], to = offsets[r + 1];
      if (from < 0 || to < from || static_cast<uint64_t>(to) > n) return order.raise();
      const uint64_t count = static_cast<uint64_t>(to - from);
      if (!project_list(s, f32(step.in[0]) + from, i32(step.in[1]) + from, count, at.features, y + r * s.columns))
        return index.raise();
    }
  });
  if (order.up()) return bad_index("offsets must not fall, nor pass the end of values", "offsets");
  if (index.up()) return bad_index("an index is negative, or not below features", "indices");
  return {};
}

}  // namespace

extern const Kernel sparse_project_kernel = {check_dense, scratch_dense, run_dense};
extern const Kernel sparse_project_csr_kernel = {check_csr, nullptr, run_csr};

}  // namespace tenon::TENON_ISA
