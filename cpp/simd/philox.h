// Philox4x32-10 (Salmon et al. 2011), kBlocks counters at a time, and normal numbers from it by Box-Muller in f64.
// Every block is a pure function of (counter, key): the same words on every ISA as in src/base/philox.ts.
#pragma once
#include "simd/wide.h"

namespace tenon::TENON_ISA {

constexpr int kBlocks = kWideLanes;       // one block a 64-bit lane
constexpr int kBlockWords = 4 * kBlocks;  // words a call gives

struct PhiloxKey {
  uint32_t low;
  uint32_t high;
};

// Products of the low 32 bits of each lane.
TENON_INLINE vuq multiply_low(vuq a, uint32_t b) {
#if TENON_VBYTES == 64
  return (vuq)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif TENON_VBYTES == 32
  return (vuq)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#elif defined(__x86_64__)
  return (vuq)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(b));
#else
  return (a & 0xffffffffu) * uint64_t{b};
#endif
}

TENON_INLINE vuq block_index() {
  vuq v;
  for (int i = 0; i < kBlocks; i++) v[i] = static_cast<uint64_t>(i);
  return v;
}

// word[k], low 32 bits of each lane: word k of the blocks with counters (first, second, third, fourth), of which a lane
// gives the low 32 bits. High bits are noise.
TENON_INLINE void philox_at(vuq first, vuq second, uint32_t third, uint32_t fourth, PhiloxKey key, vuq (&word)[4]) {
  vuq a = first, b = second, c = third + vuq{}, d = fourth + vuq{};
  for (int round = 0; round < 10; round++) {
    const vuq p = multiply_low(a, 0xd2511f53u), q = multiply_low(c, 0xcd9e8d57u);
    a = (q >> 32) ^ b ^ uint64_t { key.low };
    b = q;
    c = (p >> 32) ^ d ^ uint64_t { key.high };
    d = p;
    key.low += 0x9e3779b9u;
    key.high += 0xbb67ae85u;
  }
  word[0] = a;
  word[1] = b;
  word[2] = c;
  word[3] = d;
}

// The same of the blocks with counters (first + lane, third, fourth), where the first is 64 bits.
TENON_INLINE void philox(uint64_t first, uint32_t third, uint32_t fourth, PhiloxKey key, vuq (&word)[4]) {
  const vuq index = first + block_index();
  philox_at(index, index >> 32, third, fourth, key, word);
}

// Lanes of a and b in turn: a0 b0 a1 b1 …
TENON_INLINE vuq interleave_low(vuq a, vuq b) {
#if TENON_VBYTES == 64
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#elif TENON_VBYTES == 32
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#else
  return __builtin_shufflevector(a, b, 0, 2);
#endif
}
TENON_INLINE vuq interleave_high(vuq a, vuq b) {
#if TENON_VBYTES == 64
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif TENON_VBYTES == 32
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#else
  return __builtin_shufflevector(a, b, 1, 3);
#endif
}

// Words in the order of blocks, four of each: two vectors.
TENON_INLINE void in_order(const vuq (&w)[4], vu (&words)[2]) {
  const vuq even = (w[0] & 0xffffffffu) | w[1] << 32, odd = (w[2] & 0xffffffffu) | w[3] << 32;
  words[0] = (vu)interleave_low(even, odd);
  words[1] = (vu)interleave_high(even, odd);
}

// The words of kBlocks blocks in the order of elements.
TENON_INLINE void philox_words(uint64_t first, uint32_t third, PhiloxKey key, vu (&words)[2]) {
  vuq w[4];
  philox(first, third, 0, key, w);
  in_order(w, words);
}

// (w + 1/2) / 2^32 of the low 32 bits.
TENON_INLINE vd to_unit(vuq w) {
  const vd whole = (vd)((w & 0xffffffffu) | 0x4330000000000000u) - 4503599627370496.0;
  return (whole + 0.5) * 2.3283064365386963e-10;
}

// Natural logarithm of a positive normal number, to about 1e-12.
TENON_INLINE vd log_wide(vd x) {
  const vuq base = (vuq)x - 0x3fe6a09e667f3bcdu;  // so that the fraction lies in [sqrt(1/2), sqrt(2))
  const vq exponent = (vq)base >> 52;
  const vd m = (vd)(vuq)((base & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
  const vd k = (vd)(exponent + 0x4338000000000000) - 6755399441055744.0;
  const vd t = (m - 1.0) / (m + 1.0), s = t * t;
  vd tail = splat_d(1.0 / 15);
  for (int i = 13; i >= 1; i -= 2) tail = tail * s + 1.0 / i;
  return 2.0 * t * tail + k * 0.69314718055994531;
}

// Cosine and sine of 2 pi u for 0 <= u <= 1, to about 1e-12.
TENON_INLINE void sincos_wide(vd u, vd& sine, vd& cosine) {
  const vd shift = splat_d(6755399441055744.0), moved = u * 4.0 + shift;
  const vq quarter = (vq)moved;
  const vd angle = (u - (moved - shift) * 0.25) * 6.283185307179586, s = angle * angle;
  vd sin = splat_d(1), cos = splat_d(1);
  for (int i = 12; i >= 2; i -= 2) {
    sin = 1.0 - sin * s * (1.0 / (i * (i + 1)));
    cos = 1.0 - cos * s * (1.0 / (i * (i - 1)));
  }
  sin *= angle;
  const vq odd = (quarter & 1) != 0;
  const vd a = odd ? cos : sin, b = odd ? sin : cos;
  sine = (quarter & 2) != 0 ? -a : a;
  cosine = ((quarter + 1) & 2) != 0 ? -b : b;
}

// kBlockWords normal numbers of deviation `scale`, in the order of elements.
TENON_INLINE void normals(uint64_t first, uint32_t third, uint32_t fourth, PhiloxKey key, float scale, float* y) {
  vuq w[4];
  philox(first, third, fourth, key, w);
  float squares[2 * kBlocks], wave[4 * kBlocks];  // of the two radii; cos, sin, cos, sin
  for (int half = 0; half < 2; half++) {
    vd sine, cosine;
    sincos_wide(to_unit(w[2 * half + 1]), sine, cosine);
    narrow(squares + half * kBlocks, -2.0 * log_wide(to_unit(w[2 * half])));
    narrow(wave + (2 * half) * kBlocks, cosine);
    narrow(wave + (2 * half + 1) * kBlocks, sine);
  }
  float radius[2 * kBlocks];
  store(radius, sqrt(load(squares)) * scale);
  for (int block = 0; block < kBlocks; block++)
    for (int word = 0; word < 4; word++)
      y[4 * block + word] = radius[(word >> 1) * kBlocks + block] * wave[word * kBlocks + block];
}

}  // namespace tenon::TENON_ISA
