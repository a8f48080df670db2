// The loops of the elementwise ops, for those who run several on one tile.
#pragma once

#include "kernels/tile.h"

namespace pyneuro {

struct ElementwiseLoop {
  TileLoop loop;
  bool predicate;  // it gives bytes of 0 and 1
  bool exact;      // of numbers that 16 bits hold it makes such numbers
};

/// The loop of a row of the op table that `fusable` knows, for lanes of a dtype in its domain.
ElementwiseLoop elementwise_loop(int row, DType lanes);

}  // namespace pyneuro
