// Running sums, running products and linear recurrences along an axis. Arrays are dense:
// [outer][n][inner]. A task walks some columns from end to end, so each is added up in its order.
#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

constexpr int64_t kColumnsOfTask = 256;
constexpr int64_t kLinesTogether = 16;
constexpr int64_t kPiece = 2048;  // elements that are converted at once

struct Sum { static constexpr int arrays = 1; };
struct Product { static constexpr int arrays = 1; };
struct Recurrence { static constexpr int arrays = 2; };

/// Integers wrap, which plain signed numbers must not.
template <class T> T plus(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) +
                          static_cast<std::make_unsigned_t<T>>(b));
}
template <class T> T times(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) *
                          static_cast<std::make_unsigned_t<T>>(b));
}

/// The next value from the one before and this row's inputs; for numbers and for registers.
template <class Kind, class T> T next(T before, T x, [[maybe_unused]] T b) {
  if constexpr (std::is_same_v<Kind, Sum>)
    return plus(before, x);
  else if constexpr (std::is_same_v<Kind, Product>)
    return times(before, x);
  else
    return plus(b, times(x, before));
}
template <class Kind, class T>
[[gnu::always_inline]] inline simd::Vec<T> next(simd::Vec<T> before, simd::Vec<T> x,
                                                [[maybe_unused]] simd::Vec<T> b) {
  if constexpr (std::is_same_v<Kind, Sum>)
    return before + x;
  else if constexpr (std::is_same_v<Kind, Product>)
    return before * x;
  else
    return b + x * before;
}

struct Walk {
  int64_t outer = 1, n = 1, inner = 1;
  bool reverse;
  /// Lines side by side in memory are turned, so that they too are columns, of as many lines.
  bool turned() const { return inner == 1 && outer > 1; }
  int64_t columns() const { return turned() ? outer : inner; }
  int64_t columns_of_task() const { return turned() ? kLinesTogether : kColumnsOfTask; }
  Walk(const Shape& shape, int64_t axis, bool reverse) : reverse(reverse) {
    const int along = static_cast<int>(axis < 0 ? axis + shape.size() : axis);
    for (int i = 0; i < shape.size(); ++i) (i < along ? outer : i == along ? n : inner) *= shape[i];
  }
};

/// Rows of `cols` columns from `first`, brought to and from the lanes of T a piece at a time.
template <class Kind, class T> struct Columns {
  const Walk& walk;
  In in;
  const View& out;
  DType lanes;
  int64_t first, cols;  // element 0 of the first row
  T state[kColumnsOfTask + 16];
  alignas(64) T x[kPiece + 16], b[kPiece + 16], raw[kPiece];

  Columns(const Walk& walk, In in, const View& out, DType lanes, int64_t first, int64_t cols)
      : walk(walk), in(in), out(out), lanes(lanes), first(first), cols(cols) {}

  void move(const View& v, T* buffer, int64_t row, int64_t rows, bool write) {
    const auto size = static_cast<int64_t>(size_of(v.dtype));
    const bool joined = cols == walk.inner;  // the rows lie side by side
    const Converter convert = write ? converter(lanes, v.dtype) : converter(v.dtype, lanes);
    if (walk.turned()) {
      const Block lying{v.as<char>() + (first + row) * size, 1, walk.n}, packed{raw, cols, 1};
      if (write) {
        convert(raw, buffer, rows * cols);
        copy_block(static_cast<int>(size), lying, packed, rows, cols);
      } else {
        copy_block(static_cast<int>(size), packed, lying, rows, cols);
        convert(buffer, raw, rows * cols);
      }
      return;
    }
    for (int64_t r = 0; r < (joined ? 1 : rows); ++r) {
      char* place = v.as<char>() + (first + (row + r) * walk.inner) * size;
      const int64_t count = joined ? rows * cols : cols;
      if (write)
        convert(place, buffer + r * cols, count);
      else
        convert(buffer + r * cols, place, count);
    }
  }

  void row(T* px, const T* pb, bool begins) {
    if (cols == 1) {
      const T start = Kind::arrays == 2 ? *pb : *px;
      *px = state[0] = begins ? start : next<Kind>(state[0], *px, *pb);
      return;
    }
    for_vectors<T>(cols, [&](int64_t i, int n) __attribute__((always_inline)) {
      const auto vx = load_some(px + i, n), vb = load_some(pb + i, n);
      const auto start = Kind::arrays == 2 ? vb : vx;
      const auto y = begins ? start : next<Kind>(load_some(state + i, n), vx, vb);
      store_some(state + i, y, n);
      store_some(px + i, y, n);
    });
  }

  void run() {
    const int64_t most = larger(1, kPiece / cols);
    for (int64_t done = 0; done < walk.n; done += most) {
      const int64_t rows = smaller(most, walk.n - done);
      const int64_t at = walk.reverse ? walk.n - done - rows : done;
      move(in[0], x, at, rows, false);
      if (Kind::arrays == 2) move(in[1], b, at, rows, false);
      const T* const other = Kind::arrays == 2 ? b : x;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t i = (walk.reverse ? rows - 1 - r : r) * cols;
        row(x + i, other + i, done + r == 0);
      }
      move(out, x, at, rows, true);
    }
  }
};

template <class Kind, class T>
void cumulate(Context& ctx, const Walk& walk, In in, const View& out, DType lanes) {
  const int64_t most = walk.columns_of_task(), strips = ceil_div(walk.columns(), most);
  const int64_t units = walk.turned() ? strips : walk.outer * strips;
  const int64_t per_task = larger(1, kSlice / (walk.n * smaller(walk.columns(), most)));
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
      const int64_t col = u % strips * most;
      const int64_t start = walk.turned() ? col * walk.n : u / strips * walk.n * walk.inner + col;
      Columns<Kind, T> columns(walk, in, out, lanes, start, smaller(most, walk.columns() - col));
      columns.run();
    }
  });
}

template <class Kind>
void cumulate_any(Context& ctx, int64_t axis, bool reverse, In in, const View& out) {
  if (out.size() == 0) return;
  const Walk walk(out.shape, axis, reverse);
  const DType lanes = compute_dtype(out.dtype);
  if constexpr (Kind::arrays == 1) {
    if (lanes == DType::Int32) return cumulate<Kind, int32_t>(ctx, walk, in, out, lanes);
    if (lanes == DType::Int64) return cumulate<Kind, int64_t>(ctx, walk, in, out, lanes);
  }
  if (lanes == DType::Float32) return cumulate<Kind, float>(ctx, walk, in, out, lanes);
  cumulate<Kind, double>(ctx, walk, in, out, lanes);
}

void cumsum(const Cumsum& op, Context& ctx, In in, Out out) noexcept {
  cumulate_any<Sum>(ctx, op.axis, op.reverse, in, out[0]);
}
void cumprod(const Cumprod& op, Context& ctx, In in, Out out) noexcept {
  cumulate_any<Product>(ctx, op.axis, op.reverse, in, out[0]);
}
void linear_recurrence(const LinearRecurrence& op, Context& ctx, In in, Out out) noexcept {
  cumulate_any<Recurrence>(ctx, op.axis, op.reverse, in, out[0]);
}

}  // namespace

Kernel kernel(Tag<Cumsum>) { return make_kernel<Cumsum, &cumsum>(); }
Kernel kernel(Tag<Cumprod>) { return make_kernel<Cumprod, &cumprod>(); }
Kernel kernel(Tag<LinearRecurrence>) { return make_kernel<LinearRecurrence, &linear_recurrence>(); }

}  // namespace pyneuro
