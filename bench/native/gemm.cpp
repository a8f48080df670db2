// Matrix products through dispatch: GFLOP/s, and the share of the multiply-adds that the machine
// can do. Sizes are m, n, k: C[m, n] = A[m, k] B[k, n].
#include "measure.h"

namespace pyneuro::bench {
namespace {

void product(benchmark::State& run, DType dtype, Matmul op) {
  const int64_t m = run.range(0), n = run.range(1), k = run.range(2);
  const Array a = filled(op.transpose_a ? Shape{k, m} : Shape{m, k}, dtype);
  const Array b = filled(op.transpose_b ? Shape{n, k} : Shape{k, n}, dtype);
  const Array* inputs[] = {&a, &b};
  measure(
      run, 2.0 * double(m) * double(n) * double(k), "GFLOP/s", [&] { dispatch(op, inputs); },
      fma_rate);
}

/// Cubes, then what networks make of a product: few rows, few columns, a vector.
void sizes(benchmark::internal::Benchmark* rows) {
  for (const int64_t n : {128, 192, 256, 384, 512, 768, 1024, 1536, 2048}) rows->Args({n, n, n});
  rows->Args({32, 512, 784})->Args({32, 128, 784})->Args({32, 10, 128})->Args({256, 4096, 4096});
  rows->Args({1, 4096, 4096})->Args({4096, 1, 4096})->Args({4096, 64, 64})->Args({64, 64, 16384});
  rows->ArgNames({"m", "n", "k"})->UseManualTime()->Unit(benchmark::kMicrosecond);
}

/// The three products of a dense layer: forward, its input's gradient, its weights' gradient.
void dense_sizes(benchmark::internal::Benchmark* rows) {
  rows->Args({512, 512, 512})->Args({1024, 1024, 1024})->Args({32, 784, 128});
  rows->ArgNames({"m", "n", "k"})->UseManualTime()->Unit(benchmark::kMicrosecond);
}
void few_sizes(benchmark::internal::Benchmark* rows) {
  for (const int64_t n : {256, 1024}) rows->Args({n, n, n});
  rows->Args({32, 512, 784});
  rows->ArgNames({"m", "n", "k"})->UseManualTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(product, float32, DType::Float32, Matmul{false, false})->Apply(sizes);
BENCHMARK_CAPTURE(product, float32_at, DType::Float32, Matmul{true, false})->Apply(dense_sizes);
BENCHMARK_CAPTURE(product, float32_bt, DType::Float32, Matmul{false, true})->Apply(dense_sizes);
BENCHMARK_CAPTURE(product, float64, DType::Float64, Matmul{false, false})->Apply(few_sizes);
BENCHMARK_CAPTURE(product, bfloat16, DType::BFloat16, Matmul{false, false})->Apply(few_sizes);

}  // namespace
}  // namespace pyneuro::bench
