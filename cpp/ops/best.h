// The first of the largest, and where it stands; NaN above all.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

struct Best {
  vf value;
  vi place;
  TENON_INLINE void meet(Best& best, vf v, vi at) {
    const vi wins = ~(v <= best.value) & (best.value == best.value);
    best.value = select(wins, v, best.value);
    best.place = select(wins, at, best.place);
  }
};

TENON_INLINE void store_ints(int32_t* p, vi v, int count) {
  if (count == kLanes) return store(p, v);
  store_first(reinterpret_cast<float*>(p), from_bits(v), count);
}

}  // namespace tenon::TENON_ISA
