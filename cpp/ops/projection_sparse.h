// One ±1/√strata in each stratum of a column: eight strata and kBlocks columns a call.
#pragma once
#include "ops/projection.h"

namespace tenon::TENON_ISA {

constexpr uint64_t kStrata = 8;  // of a block
constexpr int kHalves = 8;       // vectors of one call, each two strata of kBlocks columns, lane by lane in turn

// Of one block of strata: sizes and places of its strata in the lanes' order, and all bits set where there is one.
struct StrataLanes {
  vu size[4];   // of the low and high halves of words 0|1 (interleaved), then 2|3: [low 01, high 01, low 23, high 23]
  vu first[4];  // rows, from the block's first
  vu exists[4];
};

TENON_INLINE StrataLanes strata_lanes(const Projection& p, uint64_t block) {
  StrataLanes s;
  for (int v = 0; v < 4; v++)
    for (int lane = 0; lane < kLanes; lane++) {
      const uint64_t k = static_cast<uint64_t>((v >> 1) * 4 + (lane & 1) * 2 + (v & 1)), t = block * kStrata + k;
      const bool there = t < p.strata;
      s.size[v][lane] = there ? static_cast<uint32_t>(at_most(p.stratum, p.rows - t * p.stratum)) : 0;
      s.first[v][lane] = there ? static_cast<uint32_t>(k * p.stratum) : 0;
      s.exists[v][lane] = there ? 0xffffffffu : 0;
    }
  return s;
}

// Places, from the block's first row, and signs of the entries of columns c .. c + kBlocks: even lanes of vector v are
// of one stratum, odd ones of another.
TENON_INLINE void entries_of(const Projection& p, const StrataLanes& s, uint64_t block, uint64_t c, vu (&place)[4],
                             vu (&sign)[4]) {
  vuq w[4];
  words_of(p, block + vuq{}, c + block_index(), kEntries, w);
  for (int pair = 0; pair < 2; pair++) {
    const vu both = (vu)((w[2 * pair] & 0xffffffffu) | w[2 * pair + 1] << 32);
    for (int high = 0; high < 2; high++) {
      const int v = 2 * pair + high;
      const vu half = high != 0 ? both >> 16 : both & 0xffffu;
      place[v] = s.first[v] + ((half >> 1) * s.size[v] >> 15);
      sign[v] = half << 31;
    }
  }
}

// theta: the block's rows, the base already there. twice: [columns padded to kBlocks, 2] the scaled v, each twice.
TENON_INLINE void rows_of_strata(const Projection& p, const float* twice, float* theta, uint64_t block) {
  const StrataLanes s = strata_lanes(p, block);
  for (uint64_t c = 0; c < p.columns; c += kBlocks) {
    vu place[4], sign[4];
    entries_of(p, s, block, c, place, sign);
    const vi x = bits(load(twice + 2 * c));
    uint32_t at[4][kLanes];
    float add[4][kLanes];
    for (int v = 0; v < 4; v++) {
      __builtin_memcpy(at[v], &place[v], sizeof at[v]);
      store(add[v], from_bits((x ^ (vi)sign[v]) & (vi)s.exists[v]));
    }
    for (int v = 0; v < 4; v++)
      for (int lane = 0; lane < kLanes; lane++) theta[at[v][lane]] += add[v][lane];
  }
}

// sums: [columns padded to kBlocks, 2] += the entries of one block of strata times g, its rows.
TENON_INLINE void columns_of_strata(const Projection& p, const float* g, float* sums, uint64_t block) {
  const StrataLanes s = strata_lanes(p, block);
  for (uint64_t c = 0; c < p.columns; c += kBlocks) {
    vu place[4], sign[4];
    entries_of(p, s, block, c, place, sign);
    vf sum[4];
    for (int v = 0; v < 4; v++) sum[v] = from_bits((bits(gathered(g, (vi)place[v])) ^ (vi)sign[v]) & (vi)s.exists[v]);
    store(sums + 2 * c, load(sums + 2 * c) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
}

}  // namespace tenon::TENON_ISA
