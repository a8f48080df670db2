// Shape and dtype rules of pictures.
#include "ops/image.h"

namespace pyneuro {
namespace {

/// Checks weights and first for input 0; gives the axis.
int expect_runs(const Signature& sig, int64_t axis, Inputs in) {
  expect_floating(sig, in, 0);
  const int along = normalize_axis(sig.name, axis, in[0].shape.size());
  if (in[1].shape.size() != 2)
    raise(ErrorKind::Shape, join(sig.name, ": weights must be (size, taps), but it is ", in[1]));
  const DType wide = in[0].dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  if (in[1].dtype != wide) raise_dtype(sig, 1, in[1].dtype, name(wide));
  const Spec starts{Shape{in[1].shape[0]}, DType::Int32};
  if (in[2] != starts)
    raise(
        in[2].shape == starts.shape ? ErrorKind::DType : ErrorKind::Shape,
        join(sig.name, ": first is ", in[2], ", but ", starts, " is expected for weights ", in[1]));
  return along;
}

}  // namespace

Specs Resample::infer(Inputs in) const {
  const int along = expect_runs(signature, axis, in);
  Shape out = in[0].shape;
  out[along] = in[1].shape[0];
  return Spec{out, in[0].dtype};
}

Specs ResampleGrad::infer(Inputs in) const {
  const int along = expect_runs(signature, axis, in);
  Shape out = in[0].shape;
  if (out[along] != in[1].shape[0])
    raise(ErrorKind::Shape,
          join(signature.name, ": g ", in[0].shape, " has ", out[along], " entries along axis ",
               axis, ", but weights ", in[1].shape, " give ", in[1].shape[0]));
  out[along] = size;
  expect_shape(signature.name, out);
  return Spec{out, in[0].dtype};
}

}  // namespace pyneuro
