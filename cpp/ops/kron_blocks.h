// Blocks of channels of a weight that is a sum of Kronecker products (kron.h): rows or columns of it made while they
// are needed, and a block of its gradient reduced to the factors' and the algebra's.
#pragma once
#include "ops/combine.h"
#include "ops/kron.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {

TENON_INLINE int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
TENON_INLINE int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

// Rows (γ, o) of the factors from `factor` on whose rows (γ, p, o) of W start at `weight`: consecutive in both.
struct KronRun {
  int64_t p, factor, weight, count;
};

// body(KronRun) for the rows of W in [begin, end) that come from the rows [first, last) of the factors.
template <typename Body>
TENON_INLINE void for_kron_runs(const KronShape& k, int64_t first, int64_t last, int64_t begin, int64_t end,
                                Body body) {
  for (int64_t row = first; row < last;) {
    const int64_t group = row / k.outs, o = row % k.outs, count = lesser(k.outs - o, last - row);
    for (int64_t p = 0; p < k.n; p++) {
      const int64_t start = (group * k.n + p) * k.outs + o;
      const int64_t from = greater(start, begin), to = lesser(start + count, end);
      if (from < to) body(KronRun{p, row + from - start, from, to - from});
    }
    row += count;
  }
}

TENON_INLINE Parts kron_parts(const KronShape& k, uint64_t limit) {
  return few_parts_of(static_cast<uint64_t>(k.groups * k.outs), static_cast<uint64_t>(k.taps * k.cube() * k.ins),
                      limit);
}
constexpr uint64_t kKronParts = 32;  // of the factors' rows, each with sums of its own

// w [end - begin, taps, n * ins]: of rows [begin, end) of W those that come from rows [first, last) of the factors.
static inline void make_some_rows(const KronShape& k, const float* a, const float* f, float* w, int64_t begin,
                                  int64_t end, int64_t first, int64_t last) {
  for_kron_runs(k, first, last, begin, end, [&](const KronRun& r) {
    for (int64_t q = 0; q < k.n; q++)
      combine(w + (r.weight - begin) * k.taps * k.in() + q * k.ins, f + r.factor * k.taps * k.ins, a + r.p * k.n + q,
              {r.count * k.taps, k.ins, k.in(), k.ins}, {1, k.n, 0, k.factor_size(), 0, k.n * k.n});
  });
}
static inline void make_kron_rows(const Runtime& rt, const KronShape& k, const float* a, const float* f, float* w,
                                  int64_t begin, int64_t end) {
  for_parts(rt, kron_parts(k, 256), [&](uint64_t first, uint64_t last, uint32_t) {
    make_some_rows(k, a, f, w, begin, end, static_cast<int64_t>(first), static_cast<int64_t>(last));
  });
}

// w [out, taps, end - begin]: of columns [begin, end) of W the rows that come from rows [first, last) of the factors.
static inline void make_some_columns(const KronShape& k, const float* a, const float* f, float* w, int64_t begin,
                                     int64_t end, int64_t first, int64_t last) {
  const int64_t wide = end - begin;
  for_kron_runs(k, first, last, 0, k.out(), [&](const KronRun& r) {
    for (int64_t c = begin; c < end;) {
      const int64_t q = c / k.ins, within = c % k.ins, here = lesser(k.ins - within, end - c);
      combine(w + r.weight * k.taps * wide + c - begin, f + r.factor * k.taps * k.ins + within, a + r.p * k.n + q,
              {r.count * k.taps, here, wide, k.ins}, {1, k.n, 0, k.factor_size(), 0, k.n * k.n});
      c += here;
    }
  });
}
static inline void make_kron_columns(const Runtime& rt, const KronShape& k, const float* a, const float* f, float* w,
                                     int64_t begin, int64_t end) {
  for_parts(rt, kron_parts(k, 256), [&](uint64_t first, uint64_t last, uint32_t) {
    make_some_columns(k, a, f, w, begin, end, static_cast<int64_t>(first), static_cast<int64_t>(last));
  });
}

TENON_INLINE uint64_t kron_sums(const KronShape& k) {
  return (1 + kron_parts(k, kKronParts).count) * static_cast<uint64_t>(k.cube());
}

// dw [end - begin, taps, n * ins], rows [begin, end) of dW, added to df (with `start` rows of p = 0 start it) and to
// sums[0 … cube), which the parts' own sums follow. Blocks come in order.
static inline void reduce_kron_rows(const Runtime& rt, const KronShape& k, const float* a, const float* f,
                                    const float* dw, float* df, double* sums, int64_t begin, int64_t end, bool start) {
  const Parts parts = kron_parts(k, kKronParts);
  const int64_t cube = k.cube();
  for_parts(rt, parts, [&](uint64_t first, uint64_t last, uint32_t part) {
    double* own = sums + (1 + part) * cube;
    for (int64_t j = 0; j < cube; j++) own[j] = 0;
    for_kron_runs(k, static_cast<int64_t>(first), static_cast<int64_t>(last), begin, end, [&](const KronRun& r) {
      const int64_t at = r.factor * k.taps * k.ins, rows = r.count * k.taps;
      const float* from = dw + (r.weight - begin) * k.taps * k.in();
      for (int64_t i = 0; i < k.n; i++)
        combine(df + i * k.factor_size() + at, from, a + (i * k.n + r.p) * k.n, {rows, k.ins, k.ins, k.in()},
                {1, k.n, 0, k.ins, 0, 1}, !start || r.p > 0);
      add_dots(own + r.p * k.n, f + at, from,
               {k.n, k.n, k.factor_size(), k.ins, k.n * k.n, 1, rows, k.ins, k.ins, k.in()});
    });
  });
  for (int64_t j = 0; j < cube; j++)
    for (uint32_t part = 0; part < parts.count; part++) sums[j] += sums[(1 + part) * cube + j];
}

}  // namespace tenon::TENON_ISA
