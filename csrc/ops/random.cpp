// Shape and argument rules of the random ops.
#include "ops/random.h"

namespace pyneuro {
namespace {

void expect_seed(const Signature& sig, Inputs in, int input) {
  expect_integer(sig, in, input);
  if (in[input].shape != Shape{2})
    raise(ErrorKind::Shape, join(sig.name, ": seed has shape ", in[input].shape,
                                 ", but (2,) is expected: the seed and a counter"));
}

void expect_draw(const Signature& sig, const Shape& shape, DType dtype) {
  expect_shape(sig.name, shape);
  if (!is_floating(dtype))
    raise(ErrorKind::DType,
          join(sig.name, ": dtype is ", name(dtype), ", but a floating dtype is expected"));
}

}  // namespace

Specs RandomUniform::infer(Inputs in) const {
  expect_seed(signature, in, 0);
  expect_draw(signature, shape, dtype);
  return Spec{shape, dtype};
}

Specs RandomNormal::infer(Inputs in) const {
  expect_seed(signature, in, 0);
  expect_draw(signature, shape, dtype);
  return Spec{shape, dtype};
}

Specs Dropout::infer(Inputs in) const {
  expect_floating(signature, in, 0);
  expect_seed(signature, in, 1);
  if (!(rate >= 0 && rate <= 1))
    raise(ErrorKind::Argument, join("dropout: rate is ", rate, ", but must lie in [0, 1]"));
  return in[0];
}

}  // namespace pyneuro
