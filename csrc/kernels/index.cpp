// Take, its gradient, and one-hot codes, on dense arrays [outer][axis][inner]. Nothing is read or
// written at an index outside the axis: take tells it, and leaves zeros there.
#include <cstring>

#include "kernels/indices.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"
#include "simd/vec.h"

namespace pyneuro {
namespace {

constexpr int64_t kTaskBytes = 4 * kSlice;

/// Sizes before, along and after an axis.
struct Around { int64_t outer = 1, n = 1, inner = 1; };
Around around(const Shape& shape, int64_t axis) {
  const int along = static_cast<int>(axis < 0 ? axis + shape.size() : axis);
  Around a;
  for (int i = 0; i < shape.size(); ++i)
    (i < along ? a.outer : i == along ? a.n : a.inner) *= shape[i];
  return a;
}

/// to[i] = index i counted from 0, or -1 after a fail.
void resolve(Context& ctx, const char* op, const View& indices, int64_t axis, int64_t n,
             int64_t* to) {
  const int64_t count = indices.size();
  ctx.parallel_for(ceil_div(count, kSlice), [&](int64_t task) {
    for (int64_t i = task * kSlice; i < smaller(count, (task + 1) * kSlice); ++i) {
      const int64_t index = read_integer(indices, i);
      if (index >= -n && index < n) {
        to[i] = index < 0 ? index + n : index;
        continue;
      }
      char where[96], text[320];
      write_position(where, sizeof where, indices.shape, i);
      std::snprintf(text, sizeof text,
                    "%s: index %" PRId64 " at position %s of indices is outside [%" PRId64
                    ", %" PRId64 "): axis %" PRId64 " of x has %" PRId64 " entries",
                    op, index, where, -n, n, axis, n);
      ctx.fail(ErrorKind::Index, i, text);
      to[i] = -1;
    }
  });
}

// ---- take ---------------------------------------------------------------------------------------

/// Rows of one element each.
template <class T> void gather(T* to, const T* from, const int64_t* positions, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = positions[i] < 0 ? T(0) : from[positions[i]];
}

/// Rows of `bytes`, found at positions in units of `pitch` bytes.
void gather_rows(char* to, const char* from, const int64_t* positions, int64_t count, int64_t bytes,
                 int64_t pitch) {
  auto typed = [&](auto zero) {
    using T = decltype(zero);
    gather(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(from), positions, count);
  };
  if (bytes == pitch) switch (bytes) {
      case 1: return typed(uint8_t{});
      case 2: return typed(uint16_t{});
      case 4: return typed(uint32_t{});
      case 8: return typed(uint64_t{});
    }
  for (int64_t i = 0; i < count; ++i, to += pitch) {
    if (positions[i] < 0)
      std::memset(to, 0, static_cast<size_t>(bytes));
    else
      std::memcpy(to, from + positions[i] * pitch, static_cast<size_t>(bytes));
  }
}

void take(const Take& op, Context& ctx, In in, Out out) noexcept {
  const Around x = around(in[0].shape, op.axis);
  const int64_t m = in[1].size(), row = x.inner * static_cast<int64_t>(size_of(in[0].dtype));
  auto* positions = static_cast<int64_t*>(ctx.scratch());
  resolve(ctx, "take", in[1], op.axis, x.n, positions);
  if (out[0].size() == 0) return;
  // A task copies a piece of some rows: whole ones, unless a single row is more than a task.
  const int64_t piece = smaller(row, kTaskBytes), pieces = ceil_div(row, piece);
  const int64_t rows = smaller(m, larger(1, kTaskBytes / row)), groups = ceil_div(m, rows);
  ctx.parallel_for(x.outer * groups * pieces, [&](int64_t task) {
    const int64_t at = task % pieces * piece, first = task / pieces % groups * rows;
    const int64_t outer = task / pieces / groups;
    gather_rows(out[0].as<char>() + (outer * m + first) * row + at,
                in[0].as<const char>() + outer * x.n * row + at, positions + first,
                smaller(rows, m - first), smaller(piece, row - at), row);
  });
}

size_t take_scratch(const Take&, In in, Out) noexcept {
  return static_cast<size_t>(in[1].size()) * sizeof(int64_t);
}

// ---- its gradient -------------------------------------------------------------------------------

/// Which indices point at each entry of the axis, in their own order: a stable counting sort.
struct Buckets {
  int64_t* start;      // [n + 1]: where an entry's list begins in `order`
  int64_t* order;      // [m]
  int64_t* positions;  // [m]: the indices, counted from 0
};

size_t take_grad_scratch(const TakeGrad& op, In in, Out) noexcept {
  return static_cast<size_t>(op.size + 1 + 2 * in[1].size()) * sizeof(int64_t);
}

Buckets sort(Context& ctx, const TakeGrad& op, const View& indices) {
  const int64_t m = indices.size(), n = op.size;
  auto* memory = static_cast<int64_t*>(ctx.scratch());
  const Buckets b{memory, memory + n + 1, memory + n + 1 + m};
  resolve(ctx, "take_grad", indices, op.axis, n, b.positions);
  std::memset(b.start, 0, static_cast<size_t>(n + 1) * sizeof(int64_t));
  for (int64_t i = 0; i < m; ++i)
    if (b.positions[i] >= 0) ++b.start[b.positions[i]];
  int64_t total = 0;
  for (int64_t j = 0; j <= n; ++j) total += b.start[j], b.start[j] = total - b.start[j];
  // Each list's start moves to its end while it fills, and the end of one is the start of the next.
  for (int64_t i = 0; i < m; ++i)
    if (b.positions[i] >= 0) b.order[b.start[b.positions[i]]++] = i;
  for (int64_t j = n; j > 0; --j) b.start[j] = b.start[j - 1];
  b.start[0] = 0;
  return b;
}

constexpr int64_t kStrip = 512;  // elements of a row that one task adds up

template <class T> void add(T* sum, const T* x, int64_t n) {
  constexpr int kCount = simd::Vec<T>::kCount;
  int64_t i = 0;
  for (; i + kCount <= n; i += kCount) store(sum + i, simd::load(sum + i) + simd::load(x + i));
  const int lanes = static_cast<int>(n - i);
  if (lanes > 0) store(sum + i, simd::load(sum + i, lanes) + simd::load(x + i, lanes), lanes);
}

/// Adds rows of g in the lanes of T; 16-bit floats and small integers pass through a buffer.
template <class T> struct Adder {
  const char* g;
  char* out;
  int size;
  Converter widen, narrow;  // null where g is of T's dtype

  void run(const int64_t* list, int64_t count, const char* from, int64_t pitch, char* to,
           int64_t n) const {
    if (count == 0) {
      std::memset(to, 0, static_cast<size_t>(n * size));
      return;
    }
    T sum[kStrip], next[kStrip];
    T* total = widen == nullptr ? reinterpret_cast<T*>(to) : sum;
    for (int64_t i = 0; i < count; ++i) {
      const char* row = from + list[i] * pitch * size;
      if (i == 0) {
        if (widen == nullptr)
          std::memcpy(total, row, static_cast<size_t>(n * size));
        else
          widen(total, row, n);
      } else if (widen == nullptr) {
        add(total, reinterpret_cast<const T*>(row), n);
      } else {
        widen(next, row, n);
        add(total, next, n);
      }
    }
    if (narrow != nullptr) narrow(to, total, n);
  }
};

template <class T>
void add_rows(Context& ctx, const View& g, const View& out, const Buckets& b, const Around& x,
              int64_t m, DType lanes) {
  const bool same = g.dtype == lanes;
  const Adder<T> adder{g.as<const char>(), out.as<char>(), static_cast<int>(size_of(g.dtype)),
                       same ? nullptr : converter(g.dtype, lanes),
                       same ? nullptr : converter(lanes, g.dtype)};
  const int64_t strip = smaller(x.inner, kStrip), strips = ceil_div(x.inner, strip);
  const int64_t rows = smaller(x.n, larger(1, kSlice / strip)), groups = ceil_div(x.n, rows);
  ctx.parallel_for(x.outer * groups * strips, [&](int64_t task) {
    const int64_t col = task % strips * strip, first = task / strips % groups * rows;
    const int64_t outer = task / strips / groups, n = smaller(strip, x.inner - col);
    const char* from = adder.g + (outer * m * x.inner + col) * adder.size;
    for (int64_t j = first; j < smaller(x.n, first + rows); ++j)
      adder.run(b.order + b.start[j], b.start[j + 1] - b.start[j], from, x.inner,
                adder.out + ((outer * x.n + j) * x.inner + col) * adder.size, n);
  });
}

void take_grad(const TakeGrad& op, Context& ctx, In in, Out out) noexcept {
  const Around x = around(out[0].shape, op.axis);
  const Buckets b = sort(ctx, op, in[1]);
  if (out[0].size() == 0) return;
  const int64_t m = in[1].size();
  const DType lanes = compute_dtype(in[0].dtype);
  switch (lanes) {
    case DType::Int32: return add_rows<int32_t>(ctx, in[0], out[0], b, x, m, lanes);
    case DType::Int64: return add_rows<int64_t>(ctx, in[0], out[0], b, x, m, lanes);
    case DType::Float32: return add_rows<float>(ctx, in[0], out[0], b, x, m, lanes);
    default: return add_rows<double>(ctx, in[0], out[0], b, x, m, lanes);
  }
}

// ---- one-hot ------------------------------------------------------------------------------------

/// out[outer][class][inner]; x is [outer][inner].
void one_hot(const OneHot& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Around y = around(out[0].shape, op.axis);
  const size_t size = size_of(op.dtype);
  char one[8];
  const double value = 1;
  converter(DType::Float64, op.dtype)(one, &value, 1);
  const int64_t strip = smaller(y.inner, kStrip), strips = ceil_div(y.inner, strip);
  const int64_t per_task = larger(1, kSlice / (strip * y.n)), units = y.outer * strips;
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
      const int64_t outer = u / strips, col = u % strips * strip;
      const int64_t cols = smaller(strip, y.inner - col);
      char* to = out[0].as<char>() + (outer * y.n * y.inner + col) * static_cast<int64_t>(size);
      const int64_t pitch = y.inner * static_cast<int64_t>(size);
      const bool whole = strips == 1;  // then the classes lie side by side
      for (int64_t c = 0; c < (whole ? 1 : y.n); ++c)
        std::memset(to + c * pitch, 0, static_cast<size_t>(whole ? y.n * cols : cols) * size);
      for (int64_t i = 0; i < cols; ++i) {
        const int64_t c = read_integer(in[0], outer * y.inner + col + i);
        if (c >= 0 && c < y.n)
          std::memcpy(to + c * pitch + i * static_cast<int64_t>(size), one, size);
      }
    }
  });
}

}  // namespace

Kernel kernel(Tag<Take>) { return make_kernel<Take, &take, &take_scratch>(); }
Kernel kernel(Tag<TakeGrad>) { return make_kernel<TakeGrad, &take_grad, &take_grad_scratch>(); }
Kernel kernel(Tag<OneHot>) { return make_kernel<OneHot, &one_hot>(); }

}  // namespace pyneuro
