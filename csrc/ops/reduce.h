// Reductions along axes, and the positions of extremes.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// What a reduction of an empty or full range of elements means; kernels hold the arithmetic.
/// Sum and Prod of bool and small integers give int32, of unsigned ones uint32; floats accumulate
/// in float32 or float64. Mean takes floats only. Max and Min of nothing raise. NaN wins.
namespace reductions {
struct Sum { static constexpr std::string_view name = "sum"; };
struct Mean { static constexpr std::string_view name = "mean"; };
struct Prod { static constexpr std::string_view name = "prod"; };
struct Max { static constexpr std::string_view name = "max"; };
struct Min { static constexpr std::string_view name = "min"; };
struct All { static constexpr std::string_view name = "all"; };
struct Any { static constexpr std::string_view name = "any"; };
using List = TypeList<Sum, Mean, Prod, Max, Min, All, Any>;
}  // namespace reductions

Specs infer_reduce(const Signature& sig, const Axes& axes, bool keepdims, Inputs in);

/// y = R over `axes` of x (no axes: all of them).
template <class R> struct Reduce {
  using reduction = R;
  static constexpr Signature signature{R::name, {"x"}};
  Axes axes;
  bool keepdims;
  static constexpr auto fields =
      std::tuple{field("axes", &Reduce::axes, Axes{}), field("keepdims", &Reduce::keepdims, false)};
  static constexpr bool strided = true;
  Specs infer(Inputs in) const { return infer_reduce(signature, axes, keepdims, in); }
};

namespace extremes {
struct ArgMax { static constexpr std::string_view name = "argmax"; };
struct ArgMin { static constexpr std::string_view name = "argmin"; };
}  // namespace extremes

Specs infer_extreme(const Signature& sig, int64_t axis, bool keepdims, Inputs in);

/// int32 position of the first largest (smallest) element along `axis`; a NaN counts as the
/// extreme.
template <class E> struct Extreme {
  using extreme = E;
  static constexpr Signature signature{E::name, {"x"}};
  int64_t axis;
  bool keepdims;
  static constexpr auto fields = std::tuple{field("axis", &Extreme::axis, int64_t{-1}),
                                            field("keepdims", &Extreme::keepdims, false)};
  Specs infer(Inputs in) const { return infer_extreme(signature, axis, keepdims, in); }
};

}  // namespace pyneuro
