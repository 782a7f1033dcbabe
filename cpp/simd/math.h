// exp, log, erf to 1 unit in the last place, tanh to 1.2, sigmoid to 2 (test/ops/ulps.test.ts) of a vector. Each
// lane is independent of its neighbours, so tails padded with zeros give the same bits as whole vectors. NaN in, NaN
// out. Polynomials are minimax fits of our own, weighted for relative error, in Horner's form with the constant term
// first.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

template <int N>
TENON_INLINE vf polynomial(vf x, const float (&c)[N]) {
  vf y = splat(c[N - 1]);
  for (int i = N - 2; i >= 0; i--) y = muladd(y, x, splat(c[i]));
  return y;
}

// The nearest whole number of |x| < 2^22, ties to even; `whole` receives it as an integer.
TENON_INLINE vf round_small(vf x, vi& whole) {
  const vf shift = splat(12582912.0f);  // 1.5 * 2^23: the sum's low bits are the integer
  const vf moved = x + shift;
  whole = bits(moved) - bits(shift);
  return moved - shift;
}

// p * 2^n for n = whole, |n| <= 252, rounded once.
TENON_INLINE vf scale_by_power(vf p, vf whole, vi n) {
#if TENON_VBYTES == 64
  (void)n;
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
  (void)whole;
  const vi half = n >> 1;
  return p * from_bits((half + 127) << 23) * from_bits((n - half + 127) << 23);
#endif
}

constexpr float kExpTail[] = {
    0.5f, 0.16666667163372f, 0.04166627302766f, 0.00833326485008f, 0.00139458104968f, 0.00019918168255f};

// 0 below -104, infinity above 88.73; results below 2^-126 are rounded to subnormals.
TENON_INLINE vf exp(vf x) {
  x = at_least(at_most(x, 89.0f), -104.0f);
  vi n;
  const vf k = round_small(x * 1.44269504088896f, n);
  vf r = muladd(k, splat(-0.693359375f), x);  // log 2 in two parts, the first exact in products with k
  r = muladd(k, splat(2.12194440e-4f), r);
  return scale_by_power(1.0f + muladd(polynomial(r, kExpTail), r * r, r), k, n);
}

constexpr float kLogTail[] = {0.33333310484886f,  -0.24999986588955f, 0.20002149045467f,
                              -0.16669201850891f, 0.14219953119755f,  -0.1238574758172f,
                              0.11865764111280f,  -0.11779853701592f, 0.06918764114380f};

// -infinity at 0, NaN below.
TENON_INLINE vf log(vf x) {
  const vi small = x < 1.17549435e-38f;
  const vf y = select(small, x * 8388608.0f, x);
  const vi base = bits(y) - 0x3f3504f3;  // so that the fraction lies in [sqrt(1/2), sqrt(2))
  const vi exponent = (base >> 23) - (small & 23);
  const vf f = from_bits((base & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const vf k = to_f32(exponent);
  const vf s = f * f;
  vf tail = polynomial(f, kLogTail) * f * s;
  tail = muladd(k, splat(-2.12194440e-4f), tail);
  tail = muladd(s, splat(-0.5f), tail);
  vf r = muladd(k, splat(0.693359375f), f + tail);
  r = select(x == 0.0f, splat(-__builtin_inff()), r);
  r = select(x < 0.0f, splat(__builtin_nanf("")), r);
  return select(x < __builtin_inff(), r, select(x > 0.0f, x, splat(__builtin_nanf(""))));
}

constexpr float kTanhTail[] = {-0.33333331346512f, 0.13333211839199f,  -0.05394745990634f,
                               0.02170415967703f,  -0.00818527396768f, 0.00214967713691f};

TENON_INLINE vf tanh(vf x) {
  const vf t = abs(x), s = x * x;
  const vf near = muladd(polynomial(s, kTanhTail) * s, x, x);
  const vf far = with_sign(1.0f - 2.0f / (exp(t + t) + 1.0f), x);
  return select(t < 0.625f, near, far);
}

TENON_INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + exp(-x)); }

constexpr float kErfNear[] = {0.12837916612625f, -0.376126319169998f, 0.11283672600985f, -0.02685810439289f,
                              0.00519779743627f, -0.00081059656804f,  0.00008215425623f};
constexpr float kErfFar[] = {0.1285517513752f, 0.6356253027916f,   0.10526268929243f,  -0.02267413027585f,
                             0.0029301524628f, -0.00004958481455f, -0.00004558157525f, 0.00000493824700f};

TENON_INLINE vf erf(vf x) {
  const vf t = select(abs(x) > 4.0f, splat(4.0f), abs(x));
  const vf near = muladd(polynomial(x * x, kErfNear), x, x);
  const vf far = with_sign(1.0f - exp(-muladd(polynomial(t, kErfFar), t, t)), x);
  return select(t < 0.93f, near, far);
}

// x within [-limit, limit]; NaN stays NaN. Slopes are flat outside, where their formulas would meet 0 * infinity.
TENON_INLINE vf clamp(vf x, float limit) { return select(abs(x) > limit, with_sign(splat(limit), x), x); }

// The tanh approximation of gelu and its derivative.
TENON_INLINE vf gelu_tanh(vf x) {
  const vf u = 0.79788456080287f * x * muladd(x * x, splat(0.044715f), splat(1.0f));
  return 0.5f * x * (1.0f + tanh(u));
}
TENON_INLINE vf gelu_tanh_slope(vf x) {
  x = clamp(x, 16.0f);
  const vf s = x * x;
  const vf t = tanh(0.79788456080287f * x * muladd(s, splat(0.044715f), splat(1.0f)));
  const vf du = 0.79788456080287f * muladd(s, splat(0.134145f), splat(1.0f));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * du;
}
TENON_INLINE vf silu(vf x) { return x / (1.0f + exp(-x)); }
TENON_INLINE vf silu_slope(vf x) {
  x = clamp(x, 128.0f);
  const vf g = sigmoid(x);
  return g * muladd(x, 1.0f - g, splat(1.0f));
}

constexpr float kSinTurns[] = {6.2831854820251f, -41.341701507568f, 81.605201721191f, -76.697868347168f,
                               41.472949981689f};
constexpr float kCosTurns[] = {1.0f, -19.739208221436f, 64.939315795898f, -85.442855834961f, 59.220405578613f};

// Sine and cosine of 2 pi u for |u| < 2^20.
TENON_INLINE void sincos_turns(vf u, vf& sine, vf& cosine) {
  vi quarter;
  const vf r = muladd(round_small(u * 4.0f, quarter), splat(-0.25f), u);
  const vf s = polynomial(r * r, kSinTurns) * r, c = polynomial(r * r, kCosTurns);
  const vi odd = (quarter & 1) != 0;
  const vf a = select(odd, c, s), b = select(odd, s, c);
  sine = select((quarter & 2) != 0, -a, a);
  cosine = select(((quarter + 1) & 2) != 0, -b, b);
}

}  // namespace tenon::TENON_ISA
