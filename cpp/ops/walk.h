// A row-major walk over a dense output together with N strided views of its inputs, merged to as few axes as can be.
#pragma once
#include "ops/checks.h"
#include "ops/parts.h"

namespace tenon::TENON_ISA {

template <int N>
struct Walk {
  uint32_t rank = 0;  // at least 1 once closed
  uint64_t dims[kMaxRank] = {};
  uint64_t stride[N][kMaxRank] = {};  // in elements; 0 repeats
};

// Adds an axis inside the others. Axes of size 1 vanish; one that continues the axis before it in every input joins it.
template <int N>
TENON_INLINE void add_axis(Walk<N>& w, uint64_t dim, const uint64_t (&stride)[N]) {
  if (dim == 1) return;
  bool joins = w.rank > 0;
  for (int k = 0; k < N && joins; k++) joins = w.stride[k][w.rank - 1] == stride[k] * dim;
  if (joins) w.rank--;
  w.dims[w.rank] = joins ? w.dims[w.rank] * dim : dim;
  for (int k = 0; k < N; k++) w.stride[k][w.rank] = stride[k];
  w.rank++;
}

template <int N>
TENON_INLINE void close_walk(Walk<N>& w) {
  if (w.rank > 0) return;
  w.rank = 1;
  w.dims[0] = 1;
  for (int k = 0; k < N; k++) w.stride[k][0] = 1;
}

// Where a row of a walk begins in each input. Rows are the walks of the last axis.
template <int N>
struct Cursor {
  uint64_t at[N];
  uint64_t index[kMaxRank];
};

template <int N>
TENON_INLINE Cursor<N> seek(const Walk<N>& w, uint64_t row) {
  Cursor<N> c = {};
  for (uint32_t i = w.rank - 1; i-- > 0;) {
    c.index[i] = row % w.dims[i];
    row /= w.dims[i];
    for (int k = 0; k < N; k++) c.at[k] += c.index[i] * w.stride[k][i];
  }
  return c;
}

template <int N>
TENON_INLINE void next_row(const Walk<N>& w, Cursor<N>& c) {
  for (uint32_t i = w.rank - 1; i-- > 0;) {
    for (int k = 0; k < N; k++) c.at[k] += w.stride[k][i];
    if (++c.index[i] < w.dims[i]) return;
    for (int k = 0; k < N; k++) c.at[k] -= w.stride[k][i] * w.dims[i];
    c.index[i] = 0;
  }
}

// body(out, at, length) over all rows in parallel, long rows in pieces: `length` elements of the output from `out` on,
// at[k] the place in input k.
template <int N, typename Body>
TENON_INLINE void for_rows(const Runtime& rt, const Walk<N>& w, Body body) {
  const uint64_t n = w.dims[w.rank - 1];
  uint64_t rows = 1;
  for (uint32_t i = 0; i + 1 < w.rank; i++) rows *= w.dims[i];
  if (n == 0 || rows == 0) return;
  const uint64_t piece = at_most(n, kPart), pieces = ceil_div(n, piece);
  for_parts(rt, parts_of(rows * pieces, piece), [&](uint64_t begin, uint64_t end, uint32_t) {
    uint64_t row = begin / pieces, part = begin % pieces;
    Cursor<N> c = seek(w, row);
    for (uint64_t i = begin; i < end; i++) {
      const uint64_t from = part * piece;
      uint64_t at[N];
      for (int k = 0; k < N; k++) at[k] = c.at[k] + from * w.stride[k][w.rank - 1];
      body(row * n + from, at, at_most(piece, n - from));
      if (++part < pieces) continue;
      part = 0;
      row++;
      next_row(w, c);
    }
  });
}

// body(out, at, length) for the elements [from, to) of the output on the calling thread, in pieces of its rows.
template <int N, typename Body>
TENON_INLINE void for_range(const Walk<N>& w, uint64_t from, uint64_t to, Body body) {
  const uint64_t n = w.dims[w.rank - 1];
  if (from >= to) return;
  uint64_t skip = from % n;
  for (Cursor<N> c = seek(w, from / n); from < to; next_row(w, c)) {
    const uint64_t count = at_most(n - skip, to - from);
    uint64_t at[N];
    for (int k = 0; k < N; k++) at[k] = c.at[k] + skip * w.stride[k][w.rank - 1];
    body(from, at, count);
    from += count;
    skip = 0;
  }
}

// The walk of numpy's broadcasting: inputs are aligned to the right of `out`, whose dims they have or are 1.
template <int N>
TENON_INLINE Walk<N> broadcast_walk(const View& out, const View* in) {
  Walk<N> w;
  uint64_t stride[N][kMaxRank], running[N];
  for (int k = 0; k < N; k++) running[k] = 1;
  for (uint32_t i = out.rank; i-- > 0;)
    for (int k = 0; k < N; k++) {
      const uint64_t dim = aligned_dim(in[k], out.rank, i);
      stride[k][i] = dim == 1 ? 0 : running[k];
      running[k] *= dim;
    }
  for (uint32_t i = 0; i < out.rank; i++) {
    uint64_t s[N];
    for (int k = 0; k < N; k++) s[k] = stride[k][i];
    add_axis<N>(w, out.dims[i], s);
  }
  close_walk(w);
  return w;
}

}  // namespace tenon::TENON_ISA
