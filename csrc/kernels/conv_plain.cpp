// Convolutions that are a matrix product as they lie: a window of one pixel (stride 1, no padding),
// where the rows are pixels, and a window as large as the input, where they are images.
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace pyneuro {
namespace {

bool applies(const ConvProblem& p) {
  bool pixels = p.groups == 1, images = p.groups == 1;
  for (int d = 0; d < 3; ++d) {
    pixels = pixels && p.window[d] == 1 && p.stride[d] == 1 && p.low[d] == 0 && p.in[d] == p.out[d];
    images =
        images && p.window[d] == p.in[d] && p.dilation[d] == 1 && p.low[d] == 0 && p.out[d] == 1;
  }
  return pixels || images;
}

GemmPlan plan(const ConvProblem& p, const Kept* kept) {
  const int64_t rows = p.batch * p.out_pixels(), depth = p.taps() * p.channels;
  GemmShape s{};
  s.a = s.b = s.c = p.dtype;
  switch (p.step) {
    case ConvStep::Forward:  // y[rows, O] = x[rows, depth] kernel[depth, O]
      s.m = rows, s.n = p.filters, s.k = depth;
      s.lda = depth, s.ldb = p.filters, s.ldc = p.filters;
      break;
    case ConvStep::InputGrad:  // dx[rows, depth] = g[rows, O] kernel^T
      s.m = rows, s.n = depth, s.k = p.filters;
      s.lda = p.filters, s.ldb = p.filters, s.ldc = depth, s.transpose_b = true;
      break;
    case ConvStep::KernelGrad:  // dkernel[depth, O] = x^T g[rows, O]
      s.m = depth, s.n = p.filters, s.k = rows;
      s.lda = depth, s.ldb = p.filters, s.ldc = p.filters, s.transpose_a = true;
      break;
  }
  return plan_gemm(s, 1, kept);
}

size_t keeps(const ConvProblem& p) {
  const Kept kept{};
  return gemm_keeps(plan(p, &kept));
}

size_t scratch(const ConvProblem& p) { return gemm_scratch(plan(p, nullptr)); }

void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const auto operands = [&](int64_t) { return GemmOperands{x.a, x.b, x.c, x.bias}; };
  gemm(ctx, plan(p, x.kept), operands, ctx.scratch(), [&](int64_t, const MatrixPart& part) {
    if (x.epilogue) x.epilogue.run(part);
  });
}

}  // namespace

ConvAlgorithm conv_plain() { return {"plain", applies, scratch, run, true, keeps}; }

}  // namespace pyneuro
