// Pooling and resampling, forward and backward: GB/s of what they read and write, and the share of
// a copy.
#include "measure.h"

namespace pyneuro::bench {
namespace {

template <class Op> Op pooling(int64_t window, const Shape& x) {
  Op op{};
  op.window = {window, window}, op.strides = {2, 2}, op.padding = {0, 0, 0, 0};
  if constexpr (requires { op.size; }) op.size = {x[1], x[2]};
  return op;
}

Shape pooled(const Shape& x, int64_t window) {
  return {x[0], (x[1] - window) / 2 + 1, (x[2] - window) / 2 + 1, x[3]};
}

void pool_of(Bench& bench, const Shape& x, int64_t window) {
  const std::string what = join(window, "x", window, ", strides 2, ", by(x));
  const Shape y = pooled(x, window);
  const auto index = [&] { return numbers(y, window * window, DType::UInt8); };
  bench.row(title<MaxPool>(what), [&] { return moving(pooling<MaxPool>(window, x), {filled(x)}); });
  bench.row(title<MaxPoolGrad>(what),
            [&] { return moving(pooling<MaxPoolGrad>(window, x), {filled(y), index()}); });
  bench.row(title<MaxPoolTake>(what),
            [&] { return moving(pooling<MaxPoolTake>(window, x), {filled(x), index()}); });
  bench.row(title<AveragePool>(what),
            [&] { return moving(pooling<AveragePool>(window, x), {filled(x)}); });
  bench.row(title<AveragePoolGrad>(what),
            [&] { return moving(pooling<AveragePoolGrad>(window, x), {filled(y)}); });
}

/// Twice as many along `axis`, from two neighbours each.
void resample_of(Bench& bench, const Shape& x, int64_t axis) {
  const std::string what = join("x 2 along ", axis, ", ", by(x));
  const int64_t size = x[int(axis)], taps = 2;
  Shape y = x;
  y[int(axis)] = 2 * size;
  const auto first = [&] {
    const Array ramp = run(Arange{0, 0.5, 2 * size, DType::Float32}, {});
    const Array last = run(Full{{}, double(size - taps), DType::Float32}, {});
    return run(Cast{DType::Int32}, {run(Binary<formulas::Minimum>{}, {ramp, last})});
  };
  auto gradient = with_defaults<ResampleGrad>();
  gradient.axis = axis, gradient.size = size;
  const auto weights = [&] { return filled({2 * size, taps}); };
  bench.row(title<Resample>(what),
            [&] { return moving(Resample{axis}, {filled(x), weights(), first()}); });
  bench.row(title<ResampleGrad>(what),
            [&] { return moving(gradient, {filled(y), weights(), first()}); });
}

}  // namespace

void image_rows(Bench& bench) {
  const int64_t size = bench.sized(113), channels = bench.sized(64);
  for (const int64_t batch : {1, 8}) {
    const Shape x{batch, size, size, channels};
    for (const int64_t window : {2, 3}) pool_of(bench, x, window);
    for (const int64_t axis : {1, 2}) resample_of(bench, x, axis);
  }
}

}  // namespace pyneuro::bench
