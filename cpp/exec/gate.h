// Lets one in at a time, in the order of asking; nobody holds a thread while waiting, unless it wants to.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace tenon {

class Gate {
 public:
  // Calls start() now, on this thread, or later on that of whoever leaves. Its caller must leave() once.
  void enter(std::function<void()> start) {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(busy_, true)) {
        waiting_.push_back(std::move(start));
        return;
      }
    }
    start();
  }

  void enter_and_wait() {
    if (try_enter()) return;
    std::mutex mutex;
    std::condition_variable arrived;
    bool mine = false;
    enter([&] {
      std::lock_guard lock(mutex);  // held through notify: `arrived` lives on the waiter's stack
      mine = true;
      arrived.notify_one();
    });
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return mine; });
  }

  void leave() {
    std::function<void()> next;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        busy_ = false;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next();
  }

 private:
  bool try_enter() {
    std::lock_guard lock(mutex_);
    return !std::exchange(busy_, true);
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> waiting_;
  bool busy_ = false;
};

}  // namespace tenon
