// The team of threads that kernels run on: parallel_for and what governs it.
// Knows nothing of ops or arrays. Never blocks a caller on another's work: who finds the team busy
// works alone.
#pragma once

#include <cstdint>

namespace pyneuro {

/// One task of a loop: `closure` as given to parallel_for, and the task's index. Must not throw,
/// nor fork.
using TaskFn = void (*)(void* closure, int64_t index);

/// Runs fn(closure, i) for every i in [0, tasks), on the calling thread and the team; returns when
/// all are done. Which thread runs which task is not defined, so a task's result must depend on its
/// index alone. A call from inside a task, and a call while another thread has the team, runs its
/// tasks on the calling thread, to the same bits: tasks run under the caller's floating-point mode
/// wherever they run.
void parallel_for(int64_t tasks, TaskFn fn, void* closure) noexcept;

/// Threads that share a loop, the caller included. Fewer than were asked for if the system refused
/// to start them.
int num_threads() noexcept;

inline constexpr int kMaxThreads = 1024;

/// Sets the size of the team, 1 to kMaxThreads; Error{Argument} otherwise. Takes effect at the next
/// parallel_for.
void set_num_threads(int n);

/// PYNEURO_NUM_THREADS, else OMP_NUM_THREADS (the first of a list), else usable_cores(). A variable
/// that does not hold a whole number from 1 to kMaxThreads counts as unset.
int default_num_threads() noexcept;

/// While it lives, its thread has the team to itself and the workers keep spinning between loops,
/// so that each loop of a plan's step starts in well under a microsecond. Holds nest. If another
/// thread has the team, the hold is empty. Workers park all the same after a few milliseconds
/// without a loop, so a forgotten hold costs no power. Must end on the thread that began it.
///
/// Between loops outside a hold a worker spins for PYNEURO_SPIN_US microseconds (100 unless set; 0
/// parks it at once).
class TeamHold {
 public:
  TeamHold() noexcept;
  ~TeamHold();
  TeamHold(const TeamHold&) = delete;
  TeamHold& operator=(const TeamHold&) = delete;

 private:
  bool counted_;
};

}  // namespace pyneuro
