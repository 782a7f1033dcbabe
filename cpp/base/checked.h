// Arithmetic that says when it overflows. Every size that comes from outside goes through here.
#pragma once
#include <stdint.h>

namespace tenon {

constexpr uint64_t kMaxDim = uint64_t{1} << 40;
constexpr uint64_t kMaxBytes = uint64_t{1} << 46;

// False, and *out untouched, where the result does not fit.
inline bool checked_mul(uint64_t a, uint64_t b, uint64_t* out) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
inline bool checked_add(uint64_t a, uint64_t b, uint64_t* out) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
// The next multiple of a power of two; false where it does not fit.
inline bool checked_round_up(uint64_t a, uint64_t multiple, uint64_t* out) {
  uint64_t r;
  if (!checked_add(a, multiple - 1, &r)) return false;
  *out = r & ~(multiple - 1);
  return true;
}

}  // namespace tenon
