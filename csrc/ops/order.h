// Along an axis, one element after the other: sorting, running sums and products.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// The first k elements along `axis` in ascending or descending order (k = -1: all), and their
/// int32 positions in x. Equal elements keep their order; NaN counts as the largest.
struct Sort {
  static constexpr Signature signature{"sort", {"x"}};
  int64_t axis;
  bool descending;
  int64_t k;
  static constexpr auto fields =
      std::tuple{field("axis", &Sort::axis, int64_t{-1}),
                 field("descending", &Sort::descending, false), field("k", &Sort::k, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// y_i = x_0 + .. + x_i along `axis`; from the other end with `reverse`. 16-bit floats add up in
/// float32.
struct Cumsum {
  static constexpr Signature signature{"cumsum", {"x"}};
  int64_t axis;
  bool reverse;
  static constexpr auto fields = std::tuple{field("axis", &Cumsum::axis, int64_t{-1}),
                                            field("reverse", &Cumsum::reverse, false)};
  Specs infer(Inputs in) const;
};

/// y_i = x_0 .. x_i along `axis`; from the other end with `reverse`.
struct Cumprod {
  static constexpr Signature signature{"cumprod", {"x"}};
  int64_t axis;
  bool reverse;
  static constexpr auto fields = std::tuple{field("axis", &Cumprod::axis, int64_t{-1}),
                                            field("reverse", &Cumprod::reverse, false)};
  Specs infer(Inputs in) const;
};

/// y_0 = b_0, y_i = b_i + a_i y_(i-1) along `axis`; from the other end with `reverse`. Gradients of
/// running products are made of it, and so are its own.
struct LinearRecurrence {
  static constexpr Signature signature{"linear_recurrence", {"a", "b"}};
  int64_t axis;
  bool reverse;
  static constexpr auto fields = std::tuple{field("axis", &LinearRecurrence::axis, int64_t{-1}),
                                            field("reverse", &LinearRecurrence::reverse, false)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
