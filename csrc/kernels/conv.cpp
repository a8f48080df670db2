// Convolution and its gradients: what the ops say as one geometry, and the choice of the algorithm.
#include "kernels/conv.h"

#include <cstdlib>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace pyneuro {
namespace {

/// The most special first; the last always applies. A new algorithm is a line here.
constexpr ConvAlgorithm (*kAlgorithms[])() = {conv_plain, conv_depthwise, conv_winograd,
                                              conv_columns, conv_implicit};

/// What PYNEURO_CONV_ALGO names: it wins wherever it applies. Read once. Null: the list decides.
const char* preferred() {
  static const char* const name = [] {
    const char* text = std::getenv("PYNEURO_CONV_ALGO");
    return text != nullptr && *text != '\0' ? text : nullptr;
  }();
  return name;
}

bool known(const char* name) {
  for (const auto algorithm : kAlgorithms)
    if (std::strcmp(algorithm().name, name) == 0) return true;
  return false;
}

ConvAlgorithm choose(const ConvProblem& p) {
  if (const char* name = preferred())
    for (const auto algorithm : kAlgorithms)
      if (std::strcmp(algorithm().name, name) == 0 && algorithm().applies(p)) return algorithm();
  for (const auto algorithm : kAlgorithms)
    if (algorithm().applies(p)) return algorithm();
  __builtin_unreachable();  // conv_implicit applies to everything
}

template <class Op>
ConvProblem make_problem(const Op& op, ConvStep step, const View& x, const View& kernel,
                         const View& y) {
  ConvProblem p{};
  const int spatial = x.rank() - 2;
  p.step = step;
  p.dtype = x.dtype;
  p.batch = x.shape[0], p.channels = x.shape.back(), p.filters = y.shape.back();
  p.groups = op.groups;
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - spatial);
    const bool given = i >= 0;
    p.in[d] = given ? x.shape[i + 1] : 1;
    p.out[d] = given ? y.shape[i + 1] : 1;
    p.window[d] = given ? kernel.shape[i] : 1;
    p.stride[d] = given ? op.strides[i] : 1;
    p.dilation[d] = given ? op.dilations[i] : 1;
    p.low[d] = given ? op.padding[2 * i] : 0;
  }
  return p;
}
ConvProblem problem_of(const Conv& op, In in, Out out) {
  return make_problem(op, ConvStep::Forward, in[0], in[1], out[0]);
}
ConvProblem problem_of(const ConvInputGrad& op, In in, Out out) {
  return make_problem(op, ConvStep::InputGrad, out[0], in[1], in[0]);
}
ConvProblem problem_of(const ConvKernelGrad& op, In in, Out out) {
  return make_problem(op, ConvStep::KernelGrad, in[0], out[0], in[1]);
}

template <class Op> size_t scratch(const Op& op, In in, Out out) noexcept {
  if (out[0].size() == 0) return 0;
  const ConvProblem p = problem_of(op, in, out);
  return choose(p).scratch(p);
}

template <class Op> size_t keeps(const Op& op, In in, Out out) noexcept {
  if (out[0].size() == 0) return 0;
  const ConvProblem p = problem_of(op, in, out);
  const ConvAlgorithm algorithm = choose(p);
  return algorithm.keeps != nullptr ? algorithm.keeps(p) : 0;
}

template <class Op> void run(const Op& op, Context& ctx, In in, Out out) noexcept {
  if (preferred() != nullptr && !known(preferred())) {
    ctx.fail(ErrorKind::Argument, 0,
             "conv: PYNEURO_CONV_ALGO must be 'plain', 'depthwise', 'winograd', "
             "'columns' or 'implicit'");
    return;
  }
  if (out[0].size() == 0) return;
  const ConvProblem p = problem_of(op, in, out);
  const ConvAlgorithm algorithm = choose(p);
  const Epilogue epilogue(ctx, out[0]);
  const void* bias = in.has(2) ? in[2].data : nullptr;
  algorithm.run(ctx, p, {in[0].data, in[1].data, bias, out[0].data, epilogue, ctx.kept()});
  if (epilogue && !algorithm.follows) epilogue.run_all(ctx);
}

template <class Op> Kernel conv_kernel() {
  return make_kernel<Op, run<Op>, scratch<Op>, keeps<Op>>();
}

int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  return a;
}

}  // namespace

ConvLine conv_forward_line(const ConvProblem& p, int d) {
  return {p.out[d], 0, 1, p.stride[d], p.window[d], 0, 1, -p.low[d], p.dilation[d]};
}

// dx[i] takes from g[o] through tap r where i = o stride + r dilation - low. For i = phase + stride
// j that needs (phase + low - r dilation) to be a multiple of the stride: every tap_step-th tap.
ConvLine conv_backward_line(const ConvProblem& p, int d, int64_t phase) {
  const int64_t s = p.stride[d], at = phase + p.low[d];
  ConvLine line{};
  line.count = ceil_div(larger(0, p.in[d] - phase), s);
  line.first = phase, line.stride = s;
  line.step = 1;
  line.tap_step = s / greatest_common_divisor(s, p.dilation[d]);
  while (line.tap < line.tap_step && (at - line.tap * p.dilation[d]) % s != 0) ++line.tap;
  if (line.tap < smaller(line.tap_step, p.window[d]))
    line.taps = ceil_div(p.window[d] - line.tap, line.tap_step);
  line.reach = (at - line.tap * p.dilation[d]) / s;
  line.reach_step = -(p.dilation[d] * line.tap_step / s);
  return line;
}

Kernel kernel(Tag<Conv>) { return conv_kernel<Conv>(); }
Kernel kernel(Tag<ConvInputGrad>) { return conv_kernel<ConvInputGrad>(); }
Kernel kernel(Tag<ConvKernelGrad>) { return conv_kernel<ConvKernelGrad>(); }

}  // namespace pyneuro
