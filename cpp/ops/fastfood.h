// Fastfood (Le, Sarlós and Smola 2013): P = H G Π H B / √(rows ΣG²), its parts made as they are used. Where v is much
// shorter than the transform, H B v is one short transform repeated, which the first cache holds.
#pragma once
#include "ops/projection.h"
#include "ops/transform.h"

namespace tenon::TENON_ISA {

// A random order of 0 .. length - 1 (a power of two): four Feistel rounds over an even number of bits, again while the
// result is not below length.
struct Order {
  uint32_t key[4];
  uint32_t half;  // bits
  uint32_t length;
};

TENON_INLINE uint64_t padded(uint64_t n) {
  uint64_t length = 1;
  while (length < n) length *= 2;
  return length;
}

TENON_INLINE Order order_of(const Projection& p, uint64_t length) {
  vuq w[4];
  words_of(p, vuq{}, vuq{}, kOrder, w);
  Order o;
  for (int i = 0; i < 4; i++) o.key[i] = static_cast<uint32_t>(w[i][0]);
  uint32_t bits = 0;
  while (uint64_t{1} << bits < length) bits++;
  o.half = (bits + 1) / 2;
  o.length = static_cast<uint32_t>(length);
  return o;
}

TENON_INLINE vu round_of(vu x, uint32_t half) {
  const vu a = x * 0x9e3779b1u;
  return ((a ^ (a >> 15)) * 0x85ebca6bu) >> (32 - half);
}

template <bool kBack>
TENON_INLINE vu four_rounds(const Order& o, vu at) {
  vu left = at >> o.half, right = at & ((1u << o.half) - 1);
  for (int i = 0; i < 4; i++) {
    const vu kept = kBack ? left : right;
    const vu changed = (kBack ? right : left) ^ round_of(kept ^ o.key[kBack ? 3 - i : i], o.half);
    left = kBack ? changed : kept;
    right = kBack ? kept : changed;
  }
  return left << o.half | right;
}

TENON_INLINE bool any_beyond(vu at, uint32_t length) {
  const vi over = (vi)(at >= length);
  int32_t all = 0;
  for (int i = 0; i < kLanes; i++) all |= over[i];
  return all != 0;
}

// Where places below the length stand in the order, or back.
template <bool kBack>
TENON_INLINE vu placed(const Order& o, vu at) {
  if (o.half == 0) return vu{};
  at = four_rounds<kBack>(o, at);
  if (o.length == uint64_t{1} << (2 * o.half)) return at;
  while (any_beyond(at, o.length)) at = (vu)select((vi)(at >= o.length), (vi)four_rounds<kBack>(o, at), (vi)at);
  return at;
}

// to[i] = ±from[i] for i < n, by the signs of B; zeros up to `length`.
TENON_INLINE void signed_copy(const Projection& p, const float* from, uint64_t n, float scale, float* to,
                              uint64_t length) {
  constexpr uint64_t kSigns = 128;  // of a block
  for (uint64_t begin = 0; begin < n; begin += kSigns * kBlocks) {
    vuq w[4];
    words_of(p, begin / kSigns + block_index(), vuq{}, kEntries, w);
    for (uint64_t i = begin; i < at_most(begin + kSigns * kBlocks, n); i++) {
      const uint64_t word = w[(i >> 5) & 3][(i - begin) / kSigns];
      to[i] = (word >> (i & 31) & 1) != 0 ? -from[i] * scale : from[i] * scale;
    }
  }
  fill_row(to + n, 0.0f, length - n);
}

struct FastfoodSizes {
  uint64_t length;  // of the transform
  uint64_t inner;   // of v, padded
  uint64_t line, lines;
  bool folds;  // the transpose adds into one table a part, else it gathers
};

TENON_INLINE FastfoodSizes fastfood_sizes(uint64_t rows, uint64_t columns) {
  const uint64_t length = padded(rows), inner = padded(columns), line = at_most(length, kLine);
  return {length, inner, line, length / line, inner * kMostParts <= length};
}

// Scratch: the transform, the inner one or its tables, ΣG² of each line.
struct FastfoodSpace {
  float* transform;
  float* inner;
  double* squares;
};

TENON_INLINE uint64_t fastfood_scratch(const FastfoodSizes& z) {
  return (z.length + z.inner * (z.folds ? kMostParts : 1) + 32) * sizeof(float) + z.lines * sizeof(double);
}

TENON_INLINE FastfoodSpace fastfood_space(const FastfoodSizes& z, uint8_t* scratch) {
  FastfoodSpace s;
  s.squares = reinterpret_cast<double*>(scratch);
  s.transform = reinterpret_cast<float*>(scratch + ceil_div(z.lines * sizeof(double), 64) * 64);
  s.inner = s.transform + z.length;
  return s;
}

// body(j, g, places): G for places j .. j + kLanes of the line that begins at `from`; returns Σ G².
template <typename Body>
TENON_INLINE double for_line(const Projection& p, const FastfoodSizes& z, uint64_t from, Body body) {
  const uint32_t wrap = static_cast<uint32_t>(z.length - 1);
  double total = 0;
  vf sum = zero();
  for (uint64_t j = 0; j < z.line; j += 2 * kLanes) {
    vuq w[4];
    words_of(p, (from + j) / 4 + block_index(), vuq{}, kScales, w);
    vf g[2];
    normals_of(w, g[0], g[1]);
    for (int half = 0; half < 2; half++) {
      const uint64_t at = j + static_cast<uint64_t>(half * kLanes);
      if (at >= z.line) break;
      if (z.line - at < kLanes) g[half] = select(lane_index() < static_cast<int32_t>(z.line - at), g[half], zero());
      sum += g[half] * g[half];
      const vu places = (static_cast<uint32_t>(from + at) + (vu)lane_index()) & wrap;
      body(at, g[half], places);
    }
    if (j % 1024 == 0) {
      total += static_cast<double>(hsum(sum));
      sum = zero();
    }
  }
  return total + static_cast<double>(hsum(sum));
}

TENON_INLINE float divisor_of(const Projection& p, const FastfoodSizes& z, const double* squares) {
  double sum = 0;
  for (uint64_t i = 0; i < z.lines; i++) sum += squares[i];
  return static_cast<float>(1 / __builtin_sqrt(static_cast<double>(p.rows) * sum));
}

constexpr uint64_t kLineRoom = kLine + kLanes;

// theta = base + P v
TENON_INLINE void fastfood(const Projection& p, const Runtime& rt, const float* v, const float* base, float* theta) {
  const FastfoodSizes z = fastfood_sizes(p.rows, p.columns);
  const FastfoodSpace s = fastfood_space(z, rt.scratch);
  const Order o = order_of(p, z.length);
  signed_copy(p, v, p.columns, 1, s.inner, z.inner);
  transform_rows(rt, s.inner, s.inner, 1, z.inner, 1);
  const uint32_t wrap = static_cast<uint32_t>(z.inner - 1);
  for_parts(rt, parts_of(z.lines, z.line), [&](uint64_t begin, uint64_t end, uint32_t) {
    float line[kLineRoom];
    for (uint64_t i = begin; i < end; i++) {
      s.squares[i] = for_line(p, z, i * z.line, [&](uint64_t j, vf g, vu places) {
        store(line + j, g * gathered(s.inner, (vi)(placed<false>(o, places) & wrap)));
      });
      transform_row(line, s.transform + i * z.line, z.line, 1);
    }
  });
  transform_across_lines(rt, s.transform, s.transform, 1, z.length);
  const vf scale = splat(divisor_of(p, z, s.squares));
  for_parts(rt, parts_of(p.rows, 1), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t i = begin; i < end; i += kLanes) {
      const int some = static_cast<int>(at_most(kLanes, end - i));
      const vf y = load_part(s.transform + i, some) * scale;
      store_part(theta + i, base ? load_part(base + i, some) + y : y, some);
    }
  });
}

// v = Pᵀ g
TENON_INLINE void fastfood_transposed(const Projection& p, const Runtime& rt, const float* g, float* v) {
  const FastfoodSizes z = fastfood_sizes(p.rows, p.columns);
  const FastfoodSpace s = fastfood_space(z, rt.scratch);
  const Order o = order_of(p, z.length);
  for_parts(rt, parts_of(z.length, 1), [&](uint64_t begin, uint64_t end, uint32_t) {
    const uint64_t given = begin < p.rows ? at_most(end, p.rows) - begin : 0;
    copy_row(s.transform + begin, g + begin, given);
    fill_row(s.transform + begin + given, 0.0f, end - begin - given);
  });
  transform_across_lines(rt, s.transform, s.transform, 1, z.length);
  const uint32_t wrap = static_cast<uint32_t>(z.inner - 1);
  const Parts parts = few_parts_of(z.lines, z.line, kMostParts);
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    float line[kLineRoom];
    float* table = s.inner + part * z.inner;
    if (z.folds) fill_row(table, 0.0f, z.inner);
    for (uint64_t i = begin; i < end; i++) {
      float* w = s.transform + i * z.line;
      transform_row(w, line, z.line, 1);
      s.squares[i] = for_line(p, z, i * z.line, [&](uint64_t j, vf scales, vu places) {
        const vf x = scales * load(line + j);
        if (!z.folds) return store_part(w + j, x, static_cast<int>(at_most(kLanes, z.line - j)));
        const vu to = placed<false>(o, places) & wrap;
        float add[kLanes];
        uint32_t at[kLanes];
        store(add, x);
        __builtin_memcpy(at, &to, sizeof at);
        for (int lane = 0; lane < kLanes; lane++) table[at[lane]] += add[lane];
      });
    }
  });
  if (z.folds) {
    add_parts(s.inner, s.inner, parts.count, z.inner, 1);
  } else {
    for_parts(rt, parts_of(z.inner, 8 * (z.length / z.inner)), [&](uint64_t begin, uint64_t end, uint32_t) {
      for (uint64_t i = begin; i < end; i += kLanes) {
        vf sum = zero();
        for (uint64_t k = 0; k < z.length; k += z.inner) {
          const vu at = (static_cast<uint32_t>(i + k) + (vu)lane_index()) & static_cast<uint32_t>(z.length - 1);
          sum += gathered(s.transform, (vi)placed<true>(o, at));
        }
        store_part(s.inner + i, sum, static_cast<int>(at_most(kLanes, end - i)));
      }
    });
  }
  transform_rows(rt, s.inner, s.inner, 1, z.inner, 1);
  signed_copy(p, s.inner, p.columns, divisor_of(p, z, s.squares), v, p.columns);
}

}  // namespace tenon::TENON_ISA
