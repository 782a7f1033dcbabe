// exp, sine and cosine of vectors of doubles, to about 2 units in the last place. Lanes are independent; NaN in, NaN
// out.
#pragma once
#include "simd/wide.h"

namespace tenon::TENON_ISA {

TENON_INLINE vd select(vq mask, vd a, vd b) { return mask ? a : b; }

template <int N>
TENON_INLINE vd polynomial(vd x, const double (&c)[N]) {
  vd y = splat_d(c[N - 1]);
  for (int i = N - 2; i >= 0; i--) y = y * x + c[i];
  return y;
}

// The nearest whole number of |x| < 2^51; `whole` receives its low 32 bits, at least, as an integer.
TENON_INLINE vd round_wide(vd x, vq& whole) {
  const vd shift = splat_d(6755399441055744.0);  // 1.5 * 2^52
  const vd moved = x + shift;
  whole = (vq)moved - (vq)shift;
  return moved - shift;
}

// 1 / 2!, 1 / 3!, …
constexpr double kExpTailWide[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                                   1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                   1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};

// 0 below -708, e^709 above 709.
TENON_INLINE vd exp(vd x) {
  const vd near = select(x > 709.0, splat_d(709.0), select(x < -708.0, splat_d(-708.0), x));
  vq n;
  const vd k = round_wide(near * 1.4426950408889634, n);
  const vd r = (near - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;  // the first exact in products
  const vd y = 1.0 + (r + r * r * polynomial(r, kExpTailWide));
  return select(x < -708.0, vd{}, y * (vd)((n + 1023) << 52));
}

constexpr double kSinWide[] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,           1.0 / 362880,
                               -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000.0};
constexpr double kCosWide[] = {-1.0 / 2,       1.0 / 24,        -1.0 / 720,           1.0 / 40320,
                               -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0, 1.0 / 20922789888000.0};

// Sine and cosine of r + quarter * pi / 2, |r| at most pi / 4.
TENON_INLINE void sincos_near(vd r, vq quarter, vd& sine, vd& cosine) {
  const vd s = r * r;
  const vd near = r + r * s * polynomial(s, kSinWide), far = 1.0 + s * polynomial(s, kCosWide);
  const vq odd = (quarter & 1) != 0;
  const vd a = select(odd, far, near), b = select(odd, near, far);
  sine = select((quarter & 2) != 0, -a, a);
  cosine = select(((quarter + 1) & 2) != 0, -b, b);
}

// x = r + quarter * pi / 2. Exact for |x| < 2^20, to 2^-53 of x below 2^50; beyond, x is taken as 0.
TENON_INLINE vd near_quarter(vd x, vq& quarter) {
  const double limit = 1125899906842624.0;
  const vd safe = select((x < limit) & (x > -limit), x, x * 0.0);
  const vd k = round_wide(safe * 0.63661977236758134, quarter);
  // pi / 2 in three parts, the first two of 33 bits
  return ((safe - k * 1.57079632673412561417) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21;
}

// Of x in radians.
TENON_INLINE void sincos(vd x, vd& sine, vd& cosine) {
  vq quarter;
  const vd r = near_quarter(x, quarter);
  sincos_near(r, quarter, sine, cosine);
}

}  // namespace tenon::TENON_ISA
