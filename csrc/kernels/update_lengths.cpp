// Writes to state that need lengths first: LAMB, whose steps are as long as each variable; and the
// sum of squares that gradients are clipped by.
#include <cmath>

#include "kernels/update.h"

namespace pyneuro {
namespace {

// ---- the sum of squares -------------------------------------------------------------------------

/// In double, so that no float overflows.
double squares(const float* x, int64_t n) {
  using D = Vec<double>;
  constexpr int kChains = 4, kCount = Vec<float>::kCount;
  constexpr int64_t kAhead = 2048 / sizeof(float);  // the hardware stops at each page's end
  D low[kChains], high[kChains];
  for (int k = 0; k < kChains; ++k) low[k] = high[k] = D(0.0);
  const auto add = [&](int k, Vec<float> v) __attribute__((always_inline)) {
    const D a = widen_low(v), b = widen_high(v);
    low[k] = fma(a, a, low[k]), high[k] = fma(b, b, high[k]);
  };
  int64_t i = 0;
  for (; i + kChains * kCount <= n; i += kChains * kCount) {
    for (int64_t k = 0; k < kChains * kCount; k += 64 / sizeof(float))
      __builtin_prefetch(x + i + kAhead + k);
    for (int k = 0; k < kChains; ++k) add(k, simd::load(x + i + k * kCount));
  }
  for (int k = 0; i < n; i += kCount, ++k)
    add(k, load_some(x + i, static_cast<int>(smaller(kCount, n - i))));
  for (int k = 1; k < kChains; ++k) low[0] += low[k], high[0] += high[k];
  return hsum(low[0] + high[0]);
}
double squares(const double* x, int64_t n) {
  return sum_vectors<double, 4>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<double> v = load_some(x + i, lanes);
    return v * v;
  });
}

double squares(const View& v, int64_t first, int64_t n) {
  if (v.dtype == DType::Float64) return squares(v.as<const double>() + first, n);
  LineSource<float> lines(v);
  double sum = 0;
  for (; n > 0; first += kLine, n -= kLine) {
    const int64_t m = smaller(kLine, n);
    sum += squares(lines.line(first, m), m);
  }
  return sum;
}

void sum_of_squares(const SumOfSquares&, Context& ctx, In in, Out out) noexcept {
  auto* const sums = static_cast<double*>(ctx.scratch()) + in.count;
  const int64_t pieces = most_pieces(in.views, in.count);
  for (int64_t i = 0; i < pieces; ++i) sums[i] = 0;
  for_slices(ctx, in.views, in.count, [&](int64_t i, int64_t first, int64_t n, int64_t piece) {
    sums[piece] = squares(in.views[i], first, n);
  });
  double total = 0;
  for (int64_t i = 0; i < pieces; ++i) total += sums[i];
  *out[0].as<double>() = total;
}
size_t sum_of_squares_scratch(const SumOfSquares&, In in, Out) noexcept {
  return ends_bytes(in.count) + sizeof(double) * most_pieces(in.views, in.count);
}

// ---- LAMB ---------------------------------------------------------------------------------------

/// Squares of the lengths of a variable and of its direction.
struct Lengths { double size = 0, way = 0; };

struct LambRule {
  double rate, keep_1, keep_2, unbias_1, unbias_2, epsilon;  // keep: 1 - beta

  /// The direction from the means.
  template <class T> auto way() const {
    using V = Vec<T>;
    const V a(static_cast<T>(unbias_1)), b(static_cast<T>(unbias_2)), e(static_cast<T>(epsilon));
    return [=](V m, V v) __attribute__((always_inline)) { return m * a / (sqrt(v * b) + e); };
  }

  /// Writes the means, and adds to the lengths.
  template <class T> void measure(T* const* data, int64_t n, Lengths& sums) const {
    using V = Vec<T>;
    const T *p = data[0], *g = data[1];
    T *m = data[2], *v = data[3];
    const V k1(static_cast<T>(keep_1)), k2(static_cast<T>(keep_2));
    const auto way = this->way<T>();
    V size(T(0)), length(T(0));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V x = load_some(g + i, lanes), w = load_some(p + i, lanes);
      const V old_m = load_some(m + i, lanes), old_v = load_some(v + i, lanes);
      const V new_m = old_m + (x - old_m) * k1, new_v = old_v + (x * x - old_v) * k2;
      store_some(m + i, new_m, lanes);
      store_some(v + i, new_v, lanes);
      const V d = select(simd::first_n<T>(lanes), way(new_m, new_v), V(T(0)));
      size += w * w;
      length += d * d;
    });
    sums.size += static_cast<double>(hsum(size));
    sums.way += static_cast<double>(hsum(length));
  }

  template <class T> void move(T* const* data, int64_t n, double ratio) const {
    T* p = data[0];
    const T *m = data[2], *v = data[3];
    const Vec<T> step(static_cast<T>(rate * ratio));
    const auto way = this->way<T>();
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const Vec<T> d = way(load_some(m + i, lanes), load_some(v + i, lanes));
      store_some(p + i, load_some(p + i, lanes) - step * d, lanes);
    });
  }
};

/// Once over everything to the new means and the lengths, once more to move.
void lamb(const LambUpdate& op, Context& ctx, In in, Out) noexcept {
  if (left_out(op.conditional, in)) return;
  const double t = number(in[1]);
  const LambRule rule{number(in[0]),
                      1 - op.beta_1,
                      1 - op.beta_2,
                      1 / (1 - std::pow(op.beta_1, t)),
                      1 / (1 - std::pow(op.beta_2, t)),
                      op.epsilon};
  Work work = work_of(op, in);
  auto* const ends = static_cast<int64_t*>(ctx.scratch());  // of for_slices
  auto* const ratios = reinterpret_cast<double*>(ends + work.n);
  auto* const lengths = reinterpret_cast<Lengths*>(ratios + work.n);
  for_work(ctx, work, [&]<class T>(T*, int64_t i, int64_t first, int64_t n, int64_t piece) {
    Lengths sums;
    in_pieces<T>(work, i, first, n,
                 [&](T* const* data, int64_t m) { rule.template measure<T>(data, m, sums); });
    lengths[piece] = sums;
  });
  for (int64_t i = 0; i < work.n; ++i) {
    const int64_t begin = i == 0 ? 0 : ends[i - 1];
    Lengths sum;
    for (int64_t task = begin / kTaskElements; task * kTaskElements < ends[i]; ++task) {
      if (begin == ends[i]) break;
      sum.size += lengths[task + i].size, sum.way += lengths[task + i].way;
    }
    ratios[i] = sum.size > 0 && sum.way > 0 ? std::sqrt(sum.size / sum.way) : 1;
  }
  work.decay = 0, work.scale = 1;  // done
  for_work(ctx, work, [&]<class T>(T*, int64_t i, int64_t first, int64_t n, int64_t) {
    in_pieces<T>(work, i, first, n,
                 [&](T* const* data, int64_t m) { rule.template move<T>(data, m, ratios[i]); });
  });
}
size_t lamb_scratch(const LambUpdate& op, In in, Out) noexcept {
  const int64_t n = (in.count - LambUpdate::kHead) / op.groups();
  return ends_bytes(n) + sizeof(double) * n +
         sizeof(Lengths) * most_pieces(in.views + LambUpdate::kHead, n);
}

}  // namespace

Kernel kernel(Tag<SumOfSquares>) {
  return make_kernel<SumOfSquares, &sum_of_squares, &sum_of_squares_scratch>();
}
Kernel kernel(Tag<LambUpdate>) { return make_kernel<LambUpdate, &lamb, &lamb_scratch>(); }

}  // namespace pyneuro
