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

// Blocks from here on are recycled; smaller ones come from the C library.
constexpr uint64_t kRecycleFrom = uint64_t{64} << 10;

// The array buffer's hold on a block, empty once it is released. `counted`: bytes that the garbage collector of `env`
// was told of.
struct Hold {
  std::shared_ptr<Memory> block;
  napi_env env;
  int64_t counted;
};

// A block that lives, and who holds it.
struct Block {
  std::weak_ptr<Memory> memory;
  Hold* hold;
};

// All living blocks by address, for the whole process.
struct Blocks {
  std::mutex mutex;
  std::map<uintptr_t, Block> by_address;
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
  if (memory->capacity() >= kRecycleFrom) give_arena(std::move(*memory));
  delete memory;
}

// With `zeroed` false it may hold what was there before.
Memory take_bytes(uint64_t bytes, bool zeroed) {
  if (bytes < kRecycleFrom) return Memory::allocate(bytes);
  Memory memory = take_block(bytes);
  if (memory && zeroed) memset(memory.data(), 0, bytes);
  return memory;
}

bool make_block(uint64_t bytes, bool zeroed, Hold* hold) {
  Memory memory = take_bytes(bytes, zeroed);
  if (!memory) return false;
  hold->block = std::shared_ptr<Memory>(new Memory(std::move(memory)), forget);
  Blocks& blocks = Blocks::instance();
  std::lock_guard lock(blocks.mutex);
  blocks.by_address[address(hold->block->data())] = Block{hold->block, hold};
  return true;
}

void uncount(napi_env env, Hold* hold) {
  int64_t total;
  if (hold->counted > 0) napi_adjust_external_memory(env, -hold->counted, &total);
  hold->counted = 0;
}

void finalize(napi_env env, void*, void* hint) {
  std::unique_ptr<Hold> hold(static_cast<Hold*>(hint));
  uncount(env, hold.get());
}

// What the buffer over a whole block holds of it; null where it is none of ours.
Hold* holder_of(const void* data) {
  Blocks& blocks = Blocks::instance();
  std::lock_guard lock(blocks.mutex);
  auto it = blocks.by_address.find(address(data));
  return it == blocks.by_address.end() ? nullptr : it->second.hold;
}

}  // namespace

std::shared_ptr<Memory> find_allocated(const void* data, uint64_t bytes) {
  Blocks& blocks = Blocks::instance();
  std::lock_guard lock(blocks.mutex);
  auto it = blocks.by_address.upper_bound(address(data));
  if (it == blocks.by_address.begin()) return nullptr;
  std::shared_ptr<Memory> block = std::prev(it)->second.memory.lock();
  if (!block || address(data) + bytes > address(block->data()) + block->bytes()) return nullptr;
  return block;
}

Napi::Value allocate(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const uint64_t bytes = read_whole(call[0], "bytes", 0, uint64_t{1} << 36);
  const bool zeroed = !call[1].IsBoolean() || call[1].As<Napi::Boolean>().Value();
  auto hold = std::make_unique<Hold>(Hold{nullptr, env, 0});
  if (!make_block(bytes, zeroed, hold.get())) throw fault_error(env, no_memory("bytes", bytes));
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, hold->block->data(), bytes, finalize, hold.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) return Napi::ArrayBuffer::New(env, bytes);  // runs will copy
  Hold* held = hold.release();  // finalize deletes it, also where node has refused the size of the buffer
  if (status != napi_ok) {
    Napi::Error::New(env);  // takes the exception that is pending
    throw fault_error(env, fault(Code::kNoMemory, "bytes", "node makes no buffer as large",
                                 "a size that node takes (up to 4 GiB before Node 22)", std::to_string(bytes)));
  }
  held->counted = static_cast<int64_t>(held->block->capacity());
  Napi::MemoryManagement::AdjustExternalMemory(env, held->counted);
  return Napi::Value(env, buffer);
}

bool release_allocated(Napi::Env env, Napi::ArrayBuffer buffer) {
  Hold* hold = buffer.Data() ? holder_of(buffer.Data()) : nullptr;
  if (!hold || napi_detach_arraybuffer(env, buffer) != napi_ok) return false;
  if (hold->env == static_cast<napi_env>(env)) uncount(env, hold);
  std::shared_ptr<Memory> block = std::move(hold->block);  // runs in progress hold it too
  return true;
}

}  // namespace tenon::node
