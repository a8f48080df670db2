// Shape and dtype rules of the elementwise ops.
#include "ops/elementwise.h"

namespace pyneuro {

void expect_domain(const Signature& sig, Domain domain, int input, DType dtype) {
  if (is_complex(dtype)) raise_dtype(sig, input, dtype, "a real dtype");
  if (domain == Domain::Floating && !is_floating(dtype))
    raise_dtype(sig, input, dtype, "a floating dtype");
  if (domain == Domain::Numeric && is_bool(dtype))
    raise_dtype(sig, input, dtype, "a number, not a bool,");
}

Specs infer_elementwise(const Signature& sig, Domain domain, Result result, Inputs in) {
  DType dtype = in[0].dtype;
  for (int i = 1; i < in.size(); ++i) dtype = promote(dtype, in[i].dtype);
  expect_domain(sig, domain, 0, dtype);
  const Shape shape = in.size() == 1 ? in[0].shape : broadcast_shapes(sig, in);
  return Spec{shape, result == Result::Bool ? DType::Bool : dtype};
}

Specs Where::infer(Inputs in) const {
  expect_real(signature, in, 0);
  const DType dtype = promote(in[1].dtype, in[2].dtype);
  if (is_complex(dtype)) raise_dtype(signature, 1, dtype, "a real dtype");
  return Spec{broadcast_shapes(signature, in), dtype};
}

Specs Cast::infer(Inputs in) const {
  expect_real(signature, in, 0);
  if (is_complex(dtype))
    raise(ErrorKind::DType, join("cast: dtype is ", name(dtype), ", but a real dtype is expected"));
  return Spec{in[0].shape, dtype};
}

}  // namespace pyneuro
