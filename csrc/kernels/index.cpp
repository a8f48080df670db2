// Reading along an axis by integers, with gradients, updates of rows, and one-hot codes, on dense
// arrays [outer][axis][inner]. Nothing is read or written at an index outside the axis: it is told,
// and zeros stand there.
#include <cstring>

#include "kernels/indices.h"
#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

constexpr int64_t kTaskBytes = 4 * kSlice;
constexpr int64_t kAheadBytes = 2048;  // of rows that are fetched while others are copied

/// Sizes before, along and after an axis.
struct Around { int64_t outer = 1, n = 1, inner = 1; };
Around around(const Shape& shape, int64_t axis) {
  const int along = static_cast<int>(axis < 0 ? axis + shape.size() : axis);
  Around a;
  for (int i = 0; i < shape.size(); ++i)
    (i < along ? a.outer : i == along ? a.n : a.inner) *= shape[i];
  return a;
}

/// to[i] = index i counted from 0; false if one of them is outside of the axis.
template <class I> bool count_from_start(const I* from, int64_t count, int64_t n, int64_t* to) {
  bool inside = true;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = from[i];
    inside &= (index >= -n) & (index < n);
    to[i] = index + (index < 0 ? n : 0);
  }
  return inside;
}

/// to[i - begin] = index i counted from 0, or -1 after a fail, for i in [begin, end).
void resolve(Context& ctx, const char* op, const View& indices, int64_t axis, int64_t n,
             int64_t begin, int64_t end, int64_t* to) {
  if (indices.dtype == DType::Int64 &&
      count_from_start(indices.as<const int64_t>() + begin, end - begin, n, to))
    return;
  if (indices.dtype == DType::Int32 &&
      count_from_start(indices.as<const int32_t>() + begin, end - begin, n, to))
    return;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t index = read_integer(indices, i);
    if (index >= -n && index < n) {
      to[i - begin] = index < 0 ? index + n : index;
      continue;
    }
    char where[96], text[320];
    write_position(where, sizeof where, indices.shape, i);
    std::snprintf(text, sizeof text,
                  "%s: index %" PRId64 " at position %s of indices is outside [%" PRId64
                  ", %" PRId64 "): axis %" PRId64 " of x has %" PRId64 " entries",
                  op, index, where, -n, n, axis, n);
    ctx.fail(ErrorKind::Index, i, text);
    to[i - begin] = -1;
  }
}

/// The same for all indices.
void resolve(Context& ctx, const char* op, const View& indices, int64_t axis, int64_t n,
             int64_t* to) {
  const int64_t count = indices.size();
  ctx.parallel_for(ceil_div(count, kSlice), [&](int64_t task) {
    const int64_t begin = task * kSlice;
    resolve(ctx, op, indices, axis, n, begin, smaller(count, begin + kSlice), to + begin);
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
  // Rows lie anywhere, and no hardware can tell where the next one does.
  const int64_t ahead = ceil_div(kAheadBytes, bytes);
  for (int64_t i = 0; i < count; ++i, to += pitch) {
    if (i + ahead < count && positions[i + ahead] >= 0)
      for (int64_t b = 0; b < smaller(bytes, kAheadBytes); b += 64)
        __builtin_prefetch(from + positions[i + ahead] * pitch + b);
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

size_t buckets_bytes(int64_t n, const View& indices) {
  return static_cast<size_t>(n + 1 + 2 * indices.size()) * sizeof(int64_t);
}
size_t take_grad_scratch(const TakeGrad& op, In in, Out) noexcept {
  return buckets_bytes(op.size, in[1]);
}

Buckets sort(Context& ctx, const char* op, const View& indices, int64_t axis, int64_t n) {
  const int64_t m = indices.size();
  auto* memory = static_cast<int64_t*>(ctx.scratch());
  const Buckets b{memory, memory + n + 1, memory + n + 1 + m};
  resolve(ctx, op, indices, axis, n, b.positions);
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
  const Buckets b = sort(ctx, "take_grad", in[1], op.axis, op.size);
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

// ---- rows changed -------------------------------------------------------------------------------

/// to = to combined with x, element by element.
template <class T> void combine(int64_t reduction, T* to, const T* x, int64_t n) {
  using simd::Vec;
  auto each = [&](auto&& f) __attribute__((always_inline)) {
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(to + i, f(load_some(to + i, lanes), load_some(x + i, lanes)), lanes);
    });
  };
  switch (reduction) {
    case 1: return each([](Vec<T> a, Vec<T> b) { return a + b; });
    case 2: return each([](Vec<T> a, Vec<T> b) { return maximum(a, b); });
    case 3: return each([](Vec<T> a, Vec<T> b) { return minimum(a, b); });
    default: return each([](Vec<T> a, Vec<T> b) { return a * b; });
  }
}

/// One strip of one row of x, with the rows of updates in `list`, in the lanes of T.
template <class T>
void combine_rows(int64_t reduction, const View& updates, const int64_t* list, int64_t count,
                  int64_t row, int64_t col, DType lanes, char* to, int64_t n) {
  const DType dtype = updates.dtype;
  const auto size = static_cast<int64_t>(size_of(dtype));
  T sum[kStrip], next[kStrip];
  converter(dtype, lanes)(sum, to, n);
  for (int64_t i = 0; i < count; ++i) {
    converter(dtype, lanes)(next, updates.as<const char>() + (list[i] * row + col) * size, n);
    combine<T>(reduction, sum, next, n);
  }
  converter(lanes, dtype)(to, sum, n);
}

void scatter_update(const ScatterUpdate& op, Context& ctx, In in, Out out) noexcept {
  const View &x = in[0], &updates = in[2];
  const int64_t n = x.shape[0];
  const Buckets b = sort(ctx, "scatter_update", in[1], 0, n);
  if (out[0].size() == 0) return;
  const int64_t row = x.size() / n;
  const auto size = static_cast<int64_t>(size_of(x.dtype));
  const DType lanes = x.dtype == DType::UInt64 ? DType::UInt64 : compute_dtype(x.dtype);
  const int64_t strip = smaller(row, kStrip), strips = ceil_div(row, strip);
  const int64_t rows = smaller(n, larger(1, kSlice / strip)), groups = ceil_div(n, rows);
  ctx.parallel_for(groups * strips, [&](int64_t task) {
    const int64_t col = task % strips * strip, first = task / strips * rows;
    const int64_t m = smaller(strip, row - col);
    for (int64_t j = first; j < smaller(n, first + rows); ++j) {
      const int64_t* list = b.order + b.start[j];
      const int64_t count = b.start[j + 1] - b.start[j];
      const bool put = op.reduction == 0 && count > 0;
      const View& source = put ? updates : x;
      const int64_t from = put ? list[count - 1] : j;
      char* to = out[0].as<char>() + (j * row + col) * size;
      std::memcpy(to, source.as<const char>() + (from * row + col) * size,
                  static_cast<size_t>(m * size));
      if (op.reduction == 0 || count == 0) continue;
      auto run = [&](auto zero) {
        using T = decltype(zero);
        combine_rows<T>(op.reduction, updates, list, count, row, col, lanes, to, m);
      };
      switch (lanes) {
        case DType::Int32: run(int32_t{}); break;
        case DType::Int64: run(int64_t{}); break;
        case DType::UInt64: run(uint64_t{}); break;
        case DType::Float32: run(float{}); break;
        default: run(double{});
      }
    }
  });
}
size_t scatter_update_scratch(const ScatterUpdate&, In in, Out) noexcept {
  return buckets_bytes(in[0].shape[0], in[1]);
}

// ---- along an axis ------------------------------------------------------------------------------

/// Elements [begin, end) of the output, from the positions of these.
template <class T>
void gather_along(const View& x, const Around& a, int64_t rows, int64_t begin, int64_t end,
                  const int64_t* positions, T* to) {
  int64_t i = begin % a.inner, j = begin / a.inner % rows;
  const T* from = x.as<const T>() + begin / a.inner / rows * a.n * a.inner;
  if (a.inner == 1) {  // whole rows, or what is left of them
    for (int64_t count; begin < end; begin += count, positions += count, from += a.n, j = 0) {
      count = smaller(rows - j, end - begin);
      gather(to + begin, from, positions, count);
    }
    return;
  }
  for (int64_t e = begin; e < end; ++e) {
    const int64_t at = positions[e - begin];
    to[e] = at < 0 ? T(0) : from[at * a.inner + i];
    if (++i < a.inner) continue;
    i = 0;
    if (++j < rows) continue;
    j = 0;
    from += a.n * a.inner;
  }
}

void take_along_axis(const TakeAlongAxis& op, Context& ctx, In in, Out out) noexcept {
  const Around x = around(in[0].shape, op.axis);
  const int64_t rows = around(in[1].shape, op.axis).n, total = out[0].size();
  auto typed = [&](auto zero) {
    using T = decltype(zero);
    ctx.parallel_for(ceil_div(total, kSlice), [&](int64_t task) {
      constexpr int64_t kPiece = 2048;
      int64_t positions[kPiece];
      const int64_t end = smaller(total, (task + 1) * kSlice);
      for (int64_t first = task * kSlice; first < end; first += kPiece) {
        const int64_t last = smaller(end, first + kPiece);
        resolve(ctx, "take_along_axis", in[1], op.axis, x.n, first, last, positions);
        gather_along<T>(in[0], x, rows, first, last, positions, out[0].as<T>());
      }
    });
  };
  switch (size_of(in[0].dtype)) {
    case 1: return typed(uint8_t{});
    case 2: return typed(uint16_t{});
    case 4: return typed(uint32_t{});
    case 8: return typed(uint64_t{});
    default: {
      struct Pair {
        uint64_t a = 0, b = 0;
        Pair() = default;
        explicit Pair(int) {}
      };
      return typed(Pair{});
    }
  }
}
/// Adds g into `to`, which lies as the output does.
template <class T>
void add_along(Context& ctx, const View& g, const Around& y, int64_t m, const int64_t* positions,
               T* to) {
  const DType lanes = sizeof(T) == 8 ? DType::Float64 : DType::Float32;
  const Converter widen = converter(g.dtype, lanes);
  const auto size = static_cast<int64_t>(size_of(g.dtype));
  const int64_t strip = smaller(y.inner, kStrip), strips = ceil_div(y.inner, strip);
  const int64_t per_task = larger(1, kSlice / (strip * larger(1, larger(y.n, m))));
  const int64_t units = y.outer * strips;
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    T line[kStrip];
    for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
      const int64_t outer = u / strips, col = u % strips * strip;
      const int64_t cols = smaller(strip, y.inner - col);
      T* sum = to + outer * y.n * y.inner + col;
      for (int64_t r = 0; r < y.n; ++r)
        std::memset(sum + r * y.inner, 0, static_cast<size_t>(cols) * sizeof(T));
      // Rows of one element are read kStrip at a time: the indices that follow are the next rows'.
      const int64_t rows = y.inner == 1 ? kStrip : 1;
      for (int64_t j = 0; j < m; j += rows) {
        const int64_t at = (outer * m + j) * y.inner + col;
        const int64_t n = y.inner == 1 ? smaller(rows, m - j) : cols;
        widen(line, g.as<const char>() + at * size, n);
        for (int64_t i = 0; i < n; ++i)
          if (positions[at + i] >= 0)
            sum[positions[at + i] * y.inner + (y.inner == 1 ? 0 : i)] += line[i];
      }
    }
  });
}

void take_along_axis_grad(const TakeAlongAxisGrad& op, Context& ctx, In in, Out out) noexcept {
  const int64_t m = in[1].size();
  auto* positions = static_cast<int64_t*>(ctx.scratch());
  const Around y = around(out[0].shape, op.axis);
  resolve(ctx, "take_along_axis_grad", in[1], op.axis, y.n, positions);
  if (out[0].size() == 0) return;
  const int64_t rows = around(in[1].shape, op.axis).n;
  if (in[0].dtype == DType::Float64)
    return add_along<double>(ctx, in[0], y, rows, positions, out[0].as<double>());
  if (in[0].dtype == DType::Float32)
    return add_along<float>(ctx, in[0], y, rows, positions, out[0].as<float>());
  auto* sums = reinterpret_cast<float*>(positions + m);
  add_along<float>(ctx, in[0], y, rows, positions, sums);
  const Converter narrow = converter(DType::Float32, in[0].dtype);
  const int64_t total = out[0].size();
  ctx.parallel_for(ceil_div(total, kSlice), [&](int64_t task) {
    const int64_t at = task * kSlice;
    narrow(out[0].as<char>() + 2 * at, sums + at, smaller(kSlice, total - at));
  });
}
size_t take_along_axis_grad_scratch(const TakeAlongAxisGrad&, In in, Out out) noexcept {
  const size_t sums = size_of(in[0].dtype) == 2 ? sizeof(float) : 0;
  return static_cast<size_t>(in[1].size()) * sizeof(int64_t) +
         static_cast<size_t>(out[0].size()) * sums;
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
Kernel kernel(Tag<TakeAlongAxis>) { return make_kernel<TakeAlongAxis, &take_along_axis>(); }
Kernel kernel(Tag<TakeAlongAxisGrad>) {
  return make_kernel<TakeAlongAxisGrad, &take_along_axis_grad, &take_along_axis_grad_scratch>();
}
Kernel kernel(Tag<ScatterUpdate>) {
  return make_kernel<ScatterUpdate, &scatter_update, &scatter_update_scratch>();
}
Kernel kernel(Tag<OneHot>) { return make_kernel<OneHot, &one_hot>(); }

}  // namespace pyneuro
