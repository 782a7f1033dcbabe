// Stores at the door: open, write, read, list. All but runs happen on the JavaScript thread, after the runs that came
// before.
#include "exec/store.h"

#include <string.h>

#include <optional>

#include "base/machine.h"
#include "exec/drivers.h"
#include "node/args.h"
#include "node/environment.h"
#include "node/functions.h"
#include "node/handles.h"

namespace tenon::node {
namespace {

uint64_t view_bytes(const View& view) { return numel(view) * dtype_bytes(view.dtype); }

uint64_t store_bytes(const Store& store) {
  uint64_t bytes = 0;
  for (const auto& [name, buffer] : store.buffers) bytes += buffer.memory.capacity();
  return bytes;
}

Napi::Object show_type(Napi::Env env, const View& view) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Array dims = Napi::Array::New(env, view.rank);
  for (uint32_t i = 0; i < view.rank; i++) dims.Set(i, Napi::Number::New(env, static_cast<double>(view.dims[i])));
  object.Set("dtype", Napi::String::New(env, dtype_name(view.dtype)));
  object.Set("dims", dims);
  return object;
}

// A buffer of this type, the old one where its size is right.
StoreBuffer& place(Napi::Env env, Store& store, const std::string& name, const View& type) {
  const auto old = store.buffers.find(name);
  if (old != store.buffers.end() && old->second.memory.bytes() == view_bytes(type)) {
    old->second.shape = type;
    return old->second;
  }
  Memory memory = Memory::allocate(view_bytes(type));
  if (!memory) throw fault_error(env, no_memory("store '" + name + "'", view_bytes(type)));
  StoreBuffer& buffer = store.buffers[name];
  buffer.shape = type;
  buffer.memory = std::move(memory);
  return buffer;
}

const StoreBuffer& find(Napi::Env env, const Store& store, const std::string& name) {
  const auto it = store.buffers.find(name);
  if (it == store.buffers.end()) throw range_error(env, "name", "the store has no buffer '" + name + "'");
  return it->second;
}

// Node ends the process where an ArrayBuffer cannot be had: better to know before.
Napi::ArrayBuffer copy_out(Napi::Env env, const Memory& memory) {
  if (memory.bytes() > (uint64_t{16} << 20) && memory.bytes() > available_memory())
    throw fault_error(env, no_memory("data", memory.bytes()));
  Napi::ArrayBuffer data = Napi::ArrayBuffer::New(env, memory.bytes());
  if (memory.bytes() > 0) memcpy(data.Data(), memory.data(), memory.bytes());
  return data;
}

Napi::Value close_store(Napi::Env env, StoreHandle* handle) {
  Environment& environment = Environment::of(env);
  auto job = std::make_unique<Job>(env);
  const Napi::Promise promise = job->deferred.Promise();
  job->settle = [](Napi::Env e, Job& j) { j.deferred.Resolve(e.Undefined()); };
  std::shared_ptr<Store> store = std::move(handle->thing);
  handle->thing = nullptr;
  count_bytes(env, handle, 0);
  environment.begin(env);
  Gate& gate = store->gate;
  gate.enter([&environment, store = std::move(store), raw = job.release()] {
    store->buffers.clear();
    environment.finish(std::unique_ptr<Job>(raw));
    store->gate.leave();
  });
  return promise;
}

}  // namespace

Napi::Value open_store(const Napi::CallbackInfo& call) {
  StoreHandle handle;
  handle.thing = std::make_shared<Store>();
  return wrap(call.Env(), std::move(handle));
}

Napi::Value store_write(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const std::string name = read_text(call[1], "name");
  const View type = read_type(call[2], call[3]);
  const bool zeros = call[4].IsNull();
  StoreHandle* handle = unwrap<StoreHandle>(call[0], "store");
  Store& store = *handle->thing;
  ArrayBytes data;
  if (!zeros) data = read_array_of(call[4], "data", type.dtype);
  if (!zeros && data.bytes != view_bytes(type))
    throw range_error(env, "data", "wrong size", std::to_string(view_bytes(type)) + " bytes for " + show_view(type),
                      std::to_string(data.bytes) + " bytes");
  const StoreLock lock(store);
  StoreBuffer& buffer = place(env, store, name, type);
  if (buffer.memory.bytes() > 0) {
    if (zeros) {
      memset(buffer.memory.data(), 0, buffer.memory.bytes());
    } else {
      memcpy(buffer.memory.data(), data.data, data.bytes);
    }
  }
  count_bytes(env, handle, store_bytes(store));
  return env.Undefined();
}

Napi::Value store_read(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const std::string name = read_text(call[1], "name");
  Store& store = *unwrap<StoreHandle>(call[0], "store")->thing;
  const StoreLock lock(store);
  const StoreBuffer& buffer = find(env, store, name);
  Napi::Object result = show_type(env, buffer.shape);
  result.Set("data", copy_out(env, buffer.memory));
  return result;
}

Napi::Value store_list(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Store& store = *unwrap<StoreHandle>(call[0], "store")->thing;
  const StoreLock lock(store);
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  for (const auto& [name, buffer] : store.buffers) {
    Napi::Object item = show_type(env, buffer.shape);
    item.Set("name", Napi::String::New(env, name));
    list.Set(count++, item);
  }
  return list;
}

Napi::Value close(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  auto* store = try_unwrap<StoreHandle>(call[0]);
  auto* plan = try_unwrap<PlanHandle>(call[0]);
  const bool buffer = call[0].IsArrayBuffer();
  if (!store && !plan && !buffer)
    throw type_error(env, "handle", "wrong type", "a store, a plan or allocated memory", describe(call[0]));
  if (buffer) release_allocated(env, call[0].As<Napi::ArrayBuffer>());
  if (store && store->thing) return close_store(env, store);
  if (plan) {
    plan->thing = nullptr;
    count_bytes(env, plan, 0);
  }
  auto done = Napi::Promise::Deferred::New(env);
  done.Resolve(env.Undefined());
  return done.Promise();
}

}  // namespace tenon::node
