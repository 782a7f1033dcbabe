// W = scale * core x_axes[0] factors[0] x_axes[1] …: mode products one after the other, what lies between in scratch.
#include "gen/attrs.h"
#include "ops/mode.h"
#include "ops/mode_pair.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint32_t kMaxModes = 5;

// Sizes along the way: dims[i] are those before product i.
struct Chain {
  uint32_t rank = 0, modes = 0;
  uint64_t dims[kMaxModes + 1][kMaxRank] = {};
  uint64_t size(uint32_t i) const {
    uint64_t n = 1;
    for (uint32_t d = 0; d < rank; d++) n *= dims[i][d];
    return n;
  }
  // Of what lies before product i, where that is not the core itself and is kept: two buffers by turns.
  uint64_t between_bytes(uint32_t parity, bool paired) const {
    uint64_t most_bytes = 0;
    for (uint32_t i = 1; i < modes - (paired ? 1 : 0); i++)
      if (i % 2 == parity && round64(static_cast<int64_t>(size(i) * 4)) > most_bytes)
        most_bytes = round64(static_cast<int64_t>(size(i) * 4));
    return most_bytes;
  }
};

ModeShape stage(const Step& s, const TuckerWeightAttrs& at, const Chain& c, uint32_t i) {
  return mode_shape(c.dims[i], c.rank, static_cast<uint32_t>(at.axes[i]), s.in[1 + i], false);
}

// The last two products, where they go together.
bool pair_of(const TuckerWeightAttrs& at, const Chain& c, ModePair* m) {
  if (c.modes < 2 || at.axes[c.modes - 2] != c.rank - 2 || at.axes[c.modes - 1] != c.rank - 1) return false;
  const uint64_t *from = c.dims[c.modes - 2], *to = c.dims[c.modes];
  m->lead = 1;
  for (uint32_t d = 0; d + 2 < c.rank; d++) m->lead *= static_cast<int64_t>(to[d]);
  for (uint32_t d = 0; d < 2; d++) {
    m->from[d] = static_cast<int64_t>(from[c.rank - 2 + d]);
    m->to[d] = static_cast<int64_t>(to[c.rank - 2 + d]);
  }
  m->scale = c.modes == 2 ? at.scale : 1.0f;
  return m->suits();
}

// The sizes along the way; false where they do not fit.
bool chain_of(const Step& s, const TuckerWeightAttrs& at, Chain* c) {
  const View& core = s.in[0];
  c->rank = core.rank;
  c->modes = s.inputs - 1;
  for (uint32_t d = 0; d < core.rank; d++) c->dims[0][d] = core.dims[d];
  for (uint32_t i = 0; i < c->modes; i++) {
    const View& u = s.in[1 + i];
    const uint64_t axis = at.axes[i];
    if (axis >= core.rank || u.rank != 2 || c->dims[i][axis] != u.dims[1]) return false;
    for (uint32_t before = 0; before < i; before++)
      if (at.axes[before] == axis) return false;
    for (uint32_t d = 0; d < core.rank; d++) c->dims[i + 1][d] = d == axis ? u.dims[0] : c->dims[i][d];
  }
  return true;
}

Status check(const Step& s) {
  const TuckerWeightAttrs at = TuckerWeightAttrs::read(s.attrs);
  if (s.inputs < 2 || s.inputs - 1 > kMaxModes || at.axes_rank != s.inputs - 1)
    return bad_plan("one axis a factor, and 1 to 5 factors", "axes");
  Chain c;
  if (!chain_of(s, at, &c)) return bad_plan("the factors do not fit the core", "dims");
  const View& w = s.out[0];
  if (w.rank != c.rank) return bad_plan("the weight has not the core's rank", "rank");
  for (uint32_t d = 0; d < c.rank; d++)
    if (w.dims[d] != c.dims[c.modes][d]) return bad_plan("the weight is not what the factors make", "dims");
  for (uint32_t i = 1; i < c.modes; i++) {
    uint64_t n = 4;
    for (uint32_t d = 0; d < c.rank; d++)
      if (__builtin_mul_overflow(n, c.dims[i][d] == 0 ? 1 : c.dims[i][d], &n) || n > uint64_t{1} << 46)
        return bad_plan("what lies between two products is too large", "dims");
  }
  return {};
}

uint64_t scratch(const Step& s, int threads) {
  const TuckerWeightAttrs at = TuckerWeightAttrs::read(s.attrs);
  Chain c;
  chain_of(s, at, &c);
  ModePair pair;
  const bool paired = pair_of(at, c, &pair);
  uint64_t bytes = paired ? pair_scratch(pair, threads) : 0;
  for (uint32_t i = 0; i < c.modes - (paired ? 2 : 0); i++) {
    const uint64_t here = mode_scratch(stage(s, at, c, i), threads);
    if (here > bytes) bytes = here;
  }
  return bytes + c.between_bytes(0, paired) + c.between_bytes(1, paired);
}

Status run(const Step& s, const Runtime& rt) {
  const TuckerWeightAttrs at = TuckerWeightAttrs::read(s.attrs);
  Chain c;
  chain_of(s, at, &c);
  ModePair pair;
  const bool paired = pair_of(at, c, &pair);
  uint8_t* between[2] = {rt.scratch, rt.scratch + c.between_bytes(0, paired)};
  uint8_t* rest = between[1] + c.between_bytes(1, paired);
  const float* x = f32(s.in[0]);
  for (uint32_t i = 0; i < c.modes - (paired ? 2 : 0); i++) {
    float* y = i + 1 == c.modes ? f32(s.out[0]) : reinterpret_cast<float*>(between[(i + 1) % 2]);
    run_mode(rt, rest, stage(s, at, c, i), x, f32(s.in[1 + i]), y, i == 0 ? at.scale : 1.0f);
    x = y;
  }
  if (paired) run_pair(rt, rest, pair, x, f32(s.in[c.modes - 1]), f32(s.in[c.modes]), f32(s.out[0]));
  return {};
}

}  // namespace

extern const Kernel tucker_weight_kernel = {check, scratch, run};

}  // namespace tenon::TENON_ISA
