// Memory of the core: 64-byte aligned, pages touched, refused in good time where it does not fit; arenas are recycled.
#pragma once
#include <stdint.h>

#include <utility>

namespace tenon {

constexpr uint64_t kAlignment = 64;

// Owns a block; empty (data() == nullptr) where there was none to be had. A block of 0 bytes has a valid pointer.
class Memory {
 public:
  Memory() = default;
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    Memory gone(std::move(other));
    swap(gone);
    return *this;
  }
  ~Memory() { release(); }
  uint8_t* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }        // asked for
  uint64_t capacity() const { return capacity_; }  // held
  explicit operator bool() const { return data_ != nullptr; }
  void resize_within(uint64_t bytes) { bytes_ = bytes; }  // bytes <= capacity()

  // Zeroed. Large blocks are advised to lie in huge pages, and start in the first 4 KiB of one.
  static Memory allocate(uint64_t bytes);

 private:
  void swap(Memory& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(capacity_, other.capacity_);
    std::swap(mapped_, other.mapped_);
  }
  void release();

  uint8_t* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t capacity_ = 0;
  bool mapped_ = false;
};

// Working memory lent for a run. What it holds is left over from before. Empty where there was none to be had.
Memory take_arena(uint64_t bytes);
// The same for long: hardly larger than what is asked for.
Memory take_block(uint64_t bytes);
void give_arena(Memory memory);

// "12.3 GiB"; writes at most 32 bytes.
void show_bytes(uint64_t bytes, char* text);

}  // namespace tenon
