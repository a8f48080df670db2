// Shape and dtype rules of recurrent layers.
#include "ops/recurrent.h"

namespace pyneuro {
namespace {

void expect_input(const Signature& sig, Inputs in, int input, const Shape& shape, DType dtype) {
  if (in[input].shape != shape)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(input), " has shape ", in[input].shape,
                                 ", but ", shape, " is expected"));
  if (in[input].dtype != dtype)
    raise(ErrorKind::DType, join(sig.name, ": ", sig.input(input), " is ", name(in[input].dtype),
                                 ", but the others are ", name(dtype), "; cast it with ops.cast"));
}

/// U, from a recurrent kernel [U, gates U].
int64_t units_of(const Signature& sig, Inputs in, int kernel, int gates) {
  expect_floating(sig, in, kernel);
  const Shape& s = in[kernel].shape;
  if (s.size() != 2 || s[1] != gates * s[0])
    raise(ErrorKind::Shape,
          join(sig.name, ": recurrent_kernel must be (U, ", gates, " U), but it is ", in[kernel]));
  return s[0];
}

struct Sizes { int64_t batch, steps; };

/// N and T, from an input [N, T, width].
Sizes sizes_of(const Signature& sig, Inputs in, int input, int64_t width, DType dtype) {
  const Shape& s = in[input].shape;
  if (s.size() != 3 || s[2] != width)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(input), " must be (N, T, ", width,
                                 ") for that recurrent_kernel, but it is ", in[input]));
  expect_input(sig, in, input, s, dtype);
  return {s[0], s[1]};
}

void expect_mask(const Signature& sig, Inputs in, int input, Sizes n) {
  if (in.has(input)) expect_input(sig, in, input, Shape{n.batch, n.steps}, DType::Bool);
}

/// y, the last states, and what is kept: so many values of a unit and step each.
Specs outputs(Sizes n, int64_t units, DType dtype, int states, std::initializer_list<int> kept) {
  std::vector<Spec> out{{Shape{n.batch, n.steps, units}, dtype}};
  for (int i = 0; i < states; ++i) out.push_back({Shape{n.batch, units}, dtype});
  for (const int values : kept) out.push_back({Shape{n.batch, n.steps, values * units}, dtype});
  return Specs(std::move(out));
}

}  // namespace

Specs Lstm::infer(Inputs in) const {
  const int64_t units = units_of(signature, in, 1, 4);
  const DType dtype = in[1].dtype;
  const Sizes n = sizes_of(signature, in, 0, 4 * units, dtype);
  const Shape state{n.batch, units};
  expect_input(signature, in, 2, state, dtype);
  expect_input(signature, in, 3, state, dtype);
  expect_mask(signature, in, 4, n);
  if (!keep) return outputs(n, units, dtype, 2, {});
  return outputs(n, units, dtype, 2, {4, 1, 1});
}

Specs LstmGrad::infer(Inputs in) const {
  const int64_t units = units_of(signature, in, 0, 4);
  const DType dtype = in[0].dtype;
  const Sizes n = sizes_of(signature, in, 1, 4 * units, dtype);
  const Shape state{n.batch, units}, all{n.batch, n.steps, units};
  expect_input(signature, in, 2, all, dtype);
  expect_input(signature, in, 3, all, dtype);
  expect_input(signature, in, 4, state, dtype);
  expect_input(signature, in, 5, state, dtype);
  expect_mask(signature, in, 6, n);
  return Specs(std::vector<Spec>{
      {Shape{n.batch, n.steps, 4 * units}, dtype}, {state, dtype}, {state, dtype}});
}

Specs Gru::infer(Inputs in) const {
  const int64_t units = units_of(signature, in, 1, 3);
  const DType dtype = in[1].dtype;
  const Sizes n = sizes_of(signature, in, 0, 3 * units, dtype);
  const Shape state{n.batch, units};
  expect_input(signature, in, 2, Shape{3 * units}, dtype);
  expect_input(signature, in, 3, state, dtype);
  expect_mask(signature, in, 4, n);
  if (!keep) return outputs(n, units, dtype, 1, {});
  return outputs(n, units, dtype, 1, {4, 1});
}

Specs GruGrad::infer(Inputs in) const {
  const int64_t units = units_of(signature, in, 0, 3);
  const DType dtype = in[0].dtype;
  const Sizes n = sizes_of(signature, in, 1, 4 * units, dtype);
  const Shape state{n.batch, units}, all{n.batch, n.steps, units};
  const Shape gates{n.batch, n.steps, 3 * units};
  expect_input(signature, in, 2, all, dtype);
  expect_input(signature, in, 3, all, dtype);
  expect_input(signature, in, 4, state, dtype);
  expect_mask(signature, in, 5, n);
  return Specs(std::vector<Spec>{{gates, dtype}, {state, dtype}, {gates, dtype}});
}

}  // namespace pyneuro
