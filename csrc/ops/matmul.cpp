// Shape and dtype rule of matmul.
#include "ops/matmul.h"

namespace pyneuro {

Specs Matmul::infer(Inputs in) const {
  const Spec &a = in[0], &b = in[1];
  expect_rank_at_least(signature, in, 0, 1);
  expect_rank_at_least(signature, in, 1, 1);
  for (int i = 0; i < 2; ++i)
    if (is_bool(in[i].dtype) || is_complex(in[i].dtype))
      raise_dtype(signature, i, in[i].dtype, "a real number");
  if (a.dtype != b.dtype)
    raise(ErrorKind::DType,
          join("matmul: a is ", name(a.dtype), ", but b is ", name(b.dtype), "; cast one of them"));
  const bool vector_a = a.shape.size() == 1, vector_b = b.shape.size() == 1;
  const int ra = a.shape.size(), rb = b.shape.size();
  const int64_t m = vector_a ? 1 : a.shape[transpose_a ? ra - 1 : ra - 2];
  const int64_t ka = vector_a ? a.shape[0] : a.shape[transpose_a ? ra - 2 : ra - 1];
  const int64_t kb = vector_b ? b.shape[0] : b.shape[transpose_b ? rb - 1 : rb - 2];
  const int64_t n = vector_b ? 1 : b.shape[transpose_b ? rb - 2 : rb - 1];
  if (ka != kb)
    raise(ErrorKind::Shape,
          join("matmul: a ", a, transpose_a ? " (transposed)" : "", " has ", ka, " columns, but b ",
               b, transpose_b ? " (transposed)" : "", " has ", kb, " rows; they must be equal"));
  Shape batch_a = a.shape, batch_b = b.shape, out;
  for (int i = 0; i < (vector_a ? 1 : 2); ++i) batch_a.pop_back();
  for (int i = 0; i < (vector_b ? 1 : 2); ++i) batch_b.pop_back();
  if (!broadcast(batch_a, batch_b, out))
    raise(ErrorKind::Shape, join("matmul: batch dimensions ", batch_a, " of a and ", batch_b,
                                 " of b do not broadcast"));
  if (in.has(2) && (in[2].shape != Shape{n} || in[2].dtype != a.dtype))
    raise(ErrorKind::Shape,
          join("matmul: bias is ", in[2], ", but ", Spec{Shape{n}, a.dtype}, " is expected"));
  if (!vector_a) out.push_back(m);
  if (!vector_b) out.push_back(n);
  return Spec{out, a.dtype};
}

bool Matmul::reads(const Layout& x) {
  if (x.shape.size() < 2) return is_dense(x.shape, x.strides);
  return matrix_layout(x.shape, x.strides).valid;
}

}  // namespace pyneuro
