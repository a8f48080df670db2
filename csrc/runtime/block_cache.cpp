// Free blocks carry their own links, so giving back needs no memory and cannot fail. The lock is
// never held over a call of the system: mapping and unmapping gigabytes takes milliseconds.
#include "runtime/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "runtime/allocator.h"
#include "runtime/cpu_features.h"

namespace pyneuro {
namespace {

constexpr size_t kMapLimit = size_t{1} << 20;  // from here on straight from mmap
// From here on huge pages: fresh 64 MiB are written in 4.4 ms instead of 20.8, and what is kept in
// the cache is read with fewer look-ups of pages.
constexpr size_t kHugeLimit = size_t{8} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCacheFloor = size_t{256} << 20;  // this much is cached whatever the peak

constexpr bool classes_fit() {
  for (int i = 0; i < kClasses; ++i) {
    if (size_class(class_size(i)) != i || class_size(i) % kBlockAlignment != 0) return false;
    if (i > 0 && size_class(class_size(i - 1) + 1) != i) return false;
  }
  return class_size(kSmallClasses - 1) == kSmallLimit && class_size(kClasses - 1) == kLargest;
}
static_assert(classes_fit());

/// Fresh pages; from kHugeLimit up aligned to huge pages and marked for them. Null where the system
/// refuses.
void* map_pages(size_t size) noexcept {
  const size_t slack = size >= kHugeLimit ? kHugePage : 0;
  void* got =
      mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  if (slack == 0) return got;
  char* begin = static_cast<char*>(got);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) % kHugePage;
  if (before > 0) munmap(begin, before);
  if (before < slack) munmap(begin + before + size, slack - before);
  madvise(begin + before, size, MADV_HUGEPAGE);
  return begin + before;
}

void* take_from_system(size_t size) noexcept {
  if (kCaching && size >= kMapLimit) return map_pages(size);
  void* block = nullptr;
  return posix_memalign(&block, kBlockAlignment, size) == 0 ? block : nullptr;
}

void give_to_system(void* block, size_t size) noexcept {
  if (kCaching && size >= kMapLimit) {
    munmap(block, size);
  } else {
    std::free(block);
  }
}

/// Gives what evict() unlinked to the system.
void release(FreeBlock* chain) noexcept {
  while (chain != nullptr) {
    FreeBlock* block = chain;
    chain = block->next;
    give_to_system(block, class_size(block->size_class));
  }
}

size_t difference(size_t a, size_t b) { return a - std::min(a, b); }

}  // namespace

void BlockCache::prepare() noexcept { machine_memory_ = usable_memory(); }

void BlockCache::unlink(FreeBlock* block) noexcept {
  (block->previous != nullptr ? block->previous->next : lists_[block->size_class]) = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
  (block->newer != nullptr ? block->newer->older : newest_) = block->older;
  (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
  cached_ -= class_size(block->size_class);
}

FreeBlock* BlockCache::take(int index) noexcept {
  FreeBlock* block = lists_[index];
  if (block != nullptr) unlink(block);
  return block;
}

void BlockCache::put(void* block, int index) noexcept {
  auto* free = std::construct_at(static_cast<FreeBlock*>(block),
                                 FreeBlock{lists_[index], nullptr, nullptr, newest_, index});
  if (free->next != nullptr) free->next->previous = free;
  lists_[index] = free;
  (newest_ != nullptr ? newest_->newer : oldest_) = free;
  newest_ = free;
  cached_ += class_size(index);
}

/// Unlinks the blocks that were cached longest ago until at most `keep` bytes are left.
FreeBlock* BlockCache::evict(size_t keep) noexcept {
  FreeBlock* chain = nullptr;
  while (cached_ > keep) {
    FreeBlock* block = oldest_;
    unlink(block);
    reserved_ -= class_size(block->size_class);
    block->next = chain;
    chain = block;
  }
  return chain;
}

/// With what is in use the cache may hold an eighth more than was ever in use at once, so that a
/// step's blocks are there for the next; but not so much that the process fills over half of the
/// machine's memory, nor past the limit.
FreeBlock* BlockCache::evict_surplus(size_t wanted) noexcept {
  const size_t used = reserved_ - cached_ + wanted;
  high_water_ = std::max({high_water_, static_cast<size_t>(peak()), used});
  size_t keep = difference(high_water_ + high_water_ / 8, used);
  if (machine_memory_ != 0) keep = std::min(keep, difference(machine_memory_ / 2, used));
  keep = std::max(keep, kCacheFloor);
  if (limit_ != 0) keep = std::min(keep, difference(limit_, used));
  return evict(keep);
}

void* BlockCache::allocate(int index, size_t bytes) noexcept {
  const size_t size = block_size(index, bytes);
  FreeBlock* evicted = nullptr;
  {
    const CacheLock locked(*this);
    if (FreeBlock* block = take(index)) return block;
    if (limit_ != 0) {
      const size_t used = reserved_ - cached_;
      if (size > difference(limit_, used)) return nullptr;
    }
    evicted = evict_surplus(size);
    reserved_ += size;
    reserved_peak_ = std::max(reserved_peak_, reserved_);
    ++system_allocations_;
  }
  release(evicted);
  void* block = take_from_system(size);
  if (block != nullptr) return block;
  const CacheLock locked(*this);
  reserved_ -= size;
  --system_allocations_;
  return nullptr;
}

void BlockCache::deallocate(void* block, int index, size_t bytes) noexcept {
  FreeBlock* evicted = nullptr;
  {
    const CacheLock locked(*this);
    if (kCaching) {
      put(block, index);
      evicted = evict_surplus(0);
    } else {
      reserved_ -= bytes;
    }
  }
  release(evicted);
  if (!kCaching) give_to_system(block, bytes);
}

uint32_t BlockCache::take_many(int index, uint32_t most, void** chain) noexcept {
  const CacheLock locked(*this);
  uint32_t taken = 0;
  for (; taken < most; ++taken) {
    FreeBlock* block = take(index);
    if (block == nullptr) break;
    link_of(block) = *chain;
    *chain = block;
  }
  return taken;
}

void BlockCache::put_many(void* chain, int index) noexcept {
  FreeBlock* evicted = nullptr;
  {
    const CacheLock locked(*this);
    while (chain != nullptr) {
      void* block = chain;
      chain = link_of(block);
      put(block, index);
    }
    evicted = evict_surplus(0);
  }
  release(evicted);
}

void BlockCache::empty() noexcept {
  FreeBlock* evicted = nullptr;
  {
    const CacheLock locked(*this);
    evicted = evict(0);
  }
  release(evicted);
#if defined(__GLIBC__)
  malloc_trim(0);  // small blocks are malloc's: it keeps what it is given unless told
#endif
}

void BlockCache::set_limit(size_t bytes) noexcept {
  FreeBlock* evicted = nullptr;
  {
    const CacheLock locked(*this);
    limit_ = bytes;
    evicted = evict_surplus(0);
  }
  release(evicted);
}

void BlockCache::count(int64_t bytes) noexcept {
  raise_peak(used_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
}

void BlockCache::raise_peak(int64_t in_use) noexcept {
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (in_use > peak && !peak_.compare_exchange_weak(peak, in_use, std::memory_order_relaxed)) {}
}

void BlockCache::reset_peaks(int64_t in_use) noexcept {
  high_water_ = std::max(high_water_, static_cast<size_t>(peak()));
  peak_.store(in_use, std::memory_order_relaxed);
  reserved_peak_ = reserved_;
}

}  // namespace pyneuro
