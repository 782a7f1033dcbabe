// Reads lines `rows cols inner count transposed made threads`, makes each product by so many pretended threads, and
// writes for each: results made by the busiest thread, by all, and how many differ from those of one thread. A task
// goes to the thread that is free first.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "ops/gemm.h"

using namespace tenon;
using namespace tenon::TENON_ISA;

// Another one for each product.
static uint64_t cache = 1 << 20;
uint64_t tenon::second_cache() { return cache; }

namespace {

struct Pretended {
  int64_t made = 0;              // in the task that runs
  int64_t all = 0, longest = 0;  // over phases, each as long as its busiest thread
};

void run_tasks(const Runtime& rt, uint32_t tasks, void (*fn)(void*, uint32_t, uint32_t), void* arg) {
  Pretended& p = *static_cast<Pretended*>(rt.pool);
  std::vector<int64_t> busy(rt.threads, 0);
  for (uint32_t task = 0; task < tasks; task++) {
    const auto first = std::min_element(busy.begin(), busy.end());
    p.made = 0;
    fn(arg, task, static_cast<uint32_t>(first - busy.begin()));
    *first += p.made;
    p.all += p.made;
  }
  p.longest += *std::max_element(busy.begin(), busy.end());
}

struct CountAfter {
  Pretended* p;
  void operator()(float*, int64_t, int64_t, int rows, int64_t, int64_t cols) const { p->made += rows * cols; }
};

struct Product {
  int64_t rows, cols, inner, count;
  bool transposed, made;
};

Pretended make(const Product& s, int threads, const float* a, const float* b, float* c) {
  Pretended p;
  const LeftMatrix left{{a, s.inner, 1}, s.rows * s.inner};
  const RightMatrix right{s.transposed ? Matrix{b, 1, s.inner} : Matrix{b, s.cols, 1}, s.inner * s.cols};
  const GemmPlan plan = plan_gemm({s.rows, s.cols, s.inner, s.count, s.made, s.made}, threads, left.m, right.direct());
  std::vector<float> scratch(gemm_scratch(plan, threads) / 4 + 16);
  void* at = scratch.data();
  size_t space = scratch.size() * 4;
  std::align(64, space - 64, at, space);
  const Runtime rt{threads, nullptr, &p, run_tasks};
  GemmOut out;
  out.c = c;
  out.c_row = s.cols;
  out.c_step = s.rows * s.cols;
  gemm(rt, static_cast<uint8_t*>(at), plan, left, right, out, CountAfter{&p});
  return p;
}

}  // namespace

int main() {
  long rows, cols, inner, count, transposed, made, threads;
  while (std::scanf("%ld %ld %ld %ld %ld %ld %ld", &rows, &cols, &inner, &count, &transposed, &made, &threads) == 7) {
    const Product s{rows, cols, inner, count, transposed != 0, made != 0};
    std::vector<float> a(rows * inner * count), b(inner * cols * count), one(rows * cols * count), many(one.size());
    uint32_t seed = 1;
    const auto number = [&] {
      return static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8) / 16777216.0f - 0.5f;
    };
    std::generate(a.begin(), a.end(), number);
    std::generate(b.begin(), b.end(), number);
    cache = 1 << 20;
    make(s, 1, a.data(), b.data(), one.data());
    cache = (256 << 10) << seed % 5;
    const Pretended p = make(s, static_cast<int>(threads), a.data(), b.data(), many.data());
    long differ = 0;
    for (size_t i = 0; i < one.size(); i++) differ += std::memcmp(&one[i], &many[i], 4) != 0;
    std::printf("%ld %ld %ld\n", static_cast<long>(p.longest), static_cast<long>(p.all), differ);
  }
}
