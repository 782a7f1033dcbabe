// Objects that stand for native things. A type tag tells them apart, so that a wrong handle is an error and not a
// crash.
#pragma once
#include <napi.h>

#include <memory>

#include "exec/plan.h"
#include "exec/store.h"
#include "node/errors.h"

namespace tenon::node {

struct StoreHandle {
  static constexpr napi_type_tag kTag = {0x7d1f0a5c2b994e31, 0x9a60d2f1c3b54e72};
  static constexpr const char* kName = "a store";
  std::shared_ptr<Store> thing;  // null: closed
  int64_t counted = 0;           // bytes that the garbage collector was told of
};
struct PlanHandle {
  static constexpr napi_type_tag kTag = {0x3c8e5b6f91a24d07, 0xb5e4178a6d0f2c93};
  static constexpr const char* kName = "a plan";
  std::shared_ptr<const Plan> thing;  // null: closed
  int64_t counted = 0;
};

// Tells the garbage collector how much native memory hangs on a handle.
template <typename Handle>
void count_bytes(Napi::Env env, Handle* handle, uint64_t bytes) {
  const int64_t now = static_cast<int64_t>(bytes);
  if (now != handle->counted) Napi::MemoryManagement::AdjustExternalMemory(env, now - handle->counted);
  handle->counted = now;
}

template <typename Handle>
Napi::Object wrap(Napi::Env env, Handle handle) {
  Napi::Object object = Napi::Object::New(env);
  auto owned = std::make_unique<Handle>(std::move(handle));
  const auto finalize = [](napi_env e, void* data, void*) {
    std::unique_ptr<Handle> gone(static_cast<Handle*>(data));
    int64_t total;
    if (gone->counted) napi_adjust_external_memory(e, -gone->counted, &total);
  };
  if (napi_wrap(env, object, owned.get(), finalize, nullptr, nullptr) != napi_ok) throw Napi::Error::New(env);
  owned.release();
  if (napi_type_tag_object(env, object, &Handle::kTag) != napi_ok) throw Napi::Error::New(env);
  return object;
}

// Null where the value is no such handle.
template <typename Handle>
Handle* try_unwrap(Napi::Value value) {
  bool matches = false;
  void* data = nullptr;
  if (!value.IsObject()) return nullptr;
  if (napi_check_object_type_tag(value.Env(), value, &Handle::kTag, &matches) != napi_ok || !matches) return nullptr;
  if (napi_unwrap(value.Env(), value, &data) != napi_ok) return nullptr;
  return static_cast<Handle*>(data);
}

template <typename Handle>
Handle* unwrap(Napi::Value value, const char* argument) {
  Handle* handle = try_unwrap<Handle>(value);
  if (!handle) throw type_error(value.Env(), argument, "wrong type", Handle::kName, describe(value));
  if (!handle->thing) throw closed_error(value.Env(), argument);
  return handle;
}

}  // namespace tenon::node
