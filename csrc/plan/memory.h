// Lifetimes to offsets: places the temporaries of a Program in one arena.
#pragma once

#include "plan/program.h"

namespace pyneuro {

struct Placement {
  std::vector<size_t> offsets;  // one for each buffer; meaningful for temporaries
  size_t bytes = 0;             // of the arena
};

/// Largest first, each at the lowest offset that is free over its whole lifetime. 64-byte aligned.
/// An op that can writes over an input that nobody reads again.
Placement place(const Program& program);

}  // namespace pyneuro
