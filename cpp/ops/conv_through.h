// A convolution between two products with small matrices, y = (conv of x * into) * out: a block of positions takes all
// three stages on one thread, so that what has the convolution's own few channels stays in the second cache. Every
// block is a sweep of its own.
#pragma once
#include "ops/conv_blocks.h"
#include "ops/sweep.h"
#include "ops/thin_wide.h"

namespace tenon::TENON_ISA {

constexpr int64_t kThroughBytes = int64_t{448} << 10;  // of a block, between the products
constexpr int64_t kThroughBlocks = 16;                 // at least, of many images
constexpr int64_t kSecondBytes = int64_t{1} << 20;     // hardly stays in the second cache

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

// The part of the source that positions [from, to) read; all of it is also what no position reads.
TENON_INLINE Stretch read_by(const Axis& a, const Stretch& out) {
  if (out.count() == a.out) return {0, a.size};
  const auto inside = [&](int64_t i) { return i < 0 ? 0 : least(i, a.size); };
  const int64_t from = out.from * a.step - a.pad;
  return {inside(from), inside(from + rows_read(a, out.count()))};
}

struct ThroughBlock {
  Box out, in;
};
TENON_INLINE ThroughBlock through_block(const Sweep& s, const ThroughPlan& p, int64_t block) {
  ThroughBlock b;
  for (int i = 2; i >= 0; i--) {
    const int64_t at = block % p.count[i] * p.cut[i];
    block /= p.count[i];
    b.out[1 + i] = {at, least(at + p.cut[i], s.axis[i].out)};
    b.in[1 + i] = read_by(s.axis[i], b.out[1 + i]);
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

// Whether no more than two parts at either end of an axis read beyond it, so that those between them are alike.
TENON_INLINE bool cuts_alike(const Axis& a, int64_t cut) {
  if (cut >= a.out) return true;
  const int64_t window = rows_read(a, 1), last = (a.out - 1) * a.step - a.pad;
  return window - a.step <= cut * a.step && a.pad < window && last < a.size;
}

// Calls body(sweep) for the sweeps of all sizes that blocks have.
template <typename Body>
TENON_INLINE void for_kinds_of_block(const Sweep& s, const ThroughPlan& p, const Body& body) {
  const auto kinds = [](int64_t n) { return least(n, int64_t{5}); };
  const auto at = [](int64_t n, int64_t kind) { return kind < 3 ? kind : most(kind, n - 5 + kind); };
  for (int64_t d = 0; d < kinds(p.count[0]); d++)
    for (int64_t h = 0; h < kinds(p.count[1]); h++)
      for (int64_t w = 0; w < kinds(p.count[2]); w++) {
        ThroughBlock b =
            through_block(s, p, (at(p.count[0], d) * p.count[1] + at(p.count[1], h)) * p.count[2] + at(p.count[2], w));
        for (int64_t images = p.images; images >= most(1, p.images - 1); images--) {
          b.out[0] = b.in[0] = {0, images};
          body(b, block_sweep(s, b));
        }
      }
}

// The largest number from 1 to `end` that fits, where what is larger than one that does not fit does not either; at
// least 1.
template <typename Fits>
TENON_INLINE int64_t most_that(int64_t end, const Fits& fits) {
  int64_t low = 1;
  for (int64_t high = end; low < high;) {
    const int64_t middle = high - (high - low) / 2;
    if (fits(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// unit: positions along the last two axes that a block has a multiple of. Run: what makes the convolution of a block.
template <typename Run>
TENON_INLINE ThroughPlan plan_through(const Sweep& s, int64_t unit) {
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
    if (bytes() > kThroughBytes) {
      const int64_t step = i == 0 ? 1 : unit, steps = ceil_div(s.axis[i].out, step);
      const int64_t fit = most_that(steps, [&](int64_t n) {
        p.cut[i] = n * step;
        return bytes() <= kThroughBytes;
      });
      p.cut[i] = ceil_div(steps, ceil_div(steps, fit)) * step;
    }
    p.count[i] = ceil_div(s.axis[i].out, p.cut[i]);
  }
  for (int i = 0; i < 3; i++)
    if (!cuts_alike(s.axis[i], p.cut[i])) return p;
  p.images = p.whole() ? most(1, least(kThroughBytes / most(1, bytes()), s.images / kThroughBlocks)) : 1;
  p.groups = ceil_div(s.images, p.images);
  p.images = ceil_div(s.images, p.groups);
  for_kinds_of_block(s, p, [&](const ThroughBlock& b, const Sweep& own) {
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

// Whether blocks gain: what lies between does not stay in the second cache anyway. Of cut images borders are made
// twice, and what is kept would be copied.
TENON_INLINE bool suits_through(const Sweep& s, const ThroughPlan& p, bool keeps) {
  if (p.blocks() == 0) return false;
  double sources = static_cast<double>(s.in * s.images), results = static_cast<double>(s.out * s.images);
  for (int i = 0; i < 3; i++) {
    sources *= static_cast<double>(s.axis[i].size);
    results *= static_cast<double>(s.axis[i].out);
  }
  const double between = 4 * (sources + results);
  if (p.whole()) return between > kThroughBytes;
  return !keeps && between > kSecondBytes && read_again(s, p) < 1.1;
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

  void narrow_rows(float* c, const float* x, int64_t n) const {
    const Thin& thin = t.narrow;
    for (int64_t i = 0; i < n; i += kThinRows)
      thin.rows(c + i * thin.cols, thin.cols, x + i * thin.inner, thin.inner, least(kThinRows, n - i), nullptr, 0,
                true);
  }

  // core(runtime, sweep) makes the convolution of a block.
  template <typename Core>
  void block(int64_t number, uint8_t* own, const Core& core) const {
    const ThroughBlock b = through_block(s, p, number);
    Sweep tight = block_sweep(s, b);
    float* into = t.kept_into ? t.kept_into + b.in[0].from * tight.src_image : reinterpret_cast<float*>(own);
    float* out =
        t.kept_out ? t.kept_out + b.out[0].from * tight.dst_image : reinterpret_cast<float*>(own + p.into_bytes);
    for_runs(source, b.in, [&](int64_t at, int64_t mine, int64_t n) {
      narrow_rows(into + mine * s.in, t.x + at * t.narrow.inner, n);
    });
    tight.src = into;
    tight.dst = out;
    core(alone(own + p.into_bytes + p.out_bytes), tight);
    const WideRows wide{t.widen, t.bias, t.y, results[0] * results[1] * results[2] * results[3]};
    for_runs(results, b.out, [&](int64_t at, int64_t mine, int64_t n) { wide.make(at, n, out + mine * s.out); });
  }
};

// What is kept is kept of whole images.
template <typename Run, typename Weights>
TENON_INLINE void through(const Runtime& rt, const Sweep& s, const ThroughPlan& p, const Weights& weights,
                          const Through& t) {
  if (p.blocks() == 0) return;
  float* packed = reinterpret_cast<float*>(rt.scratch);
  uint8_t* owns = rt.scratch + p.weight_bytes;
  const Sweep first = block_sweep(s, through_block(s, p, 0));
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
