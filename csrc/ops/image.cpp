// Shape and dtype rules of pictures.
#include "ops/image.h"

namespace pyneuro {
namespace {

/// Checks that inputs `i` and i + 1 are weights and first for input 0.
void expect_runs(const Signature& sig, Inputs in, int i) {
  if (in[i].shape.size() != 2)
    raise(ErrorKind::Shape,
          join(sig.name, ": ", sig.input(i), " must be (size, taps), but it is ", in[i]));
  const DType wide = in[0].dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  if (in[i].dtype != wide) raise_dtype(sig, i, in[i].dtype, name(wide));
  const Spec starts{Shape{in[i].shape[0]}, DType::Int32};
  if (in[i + 1] != starts)
    raise(in[i + 1].shape == starts.shape ? ErrorKind::DType : ErrorKind::Shape,
          join(sig.name, ": ", sig.input(i + 1), " is ", in[i + 1], ", but ", starts,
               " is expected for ", sig.input(i), ' ', in[i]));
}

/// Checks everything but g; gives the first axis and how many there are.
struct Resampled { int axis, axes; };
Resampled expect_resampling(const Signature& sig, int64_t axis, Inputs in) {
  expect_floating(sig, in, 0);
  const int rank = in[0].shape.size(), along = normalize_axis(sig.name, axis, rank);
  expect_runs(sig, in, 1);
  if (in.has(3) != in.has(4))
    raise(ErrorKind::Argument,
          join(sig.name, ": next_weights and next_first are given together, or neither"));
  if (!in.has(3)) return {along, 1};
  normalize_axis(sig.name, along + 1, rank, "the axis after axis");
  expect_runs(sig, in, 3);
  return {along, 2};
}

}  // namespace

Specs Resample::infer(Inputs in) const {
  const auto [along, axes] = expect_resampling(signature, axis, in);
  Shape out = in[0].shape;
  for (int i = 0; i < axes; ++i) out[along + i] = in[1 + 2 * i].shape[0];
  return Spec{out, in[0].dtype};
}

Specs ResampleGrad::infer(Inputs in) const {
  const auto [along, axes] = expect_resampling(signature, axis, in);
  Shape out = in[0].shape;
  for (int i = 0; i < axes; ++i) {
    const Shape& weights = in[1 + 2 * i].shape;
    if (out[along + i] != weights[0])
      raise(ErrorKind::Shape, join(signature.name, ": g ", in[0].shape, " has ", out[along + i],
                                   " entries along axis ", along + i, ", but ",
                                   signature.input(1 + 2 * i), ' ', weights, " give ", weights[0]));
    out[along + i] = i == 0 ? size : next_size;
  }
  expect_shape(signature.name, out);
  return Spec{out, in[0].dtype};
}

}  // namespace pyneuro
