#include "exec/drivers.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace tenon {
namespace {

class Drivers {
 public:
  static Drivers& instance() {
    static Drivers* drivers = new Drivers;  // never destroyed: its threads sleep until the process ends
    return *drivers;
  }

  bool post(std::function<void()> job) {
    std::lock_guard lock(mutex_);
    if (idle_ <= jobs_.size() && count_ < kMaxDrivers && !grow() && count_ == 0) return false;
    jobs_.push_back(std::move(job));
    wake_.notify_one();
    return true;
  }

 private:
  static constexpr size_t kMaxDrivers = 64;

  bool grow() {
    try {
      std::thread([this] { drive(); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    count_++;
    return true;
  }

  [[noreturn]] void drive() {
    std::unique_lock lock(mutex_);
    for (;;) {
      idle_++;
      wake_.wait(lock, [&] { return !jobs_.empty(); });
      idle_--;
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  size_t idle_ = 0;
  size_t count_ = 0;
};

}  // namespace

bool post_to_driver(std::function<void()> job) { return Drivers::instance().post(std::move(job)); }

}  // namespace tenon
