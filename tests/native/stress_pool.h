// The sections of the stress program on the thread pool.
#pragma once

#include "stress.h"

namespace {

/// The scheduler's state of every worker, one letter each.
std::string worker_states() {
  std::string states;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "stat");
    std::string line;
    std::getline(file, line);
    const size_t end = line.rfind(')');
    if (end == std::string::npos || line.find("(pyneuro-") == std::string::npos) continue;
    states += line.at(end + 2);
  }
  return states;
}

void pool_sizes() {
  for (const int n : {0, -1, pyneuro::kMaxThreads + 1}) {
    const Error error = error_of([n] { pyneuro::set_num_threads(n); });
    check(error.kind() == ErrorKind::Argument, "a size out of range is refused");
    check(std::string(error.what()).find(std::to_string(n)) != std::string::npos, "by its value");
  }
  for (const int n : {4, 2, 1, 3}) {
    pyneuro::set_num_threads(n);
    check(pyneuro::num_threads() == n, "num_threads() is what was set");
    for (int i = 0; i < 20; ++i) meet();
    // A worker that was joined can be seen for a moment longer.
    while (worker_states().size() != static_cast<size_t>(n - 1)) sleep_milliseconds(1);
  }
  for (const int64_t tasks : {-3, 0, 1, 2, 3, 31, 1000, 100'003}) loop_once(tasks, 7);
}

void pool_environment() {
  const char* ours = "PYNEURO_NUM_THREADS";
  const char* openmp = "OMP_NUM_THREADS";
  unsetenv(ours);
  unsetenv(openmp);
  const int own = std::min(pyneuro::usable_cores(), pyneuro::kMaxThreads);
  check(pyneuro::default_num_threads() == own, "without variables: the cores");
  setenv(openmp, "3,2", 1);
  check(pyneuro::default_num_threads() == 3, "the first of OpenMP's list");
  setenv(ours, "5", 1);
  check(pyneuro::default_num_threads() == 5, "ours comes first");
  for (const char* bad : {"", "0", "-2", "many", "2x", "2,3", "99999999999999999999"}) {
    setenv(ours, bad, 1);
    check(pyneuro::default_num_threads() == 3, "what is not a number of threads counts as unset");
  }
  unsetenv(ours);
  unsetenv(openmp);
}

void pool_callers() {
  pyneuro::set_num_threads(3);
  std::atomic<bool> go_on{true};
  std::thread resizer([&] {
    for (int n = 1; go_on.load(); n = n % 5 + 1) {
      pyneuro::set_num_threads(n);
      std::this_thread::yield();
    }
  });
  on_threads(8, [](int t) {
    std::minstd_rand random(static_cast<unsigned>(t + 1));
    for (int i = 0; i < kRounds; ++i) {
      if (i % 7 == 0) {
        const TeamHold hold;
        const TeamHold again;
        loop_once(static_cast<int64_t>(random() % 40), t);
        loop_once(static_cast<int64_t>(random() % 400), t);
      } else {
        loop_once(static_cast<int64_t>(random() % 100), t);
      }
    }
  });
  go_on.store(false);
  resizer.join();
}

/// Loops in loops, in loops that are held and in others.
void pool_nested(bool held) {
  pyneuro::set_num_threads(4);
  for (int round = 0; round < kRounds / 10; ++round) {
    std::optional<TeamHold> outer;
    if (held) outer.emplace();
    std::vector<int64_t> sums(16, 0);
    std::atomic<int> strangers{0};
    each(16, [&](int64_t i) {
      const TeamHold hold;  // empty inside a task
      const auto self = std::this_thread::get_id();
      each(50, [&](int64_t j) {
        if (std::this_thread::get_id() != self) strangers.fetch_add(1);
        sums[static_cast<size_t>(i)] += i * j;
      });
    });
    check(strangers.load() == 0, "a nested loop stays on its thread");
    for (int64_t i = 0; i < 16; ++i) check(sums[static_cast<size_t>(i)] == i * 1225, "nested sums");
  }
}

void pool_hold() {
  pyneuro::set_num_threads(3);
  const TeamHold hold;
  for (int i = 0; i < kRounds; ++i) loop_once(i % 5, i);
  on_threads(2, [](int) {
    const TeamHold empty;
    const auto self = std::this_thread::get_id();
    std::atomic<int> strangers{0};
    each(200, [&](int64_t) { strangers += std::this_thread::get_id() != self; });
    check(strangers.load() == 0, "who finds the team held works alone");
  });
  meet();
  // An abandoned hold parks its workers, and they still come when called.
  for (int i = 0; i < 3; ++i) {
    std::string states;
    do {
      sleep_milliseconds(1);
      states = worker_states();
    } while (states != "SS");
    meet();
  }
}

/// Workers compute as the caller does, and leave signals to others.
void pool_threads_are_alike() {
  pyneuro::set_num_threads(4);
  volatile double three = 3;
  std::vector<double> thirds;
  for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TONEAREST}) {
    std::fesetround(rounding);
    const double third = 1 / three;
    std::atomic<int> others{0};
    meet([&] { others += 1 / three != third; });
    check(others.load() == 0, "every task rounds as its caller does");
    thirds.push_back(third);
  }
  check(thirds[0] != thirds[1], "which shows in the bits");
  const auto caller = std::this_thread::get_id();
  std::atomic<int> blocked{0};
  std::atomic<int> faults{0};
  meet([&] {
    if (std::this_thread::get_id() == caller) return;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked += sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1;
    faults += sigismember(&mask, SIGSEGV) == 1;
  });
  check(blocked.load() == 3, "workers block Ctrl-C");
  check(faults.load() == 0, "workers do not block faults");
}

void pool() {
  pool_environment();
  pool_sizes();
  pool_callers();
  pool_nested(false);
  pool_nested(true);
  pool_hold();
  pool_threads_are_alike();
}

}  // namespace
