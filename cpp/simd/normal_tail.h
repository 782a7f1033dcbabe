// The tail t(u) = P(X > u) of a standard normal X for u >= 0, as 2^L(u), so that small values keep their precision; and
// what a slope takes of it. With the hazard h = φ / t, L' = -h / log 2 and h' = h (h - u).
#pragma once
#include "simd/math.h"

namespace tenon::TENON_ISA {

// n vectors step by step: a core does not see far enough ahead to overlap long polynomials one after the other.
template <int n, int N>
TENON_INLINE void polynomials_of(const vf (&x)[n], const float (&c)[N], vf (&y)[n]) {
  for (int i = 0; i < n; i++) y[i] = splat(c[N - 1]);
  for (int k = N - 2; k >= 0; k--)
    for (int i = 0; i < n; i++) y[i] = muladd(y[i], x[i], splat(c[k]));
}

// 2^x for |x| <= 1/2.
constexpr float kExp2[] = {1.0f,
                           0.6931471824645996f,
                           0.24022647738456726f,
                           0.055503323674201965f,
                           0.009618437848985195f,
                           0.001339887734502554f,
                           0.0001535332849016413f};

#if TENON_VBYTES == 64
// L(u) and 1 - u h(u) in pieces of 1/2 around 0, 1/2, 1, …: a register holds a coefficient of all of them, and a
// permutation fetches it for each lane.
constexpr int kPieces = 16, kPieceDegree = 4;
constexpr double kPieceWidth = 0.5;
constexpr float kFarthest = 7.5f;  // the last piece: the tail is 0 from 7.25 on

struct Piecewise {
  alignas(64) float of[kPieceDegree + 1][kPieces];
};
struct NormalTail {
  alignas(64) float whole[kPieces];  // L less the rest, a whole number
  Piecewise rest, factor;
};

// A power series around the middle of a piece.
constexpr int kOrder = 24;
struct Series {
  double c[kOrder] = {};
  constexpr double at(double d) const {
    double sum = 0;
    for (int n = kOrder - 1; n >= 0; n--) sum = sum * d + c[n];
    return sum;
  }
  // The polynomial that meets it at Chebyshev's points of the piece, by Newton's divided differences.
  constexpr void fit(Piecewise& to, int piece) const {
    constexpr double kPoints[kPieceDegree + 1] = {-0.95105651629515357, -0.58778525229247313, 0, 0.58778525229247313,
                                                  0.95105651629515357};
    double at_point[kPieceDegree + 1] = {}, difference[kPieceDegree + 1] = {}, p[kPieceDegree + 1] = {};
    for (int i = 0; i <= kPieceDegree; i++) {
      at_point[i] = kPoints[i] * kPieceWidth / 2;
      difference[i] = at(at_point[i]);
    }
    for (int order = 1; order <= kPieceDegree; order++)
      for (int i = kPieceDegree; i >= order; i--)
        difference[i] = (difference[i] - difference[i - 1]) / (at_point[i] - at_point[i - order]);
    for (int i = kPieceDegree; i >= 0; i--) {
      for (int j = kPieceDegree; j > 0; j--) p[j] = p[j - 1] - at_point[i] * p[j];
      p[0] = difference[i] - at_point[i] * p[0];
    }
    for (int i = 0; i <= kPieceDegree; i++) to.of[i][piece] = static_cast<float>(p[i]);
  }
};

// The hazard around u, from its value there.
constexpr Series hazard_around(double u, double value) {
  Series h;
  h.c[0] = value;
  for (int n = 0; n + 1 < kOrder; n++) {
    double next = -u * h.c[n] - (n > 0 ? h.c[n - 1] : 0);
    for (int i = 0; i <= n; i++) next += h.c[i] * h.c[n - i];
    h.c[n + 1] = next / (n + 1);
  }
  return h;
}

constexpr NormalTail make_normal_tail() {
  // From beyond the last piece, where Laplace's continued fraction is quick, downwards: that way errors shrink.
  Series hazard[kPieces];
  double value = kPieces * kPieceWidth;
  for (int i = 200; i > 0; i--) value = kPieces * kPieceWidth + i / value;
  value = hazard_around(kPieces * kPieceWidth, value).at(-kPieceWidth);
  for (int i = kPieces - 1; i >= 0; value = hazard[i--].at(-kPieceWidth))
    hazard[i] = hazard_around(i * kPieceWidth, value);

  NormalTail tail = {};
  double log = -1;
  for (int i = 0; i < kPieces; i++) {
    Series rest, factor;
    factor.c[0] = 1;
    for (int n = 0; n < kOrder; n++) {
      if (n + 1 < kOrder) rest.c[n + 1] = -hazard[i].c[n] / (n + 1) * 1.4426950408889634;
      factor.c[n] -= i * kPieceWidth * hazard[i].c[n] + (n > 0 ? hazard[i].c[n - 1] : 0);
    }
    const int whole = static_cast<int>(log - 0.5);
    rest.c[0] = log - whole;
    rest.fit(tail.rest, i);
    factor.fit(tail.factor, i);
    tail.whole[i] = static_cast<float>(i + 1 < kPieces ? whole : -1000);
    log += rest.at(kPieceWidth) - rest.c[0];
  }
  return tail;
}
constexpr NormalTail kNormalTail = make_normal_tail();

TENON_INLINE vf permuted(vi index, const float (&from)[kPieces]) {
  return (vf)_mm512_permutexvar_ps((__m512i)index, _mm512_load_ps(from));
}

template <int n>
struct TailAt {
  vi piece[n];
  vf beside[n];  // its middle

  explicit TailAt(const vf (&u)[n]) {
    constexpr float kShift = 6291456.0f;  // 1.5 * 2^22: the sum's low bits count halves
    for (int i = 0; i < n; i++) {
      const vf moved = u[i] + kShift;
      piece[i] = bits(moved);
      beside[i] = u[i] - (moved - kShift);
    }
  }
  void polynomials(const Piecewise& c, vf (&y)[n]) const {
    for (int i = 0; i < n; i++) y[i] = permuted(piece[i], c.of[kPieceDegree]);
    for (int k = kPieceDegree - 1; k >= 0; k--)
      for (int i = 0; i < n; i++) y[i] = muladd(y[i], beside[i], permuted(piece[i], c.of[k]));
  }
  void tail(vf (&t)[n]) const {
    vf log[n], whole[n];
    polynomials(kNormalTail.rest, log);
    for (int i = 0; i < n; i++) {
      whole[i] = (vf)_mm512_roundscale_ps((__m512)log[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      log[i] -= whole[i];
      whole[i] += permuted(piece[i], kNormalTail.whole);
    }
    polynomials_of(log, kExp2, t);
    for (int i = 0; i < n; i++) t[i] = (vf)_mm512_scalef_ps((__m512)t[i], (__m512)whole[i]);
  }
  void factor(vf (&y)[n]) const { polynomials(kNormalTail.factor, y); }
};
#else
constexpr float kFarthest = 11.0f;  // the tail is 0 from there on
constexpr float kTailLog[] = {-1.0f,           -1.15110719f,    -0.459192097f,  -0.05253217f,     0.00708239619f,
                              -0.00011016889f, -0.00022726458f, 6.1506973e-05f, -8.45281556e-06f, 6.29320368e-07f,
                              -2.00747738e-08f};
constexpr float kTailFactor[] = {1.0f,
                                 -0.797888756f,
                                 -0.636571348f,
                                 -0.109198906f,
                                 0.0194948483f,
                                 -0.000188261329f,
                                 -0.00108139042f,
                                 0.000352526753f,
                                 -5.90934178e-05f,
                                 5.39023404e-06f,
                                 -2.11334154e-07f};

template <int n>
struct TailAt {
  const vf (&u)[n];

  explicit TailAt(const vf (&at)[n]) : u(at) {}
  void tail(vf (&t)[n]) const {
    vf log[n];
    vi whole[n];
    polynomials_of(u, kTailLog, log);
    for (int i = 0; i < n; i++) log[i] -= round_small(log[i], whole[i]);
    polynomials_of(log, kExp2, t);
    for (int i = 0; i < n; i++) t[i] = select(u[i] < kFarthest, from_bits(bits(t[i]) + (whole[i] << 23)), zero());
  }
  void factor(vf (&y)[n]) const { polynomials_of(u, kTailFactor, y); }
};
#endif

}  // namespace tenon::TENON_ISA
