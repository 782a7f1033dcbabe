// The threads that kernels run on: one set of helpers for the process, shared fairly by the runs that go on at once.
#pragma once
#include <stdint.h>

#include "base/kernel.h"

namespace tenon {

constexpr int kMaxThreads = 256;

// One run's right to split work. The thread that calls parallel() works too; helpers join as they are free, so a task
// may run on any of them, and worker numbers are below `threads`.
class Team {
 public:
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  Runtime runtime(uint8_t* scratch) const;

 private:
  int threads_;
  void* slot_;  // null: no slot was free, all tasks run on the caller
};

}  // namespace tenon
