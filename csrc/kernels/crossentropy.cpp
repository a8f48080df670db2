// Cross-entropy from logits, with target distributions or with labels, and the gradients. Classes
// are the last axis of dense arrays, so every sample is a row. Labels are checked here.
#include "kernels/indices.h"
#include "kernels/kernels.h"
#include "kernels/rows.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kTaskElements = kSlice / 2;

/// What a row's logits amount to: log_softmax is (x - most) - log_total.
template <class T> struct LogSum {
  T most, total;
  T log_total() const { return log(Vec<T>(total))[0]; }
};

template <class T> LogSum<T> log_sum(LineSource<T>& x, int64_t first, int64_t n) {
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

template <class T> T sum_of(LineSource<T>& x, int64_t first, int64_t n) {
  T sum = 0;
  for_lines(x, x, first, n, [&](const T* p, const T*, int64_t, int64_t m) {
    sum += sum_vectors<T, 4>(m, [&](int64_t i, int lanes) { return load_some(p + i, lanes); });
  });
  return sum;
}

/// A class of probability 0 adds nothing, whatever its logit, -Inf included.
template <class T> T loss(LineSource<T>& logits, LineSource<T>& target, int64_t first, int64_t n) {
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

/// y(at, softmax of lanes) into dx, lane by lane: the walk of both gradients. `weight` scales
/// softmax.
template <class T, class Finish>
void map_softmax(LineSource<T>& logits, LineSink<T>& dx, int64_t first, int64_t n, T weight,
                 Finish&& finish) {
  using V = Vec<T>;
  const T most = row_max(logits, first, n);
  const bool held = holds(dx, n);
  const T total =
      held ? store_exp(logits, dx, first, n, most) : row_exp_sum(logits, first, n, most);
  const V scale(weight / total);
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    T* y = held ? dx.line(first) + at : dx.line(first + at);
    if (held) {
      finish(at, m, y, [=](int64_t i, int lanes) { return load_some(y + i, lanes) * scale; });
    } else {
      const T* x = logits.line(first + at, m);
      finish(at, m, y,
             [=](int64_t i, int lanes) { return exp(load_some(x + i, lanes) - V(most)) * scale; });
    }
    dx.flush(first + at, m);
  }
}

/// dx[c] = g (exp(x[c] - most) / total * weight - target[c]).
template <class T>
void gradient(LineSource<T>& logits, LineSource<T>& target, LineSink<T>& dx, int64_t first,
              int64_t n, T g, T weight) {
  map_softmax(logits, dx, first, n, weight, [&](int64_t at, int64_t m, T* y, auto softmax) {
    const T* t = target.line(first + at, m);
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(y + i, Vec<T>(g) * (softmax(i, lanes) - load_some(t + i, lanes)), lanes);
    });
  });
}

/// The same where the target is 1 at one class.
template <class T>
void sparse_gradient(LineSource<T>& logits, LineSink<T>& dx, int64_t first, int64_t n, T g,
                     int64_t label) {
  map_softmax(logits, dx, first, n, T(1), [&](int64_t at, int64_t m, T* y, auto softmax) {
    const int64_t c = label - at;
    const bool here = c >= 0 && c < m;
    const T at_label = here ? softmax(c, 1)[0] : T(0);
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(y + i, Vec<T>(g) * softmax(i, lanes), lanes);
    });
    if (here) y[c] = g * (at_label - T(1));
  });
}

/// Numbers of one line each way: losses and incoming gradients, one for each sample.
template <class F> void for_samples(Context& ctx, int64_t samples, int64_t classes, F&& f) {
  const int64_t per_task = smaller(kLine, larger(1, kTaskElements / classes));
  ctx.parallel_for(ceil_div(samples, per_task), [&](int64_t task) {
    const int64_t begin = task * per_task;
    f(begin, smaller(per_task, samples - begin));
  });
}

int64_t classes_of(const View& logits) { return logits.shape.back(); }

/// Short rows, turned: f(strip, first sample) sees logits as the strip's x and `other`, if not
/// null, as its g; what it leaves in the strip's y goes to `to`, if not null.
template <class T, class F>
void for_turned(Context& ctx, const View& logits, const View* other, const View* to, F&& f) {
  const int64_t n = classes_of(logits), samples = logits.size() / n;
  for_samples(ctx, ceil_div(samples, kTurned), n * kTurned, [&](int64_t begin, int64_t count) {
    LineSource<T> from_x(logits), from_other(other != nullptr ? *other : logits);
    LineSink<T> sink(to != nullptr ? *to : logits);
    TurnedRows<T> x, t, y;
    LineSource<T> tile_x(x.data), tile_t(other != nullptr ? t.data : x.data);
    LineSink<T> tile_y(y.data);
    for (int64_t tile = begin; tile < begin + count; ++tile) {
      const int64_t first = tile * kTurned, rows = smaller(kTurned, samples - first);
      x.read(from_x, first, rows, n);
      if (other != nullptr) t.read(from_other, first, rows, n);
      f(Strip<T>{tile_x, tile_t, tile_y, {0, rows, n}, rows}, first);
      if (to != nullptr) y.write(sink, first, rows, n);
    }
  });
}

/// most[i] and total[i] of every column: what LogSum is to a row.
template <class T> void log_sums(Strip<T> strip, T* most, T* total) {
  strip.max_down(most);
  strip.sum_down(total, [&](int64_t i, int lanes, Vec<T> x, Vec<T>, T*) __attribute__((
                            always_inline)) { return exp(x - load_some(most + i, lanes)); });
}

template <class T> void take_logs(T* x, int64_t n) {
  for_vectors<T>(
      n, [&](int64_t i, int lanes) { store_some(x + i, log(load_some(x + i, lanes)), lanes); });
}

template <class T>
void run_short_loss(Context& ctx, const View& logits, const View& target, const View& out) {
  using V = Vec<T>;
  for_turned<T>(ctx, logits, &target, nullptr, [&](Strip<T> strip, int64_t first) {
    T most[kRoom], total[kRoom];
    log_sums(strip, most, total);
    take_logs(total, strip.cols);
    LineSink<T> to(out);
    T* losses = to.line(first);
    T sums[kRoom];
    strip.sum_down(sums, [&](int64_t i, int lanes, V x, V p, T*) __attribute__((always_inline)) {
      const V term = p * ((x - load_some(most + i, lanes)) - load_some(total + i, lanes));
      return select(p == V(0), V(0), term);
    });
    for (int64_t i = 0; i < strip.cols; ++i) losses[i] = -sums[i];
    to.flush(first, strip.cols);
  });
}

template <class T>
void run_short_gradient(Context& ctx, const View& logits, const View& target, const View& g,
                        const View& out) {
  using V = Vec<T>;
  for_turned<T>(ctx, logits, &target, &out, [&](Strip<T> strip, int64_t first) {
    T most[kRoom], scale[kRoom], weight[kRoom];
    log_sums(strip, most, scale);
    strip.sum_down(weight, [](int64_t, int, V, V p, T*) { return p; });
    for (int64_t i = 0; i < strip.cols; ++i) scale[i] = weight[i] / scale[i];
    LineSource<T> from_g(g);
    const T* scales = from_g.line(first, strip.cols);
    strip.map([&](int64_t i, int lanes, V x, V p) __attribute__((always_inline)) {
      const V softmax = exp(x - load_some(most + i, lanes)) * load_some(scale + i, lanes);
      return load_some(scales + i, lanes) * (softmax - p);
    });
  });
}

template <class T>
void run_loss(Context& ctx, const View& logits, const View& target, const View& out) {
  const int64_t n = classes_of(logits);
  if (n <= kShort) return run_short_loss<T>(ctx, logits, target, out);
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
  if (n <= kShort) return run_short_gradient<T>(ctx, logits, target, g, out);
  for_samples(ctx, g.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits), t(target), from_g(g);
    LineSink<T> dx(out);
    const T* scales = from_g.line(begin, count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = (begin + i) * n;
      gradient(x, t, dx, first, n, scales[i], sum_of(t, first, n));
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
void run_short_sparse_loss(Context& ctx, const View& logits, const View& label, const View& out) {
  const int64_t n = classes_of(logits);
  for_turned<T>(ctx, logits, nullptr, nullptr, [&](Strip<T> strip, int64_t first) {
    T most[kRoom], total[kRoom];
    log_sums(strip, most, total);
    take_logs(total, strip.cols);
    LineSink<T> to(out);
    T* losses = to.line(first);
    for (int64_t i = 0; i < strip.cols; ++i) {
      const int64_t c = checked_label(ctx, "sparse_crossentropy", label, first + i, n);
      const T* x = strip.x.line(larger(c, 0) * strip.cols, strip.cols);
      losses[i] = c < 0 ? T(0) : total[i] - (x[i] - most[i]);
    }
    to.flush(first, strip.cols);
  });
}

template <class T>
void run_short_sparse_gradient(Context& ctx, const View& logits, const View& label, const View& g,
                               const View& out) {
  using V = Vec<T>;
  const int64_t n = classes_of(logits);
  for_turned<T>(ctx, logits, nullptr, &out, [&](Strip<T> strip, int64_t first) {
    T most[kRoom], scale[kRoom];
    log_sums(strip, most, scale);
    for (int64_t i = 0; i < strip.cols; ++i) scale[i] = T(1) / scale[i];
    strip.map([&](int64_t i, int lanes, V x, V) __attribute__((always_inline)) {
      return exp(x - load_some(most + i, lanes)) * load_some(scale + i, lanes);
    });
    for (int64_t i = 0; i < strip.cols; ++i) {
      const int64_t c = checked_label(ctx, "sparse_crossentropy_grad", label, first + i, n);
      if (c >= 0) strip.y.line(c * strip.cols)[i] -= T(1);
    }
    LineSource<T> from_g(g);
    const T* scales = from_g.line(first, strip.cols);
    for (int64_t c = 0; c < n; ++c) {
      T* y = strip.y.line(c * strip.cols);
      for (int64_t i = 0; i < strip.cols; ++i) y[i] = scales[i] * y[i];
    }
  });
}

template <class T>
void run_sparse_loss(Context& ctx, const View& logits, const View& label, const View& out) {
  const int64_t n = classes_of(logits);
  if (n <= kShort) return run_short_sparse_loss<T>(ctx, logits, label, out);
  for_samples(ctx, out.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits);
    LineSink<T> to(out);
    T* losses = to.line(begin);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = checked_label(ctx, "sparse_crossentropy", label, begin + i, n);
      const LogSum<T> row = log_sum(x, (begin + i) * n, n);
      const int64_t line = c / kLine * kLine;  // read the way the row was
      losses[i] =
          c < 0
              ? T(0)
              : row.log_total() -
                    (x.line((begin + i) * n + line, smaller(kLine, n - line))[c - line] - row.most);
    }
    to.flush(begin, count);
  });
}

template <class T>
void run_sparse_gradient(Context& ctx, const View& logits, const View& label, const View& g,
                         const View& out) {
  const int64_t n = classes_of(logits);
  if (n <= kShort) return run_short_sparse_gradient<T>(ctx, logits, label, g, out);
  for_samples(ctx, g.size(), n, [&](int64_t begin, int64_t count) {
    LineSource<T> x(logits), from_g(g);
    LineSink<T> dx(out);
    const T* scales = from_g.line(begin, count);
    for (int64_t i = 0; i < count; ++i)
      sparse_gradient(x, dx, (begin + i) * n, n, scales[i],
                      checked_label(ctx, "sparse_crossentropy_grad", label, begin + i, n));
  });
}

template <class Op> void run(const Op&, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  auto typed = [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<Op, Crossentropy>)
      run_loss<T>(ctx, in[0], in[1], out[0]);
    else if constexpr (std::is_same_v<Op, CrossentropyGrad>)
      run_gradient<T>(ctx, in[0], in[1], in[2], out[0]);
    else if constexpr (std::is_same_v<Op, SparseCrossentropy>)
      run_sparse_loss<T>(ctx, in[0], in[1], out[0]);
    else
      run_sparse_gradient<T>(ctx, in[0], in[1], in[2], out[0]);
  };
  if (in[0].dtype == DType::Float64)
    typed(double{});
  else
    typed(float{});
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
