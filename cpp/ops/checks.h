// What kernels' checks are written with. Shapes come from outside: nothing here may overflow.
#pragma once
#include "base/kernel.h"

namespace tenon::TENON_ISA {

TENON_INLINE Status bad_plan(const char* what, const char* field) { return {Code::kBadPlan, what, -1, field}; }

TENON_INLINE bool same_dims(const View& a, const View& b) {
  if (a.rank != b.rank) return false;
  for (uint32_t i = 0; i < a.rank; i++)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}

TENON_INLINE bool dims_are(const View& v, uint32_t rank, const uint64_t* dims) {
  if (v.rank != rank) return false;
  for (uint32_t i = 0; i < rank; i++)
    if (v.dims[i] != dims[i]) return false;
  return true;
}

// The size of `v` along `axis` of a shape of `rank` dims, to whose right its own are aligned; 1 where it has none.
TENON_INLINE uint64_t aligned_dim(const View& v, uint32_t rank, uint32_t axis) {
  const uint32_t lack = rank - v.rank;
  return axis < lack ? 1 : v.dims[axis - lack];
}

}  // namespace tenon::TENON_ISA
