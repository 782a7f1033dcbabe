// Work cut into parts whose bounds depend on the shape alone, so that results are the same for any number of threads.
#pragma once
#include "simd/parallel.h"

namespace tenon::TENON_ISA {

constexpr uint64_t kPart = 16384;  // elements a task: less than this wakes nobody

TENON_INLINE uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }
TENON_INLINE uint64_t at_most(uint64_t a, uint64_t b) { return a < b ? a : b; }
TENON_INLINE uint64_t at_least(uint64_t a, uint64_t b) { return a > b ? a : b; }

struct Parts {
  uint64_t items;
  uint64_t each;
  uint32_t count;
};

// `items` of `width` elements each: whole items a part.
TENON_INLINE Parts parts_of(uint64_t items, uint64_t width) {
  const uint64_t each = at_least(kPart / at_least(width, 1), 1);
  return {items, each, static_cast<uint32_t>(ceil_div(items, each))};
}

// The same in at most `limit` parts: for passes that keep a partial result of each.
TENON_INLINE Parts few_parts_of(uint64_t items, uint64_t width, uint64_t limit) {
  const uint64_t each = at_least(parts_of(items, width).each, ceil_div(items, limit));
  return {items, each, static_cast<uint32_t>(ceil_div(items, each))};
}

// body(begin, end, part) for every part.
template <typename Body>
TENON_INLINE void for_parts(const Runtime& rt, const Parts& parts, Body body) {
  parallel_for(rt, parts.count, [&](uint32_t part, uint32_t) {
    const uint64_t begin = part * parts.each;
    body(begin, at_most(begin + parts.each, parts.items), part);
  });
}

// A fault that any task may find.
struct Flag {
  uint32_t raised = 0;
  void raise() { __atomic_store_n(&raised, 1u, __ATOMIC_RELAXED); }
  bool up() const { return __atomic_load_n(&raised, __ATOMIC_RELAXED) != 0; }
};

}  // namespace tenon::TENON_ISA
