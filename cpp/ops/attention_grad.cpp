// With p = e^(q kᵀ scale - lse), δ = Σ dy·y - dlse and ds = p (dy vᵀ - δ) scale: dv = pᵀ dy, dq = ds k, dk = dsᵀ q. A
// task makes a head, or where these are few and long a share of its keys; blocks of keys are the outer loop, and every
// sum runs upwards.
#include "gen/attrs.h"
#include "ops/attention.h"
#include "ops/parts.h"
#include "simd/math.h"

namespace tenon::TENON_ISA {
namespace {

AttentionShape shape_of(const Step& s) {
  const AttentionGradAttrs at = AttentionGradAttrs::read(s.attrs);
  return attention_shape(s, s.in[4].dims[1], at.causal, at.scale, s.inputs > 7 ? &s.in[7] : nullptr);
}

Status check(const Step& s) { return check_heads(s, s.in[4].dims[1], AttentionGradAttrs::read(s.attrs).causal); }

// A worker's memory, in floats.
struct Room {
  int64_t keys, values, key_rows, query_rows, slope_rows, deltas;
  explicit Room(const AttentionShape& a) {
    keys = kKeyBlock * a.width;
    values = kKeyBlock * a.depth;
    key_rows = copy_size(kKeyBlock, a.width);
    query_rows = copy_size(kQueryBlock, a.width);
    slope_rows = copy_size(kQueryBlock, a.depth);
    deltas = ceil_div(a.queries, kLanes) * kLanes;
  }
  uint64_t bytes() const {
    return round64((keys + values + key_rows + query_rows + slope_rows + deltas + 2 * kQueryBlock * kScoreRow) * 4);
  }
};

constexpr int64_t kManyTasks = 16;   // so many heads are not cut, and
constexpr int64_t kMostShares = 4;   // of one head: each but the first has a dq of its own
constexpr int64_t kLeastBlocks = 2;  // blocks of keys of a share

// How the keys of a head are cut, by the shape alone. Blocks are dealt forth and back, so that shares of a causal head
// are as long as each other.
struct Shares {
  int64_t count, heads, queries, width;

  explicit Shares(const AttentionShape& a) : count(1), heads(a.batch * a.heads), queries(a.queries), width(a.width) {
    if (heads > 0 && heads < kManyTasks)
      count = most(1, least(least(kMostShares, a.key_blocks() / kLeastBlocks), ceil_div(kManyTasks, heads)));
  }
  bool has(int64_t share, int64_t block) const {
    const int64_t at = block % count;
    return share == (block / count % 2 == 0 ? at : count - 1 - at);
  }
  uint64_t bytes() const { return round64(static_cast<uint64_t>((count - 1) * heads * queries * width) * 4); }
  // dq of share i > 0 of a head.
  HeadRows own(float* all, int64_t head, int64_t i) const {
    return {all + ((i - 1) * heads + head) * queries * width, width};
  }
};

uint64_t scratch(const Step& s, int threads) {
  const AttentionShape a = shape_of(s);
  const bool works = a.batch > 0 && a.queries > 0 && a.keys > 0;
  return works ? Shares(a).bytes() + static_cast<uint64_t>(threads) * Room(a).bytes() : 0;
}

// Where a head lies.
struct Place {
  HeadRows q, k, v, y, dy, dq, dk, dv;

  Place(const Step& s, const AttentionShape& a, int64_t head) {
    const auto rows = [&](const View& view, int64_t n) {
      return head_rows(view, n, a.heads, head / a.heads, head % a.heads);
    };
    q = rows(s.in[0], a.width);
    k = rows(s.in[1], a.width);
    v = rows(s.in[2], a.depth);
    y = rows(s.in[3], a.depth);
    dy = rows(s.in[5], a.depth);
    dq = rows(s.out[0], a.width);
    dk = rows(s.out[1], a.width);
    dv = rows(s.out[2], a.depth);
  }
  // In the order of their use.
  Later later(const AttentionShape& a) const {
    Later l;
    l.add(dq, a.queries, a.width);
    l.add(dk, a.keys, a.width);
    l.add(dv, a.keys, a.depth);
    l.add(dy, a.queries, a.depth);
    l.add(y, a.queries, a.depth);
    l.add(k, a.keys, a.width);
    l.add(v, a.keys, a.depth);
    l.add(q, a.queries, a.width);
    return l;
  }
};

// A share of one head, and the head that this thread is likely to make next.
struct Head : Place {
  const AttentionShape& a;
  const Shares& shares;
  int64_t share;
  Later later;
  const float *lse, *dlse;  // dlse may be null
  int64_t length;
  float *keys, *values, *key_rows, *query_rows, *slope_rows, *deltas, *p, *ds;

  static void clear(const HeadRows& x, int64_t rows, int64_t n) {
    for (int64_t i = 0; i < rows; i++) fill_row(x.at(i), 0.0f, static_cast<uint64_t>(n));
  }

  void make_deltas() const {
    for (int64_t i = 0; i < a.queries; i++) {
      const float *s = dy.at(i), *t = y.at(i);
      const double along = sum_terms(static_cast<uint64_t>(a.depth), [&](uint64_t j, int count) {
        return load_part(s + j, count) * load_part(t + j, count);
      });
      deltas[i] = static_cast<float>(along - (dlse ? static_cast<double>(dlse[i]) : 0.0));
    }
  }

  // Scores and slopes of query i for n keys become p and ds; zeros up to `wide`.
  void weigh(float* to_p, float* to_ds, int64_t i, int64_t n, int64_t wide) const {
    const vf sum = splat(lse[i]), delta = splat(deltas[i]);
    for_lanes(static_cast<uint64_t>(n), [&](uint64_t j, int count) {
      vf e = exp(load(to_p + j) * a.scale - sum);
      vf d = e * (load(to_ds + j) - delta) * a.scale;
      if (count < kLanes) {
        e = first_lanes_of(e, count, 0.0f);
        d = first_lanes_of(d, count, 0.0f);
      }
      store(to_p + j, e);
      store(to_ds + j, d);
    });
    for (int64_t j = ceil_div(n, kLanes) * kLanes; j < wide; j += kLanes) {
      store(to_p + j, zero());
      store(to_ds + j, zero());
    }
  }

  // Queries [row0, row1) by the packed keys [from, to).
  void block(int64_t row0, int64_t row1, int64_t from, int64_t to, const RightRows& right) {
    const int64_t wide = least(to, a.seen(row1 - 1, length)) - from;
    if (wide <= 0) return;
    for_tiles(row0, row1, [&](int64_t row, int64_t rows) {
      const int64_t here = most(0, least(to, a.seen(row + rows - 1, length)) - from), at = (row - row0) * kScoreRow;
      if (here > 0) {
        key_products(p + at, q.at(row), q.row, keys, rows, here, a.width, later);
        key_products(ds + at, dy.at(row), dy.row, values, rows, here, a.depth, later);
      }
      for (int64_t i = 0; i < rows; i++) {
        const int64_t n = most(0, least(to, a.seen(row + i, length)) - from);
        weigh(p + at + i * kScoreRow, ds + at + i * kScoreRow, row + i, n, wide);
      }
      if (here > 0) add_product(dq.at(row), dq.row, false, ds + at, kScoreRow, 1, right, rows, a.width, here, later);
    });
    // A key is seen by no query before it.
    const RightRows queries = right_rows(q, row0, row1 - row0, a.width, query_rows);
    const RightRows slopes = right_rows(dy, row0, row1 - row0, a.depth, slope_rows);
    for_tiles(from, from + wide, [&](int64_t key, int64_t rows) {
      const int64_t skip = a.causal ? most(0, key - row0) : 0, at = skip * kScoreRow + key - from;
      const int64_t inner = row1 - row0 - skip;
      add_product(dv.at(key), dv.row, false, p + at, 1, kScoreRow, {slopes.data + skip * slopes.row, slopes.row}, rows,
                  a.depth, inner, later);
      add_product(dk.at(key), dk.row, false, ds + at, 1, kScoreRow, {queries.data + skip * queries.row, queries.row},
                  rows, a.width, inner, later);
    });
  }

  void run() {
    clear(dq, a.queries, a.width);
    if (a.queries > 0 && a.keys > 0) make_deltas();
    const int64_t blocks = a.key_blocks(), parts = a.query_blocks();
    const int64_t all = parts > 0 ? a.seen(a.queries - 1, length) : 0;
    for (int64_t b = 0; b < blocks; b++) {
      if (!shares.has(share, b)) continue;
      const int64_t from = part(a.keys, b, blocks), end = part(a.keys, b + 1, blocks), to = least(all, end);
      clear({dk.at(from), dk.row}, end - from, a.width);
      clear({dv.at(from), dv.row}, end - from, a.depth);
      if (to <= from) continue;
      pack_keys(keys, k, from, to - from, a.width);
      pack_keys(values, v, from, to - from, a.depth);
      const RightRows right = right_rows(k, from, to - from, a.width, key_rows);
      for (int64_t i = 0; i < parts; i++)
        block(part(a.queries, i, parts), part(a.queries, i + 1, parts), from, to, right);
    }
  }
};

// dq is the sum over the shares, in their order.
void add_shares(const Step& s, const AttentionShape& a, const Shares& shares, float* dqs, const Runtime& rt) {
  const uint64_t rows = static_cast<uint64_t>(shares.heads * a.queries);
  for_parts(rt, parts_of(rows, static_cast<uint64_t>(a.width)), [&](uint64_t begin, uint64_t end, uint32_t) {
    for (int64_t r = static_cast<int64_t>(begin); r < static_cast<int64_t>(end); r++) {
      const int64_t head = r / a.queries, row = r % a.queries;
      float* to = Place(s, a, head).dq.at(row);
      for_lanes(static_cast<uint64_t>(a.width), [&](uint64_t j, int count) {
        vf sum = load_part(to + j, count);
        for (int64_t i = 1; i < shares.count; i++) sum += load_part(shares.own(dqs, head, i).at(row) + j, count);
        store_part(to + j, sum, count);
      });
    }
  });
}

Status run(const Step& s, const Runtime& rt) {
  const AttentionShape a = shape_of(s);
  if (Status bad = check_lengths(a); !bad.ok()) return bad;
  if (numel(s.out[0]) + numel(s.out[1]) + numel(s.out[2]) == 0) return {};
  const Room room(a);
  const bool slopes = s.inputs > 6 && s.in[6].present;
  const Shares shares(a);
  float* dqs = reinterpret_cast<float*>(rt.scratch);
  parallel_for(rt, static_cast<uint32_t>(shares.heads * shares.count), [&](uint32_t task, uint32_t worker) {
    const int64_t head = task / shares.count, share = task % shares.count;
    const int64_t next = (task + rt.threads) / shares.count;
    float* own = a.queries > 0 && a.keys > 0
                     ? reinterpret_cast<float*>(rt.scratch + shares.bytes() + worker * room.bytes())
                     : nullptr;
    const auto take = [&](int64_t floats) {
      float* at = own;
      if (own) own += floats;
      return at;
    };
    Head h{{s, a, head},
           a,
           shares,
           share,
           next > head && next < shares.heads ? Place(s, a, next).later(a) : Later(),
           f32(s.in[4]) + head * a.queries,
           slopes ? f32(s.in[6]) + head * a.queries : nullptr,
           a.length(head / a.heads),
           take(room.keys),
           take(room.values),
           take(room.key_rows),
           take(room.query_rows),
           take(room.slope_rows),
           take(room.deltas),
           take(kQueryBlock * kScoreRow),
           take(kQueryBlock * kScoreRow)};
    if (share > 0) h.dq = shares.own(dqs, head, share);
    h.run();
  });
  if (shares.count > 1) add_shares(s, a, shares, dqs, rt);
  return {};
}

}  // namespace

extern const Kernel attention_grad_kernel = {check, scratch, run};

}  // namespace tenon::TENON_ISA
