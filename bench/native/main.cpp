// The program pyneuro_bench: says what it runs on, then runs the rows of the other files.
#include <cstdio>

#include "measure.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

int main(int argc, char** argv) {
  using namespace pyneuro;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::vector<double> rates;
  for (int i = 0; i < 200; ++i) rates.push_back(bench::fma_rate());
  char peak[32];
  std::snprintf(peak, sizeof peak, "%.0f", bench::median(rates) / 1e9);
  benchmark::AddCustomContext("pyneuro", PYNEURO_VERSION);
  benchmark::AddCustomContext("processor", cpu_name());
  benchmark::AddCustomContext("isa", cpu_backend().isa);
  benchmark::AddCustomContext("threads", std::to_string(num_threads()));
  benchmark::AddCustomContext("GFLOP/s of multiply-adds", peak);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
