// The ten functions of the door. src/native/native.ts says their types.
#pragma once
#include <napi.h>

#include <memory>

#include "base/memory.h"

namespace tenon::node {

Napi::Value info(const Napi::CallbackInfo& call);         // ()
Napi::Value allocate(const Napi::CallbackInfo& call);     // (bytes, zeroed = true)
Napi::Value open_store(const Napi::CallbackInfo& call);   // ()
Napi::Value store_write(const Napi::CallbackInfo& call);  // (store, name, dtype, dims, data | null)
Napi::Value store_read(const Napi::CallbackInfo& call);   // (store, name)
Napi::Value store_list(const Napi::CallbackInfo& call);   // (store)
Napi::Value prepare(const Napi::CallbackInfo& call);      // (bytes, isa?)
Napi::Value run(const Napi::CallbackInfo& call);          // (plan, store | null, externals, options)
Napi::Value run_sync(const Napi::CallbackInfo& call);     // the same
Napi::Value close(const Napi::CallbackInfo& call);        // (store | plan | allocated)

// The block made by allocate() that these bytes lie in: as long as it is held, they stay. Null where there is none.
std::shared_ptr<Memory> find_allocated(const void* data, uint64_t bytes);

// Detaches a buffer made by allocate() and gives its memory back for the next one; false, and nothing done, for any
// other buffer.
bool release_allocated(Napi::Env env, Napi::ArrayBuffer buffer);

}  // namespace tenon::node
