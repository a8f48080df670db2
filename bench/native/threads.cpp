// Fork and join: what a loop costs beyond its longest task, one task to a thread. Right after
// another loop, inside a hold, and after a pause in which workers go on spinning or fall asleep.
// The time given is that cost.
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
    keep(x);
  }
}

double alone() {
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) times.push_back(seconds([] { task(nullptr, 0); }));
  return median(times);
}

/// A sample is the median of `loops` loops, each after a pause, less the task's own time.
template <class Pause> void fork_and_join(Bench& bench, const char* when, int loops, Pause pause) {
  bench.timed(join("a loop's cost, ", when), [&] {
    const double least = alone();
    std::vector<double> times;
    for (int i = 0; i < loops; ++i) {
      pause();
      times.push_back(seconds([] { parallel_for(num_threads(), task, nullptr); }));
    }
    return median(times) - least;
  });
}

}  // namespace

void thread_rows(Bench& bench) {
  fork_and_join(bench, "right after another", 300, [] {});
  {
    const TeamHold hold;
    fork_and_join(bench, "inside a hold", 300, [] {});
  }
  for (const int us : {20, 500, 5000})
    fork_and_join(bench, join("after ", us, " us").c_str(), 30,
                  [us] { std::this_thread::sleep_for(std::chrono::microseconds(us)); });
}

}  // namespace pyneuro::bench
