// Pictures: resampling along an axis.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[..., o, ...] = sum over t of weights[o, t] x[..., first[o] + t, ...] along `axis`: any
/// resizing whose results each take a run of neighbours. weights is [size, taps], float32 where x
/// is of 16 bits; first is int32 [size]. A run that leaves the axis raises. Where next_weights and
/// next_first are given, the axis after `axis` is resampled by them in the same pass.
struct Resample {
  static constexpr Signature signature{"resample",
                                       {"x", "weights", "first", "next_weights?", "next_first?"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &Resample::axis)};
  Specs infer(Inputs in) const;
};

/// The gradient for x, whose size along `axis` is `size`: each g goes where its run was.
/// `next_size` is that of the axis after it, where that was resampled too.
struct ResampleGrad {
  static constexpr Signature signature{"resample_grad",
                                       {"g", "weights", "first", "next_weights?", "next_first?"}};
  int64_t axis, size, next_size;
  static constexpr auto fields =
      std::tuple{field("axis", &ResampleGrad::axis), field("size", &ResampleGrad::size),
                 field("next_size", &ResampleGrad::next_size, int64_t{0})};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
