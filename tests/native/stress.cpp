// Stresses the native ground: thread pool, allocator, what the machine offers. Many threads at
// once, forks while hot, exits while hot; sums and contents are checked. A plain program, so that
// the thread sanitizer can watch all of it. Arguments: the names of the sections to run, all if
// none. Exits with 0 if every check held, with 1 otherwise. Nothing here asserts a time. A hang is
// the caller's to notice (tests/native/test_native.py gives each run a limit).
#include "stress.h"
#include "stress_allocator.h"
#include "stress_pool.h"

namespace {

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
  // The sanitizer's own locks do not survive a fork of a busy process: it watches the parent only.
  if (kWatched) return;
  const Block large(200'000, 1);
  const Block small(200, 2);
  meet();
  loop_once(100, 3);
  on_threads(2, [](int t) {
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
  others.emplace_back([&go_on] {  // long loops: most forks meet one
    while (go_on.load()) loop_once(5000, 1);
  });
  others.emplace_back([&go_on] {  // through the lock each time: many forks meet it held
    while (go_on.load()) pyneuro::deallocate(pyneuro::allocate(100'000), 100'000);
  });
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
