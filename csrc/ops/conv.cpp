// Shape and dtype rules of convolution and its gradients.
#include "ops/conv.h"

namespace pyneuro {
namespace {

Shape spatial(const Shape& shape) {
  Shape s;
  for (int i = 1; i + 1 < shape.size(); ++i) s.push_back(shape[i]);
  return s;
}

/// Rank and dtype of the two inputs.
void expect_alike(const Signature& sig, Inputs in) {
  expect_floating(sig, in, 0);
  if (in[1].dtype != in[0].dtype)
    raise(ErrorKind::DType, join(sig.name, ": ", sig.input(0), " is ", name(in[0].dtype), ", but ",
                                 sig.input(1), " is ", name(in[1].dtype), "; cast one of them"));
  const int rank = in[0].shape.size();
  if (rank < 3 || rank > 5)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(0),
                                 " must be (N, space..., channels) "
                                 "with 1 to 3 spatial dimensions, but it is ",
                                 in[0]));
  if (in[1].shape.size() != rank)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(0), " ", in[0].shape, " has ", rank,
                                 " dimensions, but ", sig.input(1), " ", in[1].shape, " has ",
                                 in[1].shape.size(), "; they must be as many"));
}

/// The fields fit the number of spatial dimensions and each other.
template <class Op> void expect_fields(const Op& op, int spatial_rank) {
  const std::string_view name = Op::signature.name;
  const auto expect_size = [&](std::string_view field, const Dims& values, int size) {
    if (values.size() != size)
      raise(ErrorKind::Shape, join(name, ": ", field, " ", values, " must have ", size,
                                   " entries for ", spatial_rank, " spatial dimensions"));
  };
  expect_size("strides", op.strides, spatial_rank);
  expect_size("dilations", op.dilations, spatial_rank);
  expect_size("padding", op.padding, 2 * spatial_rank);
  for (int i = 0; i < spatial_rank; ++i)
    if (op.strides[i] < 1 || op.dilations[i] < 1)
      raise(ErrorKind::Argument, join(name, ": strides ", op.strides, " and dilations ",
                                      op.dilations, " must be 1 or more"));
  if (op.groups < 1)
    raise(ErrorKind::Argument, join(name, ": groups must be 1 or more, but it is ", op.groups));
}

/// The spatial shape of y.
template <class Op> Shape positions(const Op& op, const Shape& in, const Shape& window) {
  Shape out;
  for (int i = 0; i < in.size(); ++i) {
    const int64_t padded = in[i] + op.padding[2 * i] + op.padding[2 * i + 1];
    const int64_t reach = (window[i] - 1) * op.dilations[i] + 1;
    if (window[i] < 1 || padded < reach)
      raise(ErrorKind::Shape,
            join(Op::signature.name, ": along spatial dimension ", i, " the input has ", in[i],
                 " positions, ", padded, " with padding, but a window of ", window[i],
                 " with dilation ", op.dilations[i], " needs ", reach,
                 "; use a larger input, a smaller window or more padding"));
    out.push_back((padded - reach) / op.strides[i] + 1);
  }
  return out;
}

/// Channels of x and filters divide into groups; the kernel has those of one.
void expect_groups(const Signature& sig, int64_t groups, int64_t channels, int64_t filters) {
  if (channels % groups != 0 || filters % groups != 0)
    raise(ErrorKind::Shape, join(sig.name, ": groups is ", groups, ", which must divide the ",
                                 channels, " channels of x and the ", filters, " filters"));
}

void expect_positions(const Signature& sig, const Shape& g, const Shape& expected) {
  if (spatial(g) != expected)
    raise(ErrorKind::Shape, join(sig.name, ": g is ", g, ", but ", expected,
                                 " is expected between its first and last dimension"));
}

Shape assemble(int64_t first, const Shape& middle, int64_t last) {
  Shape s{first};
  for (int64_t d : middle) s.push_back(d);
  s.push_back(last);
  return s;
}

}  // namespace

Specs Conv::infer(Inputs in) const {
  expect_alike(signature, in);
  const Shape &x = in[0].shape, &kernel = in[1].shape;
  const int rank = x.size();
  expect_fields(*this, rank - 2);
  expect_groups(signature, groups, x.back(), kernel.back());
  if (kernel[rank - 2] * groups != x.back())
    raise(ErrorKind::Shape, join("conv: x ", x, " has ", x.back(), " channels, but kernel ", kernel,
                                 " with groups ", groups, " takes ", kernel[rank - 2] * groups,
                                 "; the kernel is (window..., channels / groups, filters)"));
  Shape window = kernel;
  window.pop_back(), window.pop_back();
  const Shape out = positions(*this, spatial(x), window);
  const Spec bias{Shape{kernel.back()}, in[0].dtype};
  if (in.has(2) && in[2] != bias)
    raise(ErrorKind::Shape, join("conv: bias is ", in[2], ", but ", bias, " is expected"));
  return Spec{assemble(x[0], out, kernel.back()), in[0].dtype};
}

Specs ConvInputGrad::infer(Inputs in) const {
  expect_alike(signature, in);
  const Shape &g = in[0].shape, &kernel = in[1].shape;
  const int rank = g.size();
  expect_fields(*this, rank - 2);
  expect_shape(signature.name, size);
  if (size.size() != rank - 2)
    raise(ErrorKind::Shape, join("conv_input_grad: size ", size, " must have ", rank - 2,
                                 " entries, one for each spatial dimension of g ", g));
  if (g.back() != kernel.back())
    raise(ErrorKind::Shape,
          join("conv_input_grad: g ", g, " has ", g.back(), " channels, but kernel ", kernel,
               " has ", kernel.back(), " filters; they must be equal"));
  expect_groups(signature, groups, kernel[rank - 2] * groups, kernel.back());
  Shape window = kernel;
  window.pop_back(), window.pop_back();
  expect_positions(signature, g, positions(*this, size, window));
  return Spec{assemble(g[0], size, kernel[rank - 2] * groups), in[0].dtype};
}

Specs ConvKernelGrad::infer(Inputs in) const {
  expect_alike(signature, in);
  const Shape &x = in[0].shape, &g = in[1].shape;
  const int rank = x.size();
  expect_fields(*this, rank - 2);
  expect_shape(signature.name, size);
  if (size.size() != rank - 2)
    raise(ErrorKind::Shape, join("conv_kernel_grad: size ", size, " must have ", rank - 2,
                                 " entries, one for each spatial dimension of x ", x));
  if (x[0] != g[0])
    raise(ErrorKind::Shape,
          join("conv_kernel_grad: x ", x, " and g ", g, " must have the same first dimension"));
  expect_groups(signature, groups, x.back(), g.back());
  expect_positions(signature, g, positions(*this, spatial(x), size));
  Shape out = size;
  out.push_back(x.back() / groups);
  out.push_back(g.back());
  return Spec{out, in[0].dtype};
}

}  // namespace pyneuro
