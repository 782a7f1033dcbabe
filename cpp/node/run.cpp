// Plans at the door: prepare, run, runSync.
#include "exec/run.h"

#include <string.h>

#include <new>

#include "base/checked.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "exec/drivers.h"
#include "node/args.h"
#include "node/environment.h"
#include "node/functions.h"
#include "node/handles.h"

namespace tenon::node {
namespace {

// One external array of an asynchronous run. `copy` is where the run works on it (null: on the array's own memory).
struct External {
  uint64_t bytes = 0;  // that the run sees
  uint8_t* copy = nullptr;
  std::shared_ptr<Memory> held;
};

struct Call {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<Store> store;
  std::vector<Napi::Value> arrays;
  std::vector<Buffer> buffers;
  RunOptions options;
  Napi::Value control;  // keeps `options.control` alive
  std::shared_ptr<Memory> control_block;
  Napi::Value report;  // Float64Array: steps, seconds, nanoseconds of each step of the plan; or none
  ArrayBytes report_bytes;
};

bool absent(Napi::Value value) { return value.IsUndefined() || value.IsNull(); }

// A control must not move or go away while another thread looks at it: shared or allocated memory.
void read_control(Napi::Value value, Call* c) {
  if (absent(value)) return;
  const ArrayBytes array = read_array_of(value, "options.control", DType::kI32);
  if (array.bytes < 8)
    throw range_error(value.Env(), "options.control", "too short", "an Int32Array(2)", describe(value));
  if (!array.shared) {
    c->control_block = find_allocated(array.data, 8);
    if (!c->control_block)
      throw type_error(value.Env(), "options.control", "its memory can be moved during the run",
                       "an Int32Array over a SharedArrayBuffer or over allocate()'s memory",
                       "one over a plain ArrayBuffer");
  }
  c->control = value;
  c->options.control = reinterpret_cast<int32_t*>(array.data);
}

constexpr uint64_t kReported = 2;  // numbers ahead of the nanoseconds

ArrayBytes read_report_array(Napi::Value value) {
  const ArrayBytes array = read_array(value, "report");
  if (array.type != napi_float64_array || array.bytes < kReported * sizeof(double))
    throw type_error(value.Env(), "report", "wrong type", "a Float64Array(2) or longer", describe(value));
  return array;
}

void read_report(Napi::Value value, Call* c) {
  if (absent(value)) return;
  c->report_bytes = read_report_array(value);
  c->report = value;
}

bool wants_times(const Call& c) {
  return c.report_bytes.bytes >= (kReported + c.plan->steps.size()) * sizeof(double) && c.plan->steps.size() > 0;
}

void read_counts(Napi::Value steps, Napi::Value threads, RunOptions* options) {
  options->steps = 1;
  options->threads = allowed_cores();
  if (!steps.IsUndefined()) options->steps = static_cast<uint32_t>(read_whole(steps, "options.steps", 0, kMaxRunSteps));
  if (!threads.IsUndefined())
    options->threads = static_cast<int>(read_whole(threads, "options.threads", 1, kMaxThreads));
}

void read_arrays(Napi::Value value, Call* c) {
  if (!value.IsArray())
    throw type_error(value.Env(), "externals", "wrong type", "an array of typed arrays", describe(value));
  const Napi::Array list = value.As<Napi::Array>();
  const size_t count = list.Length();
  if (count != c->plan->externals.size())
    throw range_error(value.Env(), "externals", "wrong number", std::to_string(c->plan->externals.size()),
                      std::to_string(count));
  c->arrays.reserve(count);
  for (uint32_t i = 0; i < count; i++) c->arrays.push_back(list.Get(i));
}

Argument external(size_t i) { return {"externals", static_cast<int64_t>(i)}; }

// No JavaScript runs in here.
void read_buffers(Napi::Env env, Call* c) {
  c->buffers.reserve(c->arrays.size());
  for (size_t i = 0; i < c->arrays.size(); i++) {
    const ArrayBytes array = read_array_of(c->arrays[i], external(i), c->plan->externals[i].dtype);
    if (array.shared)
      throw type_error(env, external(i).text(), "another thread could write to it during the run",
                       "an array of unshared memory", "one over a SharedArrayBuffer");
    c->buffers.push_back({array.data, array.bytes});
  }
  throw_if(env, check_externals(*c->plan, c->buffers, c->options.steps));
}

// Arguments: plan, store or null, externals, steps, threads, control or null, report or null. Elements of the list may
// be getters: they are read before any pointer is taken. The values are held by the caller's handle scope until the
// call returns.
Call read_call(const Napi::CallbackInfo& call) {
  Call c;
  c.plan = unwrap<PlanHandle>(call[0], "plan")->thing;
  if (!absent(call[1])) c.store = unwrap<StoreHandle>(call[1], "store")->thing;
  read_counts(call[3], call[4], &c.options);
  read_arrays(call[2], &c);
  read_control(call[5], &c);
  read_report(call[6], &c);
  read_buffers(call.Env(), &c);
  return c;
}

void write_report(const ArrayBytes& report, const RunResult& result, const std::vector<uint64_t>& nanoseconds) {
  if (!report.data) return;
  double* to = reinterpret_cast<double*>(report.data);
  to[0] = result.steps;
  to[1] = result.seconds;
  for (size_t i = 0; i < nanoseconds.size(); i++) to[kReported + i] = static_cast<double>(nanoseconds[i]);
}

Fault run_or_run_out(const Plan& plan, Store* store, const std::vector<Buffer>& buffers, const RunOptions& options,
                     RunResult* result) {
  try {
    return run_plan(plan, store, buffers, options, result);
  } catch (const std::bad_alloc&) {
    return fault(Code::kNoMemory, "run", "not enough memory");
  }
}

// ---- asynchronous

struct AsyncRun {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<Store> store;
  std::vector<External> externals;
  std::vector<Buffer> buffers;
  Memory copies;  // of all externals that are not held
  std::shared_ptr<Memory> control_block;
  RunOptions options;
  std::vector<uint64_t> nanoseconds;
  RunResult result;
  Fault fault;
  std::unique_ptr<Job> job;  // job->keep: the arrays in order, then the report if there is one, then the control
  bool reports = false;

  ~AsyncRun() { give_arena(std::move(copies)); }
};

// Indices are copied in any case: a kernel checks one and then uses it, and JavaScript must not change it in between.
void plan_copies(const Call& c, AsyncRun* run, std::vector<uint64_t>* offsets, uint64_t* total) {
  for (size_t i = 0; i < c.buffers.size(); i++) {
    const BufferSpec& spec = c.plan->externals[i];
    External external;
    external_bytes(spec, c.options.steps, &external.bytes);
    if (spec.dtype != DType::kI32) external.held = find_allocated(c.buffers[i].data, c.buffers[i].bytes);
    offsets->push_back(*total);
    if (!external.held)
      *total += (external.bytes + kAlignment - 1) & ~(kAlignment - 1);  // each at most 2^46: no overflow
    run->externals.push_back(std::move(external));
  }
}

void copy_in(Napi::Env env, const Call& c, AsyncRun* run) {
  std::vector<uint64_t> offsets;
  uint64_t total = 0;
  plan_copies(c, run, &offsets, &total);
  if (total > 0) run->copies = take_arena(total);
  if (total > 0 && !run->copies) throw fault_error(env, no_memory("externals", total));
  for (size_t i = 0; i < c.buffers.size(); i++) {
    External& e = run->externals[i];
    run->buffers.push_back({c.buffers[i].data, e.bytes});
    if (e.held || e.bytes == 0) continue;
    e.copy = run->copies.data() + offsets[i];
    memcpy(e.copy, c.buffers[i].data, e.bytes);
    run->buffers[i].data = e.copy;
  }
}

// What the run wrote goes back into the arrays, which may have gone in the meantime.
void copy_out(Napi::Env env, const AsyncRun& run, const Job& job) {
  for (size_t i = 0; i < run.externals.size(); i++) {
    const External& e = run.externals[i];
    if (!e.copy || !run.plan->externals[i].written) continue;
    const ArrayBytes array = read_array(job.keep[i].Value(), external(i));
    if (array.bytes < e.bytes) throw range_error(env, external(i).text(), "it shrank during the run");
    memcpy(array.data, e.copy, e.bytes);
  }
}

// The report may have gone in the meantime, too.
ArrayBytes report_again(const AsyncRun& run, const Job& job) {
  const ArrayBytes report = read_report_array(job.keep[run.externals.size()].Value());
  if (report.bytes < (kReported + run.nanoseconds.size()) * sizeof(double))
    throw range_error(job.keep[run.externals.size()].Env(), "report", "it shrank during the run");
  return report;
}

void settle(Napi::Env env, AsyncRun& run, Job& job) {
  if (!run.fault.ok()) return job.deferred.Reject(fault_error(env, run.fault).Value());
  try {
    copy_out(env, run, job);
    if (run.reports) write_report(report_again(run, job), run.result, run.nanoseconds);
    job.deferred.Resolve(env.Undefined());
  } catch (const Napi::Error& error) {
    job.deferred.Reject(error.Value());
  }
}

// On a driver thread, inside the gate of the store.
void execute(Environment& environment, std::shared_ptr<AsyncRun> run, bool have_thread) {
  run->fault = have_thread ? run_or_run_out(*run->plan, run->store.get(), run->buffers, run->options, &run->result)
                           : fault(Code::kNoMemory, "run", "no thread could be started");
  const std::shared_ptr<Store> store = run->store;
  std::unique_ptr<Job> job = std::move(run->job);
  run = nullptr;  // the job's settle holds it
  environment.finish(std::move(job));
  if (store) store->gate.leave();  // last, so that promises settle in the order of the queue
}

std::shared_ptr<AsyncRun> make_async(Napi::Env env, const Call& c) {
  auto run = std::make_shared<AsyncRun>();
  run->plan = c.plan;
  run->store = c.store;
  run->control_block = c.control_block;
  run->options = c.options;
  run->options.abort = &Environment::of(env).closing();
  copy_in(env, c, run.get());
  run->reports = c.report_bytes.data != nullptr;
  if (wants_times(c)) {
    run->nanoseconds.resize(c.plan->steps.size());
    run->options.nanoseconds = run->nanoseconds.data();
  }
  run->job = std::make_unique<Job>(env);
  for (const Napi::Value& array : c.arrays) run->job->keep.push_back(Napi::Reference<Napi::Value>::New(array, 1));
  if (run->reports) run->job->keep.push_back(Napi::Reference<Napi::Value>::New(c.report, 1));
  if (c.options.control) run->job->keep.push_back(Napi::Reference<Napi::Value>::New(c.control, 1));
  return run;
}

}  // namespace

Napi::Value prepare(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Isa* isa = Environment::of(env).isa();
  if (!call[1].IsUndefined()) throw_if(env, pick_isa(read_text(call[1], "isa").c_str(), &isa));
  const ArrayBytes bytes = read_array_of(call[0], "bytes", DType::kU8);
  const std::vector<uint8_t> copy(bytes.data, bytes.data + bytes.bytes);  // shared memory could change under the checks
  auto plan = std::make_shared<Plan>();
  throw_if(env, load_plan(copy.data(), copy.size(), isa, plan.get()));
  uint64_t scratch;
  throw_if(env, scratch_bytes(*plan, allowed_cores(), &scratch));
  PlanHandle handle;
  handle.thing = plan;
  Napi::Object object = wrap(env, std::move(handle));
  object.Set("arenaBytes", Napi::Number::New(env, static_cast<double>(plan->arena_bytes)));
  object.Set("scratchBytes", Napi::Number::New(env, static_cast<double>(scratch)));
  object.Set("steps", Napi::Number::New(env, static_cast<double>(plan->steps.size())));
  count_bytes(env, unwrap<PlanHandle>(object, "plan"), copy.size() * 2);
  return object;
}

Napi::Value run_sync(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Call c = read_call(call);
  std::vector<uint64_t> nanoseconds(wants_times(c) ? c.plan->steps.size() : 0);
  if (!nanoseconds.empty()) c.options.nanoseconds = nanoseconds.data();
  RunResult result;
  Fault fault;
  if (c.store) {
    const StoreLock lock(*c.store);
    fault = run_or_run_out(*c.plan, c.store.get(), c.buffers, c.options, &result);
  } else {
    fault = run_or_run_out(*c.plan, nullptr, c.buffers, c.options, &result);
  }
  throw_if(env, fault);
  write_report(c.report_bytes, result, nanoseconds);
  return env.Undefined();
}

Napi::Value run(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Call c = read_call(call);
  std::shared_ptr<AsyncRun> run = make_async(env, c);
  const Napi::Promise promise = run->job->deferred.Promise();
  run->job->settle = [run](Napi::Env e, Job& job) { settle(e, *run, job); };
  Environment& environment = Environment::of(env);
  environment.begin(env);
  const auto start = [&environment, run] {
    if (!post_to_driver([&environment, run] { execute(environment, run, true); })) execute(environment, run, false);
  };
  if (c.store) {
    c.store->gate.enter(start);
  } else {
    start();
  }
  return promise;
}

}  // namespace tenon::node
