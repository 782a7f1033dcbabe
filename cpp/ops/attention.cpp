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

// One block of queries of one head.
struct Block {
  const AttentionShape& a;
  HeadRows q, k, v, y;
  float* lse;  // of the head
  int64_t row0, row1, length;
  float *packed, *values, *scores, *sums;
  int64_t sums_row;
  float largest[kQueryBlock];
  double total[kQueryBlock];

  // Turns a row of scores of n keys into e^(score - largest), zeros up to `wide`; tells by what sums so far shrink.
  float weigh(float* p, int64_t i, int64_t n, int64_t wide) {
    const vf low = splat(-__builtin_inff());
    vf most = low;
    for_lanes(static_cast<uint64_t>(n), [&](uint64_t j, int count) {
      const vf x = load(p + j) * a.scale;
      most = max(most, count == kLanes ? x : first_lanes_of(x, count, -__builtin_inff()));
    });
    const float old = largest[i], now = __builtin_fmaxf(old, max_lanes(most));
    vf sum = zero();
    for_lanes(static_cast<uint64_t>(n), [&](uint64_t j, int count) {
      vf e = exp(muladd(load(p + j), splat(a.scale), splat(-now)));
      if (count < kLanes) e = first_lanes_of(e, count, 0.0f);
      store(p + j, e);
      sum += e;
    });
    for (int64_t j = ceil_div(n, kLanes) * kLanes; j < wide; j += kLanes) store(p + j, zero());
    const float shrunk = old == -__builtin_inff() ? 0.0f : exp(splat(old - now))[0];
    total[i] = total[i] * static_cast<double>(shrunk) + static_cast<double>(hsum(sum));
    largest[i] = now;
    return shrunk;
  }

  // Keys [from, to), for the rows [row, row + rows), a tile.
  void tile(int64_t row, int64_t rows, int64_t from, int64_t to, const RightRows& right) {
    const int64_t wide = least(to, a.seen(row + rows - 1, length)) - from;
    if (wide <= 0) return;
    float* p = scores + (row - row0) * kScoreRow;
    float* sum = sums + (row - row0) * sums_row;
    key_products(p, q.at(row), q.row, packed, rows, wide, a.width);
    for (int64_t i = 0; i < rows; i++) {
      const int64_t n = most(0, least(to, a.seen(row + i, length)) - from);
      const float shrunk = n > 0 ? weigh(p + i * kScoreRow, row - row0 + i, n, wide) : 1.0f;
      if (n == 0) fill_row(p + i * kScoreRow, 0.0f, static_cast<uint64_t>(wide));
      if (from > 0 && shrunk != 1.0f)
        map_row(sum + i * sums_row, sum + i * sums_row, static_cast<uint64_t>(a.depth),
                [&](vf x) { return x * shrunk; });
    }
    add_product(sum, sums_row, from == 0, p, kScoreRow, 1, right, rows, a.depth, wide);
  }

  void finish() {
    for (int64_t i = row0; i < row1; i++) {
      const double all = total[i - row0];
      const bool sees = a.seen(i, length) > 0;
      lse[i] = sees ? static_cast<float>(static_cast<double>(largest[i - row0]) + __builtin_log(all)) : 0.0f;
      const float share = static_cast<float>(1 / all);
      if (sees)
        map_row(y.at(i), sums + (i - row0) * sums_row, static_cast<uint64_t>(a.depth), [&](vf x) { return x * share; });
      else
        fill_row(y.at(i), 0.0f, static_cast<uint64_t>(a.depth));
    }
  }

  void run() {
    for (int64_t i = 0; i < row1 - row0; i++) {
      largest[i] = -__builtin_inff();
      total[i] = 0;
    }
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
  const int64_t blocks = a.query_blocks();
  parallel_for(rt, static_cast<uint32_t>(a.batch * a.heads * blocks), [&](uint32_t task, uint32_t worker) {
    const int64_t head = task / blocks % a.heads, example = task / blocks / a.heads, b = task % blocks;
    float* own = a.keys > 0 ? reinterpret_cast<float*>(rt.scratch + worker * room.bytes()) : nullptr;
    Block block{a,
                head_rows(s.in[0], a.width, a.heads, example, head),
                head_rows(s.in[1], a.width, a.heads, example, head),
                head_rows(s.in[2], a.depth, a.heads, example, head),
                head_rows(s.out[0], a.depth, a.heads, example, head),
                f32(s.out[1]) + (example * a.heads + head) * a.queries,
                part(a.queries, b, blocks),
                part(a.queries, b + 1, blocks),
                a.length(example),
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
