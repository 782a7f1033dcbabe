#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/checked.h"
#include "base/machine.h"

namespace tenon {
namespace {

constexpr uint64_t kHuge = uint64_t{2} << 20;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kMapFrom = uint64_t{1} << 20;  // smaller blocks come from the C library
constexpr uint64_t kCheckEvery = uint64_t{16}
                                 << 20;  // reading what is free takes some 50 µs: not for every small block

// Reading /proc for each block would be slow and never doing it would be blind: ask once in so many bytes.
bool fits(uint64_t bytes) {
  static std::atomic<uint64_t> unchecked{0};
  const uint64_t since = unchecked.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (since < kCheckEvery) return true;
  unchecked.store(0, std::memory_order_relaxed);
  return bytes <= available_memory();
}

// Blocks that begin at the same place of a page hinder one another: a processor holds a load back while a store is
// under way whose address ends alike, and lines that lie alike crowd the same sets of a cache. So each begins
// elsewhere.
uint64_t next_place() {
  static std::atomic<uint64_t> blocks{0};
  return blocks.fetch_add(1, std::memory_order_relaxed) * 13 % (kPage / kAlignment) * kAlignment;
}

// `bytes` from a boundary of kHuge on.
uint8_t* map_aligned(uint64_t bytes) {
  const uint64_t room = bytes + kHuge;
  void* at = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(at);
  const uintptr_t aligned = (start + kHuge - 1) & ~(kHuge - 1);
  if (aligned > start) munmap(at, aligned - start);
  if (const uint64_t tail = start + room - (aligned + bytes); tail > 0)
    munmap(reinterpret_cast<void*>(aligned + bytes), tail);
#if defined(MADV_HUGEPAGE)
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
#endif
  return reinterpret_cast<uint8_t*>(aligned);
}

// Fresh pages are slow at their first touch: it happens here, outside of any kernel.
void touch(uint8_t* data, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += kPage) *static_cast<volatile uint8_t*>(data + at) = 0;
}

// False where it is too much for any machine.
bool capacity_for(uint64_t bytes, uint64_t* capacity) {
  const uint64_t unit = bytes >= kMapFrom ? kHuge : kAlignment;
  return bytes <= kMaxBytes && checked_round_up(std::max<uint64_t>(bytes, 1), unit, capacity);
}

// Memory at rest, oldest first.
class Arenas {
 public:
  Memory take(uint64_t bytes, uint64_t most) {
    std::lock_guard lock(mutex_);
    auto best = blocks_.end();
    for (auto it = blocks_.begin(); it != blocks_.end(); ++it) {
      const uint64_t capacity = it->capacity();
      if (capacity < bytes || capacity > most) continue;
      if (best == blocks_.end() || capacity <= best->capacity()) best = it;  // the latest: it may lie in cache
    }
    if (best == blocks_.end()) return Memory();
    Memory found = std::move(*best);
    blocks_.erase(best);
    held_ -= found.capacity();
    found.resize_within(bytes);
    return found;
  }
  void give(Memory memory) {
    std::lock_guard lock(mutex_);
    held_ += memory.capacity();
    blocks_.push_back(std::move(memory));
    while (blocks_.size() > kMaxBlocks || held_ > kMaxHeld) drop_oldest();
  }
  void clear() {
    std::lock_guard lock(mutex_);
    while (!blocks_.empty()) drop_oldest();
  }

 private:
  static constexpr size_t kMaxBlocks = 128;
  static constexpr uint64_t kMaxHeld = uint64_t{1} << 30;
  void drop_oldest() {
    held_ -= blocks_.front().capacity();
    blocks_.erase(blocks_.begin());
  }
  std::mutex mutex_;
  std::vector<Memory> blocks_;
  uint64_t held_ = 0;
};

Arenas& arenas() {
  static Arenas* all = new Arenas;  // never destroyed: threads may outlive static destructors
  return *all;
}

}  // namespace

Memory Memory::allocate(uint64_t bytes) {
  Memory memory;
  uint64_t capacity;
  const bool mapped = bytes >= kMapFrom;
  if (!capacity_for(bytes, &capacity)) return memory;
  if (!fits(capacity)) {
    arenas().clear();
    if (capacity > available_memory()) return memory;
  }
  uint8_t* data = mapped ? map_aligned(capacity + kPage) : static_cast<uint8_t*>(aligned_alloc(kAlignment, capacity));
  if (!data) return memory;
  if (mapped) {
    touch(data, capacity + kPage);
    data += next_place();
  } else {
    memset(data, 0, capacity);
  }
  memory.data_ = data;
  memory.bytes_ = bytes;
  memory.capacity_ = capacity;
  memory.mapped_ = mapped;
  return memory;
}

void Memory::release() {
  if (!data_) return;
  if (mapped_) {
    munmap(data_ - reinterpret_cast<uintptr_t>(data_) % kHuge, capacity_ + kPage);
  } else {
    free(data_);
  }
  data_ = nullptr;
}

namespace {

Memory recycled_or_new(uint64_t bytes, uint64_t most) {
  if (Memory recycled = arenas().take(bytes, most)) return recycled;
  return Memory::allocate(bytes);
}

}  // namespace

Memory take_arena(uint64_t bytes) { return recycled_or_new(bytes, 4 * bytes + kMapFrom); }

Memory take_block(uint64_t bytes) {
  uint64_t capacity;
  return capacity_for(bytes, &capacity) ? recycled_or_new(bytes, capacity + capacity / 4) : Memory();
}

void give_arena(Memory memory) {
  if (memory) arenas().give(std::move(memory));
}

void show_bytes(uint64_t bytes, char* text) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit < 4; unit++) value /= 1024;
  snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
}

}  // namespace tenon
