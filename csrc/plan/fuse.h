// Fusing: elementwise steps of one shape that follow each other become one step, and those that
// follow a product and read its result become part of its step.
#pragma once

#include "plan/program.h"

namespace pyneuro {

/// The same program with fewer steps; it gives the same bits.
Program fuse(Program program);

}  // namespace pyneuro
