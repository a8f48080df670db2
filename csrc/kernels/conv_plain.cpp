// Convolution with a window of one pixel, stride 1 and no padding: the matrix product of all pixels
// with the kernel, in place.
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace pyneuro {
namespace {

bool applies(const ConvProblem& p) {
  bool whole = p.groups == 1 && p.taps() == 1;
  for (int d = 0; d < 3; ++d) whole = whole && p.stride[d] == 1 && p.low[d] == 0 && p.in[d] == p.out[d];
  return whole;
}

GemmPlan plan(const ConvProblem& p) {
  const int64_t pixels = p.batch * p.in_pixels();
  GemmShape s{};
  s.a = s.b = s.c = p.dtype;
  switch (p.step) {
    case ConvStep::Forward:  // y[pixels, O] = x[pixels, C] kernel[C, O]
      s.m = pixels, s.n = p.filters, s.k = p.channels;
      s.lda = p.channels, s.ldb = p.filters, s.ldc = p.filters;
      break;
    case ConvStep::InputGrad:  // dx[pixels, C] = g[pixels, O] kernel^T
      s.m = pixels, s.n = p.channels, s.k = p.filters;
      s.lda = p.filters, s.ldb = p.filters, s.ldc = p.channels, s.transpose_b = true;
      break;
    case ConvStep::KernelGrad:  // dkernel[C, O] = x^T g[pixels, O]
      s.m = p.channels, s.n = p.filters, s.k = pixels;
      s.lda = p.channels, s.ldb = p.filters, s.ldc = p.filters, s.transpose_a = true;
      break;
  }
  return plan_gemm(s);
}

size_t scratch(const ConvProblem& p) { return gemm_scratch(plan(p)); }

void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  gemm(ctx, plan(p), [&](int64_t) { return GemmOperands{x.a, x.b, x.c, x.bias}; }, ctx.scratch());
}

}  // namespace

ConvAlgorithm conv_plain() { return {"plain", applies, scratch, run}; }

}  // namespace pyneuro
