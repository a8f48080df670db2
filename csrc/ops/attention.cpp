// Shape and dtype rules of attention and its gradient.
#include "ops/attention.h"

namespace pyneuro {
namespace {

/// Rank, dtype and sizes of query, key and value.
void expect_triple(const Signature& sig, Inputs in) {
  expect_floating(sig, in, 0);
  for (int i = 0; i < 3; ++i) {
    if (in[i].dtype != in[0].dtype)
      raise(ErrorKind::DType, join(sig.name, ": query is ", name(in[0].dtype), ", but ",
                                   sig.input(i), " is ", name(in[i].dtype), "; cast one of them"));
    if (in[i].shape.size() != 4)
      raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(i), " must be (batch, length, heads, ",
                                   "size), but it is ", in[i]));
  }
  const Shape &q = in[0].shape, &k = in[1].shape, &v = in[2].shape;
  if (q[0] != k[0] || q[3] != k[3])
    raise(ErrorKind::Shape, join(sig.name, ": query ", q, " and key ", k,
                                 " must agree in their first and last size"));
  if (k[0] != v[0] || k[1] != v[1] || k[2] != v[2])
    raise(ErrorKind::Shape,
          join(sig.name, ": key ", k, " and value ", v, " must agree in all but their last size"));
  if (k[2] == 0 || q[2] % k[2] != 0)
    raise(ErrorKind::Shape, join(sig.name, ": query ", q, " has ", q[2],
                                 " heads, which must be a multiple of the ", k[2], " of key"));
}

void expect_fitting(const Signature& sig, Inputs in, int input) {
  const Shape &q = in[0].shape, full{q[0], q[2], q[1], in[1].shape[1]};
  Shape out;
  if (!broadcast(full, in[input].shape, out) || out != full)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(input), " ", in[input].shape,
                                 " must broadcast to (batch, heads, queries, keys) = ", full));
}

/// Bias and mask, the last two inputs.
void expect_options(const Signature& sig, Inputs in, int bias) {
  if (in.has(bias)) {
    expect_fitting(sig, in, bias);
    if (!is_floating(in[bias].dtype) || compute_dtype(in[bias].dtype) != compute_dtype(in[0].dtype))
      raise_dtype(sig, bias, in[bias].dtype,
                  in[0].dtype == DType::Float64 ? "float64" : "float32, float16 or bfloat16");
  }
  if (in.has(bias + 1)) {
    expect_fitting(sig, in, bias + 1);
    if (in[bias + 1].dtype != DType::Bool) raise_dtype(sig, bias + 1, in[bias + 1].dtype, "bool");
  }
}

Spec result_of(Inputs in) {
  const Shape& q = in[0].shape;
  return {Shape{q[0], q[1], q[2], in[2].shape[3]}, in[0].dtype};
}
Spec stats_of(Inputs in) {
  const Shape& q = in[0].shape;
  return {Shape{q[0], q[2], q[1], 2}, DType::Float64};
}

}  // namespace

Specs Attention::infer(Inputs in) const {
  expect_triple(signature, in);
  expect_options(signature, in, 3);
  return Specs({result_of(in), stats_of(in)});
}

Specs AttentionGrad::infer(Inputs in) const {
  expect_triple(signature, in);
  const Spec expected[] = {result_of(in), stats_of(in), result_of(in)};
  for (int i = 0; i < 3; ++i)
    if (in[3 + i] != expected[i])
      raise(in[3 + i].dtype == expected[i].dtype ? ErrorKind::Shape : ErrorKind::DType,
            join("attention_grad: ", signature.input(3 + i), " is ", in[3 + i], ", but ",
                 expected[i], " is expected"));
  expect_options(signature, in, 6);
  return Specs({in[0], in[1], in[2]});
}

}  // namespace pyneuro
