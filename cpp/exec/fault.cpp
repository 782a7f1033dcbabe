#include "exec/fault.h"

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

}  // namespace tenon
