// Native memory as ArrayBuffers: 64-byte aligned, counted, used by runs without a copy.
#include <string.h>

#include <map>
#include <mutex>

#include "base/checked.h"
#include "base/machine.h"
#include "node/args.h"
#include "node/errors.h"
#include "node/functions.h"

namespace tenon::node {
namespace {

// All living blocks by address, for the whole process.
struct Blocks {
  std::mutex mutex;
  std::map<uintptr_t, std::weak_ptr<Memory>> by_address;
  static Blocks& instance() {
    static Blocks* blocks = new Blocks;  // never destroyed: finalizers may run late
    return *blocks;
  }
};

uintptr_t address(const void* data) { return reinterpret_cast<uintptr_t>(data); }

void forget(Memory* memory) {
  Blocks& blocks = Blocks::instance();
  {
    std::lock_guard lock(blocks.mutex);
    blocks.by_address.erase(address(memory->data()));
  }
  delete memory;
}

std::shared_ptr<Memory> make_block(uint64_t bytes) {
  Memory memory = Memory::allocate(bytes);
  if (!memory) return nullptr;
  std::shared_ptr<Memory> block(new Memory(std::move(memory)), forget);
  Blocks& blocks = Blocks::instance();
  std::lock_guard lock(blocks.mutex);
  blocks.by_address[address(block->data())] = block;
  return block;
}

// The array buffer's hold on a block.
struct Hold {
  std::shared_ptr<Memory> block;
};

void finalize(napi_env env, void*, void* hint) {
  std::unique_ptr<Hold> hold(static_cast<Hold*>(hint));
  int64_t total;
  napi_adjust_external_memory(env, -static_cast<int64_t>(hold->block->capacity()), &total);
}

}  // namespace

std::shared_ptr<Memory> find_allocated(const void* data, uint64_t bytes) {
  Blocks& blocks = Blocks::instance();
  std::lock_guard lock(blocks.mutex);
  auto it = blocks.by_address.upper_bound(address(data));
  if (it == blocks.by_address.begin()) return nullptr;
  std::shared_ptr<Memory> block = std::prev(it)->second.lock();
  if (!block || address(data) + bytes > address(block->data()) + block->bytes()) return nullptr;
  return block;
}

Napi::Value allocate(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const uint64_t bytes = read_whole(call[0], "bytes", 0, uint64_t{1} << 36);
  auto hold = std::make_unique<Hold>();
  hold->block = make_block(bytes);
  if (!hold->block) throw fault_error(env, no_memory("bytes", bytes));
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, hold->block->data(), bytes, finalize, hold.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) return Napi::ArrayBuffer::New(env, bytes);  // runs will copy
  if (status != napi_ok) throw Napi::Error::New(env);
  Napi::MemoryManagement::AdjustExternalMemory(env, static_cast<int64_t>(hold.release()->block->capacity()));
  return Napi::Value(env, buffer);
}

}  // namespace tenon::node
