// Normalization, where each group lies side by side: layer norm and root mean square norm. A group
// is a line that passes twice, the second time from a cache, while the next one is fetched.
#include "kernels/normalization.h"

#include "kernels/kernels.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kTaskElements = kSlice / 2;

/// The groups of x as lines of n elements: line l is of group l % groups.
struct Lines {
  int64_t count, n, groups;
  explicit Lines(const Norm& norm)
      : count(norm.outer * norm.groups), n(norm.width()), groups(norm.groups) {}
};

template <class T> struct Moments { T mean, variance; };

/// The mean of x - guess, and of its square, over a line.
template <class T> Moments<T> raw_moments(LineSource<T>& x, int64_t first, int64_t n, T guess) {
  using V = Vec<T>;
  constexpr int kChains = 4;
  T total = 0, squares = 0;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* p = x.line(first + at, m);
    V sum[kChains], square[kChains];
    for (int k = 0; k < kChains; ++k) sum[k] = square[k] = V(0);
    const auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
      const V d = simd::load(p + i) - V(guess);
      sum[k] += d, square[k] += d * d;
    };
    int64_t i = 0;
    for (; i + kChains * V::kCount <= m; i += kChains * V::kCount)
      for (int k = 0; k < kChains; ++k) step(i + k * V::kCount, k);
    for (; i + V::kCount <= m; i += V::kCount) step(i, 0);
    if (i < m) {
      const int lanes = static_cast<int>(m - i);
      const V d = select(simd::first_n<T>(lanes), simd::load(p + i, lanes) - V(guess), V(0));
      sum[1] += d, square[1] += d * d;
    }
    total += hsum((sum[0] + sum[2]) + (sum[1] + sum[3]));
    squares += hsum((square[0] + square[2]) + (square[1] + square[3]));
  }
  return {total / static_cast<T>(n), squares / static_cast<T>(n)};
}

template <class T> Moments<T> moments_of(LineSource<T>& x, int64_t first, int64_t n, bool rms) {
  if (rms) return {T(0), raw_moments(x, first, n, T(0)).variance};
  const T guess = n > 0 ? *x.line(first, smaller(n, kLine)) : T(0);
  const auto [drift, square] = raw_moments(x, first, n, guess);
  const T variance = square - drift * drift, mean = guess + drift;
  if (!(drift * drift > T(kMostDrift) * variance)) return {mean, variance};
  const auto [rest, around] = raw_moments(x, first, n, mean);
  return {mean + rest, around - rest * rest};
}

template <class T, bool kGamma, bool kBeta>
void write_line(LineSource<T>& x, LineSink<T>& y, int64_t first, int64_t n, T mean, T scale,
                const T* gamma, const T* beta) {
  using V = Vec<T>;
  const V shift(mean), factor(scale);
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* from = x.line(first + at, m);
    T* to = y.line(first + at);
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      __builtin_prefetch(from + n + i);  // the next line
      V v = (load_some(from + i, lanes) - shift) * factor;
      if constexpr (kGamma) v = v * load_some(gamma + at + i, lanes);
      if constexpr (kBeta) v = v + load_some(beta + at + i, lanes);
      store_some(to + i, v, lanes);
    });
    y.flush(first + at, m);
  }
}

template <class T> void normalize_lines(Context& ctx, const Norm& norm, In in, Out out) {
  const Lines lines(norm);
  const T *gamma = given<T>(in, 1), *beta = given<T>(in, 2);
  const auto write = gamma != nullptr && beta != nullptr ? write_line<T, true, true>
                     : gamma != nullptr                  ? write_line<T, true, false>
                     : beta != nullptr                   ? write_line<T, false, true>
                                                         : write_line<T, false, false>;
  T *means = out[1].as<T>(), *variances = out[2].as<T>();
  const int64_t per_task = larger(1, kTaskElements / larger(1, lines.n));
  ctx.parallel_for(ceil_div(lines.count, per_task), [&](int64_t task) {
    LineSource<T> x(in[0]);
    LineSink<T> y(out[0]);
    for (int64_t l = task * per_task; l < smaller(lines.count, (task + 1) * per_task); ++l) {
      const int64_t first = l * lines.n, channel = l % lines.groups * lines.n;
      const auto [mean, variance] = moments_of(x, first, lines.n, norm.rms);
      means[l] = mean, variances[l] = variance;
      write(x, y, first, lines.n, mean, reciprocal_root(variance, norm.epsilon),
            gamma == nullptr ? nullptr : gamma + channel,
            beta == nullptr ? nullptr : beta + channel);
    }
  });
}

// ---- backward -----------------------------------------------------------------------------------
//
// With n = (x - mean) / sqrt(variance + epsilon) and h = g gamma:
//   dx = (h - mean(h) - n mean(h n)) / sqrt(variance + epsilon), without mean(h) for rms;
//   dgamma = sum(g n) and dbeta = sum(g) over all lines of a group: blocks of lines add theirs up
//   in scratch, [block][2][channels], and blocks are added in order.

/// Lines to a block: enough to be worth a task, not so few that their sums are as large as x.
int64_t lines_of_block(const Lines& lines) {
  const int64_t outer = lines.count / lines.groups;
  const int64_t worth = kSlice / larger(1, lines.n * lines.groups);
  return smaller(128, larger(larger(1, worth), ceil_div(outer, 16))) * lines.groups;
}

template <class T> struct LineGrad {
  const T* gamma;  // of the line's group
  T *dgamma, *dbeta;
  T mean, scale;
  bool rms;
};

template <class T, bool kGamma>
void line_grad(LineSource<T>& x, LineSource<T>& g, LineSink<T>& dx, int64_t first, int64_t n,
               const LineGrad<T>& line) {
  using V = Vec<T>;
  const V mean(line.mean), scale(line.scale);
  T sum_h = 0, sum_hn = 0;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T *px = x.line(first + at, m), *pg = g.line(first + at, m);
    T *dgamma = line.dgamma + at, *dbeta = line.dbeta + at;
    V h_sum(0), hn_sum(0);
    const auto step = [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V normal = (load_some(px + i, lanes) - mean) * scale, grad = load_some(pg + i, lanes);
      const V gn = grad * normal;
      store_some(dgamma + i, load_some(dgamma + i, lanes) + gn, lanes);
      store_some(dbeta + i, load_some(dbeta + i, lanes) + grad, lanes);
      V h = grad, hn = gn;
      if constexpr (kGamma) {
        const V factor = load_some(line.gamma + at + i, lanes);
        h = h * factor, hn = hn * factor;
      }
      if (lanes < V::kCount) {
        const auto there = simd::first_n<T>(lanes);
        h = select(there, h, V(0)), hn = select(there, hn, V(0));
      }
      h_sum += h, hn_sum += hn;
    };
    for_vectors<T>(m, step);
    sum_h += hsum(h_sum), sum_hn += hsum(hn_sum);
  }
  const V drift(line.rms ? T(0) : sum_h / static_cast<T>(n));
  const V pull(sum_hn / static_cast<T>(n));
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T *px = x.line(first + at, m), *pg = g.line(first + at, m);
    T* to = dx.line(first + at);
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      __builtin_prefetch(px + n + i);
      __builtin_prefetch(pg + n + i);
      const V normal = (load_some(px + i, lanes) - mean) * scale;
      V h = load_some(pg + i, lanes);
      if constexpr (kGamma) h = h * load_some(line.gamma + at + i, lanes);
      store_some(to + i, (h - drift - normal * pull) * scale, lanes);
    });
    dx.flush(first + at, m);
  }
}

/// to[c] = the sum of from[block][c] over the blocks, which lie `pitch` apart.
template <class T>
void add_blocks(Context& ctx, const T* from, int64_t blocks, int64_t pitch, T* to, int64_t n) {
  using V = simd::Vec<T>;
  constexpr int64_t kStrip = 256, kRun = 32;
  ctx.parallel_for(ceil_div(n, kStrip), [&](int64_t task) {
    const int64_t begin = task * kStrip, count = smaller(kStrip, n - begin);
    for_vectors<T>(count, [&](int64_t i, int lanes) {
      V total(0);
      for (int64_t b = 0; b < blocks; b += kRun) {  // runs of blocks: errors grow less
        V sum(0);
        for (int64_t k = b; k < smaller(blocks, b + kRun); ++k)
          sum += load_some(from + k * pitch + begin + i, lanes);
        total += sum;
      }
      store_some(to + begin + i, total, lanes);
    });
  });
}

template <class T> void normalize_lines_grad(Context& ctx, const Norm& norm, In in, Out out) {
  const Lines lines(norm);
  const T *means = in[1].as<const T>(), *variances = in[2].as<const T>(), *gamma = given<T>(in, 4);
  const auto run = gamma != nullptr ? line_grad<T, true> : line_grad<T, false>;
  T* sums = static_cast<T*>(ctx.scratch());
  const int64_t per_block = lines_of_block(lines), blocks = ceil_div(lines.count, per_block);
  ctx.parallel_for(blocks, [&](int64_t block) {
    LineSource<T> x(in[0]), g(in[3]);
    LineSink<T> dx(out[0]);
    T* own = sums + block * 2 * norm.channels;
    for (int64_t c = 0; c < 2 * norm.channels; ++c) own[c] = 0;
    const int64_t begin = block * per_block;
    for (int64_t l = begin; l < smaller(lines.count, begin + per_block); ++l) {
      const int64_t channel = l % lines.groups * lines.n;
      run(x, g, dx, l * lines.n, lines.n,
          {gamma == nullptr ? nullptr : gamma + channel, own + channel,
           own + norm.channels + channel, means[l], reciprocal_root(variances[l], norm.epsilon),
           norm.rms});
    }
  });
  add_blocks(ctx, sums, blocks, 2 * norm.channels, out[1].as<T>(), norm.channels);
  add_blocks(ctx, sums + norm.channels, blocks, 2 * norm.channels, out[2].as<T>(), norm.channels);
}

// ---- the rows of the table ----------------------------------------------------------------------

template <class Op> Norm norm_of(const Op& op, const View& x) {
  return {x.shape[0], x.shape[1], x.shape[2], op.groups, op.epsilon, op.rms};
}
bool side_by_side(const Norm& norm) { return norm.rows == 1; }

void run_normalize(const Normalize& op, Context& ctx, In in, Out out) noexcept {
  const Norm norm = norm_of(op, in[0]);
  if (!side_by_side(norm))
    normalize_columns(ctx, norm, in, out);
  else if (in[0].dtype == DType::Float64)
    normalize_lines<double>(ctx, norm, in, out);
  else
    normalize_lines<float>(ctx, norm, in, out);
}

void run_normalize_grad(const NormalizeGrad& op, Context& ctx, In in, Out out) noexcept {
  const Norm norm = norm_of(op, in[0]);
  if (!side_by_side(norm))
    normalize_columns_grad(ctx, norm, in, out);
  else if (in[0].dtype == DType::Float64)
    normalize_lines_grad<double>(ctx, norm, in, out);
  else
    normalize_lines_grad<float>(ctx, norm, in, out);
}

size_t scratch_normalize(const Normalize& op, In in, Out) noexcept {
  const Norm norm = norm_of(op, in[0]);
  return side_by_side(norm) ? 0 : columns_scratch(norm, in[0].dtype);
}
size_t scratch_normalize_grad(const NormalizeGrad& op, In in, Out) noexcept {
  const Norm norm = norm_of(op, in[0]);
  if (!side_by_side(norm)) return columns_scratch(norm, in[0].dtype);
  const Lines lines(norm);
  const int64_t blocks = ceil_div(lines.count, lines_of_block(lines));
  return static_cast<size_t>(blocks * 2 * norm.channels) * size_of(compute_dtype(in[0].dtype));
}

void run_standardize(const Standardize& op, Context& ctx, In in, Out out) noexcept {
  standardize_columns(ctx, op.epsilon, in, out);
}
size_t scratch_standardize(const Standardize&, In in, Out) noexcept {
  return static_cast<size_t>(in[0].shape.back()) * 2 * sizeof(double);  // factors and shifts
}

}  // namespace

Kernel kernel(Tag<Normalize>) { return make_kernel<Normalize, run_normalize, scratch_normalize>(); }
Kernel kernel(Tag<NormalizeGrad>) {
  return make_kernel<NormalizeGrad, run_normalize_grad, scratch_normalize_grad>();
}
Kernel kernel(Tag<Standardize>) {
  return make_kernel<Standardize, run_standardize, scratch_standardize>();
}

}  // namespace pyneuro
