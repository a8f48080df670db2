// Shape rules of what runs along an axis.
#include "ops/order.h"

namespace pyneuro {
namespace {

void expect_number(const Signature& sig, Inputs in) {
  if (is_complex(in[0].dtype) || in[0].dtype == DType::Bool)
    raise_dtype(sig, 0, in[0].dtype, "a real number");
}

}  // namespace

Specs Sort::infer(Inputs in) const {
  expect_real(signature, in, 0);
  Shape out = in[0].shape;
  int64_t& n = out[normalize_axis("sort", axis, out.size())];
  if (n > INT32_MAX)
    raise(ErrorKind::Shape, join("sort: axis ", axis, " of x ", in[0].shape, " is too long"));
  if (k < -1 || k > n)
    raise(ErrorKind::Argument, join("sort: k is ", k, ", but axis ", axis, " of x ", in[0].shape,
                                    " has ", n, " elements"));
  if (k >= 0) n = k;
  return Specs({Spec{out, in[0].dtype}, Spec{out, DType::Int32}});
}

Specs Cumsum::infer(Inputs in) const {
  expect_number(signature, in);
  normalize_axis("cumsum", axis, in[0].shape.size());
  return in[0];
}

Specs Cumprod::infer(Inputs in) const {
  expect_number(signature, in);
  normalize_axis("cumprod", axis, in[0].shape.size());
  return in[0];
}

Specs LinearRecurrence::infer(Inputs in) const {
  expect_floating(signature, in, 0);
  expect_same_spec(signature, in, 0, 1);
  normalize_axis("linear_recurrence", axis, in[0].shape.size());
  return in[0];
}

}  // namespace pyneuro
