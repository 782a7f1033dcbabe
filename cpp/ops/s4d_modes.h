// Modes of S4D in f64, a channel a lane: complex arithmetic, and a mode from its parameters.
#pragma once
#include "base/kernel.h"
#include "ops/parts.h"
#include "simd/wide_math.h"

namespace tenon::TENON_ISA {

// ---- complex numbers of all lanes

struct Complex {
  vd re[2], im[2];
};
constexpr int64_t kComplex = 2 * kLanes;  // doubles

TENON_INLINE Complex load_complex(const double* p) {
  return {{load(p), load(p + kWideLanes)}, {load(p + kLanes), load(p + kLanes + kWideLanes)}};
}
TENON_INLINE void store_complex(double* p, const Complex& x) {
  for (int s = 0; s < 2; s++) {
    store(p + s * kWideLanes, x.re[s]);
    store(p + kLanes + s * kWideLanes, x.im[s]);
  }
}
// A complex number of floats lies as its real parts, then its imaginary parts, `apart` floats on.
TENON_INLINE Complex widen_complex(const float* p, int64_t apart = kLanes) {
  return {{widen(p), widen(p + kWideLanes)}, {widen(p + apart), widen(p + apart + kWideLanes)}};
}
TENON_INLINE void narrow_complex(float* p, const Complex& x, int64_t apart = kLanes) {
  for (int s = 0; s < 2; s++) {
    narrow(p + s * kWideLanes, x.re[s]);
    narrow(p + apart + s * kWideLanes, x.im[s]);
  }
}
TENON_INLINE Complex conjugate(Complex x) {
  for (int s = 0; s < 2; s++) x.im[s] = -x.im[s];
  return x;
}
TENON_INLINE Complex operator*(const Complex& x, const Complex& y) {
  Complex z;
  for (int s = 0; s < 2; s++) {
    z.re[s] = x.re[s] * y.re[s] - x.im[s] * y.im[s];
    z.im[s] = x.re[s] * y.im[s] + x.im[s] * y.re[s];
  }
  return z;
}
TENON_INLINE Complex operator*(double x, Complex y) {
  for (int s = 0; s < 2; s++) {
    y.re[s] *= x;
    y.im[s] *= x;
  }
  return y;
}
TENON_INLINE Complex operator+(Complex x, const Complex& y) {
  for (int s = 0; s < 2; s++) {
    x.re[s] += y.re[s];
    x.im[s] += y.im[s];
  }
  return x;
}
TENON_INLINE Complex operator-(const Complex& x, const Complex& y) { return x + -1.0 * y; }
TENON_INLINE Complex operator/(const Complex& x, const Complex& y) {
  Complex z = x * conjugate(y);
  for (int s = 0; s < 2; s++) {
    const vd size = y.re[s] * y.re[s] + y.im[s] * y.im[s];
    z.re[s] /= size;
    z.im[s] /= size;
  }
  return z;
}
TENON_INLINE Complex real_number(double x) { return {{splat_d(x), splat_d(x)}, {vd{}, vd{}}}; }
// x by the real numbers of f.
TENON_INLINE Complex scaled(Complex x, const vd (&f)[2]) {
  for (int s = 0; s < 2; s++) {
    x.re[s] *= f[s];
    x.im[s] *= f[s];
  }
  return x;
}
TENON_INLINE Complex exp(const Complex& z) {
  Complex w;
  for (int s = 0; s < 2; s++) {
    const vd size = exp(z.re[s]);
    vd sine, cosine;
    sincos(z.im[s], sine, cosine);
    w.re[s] = size * cosine;
    w.im[s] = size * sine;
  }
  return w;
}

// ---- modes

// The parameters of a vector of channels.
struct Channels {
  const float *log_dt, *a, *c;  // [h], [h, n, 2], [h, n, 2] from its first channel on
  uint64_t modes;               // n
  int count;                    // of channels, at most kLanes; the other lanes are as if all were 0
};

TENON_INLINE void lanes_of(float (&to)[kLanes], const float* p, uint64_t stride, int count) {
  for (int i = 0; i < kLanes; i++) to[i] = i < count ? p[static_cast<uint64_t>(i) * stride] : 0.0f;
}
TENON_INLINE Complex pair_of(const float* p, uint64_t stride, int count) {
  float re[kLanes], im[kLanes];
  lanes_of(re, p, stride, count);
  lanes_of(im, p + 1, stride, count);
  return {{widen(re), widen(re + kWideLanes)}, {widen(im), widen(im + kWideLanes)}};
}

// 1/1!, 1/2!, … and 1/2!, 2/3!, 3/4!, …: (e^z - 1) / z and its derivative at 0.
constexpr int kSeries = 15;
struct Series {
  double phi[kSeries], slope[kSeries];
};
constexpr Series series() {
  Series s{};
  double factorial = 1;
  for (int i = 0; i < kSeries; i++) {
    factorial *= i + 1;
    s.phi[i] = 1 / factorial;
    s.slope[i] = (i + 1) / (factorial * (i + 2));
  }
  return s;
}
constexpr Series kPhi = series();

TENON_INLINE Complex power_series(const Complex& z, const double (&c)[kSeries]) {
  Complex y = real_number(c[kSeries - 1]);
  for (int i = kSeries - 2; i >= 0; i--) y = y * z + real_number(c[i]);
  return y;
}
TENON_INLINE Complex select(const Complex& z, const Complex& near, const Complex& far) {
  Complex y;
  for (int s = 0; s < 2; s++) {
    const vq is_near = z.re[s] * z.re[s] + z.im[s] * z.im[s] < 0.25;
    y.re[s] = select(is_near, near.re[s], far.re[s]);
    y.im[s] = select(is_near, near.im[s], far.im[s]);
  }
  return y;
}

struct Mode {
  vd dt[2];
  Complex z, w, c;  // dt A, e^z, C
  Complex phi;      // (w - 1) / z
  Complex c_bar() const { return scaled(c * phi, dt); }
  // d phi / d z
  Complex slope() const { return select(z, power_series(z, kPhi.slope), (w - phi) / z); }
};

struct Steps {
  vd dt[2];
};
TENON_INLINE Steps steps_of(const Channels& p) {
  float log_dt[kLanes];
  lanes_of(log_dt, p.log_dt, 1, p.count);
  return {{exp(widen(log_dt)), exp(widen(log_dt + kWideLanes))}};
}

static inline Mode mode_of(const Channels& p, const Steps& steps, uint64_t n) {
  Mode m;
  for (int s = 0; s < 2; s++) m.dt[s] = steps.dt[s];
  m.z = scaled(pair_of(p.a + 2 * n, 2 * p.modes, p.count), m.dt);
  m.w = exp(m.z);
  m.c = pair_of(p.c + 2 * n, 2 * p.modes, p.count);
  m.phi = select(m.z, power_series(m.z, kPhi.phi), (m.w - real_number(1)) / m.z);
  return m;
}

}  // namespace tenon::TENON_ISA
