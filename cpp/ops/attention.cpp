// y = softmax(q kᵀ scale) v for each head. A task makes the rows of one block of queries: blocks of keys pass by, and
// what was summed under a smaller largest score is scaled down (Milakov and Gimelshein 2018; Dao et al. 2022).
#include "ops/attention.h"

#include "gen/attrs.h"
#include "simd/math.h"

namespace tenon::TENON_ISA {
namespace {

AttentionShape shape_of(const Step& s) {
  const AttentionAttrs at = AttentionAttrs::read(s.attrs);
  return attention_shape(s, at.heads, at.causal, at.scale, s.inputs > 3 ? &s.in[3] : nullptr);
}

Status check(const Step& s) {
  const AttentionAttrs at = AttentionAttrs::read(s.attrs);
  return check_heads(s, at.heads, at.causal);
}

// A worker's memory, in floats.
struct Room {
  int64_t packed, values, scores, sums, row;  // row: of sums
  explicit Room(const AttentionShape& a) {
    row = whole_panels(a.depth);
    packed = kKeyBlock * a.width;
    values = copy_size(kKeyBlock, a.depth);
    scores = kQueryBlock * kScoreRow;
    sums = kQueryBlock * row;
  }
  uint64_t bytes() const { return round64((packed + values + scores + sums) * 4); }
};

bool has_work(const AttentionShape& a) { return a.batch > 0 && a.queries > 0; }

uint64_t scratch(const Step& s, int threads) {
  const AttentionShape a = shape_of(s);
  return has_work(a) && a.keys > 0 ? static_cast<uint64_t>(threads) * Room(a).bytes() : 0;
}

// Where a block of queries of one head lies.
struct Place {
  int64_t head, row0, row1;  // the head's number among those of all examples
  HeadRows q, k, v, y;

  Place(const Step& s, const AttentionShape& a, int64_t task) {
    const int64_t blocks = a.query_blocks(), b = task % blocks;
    head = task / blocks;
    row0 = part(a.queries, b, blocks);
    row1 = part(a.queries, b + 1, blocks);
    const auto rows = [&](const View& view, int64_t n) {
      return head_rows(view, n, a.heads, head / a.heads, head % a.heads);
    };
    q = rows(s.in[0], a.width);
    k = rows(s.in[1], a.width);
    v = rows(s.in[2], a.depth);
    y = rows(s.out[0], a.depth);
  }
  // In the order of their use.
  Later later(const AttentionShape& a) const {
    Later l;
    l.add(k, a.keys, a.width);
    l.add(v, a.keys, a.depth);
    l.add({q.at(row0), q.row}, row1 - row0, a.width);
    l.add({y.at(row0), y.row}, row1 - row0, a.depth);
    return l;
  }
};

// One of them, and the one that this thread is likely to make next.
struct Block : Place {
  const AttentionShape& a;
  Later later;
  float* lse;  // of the head
  int64_t length;
  float *packed, *values, *scores, *sums;
  int64_t sums_row;
  float largest[kQueryBlock + kLanes];  // a row each, and room for a whole vector at the last
  float total[kQueryBlock + kLanes];

  // Largest scaled score of n.
  vf largest_of(const float* p, int64_t n) const {
    vf most = splat(-__builtin_inff());
    for_lanes(static_cast<uint64_t>(n), [&](uint64_t j, int count) {
      const vf x = load(p + j) * a.scale;
      most = max(most, count == kLanes ? x : first_lanes_of(x, count, -__builtin_inff()));
    });
    return most;
  }

  // Scores become e^(score - now), zeros from n up to `wide`; gives their sum, lane by lane.
  vf weigh(float* p, float now, int64_t n, int64_t wide) const {
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(n), [&](uint64_t j, int count) {
      vf e = exp(muladd(load(p + j), splat(a.scale), splat(-now)));
      if (count < kLanes) e = first_lanes_of(e, count, 0.0f);
      store(p + j, e);
      sum += e;
    });
    for (int64_t j = ceil_div(n, kLanes) * kLanes; j < wide; j += kLanes) store(p + j, zero());
    return sum;
  }

  // The weights of `rows` rows, at most kLanes of them, and by what their sums so far shrink: a row a lane.
  void weigh_rows(int64_t row, int64_t rows, int64_t from, int64_t to, int64_t wide) {
    float* p = scores + (row - row0) * kScoreRow;
    vf across[kLanes];
    int64_t n[kLanes];
    for (int i = 0; i < kLanes; i++) {
      n[i] = i < rows ? most(0, least(to, a.seen(row + i, length)) - from) : 0;
      across[i] = largest_of(p + i * kScoreRow, n[i]);
    }
    float* top = largest + (row - row0);
    float* sum = total + (row - row0);
    const vf old = load(top), now = max(old, largest_lanes(across));
    store(top, now);
    for (int i = 0; i < kLanes; i++) across[i] = i < rows ? weigh(p + i * kScoreRow, now[i], n[i], wide) : zero();
    const vf added = summed_lanes(across);
    const vf less = select(old == now, splat(1.0f), exp(old - now));
    store(sum, load(sum) * less + added);
    if (from > 0)
      for (int64_t i = 0; i < rows; i++) shrink(sums + (row - row0 + i) * sums_row, less[i]);
  }

  void shrink(float* sum, float by) const {
    if (by != 1.0f) map_row(sum, sum, static_cast<uint64_t>(a.depth), [&](vf x) { return x * by; });
  }

  // Lane i: the largest, or the sum, of the lanes of v[i].
  static vf largest_lanes(vf (&v)[kLanes]) {
    transpose(v);
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int i = 0; i < half; i++) v[i] = max(v[i], v[i + half]);
    return v[0];
  }
  static vf summed_lanes(vf (&v)[kLanes]) {
    transpose(v);
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
  }

  // Keys [from, to), for the rows [row, row + rows), a tile.
  void tile(int64_t row, int64_t rows, int64_t from, int64_t to, const RightRows& right) {
    const int64_t wide = least(to, a.seen(row + rows - 1, length)) - from;
    if (wide <= 0) return;
    float* p = scores + (row - row0) * kScoreRow;
    key_products(p, q.at(row), q.row, packed, rows, wide, a.width, later);
    for (int64_t i = 0; i < rows; i += kLanes) weigh_rows(row + i, least(kLanes, rows - i), from, to, wide);
    add_product(sums + (row - row0) * sums_row, sums_row, from == 0, p, kScoreRow, 1, right, rows, a.depth, wide,
                later);
  }

  void finish() {
    for (int64_t i = 0; i < row1 - row0; i += kLanes) {
      const int count = static_cast<int>(least(kLanes, row1 - row0 - i));
      const vf sum = load(total + i), none = splat(0.0f);
      store_first(lse + row0 + i, select(sum == 0.0f, none, load(largest + i) + log(sum)), count);
      store(total + i, select(sum == 0.0f, none, 1.0f / sum));
    }
    for (int64_t i = row0; i < row1; i++) {
      const float share = total[i - row0];
      const float* sum = sums + (i - row0) * sums_row;
      if (a.seen(i, length) > 0)
        map_row(y.at(i), sum, static_cast<uint64_t>(a.depth), [&](vf x) { return x * share; });
      else
        fill_row(y.at(i), 0.0f, static_cast<uint64_t>(a.depth));
    }
  }

  void run() {
    fill_row(largest, -__builtin_inff(), kQueryBlock + kLanes);
    fill_row(total, 0.0f, kQueryBlock + kLanes);
    const int64_t seen = a.seen(row1 - 1, length), blocks = a.key_blocks();
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t from = part(a.keys, b, blocks), to = least(seen, part(a.keys, b + 1, blocks));
      if (to <= from) break;
      pack_keys(packed, k, from, to - from, a.width);
      const RightRows right = right_rows(v, from, to - from, a.depth, values);
      for_tiles(row0, row1, [&](int64_t row, int64_t rows) { tile(row, rows, from, to, right); });
    }
    finish();
  }
};

Status run(const Step& s, const Runtime& rt) {
  const AttentionShape a = shape_of(s);
  if (Status bad = check_lengths(a); !bad.ok()) return bad;
  if (!has_work(a)) return {};
  const Room room(a);
  const int64_t tasks = a.batch * a.heads * a.query_blocks();
  parallel_for(rt, static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t worker) {
    float* own = a.keys > 0 ? reinterpret_cast<float*>(rt.scratch + worker * room.bytes()) : nullptr;
    const int64_t next = task + rt.threads;
    const Place here(s, a, task);
    Block block{here,
                a,
                next < tasks ? Place(s, a, next).later(a) : Later(),
                f32(s.out[1]) + here.head * a.queries,
                a.length(here.head / a.heads),
                own,
                own + room.packed,
                own + room.packed + room.values,
                own + room.packed + room.values + room.scores,
                room.row,
                {},
                {}};
    block.run();
  });
  return {};
}

}  // namespace

extern const Kernel attention_kernel = {check, scratch, run};

}  // namespace tenon::TENON_ISA
