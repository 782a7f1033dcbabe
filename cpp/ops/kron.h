// Weights that are sums of Kronecker products: W[γ, p, o, κ, q, c] = sum over i of a[i, p, q] * f[i, γ, o, κ, c].
// a: [n, n, n]   f: [n, groups * outs, …taps, ins]   w: [groups * n * outs, …taps, n * ins]
#pragma once
#include "base/kernel.h"
#include "ops/checks.h"

namespace tenon::TENON_ISA {

struct KronShape {
  int64_t n = 1, groups = 1, outs = 0, taps = 1, ins = 0;
  int64_t out() const { return groups * n * outs; }
  int64_t in() const { return n * ins; }  // of a group
  int64_t cube() const { return n * n * n; }
  int64_t factor_rows() const { return groups * outs * taps; }
  int64_t factor_size() const { return factor_rows() * ins; }  // of each f_i
};

// After check_kron.
TENON_INLINE KronShape kron_shape(const View& f, uint32_t groups) {
  KronShape k;
  k.n = static_cast<int64_t>(f.dims[0]);
  k.groups = groups;
  k.outs = static_cast<int64_t>(f.dims[1]) / k.groups;
  k.taps = static_cast<int64_t>(span_of(f, 2, f.rank - 1u));
  k.ins = static_cast<int64_t>(f.dims[f.rank - 1u]);
  return k;
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

// Adds the parts' sums of da up, in order.
TENON_INLINE void sum_algebra(float* da, const double* sums, int64_t parts, int64_t cube) {
  for (int64_t j = 0; j < cube; j++) {
    double sum = sums[j];
    for (int64_t part = 1; part < parts; part++) sum += sums[part * cube + j];
    da[j] = static_cast<float>(sum);
  }
}
}  // namespace tenon::TENON_ISA
