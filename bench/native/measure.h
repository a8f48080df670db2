// How every native benchmark measures: the work and a yardstick by turns, medians of both. The
// yardstick is what this machine can do at that moment, so a share of it means something on a
// machine that others use too.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "runtime/dispatch.h"

namespace pyneuro::bench {

template <class F> double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Fused multiply-adds of float32 in registers on all threads of the team: floating-point
/// operations per second, over about a quarter of a millisecond. Two a multiply-add.
double fma_rate();

/// Copies between two buffers of its own, `bytes` read and written together, by whichever of plain
/// and non-temporal stores is quicker.
class Copies {
 public:
  explicit Copies(size_t bytes);
  /// Bytes read and written per second.
  double operator()();

 private:
  Array from_, to_;
};

/// An array of small numbers, the same at each call.
Array filled(const Shape& shape, DType dtype = DType::Float32);

/// The same as the memory of a Variable.
Array state(const Shape& shape);

/// Times `work`, which does `amount` of what `yardstick` gives per second, and sets two counters:
/// `unit`, in 1e9 a second, and "share" of the yardstick.
template <class Work, class Yardstick>
void measure(benchmark::State& run, double amount, const char* unit, Work work,
             Yardstick yardstick) {
  constexpr double kTurn = 5e-3;  // seconds of work between two turns of the yardstick
  constexpr int kLooks = 4;
  std::vector<double> times, rates;
  double since = kTurn;
  for (auto _ : run) {
    if (since >= kTurn) {
      for (int i = 0; i < kLooks; ++i) rates.push_back(yardstick());
      work();  // so that the next one finds its data where it would be
      since = 0;
    }
    times.push_back(seconds(work));
    run.SetIterationTime(times.back());
    since += times.back();
  }
  const double rate = amount / median(times);
  run.counters[unit] = rate / 1e9;
  run.counters["share"] = rate / median(rates);
}

/// Times `work`, which is `parts` equal pieces, and sets the counter "median_ns", of one piece.
template <class Work> void measure_parts(benchmark::State& run, int64_t parts, Work work) {
  std::vector<double> times;
  work();
  for (auto _ : run) {
    times.push_back(seconds(work));
    run.SetIterationTime(times.back());
  }
  run.counters["median_ns"] = median(times) / double(parts) * 1e9;
}

}  // namespace pyneuro::bench
