#include "node/args.h"

#include <cmath>

#include "base/checked.h"
#include "exec/plan.h"
#include "node/errors.h"

namespace tenon::node {
namespace {

const char* array_for(DType dtype) {
  return dtype == DType::kF32 ? "a Float32Array" : dtype == DType::kI32 ? "an Int32Array" : "a Uint8Array";
}

bool holds(napi_typedarray_type type, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return type == napi_float32_array;
    case DType::kI32:
      return type == napi_int32_array;
    case DType::kU8:
      return type == napi_uint8_array || type == napi_uint8_clamped_array;
  }
  return false;
}

DType read_dtype(Napi::Value value) {
  if (value.IsString()) {
    const std::string name = read_text(value, "dtype");
    for (DType dtype : {DType::kF32, DType::kI32, DType::kU8})
      if (name == dtype_name(dtype)) return dtype;
    throw range_error(value.Env(), "dtype", "unknown", "'f32' | 'i32' | 'u8'", "another text");
  }
  throw type_error(value.Env(), "dtype", "wrong type", "'f32' | 'i32' | 'u8'", describe(value));
}

}  // namespace

std::string Argument::text() const {
  std::string text = name;
  if (index >= 0) text.append("[").append(std::to_string(index)).append("]");
  return text;
}

uint64_t read_whole(Napi::Value value, const Argument& argument, uint64_t least, uint64_t most) {
  const auto expected = [&] { return "a whole number from " + std::to_string(least) + " to " + std::to_string(most); };
  double number;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok)
    throw type_error(value.Env(), argument.text(), "wrong type", expected(), describe(value));
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) || std::floor(number) != number)
    throw range_error(value.Env(), argument.text(), "out of range", expected(), describe(value));
  return static_cast<uint64_t>(number);
}

std::string read_text(Napi::Value value, const char* argument) {
  if (!value.IsString()) throw type_error(value.Env(), argument, "wrong type", "a string", describe(value));
  size_t bytes = 0;
  if (napi_get_value_string_utf8(value.Env(), value, nullptr, 0, &bytes) != napi_ok)
    throw Napi::Error::New(value.Env());
  if (bytes == 0 || bytes > kMaxText)
    throw range_error(value.Env(), argument, "wrong length", "1 to " + std::to_string(kMaxText) + " bytes",
                      std::to_string(bytes));
  return value.As<Napi::String>().Utf8Value();
}

View read_type(Napi::Value dtype, Napi::Value dims) {
  const Napi::Env env = dtype.Env();
  View view;
  view.dtype = read_dtype(dtype);
  if (!dims.IsArray()) throw type_error(env, "dims", "wrong type", "an array of sizes", describe(dims));
  const Napi::Array array = dims.As<Napi::Array>();
  const uint32_t rank = array.Length();
  if (rank > kMaxRank) throw range_error(env, "dims", "too many", "at most 8", std::to_string(rank));
  uint64_t most = dtype_bytes(view.dtype);
  view.rank = static_cast<uint8_t>(rank);
  view.present = true;
  for (uint32_t i = 0; i < rank; i++) {
    const Napi::Value size = array.Get(i);
    view.dims[i] = read_whole(size, {"dims", i}, 0, kMaxDim);
    if (!checked_mul(most, view.dims[i] == 0 ? 1 : view.dims[i], &most) || most > kMaxBytes)
      throw range_error(env, "dims", "too large in all", "at most 2^46 bytes", "more");
  }
  return view;
}

ArrayBytes read_array(Napi::Value value, const Argument& argument, const char* expected) {
  const Napi::Env env = value.Env();
  ArrayBytes array;
  napi_value buffer;
  void* data;
  size_t length, offset;
  if (napi_get_typedarray_info(env, value, &array.type, &length, &data, &buffer, &offset) != napi_ok)
    throw type_error(env, argument.text(), "wrong type", expected, describe(value));
  bool plain = false, detached = false;
  napi_is_arraybuffer(env, buffer, &plain);
  array.shared = !plain;
  if (plain && length == 0) napi_is_detached_arraybuffer(env, buffer, &detached);
  if (detached)
    throw type_error(env, argument.text(), "its buffer is detached", "an array with memory", "a detached one");
  constexpr uint8_t kElementBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (static_cast<size_t>(array.type) >= sizeof kElementBytes)
    throw type_error(env, argument.text(), "wrong type", expected, describe(value));
  array.data = static_cast<uint8_t*>(data);
  array.bytes = length * kElementBytes[array.type];
  if (!data) array.bytes = 0;
  return array;
}

ArrayBytes read_array_of(Napi::Value value, const Argument& argument, DType dtype) {
  const ArrayBytes array = read_array(value, argument, array_for(dtype));
  if (!holds(array.type, dtype))
    throw type_error(value.Env(), argument.text(), "wrong type", array_for(dtype), describe(value));
  return array;
}

}  // namespace tenon::node
