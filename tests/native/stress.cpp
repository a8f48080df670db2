// Stresses the native ground: thread pool, allocator, what the machine offers. Many threads at
// once, forks while hot, exits while hot; sums and contents are checked. A plain program, so that
// the thread sanitizer can watch all of it. Arguments: the names of the sections to run, all if
// none. Exits with 0 if every check held, with 1 otherwise. Nothing here asserts a time. A hang is
// the caller's to notice (tests/native/test_native.py gives each run a limit).
#include "stress.h"

namespace {

// --- Thread pool
// -----------------------------------------------------------------------------------------------

/// Each index once, its result visible to the caller: plain memory, so that a missing order would
/// be a data race.
void loop_once(int64_t tasks, int64_t salt) {
  std::vector<int64_t> out(static_cast<size_t>(std::max<int64_t>(tasks, 0)), 0);
  each(tasks, [&](int64_t i) { out[static_cast<size_t>(i)] += i * i + salt; });
  bool right = true;
  for (int64_t i = 0; i < tasks; ++i) right &= out[static_cast<size_t>(i)] == i * i + salt;
  check(right, "every task runs exactly once");
}

/// Returns only if all threads of the team are in the loop at the same time. The calling thread has
/// the team.
void meet(const std::function<void()>& there = [] {}) {
  const int n = pyneuro::num_threads();
  std::atomic<int> arrived{0};
  each(n, [&](int64_t) {
    there();
    arrived.fetch_add(1);
    while (arrived.load() < n) std::this_thread::yield();
  });
}

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
    if (n > 1)
      check(worker_states().size() == static_cast<size_t>(n - 1), "that many workers live");
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

void pool_nested() {
  pyneuro::set_num_threads(4);
  for (int round = 0; round < kRounds / 10; ++round) {
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
  pool_nested();
  pool_hold();
  pool_threads_are_alike();
}

// --- Allocator
// -------------------------------------------------------------------------------------------------

/// A block filled with a byte of its own, which must still be there when it is freed.
struct Block {
  unsigned char* data;
  size_t bytes;
  unsigned char stamp;

  Block(size_t n, unsigned char s)
      : data(static_cast<unsigned char*>(pyneuro::allocate(n))), bytes(n), stamp(s) {
    check(reinterpret_cast<uintptr_t>(data) % pyneuro::kBlockAlignment == 0, "aligned");
    std::memset(data, stamp, bytes);
  }
  void free() const {
    bool kept = data[bytes - 1] == stamp;
    for (size_t i = 0; i < bytes; i += bytes / 500 + 1) kept &= data[i] == stamp;
    check(kept, "content kept");
    pyneuro::deallocate(data, bytes);
  }
};

size_t in_use() { return pyneuro::memory_stats().allocated; }

void allocator_sizes() {
  const size_t before = in_use();
  void* nothing = pyneuro::allocate(0);
  check(nothing != nullptr && nothing == pyneuro::allocate(0), "0 bytes are one address");
  pyneuro::deallocate(nothing, 0);
  pyneuro::deallocate(nullptr, 100);
  check(in_use() == before, "and not counted");
  std::vector<Block> blocks;
  for (size_t n = 1; n < (size_t{3} << 20); n += n / 5 + 1) {
    blocks.emplace_back(n, static_cast<unsigned char>(n));
    const size_t counted = in_use() - before;
    check(counted >= n, "at least what was asked for is counted");
  }
  for (const Block& b : blocks) b.free();
  check(in_use() == before, "all came back");
  for (const size_t n : {size_t{1} << 20, size_t{40} << 20}) {
    void* block = pyneuro::allocate(n);
    const size_t alignment = kCached ? n < (size_t{32} << 20) ? 4096 : size_t{2} << 20 : 64;
    check(reinterpret_cast<uintptr_t>(block) % alignment == 0, "large blocks begin at a page");
    static_cast<char*>(block)[n - 1] = 1;
    pyneuro::deallocate(block, n);
  }
}

void allocator_reuse() {
  if (!kCached) return;
  for (const size_t n : {size_t{64}, size_t{5000}, size_t{100'000}, size_t{1} << 24}) {
    void* first = pyneuro::allocate(n);
    pyneuro::deallocate(first, n);
    const auto asked = pyneuro::memory_stats().system_allocations;
    void* second = pyneuro::allocate(n - n / 100);
    check(second == first, "a block that was given back is handed out again");
    check(pyneuro::memory_stats().system_allocations == asked, "without asking the system");
    pyneuro::deallocate(second, n - n / 100);
  }
  pyneuro::empty_cache();
  check(pyneuro::memory_stats().cached == 0, "an emptied cache is empty");
  // Blocks of ever new sizes: the cache must let the oldest go.
  const size_t peak = pyneuro::memory_stats().peak;
  for (size_t n = size_t{1} << 20; n < (size_t{90} << 20); n += n / 16) {
    pyneuro::deallocate(pyneuro::allocate(n), n);
    const auto stats = pyneuro::memory_stats();
    check(stats.cached <= std::max(peak, size_t{256} << 20), "the cache is bounded");
  }
  pyneuro::empty_cache();
}

void allocator_counts() {
  pyneuro::reset_peak();
  const auto before = pyneuro::memory_stats();
  check(before.peak == before.allocated, "a peak that was reset is what is in use");
  constexpr size_t kLarge = size_t{1} << 26;
  constexpr size_t kSmall = 1024;
  void* large = pyneuro::allocate(kLarge);
  void* small = pyneuro::allocate(kSmall);
  check(in_use() == before.allocated + kLarge + kSmall, "allocated");
  pyneuro::deallocate(large, kLarge);
  pyneuro::deallocate(small, kSmall);
  const auto after = pyneuro::memory_stats();
  check(after.allocated == before.allocated, "allocated goes back");
  check(after.peak == before.peak + kLarge + kSmall, "the peak stays");
  check(after.allocations == before.allocations + 2, "allocations are counted");
  check(after.reserved_peak >= after.peak, "what is reserved covers what is in use");
}

void allocator_failures() {
  constexpr size_t kLarge = size_t{1} << 26;
  void* kept = pyneuro::allocate(kLarge);
  pyneuro::deallocate(pyneuro::allocate(kLarge / 2), kLarge / 2);  // cached: must make room
  pyneuro::set_memory_limit(in_use() + kLarge);
  const Error error = error_of([] { pyneuro::allocate(2 * kLarge); });
  check(error.kind() == ErrorKind::Memory, "beyond the limit: out of memory");
  check(std::string(error.what()).find(std::to_string(2 * kLarge)) != std::string::npos, "bytes");
  pyneuro::deallocate(pyneuro::allocate(kLarge), kLarge);
  pyneuro::set_memory_limit(0);
  pyneuro::deallocate(kept, kLarge);
  for (const size_t n : {SIZE_MAX, SIZE_MAX / 2, (size_t{1} << 47) + 1}) {
    const auto impossible = [n] { pyneuro::allocate(n); };
    check(error_of(impossible).kind() == ErrorKind::Memory, "no machine has this much");
  }
  const size_t before = in_use();
  for (const bool persistent : {false, true}) {
    for (int k = 0; k < 12; ++k) {
      pyneuro::fail_allocation_after(k, persistent);
      for (int i = 0; i < 12; ++i) {
        const size_t n = i % 2 == 0 ? 100 : 1'000'000;
        const bool failed = error_of([n] {
                              pyneuro::deallocate(pyneuro::allocate(n), n);
                            }).kind() == ErrorKind::Memory;
        check(failed == (persistent ? i >= k : i == k), "the planned allocation fails");
      }
      pyneuro::fail_allocation_after(-1);
    }
  }
  check(in_use() == before, "failures lose nothing");
}

/// Blocks travel: what one thread allocates another frees. Threads come and go.
void allocator_churn() {
  const size_t before = in_use();
  std::mutex mutex;
  std::vector<Block> shared;
  for (int wave = 0; wave < 3; ++wave) {
    on_threads(6, [&](int t) {
      std::minstd_rand random(static_cast<unsigned>(100 * wave + t + 1));
      for (int i = 0; i < 2 * kRounds; ++i) {
        const size_t n = i % 50 == 0 ? random() % 3'000'000 + 1 : random() % 5000 + 1;
        const Block mine(n, static_cast<unsigned char>(random()));
        const std::lock_guard locked(mutex);
        shared.push_back(mine);
        if (shared.size() < 200) continue;
        std::swap(shared[random() % shared.size()], shared.back());
        shared.back().free();
        shared.pop_back();
        if (i % 97 == 0) (void)pyneuro::memory_stats();
        if (i % 301 == 0) pyneuro::empty_cache();
      }
    });
  }
  for (const Block& b : shared) b.free();
  check(in_use() == before, "nothing is lost between threads");
  pyneuro::empty_cache();
  check(pyneuro::memory_stats().cached == 0, "threads that ended gave back their stock");
}

/// A thread still frees and allocates while it is being dismantled, after the allocator's own part
/// of it has gone.
void allocator_end_of_thread() {
  const size_t before = in_use();
  std::thread([] {
    pthread_key_t key = 0;
    pyneuro::deallocate(pyneuro::allocate(1), 1);  // the allocator's key comes first
    pthread_key_create(&key, [](void* block) {
      pyneuro::deallocate(block, 300);
      Block(777, 7).free();
      Block(77777, 7).free();
    });
    pthread_setspecific(key, pyneuro::allocate(300));
  }).join();
  check(in_use() == before, "what a thread frees at its end counts");
}

void allocator() {
  allocator_sizes();
  allocator_reuse();
  allocator_counts();
  allocator_failures();
  allocator_churn();
  allocator_end_of_thread();
}

// --- Forks and exits
// -------------------------------------------------------------------------------------------

/// Runs `body` in a forked child and says whether it ended well: no failed check, no signal.
bool in_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    g_failures.store(0);
    body();
    _exit(g_failures.load() == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void child_work() {
  if (kWatched) pyneuro::set_num_threads(1);  // the sanitizer's children cannot start threads
  const Block large(200'000, 1);
  const Block small(200, 2);
  meet();
  loop_once(100, 3);
  on_threads(kWatched ? 0 : 2, [](int t) {
    loop_once(50, t);
    Block(400, 3).free();
  });
  large.free();
  small.free();
}

/// Forks between loops, with and without a hold, while other threads use pool and allocator.
void forks() {
  pyneuro::set_num_threads(3);
  std::atomic<bool> go_on{true};
  std::vector<std::thread> others;
  for (int t = 0; t < 2; ++t) {
    others.emplace_back([&go_on, t] {
      while (go_on.load()) {
        loop_once(20, t);
        Block(1'000'000, 4).free();
        Block(300, 5).free();
      }
    });
  }
  int lost = 0;
  for (int i = 0; i < (kWatched ? 20 : 200); ++i) {
    loop_once(30, i);
    if (i % 2 == 0) {
      const TeamHold hold;
      lost += !in_child(child_work);
    } else if (i % 25 == 1) {
      lost += !in_child([] { check(in_child(child_work), "a grandchild works"); });
    } else {
      lost += !in_child(child_work);
    }
  }
  check(lost == 0, "every child works");
  go_on.store(false);
  for (std::thread& t : others) t.join();
  meet();  // the parent's team has lost nothing
}

/// Uses pool and allocator when the process is nearly gone.
struct LastUse {
  bool armed = false;
  ~LastUse() {
    if (!armed) return;
    loop_once(64, 1);
    Block(1000, 6).free();
    Block(1'000'000, 6).free();
    if (g_failures.load() != 0) _exit(1);
  }
};
LastUse& last_use() {
  static LastUse object;
  return object;
}

void exits() {
  for (const bool busy : {false, true}) {
    check(in_child([busy] {
            last_use().armed = true;
            pyneuro::set_num_threads(3);
            meet();
            if (busy) {
              std::thread([] {
                for (;;) {
                  const TeamHold hold;
                  each(100, [](int64_t) { Block(100, 1).free(); });
                }
              }).detach();
              sleep_milliseconds(2);
            } else {
              sleep_milliseconds(5);  // workers park
            }
            std::exit(0);
          }),
          "the process ends while workers live");
  }
}

/// The system refuses: what is cached goes back to it before the caller hears of it.
void refusals() {
  if (kWatched || !kCached) return;  // sanitizers need the address space that is taken away here
  check(in_child([] {
          constexpr size_t kRoom = size_t{512} << 20;
          pyneuro::empty_cache();
          std::ifstream file("/proc/self/statm");
          size_t pages = 0;
          file >> pages;
          const rlim_t most = pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) + kRoom;
          const rlimit limit{most, most};
          setrlimit(RLIMIT_AS, &limit);
          constexpr size_t kFirst = kRoom / 2;
          constexpr size_t kSecond = kRoom / 8 * 5;
          pyneuro::deallocate(pyneuro::allocate(kFirst), kFirst);
          check(pyneuro::memory_stats().cached >= kFirst, "the first block is cached");
          void* second = pyneuro::allocate(kSecond);
          check(pyneuro::memory_stats().cached == 0, "and makes room for the second");
          const Error error = error_of([] { pyneuro::allocate(kFirst); });
          check(error.kind() == ErrorKind::Memory, "two are too many");
          pyneuro::deallocate(second, kSecond);
          pyneuro::deallocate(pyneuro::allocate(kFirst), kFirst);
        }),
        "a child under RLIMIT_AS");
  check(in_child([] {
          const rlimit none{1, 1};
          setrlimit(RLIMIT_NPROC, &none);
          const rlimit little{size_t{64} << 20, size_t{64} << 20};
          setrlimit(RLIMIT_AS, &little);  // no room for as many stacks
          pyneuro::set_num_threads(64);
          loop_once(1000, 5);
          check(pyneuro::num_threads() < 64, "the team is as large as the system allows");
          loop_once(1000, 6);
        }),
        "threads that cannot start are done without");
}

// --- The machine
// -----------------------------------------------------------------------------------------------

/// Writes files below a directory: each a path and a line.
void write_all(const std::filesystem::path& root,
               const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [name, line] : files) {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name) << line << '\n';
  }
}

void machine() {
  const auto isas = pyneuro::supported_isas();
  check(!isas.empty() && isas.back() == "generic", "the generic kernels run everywhere");
  for (const auto& isa : isas) check(pyneuro::isa_runs_here(isa), "what is listed runs");
  const bool avx2 = std::count(isas.begin(), isas.end(), "avx2") == 1;
  check(pyneuro::isa_runs_here("wide512") == avx2, "wide512 runs where avx2 does");
  check(std::count(isas.begin(), isas.end(), "wide512") == 0, "but is not chosen");
  const auto place = [&](const char* isa) { return std::find(isas.begin(), isas.end(), isa); };
  const bool bf16 = pyneuro::cpu_features().avx512_bf16;
  check(pyneuro::isa_runs_here("avx512_bf16") == (bf16 && pyneuro::isa_runs_here("avx512")),
        "avx512_bf16 runs where avx512 does and the CPU has its dot products");
  check(!bf16 || place("avx512_bf16") < place("avx512"), "and is preferred there");
  check(!pyneuro::isa_runs_here("sse9"), "an unknown name does not run");
  check(!pyneuro::cpu_name().empty(), "the processor has a name");
  check(pyneuro::usable_cores() >= 1, "there is a core");

  std::string pattern = (std::filesystem::temp_directory_path() / "stress-XXXXXX").string();
  check(mkdtemp(pattern.data()) != nullptr, "a folder for control groups");
  const std::filesystem::path root = pattern;
  const auto limits = [&root](const char* membership) {
    write_all(root, {{"membership", membership}});
    return pyneuro::group_limits(root.string(), (root / "membership").string());
  };
  write_all(root, {{"a/cpu.max", "250000 100000"},
                   {"a/memory.max", "1073741824"},
                   {"a/b/cpu.max", "max 100000"},
                   {"a/b/memory.max", "max"},
                   {"cpu,cpuacct/cpu.cfs_quota_us", "150000"},
                   {"cpu,cpuacct/cpu.cfs_period_us", "100000"},
                   {"cpu,cpuacct/c/cpu.cfs_quota_us", "-1"},
                   {"cpu,cpuacct/c/cpu.cfs_period_us", "100000"},
                   {"memory/memory.limit_in_bytes", "9223372036854771712"},
                   {"memory/c/memory.limit_in_bytes", "4096000"}});
  check(limits("0::/a/b").cores == 2.5, "version 2: an outer quota binds");
  check(limits("0::/a/b").memory == size_t{1} << 30, "version 2: an outer memory limit binds");
  check(limits("0::/").cores == 0, "version 2: no limit");
  check(limits("4:cpu,cpuacct:/c\n3:memory:/c").cores == 1.5, "version 1: quota over period");
  check(limits("4:cpu,cpuacct:/c\n3:memory:/c").memory == 4096000, "version 1: memory");
  check(limits("3:memory:/elsewhere").memory == 0, "version 1: no limit is a huge number");
  check(limits("4:cpu,cpuacct:/../..").cores == 1.5, "a path outside leaves the mount");
  check(limits("nonsense\n::\n4:").cores == 0, "lines that say nothing");
  std::filesystem::remove_all(root);
}

struct Section {
  const char* name;
  void (*run)();
};
// The sanitizer's children can start threads as long as the parent has none: exits come first.
constexpr Section kSections[] = {{"exits", exits}, {"refusals", refusals},
                                 {"pool", pool},   {"allocator", allocator},
                                 {"forks", forks}, {"machine", machine}};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  int run = 0;
  for (const Section& section : kSections) {
    if (!wanted.empty() && std::count(wanted.begin(), wanted.end(), section.name) == 0) continue;
    section.run();
    ++run;
  }
  check(wanted.empty() || run == static_cast<int>(wanted.size()), "every section named is known");
  return g_failures.load() == 0 ? 0 : 1;
}
