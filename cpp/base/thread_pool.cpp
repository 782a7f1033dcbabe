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

// One fork-join at a time. `state` is the door: helpers enter by adding one to `joined` while it is open and below the
// limit; what stands behind the door (fn, arg, tasks) is written before it opens and read only by those who entered.
struct alignas(64) Slot {
  static constexpr uint64_t kOpen = uint64_t{1} << 63;
  static constexpr uint64_t open_state(uint32_t limit) { return kOpen | (uint64_t{limit} << 32); }
  static constexpr uint32_t limit_of(uint64_t state) { return static_cast<uint32_t>((state & ~kOpen) >> 32); }
  static constexpr uint32_t joined_of(uint64_t state) { return static_cast<uint32_t>(state); }

  std::atomic<uint64_t> state{0};
  std::atomic<bool> leased{false};
  void (*fn)(void*, uint32_t, uint32_t) = nullptr;
  void* arg = nullptr;
  uint32_t tasks = 0;
  alignas(64) std::atomic<uint64_t> next{0};  // 64 bits: the late ones overshoot
  alignas(64) std::atomic<uint32_t> left{0};

  void work(uint32_t worker) {
    const uint64_t count = tasks;
    for (uint64_t t; (t = next.fetch_add(1, std::memory_order_relaxed)) < count;)
      fn(arg, static_cast<uint32_t>(t), worker);
  }
};

class Pool {
 public:
  static Pool& instance() {
    static Pool* pool = new Pool;  // never destroyed: its threads sleep until the process ends
    return *pool;
  }

  Slot* lease() {
    for (Slot& slot : slots_)
      if (!slot.leased.load(std::memory_order_relaxed) && !slot.leased.exchange(true)) return &slot;
    return nullptr;
  }

  void ensure_helpers(int wanted) {
    if (helpers_.load(std::memory_order_acquire) >= wanted) return;
    std::lock_guard lock(grow_);
    for (int have = helpers_.load(); have < wanted; have++) {
      try {
        std::thread([this, have] { help(have); }).detach();
      } catch (const std::system_error&) {
        return;  // fewer helpers: slower, the same results
      }
      helpers_.store(have + 1, std::memory_order_release);
    }
  }

  void fork_join(Slot& slot, uint32_t helpers, uint32_t tasks, void (*fn)(void*, uint32_t, uint32_t), void* arg) {
    slot.fn = fn;
    slot.arg = arg;
    slot.tasks = tasks;
    slot.next.store(0, std::memory_order_relaxed);
    slot.left.store(0, std::memory_order_relaxed);
    slot.state.store(Slot::open_state(helpers));
    wake(helpers);
    slot.work(0);
    const uint32_t joined = Slot::joined_of(slot.state.exchange(0));
    wait_left(slot, joined);
  }

 private:
  // Wakes so many sleepers that, with those who spin, `wanted` may come.
  void wake(uint32_t wanted) {
    epoch_.fetch_add(1);
    const uint32_t awake = spinning_.load(), asleep = sleeping_.load();
    if (asleep == 0 || awake >= wanted) return;
    if (wanted - awake >= asleep) {
      epoch_.notify_all();
    } else {
      for (uint32_t i = awake; i < wanted; i++) epoch_.notify_one();
    }
  }

  static void wait_left(Slot& slot, uint32_t joined) {
    if (joined == 0) return;
    const auto all_left = [&] { return slot.left.load(std::memory_order_acquire) == joined; };
    if (spin_until(Clock::now() + kSpin, all_left)) return;
    for (uint32_t seen; (seen = slot.left.load(std::memory_order_acquire)) != joined;) slot.left.wait(seen);
  }

  // Enters the open slot with the fewest helpers; null where there is none.
  Slot* join(int helper, uint32_t* worker) {
    for (;;) {
      Slot* best = nullptr;
      uint64_t best_state = 0;
      for (int i = 0; i < kSlots; i++) {
        Slot& slot = slots_[(i + helper) % kSlots];
        const uint64_t state = slot.state.load(std::memory_order_relaxed);
        if (!(state & Slot::kOpen) || Slot::joined_of(state) >= Slot::limit_of(state)) continue;
        if (best && Slot::joined_of(state) >= Slot::joined_of(best_state)) continue;
        best = &slot;
        best_state = state;
      }
      if (!best) return nullptr;
      if (best->state.compare_exchange_strong(best_state, best_state + 1, std::memory_order_acq_rel)) {
        *worker = Slot::joined_of(best_state) + 1;
        return best;
      }
    }
  }

  [[noreturn]] void help(int helper) {
    FlushDenormals flush;
    auto deadline = Clock::now() + kSpin;
    for (;;) {
      const uint32_t seen = epoch_.load();
      uint32_t worker;
      if (Slot* slot = join(helper, &worker)) {
        slot->work(worker);
        slot->left.fetch_add(1, std::memory_order_release);
        slot->left.notify_one();
        deadline = Clock::now() + kSpin;
        continue;
      }
      if (spin(seen, deadline)) continue;
      sleeping_.fetch_add(1);
      epoch_.wait(seen);
      sleeping_.fetch_sub(1);
      deadline = Clock::now() + kSpin;
    }
  }

  // True where something new was announced. No more helpers spin than there are cores beside the caller's.
  bool spin(uint32_t seen, Clock::time_point deadline) {
    if (spinning_.fetch_add(1) >= max_spinning_) {
      spinning_.fetch_sub(1);
      return false;
    }
    const bool news = spin_until(deadline, [&] { return epoch_.load(std::memory_order_acquire) != seen; });
    spinning_.fetch_sub(1);
    return news;
  }

  Slot slots_[kSlots];
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> spinning_{0};
  std::atomic<uint32_t> sleeping_{0};
  std::atomic<int> helpers_{0};
  std::mutex grow_;
  const uint32_t max_spinning_ = static_cast<uint32_t>(allowed_cores() - 1);
};

void run_inline(uint32_t tasks, void (*fn)(void*, uint32_t, uint32_t), void* arg) {
  for (uint32_t t = 0; t < tasks; t++) fn(arg, t, 0);
}

void parallel(const Runtime& rt, uint32_t tasks, void (*fn)(void*, uint32_t, uint32_t), void* arg) {
  if (tasks <= 1 || rt.threads <= 1 || !rt.pool) return run_inline(tasks, fn, arg);
  const uint32_t helpers = std::min(static_cast<uint32_t>(rt.threads), tasks) - 1;
  Pool::instance().fork_join(*static_cast<Slot*>(rt.pool), helpers, tasks, fn, arg);
}

}  // namespace

Team::Team(int threads) : threads_(std::clamp(threads, 1, kMaxThreads)), slot_(nullptr) {
  if (threads_ == 1) return;
  slot_ = Pool::instance().lease();
  if (slot_) Pool::instance().ensure_helpers(threads_ - 1);
}

Team::~Team() {
  if (slot_) static_cast<Slot*>(slot_)->leased.store(false, std::memory_order_release);
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
