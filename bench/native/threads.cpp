// Fork and join: what a loop costs beyond its longest task, one task to a thread. Right after
// another loop, inside a hold, and after a pause in which workers go on spinning or fall asleep.
// "median_ns" is that cost; "alone_ns" is the loop's task, run without a team.
#include <thread>

#include "measure.h"
#include "runtime/thread_pool.h"

namespace pyneuro::bench {
namespace {

constexpr int kLinks =
    4000;  // 4 to 8 microseconds: long enough that no thread takes another's task

/// A chain of multiplications, each waiting for the one before.
void task(void*, int64_t) {
  float x = 1.0F;
  for (int i = 0; i < kLinks; ++i) {
    x *= 1.0001F;
    benchmark::DoNotOptimize(x);
  }
}

double alone() {
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) times.push_back(seconds([] { task(nullptr, 0); }));
  return median(times);
}

template <class Pause> void fork_and_join(benchmark::State& run, Pause pause) {
  const double least = alone();
  std::vector<double> times;
  for (auto _ : run) {
    pause();
    times.push_back(seconds([] { parallel_for(num_threads(), task, nullptr); }));
    run.SetIterationTime(times.back());
  }
  run.counters["median_ns"] = (median(times) - least) * 1e9;
  run.counters["alone_ns"] = least * 1e9;
}

void fork_join(benchmark::State& run) {
  fork_and_join(run, [] {});
}

void fork_join_held(benchmark::State& run) {
  const TeamHold hold;
  fork_and_join(run, [] {});
}

void fork_join_after(benchmark::State& run) {
  const std::chrono::microseconds pause(run.range(0));
  fork_and_join(run, [pause] { std::this_thread::sleep_for(pause); });
}

BENCHMARK(fork_join)->UseManualTime();
BENCHMARK(fork_join_held)->UseManualTime();
BENCHMARK(fork_join_after)
    ->ArgName("us")
    ->Arg(20)
    ->Arg(500)
    ->Arg(5000)
    ->Iterations(300)
    ->UseManualTime();

}  // namespace
}  // namespace pyneuro::bench
