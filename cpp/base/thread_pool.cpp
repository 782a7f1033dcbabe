#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/denormals.h"
#include "base/machine.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int kSlots = 64;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() or the time is over; tells which.
template <typename Done>
bool spin_until(Clock::time_point deadline, Done done) {
  for (;;) {
    for (int i = 0; i < 16; i++) {
      if (done()) return true;
      relax();
    }
    if (Clock::now() >= deadline) return done();
  }
}

using Body = void (*)(void*, uint32_t, uint32_t);

// One fork-join at a time. `state` is the door: while tasks are left that nobody took, and fewer helpers are in than
// may be, one enters by claiming a task. The caller takes tasks from the front, helpers from the back: so from one fork
// to the next a thread meets the rows that it made, in its own cache. What stands behind the door (body, arg, tasks) is
// written before it opens and read only by those who entered. All of it is one line of the cache, so that a small fork
// moves no other.
struct alignas(64) Slot {
  // From the top: tasks left (signed, for the late ones overshoot), helpers inside, most helpers.
  static constexpr int kInside = 10, kLeft = 20;
  static constexpr int64_t kOneInside = int64_t{1} << kInside, kOneTask = int64_t{1} << kLeft;
  static constexpr int64_t left_of(int64_t state) { return state >> kLeft; }
  static constexpr uint32_t inside_of(int64_t state) { return static_cast<uint32_t>(state >> kInside) & 1023; }
  static constexpr uint32_t most_of(int64_t state) { return static_cast<uint32_t>(state) & 1023; }
  static constexpr bool open(int64_t state) { return left_of(state) > 0 && inside_of(state) < most_of(state); }

  std::atomic<int64_t> state{0};
  Body body = nullptr;
  void* arg = nullptr;
  uint32_t tasks = 0;
  std::atomic<uint32_t> from_back{0};            // tasks that helpers took
  alignas(64) std::atomic<uint32_t> awaited{0};  // the caller sleeps until the last helper is out

  // The caller takes task 0 along with opening the door.
  void start(uint32_t helpers, uint32_t count, Body b, void* a) {
    body = b;
    arg = a;
    tasks = count;
    from_back.store(0, std::memory_order_relaxed);
    state.store((int64_t{count} - 1) * kOneTask + helpers);
  }
  bool claim() { return left_of(state.fetch_sub(kOneTask, std::memory_order_relaxed)) > 0; }
  void lead() {
    uint32_t next = 0;
    do {
      body(arg, next++, 0);
    } while (claim());
  }
  // `more`: whether there were tasks besides the one that was claimed on the way in.
  void help(uint32_t worker, bool more) {
    do {
      body(arg, tasks - 1 - from_back.fetch_add(1, std::memory_order_relaxed), worker);
    } while (more && claim());
  }
  // Once no task is left nobody enters any more.
  bool finished() const { return inside_of(state.load(std::memory_order_acquire)) == 0; }
  void leave() {
    if (inside_of(state.fetch_sub(kOneInside)) > 1 || awaited.load() == 0) return;
    awaited.store(0);
    awaited.notify_one();
  }
};

// A helper's way in, with a task claimed: its number among the workers, and whether tasks were left.
struct Entry {
  Slot* slot = nullptr;
  uint32_t worker = 0;
  bool more = false;
};

class Pool {
 public:
  static Pool& instance() {
    static Pool* pool = new Pool;  // never destroyed: its threads sleep until the process ends
    return *pool;
  }

  // More would only take turns.
  uint32_t most_helpers() const { return cores_beside_; }

  Slot* lease() {
    uint64_t leased = leased_.load(std::memory_order_relaxed);
    while (~leased != 0) {
      const int i = __builtin_ctzll(~leased);
      if (leased_.compare_exchange_weak(leased, leased | uint64_t{1} << i, std::memory_order_acq_rel))
        return slots_ + i;
    }
    return nullptr;
  }
  // Some slots stay with the threads that had them, so that helpers find the doors that they look at unchanged.
  bool stays(const Slot* slot) const { return slot - slots_ < kSlots / 2; }
  void give_back(const Slot* slot) { leased_.fetch_and(~(uint64_t{1} << (slot - slots_)), std::memory_order_acq_rel); }

  void ensure_helpers(uint32_t wanted) {
    if (helpers_.load(std::memory_order_acquire) >= wanted) return;
    std::lock_guard lock(grow_);
    for (uint32_t have = helpers_.load(); have < wanted; have++) {
      try {
        std::thread([this, have] { help(have); }).detach();
      } catch (const std::system_error&) {
        return;  // fewer helpers: slower, the same results
      }
      helpers_.store(have + 1, std::memory_order_release);
    }
  }

  void fork_join(Slot& slot, uint32_t helpers, uint32_t tasks, Body body, void* arg) {
    slot.start(helpers, tasks, body, arg);
    wake(helpers);
    slot.lead();
    if (!slot.finished()) wait_for(slot);
  }

 private:
  // Wakes so many sleepers that, with those who spin, `wanted` may come. Who is about to sleep looks at the doors once
  // more after it is counted, so that either is seen by the other.
  void wake(uint32_t wanted) {
    const uint32_t asleep = sleeping_.load();
    if (asleep == 0) return;
    const uint32_t awake = spinning_.load();
    if (awake >= wanted) return;
    epoch_.fetch_add(1);
    if (wanted - awake >= asleep) {
      epoch_.notify_all();
    } else {
      for (uint32_t i = awake; i < wanted; i++) epoch_.notify_one();
    }
  }

  static void wait_for(Slot& slot) {
    if (spin_until(Clock::now() + kSpin, [&] { return slot.finished(); })) return;
    for (;;) {
      slot.awaited.store(1);
      if (slot.finished()) break;
      slot.awaited.wait(1);
    }
    slot.awaited.store(0);
  }

  // The open slot with the fewest helpers, of those from a helper's own place on.
  Slot* find_open(uint32_t helper, int64_t* state) {
    Slot* best = nullptr;
    const uint64_t leased = leased_.load();
    if (leased == 0) return nullptr;
    const int turn = static_cast<int>(helper % kSlots);
    for (uint64_t rest = rotate_right(leased, turn); rest != 0; rest &= rest - 1) {
      Slot& slot = slots_[(__builtin_ctzll(rest) + turn) % kSlots];
      const int64_t found = slot.state.load();
      if (!Slot::open(found) || (best && Slot::inside_of(found) >= Slot::inside_of(*state))) continue;
      best = &slot;
      *state = found;
    }
    return best;
  }

  bool enter(uint32_t helper, Entry* entry) {
    int64_t state = 0;
    while (Slot* slot = find_open(helper, &state)) {
      const int64_t inside = state + Slot::kOneInside - Slot::kOneTask;
      if (!slot->state.compare_exchange_strong(state, inside, std::memory_order_acq_rel)) continue;
      *entry = {slot, Slot::inside_of(inside), Slot::left_of(inside) > 0};
      return true;
    }
    return false;
  }

  [[noreturn]] void help(uint32_t helper) {
    FlushDenormals flush;
    for (;;) {
      Entry entry;
      if (enter(helper, &entry) || spin(helper, &entry)) {
        entry.slot->help(entry.worker, entry.more);
        entry.slot->leave();
      } else {
        sleep(helper);
      }
    }
  }

  // No more helpers spin than there are cores beside the caller's.
  bool spin(uint32_t helper, Entry* entry) {
    bool entered = false;
    if (spinning_.fetch_add(1) < cores_beside_)
      entered = spin_until(Clock::now() + kSpin, [&] { return enter(helper, entry); });
    spinning_.fetch_sub(1);
    return entered;
  }

  void sleep(uint32_t helper) {
    sleeping_.fetch_add(1);
    const uint32_t seen = epoch_.load();
    int64_t state = 0;
    if (!find_open(helper, &state)) epoch_.wait(seen);
    sleeping_.fetch_sub(1);
  }

  static uint64_t rotate_right(uint64_t word, int by) { return by == 0 ? word : word >> by | word << (64 - by); }

  Slot slots_[kSlots];
  alignas(64) std::atomic<uint64_t> leased_{0};  // a bit a slot
  alignas(64) std::atomic<uint32_t> sleeping_{0};
  std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> spinning_{0};
  alignas(64) std::atomic<uint32_t> helpers_{0};  // apart from what helpers write
  std::mutex grow_;
  const uint32_t cores_beside_ = static_cast<uint32_t>(allowed_cores() - 1);
};

void run_inline(uint32_t tasks, Body body, void* arg) {
  for (uint32_t t = 0; t < tasks; t++) body(arg, t, 0);
}

void parallel(const Runtime& rt, uint32_t tasks, Body body, void* arg) {
  if (tasks <= 1 || rt.threads <= 1 || !rt.pool) return run_inline(tasks, body, arg);
  const uint32_t helpers =
      std::min({static_cast<uint32_t>(rt.threads) - 1, tasks - 1, Pool::instance().most_helpers()});
  Pool::instance().fork_join(*static_cast<Slot*>(rt.pool), helpers, tasks, body, arg);
}

// The slot of the run before on this thread.
struct Seat {
  Slot* slot = nullptr;
  ~Seat() {
    if (slot) Pool::instance().give_back(slot);
  }
  Slot* take() {
    Slot* const kept = slot;
    slot = nullptr;
    return kept ? kept : Pool::instance().lease();
  }
  void leave(Slot* used) {
    if (!slot && Pool::instance().stays(used)) {
      slot = used;
    } else {
      Pool::instance().give_back(used);
    }
  }
};
thread_local Seat seat;

}  // namespace

Team::Team(int threads) : threads_(std::clamp(threads, 1, kMaxThreads)), slot_(nullptr) {
  const uint32_t helpers = std::min(static_cast<uint32_t>(threads_) - 1, Pool::instance().most_helpers());
  if (helpers == 0) return;
  slot_ = seat.take();
  if (slot_) Pool::instance().ensure_helpers(helpers);
}

Team::~Team() {
  if (slot_) seat.leave(static_cast<Slot*>(slot_));
}

Runtime Team::runtime(uint8_t* scratch) const {
  Runtime rt;
  rt.threads = threads_;
  rt.scratch = scratch;
  rt.pool = slot_;
  rt.parallel = parallel;
  return rt;
}

}  // namespace tenon
