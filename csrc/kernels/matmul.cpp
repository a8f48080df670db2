// Batched matrix products: maps the op's arrays to products of matrices. The arithmetic is
// gemm's, or gemm_pairs'.
#include <optional>

#include "kernels/epilogue.h"
#include "kernels/gemm_pairs.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

/// The product's matrices and where each of the batch lies.
struct Product {
  GemmPlan plan;
  std::optional<PairsPlan> pairs;  // runs instead, where there is one
  Shape batch;
  Strides a, b;  // elements between matrices along the batch dimensions, 0 where repeated

  GemmOperands at(int64_t i, In in, Out out) const {
    int64_t at_a = 0, at_b = 0, rest = i;
    for (int d = batch.size() - 1; d >= 0; --d) {
      const int64_t index = rest % batch[d];
      rest /= batch[d];
      at_a += index * a[d];
      at_b += index * b[d];
    }
    const auto element = [](const View& v, int64_t index) {
      return static_cast<char*>(v.data) + index * static_cast<int64_t>(size_of(v.dtype));
    };
    return {element(in[0], at_a), element(in[1], at_b),
            element(out[0], i * plan.shape.m * plan.shape.n), in.has(2) ? in[2].data : nullptr};
  }
};

/// The batch dimensions of an operand: all but the matrix's, whose elements count as one.
Strides batch_strides(const View& v, int matrix_rank, const Shape& batch) {
  Shape shape = v.shape;
  Strides strides = v.strides;
  for (int i = 0; i < matrix_rank; ++i) shape.pop_back(), strides.pop_back();
  return broadcast_strides(shape, strides, batch);
}

Product make_product(const Matmul& op, In in, Out out, const Kept* kept) {
  const View &a = in[0], &b = in[1];
  const bool vector_a = a.rank() == 1, vector_b = b.rank() == 1;
  const bool transpose_a = op.transpose_a && !vector_a, transpose_b = op.transpose_b && !vector_b;
  const int64_t a_rows = vector_a ? 1 : a.shape[a.rank() - 2], a_cols = a.shape.back();
  const int64_t b_cols = vector_b ? 1 : b.shape.back();
  MatrixLayout in_a{true, false, a_cols}, in_b{true, false, b_cols};
  if (!vector_a) in_a = matrix_layout(a.shape, a.strides);
  if (!vector_b) in_b = matrix_layout(b.shape, b.strides);
  GemmShape s{};
  s.m = transpose_a ? a_cols : a_rows;
  s.k = transpose_a ? a_rows : a_cols;
  s.n = transpose_b ? b.shape[b.rank() - 2] : b_cols;
  s.lda = in_a.outer, s.ldb = in_b.outer, s.ldc = s.n;
  s.transpose_a = transpose_a != in_a.transposed, s.transpose_b = transpose_b != in_b.transposed;
  s.a = a.dtype, s.b = b.dtype, s.c = out[0].dtype;

  Product p;
  p.batch = out[0].shape;
  for (int i = vector_a + vector_b; i < 2; ++i) p.batch.pop_back();
  p.a = batch_strides(a, vector_a ? 1 : 2, p.batch);
  p.b = batch_strides(b, vector_b ? 1 : 2, p.batch);
  int64_t matrices = count(p.batch);
  bool one_b = true;
  for (int d = 0; d < p.batch.size(); ++d) one_b = one_b && (p.batch[d] == 1 || p.b[d] == 0);
  // One B for all of a dense A: the batch is only more rows.
  if (one_b && !transpose_a && a.dense() && a.size() == matrices * s.m * s.k) {
    s.m *= matrices;
    matrices = 1;
    p.batch.clear(), p.a.clear(), p.b.clear();
  }
  p.plan = plan_gemm(s, matrices, kept);
#if PN_PAIR_PRODUCTS
  if (s.a == DType::BFloat16 && s.b == s.a && s.c == s.a) p.pairs = plan_pairs(s, matrices);
#endif
  return p;
}

size_t keeps(const Matmul& op, In in, Out out) noexcept {
  if (out[0].size() == 0) return 0;
  const Kept kept{};
  const Product p = make_product(op, in, out, &kept);
  return p.pairs ? 0 : gemm_keeps(p.plan);
}

size_t scratch(const Matmul& op, In in, Out out) noexcept {
  if (out[0].size() == 0) return 0;  // nothing to compute: plans are for products that exist
  const Product p = make_product(op, in, out, nullptr);
  return p.pairs ? pairs_scratch(*p.pairs) : gemm_scratch(p.plan);
}

void run(const Matmul& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Product p = make_product(op, in, out, ctx.kept());
  const Epilogue epilogue(ctx, out[0]);
  const auto operands = [&](int64_t i) { return p.at(i, in, out); };
  const auto multiply = [&](auto done) {
#if PN_PAIR_PRODUCTS
    if (p.pairs) return gemm_pairs(ctx, *p.pairs, operands, ctx.scratch(), done);
#endif
    gemm(ctx, p.plan, operands, ctx.scratch(), done);
  };
  if (!epilogue) return multiply([](int64_t, const MatrixPart&) {});
  multiply([&](int64_t i, const MatrixPart& part) {
    const int64_t row = i * (p.plan.swapped ? p.plan.shape.n : p.plan.shape.m);
    epilogue.run({row + part.i0, row + part.i1, part.j0, part.j1});
  });
}

}  // namespace

Kernel kernel(Tag<Matmul>) { return make_kernel<Matmul, run, scratch, keeps>(); }

}  // namespace pyneuro
