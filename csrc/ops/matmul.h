// Batched matrix product.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[..., m, n] = sum_k a[..., m, k] b[..., k, n] + bias[n]; batch dimensions broadcast.
/// `transpose_a` reads a as [..., k, m], `transpose_b` reads b as [..., n, k]. A vector a is [k] ->
/// the result drops m, a vector b is [k] -> it drops n, as numpy.matmul. Halves accumulate in
/// float32. One shared dtype (dispatch of mixed dtypes is the caller's cast).
struct Matmul {
  static constexpr Signature signature{"matmul", {"a", "b", "bias?"}};
  bool transpose_a, transpose_b;
  static constexpr auto fields = std::tuple{field("transpose_a", &Matmul::transpose_a, false),
                                            field("transpose_b", &Matmul::transpose_b, false)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
