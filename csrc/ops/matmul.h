// Batched matrix product.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// How a matrix lies in memory, `outer` elements between its dense rows; or columns, if transposed.
struct MatrixLayout {
  bool valid, transposed;
  int64_t outer;
};
inline MatrixLayout matrix_layout(const Shape& shape, const Strides& strides) {
  const int n = shape.size();
  const int64_t rows = shape[n - 2], cols = shape[n - 1];
  const int64_t row = strides[n - 2], col = strides[n - 1];
  if ((cols <= 1 || col == 1) && (rows <= 1 || row >= cols))
    return {true, false, rows <= 1 ? cols : row};
  if ((rows <= 1 || row == 1) && (cols <= 1 || col >= rows))
    return {true, true, cols <= 1 ? rows : col};
  return {false, false, 0};
}

/// y[..., m, n] = sum_k a[..., m, k] b[..., k, n] + bias[n]; batch dimensions broadcast.
/// `transpose_a` reads a as [..., k, m], `transpose_b` reads b as [..., n, k]. A vector a is [k] ->
/// the result drops m, a vector b is [k] -> it drops n, as numpy.matmul. Halves accumulate in
/// float32. One shared dtype (dispatch of mixed dtypes is the caller's cast).
struct Matmul {
  static constexpr Signature signature{"matmul", {"a", "b", "bias?"}};
  bool transpose_a, transpose_b;
  static constexpr auto fields = std::tuple{field("transpose_a", &Matmul::transpose_a, false),
                                            field("transpose_b", &Matmul::transpose_b, false)};
  /// Matrices with a dense row or column, whatever lies between the others: transposed views, say.
  static bool reads(const Layout& x);
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
