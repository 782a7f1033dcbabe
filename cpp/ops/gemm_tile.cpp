#include "ops/gemm_tile.h"

#include "simd/bf16.h"

namespace tenon::TENON_ISA {

const float kTileZeros[kTileCols] = {};

namespace {

// Rows of a at a constant distance, reached from four moving pointers, so that no row costs a register: x86 adds
// a distance times 1, 2, 4 or 8 for free.
struct Rows {
  const char *at0, *at3, *at5, *at8;
  int64_t row;  // bytes

  static __attribute__((always_inline)) Rows at(const float* a, int64_t row_bytes) {
    const char* p = reinterpret_cast<const char*>(a);
    return {p, p + 3 * row_bytes, p + 5 * row_bytes, p + 8 * row_bytes, row_bytes};
  }
  __attribute__((always_inline)) Rows moved(int64_t bytes) const {
    return {at0 + bytes, at3 + bytes, at5 + bytes, at8 + bytes, row};
  }
  // Hides how the pointers hang together from the compiler, which would else keep one pointer a row, on the stack.
  __attribute__((always_inline)) void pin() { __asm__("" : "+r"(at0), "+r"(at3), "+r"(at5), "+r"(at8)); }
  template <int i>
  __attribute__((always_inline)) float get() const {
    constexpr int kBase[] = {0, 0, 0, 3, 0, 5, 5, 5, 8, 8, 8, 3, 8, 5};
    constexpr int base = kBase[i];
    const char* p = base == 0 ? at0 : base == 3 ? at3 : base == 5 ? at5 : at8;
    return *reinterpret_cast<const float*>(p + (i - base) * row);
  }
};

// What a step of k adds to a sum.
struct Products {
  static __attribute__((always_inline)) vf add(vf a, vf b, vf sum) { return muladd(a, b, sum); }
};
#if TENON_VBYTES == 64
struct Pairs {
  static __attribute__((always_inline)) vf add(vf a, vf b, vf sum) { return dot_pairs(a, b, sum); }
};
#endif

// The sums of a tile. Steps over them are recursions, so that every sum has a register of its own from the start; loops
// are unrolled too late for that and leave the array in memory.
template <int rows, int vecs, typename Step = Products>
struct Sums {
  vf v[rows][vecs];

  template <int i = 0>
  __attribute__((always_inline)) void clear(const float* c, int64_t c_row) {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) {
        v[i][j] = zero();
        __builtin_prefetch(c + j * kLanes, 1);
      }
      clear<i + 1>(c + c_row, c_row);
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void zeros() {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) v[i][j] = zero();
      zeros<i + 1>();
    }
  }
  template <int i = 0>
  __attribute__((always_inline)) void add(const Rows& a, const vf (&b)[vecs]) {
    if constexpr (i < rows) {
      const vf x = splat(a.get<i>());
      for (int j = 0; j < vecs; j++) v[i][j] = Step::add(x, b[j], v[i][j]);
      add<i + 1>(a, b);
    }
  }
  // c = max(floor, init + sums), the last vector of a row cut to `last` lanes unless the tile is whole.
  template <bool whole, int i = 0>
  __attribute__((always_inline)) void finish(const float* from, int64_t from_row, float* to, int64_t to_row, vf floor,
                                             int last) const {
    if constexpr (i < rows) {
      for (int j = 0; j < vecs; j++) {
        const bool cut = !whole && j + 1 == vecs;
        const float* p = from + j * kLanes;
        const vf y = max(floor, (cut ? load_first(p, last) : load(p)) + v[i][j]);
        if (cut)
          store_first(to + j * kLanes, y, last);
        else
          store(to + j * kLanes, y);
      }
      finish<whole, i + 1>(from + from_row, from_row, to + to_row, to_row, floor, last);
    }
  }
};

template <int vecs>
TENON_INLINE void load_row(const float* p, vf (&b)[vecs]) {
  for (int j = 0; j < vecs; j++) b[j] = load(p + j * kLanes);
}
// The same of a row that ends `last` elements into its last vector.
template <bool whole, int vecs>
TENON_INLINE void load_row(const float* p, vf (&b)[vecs], int last) {
  for (int j = 0; j < vecs; j++) b[j] = whole || j + 1 < vecs ? load(p + j * kLanes) : load_first(p + j * kLanes, last);
}

// b of a k some steps ahead, into the first cache; past the end it is a wish that no one grants.
constexpr int kAhead = 12;
template <int vecs>
TENON_INLINE void look_ahead(const float* b, int64_t b_step) {
  for (int j = 0; j < vecs; j++) __builtin_prefetch(b + kAhead * b_step + j * kLanes);
}

// What a call wishes for, a step at each k.
struct Wish {
  const char* at;
  int64_t step;
  explicit Wish(const TileCall& t)
      : at(reinterpret_cast<const char*>(t.ahead ? t.ahead : t.a)), step(t.ahead ? t.ahead_step : 0) {}
  __attribute__((always_inline)) void next() {
    __builtin_prefetch(at);
    at += step;
  }
};

constexpr bool kCutsAreFree = kLanes == 16;  // stores by AVX-512: a mask costs nothing

// The sums of a kCopy tile.
template <bool whole, int rows, int vecs>
TENON_INLINE void add_copying(const TileCall& t, Sums<rows, vecs>& s, int last) {
  Rows a = Rows::at(t.a, t.a_row * 4);
  const float* pb = t.b;
  float* to = t.copy;
  const int64_t a_step = t.a_step * 4;
  Wish wish(t);
  vf b[vecs];
  for (int64_t k = t.k; k > 0; k--) {
    load_row<whole>(pb, b, last);
    look_ahead<vecs>(pb, t.b_step);
    wish.next();
    for (int j = 0; j < vecs; j++) store(to + j * kLanes, b[j]);
    s.add(a, b);
    pb += t.b_step;
    to += vecs * kLanes;
    a = a.moved(a_step);
    a.pin();
  }
}

// A vector from one place to another. Beside products of 64-byte vectors by way of integer registers, two words at a
// time: those units are idle, and a vector's store would cost the products a cycle.
TENON_INLINE void move_vector(float* to, const float* from) {
#if TENON_VBYTES == 64
  for (int i = 0; i < kLanes; i += 4) {
    uint64_t words[2];
    __builtin_memcpy(words, from + i, sizeof(words));
    __asm__("" : "+r"(words[0]), "+r"(words[1]));
    __builtin_memcpy(to + i, words, sizeof(words));
  }
#else
  store(to, load(from));
#endif
}

// The sums of a kErrand tile.
template <int rows, int vecs>
TENON_INLINE void add_on_errands(const TileCall& t, Sums<rows, vecs>& s) {
  Rows a = Rows::at(t.a, t.a_row * 4);
  const float* pb = t.b;
  const int64_t a_step = t.a_step * 4, b_step = t.b_step;
  const auto step = [&]() __attribute__((always_inline)) {
    vf b[vecs];
    load_row(pb, b);
    look_ahead<vecs>(pb, b_step);
    s.add(a, b);
    pb += b_step;
    a = a.moved(a_step);
    a.pin();
  };
  int64_t left = t.k;
  for (const Errand& e : t.errands) {
    if (e.runs == 0) continue;
    left -= e.steps();
    const float* first = e.from;
    for (int64_t i = e.run; i > 0; i--, first += e.from_step) {
      __builtin_prefetch(first, 0, 2);
      step();
    }
    for (int64_t r = 0; r < e.runs; r++) {
      const float* from = e.from + r * e.from_jump;
      float* to = e.to + r * e.to_jump;
      for (int64_t i = e.run; i > 0; i--, from += e.from_step, to += e.to_step) {
        __builtin_prefetch(from + e.from_jump, 0, 2);
        move_vector(to, from);
        step();
      }
    }
  }
  for (; left > 0; left--) step();
}

template <Walk walk, int rows, int vecs, typename Step = Products>
void tile(const TileCall& t) {
  const int last = t.cols - (vecs - 1) * kLanes;
  const bool whole = !kCutsAreFree && last == kLanes;
  Sums<rows, vecs, Step> s;
  s.clear(t.c, t.c_row);
  vf b[vecs];
  if constexpr (walk == kStep) {
    Rows a = Rows::at(t.a, t.a_row * 4);
    const float* pb = t.b;
    const int64_t a_step = t.a_step * 4, b_step = t.b_step;
    Wish wish(t);
#pragma GCC unroll 2
    for (int64_t k = t.k; k > 0; k--) {
      load_row(pb, b);
      look_ahead<vecs>(pb, b_step);
      wish.next();
      s.add(a, b);
      pb += b_step;
      a = a.moved(a_step);
      a.pin();
    }
  } else if constexpr (walk == kCopy) {
    if (whole)
      add_copying<true>(t, s, last);
    else
      add_copying<false>(t, s, last);
  } else if constexpr (walk == kErrand) {
    add_on_errands(t, s);
  } else if constexpr (walk == kIndexA) {
    const Rows first = Rows::at(t.a, t.a_row * 4);
    const float* pb = t.b;
    for (int64_t k = 0; k < t.k; k++, pb += t.b_step) {
      Rows a = first.moved(t.index[k]);
      a.pin();
      load_row(pb, b);
      s.add(a, b);
    }
  } else {
    Rows a = Rows::at(t.a, t.a_row * 4);
    const char* pb = reinterpret_cast<const char*>(t.b);
    const int64_t a_step = t.a_step * 4;
    for (int64_t k = 0; k < t.k; k++) {
      load_row(reinterpret_cast<const float*>(pb + t.index[k]), b);
      s.add(a, b);
      a = a.moved(a_step);
      a.pin();
    }
  }
  if (whole)
    s.template finish<true>(t.init, t.init_row, t.c, t.c_row, splat(t.floor), last);
  else
    s.template finish<false>(t.init, t.init_row, t.c, t.c_row, splat(t.floor), last);
}

// A row of a tile, past the caches or not.
#if TENON_VBYTES == 64
// By integer registers: that costs nothing beside products, while a vector's store costs about as much as one of them.
template <bool past, int i = 0>
TENON_INLINE void move_row(float* to, const float* from) {
  if constexpr (i < kTileCols) {
    long long words;
    __builtin_memcpy(&words, from + i, 8);
    __asm__("" : "+r"(words));
    if constexpr (past)
      __builtin_ia32_movnti64(reinterpret_cast<long long*>(to + i), words);
    else
      __builtin_memcpy(to + i, &words, 8);
    move_row<past, i + 2>(to, from);
  }
}
#else
template <bool past>
TENON_INLINE void move_row(float* to, const float* from) {
  for (int j = 0; j < kTileCols; j += kLanes) past ? stream(to + j, load(from + j)) : store(to + j, load(from + j));
}
#endif

template <int rows>
void carrying_tile(const TileCall& t, const Carried& c) {
  Sums<rows, kTileVecs> s;
  s.zeros();
  float* to = c.to;
  const float* from = c.from;
  int64_t left = c.rows;
  Rows a = Rows::at(t.a, t.a_row * 4);
  const float* pb = t.b;
  const int64_t a_step = t.a_step * 4, b_step = t.b_step, to_row = c.to_row;
  vf b[kTileVecs];
  for (int64_t k = t.k; k > 0; k--) {
    load_row(pb, b);
    s.add(a, b);
    pb += b_step;
    a = a.moved(a_step);
    a.pin();
    if (left > 0) {
      move_row<true>(to, from);
      to += to_row;
      from += kTileCols;
      left--;
    }
  }
  for (; left > 0; left--, to += to_row, from += kTileCols) move_row<true>(to, from);
  s.template finish<true>(t.init, t.init_row, t.c, t.c_row, splat(t.floor), kLanes);
}

#if TENON_VBYTES == 64
// Numbers of `deep` successive k of a column, by way of an integer register.
template <int deep>
TENON_INLINE void move_numbers(float* to, const char* from) {
  if constexpr (deep == 2) {
    uint64_t words;
    __builtin_memcpy(&words, from, 8);
    __asm__("" : "+r"(words));
    __builtin_memcpy(to, &words, 4);
    words >>= 32;
    __builtin_memcpy(to + kTileCols, &words, 4);
  } else {
    uint32_t word;
    __builtin_memcpy(&word, from, 4);
    __asm__("" : "+r"(word));
    __builtin_memcpy(to, &word, 4);
  }
}

// kTurned columns at a constant distance, reached from two moving pointers.
struct Columns {
  const char *at0, *at1;
  int64_t row, row3;  // bytes

  explicit Columns(const float* from, int64_t row_bytes)
      : at0(reinterpret_cast<const char*>(from)), at1(at0 + row_bytes), row(row_bytes), row3(3 * row_bytes) {}
  // Like Rows::pin(); distances too, whose multiples would be kept as well.
  __attribute__((always_inline)) void move(int64_t bytes) {
    at0 += bytes;
    at1 += bytes;
    __asm__("" : "+r"(at0), "+r"(at1), "+r"(row), "+r"(row3));
  }
  template <int j>
  __attribute__((always_inline)) const char* get() const {
    const char* at = j == 0 || j % 2 == 0 || j == 3 ? at0 : at1;
    return at + (j < 2 ? 0 : j == 2 ? 2 * row : j == 3 ? row3 : j < 6 ? 4 * row : 2 * row3);
  }
};
template <int deep, int j = 0>
TENON_INLINE void turn(float* to, const Columns& from) {
  if constexpr (j < kTurned) {
    move_numbers<deep>(to + j, from.get<j>());
    turn<deep, j + 1>(to, from);
  }
}

// kTurned columns after kTurned columns, `deep` k of them a step. Loads and stores, of which a core has three a cycle,
// are what may run short beside products: so distances stay in registers.
template <int rows, int deep>
void turning_tile(const TileCall& t, const Turned& turned) {
  Sums<rows, kTileVecs> s;
  s.clear(t.c, t.c_row);
  Rows a = Rows::at(t.a, t.a_row * 4);
  const float* pb = t.b;
  const float* ahead = turned.from + deep * kTurned * turned.row;
  vf b[kTileVecs];
  for (int pass = 0; pass < deep; pass++) {
    Columns from(turned.from + pass * kTurned * turned.row, turned.row * 4);
    float* to = turned.to + pass * kTurned;
    for (const float* end = pb + t.k / deep * kTileCols; pb != end; pb += kTileCols) {
      load_row(pb, b);
      look_ahead<kTileVecs>(pb, kTileCols);
      __builtin_prefetch(ahead, 0, 2);
      s.add(a, b);
      turn<deep>(to, from);
      to += deep * kTileCols;
      ahead += deep * kTurned;
      a = a.moved(4);
      a.pin();
      __asm__("" : "+r"(a.row));
      from.move(deep * 4);
    }
  }
  s.template finish<true>(t.init, t.init_row, t.c, t.c_row, splat(t.floor), kLanes);
}

template <int rows>
void bringing_tile(const TileCall& t, const Brought& brought) {
  Sums<rows, kTileVecs> s;
  s.clear(t.c, t.c_row);
  Rows a = Rows::at(t.a, t.a_row * 4);
  const float* pb = t.b;
  const int64_t a_step = t.a_step * 4;
  const auto step = [&]() __attribute__((always_inline)) {
    vf b[kTileVecs];
    load_row(pb, b);
    look_ahead<kTileVecs>(pb, kTileCols);
    s.add(a, b);
    pb += kTileCols;
    a = a.moved(a_step);
    a.pin();
    __asm__("" : "+r"(a.row));
  };
  // A line of each row beside the rows that are brought, then the other one: in even steps, for at most so many lines
  // can be on their way that more would hold up everything.
  const float* from = brought.from;
  const char* ahead = reinterpret_cast<const char*>(brought.ahead);
  float* to = brought.to;
  int64_t row = brought.from_row * 4;
  const auto wish = [&]() __attribute__((always_inline)) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += row;
    __asm__("" : "+r"(row));
  };
  for (const float* end = pb + brought.rows * kTileCols; pb != end;) {
    wish();
    step();
    move_row<false>(to, from);
    to += kTileCols;
    from += brought.from_row;
  }
  ahead += 64 - brought.rows * row;
  for (const float* end = t.b + t.k * kTileCols; pb != end;) {
    wish();
    step();
  }
  s.template finish<true>(t.init, t.init_row, t.c, t.c_row, splat(t.floor), kLanes);
}
#endif

struct Table {
  TileFn fn[5][kTileVecs][kTileRows];
#if TENON_VBYTES == 64
  TileFn pairs[kTileVecs][kTileRows];
  TurningTileFn turning[2][kTileRows];
  BringingTileFn bringing[kTileRows];
#endif
  TileFn wide[kTileRows];
  CarryingTileFn carrying[kTileRows];
};

template <int rows = 1>
constexpr void fill(Table& t) {
  if constexpr (rows <= kTileRows) {
    t.fn[kStep][0][rows - 1] = tile<kStep, rows, 1>;
    t.fn[kStep][1][rows - 1] = tile<kStep, rows, 2>;
    t.fn[kIndexA][0][rows - 1] = tile<kIndexA, rows, 1>;
    t.fn[kIndexA][1][rows - 1] = tile<kIndexA, rows, 2>;
    t.fn[kIndexB][0][rows - 1] = tile<kIndexB, rows, 1>;
    t.fn[kIndexB][1][rows - 1] = tile<kIndexB, rows, 2>;
    t.fn[kCopy][0][rows - 1] = tile<kCopy, rows, 1>;
    t.fn[kCopy][1][rows - 1] = tile<kCopy, rows, 2>;
    t.fn[kErrand][0][rows - 1] = tile<kErrand, rows, 1>;
    t.fn[kErrand][1][rows - 1] = tile<kErrand, rows, 2>;
#if TENON_VBYTES == 64
    t.pairs[0][rows - 1] = tile<kStep, rows, 1, Pairs>;
    t.pairs[1][rows - 1] = tile<kStep, rows, 2, Pairs>;
    t.turning[0][rows - 1] = turning_tile<rows, 1>;
    t.turning[1][rows - 1] = turning_tile<rows, 2>;
    t.bringing[rows - 1] = bringing_tile<rows>;
#endif
    t.carrying[rows - 1] = carrying_tile<rows>;
    t.wide[rows - 1] = tile<kIndexB, rows, wide_vecs(rows)>;
    fill<rows + 1>(t);
  }
}

constexpr Table make_table() {
  Table t = {};
  fill(t);
  return t;
}

constexpr Table kTable = make_table();

}  // namespace

TileFn tile_function(Walk walk, int rows, int cols) { return kTable.fn[walk][cols > kLanes][rows - 1]; }
#if TENON_VBYTES == 64
TileFn pairs_tile_function(Walk, int rows, int cols) { return kTable.pairs[cols > kLanes][rows - 1]; }
TurningTileFn turning_tile_function(int rows, int columns) { return kTable.turning[columns > kTurned][rows - 1]; }
BringingTileFn bringing_tile_function(int rows) { return kTable.bringing[rows - 1]; }
#endif
CarryingTileFn carrying_tile_function(int rows) { return kTable.carrying[rows - 1]; }
void carry(const Carried& c) {
  for (int64_t i = 0; i < c.rows; i++) move_row<true>(c.to + i * c.to_row, c.from + i * kTileCols);
}
TileFn wide_tile_function(int rows) { return kTable.wide[rows - 1]; }

}  // namespace tenon::TENON_ISA
