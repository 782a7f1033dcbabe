// The table of ops: what each op takes, gives and is told. The rows are generated from src/ops into
// cpp/gen/op_table.cpp.
#pragma once
#include "base/kernel.h"

namespace tenon {

constexpr uint32_t kMaxSymbols = 32;  // distinct names in the patterns of one op, leading groups included

// One dimension of a pattern: a literal size, or a symbol (literal == kSymbol) that has one size throughout the op.
constexpr int64_t kSymbol = -1;
struct DimSpec {
  int64_t literal = kSymbol;
  uint8_t symbol = 0;
};

constexpr int8_t kNoLead = -1;  // the rank is exactly `rank`
constexpr int8_t kAnyLead =
    -2;  // any leading dims, not compared with those of other arguments (a pattern without brackets: rank 0)

// A type pattern: leading dims (symbol `lead`, a group of dims that is the same throughout the op), then `rank` dims.
struct ArgSpec {
  const char* name = "";
  DType dtype = DType::kF32;
  bool any_dtype = false;
  bool optional = false;  // may be absent
  bool variadic = false;  // the last input only: takes the rest, one or more
  int8_t lead = kNoLead;
  uint8_t rank = 0;
  DimSpec dims[kMaxRank] = {};
};

enum class AttrKind : uint8_t { kU32, kF32, kDims, kChoice };

// kU32: `count` words, each < 2^32. kF32: one word, a finite or infinite float64. kDims: nine words (rank, eight sizes,
// the unused ones 0). kChoice: one word below `count`.
struct AttrSpec {
  const char* name = "";
  AttrKind kind = AttrKind::kU32;
  uint32_t count = 1;
};

// What are rows of a row-local op. kLeading: what the first output's pattern begins with (its leading group, else its
// first dim); arguments whose patterns begin alike have the same rows, the others are read whole. kBroadcast: the
// leading dims that each input either has or lacks.
enum class RowsKind : uint8_t { kNone, kLeading, kBroadcast };

struct OpInfo {
  const char* name = "";
  const ArgSpec* inputs = nullptr;
  uint16_t input_count = 0;
  const ArgSpec* outputs = nullptr;
  uint16_t output_count = 0;
  const AttrSpec* attrs = nullptr;
  uint16_t attr_count = 0;
  uint16_t attr_words = 0;                // of all attributes together
  int8_t in_place[4] = {-1, -1, -1, -1};  // output i may stand in the memory of input in_place[i]
  bool alias = false;                     // no kernel, no step
  bool infers = false;  // of outputs only the dtype follows from the patterns: the kernel's check says the rest
  RowsKind rows = RowsKind::kNone;
};

extern const OpInfo kOps[];
extern const uint32_t kOpCount;
extern const uint64_t kOpTableHash;

}  // namespace tenon

// Kernels in the order of kOps (null: an alias op), one table per ISA; generated into cpp/gen/kernels.cpp.
extern "C" {
#if defined(__x86_64__)
const tenon::Kernel* const* tenon_kernels_base();
const tenon::Kernel* const* tenon_kernels_avx2();
const tenon::Kernel* const* tenon_kernels_avx512();
#elif defined(__aarch64__)
const tenon::Kernel* const* tenon_kernels_neon();
#else
const tenon::Kernel* const* tenon_kernels_base();
#endif
}
