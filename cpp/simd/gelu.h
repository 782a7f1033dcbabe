// gelu(x) = x P(X <= x) of a standard normal X, and its slope. With u = |x|, t = P(X > u) and φ the density, gelu is
// max(x, 0) - u t, and its slope t (1 - u φ / t) at -u, one minus that at u.
#pragma once
#include "simd/normal_tail.h"

namespace tenon::TENON_ISA {

template <int n>
TENON_INLINE void tail_sides(const vf (&x)[n], vf (&u)[n]) {
  for (int i = 0; i < n; i++) u[i] = at_most(abs(x[i]), kFarthest);
}

// In place.
template <int n>
TENON_INLINE void gelu(vf (&x)[n]) {
  vf u[n], t[n];
  tail_sides(x, u);
  TailAt<n>(u).tail(t);
  for (int i = 0; i < n; i++) x[i] = max(x[i], zero()) - u[i] * t[i];
}
template <int n>
TENON_INLINE void gelu_with_slope(const vf (&x)[n], vf (&y)[n], vf (&slope)[n]) {
  vf u[n], t[n], factor[n];
  tail_sides(x, u);
  const TailAt<n> at(u);
  at.tail(t);
  at.factor(factor);
  for (int i = 0; i < n; i++) {
    y[i] = max(x[i], zero()) - u[i] * t[i];
    const vf below = t[i] * factor[i];
    slope[i] = select(x[i] > 0.0f, 1.0f - below, below);
  }
}

TENON_INLINE vf gelu(vf x) {
  vf y[1] = {x};
  gelu(y);
  return y[0];
}
TENON_INLINE vf gelu_slope(vf x) {
  const vf at[1] = {x};
  vf y[1], slope[1];
  gelu_with_slope(at, y, slope);
  return slope[0];
}

}  // namespace tenon::TENON_ISA
