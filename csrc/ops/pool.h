// Pooling over one to three spatial dimensions, channels last: x is [N, in..., C], y
// [N, out..., C]. Floats only. `padding` is (low, high) of each dimension, in turn: what lies there
// takes no part. A window that holds nothing gives -Inf as a maximum and 0 as an average.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y = the largest element of each window, NaN if it has one, and where it lies in its window: the
/// first of equals, counted row by row, as uint8 where windows have up to 256 places, else int32.
struct MaxPool {
  static constexpr Signature signature{"max_pool", {"x"}};
  Dims window, strides, padding;
  static constexpr auto fields =
      std::tuple{field("window", &MaxPool::window), field("strides", &MaxPool::strides),
                 field("padding", &MaxPool::padding)};
  Specs infer(Inputs in) const;
};

/// The gradient for x, whose spatial shape is `size`: each g goes where its maximum was.
struct MaxPoolGrad {
  static constexpr Signature signature{"max_pool_grad", {"g", "index"}};
  Dims window, strides, padding;
  Shape size;
  static constexpr auto fields =
      std::tuple{field("window", &MaxPoolGrad::window), field("strides", &MaxPoolGrad::strides),
                 field("padding", &MaxPoolGrad::padding), field("size", &MaxPoolGrad::size)};
  Specs infer(Inputs in) const;
};

/// y = the element of each window at `index`: the gradient of max_pool_grad.
struct MaxPoolTake {
  static constexpr Signature signature{"max_pool_take", {"x", "index"}};
  Dims window, strides, padding;
  static constexpr auto fields =
      std::tuple{field("window", &MaxPoolTake::window), field("strides", &MaxPoolTake::strides),
                 field("padding", &MaxPoolTake::padding)};
  Specs infer(Inputs in) const;
};

/// y = the mean of what each window holds.
struct AveragePool {
  static constexpr Signature signature{"average_pool", {"x"}};
  Dims window, strides, padding;
  static constexpr auto fields =
      std::tuple{field("window", &AveragePool::window), field("strides", &AveragePool::strides),
                 field("padding", &AveragePool::padding)};
  Specs infer(Inputs in) const;
};

/// The gradient for x, whose spatial shape is `size`.
struct AveragePoolGrad {
  static constexpr Signature signature{"average_pool_grad", {"g"}};
  Dims window, strides, padding;
  Shape size;
  static constexpr auto fields = std::tuple{
      field("window", &AveragePoolGrad::window), field("strides", &AveragePoolGrad::strides),
      field("padding", &AveragePoolGrad::padding), field("size", &AveragePoolGrad::size)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
