// The door: ten functions between JavaScript and the core. Everything that differs between environments hangs on the
// environment; process-wide are only the threads and the memory pool.
#include <napi.h>
#include <stdlib.h>

#include <exception>
#include <new>

#include "base/machine.h"
#include "exec/op_info.h"
#include "node/environment.h"
#include "node/errors.h"
#include "node/functions.h"

namespace tenon::node {
namespace {

// Lets no C++ exception but JavaScript's own out of the door.
template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& call) {
  try {
    return kFunction(call);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw fault_error(call.Env(), fault(Code::kNoMemory, "", "not enough memory"));
  } catch (const std::exception& e) {
    throw fault_error(call.Env(), fault(Code::kInternal, "", e.what()));
  }
}

template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<kFunction>>(exports.Env(), name));
}

Napi::Array show_isas(Napi::Env env) {
  Napi::Array isas = Napi::Array::New(env);
  uint32_t count = 0;
  for (uint32_t i = 0; i < kIsaCount; i++)
    if (kIsas[i].supported()) isas.Set(count++, Napi::String::New(env, kIsas[i].name));
  return isas;
}

Napi::Array show_ops(Napi::Env env) {
  Napi::Array ops = Napi::Array::New(env, kOpCount);
  for (uint32_t i = 0; i < kOpCount; i++) ops.Set(i, Napi::String::New(env, kOps[i].name));
  return ops;
}

}  // namespace

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  char hash[24];
  snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(kOpTableHash));
  Napi::Object object = Napi::Object::New(env);
  object.Set("version", Napi::String::New(env, TENON_VERSION));
  object.Set("isa", Napi::String::New(env, Environment::of(env).isa()->name));
  object.Set("isas", show_isas(env));
  object.Set("bf16", Napi::Boolean::New(env, Environment::of(env).isa()->bf16()));
  object.Set("threads", Napi::Number::New(env, allowed_cores()));
  object.Set("opTableHash", Napi::String::New(env, hash));
  object.Set("ops", show_ops(env));
  return object;
}

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const Isa* isa;
  throw_if(env, pick_isa(getenv("TENON_ISA"), &isa));
  Environment::create(env, isa);
  add<info>(exports, "info");
  add<allocate>(exports, "allocate");
  add<open_store>(exports, "openStore");
  add<store_write>(exports, "storeWrite");
  add<store_read>(exports, "storeRead");
  add<store_list>(exports, "storeList");
  add<prepare>(exports, "prepare");
  add<run>(exports, "run");
  add<run_sync>(exports, "runSync");
  add<close>(exports, "close");
  return exports;
}

}  // namespace
}  // namespace tenon::node

static Napi::Object tenon_init(Napi::Env env, Napi::Object exports) { return tenon::node::init(env, exports); }
NODE_API_MODULE(NODE_GYP_MODULE_NAME, tenon_init)
