#include "exec/run.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <new>

#include "base/checked.h"
#include "base/denormals.h"
#include "base/memory.h"
#include "base/thread_pool.h"

namespace tenon {
namespace {

using Clock = std::chrono::steady_clock;

std::string number(uint64_t n) { return std::to_string(n); }
std::string external_name(uint32_t i) { return "externals[" + number(i) + "]"; }

// A plan bound to memory: a view for each slot, the steps, and room for what the steps of a segment say. All lie in the
// workspace of the run.
struct Bound {
  View* views;
  Step* steps;
  Status* said;
};

bool bound_bytes(const Plan& plan, uint64_t* bytes) {
  uint64_t views, steps;
  return checked_mul(plan.slots.size(), sizeof(View), &views) && checked_mul(plan.steps.size(), sizeof(Step), &steps) &&
         checked_add(views, steps, bytes) && checked_add(*bytes, kMaxSegment * sizeof(Status), bytes) &&
         checked_round_up(*bytes, kAlignment, bytes);
}

Fault find_in_store(const Plan& plan, Store* store, uint32_t name, const BufferSpec& spec, uint8_t** data) {
  const std::string& text = plan.names[name];
  const std::string field = "store '" + text + "'";
  if (!store) return fault(Code::kBadArgument, "store", "the plan needs one", "a store with '" + text + "'", "null");
  const auto it = store->buffers.find(text);
  if (it == store->buffers.end()) return fault(Code::kBadArgument, field, "the store has no buffer of this name");
  const View& shape = it->second.shape;
  if (shape.dtype != spec.dtype || it->second.memory.bytes() != spec.bytes)
    return fault(Code::kBadArgument, field, "does not fit the plan",
                 number(spec.bytes) + " bytes of " + dtype_name(spec.dtype), show_view(shape));
  *data = it->second.memory.data();
  return Fault();
}

Fault bind_store(const Plan& plan, Store* store, std::map<uint32_t, uint8_t*>* names) {
  for (const auto& [name, spec] : plan.store)
    if (Fault f = find_in_store(plan, store, name, spec, &(*names)[name]); !f.ok()) return f;
  return Fault();
}

void* place_of(const PlanView& v, uint8_t* arena, const std::map<uint32_t, uint8_t*>& names,
               const std::vector<Buffer>& externals) {
  switch (v.place) {
    case Place::kArena:
      return arena + v.offset;
    case Place::kStore:
      return names.find(v.ref)->second;
    case Place::kExternal:
      return externals[v.ref].data;
  }
  return nullptr;
}

Fault bind(const Plan& plan, Store* store, const std::vector<Buffer>& externals, uint8_t* arena, const Bound& bound) {
  std::map<uint32_t, uint8_t*> names;
  if (Fault f = bind_store(plan, store, &names); !f.ok()) return f;
  for (uint32_t i = 0; i < plan.slots.size(); i++) {
    View* view = new (bound.views + i) View();
    if (plan.slots[i] == kAbsent) continue;
    const PlanView& v = plan.views[plan.slots[i]];
    *view = v.shape;
    view->data = place_of(v, arena, names, externals);
  }
  for (size_t i = 0; i < plan.steps.size(); i++) {
    const PlanStep& s = plan.steps[i];
    const View* views = bound.views + s.first_slot;
    new (bound.steps + i) Step{plan.words.data() + s.first_word, views, views + s.inputs, s.inputs, s.outputs, &s.memo};
  }
  return Fault();
}

void move_on(const Plan& plan, const Bound& bound) {
  for (const uint32_t slot : plan.moving) {
    View& view = bound.views[slot];
    view.data = static_cast<uint8_t*>(view.data) + plan.views[plan.slots[slot]].bytes;
  }
}

class Stops {
 public:
  explicit Stops(const RunOptions& options) : control_(options.control), abort_(options.abort) {}
  // 0: go on.
  int32_t wish() const {
    if (abort_ && abort_->load(std::memory_order_relaxed)) return -1;
    return control_ ? std::atomic_ref<int32_t>(control_[0]).load(std::memory_order_relaxed) : 0;
  }
  bool now() const {
    const int32_t w = wish();
    return w != 0 && w != kStopAfterStep;
  }
  void done(uint32_t steps) const {
    if (control_) std::atomic_ref<int32_t>(control_[1]).store(static_cast<int32_t>(steps), std::memory_order_relaxed);
  }

 private:
  int32_t* control_;
  const std::atomic<bool>* abort_;
};

Fault cancelled(uint32_t step) {
  return fault(Code::kCancelled, "run",
               "cancelled in step " + number(step) + " of the run; what it writes is half-written");
}

Fault kernel_fault(const Plan& plan, size_t step, uint32_t s, const Status& status) {
  Fault f = at_step(plan, step, fault(status.code, status.field, status.what));
  if (s > 0) f.what += " (in step " + number(s) + " of the run)";
  return f;
}

constexpr uint64_t kTaskWork = 16384;  // of a segment's tasks at least, in elements copied
constexpr uint64_t kTasksEach = 8;  // of a thread at most: rows may be cut anywhere, and long runs of them stream best

// One run of a segment's chains. Tasks are equal shares of each chain, so that from one segment to the next, and from
// step to step, a thread meets the same rows.
struct Shares {
  const Plan& plan;
  const Bound& bound;
  const Segment& segment;
  uint64_t tasks;
  std::atomic<uint64_t> failed{0};  // a bit a step; what the lowest said counts
};

void run_rows(Shares& run, const Chain& chain, uint64_t begin, uint64_t end) {
  for (uint32_t k = 0; k < chain.count; k++) {
    const uint32_t index = run.plan.chained[chain.first + k];
    const PlanStep& step = run.plan.steps[index];
    const uint64_t times = step.rows / chain.rows;
    const Status status = step.kernel->rows(run.bound.steps[index], step.rows, begin * times, end * times);
    if (status.ok()) continue;
    const uint32_t bit = index - run.segment.first;
    if ((run.failed.fetch_or(uint64_t{1} << bit) >> bit & 1) == 0) run.bound.said[bit] = status;
    return;
  }
}

void run_share(void* arg, uint32_t task, uint32_t) {
  Shares& run = *static_cast<Shares*>(arg);
  for (uint32_t i = 0; i < run.segment.chains; i++) {
    const Chain& c = run.plan.chains[run.segment.first_chain + i];
    // Chains of fewer units than tasks fall to tasks in turn.
    const auto start = [&](uint64_t t) {
      return c.units / run.tasks * t + (c.units % run.tasks * t + i % run.tasks) / run.tasks;
    };
    const uint64_t end = start(task + 1);
    for (uint64_t unit = start(task); unit < end; unit += c.tile)
      run_rows(run, c, unit * c.grain, std::min(std::min(unit + c.tile, end) * c.grain, c.rows));
  }
}

// The status of the step `*at` of the segment.
Status run_segment(const Plan& plan, const Bound& bound, const Runtime& rt, const Segment& segment, uint32_t* at) {
  *at = segment.first;
  if (segment.chains == 0) {
    const PlanStep& step = plan.steps[segment.first];
    return step.empty ? Status() : step.kernel->run(bound.steps[segment.first], rt);
  }
  const uint64_t most = rt.threads > 1 ? kTasksEach * static_cast<uint64_t>(rt.threads) : 1;
  const uint64_t tasks = std::clamp<uint64_t>(segment.work / kTaskWork, 1, most);
  Shares run{plan, bound, segment, tasks};
  rt.parallel(rt, static_cast<uint32_t>(tasks), run_share, &run);
  const uint64_t failed = run.failed.load(std::memory_order_relaxed);
  if (failed == 0) return Status();
  const uint32_t bit = static_cast<uint32_t>(std::countr_zero(failed));
  *at += bit;
  return bound.said[bit];
}

// Time is shared out among the steps of a segment by their work.
void count_time(const Plan& plan, const Segment& segment, uint64_t elapsed, uint64_t* nanoseconds) {
  uint64_t work = 0;
  for (uint32_t i = 0; i < segment.count; i++) work += plan.steps[segment.first + i].work;
  if (segment.count == 1 || work == 0) {
    nanoseconds[segment.first] += elapsed;
    return;
  }
  const double each = static_cast<double>(elapsed) / static_cast<double>(work);
  for (uint32_t i = segment.first; i < segment.first + segment.count; i++)
    nanoseconds[i] += static_cast<uint64_t>(static_cast<double>(plan.steps[i].work) * each);
}

// One pass over the plan.
Fault run_once(const Plan& plan, const Bound& bound, const Runtime& rt, const Stops& stops, uint32_t s,
               uint64_t* nanoseconds) {
  for (const Segment& segment : plan.segments) {
    if (stops.now()) return cancelled(s);
    const auto start = nanoseconds ? Clock::now() : Clock::time_point();
    uint32_t at;
    const Status status = run_segment(plan, bound, rt, segment, &at);
    if (nanoseconds)
      count_time(plan, segment, static_cast<uint64_t>(std::chrono::nanoseconds(Clock::now() - start).count()),
                 nanoseconds);
    if (!status.ok()) return kernel_fault(plan, at, s, status);
  }
  return Fault();
}

Fault loop(const Plan& plan, const Bound& bound, const Runtime& rt, const RunOptions& options, RunResult* result) {
  const Stops stops(options);
  for (uint32_t s = 0; s < options.steps; s++) {
    if (stops.wish() == kStopAfterStep) break;
    if (s > 0) move_on(plan, bound);
    if (Fault f = run_once(plan, bound, rt, stops, s, options.nanoseconds); !f.ok()) return f;
    result->steps = s + 1;
    stops.done(s + 1);
  }
  return Fault();
}

// Arena, scratch and bound plan in one block that goes back to the pool at the end.
class Workspace {
 public:
  explicit Workspace(uint64_t bytes) : memory_(take_arena(bytes)) {}
  ~Workspace() { give_arena(std::move(memory_)); }
  uint8_t* data() const { return memory_.data(); }

 private:
  Memory memory_;
};

}  // namespace

bool external_bytes(const BufferSpec& spec, uint32_t steps, uint64_t* bytes) {
  return checked_mul(spec.bytes, spec.per_step ? steps : 1, bytes) && *bytes <= kMaxBytes;
}

Fault check_externals(const Plan& plan, const std::vector<Buffer>& externals, uint32_t steps) {
  if (externals.size() != plan.externals.size())
    return fault(Code::kBadArgument, "externals", "wrong number", number(plan.externals.size()),
                 number(externals.size()));
  std::vector<uint32_t> order;
  order.reserve(externals.size());
  for (uint32_t i = 0; i < externals.size(); i++) {
    const BufferSpec& spec = plan.externals[i];
    uint64_t needed;
    if (!external_bytes(spec, steps, &needed))
      return fault(Code::kBadArgument, external_name(i), "too large for so many steps");
    if (externals[i].bytes < needed || (!spec.per_step && externals[i].bytes != needed))
      return fault(Code::kBadArgument, external_name(i), spec.per_step ? "too short for so many steps" : "wrong size",
                   number(needed) + " bytes" + (spec.per_step ? " or more" : ""),
                   number(externals[i].bytes) + " bytes");
    if (needed > 0) order.push_back(i);
  }
  const auto start = [&](uint32_t i) { return reinterpret_cast<uintptr_t>(externals[i].data); };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return start(a) < start(b); });
  uint32_t furthest = 0, furthest_written = 0;  // of those before, the ones that end last
  for (size_t k = 0; k < order.size(); k++) {
    const uint32_t i = order[k];
    const auto clash = [&](uint32_t j) { return start(j) + externals[j].bytes > start(i); };
    if (k > 0) {
      const bool written = plan.externals[i].written;
      const bool any_written = plan.externals[furthest_written].written;
      if ((written && clash(furthest)) || (any_written && clash(furthest_written)))
        return fault(Code::kBadArgument, external_name(i), "shares memory with an external that is written",
                     "memory of its own", "the memory of " + external_name(written ? furthest : furthest_written));
    }
    const auto end = [&](uint32_t j) { return start(j) + externals[j].bytes; };
    if (k == 0 || end(i) > end(furthest)) furthest = i;
    if (k == 0 ||
        (plan.externals[i].written && (!plan.externals[furthest_written].written || end(i) > end(furthest_written))))
      furthest_written = i;
  }
  return Fault();
}

Fault run_plan(const Plan& plan, Store* store, const std::vector<Buffer>& externals, const RunOptions& options,
               RunResult* result) {
  *result = RunResult();
  uint64_t scratch, binding, bytes;
  if (Fault f = scratch_bytes(plan, options.threads, &scratch); !f.ok()) return f;
  if (!checked_round_up(plan.arena_bytes, kAlignment, &bytes) || !checked_round_up(scratch, kAlignment, &scratch) ||
      !bound_bytes(plan, &binding) || !checked_add(bytes, scratch, &bytes) || !checked_add(bytes, binding, &bytes))
    return no_memory("arena", UINT64_MAX);
  const Workspace workspace(bytes);
  if (!workspace.data()) return no_memory("arena", bytes);
  uint8_t* const at = workspace.data() + (bytes - binding);
  Step* const steps = reinterpret_cast<Step*>(at + plan.slots.size() * sizeof(View));
  const Bound bound{reinterpret_cast<View*>(at), steps, reinterpret_cast<Status*>(steps + plan.steps.size())};
  if (Fault f = bind(plan, store, externals, workspace.data(), bound); !f.ok()) return f;
  const FlushDenormals flush;
  const Team team(options.threads);
  const auto start = Clock::now();
  Fault f = loop(plan, bound, team.runtime(at - scratch), options, result);
  result->seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return f;
}

}  // namespace tenon
