// Fusing: elementwise steps of one shape that follow each other become one step.
#pragma once

#include "plan/program.h"

namespace pyneuro {

/// The same program with fewer steps; it gives the same bits.
Program fuse(Program program);

}  // namespace pyneuro
