// Fork and join: what a loop on the team costs when its tasks do nothing, right after another loop,
// inside a hold, and after a pause in which workers went on spinning or went to sleep.
#include <thread>

#include "measure.h"
#include "runtime/thread_pool.h"

namespace pyneuro::bench {
namespace {

void empty_loop() {
  parallel_for(num_threads(), [](void*, int64_t) {}, nullptr);
}

constexpr int kLoops = 100;
void loops() {
  for (int i = 0; i < kLoops; ++i) empty_loop();
}

void fork_join(benchmark::State& run) { measure_parts(run, kLoops, loops); }

void fork_join_held(benchmark::State& run) {
  const TeamHold hold;
  measure_parts(run, kLoops, loops);
}

void fork_join_after(benchmark::State& run) {
  const std::chrono::microseconds pause(run.range(0));
  std::vector<double> times;
  for (auto _ : run) {
    std::this_thread::sleep_for(pause);
    times.push_back(seconds(empty_loop));
    run.SetIterationTime(times.back());
  }
  run.counters["median_ns"] = median(times) * 1e9;
}

BENCHMARK(fork_join)->UseManualTime();
BENCHMARK(fork_join_held)->UseManualTime();
BENCHMARK(fork_join_after)->ArgName("us")->Arg(50)->Arg(500)->Arg(5000)->Iterations(200)->UseManualTime();

}  // namespace
}  // namespace pyneuro::bench
