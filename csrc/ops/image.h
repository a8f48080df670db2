// Pictures: resampling along an axis.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[..., o, ...] = sum over t of weights[o, t] x[..., first[o] + t, ...] along `axis`: any
/// resizing whose results each take a run of neighbours. weights is [size, taps], float32 where x
/// is of 16 bits; first is int32 [size]. A run that leaves the axis raises.
struct Resample {
  static constexpr Signature signature{"resample", {"x", "weights", "first"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &Resample::axis)};
  Specs infer(Inputs in) const;
};

/// The gradient for x, whose size along `axis` is `size`: each g goes where its run was.
struct ResampleGrad {
  static constexpr Signature signature{"resample_grad", {"g", "weights", "first"}};
  int64_t axis, size;
  static constexpr auto fields =
      std::tuple{field("axis", &ResampleGrad::axis), field("size", &ResampleGrad::size)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
