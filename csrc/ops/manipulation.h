// Reshape, transpose, broadcast, slice, split: views where strides can say it; concatenate and the
// writes that undo a slice.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// The same elements in row-major order under another shape; one size may be -1.
struct Reshape {
  static constexpr Signature signature{"reshape", {"x"}};
  Shape shape;
  static constexpr auto fields = std::tuple{field("shape", &Reshape::shape)};
  Specs infer(Inputs in) const;
  bool alias(int output, const Layout& in, Layout& out) const;
};

/// y's axis i is x's axis axes[i]; no axes reverses them all.
struct Transpose {
  static constexpr Signature signature{"transpose", {"x"}};
  Axes axes;
  static constexpr auto fields = std::tuple{field("axes", &Transpose::axes, Axes{})};
  Specs infer(Inputs in) const;
  bool alias(int output, const Layout& in, Layout& out) const;
};

/// x repeated along dimensions of size 1 and new leading ones.
struct BroadcastTo {
  static constexpr Signature signature{"broadcast_to", {"x"}};
  Shape shape;
  static constexpr auto fields = std::tuple{field("shape", &BroadcastTo::shape)};
  Specs infer(Inputs in) const;
  bool alias(int output, const Layout& in, Layout& out) const;
};

/// Along each axis i: start[i], start[i] + step[i], ... up to and without stop[i]. Bounds are plain
/// (Python resolves negative ones); step may be negative, then stop may be -1.
struct Slice {
  static constexpr Signature signature{"slice", {"x"}};
  Dims start, stop, step;
  static constexpr auto fields = std::tuple{
      field("start", &Slice::start), field("stop", &Slice::stop), field("step", &Slice::step)};
  Specs infer(Inputs in) const;
  bool alias(int output, const Layout& in, Layout& out) const;
};

/// x cut along `axis` into pieces of the given sizes, which add up to the axis.
struct Split {
  static constexpr Signature signature{"split", {"x"}};
  Ints sizes;
  int64_t axis;
  static constexpr auto fields =
      std::tuple{field("sizes", &Split::sizes), field("axis", &Split::axis, int64_t{0})};
  Specs infer(Inputs in) const;
  bool alias(int output, const Layout& in, Layout& out) const;
};

/// The inputs one after the other along `axis`; they meet in their common dtype.
struct Concatenate {
  static constexpr Signature signature{"concatenate", {"xs*"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &Concatenate::axis, int64_t{-1})};
  static constexpr bool strided = true;
  Specs infer(Inputs in) const;
};

/// Zeros of `shape` with g written where Slice(start, start + size * step, step) would read: the
/// gradient of slice. g's own shape says how many.
struct SliceGrad {
  static constexpr Signature signature{"slice_grad", {"g"}};
  Shape shape;
  Dims start, step;
  static constexpr auto fields =
      std::tuple{field("shape", &SliceGrad::shape), field("start", &SliceGrad::start),
                 field("step", &SliceGrad::step)};
  static constexpr bool strided = true;
  Specs infer(Inputs in) const;
};

/// x with `updates` written where Slice(start, start + size * step, step) would read.
struct SliceUpdate {
  static constexpr Signature signature{"slice_update", {"x", "updates"}};
  Dims start, step;
  static constexpr auto fields =
      std::tuple{field("start", &SliceUpdate::start), field("step", &SliceUpdate::step)};
  static constexpr bool strided = true;
  Specs infer(Inputs in) const;
};

/// `shape` filled with `value`.
struct Full {
  static constexpr Signature signature{"full", {}};
  Shape shape;
  double value;
  DType dtype;
  static constexpr auto fields =
      std::tuple{field("shape", &Full::shape), field("value", &Full::value),
                 field("dtype", &Full::dtype, DType::Float32)};
  Specs infer(Inputs in) const;
};

/// start, start + step, ...: `size` of them.
struct Arange {
  static constexpr Signature signature{"arange", {}};
  double start, step;
  int64_t size;
  DType dtype;
  static constexpr auto fields =
      std::tuple{field("start", &Arange::start), field("step", &Arange::step),
                 field("size", &Arange::size), field("dtype", &Arange::dtype, DType::Int32)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
