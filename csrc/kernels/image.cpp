// Resampling, forward and backward: an array [outer, n, inner] whose lines of `inner` elements are
// weighted sums of the other array's lines. Which lines make up each is listed in scratch before.
// With inner == 1 neighbours belong to different results.
#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kMostCols = 512;

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

template <class T> size_t terms_scratch(int64_t results, int64_t terms) {
  return static_cast<size_t>(terms) * sizeof(Term<T>) +
         static_cast<size_t>(results + 1) * sizeof(int32_t);
}

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
                                                 const Term<T>* end, T* y, int lanes) {
  Vec<T> sum[kN];
  for (Vec<T>& v : sum) v = Vec<T>(0);
  for (const Term<T>* term = begin; term < end; ++term) {
    const Vec<T> weight(term->weight);
    const T* line = x + term->line * pitch;
    for (int k = 0; k < kN; ++k) sum[k] += load_some(line + k * Vec<T>::kCount, lanes) * weight;
  }
  for (int k = 0; k < kN; ++k) store_some(y + k * Vec<T>::kCount, sum[k], lanes);
}

/// Columns of one result: from element `from` of the first line on, lines `pitch` apart. Lines that
/// must be converted add up in a buffer, one after the other.
template <class T>
void sum_lines(LineSource<T>& x, LineSink<T>& y, const Terms<T>& terms, int64_t result,
               int64_t from, int64_t to, int64_t pitch, int64_t cols) {
  const Term<T>*begin = terms.term + terms.start[result],
        *end = terms.term + terms.start[result + 1];
  if (x.in_place()) {
    constexpr int64_t kFour = 4 * Vec<T>::kCount;
    const T* p = x.line(from, cols);
    T* q = y.line(to);
    int64_t c = 0;
    for (; c + kFour <= cols; c += kFour)
      sum_registers<T, 4>(p + c, pitch, begin, end, q + c, Vec<T>::kCount);
    for (; c < cols; c += Vec<T>::kCount)
      sum_registers<T, 1>(p + c, pitch, begin, end, q + c,
                          static_cast<int>(smaller(Vec<T>::kCount, cols - c)));
    return;
  }
  T sum[kMostCols + 16];
  for (int64_t i = 0; i < cols; ++i) sum[i] = 0;
  for (const Term<T>* term = begin; term < end; ++term) {
    const Vec<T> weight(term->weight);
    const T* line = x.line(from + term->line * pitch, cols);
    for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      simd::store(sum + i, simd::load(sum + i) + load_some(line + i, lanes) * weight);
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

template <class T> void resample(Context& ctx, int64_t axis, bool backward, In in, const View& y) {
  const View &x = in[0], &weights = in[1], &first = in[2];
  int64_t outer = 1, inner = 1;
  const int along = static_cast<int>(axis < 0 ? axis + x.rank() : axis);
  for (int i = 0; i < x.rank(); ++i)
    if (i != along) (i < along ? outer : inner) *= x.shape[i];
  const int64_t n = x.shape[along], results = y.shape[along], length = backward ? results : n;
  for (int64_t i = 0; i < first.size(); ++i) {
    const int32_t at = first.as<const int32_t>()[i];
    if (at >= 0 && at + weights.shape[1] <= length) continue;
    ctx.fail(ErrorKind::Index, i, "resample: a run in first leaves the axis");
    return;
  }
  if (y.size() == 0) return;
  const Terms<T> terms = list_terms<T>(weights, first, backward, results, ctx.scratch());
  const int64_t depth = larger(1, terms.start[results] / results);
  // f(from, to, outer, result) for units of `elements` terms each, in order.
  const auto over = [&](int64_t per_outer, int64_t elements, auto f) {
    const int64_t units = outer * per_outer, per_task = larger(1, kSlice / (elements * depth));
    ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
      LineSource<T> from(x);
      LineSink<T> to(y);
      const int64_t first = task * per_task;
      int64_t o = first / per_outer, i = first % per_outer;
      for (int64_t u = first; u < smaller(units, first + per_task); ++u) {
        f(from, to, o, i);
        if (++i == per_outer) i = 0, ++o;
      }
    });
  };
  if (inner == 1)
    over(1, results, [&](LineSource<T>& from, LineSink<T>& to, int64_t o, int64_t) {
      sum_neighbours(from, to, terms, o * n, o * results, n);
    });
  else
    over(results, inner, [&](LineSource<T>& from, LineSink<T>& to, int64_t o, int64_t i) {
      for (int64_t c = 0; c < inner; c += kMostCols)
        sum_lines(from, to, terms, i, o * n * inner + c, (o * results + i) * inner + c, inner,
                  smaller(kMostCols, inner - c));
    });
}

template <class Op> void run(const Op& op, Context& ctx, In in, Out out) noexcept {
  constexpr bool kBackward = std::is_same_v<Op, ResampleGrad>;
  if (in[0].dtype == DType::Float64)
    resample<double>(ctx, op.axis, kBackward, in, out[0]);
  else
    resample<float>(ctx, op.axis, kBackward, in, out[0]);
}

template <class Op> size_t scratch(const Op& op, In in, Out out) noexcept {
  const View& y = out[0];
  const int64_t results = y.shape[static_cast<int>(op.axis < 0 ? op.axis + y.rank() : op.axis)];
  return in[0].dtype == DType::Float64 ? terms_scratch<double>(results, in[1].size())
                                       : terms_scratch<float>(results, in[1].size());
}

}  // namespace

Kernel kernel(Tag<Resample>) { return make_kernel<Resample, run<Resample>, scratch<Resample>>(); }
Kernel kernel(Tag<ResampleGrad>) {
  return make_kernel<ResampleGrad, run<ResampleGrad>, scratch<ResampleGrad>>();
}

}  // namespace pyneuro
