// Shape rules of take and one-hot.
#include "ops/index.h"

namespace pyneuro {

Specs Take::infer(Inputs in) const {
  expect_integer(signature, in, 1);
  const int rank = in[0].shape.size(), along = normalize_axis("take", axis, rank);
  Shape out;
  for (int i = 0; i < along; ++i) out.push_back(in[0].shape[i]);
  for (int64_t d : in[1].shape) out.push_back(d);
  for (int i = along + 1; i < rank; ++i) out.push_back(in[0].shape[i]);
  if (in[0].shape[along] == 0 && count(in[1].shape) > 0)
    raise(ErrorKind::Index, join("take: axis ", axis, " of x ", in[0].shape, " is empty"));
  return Spec{out, in[0].dtype};
}

Specs TakeGrad::infer(Inputs in) const {
  expect_integer(signature, in, 1);
  const int ri = in[1].shape.size(), rank = in[0].shape.size() - ri + 1;
  const int along = normalize_axis("take_grad", axis, rank < 0 ? 0 : rank);
  Shape out;
  for (int i = 0; i < rank; ++i)
    out.push_back(i == along ? size : in[0].shape[i < along ? i : i + ri - 1]);
  for (int i = 0; i < ri; ++i)
    if (in[0].shape[along + i] != in[1].shape[i])
      raise(ErrorKind::Shape, join("take_grad: g ", in[0].shape, " does not hold indices ",
                                   in[1].shape, " at axis ", axis));
  expect_shape("take_grad", out);
  return Spec{out, in[0].dtype};
}

Specs OneHot::infer(Inputs in) const {
  expect_integer(signature, in, 0);
  if (num_classes < 0)
    raise(ErrorKind::Argument, join("one_hot: num_classes is ", num_classes, ", but must be >= 0"));
  if (is_complex(dtype)) raise(ErrorKind::DType, "one_hot: dtype must be real");
  Shape out = in[0].shape;
  out.insert(normalize_axis("one_hot", axis, out.size() + 1), num_classes);
  expect_shape("one_hot", out);
  return Spec{out, dtype};
}

}  // namespace pyneuro
