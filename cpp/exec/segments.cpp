// Which steps may run without a barrier between them. A step that joins the one before must be row-local, as all of its
// segment, and where it meets memory that another step of the segment writes, or writes what another reads, both must
// see the same rows of it. What a thread makes of some rows is then all that it needs for the same rows of the next.
#include <algorithm>
#include <numeric>

#include "exec/plan.h"

namespace tenon {

bool same_bytes(const PlanView& a, const PlanView& b) {
  return a.place == b.place && a.ref == b.ref && a.offset == b.offset && a.bytes == b.bytes;
}
bool overlap(const PlanView& a, const PlanView& b) {
  if (a.place != b.place || a.ref != b.ref || a.bytes == 0 || b.bytes == 0) return false;
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

namespace {

constexpr uint64_t kUnit = 256;  // elements of a unit, at least: what threads share is cut between units
// Elements of a tile that passes through several steps: so many that reading ahead pays.
constexpr uint64_t kTile = 65536;

struct Operand {
  const PlanView* view;
  bool by_row;
  bool written;
};

struct Member {
  uint32_t step;
  uint64_t rows;
  uint64_t elements;  // of its largest operand
  std::vector<Operand> operands;
};

bool begins_alike(const ArgSpec& a, const ArgSpec& b) {
  if (b.lead >= 0) return a.lead == b.lead;
  if (a.lead != kNoLead || a.rank == 0 || b.rank == 0) return false;
  return a.dims[0].literal == kSymbol && b.dims[0].literal == kSymbol && a.dims[0].symbol == b.dims[0].symbol;
}

// Dim i of a view whose dims are aligned to the right of `rank` dims.
uint64_t aligned_dim(const View& v, uint32_t rank, uint32_t i) {
  const uint32_t missing = rank - v.rank;
  return i < missing ? 1 : v.dims[i - missing];
}

void rows_by_pattern(const OpInfo& op, const PlanStep& step, Member* m) {
  const ArgSpec& first = op.outputs[0];
  const View& y = m->operands[step.inputs].view->shape;
  m->rows = first.lead >= 0 ? span_of(y, 0, y.rank - first.rank) : first.rank > 0 ? y.dims[0] : 1;
  for (uint32_t i = 0; i < m->operands.size(); i++)
    m->operands[i].by_row = begins_alike(i < step.inputs ? op.inputs[i] : op.outputs[i - step.inputs], first);
}

// An input has the leading dims of the output, or none of them: the rows are those dims for which one holds for each.
void rows_by_broadcast(const PlanStep& step, Member* m) {
  const View& y = m->operands[step.inputs].view->shape;
  std::vector<bool> has(step.inputs, true), lacks(step.inputs, true);
  m->rows = 1;
  for (uint32_t i = 0; i < y.rank; i++) {
    bool goes_on = true;
    for (uint32_t k = 0; k < step.inputs; k++) {
      const uint64_t dim = aligned_dim(m->operands[k].view->shape, y.rank, i);
      goes_on &= (has[k] && dim == y.dims[i]) || (lacks[k] && dim == 1);
    }
    if (!goes_on) break;
    for (uint32_t k = 0; k < step.inputs; k++) {
      const uint64_t dim = aligned_dim(m->operands[k].view->shape, y.rank, i);
      has[k] = has[k] && dim == y.dims[i];
      lacks[k] = lacks[k] && dim == 1;
    }
    m->rows *= y.dims[i];
  }
  for (uint32_t k = 0; k < step.inputs; k++) m->operands[k].by_row = has[k];
  m->operands[step.inputs].by_row = true;
}

// A row-local step with elements to make.
Member member_of(const Plan& plan, uint32_t index) {
  static const PlanView kNothing;
  const PlanStep& step = plan.steps[index];
  Member m{index, 1, 1, {}};
  for (uint32_t i = 0; i < step.inputs + step.outputs; i++) {
    const uint32_t view = plan.slots[step.first_slot + i];
    m.operands.push_back({view == kAbsent ? &kNothing : &plan.views[view], false, i >= step.inputs});
  }
  if (step.info->rows == RowsKind::kBroadcast)
    rows_by_broadcast(step, &m);
  else
    rows_by_pattern(*step.info, step, &m);
  for (const Operand& o : m.operands)
    if (o.by_row && o.view->shape.present) m.elements = std::max(m.elements, numel(o.view->shape));
  return m;
}

// Whether the two meet in memory; *rows: where they do, in the same rows.
bool meet(const Member& a, const Member& b, bool* rows) {
  bool met = false;
  for (const Operand& x : a.operands)
    for (const Operand& y : b.operands) {
      if ((!x.written && !y.written) || !overlap(*x.view, *y.view)) continue;
      met = true;
      *rows &= x.by_row && y.by_row && same_bytes(*x.view, *y.view);
    }
  return met;
}

void add_chain(Plan* plan, const std::vector<const Member*>& members, Segment* segment) {
  Chain c;
  c.first = static_cast<uint32_t>(plan->chained.size());
  c.count = static_cast<uint32_t>(members.size());
  uint64_t work = 0, elements = 0;
  for (const Member* m : members) {
    plan->chained.push_back(m->step);
    c.rows = std::gcd(c.rows, m->rows);
    work += plan->steps[m->step].work;
    elements = std::max(elements, m->elements);
  }
  const auto ceil_div = [](uint64_t a, uint64_t b) { return a / b + (a % b != 0); };
  const uint64_t width = ceil_div(elements, c.rows);
  c.grain = ceil_div(kUnit, width);
  c.units = ceil_div(c.rows, c.grain);
  c.unit_work = ceil_div(work, c.units);
  c.tile = c.count == 1 ? c.units : std::max<uint64_t>(kTile / (c.grain * width), 1);
  segment->work += c.units * c.unit_work;
  segment->chains++;
  plan->chains.push_back(c);
}

// Chains in the order of their first steps: those that meet, however many steps lie between.
void add_chains(Plan* plan, const std::vector<Member>& members, std::vector<uint32_t>& group, Segment* segment) {
  for (uint32_t g = 0; g < members.size(); g++) {
    std::vector<const Member*> chain;
    for (uint32_t i = 0; i < members.size(); i++)
      if (group[i] == g) chain.push_back(&members[i]);
    if (!chain.empty()) add_chain(plan, chain, segment);
  }
}

Fault cannot_join(const Plan& plan, uint32_t step, const char* what) {
  return at_step(plan, step, fault(Code::kBadPlan, "flags", what));
}

Fault add_segment(Plan* plan, Segment segment) {
  std::vector<Member> members;
  std::vector<uint32_t> group;  // of each: the first that it meets, by way of others
  for (uint32_t i = segment.first; i < segment.first + segment.count; i++) {
    PlanStep& step = plan->steps[i];
    if (!step.kernel->rows) {
      if (segment.count == 1) continue;
      return cannot_join(*plan, i, "the step is not row-local and cannot be one of a segment");
    }
    if (step.empty) continue;
    Member m = member_of(*plan, i);
    step.rows = m.rows;
    step.work = m.elements * step.kernel->weight;
    uint32_t joined = static_cast<uint32_t>(members.size());
    group.push_back(joined);
    for (uint32_t k = 0; k < members.size(); k++) {
      bool rows = true;
      if (!meet(members[k], m, &rows)) continue;
      if (!rows)
        return cannot_join(*plan, i, "the step needs more than the same rows of an earlier one of its segment");
      const uint32_t from = std::max(group[k], joined), to = std::min(group[k], joined);
      std::replace(group.begin(), group.end(), from, to);
      joined = to;
    }
    members.push_back(std::move(m));
  }
  segment.first_chain = static_cast<uint32_t>(plan->chains.size());
  add_chains(plan, members, group, &segment);
  plan->segments.push_back(segment);
  return Fault();
}

}  // namespace

Fault find_segments(Plan* plan) {
  const uint32_t steps = static_cast<uint32_t>(plan->steps.size());
  for (uint32_t first = 0; first < steps;) {
    uint32_t end = first + 1;
    while (end < steps && plan->steps[end].joins) end++;
    if (end - first > kMaxSegment) return cannot_join(*plan, first + kMaxSegment, "too many steps in a segment");
    Segment segment;
    segment.first = first;
    segment.count = end - first;
    if (Fault f = add_segment(plan, segment); !f.ok()) return f;
    first = end;
  }
  return Fault();
}

}  // namespace tenon
