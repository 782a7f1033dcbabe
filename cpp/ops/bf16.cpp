#include "ops/bf16.h"

#include "simd/bf16.h"

namespace tenon::TENON_ISA {
namespace {

// n numbers from p, zeros after; 0 and less is none.
TENON_INLINE vf load_some(const float* p, int64_t n) {
  return n >= kLanes ? load(p) : n > 0 ? load_first(p, static_cast<int>(n)) : zero();
}

// Two words a pair: the odd number, then the even one.
namespace split {

void copy(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t k) {
  for (; rows > 0; rows--, to += to_row, from += from_row)
    for (int64_t i = 0; i < k; i += kLanes) {
      const vf x = round_bf16(load_some(from + i, k - i));
      for (int j = 0; j < kLanes; j += 2) {
        to[i + j] = x[j + 1];
        to[i + j + 1] = x[j];
      }
    }
}

void pack(float* to, int width, const float* from, int64_t ld, int64_t k, int cols) {
  for (int64_t i = 0; i < k; i += 2, to += 2 * width, from += 2 * ld)
    for (int j = 0; j < width; j += kLanes) {
      store(to + j, i + 1 < k ? round_bf16(load_some(from + ld + j, cols - j)) : zero());
      store(to + width + j, round_bf16(load_some(from + j, cols - j)));
    }
}

void pack_transposed(float* to, int width, const float* from, int64_t ld, int64_t k, int cols) {
  for (int j0 = 0; j0 < width; j0 += kLanes)
    for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
      vf r[kLanes];
      for (int j = 0; j < kLanes; j++)
        r[j] = j0 + j < cols ? round_bf16(load_some(from + (j0 + j) * ld + k0, k - k0)) : zero();
      transpose(r);
      const int64_t deep = least(kLanes, (k - k0 + 1) / 2 * 2);
      for (int64_t i = 0; i < deep; i++) store(to + (k0 + i) * width + j0, r[i ^ 1]);
    }
}

}  // namespace split

constexpr Bf16Way kSplit = {1, split::copy, split::pack, split::pack_transposed, tile_function};

#if TENON_VBYTES == 64
// A word a pair.
namespace joined {

void copy(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t k) {
  for (; rows > 0; rows--, to += to_row, from += from_row) {
    int64_t i = 0;
    for (; i + 2 * kLanes <= k; i += 2 * kLanes) store(to + i / 2, narrow(load(from + i), load(from + i + kLanes)));
    if (i < k) store(to + i / 2, narrow(load_some(from + i, k - i), load_some(from + i + kLanes, k - i - kLanes)));
  }
}

void pack(float* to, int width, const float* from, int64_t ld, int64_t k, int cols) {
  for (int64_t i = 0; i < k; i += 2, to += width, from += 2 * ld)
    for (int j = 0; j < width; j += kLanes)
      store(to + j, pairs(load_some(from + j, cols - j), i + 1 < k ? load_some(from + ld + j, cols - j) : zero()));
}

void pack_transposed(float* to, int width, const float* from, int64_t ld, int64_t k, int cols) {
  for (int j0 = 0; j0 < width; j0 += kLanes)
    for (int64_t k0 = 0; k0 < k; k0 += 2 * kLanes) {
      vf r[kLanes];
      for (int j = 0; j < kLanes; j++) {
        const float* p = from + (j0 + j) * ld + k0;
        r[j] = j0 + j < cols ? narrow(load_some(p, k - k0), load_some(p + kLanes, k - k0 - kLanes)) : zero();
      }
      transpose(r);
      const int64_t deep = least(kLanes, (k - k0 + 1) / 2);
      for (int64_t i = 0; i < deep; i++) store(to + (k0 / 2 + i) * width + j0, r[i]);
    }
}

}  // namespace joined

constexpr Bf16Way kJoined = {2, joined::copy, joined::pack, joined::pack_transposed, pairs_tile_function};
const Bf16Way& best_way() { return has_bf16() ? kJoined : kSplit; }
#else
const Bf16Way& best_way() { return kSplit; }
#endif

}  // namespace

const Bf16Way& bf16_way() { return best_way(); }

}  // namespace tenon::TENON_ISA
