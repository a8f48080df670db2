// Convolution over one to three spatial dimensions and its two gradients. Channels come last: x is
// [N, in..., C], the kernel [window..., C / groups, O], y [N, out..., O]. Floats only; halves
// accumulate in float32.
//
// The three are one trilinear form sum_x,k,g x k g, each with one factor left out, so the gradients
// of each are the other two.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y[n, p, o] = bias[o] + sum_r,c x[n, p strides + r dilations - low, c] kernel[r, c, o], where x
/// outside of its bounds is 0. `padding` is (low, high) of each dimension, in turn; below zero it
/// crops. Group i's channels make group i's filters.
struct Conv {
  static constexpr Signature signature{"conv", {"x", "kernel", "bias?"}};
  Dims strides, dilations, padding;
  int64_t groups;
  static constexpr auto fields =
      std::tuple{field("strides", &Conv::strides), field("dilations", &Conv::dilations),
                 field("padding", &Conv::padding), field("groups", &Conv::groups, int64_t{1})};
  Specs infer(Inputs in) const;
};

/// The gradient of conv for x, whose spatial shape is `size`; also the transposed convolution.
struct ConvInputGrad {
  static constexpr Signature signature{"conv_input_grad", {"g", "kernel"}};
  Dims strides, dilations, padding;
  int64_t groups;
  Shape size;
  static constexpr auto fields = std::tuple{
      field("strides", &ConvInputGrad::strides), field("dilations", &ConvInputGrad::dilations),
      field("padding", &ConvInputGrad::padding),
      field("groups", &ConvInputGrad::groups, int64_t{1}), field("size", &ConvInputGrad::size)};
  Specs infer(Inputs in) const;
};

/// The gradient of conv for the kernel, whose spatial shape is `size`.
struct ConvKernelGrad {
  static constexpr Signature signature{"conv_kernel_grad", {"x", "g"}};
  Dims strides, dilations, padding;
  int64_t groups;
  Shape size;
  static constexpr auto fields = std::tuple{
      field("strides", &ConvKernelGrad::strides), field("dilations", &ConvKernelGrad::dilations),
      field("padding", &ConvKernelGrad::padding),
      field("groups", &ConvKernelGrad::groups, int64_t{1}), field("size", &ConvKernelGrad::size)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
