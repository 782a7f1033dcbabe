// A plan after decoding and validation: what the executor trusts. Its bytes come from src/plan/bytes.ts.
#pragma once
#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "base/kernel.h"
#include "base/view.h"
#include "exec/fault.h"
#include "exec/isa.h"
#include "exec/op_info.h"

namespace tenon {

enum class Place : uint8_t { kArena = 0, kStore = 1, kExternal = 2 };
constexpr uint32_t kAbsent = 0xffffffff;  // an absent optional input; no name

struct PlanView {
  Place place = Place::kArena;
  bool per_step = false;  // row s of a table at step s of the run; externals only
  bool written = false;
  uint32_t ref = 0;     // store: first name of the same text; external: its index; arena: 0
  uint64_t offset = 0;  // in the arena
  uint64_t bytes = 0;
  View shape;  // without data
};

struct PlanStep {
  const OpInfo* info = nullptr;
  const Kernel* kernel = nullptr;
  uint32_t first_slot = 0;  // in Plan::slots: inputs, then outputs
  uint32_t inputs = 0;
  uint32_t outputs = 0;
  uint32_t first_word = 0;  // in Plan::words
  uint32_t name = kAbsent;
  bool empty = false;         // no output has an element: nothing to do, however large the inputs say that they are
  bool joins = false;         // belongs to the segment of the step before
  uint64_t rows = 0;          // of a row-local step
  uint64_t work = 0;          // of a row-local step, in elements copied
  mutable uint64_t memo = 0;  // its kernel's
};

// Steps of a segment that must see each other's rows, in order: a thread takes some rows through all of them.
struct Chain {
  uint32_t first = 0;  // in Plan::chained
  uint32_t count = 0;
  uint64_t rows = 0;   // divides those of each step
  uint64_t grain = 1;  // rows of a unit
  uint64_t units = 0;
  uint64_t unit_work = 0;
  uint64_t tile = 0;  // units that pass through all steps at a time
};

// Steps without a barrier between them: a step that is not row-local, or chains that do not see each other.
struct Segment {
  uint32_t first = 0;  // step
  uint32_t count = 0;
  uint32_t first_chain = 0;
  uint32_t chains = 0;
  uint64_t work = 0;  // of all chains
};

constexpr uint32_t kMaxSegment = 64;  // steps

// What a run must bring: all views of one external, or of one name of the store, agree on it.
struct BufferSpec {
  DType dtype = DType::kF32;
  uint64_t bytes = 0;
  bool per_step = false;
  bool written = false;
};

// A number of bytes that follows from the number of threads, kept for the number asked for last.
class BytesByThreads {
 public:
  BytesByThreads() = default;
  BytesByThreads& operator=(BytesByThreads&&) noexcept {  // starts anew
    known_.store(0, std::memory_order_relaxed);
    return *this;
  }
  bool find(int threads, uint64_t* bytes) const {
    const uint64_t known = known_.load(std::memory_order_relaxed);
    *bytes = known & kMask;
    return known >> kShift == static_cast<uint64_t>(threads);
  }
  void keep(int threads, uint64_t bytes) {  // bytes <= kMaxBytes
    known_.store((static_cast<uint64_t>(threads) << kShift) | bytes, std::memory_order_relaxed);
  }

 private:
  static constexpr int kShift = 48;
  static constexpr uint64_t kMask = (uint64_t{1} << kShift) - 1;
  std::atomic<uint64_t> known_{0};  // threads, bytes
};

struct Plan {
  const Isa* isa = nullptr;
  uint64_t arena_bytes = 0;
  std::vector<std::string> names;
  std::vector<PlanView> views;
  std::vector<PlanStep> steps;
  std::vector<uint32_t> slots;  // view index or kAbsent
  std::vector<uint64_t> words;  // attributes
  std::vector<BufferSpec> externals;
  std::map<uint32_t, BufferSpec> store;  // by name index
  std::vector<Segment> segments;
  std::vector<Chain> chains;
  std::vector<uint32_t> chained;  // steps, chain by chain
  std::vector<uint32_t> moving;   // slots that are a row further each step of the run
  mutable BytesByThreads scratch;
};

// Decodes, then validates everything; *plan is of use only without a fault. Throws nothing but std::bad_alloc, and
// allocates no more than a small multiple of `length`.
Fault load_plan(const uint8_t* bytes, uint64_t length, const Isa* isa, Plan* plan);

// The two halves of it.
Fault decode_plan(const uint8_t* bytes, uint64_t length, Plan* plan);
Fault validate_plan(Plan* plan);

// The part of it that finds the segments; of steps that are valid by themselves.
Fault find_segments(Plan* plan);

bool same_bytes(const PlanView& a, const PlanView& b);
bool overlap(const PlanView& a, const PlanView& b);

// Most scratch bytes that a step asks for with so many threads.
Fault scratch_bytes(const Plan& plan, int threads, uint64_t* bytes);

const char* dtype_name(DType dtype);
std::string show_view(const View& view);                    // "f32[8, 3]"
Fault at_step(const Plan& plan, size_t step, Fault fault);  // adds step, op and layer

}  // namespace tenon
