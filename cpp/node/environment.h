// What one JavaScript environment (the main thread, each worker) has: its jobs, and how they come back to its thread.
#pragma once
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "exec/isa.h"

namespace tenon::node {

// Work that ends as a promise. References live and die on the JavaScript thread.
struct Job {
  explicit Job(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  std::vector<Napi::Reference<Napi::Value>> keep;
  std::function<void(Napi::Env, Job&)> settle;  // on the JavaScript thread: resolves or rejects
};

// Addresses of the handles alive, and of which kind they are. JavaScript thread only.
using LivingHandles = std::unordered_map<const void*, const char*>;

class Environment {
 public:
  // Registers the instance and the hook that waits for its jobs when it goes away.
  static Environment& create(Napi::Env env, const Isa* isa);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  Environment(Napi::Env env, const Isa* isa);
  // On the JavaScript thread, before the job goes to another one; finish() must follow, from any thread.
  void begin(Napi::Env env);
  void finish(std::unique_ptr<Job> job);
  const std::atomic<bool>& closing() const { return closing_; }
  const Isa* isa() const { return isa_; }

  // Handles outlive it where the environment goes away first.
  const std::shared_ptr<LivingHandles> handles = std::make_shared<LivingHandles>();

 private:
  static void call_js(Napi::Env env, Napi::Function, Environment* self, Job* job);
  using Bridge = Napi::TypedThreadSafeFunction<Environment, Job, call_js>;
  void wait_for_jobs();

  const Isa* isa_;
  Bridge bridge_;
  int pending_ = 0;  // JavaScript thread only
  std::mutex mutex_;
  std::condition_variable idle_;
  int in_flight_ = 0;  // guarded by mutex_
  std::atomic<bool> closing_{false};
};

}  // namespace tenon::node
