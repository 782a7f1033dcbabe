#include "exec/fault.h"

#include "base/machine.h"
#include "base/memory.h"

namespace tenon {

std::string show(const Fault& f) {
  std::string text;
  if (f.step >= 0) {
    text += "step " + std::to_string(f.step);
    if (!f.op.empty()) text += " (" + f.op + (f.layer.empty() ? "" : " of " + f.layer) + ")";
  }
  if (!f.field.empty()) text += (text.empty() ? "" : ", ") + f.field;
  text += (text.empty() ? "" : ": ") + f.what;
  if (!f.expected.empty()) text += ": expected " + f.expected;
  if (!f.found.empty()) text += std::string(f.expected.empty() ? ": " : ", ") + "found " + f.found;
  return text;
}

Fault no_memory(std::string field, uint64_t bytes) {
  char needed[32], available[32];
  show_bytes(bytes, needed);
  show_bytes(available_memory(), available);
  return fault(Code::kNoMemory, std::move(field), "not enough memory", std::string(needed) + " free", available);
}

}  // namespace tenon
