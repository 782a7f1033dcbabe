// Rows by index: gathers, their adjoint, and batches of a resident data set. Indices are checked before anything is
// read.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"

namespace tenon::TENON_ISA {
namespace {

Status bad_index() { return {Code::kBadIndex, "an index is outside its table", -1, "index"}; }

bool all_below(const int32_t* p, uint64_t n, uint64_t rows) {
  const uint32_t limit = rows < 0x80000000u ? static_cast<uint32_t>(rows) : 0x80000000u;
  uint32_t outside = 0;
  for (uint64_t i = 0; i < n; i++) outside |= static_cast<uint32_t>(p[i]) >= limit;
  return outside == 0;
}

// y[i] = move(table[index[i]]) for i in [begin, end), rows of `width`.
template <typename To, typename From, typename Move>
Status gather(const Step& step, uint64_t begin, uint64_t end, To* y, const From* table, Move move) {
  const uint64_t width = step.in[0].dims[1];
  const int32_t* index = i32(step.in[1]);
  if (!all_below(index + begin, end - begin, step.in[0].dims[0])) return bad_index();
  for (uint64_t i = begin; i < end; i++) move(y + i * width, table + static_cast<uint64_t>(index[i]) * width, width);
  return {};
}

Status rows_gather_rows(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  return gather(step, begin, end, f32(step.out[0]), f32(step.in[0]), copy_row);
}

Status rows_load_u8(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const LoadU8Attrs at = LoadU8Attrs::read(step.attrs);
  const auto move = [=](float* y, const uint8_t* x, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i]) * at.scale + at.shift;
  };
  return gather(step, begin, end, f32(step.out[0]), u8(step.in[0]), move);
}

Status rows_load_i32(const Step& step, uint64_t, uint64_t begin, uint64_t end) {
  const auto move = [](int32_t* y, const int32_t* x, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) y[i] = x[i];
  };
  return gather(step, begin, end, i32(step.out[0]), i32(step.in[0]), move);
}

Status check_scatter(const Step& step) {
  const View &dy = step.in[0], &table = step.out[0];
  if (table.rank != 2 || table.dims[0] != ScatterRowsAttrs::read(step.attrs).rows || table.dims[1] != dy.dims[1])
    return bad_plan("table must be [rows, width]", "table");
  return {};
}

void add_row(float* y, const float* x, uint64_t n) {
  for_lanes(n, [&](uint64_t i, int count) {
    if (count == kLanes) return store(y + i, load(y + i) + load(x + i));
    store_first(y + i, load_first(y + i, count) + load_first(x + i, count), count);
  });
}

// Each task owns a block of the table and goes through all indices in order: wide tables are cut by columns, others by
// rows. No atomics, and duplicates are summed in the order of m.
Status run_scatter(const Step& step, const Runtime& rt) {
  constexpr uint64_t kColumns = 64, kMostTasks = 16;
  const View& out = step.out[0];
  const uint64_t rows = out.dims[0], width = out.dims[1], m = step.in[0].dims[0];
  if (!all_below(i32(step.in[1]), m, rows)) return bad_index();
  if (numel(out) == 0) return {};
  const float* dy = f32(step.in[0]);
  const int32_t* index = i32(step.in[1]);
  float* table = f32(out);
  const uint64_t column_blocks = width >= 2 * kColumns ? ceil_div(width, kColumns) : 1;
  const uint64_t columns = column_blocks > 1 ? kColumns : width;
  const uint64_t tasks = at_least(at_most(ceil_div((m + rows) * columns, kPart), kMostTasks / column_blocks), 1);
  const uint64_t rows_each = ceil_div(rows, tasks), row_blocks = ceil_div(rows, rows_each);
  // A block that is too small for a task of its own goes with its neighbours.
  for_parts(rt, parts_of(row_blocks * column_blocks, (m + rows_each) * columns),
            [&](uint64_t begin, uint64_t end, uint32_t) {
              for (uint64_t block = begin; block < end; block++) {
                const uint64_t column = block % column_blocks * kColumns, n = at_most(columns, width - column);
                const uint64_t low = block / column_blocks * rows_each, high = at_most(low + rows_each, rows);
                for (uint64_t row = low; row < high; row++) fill_row(table + row * width + column, 0.0f, n);
                for (uint64_t i = 0; i < m; i++) {
                  const uint64_t row = static_cast<uint64_t>(index[i]);
                  if (row - low < high - low) add_row(table + row * width + column, dy + i * width + column, n);
                }
              }
            });
  return {};
}

}  // namespace

extern const Kernel gather_rows_kernel = {nullptr, nullptr, nullptr, rows_gather_rows};
extern const Kernel scatter_rows_kernel = {check_scatter, nullptr, run_scatter};
extern const Kernel load_u8_kernel = {nullptr, nullptr, nullptr, rows_load_u8};
extern const Kernel load_i32_kernel = {nullptr, nullptr, nullptr, rows_load_i32};

}  // namespace tenon::TENON_ISA
