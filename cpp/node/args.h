// Reading arguments. Everything that could run JavaScript (getters, proxies) is read before any pointer is taken.
#pragma once
#include <napi.h>

#include <string>

#include "base/view.h"

namespace tenon::node {

// What an argument is called; made into text only where it is at fault.
struct Argument {
  Argument(const char* name, int64_t index = -1) : name(name), index(index) {}  // NOLINT: a name stands for itself
  std::string text() const;
  const char* name;
  int64_t index;  // in a list; -1: none
};

// A whole number in [least, most].
uint64_t read_whole(Napi::Value value, const Argument& argument, uint64_t least, uint64_t most);
// At most kMaxText bytes of UTF-8, not empty.
constexpr size_t kMaxText = 4096;
std::string read_text(Napi::Value value, const char* argument);
// A tensor type: "f32" | "i32" | "u8" and an array of up to eight sizes. The view has no data.
View read_type(Napi::Value dtype, Napi::Value dims);

// The memory of a typed array as it is now; it may be gone after the next piece of JavaScript.
struct ArrayBytes {
  napi_typedarray_type type = napi_uint8_array;
  uint8_t* data = nullptr;
  uint64_t bytes = 0;
  bool shared = false;
};
// Any typed array that is not detached.
ArrayBytes read_array(Napi::Value value, const Argument& argument, const char* expected = "a typed array of numbers");
// The same, of the element type that holds a dtype.
ArrayBytes read_array_of(Napi::Value value, const Argument& argument, DType dtype);

}  // namespace tenon::node
