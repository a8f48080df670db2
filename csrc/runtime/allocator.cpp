// The upper floor of the allocator: each thread's stock of small blocks, which needs no lock, the
// counts, the door.
//
// Threads come and go: a stock returns its blocks when its thread ends. Over a fork the cache's
// lock is held, so the child finds the shared cache whole; the stocks of threads that the child
// does not have are lost to it.
#include "runtime/allocator.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "runtime/block_cache.h"

namespace pyneuro {
namespace {

constexpr size_t kStockBytes = size_t{64} << 10;  // of each class, in a thread
constexpr int64_t kUnreported = int64_t{64}
                                << 10;  // bytes a thread counts for itself before it tells
constexpr auto kRelaxed = std::memory_order_relaxed;

/// How many blocks of a class a thread keeps.
constexpr auto kStockOf = [] {
  std::array<uint32_t, kSmallClasses> most{};
  for (int i = 0; i < kSmallClasses; ++i) {
    most[i] = static_cast<uint32_t>(std::clamp<size_t>(kStockBytes / class_size(i), 4, 256));
  }
  return most;
}();

constinit BlockCache g_cache;

/// Small free blocks of one thread, chained by their first word; only that thread touches them.
class Stock {
 public:
  Stock() noexcept;
  ~Stock();  // the cache's lock is held
  Stock(const Stock&) = delete;
  Stock& operator=(const Stock&) = delete;

  void* pop(int index) noexcept;  // null if neither the stock nor the cache has one
  void push(void* block, int index) noexcept;
  void return_all() noexcept;
  void count(int64_t bytes, uint64_t blocks) noexcept;

  /// Bytes in use, with what stocks have not told yet; the peak hears of it. The cache's lock is
  /// held.
  static int64_t in_use() noexcept;
  static uint64_t allocations() noexcept;  // the cache's lock is held
  /// In a forked child: only the counts stay of threads that are gone, for their blocks may be half
  /// linked.
  static void forget_all_but(const Stock* kept) noexcept;

 private:
  struct List {
    void* first = nullptr;
    uint32_t count = 0;
  };
  List lists_[kSmallClasses];
  // Written by this thread, read by all.
  std::atomic<int64_t> unreported_{0};
  std::atomic<uint64_t> allocations_{0};
  Stock* next_ = nullptr;
  Stock* previous_ = nullptr;
};

constinit Stock* g_stocks = nullptr;               // under the cache's lock
constinit std::atomic<uint64_t> g_allocations{0};  // by threads that are gone or have no stock

Stock::Stock() noexcept {
  const CacheLock locked(g_cache);
  next_ = g_stocks;
  if (g_stocks != nullptr) g_stocks->previous_ = this;
  g_stocks = this;
}

Stock::~Stock() {
  (previous_ != nullptr ? previous_->next_ : g_stocks) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  g_cache.count(unreported_.load(kRelaxed));
  g_allocations.fetch_add(allocations_.load(kRelaxed), kRelaxed);
}

void* Stock::pop(int index) noexcept {
  List& list = lists_[index];
  if (list.first == nullptr)
    list.count = g_cache.take_many(index, kStockOf[index] / 2, &list.first);
  void* block = list.first;
  if (block == nullptr) return nullptr;
  list.first = link_of(block);
  --list.count;
  return block;
}

void Stock::push(void* block, int index) noexcept {
  List& list = lists_[index];
  link_of(block) = list.first;
  list.first = block;
  if (++list.count <= kStockOf[index]) [[likely]]
    return;
  // The half that was given back last stays: it is in the processor's cache.
  const uint32_t kept = kStockOf[index] / 2;
  void* last = block;
  for (uint32_t i = 1; i < kept; ++i) last = link_of(last);
  g_cache.put_many(link_of(last), index);
  link_of(last) = nullptr;
  list.count = kept;
}

void Stock::return_all() noexcept {
  for (int i = 0; i < kSmallClasses; ++i) {
    if (lists_[i].first != nullptr) g_cache.put_many(lists_[i].first, i);
    lists_[i] = {};
  }
}

void Stock::count(int64_t bytes, uint64_t blocks) noexcept {
  allocations_.store(allocations_.load(kRelaxed) + blocks, kRelaxed);
  const int64_t sum = unreported_.load(kRelaxed) + bytes;
  const bool told = sum <= -kUnreported || sum >= kUnreported;
  unreported_.store(told ? 0 : sum, kRelaxed);
  if (told) g_cache.count(sum);
}

int64_t Stock::in_use() noexcept {
  int64_t sum = g_cache.counted();
  for (const Stock* s = g_stocks; s != nullptr; s = s->next_) sum += s->unreported_.load(kRelaxed);
  sum = std::max<int64_t>(sum, 0);  // threads at work may be seen giving back first
  g_cache.raise_peak(sum);
  return sum;
}

uint64_t Stock::allocations() noexcept {
  uint64_t sum = g_allocations.load(kRelaxed);
  for (const Stock* s = g_stocks; s != nullptr; s = s->next_) sum += s->allocations_.load(kRelaxed);
  return sum;
}

void Stock::forget_all_but(const Stock* kept) noexcept {
  for (Stock* stock = g_stocks; stock != nullptr;) {
    Stock* next = stock->next_;
    if (stock != kept) std::destroy_at(stock);
    stock = next;
  }
}

struct ThreadState {
  Stock* stock = nullptr;
  bool without =
      false;        // the thread is ending, or a stock could not be made: straight to the cache
  int forking = 0;  // handlers that hold the lock for a fork
};
// Initial-exec: the first touch needs no memory, so it cannot fail.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadState t_state;

constinit pthread_key_t g_key = 0;
constinit bool g_key_made = false;
constexpr pid_t kPrepared = -1;
constinit std::atomic<pid_t> g_preparing{0};  // the process that is at it, or kPrepared

void end_of_thread(void* value) noexcept {
  t_state.stock = nullptr;
  t_state.without = true;
  auto* stock = static_cast<Stock*>(value);
  stock->return_all();
  {
    const CacheLock locked(g_cache);
    std::destroy_at(stock);
  }
  std::free(stock);
}

// A process that was forked while its parent was preparing may have the handlers twice.
void before_fork() noexcept {
  if (t_state.forking++ == 0) g_cache.lock();
}
void after_fork() noexcept {
  if (--t_state.forking == 0) g_cache.unlock();
}
void after_fork_in_child() noexcept {
  Stock::forget_all_but(t_state.stock);
  after_fork();
}

/// Does once, before the first lock is taken, what must be done once. Like pthread_once, it starts
/// anew in a child that was forked while a thread of the parent was at it; pthread_once itself does
/// not under the thread sanitizer.
void prepare_process() noexcept {
  pid_t preparing = g_preparing.load(std::memory_order_acquire);
  while (preparing != kPrepared) {
    const pid_t self = getpid();
    if (preparing == self) {
      sched_yield();
      preparing = g_preparing.load(std::memory_order_acquire);
    } else if (g_preparing.compare_exchange_weak(preparing, self, std::memory_order_acquire)) {
      g_cache.prepare();
      g_key_made = pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0 &&
                   pthread_key_create(&g_key, end_of_thread) == 0;
      g_preparing.store(kPrepared, std::memory_order_release);
      return;
    }
  }
}

[[gnu::noinline]] Stock* make_stock() noexcept {
  prepare_process();
  void* room = kCaching && g_key_made ? std::malloc(sizeof(Stock)) : nullptr;
  if (room == nullptr || pthread_setspecific(g_key, room) != 0) {
    std::free(room);
    t_state.without = true;
    return nullptr;
  }
  t_state.stock = std::construct_at(static_cast<Stock*>(room));
  return t_state.stock;
}

/// The calling thread's stock; null if it has none.
Stock* own_stock() noexcept {
  if (t_state.stock != nullptr) [[likely]]
    return t_state.stock;
  return t_state.without ? nullptr : make_stock();
}

constinit std::atomic<int64_t> g_successes_left{-1};
constinit std::atomic<bool> g_keep_failing{false};

bool planned_failure() noexcept {
  int64_t left = g_successes_left.load();
  while (left >= 0) {
    if (left == 0 && g_keep_failing.load()) return true;
    if (g_successes_left.compare_exchange_weak(left, left - 1)) return left == 0;
  }
  return false;
}

[[noreturn, gnu::noinline]] void out_of_memory(size_t bytes) {
  size_t in_use = 0;
  size_t limit = 0;
  {
    const CacheLock locked(g_cache);
    in_use = static_cast<size_t>(Stock::in_use());
    limit = g_cache.limit();
  }
  raise(ErrorKind::Memory, join("cpu: cannot allocate ", bytes, " bytes; ", in_use, " are in use",
                                limit == 0 ? "" : join(", the limit is ", limit),
                                "; use smaller batches or free arrays that are no longer needed"));
}

// What 0 bytes are.
alignas(kBlockAlignment) constinit char g_nothing[kBlockAlignment] = {};

}  // namespace

void* allocate(size_t bytes) {
  if (bytes == 0) return g_nothing;
  if (bytes > kLargest) out_of_memory(bytes);
  if (g_successes_left.load(kRelaxed) >= 0 && planned_failure()) out_of_memory(bytes);
  const int index = size_class(bytes);
  Stock* stock = own_stock();
  void* block = stock != nullptr && index < kSmallClasses ? stock->pop(index) : nullptr;
  if (block == nullptr) block = g_cache.allocate(index, bytes);
  if (block == nullptr) {
    empty_cache();
    block = g_cache.allocate(index, bytes);
  }
  if (block == nullptr) out_of_memory(bytes);
  const auto size = static_cast<int64_t>(block_size(index, bytes));
  if (stock != nullptr) {
    stock->count(size, 1);
  } else {
    g_cache.count(size);
    g_allocations.fetch_add(1, kRelaxed);
  }
  return block;
}

void deallocate(void* block, size_t bytes) noexcept {
  if (block == nullptr || bytes == 0) return;
  const int index = size_class(bytes);
  const auto size = static_cast<int64_t>(block_size(index, bytes));
  Stock* stock = own_stock();
  if (stock != nullptr) {
    stock->count(-size, 0);
  } else {
    g_cache.count(-size);
  }
  if (stock != nullptr && index < kSmallClasses) {
    stock->push(block, index);
  } else {
    g_cache.deallocate(block, index, bytes);
  }
}

MemoryStats memory_stats() noexcept {
  prepare_process();
  const CacheLock locked(g_cache);
  const auto in_use = static_cast<size_t>(Stock::in_use());
  return {.allocated = in_use,
          .peak = static_cast<size_t>(g_cache.peak()),
          .cached = g_cache.reserved() - std::min(g_cache.reserved(), in_use),
          .reserved_peak = g_cache.reserved_peak(),
          .allocations = Stock::allocations(),
          .system_allocations = g_cache.system_allocations()};
}

void reset_peak() noexcept {
  prepare_process();
  const CacheLock locked(g_cache);
  g_cache.reset_peaks(Stock::in_use());
}

void empty_cache() noexcept {
  prepare_process();
  if (t_state.stock != nullptr) t_state.stock->return_all();
  g_cache.empty();
}

void set_memory_limit(size_t bytes) noexcept {
  prepare_process();
  g_cache.set_limit(bytes);
}

void fail_allocation_after(int64_t k, bool persistent) noexcept {
  g_successes_left.store(-1);
  g_keep_failing.store(persistent);
  g_successes_left.store(std::max<int64_t>(k, -1));
}

}  // namespace pyneuro
