// The sections of the stress program on the allocator.
#pragma once

#include "stress.h"

namespace {

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

}  // namespace
