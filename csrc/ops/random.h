// Random draws from a seed array (seed, counter): the same bits on every device (core/philox.h).
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// Uniform in [minval, maxval). float16 and bfloat16 draw as float32 and round.
struct RandomUniform {
  static constexpr Signature signature{"random_uniform", {"seed"}};
  Shape shape;
  double minval, maxval;
  DType dtype;
  static constexpr auto fields = std::tuple{field("shape", &RandomUniform::shape),
                                            field("minval", &RandomUniform::minval, 0.0),
                                            field("maxval", &RandomUniform::maxval, 1.0),
                                            field("dtype", &RandomUniform::dtype, DType::Float32)};
  Specs infer(Inputs in) const;
};

/// mean + stddev z, z by Box and Muller: elements 2j and 2j + 1 are r cos t and r sin t, where
/// r = sqrt(-2 log(1 - u)), t = 2 pi v, and u, v are uniform draws 2j and 2j + 1.
struct RandomNormal {
  static constexpr Signature signature{"random_normal", {"seed"}};
  Shape shape;
  double mean, stddev;
  DType dtype;
  static constexpr auto fields =
      std::tuple{field("shape", &RandomNormal::shape), field("mean", &RandomNormal::mean, 0.0),
                 field("stddev", &RandomNormal::stddev, 1.0),
                 field("dtype", &RandomNormal::dtype, DType::Float32)};
  Specs infer(Inputs in) const;
};

/// y = x / (1 - rate) where the 32-bit uniform draw of the element is >= rate, else 0. The mask is
/// drawn again in the gradient, never stored. Element numbers are those of row-major order.
struct Dropout {
  static constexpr Signature signature{"dropout", {"x", "seed"}};
  double rate;
  static constexpr auto fields = std::tuple{field("rate", &Dropout::rate)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
