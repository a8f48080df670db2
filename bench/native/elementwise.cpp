// Ops that are bound by memory: GB/s of what they read and write, and the share of a copy of as
// many bytes. The output is allocated by each call, as a user's is; rows are named by elements of
// float32.
#include "measure.h"

namespace pyneuro::bench {
namespace {

constexpr double kElement = sizeof(float);

/// `arrays`: how many arrays of `inputs`' size one call reads and writes.
void elementwise(benchmark::State& run, OpRef op, std::span<const Array* const> inputs,
                 double arrays) {
  const double bytes = arrays * kElement * double(inputs[0]->size());
  measure(run, bytes, "GB/s", [&] { dispatch(op, inputs); }, Copies(size_t(bytes)));
}

template <class F> void unary(benchmark::State& run) {
  const Array x = filled({run.range(0)});
  const Array* inputs[] = {&x};
  elementwise(run, Unary<F>{}, inputs, 2);
}

template <class F> void binary(benchmark::State& run) {
  const Array x = filled({run.range(0)}), y = filled({run.range(0)});
  const Array* inputs[] = {&x, &y};
  elementwise(run, Binary<F>{}, inputs, 3);
}

/// A row added to each row of a matrix, as a bias is.
void add_row(benchmark::State& run) {
  const Array x = filled({run.range(0) / 1024, 1024}), row = filled({1024});
  const Array* inputs[] = {&x, &row};
  elementwise(run, Binary<formulas::Add>{}, inputs, 2);
}

void transposed_copy(benchmark::State& run) {
  const Array x = pyneuro::run(Transpose{}, {filled({run.range(0) / 1024, 1024})});
  const Array* inputs[] = {&x};
  elementwise(run, Copy{}, inputs, 2);
}

void sum_all(benchmark::State& run) {
  const Array x = filled({run.range(0)});
  const Array* inputs[] = {&x};
  elementwise(run, Reduce<reductions::Sum>{}, inputs, 1);
}

void sum_rows(benchmark::State& run) {
  const Array x = filled({run.range(0) / 1024, 1024});
  const Array* inputs[] = {&x};
  elementwise(run, Reduce<reductions::Sum>{Axes{0}, false}, inputs, 1);
}

void softmax(benchmark::State& run) {
  const Array x = filled({run.range(0) / 1024, 1024});
  const Array* inputs[] = {&x};
  elementwise(run, Softmax{-1}, inputs, 2);
}

/// One Adam step: reads four arrays, writes three.
void adam(benchmark::State& run) {
  const Array rate = pyneuro::run(Full{{}, 0.0, DType::Float32}, {});
  const Array count = pyneuro::run(Full{{}, 1.0, DType::Float32}, {});
  const Array weights = state({run.range(0)}), mean = state({run.range(0)});
  const Array square = pyneuro::run(Unary<formulas::Square>{}, {filled({run.range(0)})});
  square.storage()->mark_state();
  const Array gradient = filled({run.range(0)});
  const Array* inputs[] = {&rate, &count, &weights, &gradient, &mean, &square};
  const AdamUpdate op{0.9, 0.999, 1e-7, false};
  const double bytes = 7 * kElement * double(weights.size());
  measure(run, bytes, "GB/s", [&] { dispatch(op, inputs); }, Copies(size_t(bytes)));
}

/// First-level cache, second-level cache, last-level cache, memory.
void sizes(benchmark::internal::Benchmark* rows) {
  for (const int64_t n : {1 << 12, 1 << 16, 1 << 20, 1 << 24}) rows->Arg(n);
  rows->ArgName("n")->UseManualTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK_TEMPLATE(binary, formulas::Add)->Apply(sizes);
BENCHMARK_TEMPLATE(unary, formulas::Relu)->Apply(sizes);
BENCHMARK_TEMPLATE(unary, formulas::Exp)->Apply(sizes);
BENCHMARK_TEMPLATE(unary, formulas::Tanh)->Apply(sizes);
BENCHMARK_TEMPLATE(unary, formulas::Gelu)->Apply(sizes);
BENCHMARK(add_row)->Apply(sizes);
BENCHMARK(transposed_copy)->Apply(sizes);
BENCHMARK(sum_all)->Apply(sizes);
BENCHMARK(sum_rows)->Apply(sizes);
BENCHMARK(softmax)->Apply(sizes);
BENCHMARK(adam)->Apply(sizes);

}  // namespace
}  // namespace pyneuro::bench
