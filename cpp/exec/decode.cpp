// Bytes -> Plan. Checks the form: header, counts against the length, ranges of every field. What steps mean is
// validate.cpp's.
#include <string.h>

#include <unordered_map>

#include "base/checked.h"
#include "exec/plan.h"

namespace tenon {
namespace {

constexpr uint32_t kMagic = 0x4c504e54;  // "TNPL"
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 64;
constexpr uint64_t kViewBytes = 88;
constexpr uint64_t kStepBytes = 16;  // at least

Fault bad(std::string field, std::string what, std::string expected = "", std::string found = "") {
  return fault(Code::kBadPlan, std::move(field), std::move(what), std::move(expected), std::move(found));
}

std::string number(uint64_t n) { return std::to_string(n); }
std::string hex(uint64_t n) {
  char text[24];
  snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(n));
  return text;
}
std::string item(const char* list, uint64_t index, const char* field) {
  return std::string(list) + "[" + number(index) + "]." + field;
}

// Little-endian bytes, never read past the end: has() first, then the reads.
class Reader {
 public:
  Reader(const uint8_t* bytes, uint64_t length) : bytes_(bytes), length_(length) {}
  bool has(uint64_t n) const { return n <= length_ - at_; }
  uint64_t left() const { return length_ - at_; }
  uint8_t u8() { return bytes_[at_++]; }
  uint16_t u16() { return read<uint16_t>(); }
  uint32_t u32() { return read<uint32_t>(); }
  uint64_t u64() { return read<uint64_t>(); }
  const uint8_t* take(uint64_t n) {
    const uint8_t* here = bytes_ + at_;
    at_ += n;
    return here;
  }
  // Skips to the next multiple; false where the padding is cut off or not zero.
  bool pad(uint64_t multiple) {
    while (at_ % multiple != 0)
      if (!has(1) || u8() != 0) return false;
    return true;
  }

 private:
  template <typename T>
  T read() {
    T value;
    memcpy(&value, bytes_ + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  const uint8_t* bytes_;
  uint64_t length_;
  uint64_t at_ = 0;
};

struct Header {
  uint32_t names = 0, views = 0, steps = 0, externals = 0;
};

Fault decode_header(Reader& r, uint64_t length, Plan* plan, Header* h) {
  if (!r.has(kHeaderBytes))
    return bad("header", "the bytes end too early", number(kHeaderBytes) + " bytes or more", number(length));
  if (r.u32() != kMagic) return bad("header.magic", "these bytes are no plan", "'TNPL'", "other bytes");
  if (const uint32_t version = r.u32(); version != kVersion)
    return bad("header.version", "another version of the format", number(kVersion), number(version));
  if (const uint64_t hash = r.u64(); hash != kOpTableHash)
    return bad("header.opTableHash",
               "the plan was made for another op table than the addon's; run `npm run build:native`", hex(kOpTableHash),
               hex(hash));
  h->names = r.u32();
  h->views = r.u32();
  h->steps = r.u32();
  h->externals = r.u32();
  plan->arena_bytes = r.u64();
  if (plan->arena_bytes > kMaxBytes)
    return bad("header.arenaBytes", "too much memory", "at most 2^46", number(plan->arena_bytes));
  if (const uint64_t total = r.u64(); total != length)
    return bad("header.totalBytes", "the plan is cut off or has a tail", number(total) + " bytes", number(length));
  if (r.u64() != 0 || r.u64() != 0) return bad("header.reserved", "not zero", "0", "other bytes");
  if (h->names > r.left() / 4)
    return bad("header.nameCount", "more names than the bytes can hold", "", number(h->names));
  if (h->views > r.left() / kViewBytes)
    return bad("header.viewCount", "more views than the bytes can hold", "", number(h->views));
  if (h->steps > r.left() / kStepBytes)
    return bad("header.stepCount", "more steps than the bytes can hold", "", number(h->steps));
  if (h->externals > h->views)
    return bad("header.externalCount", "more externals than views", "at most " + number(h->views),
               number(h->externals));
  return Fault();
}

Fault decode_names(Reader& r, uint32_t count, Plan* plan) {
  plan->names.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    if (!r.has(4)) return bad(item("names", i, "byteLength"), "the bytes end too early");
    const uint32_t bytes = r.u32();
    if (!r.has(bytes))
      return bad(item("names", i, "byteLength"), "longer than the plan", "at most " + number(r.left()), number(bytes));
    plan->names.emplace_back(reinterpret_cast<const char*>(r.take(bytes)), bytes);
    if (!r.pad(4)) return bad(item("names", i, "padding"), "cut off or not zero");
  }
  if (!r.pad(8)) return bad("names", "the padding is cut off or not zero");
  return Fault();
}

// Rank, sizes and bytes of one view. Sizes of 0 count as 1 here: products of some dims alone must not overflow either.
Fault decode_dims(Reader& r, uint64_t index, PlanView* v) {
  uint64_t most = dtype_bytes(v->shape.dtype);
  for (uint32_t i = 0; i < kMaxRank; i++) {
    const uint64_t dim = r.u64();
    const std::string field = "dims[" + number(i) + "]";
    if (i >= v->shape.rank && dim != 0)
      return bad(item("views", index, field.c_str()), "beyond the rank", "0", number(dim));
    if (dim > kMaxDim) return bad(item("views", index, field.c_str()), "too large", "at most 2^40", number(dim));
    if (i >= v->shape.rank) continue;
    if (!checked_mul(most, dim == 0 ? 1 : dim, &most) || most > kMaxBytes)
      return bad(item("views", index, "dims"), "too large in all", "at most 2^46 bytes", "more");
    v->shape.dims[i] = dim;
  }
  v->shape.present = true;
  v->bytes = numel(v->shape) * dtype_bytes(v->shape.dtype);
  return Fault();
}

// Where the view lies: ref and offset.
Fault decode_place(uint64_t index, const Plan& plan, uint32_t externals, PlanView* v) {
  const auto field = [&](const char* name) { return item("views", index, name); };
  if (v->place == Place::kArena) {
    uint64_t end;
    if (v->ref != 0) return bad(field("ref"), "the arena has no parts", "0", number(v->ref));
    if (v->offset % 64 != 0) return bad(field("offset"), "not aligned", "a multiple of 64", number(v->offset));
    if (!checked_add(v->offset, v->bytes, &end) || end > plan.arena_bytes)
      return bad(field("offset"), "outside the arena", "an end of at most " + number(plan.arena_bytes),
                 "offset " + number(v->offset) + " and " + number(v->bytes) + " bytes");
  } else {
    const uint64_t count = v->place == Place::kStore ? plan.names.size() : externals;
    if (v->ref >= count) return bad(field("ref"), "no such buffer", "below " + number(count), number(v->ref));
    if (v->offset != 0) return bad(field("offset"), "only the arena has offsets", "0", number(v->offset));
  }
  if (v->per_step && v->place != Place::kExternal)
    return bad(field("flags"), "only an external can have a row per step");
  return Fault();
}

Fault decode_view(Reader& r, uint64_t index, uint32_t externals, Plan* plan) {
  PlanView v;
  const uint8_t place = r.u8(), dtype = r.u8(), rank = r.u8(), flags = r.u8();
  if (place > 2) return bad(item("views", index, "place"), "unknown", "0 to 2", number(place));
  if (dtype > 2) return bad(item("views", index, "dtype"), "unknown", "0 to 2", number(dtype));
  if (rank > kMaxRank) return bad(item("views", index, "rank"), "too large", "at most 8", number(rank));
  if (flags > 3) return bad(item("views", index, "flags"), "unknown", "0 to 3", number(flags));
  v.place = static_cast<Place>(place);
  v.shape.dtype = static_cast<DType>(dtype);
  v.shape.rank = rank;
  v.per_step = flags & 1;
  v.written = flags & 2;
  v.ref = r.u32();
  v.offset = r.u64();
  if (Fault f = decode_dims(r, index, &v); !f.ok()) return f;
  if (r.u64() != 0) return bad(item("views", index, "reserved"), "not zero", "0", "other bytes");
  if (Fault f = decode_place(index, *plan, externals, &v); !f.ok()) return f;
  plan->views.push_back(v);
  return Fault();
}

Fault decode_step(Reader& r, uint64_t index, Plan* plan) {
  const auto at = [&](Fault f) {
    f.step = static_cast<int64_t>(index);
    return f;
  };
  if (!r.has(kStepBytes)) return at(bad("header", "the bytes end too early"));
  const uint32_t op = r.u32();
  PlanStep step;
  step.inputs = r.u16();
  step.outputs = r.u8();
  const uint8_t flags = r.u8();
  const uint32_t words = r.u32();
  step.name = r.u32();
  if (op >= kOpCount) return at(bad("op", "unknown", "below " + number(kOpCount), number(op)));
  if (flags > 1) return at(bad("flags", "unknown", "0 or 1", number(flags)));
  if (flags == 1 && index == 0) return at(bad("flags", "the first step joins none"));
  step.joins = flags == 1;
  step.info = &kOps[op];
  step.kernel = plan->isa->kernels()[op];
  if (step.name != kAbsent && step.name >= plan->names.size())
    return at(bad("nameIndex", "no such name", "below " + number(plan->names.size()), number(step.name)));
  const uint32_t slots = step.inputs + step.outputs;
  if (!r.has(uint64_t{slots} * 4)) return at(bad("views", "the bytes end too early"));
  step.first_slot = static_cast<uint32_t>(plan->slots.size());
  for (uint32_t i = 0; i < slots; i++) {
    const uint32_t view = r.u32();
    if (view != kAbsent && view >= plan->views.size())
      return at(bad("views[" + number(i) + "]", "no such view", "below " + number(plan->views.size()), number(view)));
    plan->slots.push_back(view);
  }
  if (!r.pad(8)) return at(bad("views", "the padding is cut off or not zero"));
  if (!r.has(uint64_t{words} * 8)) return at(bad("attrWords", "longer than the plan", "", number(words)));
  if (words != step.info->attr_words)
    return at(bad("attrWords", "wrong", number(step.info->attr_words), number(words)));
  step.first_word = static_cast<uint32_t>(plan->words.size());
  for (uint32_t i = 0; i < words; i++) plan->words.push_back(r.u64());
  plan->steps.push_back(step);
  return Fault();
}

// Two names of one text are one buffer: views refer to the first of them.
void unify_names(Plan* plan) {
  std::unordered_map<std::string, uint32_t> first;
  for (uint32_t i = 0; i < plan->names.size(); i++) first.try_emplace(plan->names[i], i);
  for (PlanView& v : plan->views)
    if (v.place == Place::kStore) v.ref = first[plan->names[v.ref]];
}

}  // namespace

Fault decode_plan(const uint8_t* bytes, uint64_t length, Plan* plan) {
  Reader r(bytes, length);
  Header h;
  if (Fault f = decode_header(r, length, plan, &h); !f.ok()) return f;
  if (Fault f = decode_names(r, h.names, plan); !f.ok()) return f;
  if (!r.has(uint64_t{h.views} * kViewBytes))
    return bad("header.viewCount", "more views than the bytes can hold", "", number(h.views));
  plan->views.reserve(h.views);
  for (uint32_t i = 0; i < h.views; i++)
    if (Fault f = decode_view(r, i, h.externals, plan); !f.ok()) return f;
  plan->steps.reserve(h.steps);
  for (uint32_t i = 0; i < h.steps; i++)
    if (Fault f = decode_step(r, i, plan); !f.ok()) return f;
  if (r.left() != 0) return bad("header.totalBytes", "bytes after the last step", "0", number(r.left()));
  plan->externals.resize(h.externals);
  unify_names(plan);
  return Fault();
}

}  // namespace tenon
