// Random parameter sharing: w[i] = ±v[h(i)], and its gradient, partial tables added in order.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"
#include "simd/philox.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 31;
constexpr uint64_t kMostTables = 16;

struct Hash {
  PhiloxKey key;
  uint32_t stream;
  uint64_t buckets;
};

// body(i, bucket, sign bit) for places [begin, end); begin is a multiple of kBlockWords.
template <typename Body>
TENON_INLINE void for_places(const Hash& h, uint64_t begin, uint64_t end, Body body) {
  for (uint64_t i = begin; i < end; i += kBlockWords) {
    vu ordered[2];
    philox_words(i / 4, h.stream, h.key, ordered);
    uint32_t word[kBlockWords];
    __builtin_memcpy(word, ordered, sizeof word);
    const uint64_t some = at_most(kBlockWords, end - i);
    for (uint64_t k = 0; k < some; k++) body(i + k, (word[k] >> 1) * h.buckets >> 31, word[k] << 31);
  }
}

TENON_INLINE float signed_by(float x, uint32_t sign) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits ^= sign;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

Status check_sizes(uint64_t n, uint64_t buckets) {
  if (n > kMost || buckets > kMost) return bad_plan("at most 2^31 numbers", "m");
  if (n > 0 && buckets == 0) return bad_plan("numbers share nothing", "m");
  return {};
}

Status check_hashed(const Step& step) {
  const HashedAttrs at = HashedAttrs::read(step.attrs);
  if (!dims_are(step.out[0], at.dims_rank, at.dims)) return bad_plan("w must have the shape dims", "w");
  return check_sizes(numel(step.out[0]), step.in[0].dims[0]);
}

Status run_hashed(const Step& step, const Runtime& rt) {
  const HashedAttrs at = HashedAttrs::read(step.attrs);
  const Hash h = {{at.key0, at.key1}, at.stream, step.in[0].dims[0]};
  const float* v = f32(step.in[0]);
  float* w = f32(step.out[0]);
  for_parts(rt, parts_of(numel(step.out[0]), 1), [&](uint64_t begin, uint64_t end, uint32_t) {
    for_places(h, begin, end, [&](uint64_t i, uint64_t k, uint32_t sign) { w[i] = signed_by(v[k], sign); });
  });
  return {};
}

Status check_hashed_grad(const Step& step) {
  if (step.out[0].dims[0] != HashedGradAttrs::read(step.attrs).m) return bad_plan("dv must be m long", "dv");
  return check_sizes(numel(step.in[0]), step.out[0].dims[0]);
}

// Parts of whole blocks of words, of each of which a table is kept: few where tables are long.
Parts parts_of_grad(uint64_t n, uint64_t buckets) {
  const uint64_t most = at_least(at_most(kMostTables, n / at_least(4 * buckets, 1)), 1);
  return few_parts_of(ceil_div(n, kBlockWords), kBlockWords, most);
}

uint64_t scratch_hashed_grad(const Step& step, int) {
  const uint64_t buckets = step.out[0].dims[0];
  return parts_of_grad(numel(step.in[0]), buckets).count * buckets * sizeof(float);
}

Status run_hashed_grad(const Step& step, const Runtime& rt) {
  const HashedGradAttrs at = HashedGradAttrs::read(step.attrs);
  const uint64_t n = numel(step.in[0]), m = step.out[0].dims[0];
  const Hash h = {{at.key0, at.key1}, at.stream, m};
  const float* dw = f32(step.in[0]);
  float *tables = reinterpret_cast<float*>(rt.scratch), *dv = f32(step.out[0]);
  const Parts parts = parts_of_grad(n, m);
  for_parts(rt, parts, [&](uint64_t begin, uint64_t end, uint32_t part) {
    float* table = tables + part * m;
    fill_row(table, 0.0f, m);
    for_places(h, begin * kBlockWords, at_most(end * kBlockWords, n),
               [&](uint64_t i, uint64_t k, uint32_t sign) { table[k] += signed_by(dw[i], sign); });
  });
  for_parts(rt, parts_of(m, parts.count), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (uint64_t k = begin; k < end; k++) {
      float sum = 0;
      for (uint32_t part = 0; part < parts.count; part++) sum += tables[part * m + k];
      dv[k] = sum;
    }
  });
  return {};
}

}  // namespace

extern const Kernel hashed_kernel = {check_hashed, nullptr, run_hashed};
extern const Kernel hashed_grad_kernel = {check_hashed_grad, scratch_hashed_grad, run_hashed_grad};

}  // namespace tenon::TENON_ISA
