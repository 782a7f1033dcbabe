// Weights whose rows lie side by side in panels, as a product reads them: [panels, width, kPanel] of [out, width],
// zeros in place of rows past the last.
#pragma once
#include "ops/pack.h"

namespace tenon::TENON_ISA {

constexpr int kPanel = 32;
static_assert(kPanel % kTileCols == 0, "a tile reads one panel");

// As the right side of x weightᵀ: read where it lies, also past its last column.
struct RightPanels {
  const float* data = nullptr;
  int64_t inner = 0;
  RightPanels of(int64_t) const { return *this; }
  static constexpr bool direct() { return true; }
  static constexpr bool padded() { return true; }
  Matrix at(int64_t k, int64_t col) const {
    return {data + (col / kPanel * inner + k) * kPanel + col % kPanel, kPanel, 1};
  }
  void pack(float* to, int64_t k0, int64_t k, int64_t col, int cols) const {
    pack_copy(to, panel_width(cols), at(k0, col).data, kPanel, k, cols);
  }
};

}  // namespace tenon::TENON_ISA
