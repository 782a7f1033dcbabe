// Typed views of memory. Plain data: included by code compiled for every ISA, so every function here is forced inline.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TENON_INLINE static inline __attribute__((always_inline))

namespace tenon {

enum class DType : uint8_t { kF32 = 0, kI32 = 1, kU8 = 2 };
constexpr uint32_t kMaxRank = 8;

TENON_INLINE uint64_t dtype_bytes(DType t) { return t == DType::kU8 ? 1 : 4; }

// Row-major, dense. An absent optional input has data == nullptr and present == false.
struct View {
  void* data = nullptr;
  uint64_t dims[kMaxRank] = {};
  DType dtype = DType::kF32;
  uint8_t rank = 0;
  bool present = false;
  bool made = false;  // a step of the plan writes this memory
};

TENON_INLINE uint64_t numel(const View& v) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < v.rank; i++) n *= v.dims[i];
  return n;
}
// Product of the dims [from, to).
TENON_INLINE uint64_t span_of(const View& v, uint32_t from, uint32_t to) {
  uint64_t n = 1;
  for (uint32_t i = from; i < to; i++) n *= v.dims[i];
  return n;
}
TENON_INLINE float* f32(const View& v) { return static_cast<float*>(v.data); }
TENON_INLINE int32_t* i32(const View& v) { return static_cast<int32_t*>(v.data); }
TENON_INLINE uint8_t* u8(const View& v) { return static_cast<uint8_t*>(v.data); }

}  // namespace tenon
