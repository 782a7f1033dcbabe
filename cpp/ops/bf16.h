// Products whose operands are rounded to bf16 on their way into panels, and whose sums are f32.
//
// A packed operand is made of words of 4 bytes along the inner dimension. Where the CPU has a dot product of pairs, a
// word is a pair k, k + 1 of bf16; elsewhere there are two words a pair, f32 numbers with zeros for their low halves,
// k + 1 before k, and the tile is that of f32. Products of two bf16 are exact in f32, so a pair adds the same bits
// either way: the odd product, then the even one. An odd inner dimension ends in a pair whose odd half is 0.
#pragma once
#include "ops/gemm.h"

namespace tenon::TENON_ISA {

struct Bf16Way {
  int64_t span;  // elements of k in a word: 2 or 1
  // Rows of k elements, from_row apart, to rows of words, to_row apart (whole vectors).
  void (*copy)(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t k);
  // pack_copy and pack_transposed of pack.h.
  void (*pack)(float* to, int width, const float* from, int64_t ld, int64_t k, int cols);
  void (*pack_transposed)(float* to, int width, const float* from, int64_t ld, int64_t k, int cols);
  TileFn (*tile)(Walk walk, int rows, int cols);

  int64_t words(int64_t k) const { return (k + 1) / 2 * (2 / span); }
};

// That of this CPU.
const Bf16Way& bf16_way();

// Sources of a product as gemm.h wants them; their k counts words.
struct Bf16Left {
  const Bf16Way* way;
  LeftMatrix from;
  int64_t inner;  // elements

  Bf16Left of(int64_t product) const { return {way, from.of(product), inner}; }
  Matrix at(int64_t, int64_t) const { return {}; }
  int64_t elements(int64_t k0, int64_t k) const { return least(k * way->span, inner - k0 * way->span); }
  void copy(float* to, int64_t to_row, int64_t row, int64_t rows, int64_t k0, int64_t k) const {
    const Matrix m = from.at(row, k0 * way->span);
    way->copy(to, to_row, m.data, m.row, rows, elements(k0, k));
  }
  void pack(float* to, int64_t row, int rows, int64_t k0, int64_t k) const {
    const Matrix m = from.at(row, k0 * way->span);
    way->pack(to, kPackRows, m.data, m.col, elements(k0, k), rows);
  }
};

struct Bf16Right {
  const Bf16Way* way;
  RightMatrix from;
  int64_t inner;

  Bf16Right of(int64_t product) const { return {way, from.of(product), inner}; }
  static constexpr bool direct() { return false; }
  Matrix at(int64_t, int64_t) const { return {}; }
  void pack(float* to, int64_t k0, int64_t k, int64_t col, int cols) const {
    const Matrix m = from.at(k0 * way->span, col);
    const int64_t here = least(k * way->span, inner - k0 * way->span);
    if (m.col == 1)
      way->pack(to, panel_width(cols), m.data, m.row, here, cols);
    else
      way->pack_transposed(to, panel_width(cols), m.data, m.col, here, cols);
  }
  TileFn tile(Walk walk, int rows, int cols) const { return way->tile(walk, rows, cols); }
};

}  // namespace tenon::TENON_ISA
