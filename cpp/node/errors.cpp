#include "node/errors.h"

namespace tenon::node {
namespace {

Napi::Error decorate(Napi::Error error, const char* code, const Fault& fault) {
  const Napi::Env env = error.Env();
  Napi::Object object = error.Value();
  object.Set("code", Napi::String::New(env, code));
  object.Set("argument", Napi::String::New(env, fault.field));
  object.Set("expected", Napi::String::New(env, fault.expected));
  object.Set("found", Napi::String::New(env, fault.found));
  if (fault.step >= 0) {
    object.Set("step", Napi::Number::New(env, static_cast<double>(fault.step)));
    object.Set("op", Napi::String::New(env, fault.op));
    object.Set("layer", Napi::String::New(env, fault.layer));
  }
  return error;
}

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
      break;
    case Code::kBadPlan:
      return "TENON_BAD_PLAN";
    case Code::kBadArgument:
      return "TENON_BAD_ARGUMENT";
    case Code::kBadIndex:
      return "TENON_BAD_INDEX";
    case Code::kNoMemory:
      return "TENON_NO_MEMORY";
    case Code::kCancelled:
      return "TENON_CANCELLED";
    case Code::kInternal:
      break;
  }
  return "TENON_INTERNAL";
}

const char* array_name(napi_typedarray_type type) {
  constexpr const char* kNames[] = {"Int8Array",    "Uint8Array",    "Uint8ClampedArray", "Int16Array",
                                    "Uint16Array",  "Int32Array",    "Uint32Array",       "Float32Array",
                                    "Float64Array", "BigInt64Array", "BigUint64Array"};
  return static_cast<size_t>(type) < sizeof kNames / sizeof kNames[0] ? kNames[type] : "another typed array";
}

}  // namespace

Napi::Error type_error(Napi::Env env, const std::string& argument, const std::string& what, const std::string& expected,
                       const std::string& found) {
  const Fault f = fault(Code::kBadArgument, argument, what, expected, found);
  return decorate(Napi::TypeError::New(env, show(f)), "TENON_BAD_TYPE", f);
}

Napi::Error range_error(Napi::Env env, const std::string& argument, const std::string& what,
                        const std::string& expected, const std::string& found) {
  return fault_error(env, fault(Code::kBadArgument, argument, what, expected, found));
}

Napi::Error closed_error(Napi::Env env, const std::string& argument) {
  const Fault f = fault(Code::kBadArgument, argument, "it was closed");
  return decorate(Napi::Error::New(env, show(f)), "TENON_CLOSED", f);
}

Napi::Error fault_error(Napi::Env env, const Fault& f) {
  const bool range = f.code == Code::kBadPlan || f.code == Code::kBadArgument || f.code == Code::kBadIndex;
  const std::string text = (f.code == Code::kBadPlan    ? "bad plan: "
                            : f.code == Code::kInternal ? "bug: "
                                                        : "") +
                           show(f);
  return decorate(range ? Napi::Error(Napi::RangeError::New(env, text)) : Napi::Error::New(env, text),
                  code_name(f.code), f);
}

std::string describe(Napi::Value value) {
  if (value.IsTypedArray()) {
    napi_typedarray_type type;
    size_t length = 0;
    if (napi_get_typedarray_info(value.Env(), value, &type, &length, nullptr, nullptr, nullptr) != napi_ok)
      return "another typed array";
    return std::string(array_name(type)) + "(" + std::to_string(length) + ")";
  }
  if (value.IsArray()) return "an array";
  if (value.IsArrayBuffer()) return "an ArrayBuffer";
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_number:
      return "the number " + value.ToString().Utf8Value();
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return "an object";
  }
}

}  // namespace tenon::node
