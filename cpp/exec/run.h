// Running a plan: binds its views to memory once, then loops over steps without allocation.
#pragma once
#include <atomic>
#include <vector>

#include "exec/plan.h"
#include "exec/store.h"

namespace tenon {

// Memory for one external of the plan. For a perStep external: a row per step of the run.
struct Buffer {
  void* data = nullptr;
  uint64_t bytes = 0;
};

constexpr uint32_t kMaxRunSteps = 0x7fffffff;
// What control[0] may hold: 0 go on, 1 stop after the step in progress, anything else stop between two ops.
constexpr int32_t kStopAfterStep = 1;

struct RunOptions {
  uint32_t steps = 1;
  int threads = 1;
  int32_t* control = nullptr;                // two words shared with others: wish to stop, steps done. May be null
  const std::atomic<bool>* abort = nullptr;  // the caller is going away. May be null
  uint64_t* nanoseconds = nullptr;           // one sum per step of the plan. May be null
};

struct RunResult {
  uint32_t steps = 0;  // whole ones; fewer than asked for where the run was told to stop
  double seconds = 0;
};

// Whether the buffers fit the plan for so many steps, and none that is written overlaps another.
Fault check_externals(const Plan& plan, const std::vector<Buffer>& externals, uint32_t steps);

// Bytes that external i must bring for so many steps; false where that is too much.
bool external_bytes(const BufferSpec& spec, uint32_t steps, uint64_t* bytes);

// The buffers have passed check_externals. The caller is inside the gate of the store, which may be null where the plan
// has no names.
Fault run_plan(const Plan& plan, Store* store, const std::vector<Buffer>& externals, const RunOptions& options,
               RunResult* result);

}  // namespace tenon
