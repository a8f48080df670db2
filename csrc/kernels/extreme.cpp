// Argmax and argmin: the first position of the largest (smallest) element, a NaN counting as such.
// x is dense: [outer][n][inner]. Positions of slices of n are found apart and compared in order.
#include "kernels/kernels.h"
#include "kernels/tile.h"
#include "simd/vec.h"

namespace pyneuro {
namespace {

using simd::Mask;
using simd::Vec;

template <bool kMax, class V> V better(V a, V b) { return kMax ? maximum(a, b) : minimum(a, b); }
/// a before b, as values: NaN before everything.
template <bool kMax, class T> auto wins(T a, T b) {
  return ((a != a) & (b == b)) | (kMax ? a > b : a < b);
}

/// The first best of n elements that lie side by side: its value, then where it is.
template <bool kMax, class T> int64_t first_of_run(const T* x, int64_t n, T& value) {
  constexpr int kCount = Vec<T>::kCount;
  T best = x[0];
  if (n < 2 * kCount) {
    int64_t at = 0;
    for (int64_t i = 1; i < n; ++i) {
      const bool here = wins<kMax>(x[i], best);
      best = here ? x[i] : best;
      at = here ? i : at;
    }
    value = best;
    return at;
  }
  Vec<T> most = simd::load(x);
  int64_t i = kCount;
  for (; i + kCount <= n; i += kCount) most = better<kMax>(most, simd::load(x + i));
  best = kMax ? hmax(most) : hmin(most);
  for (; i < n; ++i) best = wins<kMax>(x[i], best) ? x[i] : best;
  value = best;
  const Vec<T> wanted(best);
  for (i = 0; i + kCount <= n; i += kCount) {
    const Vec<T> v = simd::load(x + i);
    if (any((v == wanted) | ((v != v) & (wanted != wanted)))) break;
  }
  while (i < n && !(x[i] == best || (x[i] != x[i] && best != best))) ++i;
  return i;
}

/// The first best of each of up to kStrip columns.
constexpr int64_t kStrip = 256;
template <bool kMax, class T>
void first_of_columns(const T* x, int64_t pitch, int64_t rows, int64_t cols, T* value,
                      simd::IntOf<T>* at) {
  using I = simd::IntOf<T>;
  constexpr int kCount = Vec<T>::kCount;
  for (int64_t c = 0; c < cols; c += kCount) {
    const int lanes = static_cast<int>(smaller(kCount, cols - c));
    Vec<T> best = simd::load(x + c, lanes);
    Vec<I> where(0);
    for (int64_t r = 1; r < rows; ++r) {
      const T* row = x + r * pitch + c;
      const Vec<T> v = lanes == kCount ? simd::load(row) : simd::load(row, lanes);
      const Mask<T> better_here = wins<kMax>(v, best);
      best = select(better_here, v, best);
      where = select(simd::mask_cast<I>(better_here), Vec<I>(static_cast<I>(r)), where);
    }
    store(value + c, best, lanes);
    store(at + c, where, lanes);
  }
}

struct Sizes {
  int64_t outer, n, inner;
  int64_t slice, slices;  // of n
  int64_t strips;         // of inner
};

Sizes sizes_of(const View& x, int64_t axis) {
  Sizes s{1, 1, 1, 1, 1, 1};
  const int along = static_cast<int>(axis < 0 ? axis + x.rank() : axis);
  for (int i = 0; i < x.rank(); ++i)
    (i < along ? s.outer : i == along ? s.n : s.inner) *= x.shape[i];
  s.slice = balanced(s.n, larger(64, 2 * kSlice / larger(1, smaller(s.inner, kStrip))), 64);
  s.slices = ceil_div(s.n, s.slice);
  s.strips = ceil_div(s.inner, kStrip);
  return s;
}

/// The best of one slice: what is compared, and where it is along the axis.
template <class T> struct Candidate {
  T value;
  int64_t at;
};

template <class T> struct Search {
  Sizes s;
  const char* x;
  int x_size;
  Converter convert;         // null where x is of T's dtype
  Candidate<T>* candidates;  // [outer][slice][inner]; null with one slice
  int32_t* out;              // [outer][inner]

  void put(int64_t outer, int64_t slice, int64_t col, T value, int64_t at) const {
    if (candidates == nullptr)
      out[outer * s.inner + col] = static_cast<int32_t>(at);
    else
      candidates[(outer * s.slices + slice) * s.inner + col] = {value, at};
  }
};

constexpr int64_t kPiece = 2048;  // elements that are converted at once

template <bool kMax, class T> void search_run(const Search<T>& job, int64_t outer, int64_t slice) {
  const int64_t begin = slice * job.s.slice, end = smaller(job.s.n, begin + job.s.slice);
  const char* from = job.x + outer * job.s.n * job.x_size;
  T best{};
  int64_t at = begin;
  if (job.convert == nullptr) {
    at += first_of_run<kMax>(reinterpret_cast<const T*>(from) + begin, end - begin, best);
  } else {
    T piece[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t n = smaller(kPiece, end - i);
      T value;
      job.convert(piece, from + i * job.x_size, n);
      const int64_t found = first_of_run<kMax>(piece, n, value);
      if (i > begin && !wins<kMax>(value, best)) continue;
      best = value;
      at = i + found;
    }
  }
  job.put(outer, slice, 0, best, at);
}

template <bool kMax, class T>
void search_columns(const Search<T>& job, int64_t outer, int64_t slice, int64_t strip) {
  const Sizes& s = job.s;
  const int64_t begin = slice * s.slice, end = smaller(s.n, begin + s.slice);
  const int64_t col = strip * kStrip, cols = smaller(kStrip, s.inner - col);
  T best[kStrip], value[kStrip], piece[kPiece];
  simd::IntOf<T> found[kStrip];
  int64_t at[kStrip];
  const int64_t rows = job.convert == nullptr ? end - begin : larger(1, kPiece / cols);
  for (int64_t r = begin; r < end; r += rows) {
    const int64_t n = smaller(rows, end - r);
    const char* from = job.x + ((outer * s.n + r) * s.inner + col) * job.x_size;
    if (job.convert != nullptr)
      for (int64_t i = 0; i < n; ++i)
        job.convert(piece + i * cols, from + i * s.inner * job.x_size, cols);
    first_of_columns<kMax>(job.convert == nullptr ? reinterpret_cast<const T*>(from) : piece,
                           job.convert == nullptr ? s.inner : cols, n, cols, value, found);
    for (int64_t c = 0; c < cols; ++c) {
      if (r > begin && !wins<kMax>(value[c], best[c])) continue;
      best[c] = value[c];
      at[c] = r + found[c];
    }
  }
  for (int64_t c = 0; c < cols; ++c) job.put(outer, slice, col + c, best[c], at[c]);
}

template <bool kMax, class T> void pick_slices(Context& ctx, const Search<T>& job) {
  const Sizes& s = job.s;
  const int64_t results = s.outer * s.inner, per_task = larger(1, kSlice / s.slices);
  ctx.parallel_for(ceil_div(results, per_task), [&](int64_t task) {
    for (int64_t i = task * per_task; i < smaller(results, (task + 1) * per_task); ++i) {
      const Candidate<T>* c = job.candidates + i / s.inner * s.slices * s.inner + i % s.inner;
      const Candidate<T>* best = c;
      for (int64_t slice = 1; slice < s.slices; ++slice)
        if (wins<kMax>(c[slice * s.inner].value, best->value)) best = c + slice * s.inner;
      job.out[i] = static_cast<int32_t>(best->at);
    }
  });
}

template <bool kMax, class T>
void search(Context& ctx, const View& x, const View& out, const Sizes& s, DType lanes) {
  Search<T> job{s,
                x.as<const char>(),
                static_cast<int>(size_of(x.dtype)),
                x.dtype == lanes ? nullptr : converter(x.dtype, lanes),
                s.slices > 1 ? static_cast<Candidate<T>*>(ctx.scratch()) : nullptr,
                out.as<int32_t>()};
  const int64_t units = s.outer * s.slices * s.strips;
  const int64_t per_task = larger(1, 2 * kSlice / (s.slice * smaller(s.inner, kStrip)));
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    for (int64_t unit = task * per_task; unit < smaller(units, (task + 1) * per_task); ++unit) {
      if (s.inner == 1 && s.slices == 1) {  // short rows cannot pay for the divisions below
        search_run<kMax>(job, unit, 0);
        continue;
      }
      const int64_t strip = unit % s.strips, slice = unit / s.strips % s.slices;
      const int64_t outer = unit / s.strips / s.slices;
      if (s.inner == 1)
        search_run<kMax>(job, outer, slice);
      else
        search_columns<kMax>(job, outer, slice, strip);
    }
  });
  if (s.slices > 1) pick_slices<kMax>(ctx, job);
}

template <bool kMax> void search_any(Context& ctx, const View& x, const View& out, int64_t axis) {
  if (out.size() == 0) return;
  const Sizes s = sizes_of(x, axis);
  const DType lanes = x.dtype == DType::UInt64 ? DType::UInt64 : compute_dtype(x.dtype);
  switch (lanes) {
    case DType::Int32: return search<kMax, int32_t>(ctx, x, out, s, lanes);
    case DType::Int64: return search<kMax, int64_t>(ctx, x, out, s, lanes);
    case DType::UInt64: return search<kMax, uint64_t>(ctx, x, out, s, lanes);
    case DType::Float32: return search<kMax, float>(ctx, x, out, s, lanes);
    default: return search<kMax, double>(ctx, x, out, s, lanes);
  }
}

template <class E> void run(const Extreme<E>& op, Context& ctx, In in, Out out) noexcept {
  search_any<std::is_same_v<E, extremes::ArgMax>>(ctx, in[0], out[0], op.axis);
}
template <class E> size_t scratch(const Extreme<E>& op, In in, Out) noexcept {
  if (in[0].size() == 0) return 0;
  const Sizes s = sizes_of(in[0], op.axis);
  return s.slices == 1 ? 0 : static_cast<size_t>(s.outer * s.inner * s.slices) * 16;
}

}  // namespace

template <class E> Kernel kernel(Tag<Extreme<E>>) {
  return make_kernel<Extreme<E>, &run<E>, &scratch<E>>();
}
template Kernel kernel(Tag<Extreme<extremes::ArgMax>>);
template Kernel kernel(Tag<Extreme<extremes::ArgMin>>);

}  // namespace pyneuro
