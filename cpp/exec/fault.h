// A status with the words for it: what the door tells the user. Made only when something is wrong.
#pragma once
#include <string>
#include <utility>

#include "base/status.h"

namespace tenon {

struct [[nodiscard]] Fault {
  Code code = Code::kOk;
  std::string what;      // "arena offset is not a multiple of 64"
  std::string expected;  // may be empty
  std::string found;
  int64_t step = -1;  // of the plan; -1: none
  std::string op;     // of the step
  std::string layer;  // path of the layer that the step belongs to
  std::string field;  // "input b", "header.viewCount", "views[3].offset"

  bool ok() const { return code == Code::kOk; }
};

inline Fault fault(Code code, std::string field, std::string what, std::string expected = "", std::string found = "") {
  Fault f;
  f.code = code;
  f.field = std::move(field);
  f.what = std::move(what);
  f.expected = std::move(expected);
  f.found = std::move(found);
  return f;
}

// "step 3 (matmul of encoder.0), input b: shapes do not fit: expected f32[8, 3], found f32[8, 4]"
std::string show(const Fault& f);

// "not enough memory: expected 12.3 GiB free, found 4.0 GiB"
Fault no_memory(std::string field, uint64_t bytes);

}  // namespace tenon
