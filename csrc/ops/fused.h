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
/// Whether chains can be computed in a dtype: it is that of its own arithmetic, or a float of 16
/// bits, whose steps compute in float32 and round.
constexpr bool is_lanes(DType dtype) {
  return dtype == DType::Float16 || dtype == DType::BFloat16 ||
         (!is_bool(dtype) && compute_dtype(dtype) == dtype);
}

/// Whether a chain can run on parts of the result of an op of this row: products.
bool leads(int row);

/// How an array lies that broadcasts to `shape`, seen as a matrix: all axes but the last, the last.
struct MatrixStrides {
  bool valid;  // one stride serves all the rows
  int64_t row, col;
};
constexpr MatrixStrides matrix_strides(const Shape& from, const Strides& strides,
                                       const Shape& shape) {
  const Strides all = broadcast_strides(from, strides, shape);
  const int last = shape.size() - 1;
  MatrixStrides out{true, 0, shape[last] == 1 ? 0 : all[last]};
  int64_t rows = 1;  // of the axes so far
  for (int d = last - 1; d >= 0; --d) {
    if (shape[d] == 1) continue;
    if (rows == 1)
      out.row = all[d];
    else if (all[d] != out.row * rows)
      out.valid = false;
    rows *= shape[d];
  }
  return out;
}

}  // namespace pyneuro
