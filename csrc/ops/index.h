// Reading and placing along an axis by integers, with gradients, and one-hot codes.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[.., i.., ..] = x[.., indices[i..], ..] along `axis`: indices' shape stands in place of the
/// axis. Indices are of any integer dtype; negative ones count from the end; one outside raises.
struct Take {
  static constexpr Signature signature{"take", {"x", "indices"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &Take::axis, int64_t{0})};
  Specs infer(Inputs in) const;
};

/// The gradient of take: zeros with `size` entries along `axis`, g added at the indices. Entries
/// that share an index are added in the order of the indices, so the sum has the same bits every
/// time.
struct TakeGrad {
  static constexpr Signature signature{"take_grad", {"g", "indices"}};
  int64_t axis, size;
  static constexpr auto fields =
      std::tuple{field("axis", &TakeGrad::axis, int64_t{0}), field("size", &TakeGrad::size)};
  Specs infer(Inputs in) const;
};

/// y[.., j, ..] = x[.., indices[.., j, ..], ..] along `axis`; x and indices have equal sizes along
/// all other axes. Indices as in take.
struct TakeAlongAxis {
  static constexpr Signature signature{"take_along_axis", {"x", "indices"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &TakeAlongAxis::axis, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// The gradient of take_along_axis: zeros with `size` entries along `axis`, g added at the indices,
/// in their order.
struct TakeAlongAxisGrad {
  static constexpr Signature signature{"take_along_axis_grad", {"g", "indices"}};
  int64_t axis, size;
  static constexpr auto fields = std::tuple{field("axis", &TakeAlongAxisGrad::axis, int64_t{-1}),
                                            field("size", &TakeAlongAxisGrad::size)};
  Specs infer(Inputs in) const;
};

/// x with rows changed: y[i] = x[i] for rows that no index names; where some do, their updates are
/// combined with x[i] in the order of the indices. `reduction`: 0 put (the last stays), 1 add,
/// 2 maximum, 3 minimum (NaN wins), 4 multiply. x is (n, ...), indices (m,), updates (m, ...).
struct ScatterUpdate {
  static constexpr Signature signature{"scatter_update", {"x", "indices", "updates"}};
  int64_t reduction;
  static constexpr auto fields =
      std::tuple{field("reduction", &ScatterUpdate::reduction, int64_t{0})};
  Specs infer(Inputs in) const;
};

/// 1 at position x[...] of a new axis with `num_classes` entries, else 0; an x outside gives zeros.
struct OneHot {
  static constexpr Signature signature{"one_hot", {"x"}};
  int64_t num_classes, axis;
  DType dtype;
  static constexpr auto fields = std::tuple{field("num_classes", &OneHot::num_classes),
                                            field("axis", &OneHot::axis, int64_t{-1}),
                                            field("dtype", &OneHot::dtype, DType::Float32)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
