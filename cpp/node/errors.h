// How faults become JavaScript errors: a TypeError, RangeError or Error with code, argument, expected, found (and step,
// op, layer).
#pragma once
#include <napi.h>

#include <string>

#include "exec/fault.h"

namespace tenon::node {

// An argument of the wrong type.
Napi::Error type_error(Napi::Env env, const std::string& argument, const std::string& what, const std::string& expected,
                       const std::string& found);
// An argument of the right type whose value does not do.
Napi::Error range_error(Napi::Env env, const std::string& argument, const std::string& what,
                        const std::string& expected = "", const std::string& found = "");
Napi::Error closed_error(Napi::Env env, const std::string& argument);
Napi::Error fault_error(Napi::Env env, const Fault& fault);

inline void throw_if(Napi::Env env, const Fault& fault) {
  if (!fault.ok()) throw fault_error(env, fault);
}

// "undefined", "a string", "Float64Array(3)": never the value itself, which may be large.
std::string describe(Napi::Value value);

}  // namespace tenon::node
