// Scaled dot-product attention as one op, without the matrix of all pairs in memory, and its
// gradient. Floats only; halves compute in float32.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[n, i, h] = sum_j p[n, h, i, j] value[n, j, h'], p = softmax(l) over the keys j,
/// l = scale query[n, i, h] . key[n, j, h'] + bias[n, h, i, j], and l = -1e30 where `mask` is false
/// or, if `causal`, j > i. Query heads share key heads: h' = h / (heads / key heads).
///
/// query (N, queries, heads, size), key (N, keys, key heads, size), value (N, keys, key heads,
/// value size); bias and bool mask broadcast to (N, heads, queries, keys). The bias may be of any
/// float that computes as the others do. Gives y (N, queries, heads, value size) and, for the
/// gradient, each row's greatest logit and sum of exp(l - greatest): (N, heads, queries, 2), in
/// float64. Two numbers rather than their logarithm's sum: beside a greatest of -1e30 it would be
/// lost.
struct Attention {
  static constexpr Signature signature{"attention", {"query", "key", "value", "bias?", "mask?"}};
  double scale;
  bool causal;
  static constexpr auto fields =
      std::tuple{field("scale", &Attention::scale), field("causal", &Attention::causal, false)};
  Specs infer(Inputs in) const;
};

/// The gradients of attention for query, key and value. y and stats are attention's outputs.
struct AttentionGrad {
  static constexpr Signature signature{
      "attention_grad", {"query", "key", "value", "y", "stats", "g", "bias?", "mask?"}};
  double scale;
  bool causal;
  static constexpr auto fields = std::tuple{field("scale", &AttentionGrad::scale),
                                            field("causal", &AttentionGrad::causal, false)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
