// Shape and dtype rules of normalization.
#include "ops/normalization.h"

namespace pyneuro {
namespace {

/// What halves are computed in, and everything that is not of x's shape.
DType wide(DType dtype) { return dtype == DType::Float64 ? dtype : DType::Float32; }

void expect_spec(const Signature& sig, Inputs in, int input, const Spec& expected) {
  if (!in.has(input)) return;
  const ErrorKind kind = in[input].shape == expected.shape ? ErrorKind::DType : ErrorKind::Shape;
  if (in[input] != expected)
    raise(kind, join(sig.name, ": ", sig.input(input), " is ", in[input], ", but ", expected,
                     " is expected for x ", in[0]));
}

template <class Op> Shape groups_of(const Op& op, Inputs in) {
  const Shape& x = in[0].shape;
  expect_floating(Op::signature, in, 0);
  if (x.size() != 3)
    raise(ErrorKind::Shape,
          join(Op::signature.name, ": x must be (outer, rows, channels), but it is ", in[0]));
  if (op.groups < 1 || x.back() % op.groups != 0)
    raise(ErrorKind::Argument, join(Op::signature.name, ": groups must divide the ", x.back(),
                                    " channels of x ", x, ", but it is ", op.groups));
  if (!(op.epsilon >= 0))
    raise(ErrorKind::Argument,
          join(Op::signature.name, ": epsilon must be 0 or more, but it is ", op.epsilon));
  return Shape{x[0], op.groups};
}

}  // namespace

Specs Normalize::infer(Inputs in) const {
  const Spec moments{groups_of(*this, in), wide(in[0].dtype)};
  for (int i : {1, 2}) expect_spec(signature, in, i, {Shape{in[0].shape.back()}, moments.dtype});
  return Specs(std::vector<Spec>{in[0], moments, moments});
}

Specs NormalizeGrad::infer(Inputs in) const {
  const Spec moments{groups_of(*this, in), wide(in[0].dtype)};
  const Spec channels{Shape{in[0].shape.back()}, moments.dtype};
  for (int i : {1, 2}) expect_spec(signature, in, i, moments);
  expect_same_spec(signature, in, 0, 3);
  expect_spec(signature, in, 4, channels);
  return Specs(std::vector<Spec>{in[0], channels, channels});
}

Specs Standardize::infer(Inputs in) const {
  expect_floating(signature, in, 0);
  expect_rank_at_least(signature, in, 0, 1);
  if (!(epsilon >= 0))
    raise(ErrorKind::Argument,
          join(signature.name, ": epsilon must be 0 or more, but it is ", epsilon));
  for (int i = 1; i < in.size(); ++i)
    expect_spec(signature, in, i, {Shape{in[0].shape.back()}, wide(in[0].dtype)});
  return in[0];
}

}  // namespace pyneuro
