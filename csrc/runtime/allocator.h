// Memory for arrays: blocks are cached when they are given back, because fresh pages cost more than
// most ops. Knows nothing of shapes and devices; counts what it hands out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyneuro {

/// Every block begins at a multiple of this; of 4096 from 1 MiB up, of 2 MiB (a huge page) from 32
/// MiB up.
inline constexpr size_t kBlockAlignment = 64;

/// Sizes in bytes. Blocks count with the size of their class, by which they are cached: up to 25 %
/// above what was asked for up to 32 KiB, up to 6.25 % beyond.
struct MemoryStats {
  size_t allocated;      // in use now
  size_t peak;           // most in use since the last reset_peak(); see there
  size_t cached;         // held back for reuse
  size_t reserved_peak;  // most that was held from the system, in use and cached, since the last
                         // reset_peak()
  uint64_t allocations;  // calls of allocate() so far that gave a block
  uint64_t system_allocations;  // of these, those that had to ask the system
};

/// A block of at least `bytes` bytes with undefined content. Error{Memory} if there is no such
/// block: neither cached, nor from the system once the cache has been emptied for it, nor within
/// the memory limit. For 0 bytes the same address each time, which may be given back but not
/// written to. Not counted.
void* allocate(size_t bytes);

/// Gives a block back, on any thread. `bytes` is what was asked for; a null pointer is let through.
void deallocate(void* block, size_t bytes) noexcept;

/// Exact while no other thread allocates. What other threads hold in small blocks joins the peak
/// with a delay: the peak can be short by up to 64 KiB for each thread, but is never below an
/// `allocated` that was reported.
MemoryStats memory_stats() noexcept;

/// Lets both peaks start again from now.
void reset_peak() noexcept;

/// Returns all cached blocks to the system, but for a small stock (2 MiB at most) of each other
/// thread.
void empty_cache() noexcept;

/// Keeps what is held from the system, in use and cached, within `bytes`; 0 for no limit. Blocks in
/// use stay.
void set_memory_limit(size_t bytes) noexcept;

/// For tests of what happens when memory runs out: k more allocations succeed, the next one fails
/// with Error{Memory} (k = 0: the very next), on whichever thread, and with `persistent` all after
/// it too. -1 for none.
void fail_allocation_after(int64_t k, bool persistent = false) noexcept;

}  // namespace pyneuro
