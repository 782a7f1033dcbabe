// A convolution between two products with small matrices, y = (conv of x * into) * out: a block of positions takes all
// three stages on one thread, so that what has the convolution's own few channels stays in the second cache. Every
// block is a sweep of its own.
#pragma once
#include "ops/conv_blocks.h"
#include "ops/sweep.h"

namespace tenon::TENON_ISA {

constexpr int64_t kThroughBytes = int64_t{448} << 10;  // of a block, between the products
constexpr int64_t kThroughBlocks = 16;                 // at least, of many images
constexpr int64_t kLastBytes = int64_t{16} << 20;      // more than that hardly stays in the last cache

// Positions [from, to) of an axis, in images the first of four.
struct Stretch {
  int64_t from = 0, to = 0;
  int64_t count() const { return to - from; }
};
using Box = Stretch[4];
TENON_INLINE int64_t volume(const Box& b) { return b[0].count() * b[1].count() * b[2].count() * b[3].count(); }

// body(whole, own, n): runs of n positions of a box in a space of `size`, by number there and in the box.
template <typename Body>
TENON_INLINE void for_runs(const int64_t (&size)[4], const Box& box, const Body& body) {
  int inner = 3;
  int64_t run = box[3].count(), outer = 1;
  for (; inner > 0 && box[inner].count() == size[inner]; inner--) run *= box[inner - 1].count();
  for (int i = 0; i < inner; i++) outer *= box[i].count();
  if (run <= 0) return;
  for (int64_t o = 0; o < outer; o++) {
    int64_t at = 0, step = 1, rest = o;
    for (int i = 3; i >= 0; i--) {
      int64_t here = box[i].from;
      if (i < inner) {
        here += rest % box[i].count();
        rest /= box[i].count();
      }
      at += here * step;
      step *= size[i];
    }
    body(at, o * run, run);
  }
}

// How positions are cut: some images, or a part of one. It follows from the shape alone.
struct ThroughPlan {
  int64_t images = 1, groups = 0;      // of a block; such blocks of the images
  int64_t cut[3] = {}, count[3] = {};  // positions of a block along an axis; such blocks of an image
  uint64_t weight_bytes = 0;           // of the convolution, packed once
  uint64_t into_bytes = 0, out_bytes = 0, core_bytes = 0;
  int64_t blocks() const { return groups * count[0] * count[1] * count[2]; }
  bool whole() const { return count[0] * count[1] * count[2] == 1; }
  uint64_t own_bytes() const { return into_bytes + out_bytes + core_bytes; }
};

// The part of the source that positions [from, to) read; where all of it is asked for, also what no position reads.
TENON_INLINE Stretch read_by(const Axis& a, const Stretch& out, bool all) {
  const auto inside = [&](int64_t i) { return i < 0 ? 0 : least(i, a.size); };
  Stretch in{inside(out.from * a.step - a.pad), inside(out.from * a.step - a.pad + rows_read(a, out.count()))};
  if (!all) return in;
  const int64_t before = out.from == 0 ? 0 : inside((out.from - 1) * a.step - a.pad + rows_read(a, 1));
  return {least(in.from, before), out.to == a.out ? a.size : in.to};
}
// Of that, what blocks before it have not read.
TENON_INLINE Stretch first_read_by(const Axis& a, const Stretch& out) {
  const Stretch in = read_by(a, out, true);
  if (out.from == 0) return in;
  const int64_t before = read_by(a, {out.from - 1, out.from}, true).to;
  return {most(in.from, least(before, in.to)), in.to};
}

struct ThroughBlock {
  Box out, in;
};
TENON_INLINE ThroughBlock through_block(const Sweep& s, const ThroughPlan& p, int64_t block, bool all) {
  ThroughBlock b;
  for (int i = 2; i >= 0; i--) {
    const int64_t at = block % p.count[i] * p.cut[i];
    block /= p.count[i];
    b.out[1 + i] = {at, least(at + p.cut[i], s.axis[i].out)};
    b.in[1 + i] = read_by(s.axis[i], b.out[1 + i], all);
  }
  b.out[0] = b.in[0] = {part(s.images, block, p.groups), part(s.images, block + 1, p.groups)};
  return b;
}

// The block as a sweep whose source and results lie tightly.
TENON_INLINE Sweep block_sweep(const Sweep& s, const ThroughBlock& b) {
  Sweep own = s;
  own.images = b.out[0].count();
  own.src_image = s.in;
  own.dst_image = s.out;
  int64_t dst = s.out;
  for (int i = 2; i >= 0; i--) {
    Axis& a = own.axis[i];
    const Stretch &out = b.out[1 + i], &in = b.in[1 + i];
    const int64_t before = in.from - (out.from * a.step - a.pad);  // of the first position's first tap
    a.size = in.count();
    a.extent = rows_read(a, out.count()) + most(0, -before);
    a.pad = most(0, before);
    a.first += most(0, -before);
    a.out = out.count();
    a.dst = dst;
    dst *= a.out;
    own.src_image *= a.size;
    own.dst_image *= a.out;
  }
  return own;
}

// Calls body(sweep) for the sweeps of all sizes that blocks have.
template <typename Body>
TENON_INLINE void for_kinds_of_block(const Sweep& s, const ThroughPlan& p, bool all, const Body& body) {
  const auto kinds = [](int64_t n) { return least(n, int64_t{3}); };
  const auto at = [](int64_t n, int64_t kind) { return kind < 2 ? kind : n - 1; };
  for (int64_t d = 0; d < kinds(p.count[0]); d++)
    for (int64_t h = 0; h < kinds(p.count[1]); h++)
      for (int64_t w = 0; w < kinds(p.count[2]); w++) {
        ThroughBlock b = through_block(
            s, p, (at(p.count[0], d) * p.count[1] + at(p.count[1], h)) * p.count[2] + at(p.count[2], w), all);
        for (int64_t images = p.images; images >= most(1, p.images - 1); images--) {
          b.out[0] = b.in[0] = {0, images};
          body(b, block_sweep(s, b));
        }
      }
}

// unit: positions along the last two axes that a block has a multiple of. Run: what makes the convolution of a block.
template <typename Run>
TENON_INLINE ThroughPlan plan_through(const Sweep& s, int64_t unit, bool all) {
  ThroughPlan p;
  for (int i = 0; i < 3; i++) p.cut[i] = s.axis[i].out;
  if (s.images <= 0 || p.cut[0] <= 0 || p.cut[1] <= 0 || p.cut[2] <= 0) return p;
  const auto bytes = [&] {
    int64_t in = s.in * 4, out = s.out * 4;
    for (int i = 0; i < 3; i++) {
      in *= least(s.axis[i].size, rows_read(s.axis[i], p.cut[i]));
      out *= p.cut[i];
    }
    return in + out;
  };
  for (int i = 0; i < 3; i++) {
    const int64_t whole = i == 0 ? 1 : unit, pieces = ceil_div(s.axis[i].out, whole);
    for (int64_t n = 2; bytes() > kThroughBytes && p.cut[i] > whole; n++)
      p.cut[i] = ceil_div(pieces, least(n, pieces)) * whole;
    p.count[i] = ceil_div(s.axis[i].out, p.cut[i]);
  }
  p.images = p.whole() ? most(1, least(kThroughBytes / most(1, bytes()), s.images / kThroughBlocks)) : 1;
  p.groups = ceil_div(s.images, p.images);
  p.images = ceil_div(s.images, p.groups);
  for_kinds_of_block(s, p, all, [&](const ThroughBlock& b, const Sweep& own) {
    const auto need = [](uint64_t& most_bytes, uint64_t bytes) {
      most_bytes = bytes > most_bytes ? bytes : most_bytes;
    };
    need(p.into_bytes, round64((volume(b.in) * s.in + kTileCols) * 4));
    need(p.out_bytes, round64((volume(b.out) * s.out + kTileCols) * 4));
    const auto core = Run::plan(own, 1);
    need(p.weight_bytes, core.weight_bytes);
    need(p.core_bytes, Run::rest_bytes(core, 1));
  });
  return p;
}

// The source read by all blocks along each axis, over the source.
TENON_INLINE double read_again(const Sweep& s, const ThroughPlan& p) {
  double again = 1;
  for (int i = 0; i < 3; i++) {
    const int64_t borders = most(1, p.count[i]) - 1, width = most(0, rows_read(s.axis[i], 1) - s.axis[i].step);
    again += static_cast<double>(borders * width) / static_cast<double>(most(1, s.axis[i].size));
  }
  return again;
}

// Whether blocks gain: what lies between does not stay in the second cache anyway. Of cut images borders are made twice
// and what is kept is copied, which pays where it does not stay in the last cache either.
TENON_INLINE bool suits_through(const Sweep& s, const ThroughPlan& p) {
  if (p.blocks() == 0) return false;
  double sources = static_cast<double>(s.in * s.images), results = static_cast<double>(s.out * s.images);
  for (int i = 0; i < 3; i++) {
    sources *= static_cast<double>(s.axis[i].size);
    results *= static_cast<double>(s.axis[i].out);
  }
  const double between = 4 * (sources + results);
  return p.whole() ? between > kThroughBytes : between > kLastBytes && read_again(s, p) < 1.08;
}

// All on the thread that it is called on.
TENON_INLINE Runtime alone(uint8_t* scratch) {
  Runtime rt;
  rt.scratch = scratch;
  rt.parallel = [](const Runtime&, uint32_t tasks, void (*fn)(void*, uint32_t, uint32_t), void* arg) {
    for (uint32_t i = 0; i < tasks; i++) fn(arg, i, 0);
  };
  return rt;
}

struct ThroughRun {
  const Sweep& s;  // the convolution: its source and results are the blocks' own
  const ThroughPlan& p;
  const Through& t;
  int64_t source[4], results[4];  // positions of x and y along images and axes

  ThroughRun(const Sweep& sweep, const ThroughPlan& plan, const Through& through) : s(sweep), p(plan), t(through) {
    source[0] = results[0] = s.images;
    for (int i = 0; i < 3; i++) {
      source[1 + i] = s.axis[i].size;
      results[1 + i] = s.axis[i].out;
    }
  }

  // c = start + x * thin, some rows at a time, for all columns of them.
  static void rows(const Thin& thin, float* c, const float* x, int64_t n, const float* bias, bool more,
                   uint32_t activation) {
    for (int64_t i = 0; i < n; i += kThinRows) {
      const int64_t here = least(kThinRows, n - i);
      float* to = c + i * thin.cols;
      thin.rows(to, thin.cols, x + i * thin.inner, thin.inner, here, more ? to : bias, more ? thin.cols : 0,
                !more && !bias);
      activate_rows(activation, to, thin.cols, here, thin.cols);
    }
  }

  // The same past the caches, of results of which the last one holds but a part. A tile leaves while the next one is
  // made. out: room for two tiles.
  bool streams() const {
    const int64_t bytes = results[0] * results[1] * results[2] * results[3] * t.widen.cols * 4;
    return !t.more && t.activation <= kRelu && t.widen.cols % kTileCols == 0 && t.widen.inner <= kDepth &&
           bytes > kLastBytes && reinterpret_cast<uintptr_t>(t.y) % (4 * kLanes) == 0;
  }
  void widen_rows(float* y, const float* x, int64_t n, float* tiles, Carried& carried) const {
    const bool streaming = streams();
    TileCall call;
    call.a_row = call.k = t.widen.inner;
    call.a_step = 1;
    call.floor = floor_of(t.activation);
    const int64_t row_tiles = ceil_div(n, kTileRows);
    for (int64_t i = 0; i < row_tiles; i++) {
      const int64_t row = part(n, i, row_tiles), count = part(n, i + 1, row_tiles) - row;
      call.a = x + row * call.a_row;
      for (int64_t col = 0; col < t.widen.cols; col += kTileCols) {
        call.cols = static_cast<int>(least(kTileCols, t.widen.cols - col));
        call.b = t.widen.packed + col * call.k;
        call.b_step = panel_width(call.cols);
        float* to = y + row * t.widen.cols + col;
        if (!streaming) {
          call.c = to;
          call.c_row = t.widen.cols;
          call.init = t.more ? to : t.bias ? t.bias + col : kTileZeros;
          call.init_row = t.more ? call.c_row : 0;
          tile_function(kStep, static_cast<int>(count), call.cols)(call);
          continue;
        }
        call.init = t.bias ? t.bias + col : kTileZeros;
        call.c = carried.from == tiles ? tiles + kTileRows * kTileCols : tiles;
        call.c_row = kTileCols;
        carrying_tile_function(static_cast<int>(count))(call, carried);
        carried = {to, t.widen.cols, call.c, count};
      }
    }
  }

  // What this block is the first to read goes to where it is kept.
  void keep_into(const ThroughBlock& b, const float* into) const {
    Box box, tight;
    for (int i = 0; i < 4; i++) {
      box[i] = i == 0 ? b.in[0] : first_read_by(s.axis[i - 1], b.out[i]);
      tight[i] = {box[i].from - b.in[i].from, box[i].to - b.in[i].from};
    }
    const int64_t run = box[3].count() * s.in;
    const auto line = [](const int64_t(&size)[4], const Box& at, int64_t i, int64_t d, int64_t h) {
      return (((at[0].from + i) * size[1] + at[1].from + d) * size[2] + at[2].from + h) * size[3] + at[3].from;
    };
    const int64_t own[4] = {b.in[0].count(), b.in[1].count(), b.in[2].count(), b.in[3].count()};
    for (int64_t i = 0; i < box[0].count(); i++)
      for (int64_t d = 0; d < box[1].count(); d++)
        for (int64_t h = 0; h < box[2].count(); h++)
          copy_run(t.kept_into + line(source, box, i, d, h) * s.in, into + line(own, tight, i, d, h) * s.in, run);
  }

  // core(runtime, sweep) makes the convolution of a block.
  template <typename Core>
  void block(int64_t number, uint8_t* own, const Core& core) const {
    const ThroughBlock b = through_block(s, p, number, t.kept_into != nullptr);
    Sweep tight = block_sweep(s, b);
    float* into = reinterpret_cast<float*>(own);
    float* out = reinterpret_cast<float*>(own + p.into_bytes);
    if (p.whole() && t.kept_into) into = t.kept_into + b.in[0].from * tight.src_image;
    if (p.whole() && t.kept_out) out = t.kept_out + b.out[0].from * tight.dst_image;
    for_runs(source, b.in, [&](int64_t at, int64_t mine, int64_t n) {
      rows(t.narrow, into + mine * s.in, t.x + at * t.narrow.inner, n, nullptr, false, kNone);
    });
    if (!p.whole() && t.kept_into) keep_into(b, into);
    tight.src = into;
    tight.dst = out;
    alignas(64) float tiles[2 * kTileRows * kTileCols];
    Carried carried;
    core(alone(own + p.into_bytes + p.out_bytes), tight);
    for_runs(results, b.out, [&](int64_t at, int64_t mine, int64_t n) {
      if (!p.whole() && t.kept_out) copy_run(t.kept_out + at * s.out, out + mine * s.out, n * s.out);
      widen_rows(t.y + at * t.widen.cols, out + mine * s.out, n, tiles, carried);
    });
    carry(carried);
    if (streams()) stream_fence();
  }
};

template <typename Run, typename Weights>
TENON_INLINE void through(const Runtime& rt, const Sweep& s, const ThroughPlan& p, const Weights& weights,
                          const Through& t) {
  if (p.blocks() == 0) return;
  float* packed = reinterpret_cast<float*>(rt.scratch);
  uint8_t* owns = rt.scratch + p.weight_bytes;
  const Sweep first = block_sweep(s, through_block(s, p, 0, t.kept_into != nullptr));
  const Run packer{first, Run::plan(first, 1), weights, packed, owns + p.into_bytes + p.out_bytes};
  packer.pack(alone(owns));
  const ThroughRun run(s, p, t);
  parallel_for(rt, static_cast<uint32_t>(p.blocks()), [&](uint32_t block, uint32_t worker) {
    run.block(block, owns + worker * p.own_bytes(), [&](const Runtime& own, const Sweep& tight) {
      Run{tight, Run::plan(tight, 1), weights, packed, own.scratch}.make(own);
    });
  });
}

}  // namespace tenon::TENON_ISA
