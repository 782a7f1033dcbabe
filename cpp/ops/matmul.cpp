// y[n] = a[n] b[n], either side transposed.
#include "gen/attrs.h"
#include "ops/product.h"

namespace tenon::TENON_ISA {
namespace {

Product product_of(const Step& s) {
  const MatmulAttrs at = MatmulAttrs::read(s.attrs);
  const View &a = s.in[0], &b = s.in[1], &y = s.out[0];
  const uint32_t d = a.rank - 2;  // 1 where there is a batch
  const int64_t rows = static_cast<int64_t>(y.dims[d]), cols = static_cast<int64_t>(y.dims[d + 1]);
  const int64_t inner = static_cast<int64_t>(a.dims[at.trans_a ? d : d + 1]);
  Product p;
  p.shape = {rows, cols, inner, d ? static_cast<int64_t>(a.dims[0]) : 1, a.made, b.made};
  p.left = {at.trans_a ? Matrix{f32(a), 1, rows} : Matrix{f32(a), inner, 1}, rows * inner};
  p.right = {at.trans_b ? Matrix{f32(b), 1, inner} : Matrix{f32(b), cols, 1}, inner * cols};
  p.precision = at.precision;
  p.memo = s.memo;
  return p;
}

Status check(const Step& s) {
  const MatmulAttrs at = MatmulAttrs::read(s.attrs);
  const View &a = s.in[0], &b = s.in[1], &y = s.out[0];
  if (a.rank < 2 || a.rank > 3 || b.rank != a.rank || y.rank != a.rank)
    return {Code::kBadPlan, "matmul takes two matrices, or two batches of them", -1, "rank"};
  const uint32_t d = a.rank - 2;
  if (d && (a.dims[0] != b.dims[0] || a.dims[0] != y.dims[0]))
    return {Code::kBadPlan, "matmul's batches differ", -1, "dims"};
  const uint64_t m = a.dims[at.trans_a ? d + 1 : d], k = a.dims[at.trans_a ? d : d + 1];
  const uint64_t k2 = b.dims[at.trans_b ? d + 1 : d], n = b.dims[at.trans_b ? d : d + 1];
  if (k != k2) return {Code::kBadPlan, "matmul's inner sizes differ", -1, "dims"};
  if (y.dims[d] != m || y.dims[d + 1] != n) return {Code::kBadPlan, "matmul's result has another shape", -1, "dims"};
  return {};
}

uint64_t scratch(const Step& s, int threads) { return product_of(s).scratch(threads); }

Status run(const Step& s, const Runtime& rt) {
  const Product p = product_of(s);
  p.run(rt, rt.scratch, GemmOut{f32(s.out[0]), p.shape.cols, p.shape.rows * p.shape.cols}, NoAfter{});
  return {};
}

}  // namespace

extern const Kernel matmul_kernel;
const Kernel matmul_kernel = {check, scratch, run};

}  // namespace tenon::TENON_ISA
