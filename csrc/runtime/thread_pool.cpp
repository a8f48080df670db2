// How the team works. Tasks are claimed by subtracting from one counter, so a worker that is late,
// parked or without a processor costs nothing: the caller claims what others do not, and waits only
// for tasks that were claimed.
//
// Safe to use until the process ends: all state is constant-initialised and never destroyed. A
// forked child has no workers; its state is reset there and workers start again with its first
// loop.
#include "runtime/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "core/error.h"
#include "runtime/cpu_features.h"

namespace pyneuro {
namespace {

constexpr size_t kLine = 64;                // bytes of a cache line
constexpr int64_t kSpinMicroseconds = 100;  // between loops, outside a hold
// A wake-up costs about 30 microseconds; after a gap this long it is 1.5 % of the time that passed.
constexpr int64_t kHoldMicroseconds = 2000;
// From here on a spinning thread gives way to others that want its core.
constexpr int64_t kPauseMicroseconds = 20;
constexpr int kPausesPerLook = 32;  // at the clock: 0.3 to 1.5 microseconds, by processor
constexpr int64_t kClaimsPerThread =
    8;  // long loops are claimed in chunks: about this many for each thread
constexpr size_t kStackBytes = size_t{8} << 20;

void pause() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

/// Rounding and flushing of denormals, without the flags that arithmetic leaves behind.
uint64_t float_mode() noexcept {
#if defined(__x86_64__)
  return _mm_getcsr() & ~0x3fU;
#elif defined(__aarch64__)
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

void set_float_mode([[maybe_unused]] uint64_t mode) noexcept {
#if defined(__x86_64__)
  _mm_setcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#endif
}

/// A whole number from `least` to `most` that opens the variable's value and ends at its end or at
/// `stop`; -1 otherwise.
int64_t number_in_environment(const char* name, int64_t least, int64_t most, char stop) noexcept {
  const char* text = std::getenv(name);
  if (text == nullptr) return -1;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  const bool whole = error == std::errc() && (*end == '\0' || *end == stop);
  return whole && value >= least && value <= most ? value : -1;
}

/// Where threads sleep until a condition holds. Whoever makes it hold (sequentially consistent)
/// notifies after.
class EventCount {
 public:
  template <class Ready> void wait(Ready ready) noexcept {
    sleepers_.fetch_add(1);
    for (;;) {
      const uint32_t seen = word_.load();
      if (ready()) break;
      // Returns at once if the word has changed since: no wake-up is lost.
      syscall(SYS_futex, address(), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    }
    sleepers_.fetch_sub(1);
  }

  void notify(int most) noexcept {
    if (sleepers_.load() == 0) return;
    word_.fetch_add(1);
    syscall(SYS_futex, address(), FUTEX_WAKE_PRIVATE, most, nullptr, nullptr, 0);
  }

  void reset() noexcept { sleepers_.store(0); }

 private:
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  uint32_t* address() noexcept { return reinterpret_cast<uint32_t*>(&word_); }

  std::atomic<uint32_t> word_{0};
  std::atomic<int32_t> sleepers_{0};
};

/// One wait: pause instructions, then pauses and yields by turns, until the time is up.
class Spin {
 public:
  /// False when limit_now(*this) microseconds have passed; looks there and at the clock only now
  /// and then.
  template <class Limit> bool go_on(Limit limit_now) noexcept {
    if (++turns_ % kPausesPerLook != 0) {
      pause();
      return true;
    }
    const auto now = std::chrono::steady_clock::now();
    const int64_t limit = limit_now(*this);
    if (fresh_) start_ = now;
    fresh_ = false;
    const auto passed = now - start_;
    if (passed >= std::chrono::microseconds(limit)) return false;
    if (passed >= std::chrono::microseconds(kPauseMicroseconds)) sched_yield();
    return true;
  }

  void restart() noexcept { fresh_ = true; }

 private:
  unsigned turns_ = 0;
  bool fresh_ =
      true;  // the time begins with the first look: a wait that ends before costs no clock
  std::chrono::steady_clock::time_point start_;
};

/// What a thread is to the team. Initial-exec: the first touch needs no memory, so it cannot fail.
struct Membership {
  int holds = 0;  // TeamHolds of this thread, one in another; above 0 it has the team
  bool in_task =
      false;  // loops run here alone: always so in workers, during its own loops in a caller
};
[[gnu::tls_model("initial-exec")]] constinit thread_local Membership t_membership;

class Team {
 public:
  /// Takes the team for the calling thread, unless another has it.
  bool acquire() noexcept {
    return !busy_.load(std::memory_order_relaxed) && !busy_.exchange(true);
  }
  void release() noexcept { busy_.store(false, std::memory_order_release); }

  void set_holding(bool holding) noexcept { holding_.store(holding, std::memory_order_relaxed); }

  int size() noexcept;
  void set_size(int n) noexcept { size_.store(n, std::memory_order_relaxed); }

  /// Runs a loop; false, with nothing run, if there are no workers. The calling thread has the
  /// team.
  bool run(int64_t tasks, TaskFn fn, void* closure) noexcept;

 private:
  struct Job {
    TaskFn fn = nullptr;
    void* closure = nullptr;
    int64_t tasks = 0;
    uint64_t float_mode = 0;
  };

  static void* start_worker(void* id) noexcept;
  static void prepare_child() noexcept;
  bool survive_fork() noexcept;
  bool start(int id) noexcept;
  void resize(int wanted) noexcept;
  void read_spin_time() noexcept;
  void work_until_dismissed(int id) noexcept;
  bool spin_for_work(int id) noexcept;
  void wait_until_finished(int64_t tasks) noexcept;
  int64_t claim_and_run() noexcept;

  // What changes hands with every loop, in one line. The job is written only while nothing can be
  // claimed and read only between claiming a task and reporting it, so it needs no atomics of its
  // own.
  alignas(kLine) std::atomic<int64_t> unclaimed_{0};  // tasks; zero or below: none
  std::atomic<int64_t> chunk_{1};
  std::atomic<uint32_t> loops_{0};
  std::atomic<bool> holding_{false};
  Job job_;

  alignas(kLine) std::atomic<int64_t> finished_{0};  // tasks of this loop that workers have run
  EventCount loop_finished_;

  alignas(kLine) EventCount loop_began_;
  std::atomic<int> dismissed_from_{0};  // workers with this id and above leave
  std::atomic<int64_t> spin_microseconds_{kSpinMicroseconds};

  alignas(kLine) std::atomic<bool> busy_{
      false};                 // some thread has the team; what follows is that thread's
  std::atomic<int> size_{0};  // threads wanted, 0 until first asked; anyone's
  int workers_ = 0;
  bool forks_survived_ = false;
  pthread_t threads_[kMaxThreads] = {};
};

constinit Team g_team;

int Team::size() noexcept {
  int n = size_.load(std::memory_order_relaxed);
  if (n == 0) {
    const int chosen = default_num_threads();
    n = size_.compare_exchange_strong(n, chosen) ? chosen : n;
  }
  return n;
}

int64_t Team::claim_and_run() noexcept {
  int64_t done = 0;
  while (unclaimed_.load(std::memory_order_relaxed) > 0) {
    const int64_t chunk = chunk_.load(std::memory_order_relaxed);
    const int64_t left = unclaimed_.fetch_sub(chunk, std::memory_order_acquire);
    if (left <= 0) break;
    if (done == 0 && float_mode() != job_.float_mode) set_float_mode(job_.float_mode);
    const int64_t begin = job_.tasks - left;
    const int64_t end = begin + std::min(chunk, left);
    for (int64_t i = begin; i < end; ++i) job_.fn(job_.closure, i);
    done += end - begin;
  }
  return done;
}

bool Team::run(int64_t tasks, TaskFn fn, void* closure) noexcept {
  const int wanted = size();
  if (workers_ + 1 != wanted) resize(wanted);
  if (workers_ == 0) return false;

  const int64_t chunk = std::max<int64_t>(1, tasks / (kClaimsPerThread * (workers_ + 1)));
  const int64_t others = tasks - chunk;  // the caller's first chunk needs no claim
  job_ = {fn, closure, tasks, float_mode()};
  finished_.store(0, std::memory_order_relaxed);
  chunk_.store(chunk, std::memory_order_relaxed);
  loops_.store(loops_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  unclaimed_.store(others);
  loop_began_.notify(static_cast<int>(std::min<int64_t>(workers_, (others + chunk - 1) / chunk)));

  t_membership.in_task = true;
  for (int64_t i = 0; i < chunk; ++i) fn(closure, i);
  const int64_t done = chunk + claim_and_run();
  t_membership.in_task = false;
  wait_until_finished(tasks - done);
  return true;
}

void Team::wait_until_finished(int64_t tasks) noexcept {
  const auto finished = [&] { return finished_.load() == tasks; };
  const int64_t limit = spin_microseconds_.load(std::memory_order_relaxed);
  for (Spin spin; !finished();) {
    if (spin.go_on([limit](Spin&) { return limit; })) continue;
    loop_finished_.wait(finished);
    return;
  }
}

/// True when there is work, or reason to leave; false when it is time to park.
bool Team::spin_for_work(int id) noexcept {
  uint32_t loops = loops_.load(std::memory_order_relaxed);
  const auto limit_now = [&](Spin& spin) -> int64_t {
    const uint32_t now = loops_.load(std::memory_order_relaxed);
    if (now != loops) {  // loops come and go too short to be seen: they count as work
      loops = now;
      spin.restart();
    }
    const int64_t usual = spin_microseconds_.load(std::memory_order_relaxed);
    const bool longer = usual > 0 && holding_.load(std::memory_order_relaxed);
    return longer ? std::max(usual, kHoldMicroseconds) : usual;
  };
  for (Spin spin; unclaimed_.load(std::memory_order_relaxed) <= 0;) {
    if (id >= dismissed_from_.load(std::memory_order_relaxed)) return true;
    if (!spin.go_on(limit_now)) return false;
  }
  return true;
}

void Team::work_until_dismissed(int id) noexcept {
  const auto called = [&] { return unclaimed_.load() > 0 || id >= dismissed_from_.load(); };
  for (;;) {
    if (!spin_for_work(id)) loop_began_.wait(called);
    if (id >= dismissed_from_.load()) return;
    if (const int64_t done = claim_and_run(); done > 0) {
      finished_.fetch_add(done);
      loop_finished_.notify(1);
    }
  }
}

void* Team::start_worker(void* id) noexcept {
  t_membership.in_task = true;
  g_team.work_until_dismissed(static_cast<int>(reinterpret_cast<intptr_t>(id)));
  return nullptr;
}

bool Team::start(int id) noexcept {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals go to threads that expect them, Ctrl-C to Python's main thread; faults stay with their
  // thread.
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT})
    sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  void* argument = reinterpret_cast<void*>(static_cast<intptr_t>(id));
  const bool started = pthread_create(&threads_[id], &attributes, start_worker, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (!started) return false;
  char name[24];
  std::snprintf(name, sizeof(name), "pyneuro-%d",
                id + 1);  // at most 15 characters, the kernel's limit
  pthread_setname_np(threads_[id], name);
  return true;
}

/// Makes the team as large as `wanted`, the size that was just read, asks for, or as the system
/// allows.
void Team::resize(int wanted) noexcept {
  const int workers = survive_fork() ? wanted - 1 : 0;
  read_spin_time();
  dismissed_from_.store(workers);
  if (workers < workers_) {
    loop_began_.notify(INT_MAX);
    while (workers_ > workers) pthread_join(threads_[--workers_], nullptr);
  }
  while (workers_ < workers && start(workers_)) ++workers_;
  // Where the system refused, this is the size from now on, unless someone has just chosen another.
  if (workers_ + 1 < wanted) size_.compare_exchange_strong(wanted, workers_ + 1);
}

void Team::read_spin_time() noexcept {
  const int64_t chosen = number_in_environment("PYNEURO_SPIN_US", 0, 1'000'000, '\0');
  // With more threads than cores a spinning worker only keeps others from working.
  const bool crowded = size() > usable_cores();
  spin_microseconds_.store(chosen >= 0 ? chosen : crowded ? 0 : kSpinMicroseconds);
}

/// Makes sure, once, that a child starts without workers. Without that, none may be started here.
bool Team::survive_fork() noexcept {
  if (!forks_survived_) forks_survived_ = pthread_atfork(nullptr, nullptr, prepare_child) == 0;
  return forks_survived_;
}

/// In the child only the thread that forked lives on. Every word is set anew, whatever others were
/// writing.
void Team::prepare_child() noexcept {
  const bool held = t_membership.holds > 0;
  g_team.workers_ = 0;
  g_team.dismissed_from_.store(0);
  g_team.unclaimed_.store(0);
  g_team.finished_.store(0);
  g_team.loop_finished_.reset();
  g_team.loop_began_.reset();
  g_team.set_holding(held);
  g_team.busy_.store(held);
}

}  // namespace

void parallel_for(int64_t tasks, TaskFn fn, void* closure) noexcept {
  const Membership& me = t_membership;
  if (tasks > 1 && !me.in_task && g_team.size() > 1) {
    const bool held = me.holds > 0;
    if (held || g_team.acquire()) {
      const bool done = g_team.run(tasks, fn, closure);
      if (!held) g_team.release();
      if (done) return;
    }
  }
  for (int64_t i = 0; i < tasks; ++i) fn(closure, i);
}

int num_threads() noexcept { return g_team.size(); }

void set_num_threads(int n) {
  if (n < 1 || n > kMaxThreads) {
    raise(ErrorKind::Argument,
          join("set_num_threads: n is ", n, ", expected a number from 1 to ", kMaxThreads));
  }
  g_team.set_size(n);
}

int default_num_threads() noexcept {
  int64_t chosen = number_in_environment("PYNEURO_NUM_THREADS", 1, kMaxThreads, '\0');
  if (chosen < 0) chosen = number_in_environment("OMP_NUM_THREADS", 1, kMaxThreads, ',');
  if (chosen > 0) return static_cast<int>(chosen);
  return std::clamp(usable_cores(), 1, kMaxThreads);
}

TeamHold::TeamHold() noexcept {
  Membership& me = t_membership;
  counted_ = !me.in_task && (me.holds > 0 || g_team.acquire());
  if (counted_ && me.holds++ == 0) g_team.set_holding(true);
}

TeamHold::~TeamHold() {
  if (!counted_ || --t_membership.holds > 0) return;
  g_team.set_holding(false);
  g_team.release();
}

}  // namespace pyneuro
