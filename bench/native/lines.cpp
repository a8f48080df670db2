// Softmax, cross-entropy and normalization, forward and backward: GB/s of what must be read and
// written once, and the share of a copy. What reads its input twice stays below a copy beyond the
// caches.
#include "measure.h"

namespace pyneuro::bench {
namespace {

constexpr double kEpsilon = 1e-3;

/// Rows of several lengths, of about as many elements.
std::vector<Shape> shapes(const Bench& bench) {
  std::vector<Shape> found;
  for (const int64_t elements : {1 << 16, 1 << 22})
    for (const int64_t length : {256, 1000, 4096, 32768}) {
      const int64_t n = bench.sized(length);
      found.push_back({std::max<int64_t>(1, bench.sized(elements) / n), n});
    }
  return found;
}

void softmax_of(Bench& bench, const Shape& shape) {
  bench.row(title<Softmax>(by(shape)), [&] { return moving(Softmax{-1}, {filled(shape)}); });
  bench.row(title<LogSoftmax>(by(shape)), [&] { return moving(LogSoftmax{-1}, {filled(shape)}); });
  bench.row(title<SoftmaxGrad>(by(shape)), [&] {
    return moving(SoftmaxGrad{-1}, {run(Softmax{-1}, {filled(shape)}), filled(shape)});
  });
  bench.row(title<LogSoftmaxGrad>(by(shape)), [&] {
    return moving(LogSoftmaxGrad{-1}, {run(LogSoftmax{-1}, {filled(shape)}), filled(shape)});
  });
}

void crossentropy_of(Bench& bench, const Shape& shape) {
  const Shape rows{shape[0]};
  const auto target = [&] { return run(Softmax{-1}, {filled(shape)}); };
  bench.row(title<Crossentropy>(by(shape)),
            [&] { return moving(Crossentropy{}, {filled(shape), target()}); });
  bench.row(title<CrossentropyGrad>(by(shape)),
            [&] { return moving(CrossentropyGrad{}, {filled(shape), target(), filled(rows)}); });
  bench.row(title<SparseCrossentropy>(by(shape)),
            [&] { return moving(SparseCrossentropy{}, {filled(shape), numbers(rows, shape[1])}); });
  bench.row(title<SparseCrossentropyGrad>(by(shape)), [&] {
    return moving(SparseCrossentropyGrad{}, {filled(shape), numbers(rows, shape[1]), filled(rows)});
  });
}

/// x is [outer, rows, channels]; ops/normalization.h says what groups make of it.
void normalize_of(Bench& bench, const char* kind, const Shape& shape, int64_t groups, bool rms) {
  const std::string what = join(kind, ", ", by(shape));
  const Normalize op{groups, kEpsilon, rms};
  const auto scale = [&] { return filled({shape[2]}); };
  bench.row(title<Normalize>(what), [&] { return moving(op, {filled(shape), scale(), scale()}); });
  bench.row(title<NormalizeGrad>(what), [&] {
    const Array x = filled(shape);
    const Array* inputs[] = {&x};
    Outputs found = dispatch(op, inputs);
    return moving(NormalizeGrad{groups, kEpsilon, rms},
                  {x, found[1], found[2], filled(shape), scale()});
  });
}

void standardize_of(Bench& bench, const Shape& shape) {
  bench.row(title<Standardize>(by(shape)), [&] {
    const Array row = filled({shape.back()}),
                one = run(Full{{shape.back()}, 1.0, DType::Float32}, {});
    return moving(Standardize{kEpsilon}, {filled(shape), row, one, row, row});
  });
}

}  // namespace

void line_rows(Bench& bench) {
  for (const Shape& shape : shapes(bench)) softmax_of(bench, shape);
  for (const Shape& shape : shapes(bench)) crossentropy_of(bench, shape);
  for (const Shape& shape : shapes(bench))
    normalize_of(bench, "layer norm", {shape[0], 1, shape[1]}, 1, false);
  const int64_t n = bench.sized(1 << 12), features = bench.sized(1024);
  normalize_of(bench, "RMS norm", {n, 1, features}, 1, true);
  const int64_t pixels = bench.sized(56 * 56), channels = bench.sized(64);
  normalize_of(bench, "batch norm", {1, 32 * pixels, channels}, channels, false);
  normalize_of(bench, "batch norm", {1, 32 * 49, bench.sized(2048)}, bench.sized(2048), false);
  normalize_of(bench, "group norm", {32, pixels, channels}, 2, false);
  standardize_of(bench, {32 * pixels, channels});
}

}  // namespace pyneuro::bench
