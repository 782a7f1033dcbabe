// The one error type of the core. It neither throws nor aborts; cpp/node turns a status into a JavaScript error.
#pragma once
#include <stdint.h>

namespace tenon {

enum class Code : uint32_t {
  kOk = 0,
  kBadPlan,      // the plan's bytes are malformed or its steps do not fit their ops
  kBadArgument,  // a run's buffers do not fit the plan
  kBadIndex,     // data holds an index outside its table
  kNoMemory,
  kCancelled,
  kInternal,
};

// `what` points to a string literal; it is never freed. step and field locate a fault in a plan (-1: none).
struct [[nodiscard]] Status {
  Code code = Code::kOk;
  const char* what = "";
  int64_t step = -1;
  const char* field = "";
  bool ok() const { return code == Code::kOk; }
};

}  // namespace tenon
