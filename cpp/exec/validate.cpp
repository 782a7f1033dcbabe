// What a decoded plan's steps mean: signatures, attributes, places, memory. After this the executor trusts it.
#include <string.h>

#include <algorithm>

#include "base/checked.h"
#include "exec/plan.h"

namespace tenon {
namespace {

Fault bad(std::string field, std::string what, std::string expected = "", std::string found = "") {
  return fault(Code::kBadPlan, std::move(field), std::move(what), std::move(expected), std::move(found));
}
std::string number(uint64_t n) { return std::to_string(n); }

// ---- buffers: all views of one external, or of one name, agree

Fault merge_spec(const PlanView& v, const std::string& field, bool first, BufferSpec* spec) {
  if (first) *spec = {v.shape.dtype, v.bytes, v.per_step, false};
  if (spec->dtype != v.shape.dtype || spec->bytes != v.bytes || spec->per_step != v.per_step)
    return bad(field, "does not agree with an earlier view of the same buffer",
               number(spec->bytes) + " bytes of " + dtype_name(spec->dtype) + (spec->per_step ? " a step" : ""),
               show_view(v.shape) + (v.per_step ? " a step" : ""));
  spec->written |= v.written;
  return Fault();
}

Fault collect_buffers(Plan* plan) {
  std::vector<bool> seen(plan->externals.size());
  for (size_t i = 0; i < plan->views.size(); i++) {
    const PlanView& v = plan->views[i];
    if (v.place == Place::kArena) continue;
    const bool external = v.place == Place::kExternal;
    const bool first = external ? !seen[v.ref] : !plan->store.contains(v.ref);
    BufferSpec* spec = external ? &plan->externals[v.ref] : &plan->store[v.ref];
    if (Fault f = merge_spec(v, "views[" + number(i) + "]", first, spec); !f.ok()) return f;
    if (external) seen[v.ref] = true;
  }
  for (size_t i = 0; i < seen.size(); i++)
    if (!seen[i]) return bad("externals[" + number(i) + "]", "no view refers to it");
  for (PlanView& v : plan->views)
    v.shape.made =
        v.place == Place::kArena || (v.place == Place::kExternal ? plan->externals[v.ref] : plan->store[v.ref]).written;
  return Fault();
}

// ---- signatures

// Sizes of the symbols of one step's patterns, filled as arguments are met.
struct Bindings {
  bool bound[kMaxSymbols] = {};
  uint64_t size[kMaxSymbols] = {};
  bool lead_bound[kMaxSymbols] = {};
  uint32_t lead_rank[kMaxSymbols] = {};
  uint64_t lead[kMaxSymbols][kMaxRank];
};

std::string show_pattern(const ArgSpec& arg, const Bindings& b) {
  std::string dims;
  const auto add = [&](const std::string& d) { dims += (dims.empty() ? "" : ", ") + d; };
  if (arg.lead == kAnyLead) add("...");
  if (arg.lead >= 0 && !b.lead_bound[arg.lead]) add("...");
  if (arg.lead >= 0 && b.lead_bound[arg.lead])
    for (uint32_t i = 0; i < b.lead_rank[arg.lead]; i++) add(number(b.lead[arg.lead][i]));
  for (uint32_t i = 0; i < arg.rank; i++) {
    const DimSpec& d = arg.dims[i];
    add(d.literal != kSymbol ? number(static_cast<uint64_t>(d.literal))
        : b.bound[d.symbol]  ? number(b.size[d.symbol])
                             : "_");
  }
  return std::string(arg.any_dtype ? "any" : dtype_name(arg.dtype)) + "[" + dims + "]";
}

bool bind_lead(int8_t symbol, const View& v, uint32_t rank, Bindings* b) {
  if (symbol < 0) return true;
  if (!b->lead_bound[symbol]) {
    b->lead_bound[symbol] = true;
    b->lead_rank[symbol] = rank;
    memcpy(b->lead[symbol], v.dims, rank * sizeof v.dims[0]);
  }
  return b->lead_rank[symbol] == rank && memcmp(b->lead[symbol], v.dims, rank * sizeof v.dims[0]) == 0;
}

bool bind_dim(const DimSpec& d, uint64_t size, Bindings* b) {
  if (d.literal != kSymbol) return size == static_cast<uint64_t>(d.literal);
  if (!b->bound[d.symbol]) {
    b->bound[d.symbol] = true;
    b->size[d.symbol] = size;
  }
  return b->size[d.symbol] == size;
}

bool fits(const ArgSpec& arg, const View& v, Bindings* b) {
  if (!arg.any_dtype && v.dtype != arg.dtype) return false;
  if (v.rank < arg.rank || (arg.lead == kNoLead && v.rank != arg.rank)) return false;
  const uint32_t lead = v.rank - arg.rank;
  if (!bind_lead(arg.lead, v, lead, b)) return false;
  for (uint32_t i = 0; i < arg.rank; i++)
    if (!bind_dim(arg.dims[i], v.dims[lead + i], b)) return false;
  return true;
}

Fault check_fit(const ArgSpec& arg, const View& v, const std::string& field, Bindings* b) {
  const Bindings before = *b;
  if (fits(arg, v, b)) return Fault();
  return bad(field, "does not fit the op", show_pattern(arg, before), show_view(v));
}

const ArgSpec& input_spec(const OpInfo& op, uint32_t index) {
  return op.inputs[std::min<uint32_t>(index, op.input_count - 1u)];
}

std::string input_field(const OpInfo& op, uint32_t index) {
  const ArgSpec& arg = input_spec(op, index);
  std::string field = std::string("input ") + arg.name;
  if (arg.variadic) field.append("[").append(number(index - (op.input_count - 1u))).append("]");
  return field;
}

Fault check_counts(const PlanStep& step) {
  const OpInfo& op = *step.info;
  const bool variadic = op.input_count > 0 && op.inputs[op.input_count - 1].variadic;
  if (step.inputs != op.input_count && !(variadic && step.inputs > op.input_count))
    return bad("inputs", "wrong number", number(op.input_count) + (variadic ? " or more" : ""), number(step.inputs));
  if (step.outputs != op.output_count)
    return bad("outputs", "wrong number", number(op.output_count), number(step.outputs));
  return Fault();
}

Fault check_signature(const Plan& plan, const PlanStep& step) {
  const OpInfo& op = *step.info;
  if (op.alias || !step.kernel)
    return bad("op", std::string("'") + op.name + "' has no CPU kernel and cannot be a step");
  if (Fault f = check_counts(step); !f.ok()) return f;
  Bindings b;
  for (uint32_t i = 0; i < step.inputs; i++) {
    const uint32_t view = plan.slots[step.first_slot + i];
    ArgSpec arg = input_spec(op, i);
    if (arg.variadic) arg.lead = arg.lead == kNoLead ? kNoLead : kAnyLead;  // the parts of a concat differ
    if (view == kAbsent && arg.optional) continue;
    if (view == kAbsent) return bad(input_field(op, i), "absent, but not optional");
    if (Fault f = check_fit(arg, plan.views[view].shape, input_field(op, i), &b); !f.ok()) return f;
  }
  for (uint32_t i = 0; i < step.outputs; i++) {
    const uint32_t view = plan.slots[step.first_slot + step.inputs + i];
    const std::string field = std::string("output ") + op.outputs[i].name;
    if (view == kAbsent) return bad(field, "absent, but an output never is");
    ArgSpec arg = op.outputs[i];
    if (op.infers) arg.lead = kAnyLead, arg.rank = 0;
    if (Fault f = check_fit(arg, plan.views[view].shape, field, &b); !f.ok()) return f;
    if (!plan.views[view].written) return bad(field, "the view is not marked as written");
  }
  return Fault();
}

// ---- attributes

Fault check_dims_attr(const std::string& field, const uint64_t* words) {
  uint64_t most = 4;
  if (words[0] > kMaxRank) return bad(field, "rank too large", "at most 8", number(words[0]));
  for (uint32_t i = 0; i < kMaxRank; i++) {
    const uint64_t dim = words[1 + i];
    if (i >= words[0] && dim != 0) return bad(field, "not zero beyond the rank", "0", number(dim));
    if (dim > kMaxDim || !checked_mul(most, dim == 0 ? 1 : dim, &most) || most > kMaxBytes)
      return bad(field, "too large", "at most 2^46 bytes", number(dim));
  }
  return Fault();
}

Fault check_attr(const AttrSpec& attr, const uint64_t* words, uint32_t* used) {
  const std::string field = std::string("attribute ") + attr.name;
  *used = 1;
  switch (attr.kind) {
    case AttrKind::kU32:
      *used = attr.count;
      for (uint32_t i = 0; i < attr.count; i++)
        if (words[i] > UINT32_MAX) return bad(field, "too large", "below 2^32", number(words[i]));
      return Fault();
    case AttrKind::kF32: {
      double value;
      memcpy(&value, words, sizeof value);
      if (value != value) return bad(field, "not a number", "a number", "NaN");
      return Fault();
    }
    case AttrKind::kDims:
      *used = 1 + kMaxRank;
      return check_dims_attr(field, words);
    case AttrKind::kChoice:
      if (words[0] >= attr.count) return bad(field, "no such choice", "below " + number(attr.count), number(words[0]));
      return Fault();
  }
  return bad(field, "unknown kind");
}

Fault check_attrs(const Plan& plan, const PlanStep& step) {
  uint32_t at = step.first_word;
  for (uint32_t i = 0; i < step.info->attr_count; i++) {
    uint32_t used;
    if (Fault f = check_attr(step.info->attrs[i], plan.words.data() + at, &used); !f.ok()) return f;
    at += used;
  }
  return Fault();
}

// ---- memory: what may share bytes, and that nothing is read before it is written

Fault check_overlaps(const Plan& plan, const PlanStep& step) {
  const uint32_t* slots = plan.slots.data() + step.first_slot;
  for (uint32_t o = 0; o < step.outputs; o++) {
    const PlanView& out = plan.views[slots[step.inputs + o]];
    const std::string field = std::string("output ") + step.info->outputs[o].name;
    const int in_place = o < 4 ? step.info->in_place[o] : -1;
    for (uint32_t i = 0; i < step.inputs; i++) {
      if (slots[i] == kAbsent || !overlap(out, plan.views[slots[i]])) continue;
      if (static_cast<int>(i) == in_place && same_bytes(out, plan.views[slots[i]])) continue;
      return bad(field, "shares memory with " + input_field(*step.info, i));
    }
    for (uint32_t p = 0; p < o; p++)
      if (overlap(out, plan.views[slots[step.inputs + p]]))
        return bad(field, std::string("shares memory with output ") + step.info->outputs[p].name);
  }
  return Fault();
}

// Which bytes of the arena hold something: disjoint ranges, start -> end.
class Written {
 public:
  void add(uint64_t start, uint64_t end) {
    auto it = ranges_.upper_bound(start);
    if (it != ranges_.begin() && std::prev(it)->second >= start) it = std::prev(it);
    while (it != ranges_.end() && it->first <= end) {
      start = std::min(start, it->first);
      end = std::max(end, it->second);
      it = ranges_.erase(it);
    }
    ranges_[start] = end;
  }
  bool has(uint64_t start, uint64_t end) const {
    auto it = ranges_.upper_bound(start);
    return it != ranges_.begin() && std::prev(it)->second >= end;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

Fault check_reads(const Plan& plan, const PlanStep& step, Written* written) {
  const uint32_t* slots = plan.slots.data() + step.first_slot;
  for (uint32_t i = 0; i < step.inputs; i++) {
    if (slots[i] == kAbsent) continue;
    const PlanView& v = plan.views[slots[i]];
    if (v.place == Place::kArena && v.bytes > 0 && !written->has(v.offset, v.offset + v.bytes))
      return bad(input_field(*step.info, i), "no earlier step wrote it");
  }
  for (uint32_t i = 0; i < step.outputs; i++) {
    const PlanView& v = plan.views[slots[step.inputs + i]];
    if (v.place == Place::kArena && v.bytes > 0) written->add(v.offset, v.offset + v.bytes);
  }
  return Fault();
}

// ---- the op's own check

// The step as kernels see it, without data.
Step shape_step(const Plan& plan, const PlanStep& step, std::vector<View>* views) {
  const uint32_t count = step.inputs + step.outputs;
  views->assign(count, View());
  for (uint32_t i = 0; i < count; i++)
    if (const uint32_t v = plan.slots[step.first_slot + i]; v != kAbsent) (*views)[i] = plan.views[v].shape;
  return {plan.words.data() + step.first_word, views->data(), views->data() + step.inputs, step.inputs, step.outputs};
}

Fault check_kernel(const Plan& plan, const PlanStep& step) {
  if ((step.kernel->rows != nullptr) != (step.info->rows != RowsKind::kNone))
    return fault(Code::kInternal, "kernel", "the kernel and the op's record do not agree on rows");
  if (!step.kernel->check) {
    if (step.info->infers) return fault(Code::kInternal, "kernel", "infers shapes but has no check");
    return Fault();
  }
  std::vector<View> views;
  const Status status = step.kernel->check(shape_step(plan, step, &views));
  if (status.ok()) return Fault();
  return fault(status.code, *status.field ? status.field : "shapes", status.what);
}

Fault check_step(const Plan& plan, const PlanStep& step, Written* written) {
  if (Fault f = check_signature(plan, step); !f.ok()) return f;
  if (Fault f = check_attrs(plan, step); !f.ok()) return f;
  if (Fault f = check_overlaps(plan, step); !f.ok()) return f;
  if (Fault f = check_reads(plan, step, written); !f.ok()) return f;
  return check_kernel(plan, step);
}

bool writes_nothing(const Plan& plan, const PlanStep& step) {
  for (uint32_t i = 0; i < step.outputs; i++)
    if (plan.views[plan.slots[step.first_slot + step.inputs + i]].bytes > 0) return false;
  return true;
}

}  // namespace

const char* dtype_name(DType dtype) { return dtype == DType::kF32 ? "f32" : dtype == DType::kI32 ? "i32" : "u8"; }

std::string show_view(const View& view) {
  std::string dims;
  for (uint32_t i = 0; i < view.rank; i++) dims += (i ? ", " : "") + number(view.dims[i]);
  return std::string(dtype_name(view.dtype)) + "[" + dims + "]";
}

Fault at_step(const Plan& plan, size_t step, Fault f) {
  f.step = static_cast<int64_t>(step);
  f.op = plan.steps[step].info->name;
  if (const uint32_t name = plan.steps[step].name; name != kAbsent) f.layer = plan.names[name];
  return f;
}

Fault validate_plan(Plan* plan) {
  if (Fault f = collect_buffers(plan); !f.ok()) return f;
  Written written;
  for (size_t i = 0; i < plan->steps.size(); i++) {
    if (Fault f = check_step(*plan, plan->steps[i], &written); !f.ok()) return at_step(*plan, i, std::move(f));
    plan->steps[i].empty = writes_nothing(*plan, plan->steps[i]);
  }
  for (uint32_t i = 0; i < plan->slots.size(); i++)
    if (plan->slots[i] != kAbsent && plan->views[plan->slots[i]].per_step) plan->moving.push_back(i);
  if (Fault f = find_segments(plan); !f.ok()) return f;
  uint64_t scratch;
  return scratch_bytes(*plan, 1, &scratch);
}

Fault scratch_bytes(const Plan& plan, int threads, uint64_t* bytes) {
  if (plan.scratch.find(threads, bytes)) return Fault();
  *bytes = 0;
  std::vector<View> views;
  for (size_t i = 0; i < plan.steps.size(); i++) {
    const PlanStep& step = plan.steps[i];
    if (!step.kernel->scratch || step.empty) continue;
    const uint64_t wanted = step.kernel->scratch(shape_step(plan, step, &views), threads);
    if (wanted > kMaxBytes)
      return at_step(plan, i, bad("scratch", "too much memory", "at most 2^46 bytes", number(wanted)));
    *bytes = std::max(*bytes, wanted);
  }
  plan.scratch.keep(threads, *bytes);
  return Fault();
}

Fault load_plan(const uint8_t* bytes, uint64_t length, const Isa* isa, Plan* plan) {
  *plan = Plan();
  plan->isa = isa;
  if (Fault f = decode_plan(bytes, length, plan); !f.ok()) return f;
  return validate_plan(plan);
}

}  // namespace tenon
