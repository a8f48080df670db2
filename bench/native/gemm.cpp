// Matrix products through dispatch: GFLOP/s, and the share of the multiply-adds that the machine
// can do; with a vector, GB/s and the share of what it reads. Sizes are m, n, k:
// C[m, n] = A[m, k] B[k, n].
#include "measure.h"

namespace pyneuro::bench {
namespace {

struct Size { int64_t m, n, k; };

/// Cubes, then what networks make of a product: few rows, few columns, a vector.
constexpr Size kAll[] = {
    {128, 128, 128}, {192, 192, 192},    {256, 256, 256},    {384, 384, 384},    {512, 512, 512},
    {768, 768, 768}, {1024, 1024, 1024}, {1536, 1536, 1536}, {2048, 2048, 2048}, {32, 512, 784},
    {32, 128, 784},  {32, 10, 128},      {256, 4096, 4096},  {1, 4096, 4096},    {4096, 1, 4096},
    {4096, 64, 64},  {64, 64, 16384}};
/// The products of a dense layer besides its result: its input's gradient, its weights' gradient.
constexpr Size kDense[] = {{512, 512, 512}, {1024, 1024, 1024}, {32, 784, 128}};
constexpr Size kFew[] = {{256, 256, 256}, {1024, 1024, 1024}, {32, 512, 784}};

void product(Bench& bench, const char* kind, DType dtype, Matmul op, std::span<const Size> sizes) {
  for (const Size& size : sizes) {
    const int64_t m = bench.sized(size.m), n = bench.sized(size.n), k = bench.sized(size.k);
    bench.row(title<Matmul>(kind, ", ", by({m, n, k})), [&] {
      const Array a = filled(op.transpose_a ? Shape{k, m} : Shape{m, k}, dtype);
      const Array b = filled(op.transpose_b ? Shape{n, k} : Shape{k, n}, dtype);
      if (m == 1 || n == 1) return moving(op, {a, b});
      return computing(op, {a, b}, 2.0 * double(m) * double(n) * double(k));
    });
  }
}

}  // namespace

void gemm_rows(Bench& bench) {
  product(bench, "float32", DType::Float32, {false, false}, kAll);
  product(bench, "float32, A transposed", DType::Float32, {true, false}, kDense);
  product(bench, "float32, B transposed", DType::Float32, {false, true}, kDense);
  product(bench, "float64", DType::Float64, {false, false}, kFew);
  product(bench, "bfloat16", DType::BFloat16, {false, false}, kFew);
}

}  // namespace pyneuro::bench
