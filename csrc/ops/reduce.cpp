// Shape and dtype rules of the reductions.
#include "ops/reduce.h"

namespace pyneuro {
namespace {

Shape reduced(const Shape& shape, const Axes& axes, bool keepdims) {
  Shape out;
  for (int i = 0; i < shape.size(); ++i) {
    if (!axes.contains(i))
      out.push_back(shape[i]);
    else if (keepdims)
      out.push_back(1);
  }
  return out;
}

DType accumulated(DType d) {
  if (is_bool(d) || (is_integer(d) && size_of(d) < 4))
    return info(d).cls == DTypeClass::Unsigned ? DType::UInt32 : DType::Int32;
  return d;
}

}  // namespace

Specs infer_reduce(const Signature& sig, const Axes& axes, bool keepdims, Inputs in) {
  expect_real(sig, in, 0);
  const Axes along = normalize_axes(sig.name, axes, in[0].shape.size());
  DType dtype = in[0].dtype;
  if (sig.name == "all" || sig.name == "any") dtype = DType::Bool;
  if (sig.name == "sum" || sig.name == "prod") dtype = accumulated(dtype);
  if (sig.name == "mean") expect_floating(sig, in, 0);
  if (sig.name == "max" || sig.name == "min") {
    for (int64_t a : along)
      if (in[0].shape[int(a)] == 0)
        raise(ErrorKind::Shape, join(sig.name, ": axis ", a, " of x ", in[0].shape,
                                     " is empty, and nothing has no ", sig.name));
  }
  return Spec{reduced(in[0].shape, along, keepdims), dtype};
}

Specs infer_extreme(const Signature& sig, int64_t axis, bool keepdims, Inputs in) {
  expect_real(sig, in, 0);
  const int along = normalize_axis(sig.name, axis, in[0].shape.size());
  if (in[0].shape[along] == 0)
    raise(ErrorKind::Shape, join(sig.name, ": axis ", axis, " of x ", in[0].shape, " is empty"));
  return Spec{reduced(in[0].shape, Axes{along}, keepdims), DType::Int32};
}

}  // namespace pyneuro
