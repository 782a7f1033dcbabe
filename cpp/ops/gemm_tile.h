// The micro-kernels of every product: a tile of up to kTileRows x kTileCols results, kept in registers while k runs.
// c[i, j] = max(floor, init[i, j] + sum over k of a(i, k) * b(k, j)). The order of the sum is k upwards.
#pragma once
#include "simd/vec.h"

namespace tenon::TENON_ISA {

// 28 sums, two rows of b and one broadcast fill AVX-512's 32 registers; the others likewise.
#if TENON_VBYTES == 64
constexpr int kTileRows = 14;
#elif TENON_VBYTES == 32
constexpr int kTileRows = 6;
#elif defined(__aarch64__)
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 5;
#endif
constexpr int kTileVecs = 2;
constexpr int kTileCols = kTileVecs * kLanes;

// How k walks through a and b: by constant steps, or one of the two to the byte offsets of a table. kCopy steps too,
// and packs b on the way, which costs next to nothing beside the products; so does kErrand, and copies something else.
enum Walk : uint32_t { kStep, kIndexA, kIndexB, kCopy, kErrand };

// What a tile copies for later ones while it runs: `runs` times `run` vectors, one at each k. The second cache is asked
// for a run while the one before it is copied; for the first, in as many steps of their own.
struct Errand {
  const float* from = nullptr;
  float* to = nullptr;
  int64_t run = 0, runs = 0;
  int64_t from_step = 0, to_step = 0;  // elements from a vector to the next one
  int64_t from_jump = 0, to_jump = 0;  // from a run to the next one
  int64_t steps() const { return runs > 0 ? run * (runs + 1) : 0; }
};

struct TileCall {
  const float* a = nullptr;
  int64_t a_row = 0;         // elements from a row to the next
  int64_t a_step = 0;        // elements from a k to the next
  const float* b = nullptr;  // a whole number of vectors is read at each k; of kCopy, `cols` elements
  int64_t b_step = 0;
  const int64_t* index = nullptr;  // of kIndexA or kIndexB
  float* copy = nullptr;           // of kCopy: gets b's rows tightly, zeros up to a whole number of vectors
  int64_t k = 0;
  const float* init = nullptr;  // a bias (init_row 0), c itself, or zeros
  int64_t init_row = 0;
  float* c = nullptr;
  int64_t c_row = 0;
  int cols = 0;                     // columns that exist: of init and c no more are touched
  float floor = -__builtin_inff();  // 0 makes relu; NaN stays NaN
  // Of kStep and kCopy: what is needed soon is wished for on the way, so many bytes further at each k.
  const void* ahead = nullptr;
  int64_t ahead_step = 0;
  Errand errands[2];  // of kErrand: one after the other, no more than k steps in all
};

using TileFn = void (*)(const TileCall&);

// rows in [1, kTileRows]; cols in [1, kTileCols].
TileFn tile_function(Walk walk, int rows, int cols);
#if TENON_VBYTES == 64
// The same where a and b hold pairs of bf16 (simd/bf16.h) and k counts them. kStep only.
TileFn pairs_tile_function(Walk walk, int rows, int cols);
#endif
// A wider kIndexB tile for few rows, wide_vecs(rows) vectors broad, all of which are read and written.
constexpr int wide_vecs(int64_t rows) {
#if TENON_VBYTES == 64 || defined(__aarch64__)
  return rows <= 6 ? 4 : rows <= 9 ? 3 : kTileVecs;
#else
  return rows > 0 ? kTileVecs : 0;
#endif
}
constexpr int kWideCols = 4 * kLanes;
TileFn wide_tile_function(int rows);

// A tile made before, of kTileCols columns, which a short kStep tile of as many takes past the caches while it runs: a
// store to memory now and then costs nothing beside products, many at once wait for one another. `to` and its rows are
// aligned to vectors. Follow the last one with stream_fence().
struct Carried {
  float* to = nullptr;
  int64_t to_row = 0;
  const float* from = nullptr;  // rows kTileCols apart
  int64_t rows = 0;
};
using CarryingTileFn = void (*)(const TileCall&, const Carried&);
CarryingTileFn carrying_tile_function(int rows);
void carry(const Carried& c);

#if TENON_VBYTES == 64
// Columns that a kStep tile of kTileCols turns into a panel while it runs, with rows of a as they lie and b packed:
// to[k * kTileCols + j] = from[j * row + k] for j < columns and every k of the tile, an even number of them. Single
// numbers move by units that products leave idle; vectors would take turns with them. What follows `from` is wished
// for.
constexpr int kTurned = 8;
struct Turned {
  const float* from = nullptr;
  int64_t row = 0;
  float* to = nullptr;
  int columns = 0;  // kTurned, or twice as many
};
using TurningTileFn = void (*)(const TileCall&, const Turned&);
TurningTileFn turning_tile_function(int rows, int columns);
#endif

#if TENON_VBYTES == 64
// The first rows of a panel that later tiles read, brought together on the way by a kStep tile whose b is such a panel,
// both kTileCols wide: no more rows than k. As many rows from `ahead` on are wished for into the second cache.
struct Brought {
  const float* from = nullptr;
  int64_t from_row = 0;
  float* to = nullptr;
  int64_t rows = 0;
  const float* ahead = nullptr;
};
using BringingTileFn = void (*)(const TileCall&, const Brought&);
BringingTileFn bringing_tile_function(int rows);
#endif

// kTileCols zeros, to start sums from.
extern const float kTileZeros[kTileCols];

}  // namespace tenon::TENON_ISA
