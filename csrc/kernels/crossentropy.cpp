// Cross-entropy from logits, with target distributions or with labels, and the gradients. Classes are
// the last axis of dense arrays, so every sample is a row. Labels are checked here.
#include "kernels/indices.h"
#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kTaskElements = kSlice / 2;

/// What a row's logits amount to: log_softmax is (x - most) - log_total.
template <class T>
struct LogSum {
  T most, total;
  T log_total() const { return log(Vec<T>(total))[0]; }
};

template <class T>
LogSum<T> log_sum(LineSource<T>& x, int64_t first, int64_t n) {
  const T most = row_max(x, first, n);
  return {most, row_exp_sum(x, first, n, most)};
}

/// f(line of x, line of other, first element, elements) along a row.
template <class T, class F>
void for_lines(LineSource<T>& x, LineSource<T>& other, int64_t first, int64_t n, F&& f) {
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* px = x.line(first + at, m);
    f(px, other.line(first + at, m), at, m);
  }
}

template <class T>
T sum_of(LineSource<T>& x, int64_t first, int64_t n) {
  T sum = 0;
  for_lines(x, x, first, n, [&](const T* p, const T*, int64_t, int64_t m) {
    sum += sum_vectors<T, 4>(m, [&](int64_t i, int lanes) { return load_some(p + i, lanes); });
  });
  return sum;
}

/// A class of probability 0 adds nothing, whatever its logit, -Inf included.
template <class T>
T loss(LineSource<T>& logits, LineSource<T>& target, int64_t first, int64_t n) {
  using V = Vec<T>;
  const LogSum<T> row = log_sum(logits, first, n);
  const V most(row.most), log_total(row.log_total());
  T sum = 0;
  for_lines(logits, target, first, n, [&](const T* x, const T* t, int64_t, int64_t m) {
    sum += sum_vectors<T, 2>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V p = load_some(t + i, lanes);
      const V term = p * ((load_some(x + i, lanes) - most) - log_total);
      return select(p == V(0), V(0), term);
    });
  });
  return -sum;
}

/// dx[c] = g (exp(x[c] - most) / total * weight - target(c)).
template <class T, class Target>
void gradient(LineSource<T>& logits, LineSource<T>& other, LineSink<T>& dx, int64_t first, int64_t n,
              T g, T weight, Target&& target) {
  using V = Vec<T>;
  const LogSum<T> row = log_sum(logits, first, n);
  const V most(row.most), scale(weight / row.total);
  for_lines(logits, other, first, n, [&](const T* x, const T* t, int64_t at, int64_t m) {
    T* y = dx.line(first + at);
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V softmax = exp(load_some(x + i, lanes) - most) * scale;
      store_some(y + i, V(g) * (softmax - target(t, at + i, i, lanes)), lanes);
    });
    dx.flush(first + at, m);
  });
}

/// Numbers of one line each way: losses and incoming gradients, one for each sample.
template <class F>
void for_samples(Context& ctx, int64_t samples, int64_t classes, F&& f) {
  const int64_t per_task = smaller(kLine, larger(1, kTaskElements / classes));
  ctx.parallel_for(ceil_div(samples, per_task), [&](int64_t task) {
    const int64_t begin = task * per_task;
    f(begin, smaller(per_task, samples - begin));
  });
}

int64_t classes_of(const View& logits) { return logits.shape.back(); }

template <class T>
void run_loss(Context& ctx, const View& logits, const View& target, const View& out) {
  const int64_t n = classes_of(logits);
  for_samples(ctx, out.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits), t(target);
    LineSink<T> to(out);
    T* losses = to.line(begin);
    for (int64_t i = 0; i < count; ++i) losses[i] = loss(x, t, (begin + i) * n, n);
    to.flush(begin, count);
  });
}

template <class T>
void run_gradient(Context& ctx, const View& logits, const View& target, const View& g,
                  const View& out) {
  const int64_t n = classes_of(logits);
  for_samples(ctx, g.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits), t(target), from_g(g);
    LineSink<T> dx(out);
    const T* scales = from_g.line(begin, count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = (begin + i) * n;
      gradient(x, t, dx, first, n, scales[i], sum_of(t, first, n),
               [](const T* p, int64_t, int64_t at, int lanes) { return load_some(p + at, lanes); });
    }
  });
}

// ---- labels -------------------------------------------------------------------------------------

/// The label of a sample, or -1 after a fail.
int64_t checked_label(Context& ctx, const char* op, const View& label, int64_t sample, int64_t n) {
  const int64_t c = read_integer(label, sample);
  if (c >= 0 && c < n) return c;
  char where[96], text[320];
  write_position(where, sizeof where, label.shape, sample);
  std::snprintf(text, sizeof text,
                "%s: label %" PRId64 " of sample %s is outside [0, %" PRId64
                "): the last axis of logits has %" PRId64 " classes",
                op, c, where, n, n);
  ctx.fail(ErrorKind::Index, sample, text);
  return -1;
}

template <class T>
void run_sparse_loss(Context& ctx, const View& logits, const View& label, const View& out) {
  const int64_t n = classes_of(logits);
  for_samples(ctx, out.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits);
    LineSink<T> to(out);
    T* losses = to.line(begin);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = checked_label(ctx, "sparse_crossentropy", label, begin + i, n);
      const LogSum<T> row = log_sum(x, (begin + i) * n, n);
      const int64_t line = c / kLine * kLine;  // read the way the row was
      losses[i] = c < 0 ? T(0)
                        : row.log_total() - (x.line((begin + i) * n + line,
                                                    smaller(kLine, n - line))[c - line] - row.most);
    }
    to.flush(begin, count);
  });
}

template <class T>
void run_sparse_gradient(Context& ctx, const View& logits, const View& label, const View& g,
                         const View& out) {
  using V = Vec<T>;
  const int64_t n = classes_of(logits);
  for_samples(ctx, g.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits), from_g(g);
    LineSink<T> dx(out);
    const T* scales = from_g.line(begin, count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = checked_label(ctx, "sparse_crossentropy_grad", label, begin + i, n);
      gradient(x, x, dx, (begin + i) * n, n, scales[i], T(1),
               [c](const T*, int64_t from, int64_t, int) __attribute__((always_inline)) {
                 V hot(0);
                 if (c >= from && c < from + V::kCount) hot.set(static_cast<int>(c - from), T(1));
                 return hot;
               });
    }
  });
}

template <class Op>
void run(const Op&, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  auto typed = [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<Op, Crossentropy>) run_loss<T>(ctx, in[0], in[1], out[0]);
    else if constexpr (std::is_same_v<Op, CrossentropyGrad>)
      run_gradient<T>(ctx, in[0], in[1], in[2], out[0]);
    else if constexpr (std::is_same_v<Op, SparseCrossentropy>)
      run_sparse_loss<T>(ctx, in[0], in[1], out[0]);
    else run_sparse_gradient<T>(ctx, in[0], in[1], in[2], out[0]);
  };
  if (in[0].dtype == DType::Float64) typed(double{});
  else typed(float{});
}

}  // namespace

Kernel kernel(Tag<Crossentropy>) { return make_kernel<Crossentropy, &run<Crossentropy>>(); }
Kernel kernel(Tag<CrossentropyGrad>) {
  return make_kernel<CrossentropyGrad, &run<CrossentropyGrad>>();
}
Kernel kernel(Tag<SparseCrossentropy>) {
  return make_kernel<SparseCrossentropy, &run<SparseCrossentropy>>();
}
Kernel kernel(Tag<SparseCrossentropyGrad>) {
  return make_kernel<SparseCrossentropyGrad, &run<SparseCrossentropyGrad>>();
}

}  // namespace pyneuro
