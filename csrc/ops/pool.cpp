// Shape and dtype rules of pooling.
#include "ops/pool.h"

namespace pyneuro {
namespace {

void expect_pictures(const Signature& sig, Inputs in) {
  expect_floating(sig, in, 0);
  const int rank = in[0].shape.size();
  if (rank < 3 || rank > 5)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(0),
                                 " must be (N, space..., channels) with 1 to 3 spatial dimensions, "
                                 "but it is ",
                                 in[0]));
}

template <class Op> void expect_fields(const Op& op, int spatial) {
  const auto expect_size = [&](std::string_view field, const Dims& values, int size) {
    if (values.size() != size)
      raise(ErrorKind::Shape, join(Op::signature.name, ": ", field, " ", values, " must have ",
                                   size, " entries for ", spatial, " spatial dimensions"));
  };
  expect_size("window", op.window, spatial);
  expect_size("strides", op.strides, spatial);
  expect_size("padding", op.padding, 2 * spatial);
  for (int i = 0; i < spatial; ++i)
    if (op.window[i] < 1 || op.strides[i] < 1 || op.padding[2 * i] < 0 || op.padding[2 * i + 1] < 0)
      raise(ErrorKind::Argument,
            join(Op::signature.name, ": window ", op.window, " and strides ", op.strides,
                 " must be 1 or more, padding ", op.padding, " 0 or more"));
}

/// The shape of y for pictures [first, size..., channels].
template <class Op> Shape pooled(const Op& op, int64_t first, const Shape& size, int64_t channels) {
  Shape out{first};
  for (int i = 0; i < size.size(); ++i) {
    const int64_t padded = size[i] + op.padding[2 * i] + op.padding[2 * i + 1];
    if (padded < op.window[i])
      raise(ErrorKind::Shape,
            join(Op::signature.name, ": along spatial dimension ", i, " the input has ", size[i],
                 " positions, ", padded, " with padding, but a window needs ", op.window[i],
                 "; use a larger input, a smaller window or padding='same'"));
    out.push_back((padded - op.window[i]) / op.strides[i] + 1);
  }
  out.push_back(channels);
  return out;
}

template <class Op> Shape pooled_x(const Op& op, const Shape& x) {
  Shape size;
  for (int i = 1; i + 1 < x.size(); ++i) size.push_back(x[i]);
  expect_fields(op, size.size());
  return pooled(op, x[0], size, x.back());
}

DType index_dtype(const Dims& window) { return count(window) <= 256 ? DType::UInt8 : DType::Int32; }

void expect_index(const Signature& sig, Inputs in, const Shape& shape, const Dims& window) {
  const Spec expected{shape, index_dtype(window)};
  if (in[1] != expected)
    raise(ErrorKind::Shape,
          join(sig.name, ": index is ", in[1], ", but max_pool gives ", expected));
}

/// The shape of dx; g must be what pooling gives for it.
template <class Op> Shape unpooled(const Op& op, const Shape& g) {
  expect_fields(op, g.size() - 2);
  expect_shape(Op::signature.name, op.size);
  if (op.size.size() != g.size() - 2)
    raise(ErrorKind::Shape,
          join(Op::signature.name, ": size ", op.size, " must have ", g.size() - 2,
               " entries, one for each spatial dimension of g ", g));
  const Shape expected = pooled(op, g[0], op.size, g.back());
  if (g != expected)
    raise(ErrorKind::Shape,
          join(Op::signature.name, ": g is ", g, ", but ", expected, " is expected for that size"));
  Shape out{g[0]};
  for (int64_t d : op.size) out.push_back(d);
  out.push_back(g.back());
  return out;
}

}  // namespace

Specs MaxPool::infer(Inputs in) const {
  expect_pictures(signature, in);
  const Shape out = pooled_x(*this, in[0].shape);
  return Specs(std::vector<Spec>{{out, in[0].dtype}, {out, index_dtype(window)}});
}

Specs MaxPoolGrad::infer(Inputs in) const {
  expect_pictures(signature, in);
  const Shape out = unpooled(*this, in[0].shape);
  expect_index(signature, in, in[0].shape, window);
  return Spec{out, in[0].dtype};
}

Specs MaxPoolTake::infer(Inputs in) const {
  expect_pictures(signature, in);
  const Shape out = pooled_x(*this, in[0].shape);
  expect_index(signature, in, out, window);
  return Spec{out, in[0].dtype};
}

Specs AveragePool::infer(Inputs in) const {
  expect_pictures(signature, in);
  return Spec{pooled_x(*this, in[0].shape), in[0].dtype};
}

Specs AveragePoolGrad::infer(Inputs in) const {
  expect_pictures(signature, in);
  return Spec{unpooled(*this, in[0].shape), in[0].dtype};
}

}  // namespace pyneuro
