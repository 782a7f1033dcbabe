// Named buffers that outlive plans: parameters, optimizer slots, running statistics, data sets.
#pragma once
#include <map>
#include <string>

#include "base/memory.h"
#include "base/view.h"
#include "exec/gate.h"

namespace tenon {

struct StoreBuffer {
  View shape;  // without data
  Memory memory;
};

// The map is touched only by whoever is inside the gate.
struct Store {
  Gate gate;
  std::map<std::string, StoreBuffer> buffers;
  bool closed = false;
};

// Holds a store's gate for a scope, waiting for runs that came before.
class StoreLock {
 public:
  explicit StoreLock(Store& store) : store_(store) { store_.gate.enter_and_wait(); }
  ~StoreLock() { store_.gate.leave(); }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

 private:
  Store& store_;
};

}  // namespace tenon
