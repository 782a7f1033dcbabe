// Plans of convolutions between two products, of random shapes: prints how many take blocks, of cut images among them,
// and how many of all have less room than one of their blocks asks for.
#include <cstdio>

#include "ops/conv_through.h"
#include "ops/planar.h"
#include "ops/winograd_sweep.h"

using namespace tenon;
using namespace tenon::TENON_ISA;

uint64_t tenon::second_cache() { return 1 << 20; }

namespace {

struct NoWeights {};

uint32_t seed = 1;
int64_t below(int64_t n) { return ((seed = seed * 1664525u + 1013904223u) >> 8) % n; }
int64_t from_to(int64_t least, int64_t most) { return least + below(most - least + 1); }

// Sides that are often long along one axis, kernels of all sizes, padding of up to several kernels.
Sweep random_sweep(bool threes) {
  Sweep s;
  s.images = from_to(1, 40);
  s.in = from_to(1, 20);
  s.out = from_to(1, 20);
  const int64_t longest = below(3);
  int64_t dst = s.out, src = s.in;
  for (int i = 2; i >= 0; i--) {
    const bool flat = threes && i == 0;
    Axis& a = s.axis[i];
    a.size = flat ? 1 : i == longest ? from_to(1, 3000) : from_to(1, 60);
    a.taps = threes ? (flat ? 1 : 3) : from_to(1, 9);
    a.step = threes ? 1 : from_to(1, 3);
    a.delta = threes ? 1 : from_to(1, 3);
    const int64_t window = (a.taps - 1) * a.delta + 1, most = flat ? 0 : below(4) == 0 ? 3 * window : window / 2;
    a.pad = from_to(0, most);
    const int64_t padded = a.size + a.pad + from_to(0, most);
    a.out = padded < window ? 0 : (padded - window) / a.step + 1;
    a.extent = a.out == 0 ? 0 : (a.out - 1) * a.step + window;
    a.dst = dst;
    dst *= a.out;
    src *= a.size;
  }
  s.src_image = src;
  s.dst_image = dst;
  s.dst_group = s.out;
  return s;
}

int64_t plans = 0, cut = 0, too_short = 0;

template <typename Run>
void look(const Sweep& s, int64_t unit) {
  const ThroughPlan p = plan_through<Run>(s, unit);
  if (p.blocks() == 0) return;
  plans++;
  cut += !p.whole();
  bool fits = true;
  for (int64_t i = 0; i < p.blocks() && fits; i++) {
    const ThroughBlock b = through_block(s, p, i);
    const Sweep own = block_sweep(s, b);
    const auto core = Run::plan(own, 1);
    fits = volume(b.in) * s.in * 4 <= static_cast<int64_t>(p.into_bytes) &&
           volume(b.out) * s.out * 4 <= static_cast<int64_t>(p.out_bytes) && core.weight_bytes <= p.weight_bytes &&
           Run::rest_bytes(core, 1) <= p.core_bytes;
  }
  too_short += !fits;
}

}  // namespace

int main() {
  for (int i = 0; i < 2000; i++) {
    const Sweep s = random_sweep(i % 3 == 0);
    look<SweepRun<NoWeights>>(s, 1);
    if (i % 3 != 0) continue;
    look<WinogradRun<2, NoWeights>>(s, 2);
    look<WinogradRun<4, NoWeights>>(s, 4);
  }
  std::printf("%ld %ld %ld\n", static_cast<long>(plans), static_cast<long>(cut), static_cast<long>(too_short));
}
