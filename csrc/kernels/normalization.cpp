// Normalization, where each group lies side by side: layer norm and root mean square norm. A group
// is a line that passes twice, the second time from a cache, while the next one is fetched.
#include "kernels/normalization.h"

#include "kernels/kernels.h"
#include "kernels/stores_past.h"

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

/// Whether results go past the caches: only whole cache lines of them, as other lines are read
/// between one line's end and the next one's begin.
template <class T> bool lines_past(const View& y, const Lines& lines) {
  return lines.n * static_cast<int64_t>(sizeof(T)) % 64 == 0 && stores_past<T>(y, lines.n);
}

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
                const T* gamma, const T* beta, bool past) {
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
      store_past(to + i, v, lanes, past);
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
  const bool past = lines_past<T>(out[0], lines);
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
            beta == nullptr ? nullptr : beta + channel, past);
    }
    if (past) simd::end_stores_past();
  });
}

// ---- backward -----------------------------------------------------------------------------------
//
// With n = (x - mean) / sqrt(variance + epsilon) and h = g gamma:
//   dx = (h - mean(h) - n mean(h n)) / sqrt(variance + epsilon), without mean(h) for rms;
//   dgamma = sum(g n) and dbeta = sum(g) over all lines of a group: blocks of lines add theirs up
//   in scratch, [block][2][channels], and blocks are added in order.
//
// Two lines pass together, so that what they add to is read and written half as often.

/// Lines to a block: enough to be worth a task, not so few that their sums are as large as x.
int64_t lines_of_block(const Lines& lines) {
  const int64_t outer = lines.count / lines.groups;
  const int64_t worth = kSlice / larger(1, lines.n * lines.groups);
  return smaller(128, larger(larger(1, worth), ceil_div(outer, 16))) * lines.groups;
}

/// Elements from the sums of one kind to the next: no power of two, which would let the blocks'
/// sums of a channel compete for the same places of a cache.
template <class T> int64_t sums_pitch(const Norm& norm) {
  constexpr int64_t kCacheLine = 64 / sizeof(T);
  return (ceil_div(norm.channels, kCacheLine) | 1) * kCacheLine;
}

/// A line on its way: dx = h scale + (x - mean) slope + shift.
template <class T> struct LineGrad {
  int64_t first;  // its first element
  T mean, scale, slope, shift;
};

/// The first pass over a line: slope and shift from the sums of h and h (x - mean).
template <class T, bool kGamma>
void measure_line(LineSource<T>& x, LineSource<T>& g, int64_t n, const T* gamma, bool rms,
                  LineGrad<T>& line) {
  using V = Vec<T>;
  const V mean(line.mean);
  T sum_h = 0, sum_hd = 0;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T *px = x.line(line.first + at, m), *pg = g.line(line.first + at, m);
    V h_sum[2] = {V(0), V(0)}, hd_sum[2] = {V(0), V(0)};
    const auto step = [&](int64_t i, int lanes, int chain) __attribute__((always_inline)) {
      V h = load_some(pg + i, lanes);
      if constexpr (kGamma) h = h * load_some(gamma + at + i, lanes);
      V hd = h * (load_some(px + i, lanes) - mean);
      if (lanes < V::kCount) hd = select(simd::first_n<T>(lanes), hd, V(0));
      h_sum[chain] += h, hd_sum[chain] += hd;
    };
    int64_t i = 0;
    for (; i + 2 * V::kCount <= m; i += 2 * V::kCount)
      step(i, V::kCount, 0), step(i + V::kCount, V::kCount, 1);
    for_vectors<T>(
        m - i, [&](int64_t j, int lanes) __attribute__((always_inline)) { step(i + j, lanes, 0); });
    sum_h += hsum(h_sum[0] + h_sum[1]), sum_hd += hsum(hd_sum[0] + hd_sum[1]);
  }
  const T scale = line.scale, count = static_cast<T>(n);
  line.slope = -scale * scale * (scale * sum_hd / count);
  line.shift = rms ? T(0) : -scale * (sum_h / count);
}

/// The second pass over kLines lines of one group: dx, and what they add to dgamma and dbeta.
template <class T, bool kGamma, int kLines>
void finish_lines(LineSource<T>* x, LineSource<T>* g, LineSink<T>* dx, int64_t n, const T* gamma,
                  const LineGrad<T>* lines, T* dgamma, T* dbeta, bool past) {
  using V = Vec<T>;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T *px[kLines], *pg[kLines];
    T* to[kLines];
    for (int k = 0; k < kLines; ++k) {
      px[k] = x[k].line(lines[k].first + at, m), pg[k] = g[k].line(lines[k].first + at, m);
      to[k] = dx[k].line(lines[k].first + at);
    }
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      V gn = load_some(dgamma + at + i, lanes), total = load_some(dbeta + at + i, lanes), factor;
      if constexpr (kGamma) factor = load_some(gamma + at + i, lanes);
      for (int k = 0; k < kLines; ++k) {
        const V grad = load_some(pg[k] + i, lanes);
        const V d = load_some(px[k] + i, lanes) - V(lines[k].mean);
        gn += grad * d * V(lines[k].scale), total += grad;
        V h = grad;
        if constexpr (kGamma) h = h * factor;
        store_past(to[k] + i, h * V(lines[k].scale) + (d * V(lines[k].slope) + V(lines[k].shift)),
                   lanes, past);
      }
      store_some(dgamma + at + i, gn, lanes), store_some(dbeta + at + i, total, lanes);
    });
    for (int k = 0; k < kLines; ++k) dx[k].flush(lines[k].first + at, m);
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

/// Lines [begin, end): dx, and what they add to a block's dgamma and dbeta.
template <class T, bool kGamma>
void grad_of_block(const Norm& norm, In in, Out out, int64_t begin, int64_t end, T* dgamma,
                   T* dbeta) {
  const Lines all(norm);
  const T *means = in[1].as<const T>(), *variances = in[2].as<const T>();
  // Of two longer lines that are written by turns, stores past the caches took twice as long.
  constexpr int64_t kShortBytes = 2048;
  const bool past =
      all.n * static_cast<int64_t>(sizeof(T)) <= kShortBytes && lines_past<T>(out[0], all);
  LineSource<T> x[2] = {LineSource<T>(in[0]), LineSource<T>(in[0])};
  LineSource<T> g[2] = {LineSource<T>(in[3]), LineSource<T>(in[3])};
  LineSink<T> dx[2] = {LineSink<T>(out[0]), LineSink<T>(out[0])};
  const auto finish = [&](int64_t l, auto count) {
    const int64_t channel = l % all.groups * all.n;
    const T* gamma = kGamma ? in[4].as<const T>() + channel : nullptr;
    LineGrad<T> lines[count()];
    for (int k = 0; k < count(); ++k) {
      lines[k] = {(l + k) * all.n, means[l + k], reciprocal_root(variances[l + k], norm.epsilon), 0,
                  0};
      measure_line<T, kGamma>(x[k], g[k], all.n, gamma, norm.rms, lines[k]);
    }
    finish_lines<T, kGamma, count()>(x, g, dx, all.n, gamma, lines, dgamma + channel,
                                     dbeta + channel, past);
  };
  int64_t l = begin;
  if (all.groups == 1)
    for (; l + 2 <= end; l += 2) finish(l, std::integral_constant<int, 2>());
  for (; l < end; ++l) finish(l, std::integral_constant<int, 1>());
  if (past) simd::end_stores_past();
}

template <class T> void normalize_lines_grad(Context& ctx, const Norm& norm, In in, Out out) {
  const Lines lines(norm);
  const auto run = in.has(4) ? grad_of_block<T, true> : grad_of_block<T, false>;
  T* sums = static_cast<T*>(ctx.scratch());
  const int64_t per_block = lines_of_block(lines), blocks = ceil_div(lines.count, per_block);
  const int64_t pitch = sums_pitch<T>(norm);
  ctx.parallel_for(blocks, [&](int64_t block) {
    T* own = sums + block * 2 * pitch;
    for (int64_t c = 0; c < 2 * pitch; ++c) own[c] = 0;
    const int64_t begin = block * per_block;
    run(norm, in, out, begin, smaller(lines.count, begin + per_block), own, own + pitch);
  });
  add_blocks(ctx, sums, blocks, 2 * pitch, out[1].as<T>(), norm.channels);
  add_blocks(ctx, sums + pitch, blocks, 2 * pitch, out[2].as<T>(), norm.channels);
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
  if (in[0].dtype == DType::Float64)
    return static_cast<size_t>(blocks * 2 * sums_pitch<double>(norm)) * sizeof(double);
  return static_cast<size_t>(blocks * 2 * sums_pitch<float>(norm)) * sizeof(float);
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
