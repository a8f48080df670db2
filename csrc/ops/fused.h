// Several elementwise ops as one. Plans are made of it where ops follow each other (plan/fuse.h):
// what lies between them stays in a cache and never reaches memory.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// Each step is four numbers: a row of the op table, an elementwise op, and its operands: k for
/// input k, the number of inputs + k for step k, -1 for none. All steps have the shape of the first
/// and are computed in one dtype; predicates go to `where` alone. `results` are the steps that are
/// given out. It rounds as the ops one by one do.
struct Fused {
  static constexpr Signature signature{"fused", {"xs*"}};
  static constexpr int kMostInputs = 8, kMostSteps = 24, kMostResults = 4;
  Ints steps, results;
  static constexpr auto fields =
      std::tuple{field("steps", &Fused::steps), field("results", &Fused::results)};
  static constexpr bool strided = true;

  int size() const { return int(steps.size()) / 4; }
  int row(int step) const { return int(steps[size_t(step) * 4]); }
  int operand(int step, int i) const { return int(steps[size_t(step) * 4 + size_t(i) + 1]); }
  Specs infer(Inputs in) const;
};

/// How many operands an op of this row has as a step, 0 if it cannot be one.
int fusable(int row);
/// Whether a step may read operand i of this dtype where `lanes` is computed in.
bool fits_step(int row, int i, DType dtype, DType lanes);
/// Whether chains can be computed in a dtype: it is that of its own arithmetic.
constexpr bool is_lanes(DType dtype) { return !is_bool(dtype) && compute_dtype(dtype) == dtype; }

}  // namespace pyneuro
