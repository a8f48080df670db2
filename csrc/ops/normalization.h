// Normalization by means and variances. x is [outer, rows, channels]; a group is channels / groups
// neighbouring channels over all rows of one `outer`. So one op is
//
//   batch norm      x as [1, pixels, channels], groups = channels
//   layer norm      x as [samples, 1, features], groups = 1
//   group norm      x as [samples, pixels, channels]
//
// Floats only; halves are computed in float32, and what is not of x's shape is float32 for them.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y = (x - mean) / sqrt(variance + epsilon) gamma + beta with each group's mean and variance,
/// [outer, groups], which are given as well. `rms`: the mean counts as 0, the variance is that of
/// x itself, its mean square. gamma and beta are [channels].
struct Normalize {
  static constexpr Signature signature{"normalize", {"x", "gamma?", "beta?"}};
  int64_t groups;
  double epsilon;
  bool rms;
  static constexpr auto fields =
      std::tuple{field("groups", &Normalize::groups, int64_t{1}),
                 field("epsilon", &Normalize::epsilon), field("rms", &Normalize::rms, false)};
  Specs infer(Inputs in) const;
};

/// dx, dgamma and dbeta from what normalize took and gave, and g for y.
struct NormalizeGrad {
  static constexpr Signature signature{"normalize_grad", {"x", "mean", "variance", "g", "gamma?"}};
  int64_t groups;
  double epsilon;
  bool rms;
  static constexpr auto fields = std::tuple{field("groups", &NormalizeGrad::groups, int64_t{1}),
                                            field("epsilon", &NormalizeGrad::epsilon),
                                            field("rms", &NormalizeGrad::rms, false)};
  Specs infer(Inputs in) const;
};

/// y = (x - mean) / sqrt(variance + epsilon) gamma + beta along the last axis of x, where the four
/// are [channels]: batch norm by moments that are known.
struct Standardize {
  static constexpr Signature signature{"standardize", {"x", "mean", "variance", "gamma?", "beta?"}};
  double epsilon;
  static constexpr auto fields = std::tuple{field("epsilon", &Standardize::epsilon)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
