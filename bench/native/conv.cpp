// Convolutions through dispatch, forward and both gradients: GFLOP/s of the forward's
// multiply-adds, and the share of what the machine can do. Sizes: batch, height and width,
// channels, filters.
#include "measure.h"

namespace pyneuro::bench {
namespace {

struct Kind {
  int64_t window, stride, pad;
  bool depthwise;
};

struct Arrays { Array x, kernel, y; };
Arrays arrays_of(const benchmark::State& run, const Kind& kind) {
  const int64_t n = run.range(0), size = run.range(1), channels = run.range(2);
  const int64_t filters = kind.depthwise ? channels : run.range(3);
  const int64_t out = (size + 2 * kind.pad - kind.window) / kind.stride + 1;
  return {filled({n, size, size, channels}),
          filled({kind.window, kind.window, kind.depthwise ? 1 : channels, filters}),
          filled({n, out, out, filters})};
}

template <class Op> Op make_op(const Kind& kind, const Arrays& a) {
  Op op{};
  op.strides = {kind.stride, kind.stride};
  op.dilations = {1, 1};
  op.padding = {kind.pad, kind.pad, kind.pad, kind.pad};
  op.groups = kind.depthwise ? a.x.shape()[3] : 1;
  return op;
}

template <class Op>
void measure_op(benchmark::State& run, const Arrays& a, const Op& op, const Array& first,
                const Array& second) {
  const Array* inputs[] = {&first, &second};
  const Shape& k = a.kernel.shape();
  measure(
      run, 2.0 * double(count(a.y.shape())) * double(k[0] * k[1] * k[2]), "GFLOP/s",
      [&] { dispatch(op, inputs); }, fma_rate);
}

void forward(benchmark::State& run, Kind kind) {
  const Arrays a = arrays_of(run, kind);
  measure_op(run, a, make_op<Conv>(kind, a), a.x, a.kernel);
}
void input_grad(benchmark::State& run, Kind kind) {
  const Arrays a = arrays_of(run, kind);
  auto op = make_op<ConvInputGrad>(kind, a);
  op.size = {run.range(1), run.range(1)};
  measure_op(run, a, op, a.y, a.kernel);
}
void kernel_grad(benchmark::State& run, Kind kind) {
  const Arrays a = arrays_of(run, kind);
  auto op = make_op<ConvKernelGrad>(kind, a);
  op.size = {kind.window, kind.window};
  measure_op(run, a, op, a.x, a.y);
}

void named(benchmark::internal::Benchmark* rows) {
  rows->ArgNames({"n", "size", "in", "out"})->UseManualTime()->Unit(benchmark::kMicrosecond);
}
/// A first layer, then layers of a VGG and of a small network.
void sizes(benchmark::internal::Benchmark* rows) {
  rows->Args({4, 224, 3, 64})->Args({4, 56, 256, 256})->Args({4, 28, 512, 512});
  rows->Args({4, 14, 512, 512})->Args({128, 14, 32, 64});
  named(rows);
}
void strided_sizes(benchmark::internal::Benchmark* rows) {
  rows->Args({4, 56, 128, 256})->Args({4, 224, 3, 32});
  named(rows);
}
void depthwise_sizes(benchmark::internal::Benchmark* rows) {
  rows->Args({4, 112, 64, 64})->Args({4, 28, 256, 256})->Args({4, 14, 512, 512});
  named(rows);
}

constexpr Kind kSquare{3, 1, 1, false}, kStrided{3, 2, 1, false}, kPixel{1, 1, 0, false},
    kDepthwise{3, 1, 1, true};

BENCHMARK_CAPTURE(forward, conv3x3, kSquare)->Apply(sizes);
BENCHMARK_CAPTURE(input_grad, conv3x3, kSquare)->Apply(sizes);
BENCHMARK_CAPTURE(kernel_grad, conv3x3, kSquare)->Apply(sizes);
BENCHMARK_CAPTURE(forward, conv3x3_stride2, kStrided)->Apply(strided_sizes);
BENCHMARK_CAPTURE(input_grad, conv3x3_stride2, kStrided)->Apply(strided_sizes);
BENCHMARK_CAPTURE(kernel_grad, conv3x3_stride2, kStrided)->Apply(strided_sizes);
BENCHMARK_CAPTURE(forward, conv1x1, kPixel)->Apply(strided_sizes);
BENCHMARK_CAPTURE(forward, depthwise3x3, kDepthwise)->Apply(depthwise_sizes);
BENCHMARK_CAPTURE(input_grad, depthwise3x3, kDepthwise)->Apply(depthwise_sizes);
BENCHMARK_CAPTURE(kernel_grad, depthwise3x3, kDepthwise)->Apply(depthwise_sizes);

}  // namespace
}  // namespace pyneuro::bench
