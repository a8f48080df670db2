// Checks shared by shape rules: axes, broadcasting, dtypes. Every message names op, argument, what
// came.
#pragma once

#include "ops/op.h"

namespace pyneuro {

/// -rank..rank-1 to 0..rank-1; raises naming op and argument.
inline int normalize_axis(std::string_view op, int64_t axis, int rank,
                          std::string_view argument = "axis") {
  if (axis < -rank || axis >= rank)
    raise(ErrorKind::Shape, join(op, ": ", argument, " ", axis, " is out of range for ", rank,
                                 " dimension", rank == 1 ? "" : "s"));
  return int(axis < 0 ? axis + rank : axis);
}

/// Every axis normalized, sorted, none twice; no axes given means all of them.
inline Axes normalize_axes(std::string_view op, const Axes& axes, int rank) {
  bool seen[kMaxRank] = {};
  for (int64_t a : axes) {
    bool& s = seen[normalize_axis(op, a, rank)];
    if (s) raise(ErrorKind::Shape, join(op, ": axis ", a, " is given twice in ", axes));
    s = true;
  }
  Axes out;
  for (int i = 0; i < rank; ++i)
    if (axes.empty() || seen[i]) out.push_back(i);
  return out;
}

inline Shape broadcast_shapes(const Signature& sig, Inputs in) {
  Shape out = in[0].shape;
  for (int i = 1; i < in.size(); ++i) {
    const Shape so_far = out;
    if (!broadcast(so_far, in[i].shape, out))
      raise(ErrorKind::Shape, join(sig.name, ": shapes ", so_far, " and ", in[i].shape,
                                   " do not broadcast; each pair of dimensions, from the right, "
                                   "must be equal or one of them 1"));
  }
  return out;
}

[[noreturn]] inline void raise_dtype(const Signature& sig, int input, DType got,
                                     std::string_view expected) {
  raise(ErrorKind::DType, join(sig.name, ": ", sig.input(input), " is ", name(got), ", but ",
                               expected, " is expected; cast it with ops.cast"));
}
inline void expect_floating(const Signature& sig, Inputs in, int input) {
  if (!is_floating(in[input].dtype)) raise_dtype(sig, input, in[input].dtype, "a floating dtype");
}
inline void expect_integer(const Signature& sig, Inputs in, int input) {
  if (!is_integer(in[input].dtype)) raise_dtype(sig, input, in[input].dtype, "an integer dtype");
}
inline void expect_real(const Signature& sig, Inputs in, int input) {
  if (is_complex(in[input].dtype)) raise_dtype(sig, input, in[input].dtype, "a real dtype");
}
inline void expect_same_spec(const Signature& sig, Inputs in, int a, int b) {
  if (in[a].shape != in[b].shape)
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(a), " has shape ", in[a].shape, ", but ",
                                 sig.input(b), " has shape ", in[b].shape, "; they must be equal"));
  if (in[a].dtype != in[b].dtype)
    raise(ErrorKind::DType, join(sig.name, ": ", sig.input(a), " is ", name(in[a].dtype), ", but ",
                                 sig.input(b), " is ", name(in[b].dtype), "; they must be equal"));
}
inline void expect_rank_at_least(const Signature& sig, Inputs in, int input, int rank) {
  if (in[input].shape.size() < rank)
    raise(ErrorKind::Shape,
          join(sig.name, ": ", sig.input(input), " must have at least ", rank,
               rank == 1 ? " dimension" : " dimensions", ", but it is ", in[input]));
}

/// A shape given by the user as a field: no negative sizes, a countable number of elements.
inline void expect_shape(std::string_view op, const Shape& shape) {
  for (int64_t d : shape)
    if (d < 0) raise(ErrorKind::Shape, join(op, ": shape ", shape, " has a negative dimension"));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(count(shape), int64_t{16}, &bytes))
    raise(ErrorKind::Shape, join(op, ": shape ", shape, " has too many elements"));
}

}  // namespace pyneuro
