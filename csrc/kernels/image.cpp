// Resampling, forward and backward: an array [outer, n, inner] whose lines of `inner` elements are
// weighted sums of the other array's lines. Which lines make up each is listed in scratch before.
// With inner == 1 neighbours belong to different results. Of two axes, the first makes a row in
// scratch, from which the second makes a row of the result: nothing in between goes to memory.
#include "kernels/kernels.h"
#include "kernels/lines.h"
#include "kernels/stores_past.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kMostCols = 512;
constexpr int64_t kMostTasks = 64;  // of two axes: each has a row in scratch

template <class T> struct Term {
  T weight;
  int32_t line;
};
/// The terms of each result: those from start[result] up to the next one's.
template <class T> struct Terms {
  const int32_t* start;
  const Term<T>* term;
  int64_t results;
};

/// Forward: result o has the lines first[o] ... Backward: line first[o] + t gets result o's share.
template <class T>
Terms<T> list_terms(const View& weights, const View& first, bool backward, int64_t results,
                    void* scratch) {
  const int64_t size = weights.shape[0], taps = weights.shape[1];
  const T* weight = weights.as<const T>();
  const int32_t* from = first.as<const int32_t>();
  auto* term = static_cast<Term<T>*>(scratch);
  auto* start = reinterpret_cast<int32_t*>(term + size * taps);
  for (int64_t i = 0; i <= results; ++i) start[i] = backward ? 0 : static_cast<int32_t>(i * taps);
  if (backward) {  // counts, shifted by one; their sums; then each start runs up to the next
    for (int64_t o = 0; o < size; ++o)
      for (int64_t t = 0; t < taps; ++t) ++start[from[o] + t + 1];
    for (int64_t i = 0; i < results; ++i) start[i + 1] += start[i];
  }
  for (int64_t o = 0; o < size; ++o)
    for (int64_t t = 0; t < taps; ++t) {
      const T w = weight[o * taps + t];
      if (backward)
        term[start[from[o] + t]++] = {w, static_cast<int32_t>(o)};
      else
        term[o * taps + t] = {w, static_cast<int32_t>(from[o] + t)};
    }
  if (backward) {
    for (int64_t i = results; i > 0; --i) start[i] = start[i - 1];
    start[0] = 0;
  }
  return {start, term, results};
}

/// kN registers of one result; `x` is the first line's, lines `pitch` apart.
template <class T, int kN>
[[gnu::always_inline]] inline void sum_registers(const T* x, int64_t pitch, const Term<T>* begin,
                                                 const Term<T>* end, T* y, int lanes, bool past) {
  Vec<T> sum[kN];
  for (Vec<T>& v : sum) v = Vec<T>(0);
  const auto add = [&](const Term<T>& term, bool first) __attribute__((always_inline)) {
    const Vec<T> weight(term.weight);
    const T* line = x + term.line * pitch;
    for (int k = 0; k < kN; ++k) {
      const Vec<T> share = load_some(line + k * Vec<T>::kCount, lanes) * weight;
      sum[k] = first ? share : sum[k] + share;  // not 0 + share: -0 stays
    }
  };
  if (begin < end) add(*begin, true);
  for (const Term<T>* term = begin + 1; term < end; ++term) add(*term, false);
  for (int k = 0; k < kN; ++k) store_past(y + k * Vec<T>::kCount, sum[k], lanes, past);
}

/// Columns of one result: from element `from` of the first line on, lines `pitch` apart. Lines that
/// must be converted add up in a buffer, one after the other. `past`: stores go past the caches.
template <class T>
void sum_lines(LineSource<T>& x, LineSink<T>& y, const Terms<T>& terms, int64_t result,
               int64_t from, int64_t to, int64_t pitch, int64_t cols, bool past) {
  const Term<T>*begin = terms.term + terms.start[result],
        *end = terms.term + terms.start[result + 1];
  if (x.in_place()) {
    constexpr int64_t kFour = 4 * Vec<T>::kCount;
    const T* p = x.line(from, cols);
    T* q = y.line(to);
    if (end - begin == 2) {  // what enlarging needs most
      const Vec<T> weight(begin[0].weight), other(begin[1].weight);
      const T *a = p + begin[0].line * pitch, *b = p + begin[1].line * pitch;
      for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        const Vec<T> sum = load_some(a + i, lanes) * weight + load_some(b + i, lanes) * other;
        store_past(q + i, sum, lanes, past);
      });
      y.flush(to, cols);
      return;
    }
    int64_t c = 0;
    for (; c + kFour <= cols; c += kFour)
      sum_registers<T, 4>(p + c, pitch, begin, end, q + c, Vec<T>::kCount, past);
    for (; c + Vec<T>::kCount <= cols; c += Vec<T>::kCount)
      sum_registers<T, 1>(p + c, pitch, begin, end, q + c, Vec<T>::kCount, past);
    if (c < cols)
      sum_registers<T, 1>(p + c, pitch, begin, end, q + c, static_cast<int>(cols - c), past);
    y.flush(to, cols);
    return;
  }
  T sum[kMostCols + 16];
  if (begin == end)
    for (int64_t i = 0; i < cols; ++i) sum[i] = 0;
  for (const Term<T>* term = begin; term < end; ++term) {
    const Vec<T> weight(term->weight);
    const T* line = x.line(from + term->line * pitch, cols);
    for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const Vec<T> share = load_some(line + i, lanes) * weight;
      simd::store(sum + i, term == begin ? share : simd::load(sum + i) + share);
    });
  }
  T* out = y.line(to);
  for (int64_t i = 0; i < cols; ++i) out[i] = sum[i];
  y.flush(to, cols);
}

/// All results of a line of n elements that lie side by side.
template <class T>
void sum_neighbours(LineSource<T>& x, LineSink<T>& y, const Terms<T>& terms, int64_t from,
                    int64_t to, int64_t n) {
  const bool whole = x.in_place() || n <= kLine;
  for (int64_t begin = 0; begin < terms.results; begin += kLine) {
    const int64_t count = smaller(kLine, terms.results - begin);
    T* out = y.line(to + begin);
    for (int64_t i = 0; i < count; ++i) {
      T sum = 0;
      for (int32_t k = terms.start[begin + i]; k < terms.start[begin + i + 1]; ++k) {
        const Term<T>& term = terms.term[k];
        sum += term.weight * (whole ? x.line(from, n)[term.line] : *x.line(from + term.line, 1));
      }
      out[i] = sum;
    }
    y.flush(to + begin, count);
  }
}

/// The axes that are resampled: one, or one and the next. `inner` elements lie behind them.
struct Axes {
  int count;
  int64_t outer = 1, inner = 1;
  int64_t n[2], results[2], terms[2];
};
Axes axes_of(int64_t axis, In in, const View& y) {
  const View& x = in[0];
  Axes a;
  a.count = in.has(3) ? 2 : 1;
  const int along = static_cast<int>(axis < 0 ? axis + x.rank() : axis);
  for (int i = 0; i < along; ++i) a.outer *= x.shape[i];
  for (int i = along + a.count; i < x.rank(); ++i) a.inner *= x.shape[i];
  for (int i = 0; i < a.count; ++i) {
    a.n[i] = x.shape[along + i], a.results[i] = y.shape[along + i];
    a.terms[i] = in[1 + 2 * i].size();
  }
  return a;
}

/// What scratch holds: the terms of both axes, then the rows of tasks.
template <class T> struct Room {
  size_t next, rows, total;

  explicit Room(const Axes& a)
      : next(terms_bytes(a, 0)),
        rows(next + (a.count > 1 ? terms_bytes(a, 1) : 0)),
        total(rows + (a.count > 1 ? kMostTasks * row(a) * sizeof(T) : 0)) {}
  static int64_t row(const Axes& a) { return ceil_div(a.n[1] * a.inner, 64) * 64; }

 private:
  static size_t terms_bytes(const Axes& a, int i) {
    const size_t starts = static_cast<size_t>(a.results[i] + 1) * sizeof(int32_t);
    return (static_cast<size_t>(a.terms[i]) * sizeof(Term<T>) + starts + 63) / 64 * 64;
  }
};

template <class T>
void resample_one(Context& ctx, const Axes& a, const Terms<T>& terms, const View& x,
                  const View& y) {
  const int64_t n = a.n[0], results = a.results[0], inner = a.inner;
  const int64_t depth = larger(1, terms.start[results] / results);
  // f(from, to, outer, result) for units of `elements` terms each, in order.
  const auto over = [&](int64_t per_outer, int64_t elements, auto f) {
    const int64_t units = a.outer * per_outer, per_task = larger(1, kSlice / (elements * depth));
    ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
      LineSource<T> from(x);
      LineSink<T> to(y);
      const int64_t first = task * per_task;
      int64_t o = first / per_outer, i = first % per_outer;
      for (int64_t u = first; u < smaller(units, first + per_task); ++u) {
        f(from, to, o, i);
        if (++i == per_outer) i = 0, ++o;
      }
      simd::end_stores_past();
    });
  };
  if (inner == 1) {
    over(1, results, [&](LineSource<T>& from, LineSink<T>& to, int64_t o, int64_t) {
      sum_neighbours(from, to, terms, o * n, o * results, n);
    });
    return;
  }
  const bool past = stores_past<T>(y, inner);
  over(results, inner, [&](LineSource<T>& from, LineSink<T>& to, int64_t o, int64_t i) {
    for (int64_t c = 0; c < inner; c += kMostCols)
      sum_lines(from, to, terms, i, o * n * inner + c, (o * results + i) * inner + c, inner,
                smaller(kMostCols, inner - c), past);
  });
}

/// Rows of the result one after the other, in as many tasks as there is room for.
template <class T>
void resample_two(Context& ctx, const Axes& a, const Terms<T>& down, const Terms<T>& across,
                  const View& x, const View& y, T* room) {
  const int64_t rows = a.outer * a.results[0], in_row = a.n[1] * a.inner;
  const int64_t out_row = a.results[1] * a.inner, tasks = smaller(kMostTasks, rows);
  const bool past = stores_past<T>(y, a.inner);
  ctx.parallel_for(tasks, [&](int64_t task) {
    T* middle = room + task * Room<T>::row(a);
    LineSource<T> from(x), middle_source(middle);
    LineSink<T> to(y), middle_sink(middle);
    for (int64_t row = rows * task / tasks; row < rows * (task + 1) / tasks; ++row) {
      const int64_t first = row / a.results[0] * a.n[0] * in_row;
      for (int64_t c = 0; c < in_row; c += kMostCols)
        sum_lines(from, middle_sink, down, row % a.results[0], first + c, c, in_row,
                  smaller(kMostCols, in_row - c), false);
      if (a.inner == 1) {
        sum_neighbours(middle_source, to, across, 0, row * out_row, in_row);
        continue;
      }
      for (int64_t i = 0; i < a.results[1]; ++i)
        for (int64_t c = 0; c < a.inner; c += kMostCols)
          sum_lines(middle_source, to, across, i, c, row * out_row + i * a.inner + c, a.inner,
                    smaller(kMostCols, a.inner - c), past);
    }
    simd::end_stores_past();
  });
}

template <class T> void resample(Context& ctx, const Axes& a, bool backward, In in, const View& y) {
  for (int axis = 0; axis < a.count; ++axis) {
    const View &weights = in[1 + 2 * axis], &first = in[2 + 2 * axis];
    const int64_t length = backward ? a.results[axis] : a.n[axis];
    for (int64_t i = 0; i < first.size(); ++i) {
      const int32_t at = first.as<const int32_t>()[i];
      if (at >= 0 && at + weights.shape[1] <= length) continue;
      ctx.fail(ErrorKind::Index, i, "resample: a run in first leaves the axis");
      return;
    }
  }
  if (y.size() == 0) return;
  const Room<T> room(a);
  char* scratch = static_cast<char*>(ctx.scratch());
  const auto terms = list_terms<T>(in[1], in[2], backward, a.results[0], scratch);
  if (a.count == 1) {
    resample_one(ctx, a, terms, in[0], y);
    return;
  }
  const auto next = list_terms<T>(in[3], in[4], backward, a.results[1], scratch + room.next);
  resample_two(ctx, a, terms, next, in[0], y, reinterpret_cast<T*>(scratch + room.rows));
}

template <class Op> void run(const Op& op, Context& ctx, In in, Out out) noexcept {
  constexpr bool kBackward = std::is_same_v<Op, ResampleGrad>;
  const Axes a = axes_of(op.axis, in, out[0]);
  if (in[0].dtype == DType::Float64)
    resample<double>(ctx, a, kBackward, in, out[0]);
  else
    resample<float>(ctx, a, kBackward, in, out[0]);
}

template <class Op> size_t scratch(const Op& op, In in, Out out) noexcept {
  const Axes a = axes_of(op.axis, in, out[0]);
  return in[0].dtype == DType::Float64 ? Room<double>(a).total : Room<float>(a).total;
}

}  // namespace

Kernel kernel(Tag<Resample>) { return make_kernel<Resample, run<Resample>, scratch<Resample>>(); }
Kernel kernel(Tag<ResampleGrad>) {
  return make_kernel<ResampleGrad, run<ResampleGrad>, scratch<ResampleGrad>>();
}

}  // namespace pyneuro
