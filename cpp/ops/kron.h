// Weights that are sums of Kronecker products: W[γ, p, o, κ, q, c] = sum over i of a[i, p, q] * f[i, γ, o, κ, c].
// a: [n, n, n]   f: [n, groups * outs, …taps, ins]   w: [groups * n * outs, …taps, n * ins]
#pragma once
#include "base/kernel.h"
#include "ops/checks.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {

struct KronShape {
  uint64_t n = 1, groups = 1, outs = 0, taps = 1, ins = 0;
  uint64_t factor_rows() const { return groups * outs * taps; }
  uint64_t factor_size() const { return factor_rows() * ins; }
  // Where row (group, o, tap) of each f_i lies.
  uint64_t factor_row(uint64_t group, uint64_t o, uint64_t tap) const {
    return ((group * outs + o) * taps + tap) * ins;
  }
};

// After check_kron.
TENON_INLINE KronShape kron_shape(const View& f, uint32_t groups) {
  return {f.dims[0], groups, f.dims[1] / groups, span_of(f, 2, f.rank - 1u), f.dims[f.rank - 1u]};
}

TENON_INLINE bool is_algebra(const View& a, uint64_t n) {
  return a.rank == 3 && a.dims[0] == n && a.dims[1] == n && a.dims[2] == n;
}

// An algebra and a factor that go together.
TENON_INLINE Status check_algebra(const View& a, const View& f, uint32_t groups) {
  if (f.rank < 3 || f.dims[0] < 1) return bad_plan("a factor is [n, out / n, …kernel, in / n]", "rank");
  if (!is_algebra(a, f.dims[0])) return bad_plan("the algebra is not [n, n, n] for the factor's n", "dims");
  if (groups < 1 || f.dims[1] % groups != 0) return bad_plan("groups does not divide the factor's rows", "groups");
  return {};
}

// …and the weight that they make.
TENON_INLINE Status check_kron(const View& a, const View& f, const View& w, uint32_t groups) {
  const Status status = check_algebra(a, f, groups);
  if (!status.ok()) return status;
  const uint64_t n = f.dims[0];
  const uint32_t last = w.rank - 1u;
  bool fits = w.rank >= 2 && w.rank + 1u == f.rank;
  fits = fits && w.dims[0] % n == 0 && w.dims[0] / n == f.dims[1];
  fits = fits && w.dims[last] % n == 0 && w.dims[last] / n == f.dims[last + 1];
  for (uint32_t i = 1; fits && i < last; i++) fits = w.dims[i] == f.dims[i + 1];
  return fits ? Status{} : bad_plan("the weight is not what the algebra and the factor make", "dims");
}

// Row (γ, p, o, κ) of W from rows (γ, o, κ) of all f_i, which lie `next` apart. The first product is no addition, so
// that n = 1 with a = 1 is a copy.
TENON_INLINE void expand_row(float* to, const KronShape& k, const float* a, uint64_t p, const float* f, uint64_t next) {
  for (uint64_t q = 0; q < k.n; q++, to += k.ins) {
    const float* at = a + p * k.n + q;
    for_lanes(k.ins, [&](uint64_t c, int count) {
      vf w = splat(at[0]) * load_part(f + c, count);
      for (uint64_t i = 1; i < k.n; i++) w = muladd(splat(at[i * k.n * k.n]), load_part(f + i * next + c, count), w);
      store_part(to + c, w, count);
    });
  }
}

}  // namespace tenon::TENON_ISA
