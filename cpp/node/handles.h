// Objects that stand for native things. The environment knows those that live and their kinds, so that a wrong handle
// is an error and not a crash.
#pragma once
#include <napi.h>

#include <memory>

#include "exec/plan.h"
#include "exec/store.h"
#include "node/environment.h"
#include "node/errors.h"

namespace tenon::node {

struct Handle {
  int64_t counted = 0;  // bytes that the garbage collector was told of
  std::shared_ptr<LivingHandles> living;
};
struct StoreHandle : Handle {
  static constexpr char kName[] = "a store";
  std::shared_ptr<Store> thing;  // null: closed
};
struct PlanHandle : Handle {
  static constexpr char kName[] = "a plan";
  std::shared_ptr<const Plan> thing;  // null: closed
};

// Tells the garbage collector how much native memory hangs on a handle.
inline void count_bytes(Napi::Env env, Handle* handle, uint64_t bytes) {
  const int64_t now = static_cast<int64_t>(bytes);
  if (now != handle->counted) Napi::MemoryManagement::AdjustExternalMemory(env, now - handle->counted);
  handle->counted = now;
}

template <typename Kind>
Napi::Object wrap(Napi::Env env, Kind handle) {
  Napi::Object object = Napi::Object::New(env);
  auto owned = std::make_unique<Kind>(std::move(handle));
  owned->living = Environment::of(env).handles;
  owned->living->emplace(owned.get(), Kind::kName);
  const auto finalize = [](napi_env e, void* data, void*) {
    std::unique_ptr<Kind> gone(static_cast<Kind*>(data));
    gone->living->erase(data);
    int64_t total;
    if (gone->counted) napi_adjust_external_memory(e, -gone->counted, &total);
  };
  if (napi_wrap(env, object, owned.get(), finalize, nullptr, nullptr) != napi_ok) {
    owned->living->erase(owned.get());
    throw Napi::Error::New(env);
  }
  owned.release();
  return object;
}

// Null where the value is no such handle.
template <typename Kind>
Kind* try_unwrap(Napi::Value value) {
  void* data = nullptr;  // another addon's, perhaps
  if (napi_unwrap(value.Env(), value, &data) != napi_ok) return nullptr;
  const LivingHandles& living = *Environment::of(value.Env()).handles;
  const auto found = living.find(data);
  return found != living.end() && found->second == Kind::kName ? static_cast<Kind*>(data) : nullptr;
}

template <typename Kind>
Kind* unwrap(Napi::Value value, const char* argument) {
  Kind* handle = try_unwrap<Kind>(value);
  if (!handle) throw type_error(value.Env(), argument, "wrong type", Kind::kName, describe(value));
  if (!handle->thing) throw closed_error(value.Env(), argument);
  return handle;
}

}  // namespace tenon::node
