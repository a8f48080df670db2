// Shape and dtype rules of softmax and cross-entropy.
#include "ops/softmax.h"

namespace pyneuro {
namespace {

Specs same_along(const Signature& sig, int64_t axis, Inputs in) {
  expect_floating(sig, in, 0);
  normalize_axis(sig.name, axis, in[0].shape.size());
  if (in.size() > 1) expect_same_spec(sig, in, 0, 1);
  return in[0];
}

/// The shape of logits without its last axis, the classes.
Shape samples(const Signature& sig, Inputs in) {
  expect_floating(sig, in, 0);
  expect_rank_at_least(sig, in, 0, 1);
  Shape s = in[0].shape;
  if (s.back() == 0)
    raise(ErrorKind::Shape, join(sig.name, ": logits ", in[0].shape, " have no classes"));
  s.pop_back();
  return s;
}

void expect_labels(const Signature& sig, Inputs in, const Shape& expected) {
  expect_integer(sig, in, 1);
  if (in[1].shape != expected)
    raise(ErrorKind::Shape, join(sig.name, ": label has shape ", in[1].shape, ", but logits ",
                                 in[0].shape, " need labels of shape ", expected));
}

void expect_gradient(const Signature& sig, Inputs in, const Shape& expected) {
  if (in[2].shape != expected || in[2].dtype != in[0].dtype)
    raise(ErrorKind::Shape,
          join(sig.name, ": g is ", in[2], ", but ", Spec{expected, in[0].dtype}, " is expected"));
}

}  // namespace

Specs Softmax::infer(Inputs in) const { return same_along(signature, axis, in); }
Specs LogSoftmax::infer(Inputs in) const { return same_along(signature, axis, in); }
Specs SoftmaxGrad::infer(Inputs in) const { return same_along(signature, axis, in); }
Specs LogSoftmaxGrad::infer(Inputs in) const { return same_along(signature, axis, in); }

Specs Crossentropy::infer(Inputs in) const {
  const Shape out = samples(signature, in);
  expect_same_spec(signature, in, 0, 1);
  return Spec{out, in[0].dtype};
}

Specs CrossentropyGrad::infer(Inputs in) const {
  const Shape expected = samples(signature, in);
  expect_same_spec(signature, in, 0, 1);
  expect_gradient(signature, in, expected);
  return in[0];
}

Specs SparseCrossentropy::infer(Inputs in) const {
  const Shape out = samples(signature, in);
  expect_labels(signature, in, out);
  return Spec{out, in[0].dtype};
}

Specs SparseCrossentropyGrad::infer(Inputs in) const {
  const Shape expected = samples(signature, in);
  expect_labels(signature, in, expected);
  expect_gradient(signature, in, expected);
  return in[0];
}

}  // namespace pyneuro
