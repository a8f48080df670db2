// Concatenate, the writes that undo a slice, full and arange: all of them copies or patterns.
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace pyneuro {
namespace {

/// The part of `whole` that starts at `start` along each axis and takes `shape` steps of `step`.
View part_of(const View& whole, const Dims& start, const Dims& step, const Shape& shape) {
  View part = whole;
  int64_t offset = 0;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] > 0) offset += start[i] * whole.strides[i];
    part.shape[i] = shape[i];
    part.strides[i] = whole.strides[i] * step[i];
  }
  part.data = whole.as<char>() + offset * static_cast<int64_t>(size_of(whole.dtype));
  return part;
}

void concatenate(const Concatenate& op, Context& ctx, In in, Out out) noexcept {
  const int rank = out[0].rank();
  const int axis = static_cast<int>(op.axis < 0 ? op.axis + rank : op.axis);
  Dims start = Dims::filled(rank, 0);
  const Dims step = Dims::filled(rank, 1);
  for (int i = 0; i < in.count; ++i) {
    if (in[i].size() > 0) copy_array(ctx, part_of(out[0], start, step, in[i].shape), in[i]);
    start[axis] += in[i].shape[axis];
  }
}

void slice_grad(const SliceGrad& op, Context& ctx, In in, Out out) noexcept {
  if (in[0].shape != out[0].shape) fill_zero(ctx, out[0]);
  if (in[0].size() > 0) copy_array(ctx, part_of(out[0], op.start, op.step, in[0].shape), in[0]);
}

void slice_update(const SliceUpdate& op, Context& ctx, In in, Out out) noexcept {
  if (in[1].shape != in[0].shape) copy_array(ctx, out[0], in[0]);
  if (in[1].size() > 0) copy_array(ctx, part_of(out[0], op.start, op.step, in[1].shape), in[1]);
}

/// Writes out[i] = value(i), computed as Ts in pieces that stay in the first-level cache.
template <class T, class Value>
void generate(Context& ctx, const View& out, DType computed, Value value) {
  constexpr int64_t kPiece = kTileBytes / sizeof(T);
  const int64_t size = out.size(), bytes = static_cast<int64_t>(size_of(out.dtype));
  const Converter convert = converter(computed, out.dtype);
  ctx.parallel_for(ceil_div(size, kSlice), [&](int64_t task) {
    const int64_t end = smaller(size, (task + 1) * kSlice);
    for (int64_t begin = task * kSlice; begin < end; begin += kPiece) {
      const int64_t n = smaller(kPiece, end - begin);
      T piece[kPiece];
      for (int64_t i = 0; i < n; ++i) piece[i] = value(begin + i);
      convert(out.as<char>() + begin * bytes, piece, n);
    }
  });
}

void full(const Full& op, Context& ctx, In, Out out) noexcept {
  char element[16];
  converter(DType::Float64, op.dtype)(element, &op.value, 1);
  bool zero = true;
  for (size_t i = 0; i < size_of(op.dtype); ++i) zero &= element[i] == 0;
  if (zero) return fill_zero(ctx, out[0]);
  const View one{element, {}, {}, op.dtype};
  copy_array(ctx, out[0], one);
}

/// Numbers that int64 holds exactly, as int64 itself takes them.
bool is_whole(double x) { return std::trunc(x) == x && std::fabs(x) < 0x1p62; }

void arange(const Arange& op, Context& ctx, In, Out out) noexcept {
  if (out[0].size() == 0) return;
  if (!is_floating(op.dtype) && is_whole(op.start) && is_whole(op.step)) {
    const auto start = static_cast<uint64_t>(static_cast<int64_t>(op.start));
    const auto step = static_cast<uint64_t>(static_cast<int64_t>(op.step));
    generate<uint64_t>(ctx, out[0], DType::Int64, [=](int64_t i) {
      return start + static_cast<uint64_t>(i) * step;  // wraps, as integers do
    });
  } else {
    generate<double>(ctx, out[0], DType::Float64, [start = op.start, step = op.step](int64_t i) {
      return start + static_cast<double>(i) * step;
    });
  }
}

}  // namespace

Kernel kernel(Tag<Concatenate>) { return make_kernel<Concatenate, &concatenate>(); }
Kernel kernel(Tag<SliceGrad>) { return make_kernel<SliceGrad, &slice_grad>(); }
Kernel kernel(Tag<SliceUpdate>) { return make_kernel<SliceUpdate, &slice_update>(); }
Kernel kernel(Tag<Full>) { return make_kernel<Full, &full>(); }
Kernel kernel(Tag<Arange>) { return make_kernel<Arange, &arange>(); }

}  // namespace pyneuro
