// Which experts a token goes to, and the gradient of its gates.
#include "gen/attrs.h"
#include "ops/checks.h"
#include "ops/parts.h"
#include "ops/rows.h"
#include "simd/math.h"

namespace tenon::TENON_ISA {
namespace {

constexpr uint64_t kPartsMost = 64;  // partial sums over tokens

// NaN comes after all numbers; equals keep their order.
TENON_INLINE bool is_better(float a, float b) { return a > b || (b != b && a == a); }

// The k best of a row, best first.
TENON_INLINE void select_best(const float* z, int64_t experts, int32_t* best, int64_t k) {
  int64_t have = 0;
  for (int64_t e = 0; e < experts; e++) {
    if (have == k && (k == 0 || !is_better(z[e], z[best[k - 1]]))) continue;
    int64_t at = have < k ? have++ : k - 1;
    for (; at > 0 && is_better(z[e], z[best[at - 1]]); at--) best[at] = best[at - 1];
    best[at] = static_cast<int32_t>(e);
  }
}

TENON_INLINE float largest_of(const float* z, int64_t n) {
  vf most = splat(-__builtin_inff());
  for_lanes(static_cast<uint64_t>(n), [&](uint64_t i, int count) {
    most = max(most, first_lanes_of(load_part(z + i, count), count, -__builtin_inff()));
  });
  float largest = -__builtin_inff();
  for (int i = 0; i < kLanes; i++) largest = most[i] > largest ? most[i] : largest;
  return largest;
}

// e[i] = exp(z[i] - largest); their sum.
TENON_INLINE float exps_of(float* e, const float* z, int64_t n, float largest) {
  vf sum = zero();
  for_lanes(static_cast<uint64_t>(n), [&](uint64_t i, int count) {
    const vf y = exp(load_part(z + i, count) - largest);
    store_part(e + i, y, count);
    sum += first_lanes_of(y, count, 0);
  });
  return hsum(sum);
}

double log_of(float x) {
  const vf y = log(splat(x));
  return static_cast<double>(y[0]);
}

// ---- forward

struct Route {
  MoeRouteAttrs at;
  int64_t tokens, experts, k;
  const float* logits;
  float* gate;
  int32_t *expert, *kept;
  Parts parts;
  double* sums;     // [parts, experts + 1]: of probabilities, then of squared log-sum-exps
  float* exps;      // [workers, experts]
  float* score;     // [choices], where they are served by score
  int32_t* order;   // [choices] likewise
  int64_t* counts;  // [experts]

  bool by_score() const { return at.priority == 2 && at.capacity < static_cast<uint64_t>(tokens); }

  uint64_t carve(uint8_t* base, int threads) {
    uint64_t used = 0;
    const auto take = [&](uint64_t bytes) {
      uint8_t* p = base + used;
      used += (bytes + 63) / 64 * 64;
      return p;
    };
    const uint64_t e = static_cast<uint64_t>(experts), c = by_score() ? static_cast<uint64_t>(tokens * k) : 0;
    sums = reinterpret_cast<double*>(take(parts.count * (e + 1) * 8));
    exps = reinterpret_cast<float*>(take(static_cast<uint64_t>(threads) * e * 4));
    counts = reinterpret_cast<int64_t*>(take(e * 8));
    score = reinterpret_cast<float*>(take(c * 4));
    order = reinterpret_cast<int32_t*>(take(c * 4));
    return used;
  }

  void token(int64_t t, float* e, double* sum) const {
    const float* z = logits + t * experts;
    int32_t* best = expert + t * k;
    select_best(z, experts, best, k);
    const float largest = largest_of(z, experts);
    const float total = exps_of(e, z, experts, largest);
    float chosen = 0;
    for (int64_t j = 0; j < k; j++) chosen += e[best[j]];
    const float over = at.gates == 1 || total != total ? total : chosen;  // NaN anywhere is NaN in every gate
    for (int64_t j = 0; j < k; j++) gate[t * k + j] = e[best[j]] / over;
    if (by_score())
      for (int64_t j = 0; j < k; j++) score[t * k + j] = e[best[j]] / total;
    const double scale = 1 / static_cast<double>(total);
    for (int64_t i = 0; i < experts; i++) sum[i] += static_cast<double>(e[i]) * scale;
    const double lse = static_cast<double>(largest) + log_of(total);
    sum[experts] += lse * lse;
  }

  void tokens_of(const Runtime& rt) const {
    parallel_for(rt, parts.count, [&](uint32_t task, uint32_t worker) {
      double* sum = sums + task * (experts + 1);
      for (int64_t i = 0; i <= experts; i++) sum[i] = 0;
      const uint64_t begin = task * parts.each, end = at_most(begin + parts.each, parts.items);
      for (uint64_t t = begin; t < end; t++) token(static_cast<int64_t>(t), exps + worker * experts, sum);
    });
  }

  void serve(int64_t choice) const {
    const int32_t e = expert[choice];
    const bool room = counts[e] < static_cast<int64_t>(at.capacity);
    kept[choice] = room ? e : static_cast<int32_t>(experts);
    counts[e] += room;
  }

  // Served in the order of the priority.
  void keep() const {
    for (int64_t e = 0; e < experts; e++) counts[e] = 0;
    if (by_score()) {
      sort_by_score();
      for (int64_t i = 0; i < tokens * k; i++) serve(order[i]);
    } else if (at.priority == 1) {
      for (int64_t j = 0; j < k; j++)
        for (int64_t t = 0; t < tokens; t++) serve(t * k + j);
    } else {
      for (int64_t c = 0; c < tokens * k; c++) serve(c);
    }
  }

  bool is_before(int32_t a, int32_t b) const {
    const float p = score[a], q = score[b];
    return is_better(p, q) || (!is_better(q, p) && a < b);
  }
  void sink(int64_t root, int64_t n) const {
    const int32_t moved = order[root];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
      if (child + 1 < n && is_before(order[child], order[child + 1])) child++;
      if (!is_before(moved, order[child])) break;
      order[root] = order[child];
    }
    order[root] = moved;
  }
  void sort_by_score() const {  // a heap's
    const int64_t n = tokens * k;
    for (int64_t i = 0; i < n; i++) order[i] = static_cast<int32_t>(i);
    for (int64_t i = n / 2; i-- > 0;) sink(i, n);
    for (int64_t last = n - 1; last > 0; last--) {
      const int32_t most = order[0];
      order[0] = order[last];
      order[last] = most;
      sink(0, last);
    }
  }

  float auxiliary() const {
    if (tokens == 0 || experts == 0) return 0;
    for (int64_t e = 0; e < experts; e++) counts[e] = 0;
    for (int64_t c = 0; c < tokens * k; c++) counts[expert[c]]++;
    double along = 0, squares = 0;
    for (int64_t e = 0; e < experts; e++) {
      double sum = 0;
      for (uint32_t p = 0; p < parts.count; p++) sum += sums[p * (experts + 1) + e];
      along += sum * static_cast<double>(counts[e]);
    }
    for (uint32_t p = 0; p < parts.count; p++) squares += sums[p * (experts + 1) + experts];
    const double t = static_cast<double>(tokens), choices = t * static_cast<double>(k > 0 ? k : 1);
    return static_cast<float>(static_cast<double>(at.balance) * static_cast<double>(experts) * along / t / choices +
                              static_cast<double>(at.z_loss) * squares / t);
  }
};

Route route_of(const Step& s) {
  Route r;
  r.at = MoeRouteAttrs::read(s.attrs);
  r.tokens = static_cast<int64_t>(s.in[0].dims[0]);
  r.experts = static_cast<int64_t>(s.in[0].dims[1]);
  r.k = static_cast<int64_t>(s.out[0].dims[1]);
  r.logits = f32(s.in[0]);
  r.gate = f32(s.out[0]);
  r.expert = i32(s.out[1]);
  r.kept = i32(s.out[2]);
  r.parts = few_parts_of(s.in[0].dims[0], 8 * (s.in[0].dims[1] + 8), kPartsMost);
  return r;
}

Status check_route(const Step& s) {
  const MoeRouteAttrs at = MoeRouteAttrs::read(s.attrs);
  const uint64_t tokens = s.in[0].dims[0], experts = s.in[0].dims[1];
  if (at.top_k > experts) return bad_plan("topK is larger than the number of experts", "topK");
  if (experts > 0x7fffffffu || (at.top_k > 0 && tokens > 0x7fffffffu / at.top_k))
    return bad_plan("more than 2^31 experts, or choices of them", "logits");
  if (s.out[0].dims[1] != at.top_k) return bad_plan("gate must be [tokens, topK]", "gate");
  return {};
}

uint64_t scratch_route(const Step& s, int threads) { return route_of(s).carve(nullptr, threads); }

Status run_route(const Step& s, const Runtime& rt) {
  Route r = route_of(s);
  r.carve(rt.scratch, rt.threads);
  r.tokens_of(rt);
  f32(s.out[3])[0] = r.auxiliary();
  r.keep();
  return {};
}

// ---- backward

struct RouteGrad {
  MoeRouteGradAttrs at;
  int64_t tokens, experts, k;
  const float *logits, *dgate;
  const int32_t* expert;
  float* dlogits;
  float daux;
  const float* share;  // [experts] of the slope of the balance loss in the probabilities

  void token(int64_t t, float* p) const {
    const float* z = logits + t * experts;
    const int32_t* best = expert + t * k;
    float* dz = dlogits + t * experts;
    const float largest = largest_of(z, experts);
    const float total = exps_of(p, z, experts, largest);
    map_row(p, p, static_cast<uint64_t>(experts), [&](vf e) { return e / total; });
    const double lse = static_cast<double>(largest) + log_of(total);
    // dz = p (dp - <p, dp>) of the balance loss, and the z loss.
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(experts),
              [&](uint64_t i, int count) { sum = muladd(load_part(p + i, count), load_part(share + i, count), sum); });
    float shift = hsum(sum);
    if (dgate && at.gates == 1)
      for (int64_t j = 0; j < k; j++) shift += dgate[t * k + j] * p[best[j]];
    const double z_slope =
        2 * static_cast<double>(at.z_loss) * static_cast<double>(daux) / static_cast<double>(tokens) * lse;
    const float base = static_cast<float>(z_slope) - shift;
    for_lanes(static_cast<uint64_t>(experts), [&](uint64_t i, int count) {
      store_part(dz + i, load_part(p + i, count) * (load_part(share + i, count) + base), count);
    });
    if (dgate) choices(dz, p, best, dgate + t * k);
  }

  void choices(float* dz, const float* p, const int32_t* best, const float* dg) const {
    if (at.gates == 1) {
      for (int64_t j = 0; j < k; j++) dz[best[j]] += p[best[j]] * dg[j];
      return;
    }
    float total = 0, along = 0;
    for (int64_t j = 0; j < k; j++) {
      total += p[best[j]];
      along += p[best[j]] * dg[j];
    }
    for (int64_t j = 0; j < k; j++) dz[best[j]] += p[best[j]] / total * (dg[j] - along / total);
  }
};

uint64_t scratch_route_grad(const Step& s, int threads) {
  return (static_cast<uint64_t>(threads) + 1) * (s.in[0].dims[1] * 4 + 64);
}

Status run_route_grad(const Step& s, const Runtime& rt) {
  RouteGrad r;
  r.at = MoeRouteGradAttrs::read(s.attrs);
  r.tokens = static_cast<int64_t>(s.in[0].dims[0]);
  r.experts = static_cast<int64_t>(s.in[0].dims[1]);
  r.k = static_cast<int64_t>(s.in[1].dims[1]);
  r.logits = f32(s.in[0]);
  r.expert = i32(s.in[1]);
  r.dgate = s.in[2].present ? f32(s.in[2]) : nullptr;
  r.daux = s.in[3].present ? f32(s.in[3])[0] : 0;
  r.dlogits = f32(s.out[0]);
  float* share = reinterpret_cast<float*>(rt.scratch);
  r.share = share;
  for (int64_t e = 0; e < r.experts; e++) share[e] = 0;
  for (int64_t c = 0; c < r.tokens * r.k; c++) {
    const uint32_t e = static_cast<uint32_t>(r.expert[c]);
    if (e >= static_cast<uint64_t>(r.experts))
      return {Code::kBadIndex, "an expert is not one of the layer's", -1, "expert"};
    share[e] += 1;
  }
  const double t = static_cast<double>(r.tokens), choices = t * static_cast<double>(r.k);
  const double slope = r.tokens * r.k == 0 ? 0
                                           : static_cast<double>(r.at.balance) * static_cast<double>(r.experts) *
                                                 static_cast<double>(r.daux) / t / choices;
  for (int64_t e = 0; e < r.experts; e++) share[e] = static_cast<float>(static_cast<double>(share[e]) * slope);
  const Parts parts = parts_of(s.in[0].dims[0], 8 * (s.in[0].dims[1] + 8));
  parallel_for(rt, parts.count, [&](uint32_t task, uint32_t worker) {
    float* p = reinterpret_cast<float*>(rt.scratch + (worker + 1) * ((s.in[0].dims[1] * 4 + 63) / 64 * 64));
    const uint64_t begin = task * parts.each, end = at_most(begin + parts.each, parts.items);
    for (uint64_t t = begin; t < end; t++) r.token(static_cast<int64_t>(t), p);
  });
  return {};
}

}  // namespace

extern const Kernel moe_route_kernel, moe_route_grad_kernel;
const Kernel moe_route_kernel = {check_route, scratch_route, run_route};
const Kernel moe_route_grad_kernel = {nullptr, scratch_route_grad, run_route_grad};

}  // namespace tenon::TENON_ISA
