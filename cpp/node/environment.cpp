#include "node/environment.h"

namespace tenon::node {

Environment::Environment(Napi::Env env, const Isa* isa) : isa_(isa) {
  bridge_ = Bridge::New(env, "tenon", 0, 1, this);
  bridge_.Unref(env);  // does not keep the process alive by itself
}

Environment& Environment::create(Napi::Env env, const Isa* isa) {
  auto* self = new Environment(env, isa);
  env.SetInstanceData<Environment>(self);  // deleted at the end of the environment, after its hooks
  env.AddCleanupHook([](Environment* e) { e->wait_for_jobs(); }, self);
  return *self;
}

void Environment::begin(Napi::Env env) {
  if (pending_++ == 0) bridge_.Ref(env);
  std::lock_guard lock(mutex_);
  in_flight_++;
}

void Environment::finish(std::unique_ptr<Job> job) {
  Job* raw = job.release();
  if (bridge_.NonBlockingCall(raw) != napi_ok) {  // the environment is going away, and its references with it
    for (auto& reference : raw->keep) reference.SuppressDestruct();
    delete raw;
  }
  std::lock_guard lock(mutex_);
  in_flight_--;
  idle_.notify_all();
}

void Environment::wait_for_jobs() {
  closing_.store(true);
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return in_flight_ == 0; });
}

void Environment::call_js(Napi::Env env, Napi::Function, Environment* self, Job* job) {
  std::unique_ptr<Job> own(job);
  if (env == nullptr) {
    for (auto& reference : own->keep) reference.SuppressDestruct();
    return;
  }
  try {
    Napi::HandleScope scope(env);
    own->settle(env, *own);
    if (--self->pending_ == 0) self->bridge_.Unref(env);
  } catch (const Napi::Error&) {
    // JavaScript can no longer run here: a worker that is being terminated. Nobody waits for the promise.
  }
}

}  // namespace tenon::node
