// Shape rules of reading and placing by integers.
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

Specs TakeAlongAxis::infer(Inputs in) const {
  expect_integer(signature, in, 1);
  const Shape &x = in[0].shape, &indices = in[1].shape;
  const int along = normalize_axis("take_along_axis", axis, x.size());
  Shape expected = x;
  if (indices.size() == x.size()) expected[along] = indices[along];
  if (indices != expected)
    raise(ErrorKind::Shape, join("take_along_axis: x ", x, " and indices ", indices,
                                 " must be equal in size but for axis ", axis));
  if (x[along] == 0 && count(indices) > 0)
    raise(ErrorKind::Index, join("take_along_axis: axis ", axis, " of x ", x, " is empty"));
  return Spec{indices, in[0].dtype};
}

Specs TakeAlongAxisGrad::infer(Inputs in) const {
  expect_floating(signature, in, 0);
  expect_integer(signature, in, 1);
  if (in[0].shape != in[1].shape)
    raise(ErrorKind::Shape, join("take_along_axis_grad: g has shape ", in[0].shape,
                                 ", but indices have ", in[1].shape));
  Shape out = in[0].shape;
  out[normalize_axis("take_along_axis_grad", axis, out.size())] = size;
  expect_shape("take_along_axis_grad", out);
  return Spec{out, in[0].dtype};
}

Specs ScatterUpdate::infer(Inputs in) const {
  expect_integer(signature, in, 1);
  expect_rank_at_least(signature, in, 0, 1);
  if (reduction < 0 || reduction > 4)
    raise(ErrorKind::Argument,
          join("scatter_update: reduction is ", reduction, ", but must be 0 to 4"));
  Shape expected = in[0].shape;
  if (in[1].shape.size() == 1) expected[0] = in[1].shape[0];
  if (in[1].shape.size() != 1 || in[2].shape != expected)
    raise(ErrorKind::Shape,
          join("scatter_update: x ", in[0].shape, ", indices ", in[1].shape, " and updates ",
               in[2].shape, " do not fit; (n, ...), (m,) and (m, ...) are expected"));
  if (in[2].dtype != in[0].dtype)
    raise(ErrorKind::DType, join("scatter_update: updates are ", name(in[2].dtype), ", but x is ",
                                 name(in[0].dtype), "; they must be equal"));
  if (reduction != 0 && (is_complex(in[0].dtype) || in[0].dtype == DType::Bool))
    raise_dtype(signature, 0, in[0].dtype, "a real number");
  if (in[0].shape[0] == 0 && in[1].shape[0] > 0)
    raise(ErrorKind::Index, join("scatter_update: x ", in[0].shape, " has no rows"));
  return in[0];
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
