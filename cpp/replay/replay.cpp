// Reads runs from standard input and writes their results to standard output; test/support/replay.ts is the other end.
// A run: u32 threads, u32 offset of every buffer from its alignment, blob plan, u32 count, a blob for each external.
// Its result: blob of what is wrong (empty: nothing), then a blob for each external. A blob: u32 length, then bytes.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/memory.h"
#include "exec/isa.h"
#include "exec/plan.h"
#include "exec/run.h"

namespace {

using Bytes = std::vector<uint8_t>;

bool read_bytes(void* data, size_t bytes) { return bytes == 0 || std::fread(data, 1, bytes, stdin) == bytes; }
bool read_word(uint32_t* word) { return read_bytes(word, sizeof *word); }

bool write_blob(const void* data, uint32_t bytes) {
  return std::fwrite(&bytes, sizeof bytes, 1, stdout) == 1 && (bytes == 0 || std::fwrite(data, bytes, 1, stdout) == 1);
}

struct Run {
  uint32_t threads = 0;
  Bytes plan;
  std::vector<tenon::Memory> memory;
  std::vector<tenon::Buffer> externals;
};

// False at the end.
bool read_run(Run* run) {
  uint32_t offset = 0, length = 0, count = 0;
  if (!read_word(&run->threads) || !read_word(&offset) || !read_word(&length)) return false;
  run->plan.resize(length);
  if (!read_bytes(run->plan.data(), length) || !read_word(&count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t bytes = 0;
    if (!read_word(&bytes)) return false;
    run->memory.push_back(tenon::Memory::allocate(bytes + offset));
    if (!run->memory.back()) return false;
    uint8_t* data = run->memory.back().data() + offset;
    if (!read_bytes(data, bytes)) return false;
    run->externals.push_back({data, bytes});
  }
  return true;
}

tenon::Fault execute(const Run& run, const tenon::Isa* isa) {
  tenon::Plan plan;
  tenon::Fault f = tenon::load_plan(run.plan.data(), run.plan.size(), isa, &plan);
  if (f.ok()) f = tenon::check_externals(plan, run.externals, 1);
  if (!f.ok()) return f;
  tenon::RunOptions options;
  options.threads = static_cast<int>(run.threads);
  tenon::RunResult result;
  return tenon::run_plan(plan, nullptr, run.externals, options, &result);
}

}  // namespace

int main() {
  const tenon::Isa* isa = nullptr;
  tenon::Fault f = tenon::pick_isa("", &isa);
  if (!f.ok()) std::fprintf(stderr, "%s\n", tenon::show(f).c_str());
  for (Run run; f.ok() && read_run(&run); run = Run{}) {
    const tenon::Fault found = execute(run, isa);
    const std::string what = found.ok() ? "" : tenon::show(found);
    if (!write_blob(what.data(), static_cast<uint32_t>(what.size()))) return 2;
    for (const tenon::Buffer& b : run.externals)
      if (!write_blob(b.data, static_cast<uint32_t>(b.bytes))) return 2;
  }
  return f.ok() ? 0 : 1;
}
