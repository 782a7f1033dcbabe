// Kernels made of others: a step that a kernel runs inside of its own.
#pragma once
#include "base/kernel.h"

namespace tenon::TENON_ISA {

// A view of a part of scratch, or of none yet.
TENON_INLINE View f32_view(float* data, uint32_t rank, const uint64_t* dims) {
  View v;
  v.data = data;
  v.rank = static_cast<uint8_t>(rank);
  v.present = true;
  for (uint32_t i = 0; i < rank; i++) v.dims[i] = dims[i];
  return v;
}

// Whether validated arithmetic on the view's sizes cannot overflow, as the validator makes sure of those of a plan.
TENON_INLINE bool is_sound(const View& v) {
  uint64_t bytes = 4;
  for (uint32_t i = 0; i < v.rank; i++)
    if (__builtin_mul_overflow(bytes, v.dims[i] == 0 ? 1 : v.dims[i], &bytes) || bytes > uint64_t{1} << 46)
      return false;
  return true;
}

struct InnerStep {
  static constexpr uint32_t kWords = 24;
  uint64_t words[kWords] = {};
  uint32_t used = 0;
  View in[3], out;
  uint32_t inputs = 2;

  InnerStep& word(uint64_t value) {
    words[used++] = value;
    return *this;
  }
  InnerStep& word_list(const uint64_t* values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) word(values[i]);
    return *this;
  }
  Step step() const { return {words, in, &out, inputs, 1}; }
  Status check(const Kernel& k) const { return k.check ? k.check(step()) : Status{}; }
  uint64_t scratch(const Kernel& k, int threads) const { return k.scratch ? k.scratch(step(), threads) : 0; }
  Status run(const Kernel& k, Runtime rt, uint8_t* own) const {
    rt.scratch = own;
    return k.run(step(), rt);
  }
};

TENON_INLINE InnerStep inner_step(const View& first, const View& second, const View& result) {
  InnerStep s;
  s.in[0] = first;
  s.in[1] = second;
  s.out = result;
  return s;
}

// Scratch as parts, one after the other.
struct Layout {
  uint64_t at = 0;
  uint64_t take(uint64_t bytes) {
    const uint64_t here = at;
    at += (bytes + 63) / 64 * 64;
    return here;
  }
  uint64_t floats(uint64_t n) { return take(n * 4); }
};

}  // namespace tenon::TENON_ISA
