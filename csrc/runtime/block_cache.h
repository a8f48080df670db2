// The lower floors of the allocator: size classes, the cache of free blocks that all threads share,
// the system. For allocator.cpp alone; it does not know threads, nor raise.
#pragma once

#include <pthread.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pyneuro {

// The address sanitizer sees a use after free only if blocks really are freed.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kCaching = false;
#elif defined(__has_feature)
inline constexpr bool kCaching = !__has_feature(address_sanitizer);
#else
inline constexpr bool kCaching = true;
#endif

// Sizes are cut into classes, 4 to each doubling up to kSmallLimit, 16 beyond, so that a block that
// was given back is found again in one step by every request of about its size.
inline constexpr size_t kSmallest = 64;
inline constexpr size_t kSmallLimit = size_t{32} << 10;
inline constexpr size_t kLargest = size_t{1} << 47;  // user address space
inline constexpr int kSmallClasses = 32;
inline constexpr int kClasses = kSmallClasses + 16 * 32;

/// The class of a request of 1 to kLargest bytes.
constexpr int size_class(size_t bytes) {
  const size_t last = bytes - 1;
  if (last < 4 * kSmallest) return static_cast<int>(last / kSmallest);
  const int top = static_cast<int>(std::bit_width(last)) - 1;
  if (bytes <= kSmallLimit) return 4 * (top - 7) + static_cast<int>(last >> (top - 2) & 3);
  return kSmallClasses + 16 * (top - 15) + static_cast<int>(last >> (top - 4) & 15);
}

/// The bytes of a block of the class.
constexpr size_t class_size(int index) {
  if (index < 4) return kSmallest * static_cast<size_t>(index + 1);
  if (index < kSmallClasses) return static_cast<size_t>(5 + index % 4) << (index / 4 + 5);
  index -= kSmallClasses;
  return static_cast<size_t>(17 + index % 16) << (index / 16 + 11);
}

/// What a block for `bytes` counts with.
constexpr size_t block_size(int index, size_t bytes) {
  return kCaching ? class_size(index) : bytes;
}

/// What stands at the beginning of a block in the shared cache.
struct FreeBlock {
  FreeBlock* next;  // of the same class
  FreeBlock* previous;
  FreeBlock* newer;  // of all
  FreeBlock* older;
  int size_class;
};
static_assert(sizeof(FreeBlock) <= kSmallest);

/// The first word of a free block, where chains of blocks outside the shared cache are linked.
inline void*& link_of(void* block) noexcept { return *static_cast<void**>(block); }

/// Free blocks of all classes behind one lock, how much is held from the system, and how much of it
/// is in use. Constant-initialised and never destroyed, so that blocks may be given back until the
/// process ends.
class BlockCache {
 public:
  /// Reads the machine's memory. Before the first block.
  void prepare() noexcept;

  /// A block of the class, cached or from the system; null if there is none to be had.
  void* allocate(int index, size_t bytes) noexcept;
  void deallocate(void* block, int index, size_t bytes) noexcept;
  /// Adds up to `most` cached blocks of the class to a chain; returns how many.
  uint32_t take_many(int index, uint32_t most, void** chain) noexcept;
  /// Takes over a chain of blocks of one class.
  void put_many(void* chain, int index) noexcept;
  /// Returns all cached blocks to the system.
  void empty() noexcept;
  void set_limit(size_t bytes) noexcept;

  /// Counts bytes that were handed out, negative if taken back.
  void count(int64_t bytes) noexcept;
  /// Tells the peak of an amount in use.
  void raise_peak(int64_t in_use) noexcept;

  // Held over a fork, and by allocator.cpp around its list of threads and what follows here.
  void lock() noexcept { pthread_mutex_lock(&mutex_); }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }
  int64_t counted() const noexcept { return used_.load(std::memory_order_relaxed); }
  int64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
  size_t reserved() const noexcept { return reserved_; }
  size_t reserved_peak() const noexcept { return reserved_peak_; }
  size_t limit() const noexcept { return limit_; }
  uint64_t system_allocations() const noexcept { return system_allocations_; }
  void reset_peaks(int64_t in_use) noexcept;

 private:
  FreeBlock* take(int index) noexcept;
  void put(void* block, int index) noexcept;
  void unlink(FreeBlock* block) noexcept;
  FreeBlock* evict(size_t keep) noexcept;
  FreeBlock* evict_surplus(size_t wanted) noexcept;

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  FreeBlock* lists_[kClasses] = {};
  FreeBlock* newest_ = nullptr;
  FreeBlock* oldest_ = nullptr;
  size_t cached_ = 0;    // in the lists
  size_t reserved_ = 0;  // held from the system, in the lists or not
  size_t reserved_peak_ = 0;
  size_t high_water_ = 0;  // the highest peak of all, which resets leave
  size_t limit_ = 0;
  size_t machine_memory_ = 0;
  uint64_t system_allocations_ = 0;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
};

/// Holds the cache's lock while it lives.
class CacheLock {
 public:
  explicit CacheLock(BlockCache& cache) noexcept : cache_(cache) { cache_.lock(); }
  ~CacheLock() { cache_.unlock(); }
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  BlockCache& cache_;
};

}  // namespace pyneuro
