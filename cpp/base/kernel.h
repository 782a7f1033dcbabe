// What an op's CPU kernel is: a few plain functions. Each op file defines `extern const Kernel <op>_kernel` in
// namespace tenon::TENON_ISA and is compiled once per ISA (base, avx2, avx512, neon).
#pragma once
#include "base/status.h"
#include "base/view.h"

namespace tenon {

// One decoded step of a plan. Attributes are 8-byte words; the generated <Op>Attrs structs read them.
struct Step {
  const uint64_t* attrs = nullptr;
  const View* in = nullptr;
  const View* out = nullptr;
  uint32_t inputs = 0;
  uint32_t outputs = 0;
  uint64_t* memo = nullptr;  // a word of the step's, 0 at first, for what follows from it and the number of threads;
                             // may be null. Several runs may be at it: atomic loads and stores
};

// What a kernel may use while it runs. parallel() calls fn(arg, task, worker) for every task in [0, tasks), on at most
// `threads` threads, and returns when all are done; worker < threads. One task wakes nobody. Results must not depend on
// which worker runs a task, nor on `threads`.
struct Runtime {
  int threads = 1;
  uint8_t* scratch = nullptr;  // 64-byte aligned, as many bytes as the kernel's scratch() asked for
  void* pool = nullptr;
  void (*parallel)(const Runtime&, uint32_t tasks, void (*fn)(void* arg, uint32_t task, uint32_t worker),
                   void* arg) = nullptr;
};

struct Kernel {
  // Shape rules that the op's signature cannot say; null where it says all. Called by the validator: views have dims
  // but no data. Must be overflow-safe for any dims (each dim <= 2^40 and each view's bytes <= 2^46, already checked).
  Status (*check)(const Step&) = nullptr;
  // Scratch bytes for a run with so many threads; null for none. Called after check has passed.
  uint64_t (*scratch)(const Step&, int threads) = nullptr;
  // Sizes of 0 are legal. Index inputs (i32) are checked as they are used: kBadIndex, never a read outside. Null where
  // there is rows.
  Status (*run)(const Step&, const Runtime&) = nullptr;
  // Row-local ops: makes the rows [begin, end) of the step's `rows` (see RowsKind in exec/op_info.h) on the calling
  // thread. Bits do not depend on where rows are cut. Any number of threads may be inside, each with rows of its own.
  Status (*rows)(const Step&, uint64_t rows, uint64_t begin, uint64_t end) = nullptr;
  uint32_t weight = 1;  // of rows: work an element, in copies
};

}  // namespace tenon
