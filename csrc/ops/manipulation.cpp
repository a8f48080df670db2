// Shape rules of reshape, transpose, slice, split and concatenate, and how they alias their input.
#include "ops/manipulation.h"

namespace pyneuro {
namespace {

/// The output shape with -1 resolved.
Shape resolve(const Shape& wanted, const Shape& from) {
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == -1 && unknown < 0)
      unknown = i;
    else if (wanted[i] < 0)
      raise(ErrorKind::Shape, join("reshape: shape ", wanted,
                                   " has more than one unknown or a "
                                   "negative size; only one may be -1"));
    else if (__builtin_mul_overflow(known, wanted[i], &known))
      raise(ErrorKind::Shape, join("reshape: shape ", wanted, " has too many elements"));
  }
  const int64_t total = count(from);
  Shape out = wanted;
  if (unknown >= 0) {
    if (known == 0 || total % known != 0)
      raise(ErrorKind::Shape, join("reshape: ", total, " elements of shape ", from,
                                   " do not divide into shape ", wanted));
    out[unknown] = total / known;
  } else if (known != total) {
    raise(ErrorKind::Shape, join("reshape: x of shape ", from, " has ", total,
                                 " elements, but shape ", wanted, " needs ", known));
  }
  return out;
}

void expect_lists(std::string_view op, const Dims& list, std::string_view argument, int rank) {
  if (list.size() != rank)
    raise(ErrorKind::Shape, join(op, ": ", argument, " ", list, " has ", list.size(),
                                 " entries, but there are ", rank, " dimensions"));
}

/// Raises unless positions start, start + step, ... (n of them) lie in [0, size).
void expect_inside(std::string_view op, int axis, int64_t start, int64_t step, int64_t n,
                   int64_t size) {
  if (step == 0) raise(ErrorKind::Argument, join(op, ": step is 0 along axis ", axis));
  if (n == 0) return;
  const int64_t last = start + (n - 1) * step;
  if (start < 0 || start >= size || last < 0 || last >= size)
    raise(ErrorKind::Index, join(op, ": positions ", start, " to ", last, " along axis ", axis,
                                 " are outside its size ", size));
}

Layout sliced(const Layout& in, const Dims& start, const Dims& step, const Shape& shape) {
  Layout out{shape, in.strides, in.offset};
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] > 0) out.offset += start[i] * in.strides[i];
    out.strides[i] = in.strides[i] * step[i];
  }
  return out;
}

}  // namespace

Specs Reshape::infer(Inputs in) const { return Spec{resolve(shape, in[0].shape), in[0].dtype}; }

bool Reshape::alias(int, const Layout& in, Layout& out) const {
  if (!is_dense(in.shape, in.strides)) return false;
  const Shape to = resolve(shape, in.shape);
  out = {to, dense_strides(to), in.offset};
  return true;
}

Specs Transpose::infer(Inputs in) const {
  const int rank = in[0].shape.size();
  Shape out = Dims::filled(rank, 0);
  if (!axes.empty() || rank == 0) {
    expect_lists("transpose", axes, "axes", rank);
    normalize_axes("transpose", axes, rank);
  }
  for (int i = 0; i < rank; ++i)
    out[i] = in[0].shape[axes.empty() ? rank - 1 - i : normalize_axis("transpose", axes[i], rank)];
  return Spec{out, in[0].dtype};
}

bool Transpose::alias(int, const Layout& in, Layout& out) const {
  const int rank = in.shape.size();
  out = in;
  for (int i = 0; i < rank; ++i) {
    const int from = axes.empty() ? rank - 1 - i : normalize_axis("transpose", axes[i], rank);
    out.shape[i] = in.shape[from];
    out.strides[i] = in.strides[from];
  }
  return true;
}

Specs BroadcastTo::infer(Inputs in) const {
  expect_shape("broadcast_to", shape);
  Shape out;
  if (!broadcast(in[0].shape, shape, out) || out != shape)
    raise(ErrorKind::Shape,
          join("broadcast_to: x of shape ", in[0].shape, " cannot be repeated to shape ", shape));
  return Spec{shape, in[0].dtype};
}

bool BroadcastTo::alias(int, const Layout& in, Layout& out) const {
  out = {shape, broadcast_strides(in.shape, in.strides, shape), in.offset};
  return true;
}

Specs Slice::infer(Inputs in) const {
  const int rank = in[0].shape.size();
  expect_lists("slice", start, "start", rank);
  expect_lists("slice", stop, "stop", rank);
  expect_lists("slice", step, "step", rank);
  Shape out;
  for (int i = 0; i < rank; ++i) {
    const int64_t s = step[i], length = s > 0 ? stop[i] - start[i] : start[i] - stop[i];
    const int64_t n = length <= 0 || s == 0 ? 0 : (length - 1) / (s > 0 ? s : -s) + 1;
    expect_inside("slice", i, start[i], s, n, in[0].shape[i]);
    out.push_back(n);
  }
  return Spec{out, in[0].dtype};
}

bool Slice::alias(int, const Layout& in, Layout& out) const {
  const Spec spec{in.shape, DType::Float32};
  const Spec* specs[] = {&spec};
  out = sliced(in, start, step, infer(Inputs(specs, 1))[0].shape);
  return true;
}

Specs Split::infer(Inputs in) const {
  const int along = normalize_axis("split", axis, in[0].shape.size());
  int64_t total = 0;
  std::vector<Spec> out;
  for (int64_t n : sizes) {
    if (n < 0) raise(ErrorKind::Shape, join("split: a size is negative: ", n));
    total += n;
    out.push_back(in[0]);
    out.back().shape[along] = n;
  }
  if (total != in[0].shape[along])
    raise(ErrorKind::Shape, join("split: sizes add up to ", total, ", but axis ", axis, " of x ",
                                 in[0].shape, " has ", in[0].shape[along]));
  return Specs(std::move(out));
}

bool Split::alias(int output, const Layout& in, Layout& out) const {
  const int along = normalize_axis("split", axis, in.shape.size());
  out = in;
  for (int i = 0; i < output; ++i) out.offset += sizes[i] * in.strides[along];
  out.shape[along] = sizes[output];
  return true;
}

Specs Concatenate::infer(Inputs in) const {
  if (in.size() == 0) raise(ErrorKind::Argument, "concatenate: at least one array is needed");
  const int rank = in[0].shape.size(), along = normalize_axis("concatenate", axis, rank);
  Spec out = in[0];
  for (int i = 0; i < in.size(); ++i) {
    expect_real(signature, in, i);
    const Shape& s = in[i].shape;
    bool fits = s.size() == rank;
    for (int d = 0; fits && d < rank; ++d) fits = d == along || s[d] == in[0].shape[d];
    if (!fits)
      raise(ErrorKind::Shape, join("concatenate: array ", i, " has shape ", s, ", but array 0 has ",
                                   in[0].shape, "; all but axis ", axis, " must be equal"));
    if (i > 0) out.shape[along] += s[along];
    out.dtype = promote(out.dtype, in[i].dtype);
  }
  return out;
}

Specs SliceGrad::infer(Inputs in) const {
  expect_shape("slice_grad", shape);
  expect_lists("slice_grad", start, "start", shape.size());
  expect_lists("slice_grad", step, "step", shape.size());
  expect_lists("slice_grad", in[0].shape, "g's shape", shape.size());
  for (int i = 0; i < shape.size(); ++i)
    expect_inside("slice_grad", i, start[i], step[i], in[0].shape[i], shape[i]);
  return Spec{shape, in[0].dtype};
}

Specs SliceUpdate::infer(Inputs in) const {
  const int rank = in[0].shape.size();
  expect_lists("slice_update", start, "start", rank);
  expect_lists("slice_update", step, "step", rank);
  expect_lists("slice_update", in[1].shape, "updates' shape", rank);
  for (int i = 0; i < rank; ++i)
    expect_inside("slice_update", i, start[i], step[i], in[1].shape[i], in[0].shape[i]);
  if (in[0].dtype != in[1].dtype)
    raise(ErrorKind::DType, join("slice_update: x is ", name(in[0].dtype), ", but updates are ",
                                 name(in[1].dtype), "; cast one of them"));
  return in[0];
}

Specs Full::infer(Inputs) const {
  expect_shape("full", shape);
  if (is_complex(dtype)) raise(ErrorKind::DType, join("full: dtype ", name(dtype), " is not real"));
  return Spec{shape, dtype};
}

Specs Arange::infer(Inputs) const {
  if (is_complex(dtype) || is_bool(dtype))
    raise(ErrorKind::DType, join("arange: dtype ", name(dtype), " is not a real number"));
  expect_shape("arange", Shape{size});
  return Spec{Shape{size}, dtype};
}

}  // namespace pyneuro
