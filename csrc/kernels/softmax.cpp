// Softmax and log-softmax along any axis, and their gradients. Arrays are dense: [outer][n][inner].
//
// With inner == 1 a row lies side by side and sums run across lanes. Otherwise, and for short rows,
// which are turned around first, neighbours belong to different rows and sums run down the lanes.
#include "kernels/kernels.h"
#include "kernels/rows.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kTaskElements = kSlice / 2;

// ---- what each op does, along a row and down columns --------------------------------------------

struct SoftmaxRule {
  template <class T> static void row(Row<T> row) {
    using V = Vec<T>;
    const V most(row_max(row.x, row.first, row.n));
    if (!holds(row.y, row.n)) {  // no room for the exponentials: they are computed again
      const V scale = V(1) / V(row_exp_sum(row.x, row.first, row.n, most[0]));
      row.map([&](V x, V) { return exp_flushed(x - most) * scale; });
      return;
    }
    const V scale = V(1) / V(store_exp(row.x, row.y, row.first, row.n, most[0]));
    T* y = row.y.line(row.first);
    for_vectors<T>(row.n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(y + i, load_some(y + i, lanes) * scale, lanes);
    });
    row.y.flush(row.first, row.n);
  }

  template <class T> static void columns(Strip<T> strip) {
    using V = Vec<T>;
    T most[kRoom], scale[kRoom];
    strip.max_down(most);
    const bool kept = strip.y.stays();
    strip.sum_down(scale, [&](int64_t i, int lanes, V x, V, T* y) __attribute__((always_inline)) {
      const V e = exp_flushed(x - load_some(most + i, lanes));
      if (kept) store_some(y, e, lanes);
      return e;
    });
    for (int64_t c = 0; c < strip.cols; ++c) scale[c] = T(1) / scale[c];
    if (kept) {
      for (int64_t r = 0; r < strip.rows.n; ++r) {
        T* y = strip.y.line(strip.rows.first + r * strip.rows.pitch);
        for_vectors<T>(strip.cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
          store_some(y + i, load_some(y + i, lanes) * load_some(scale + i, lanes), lanes);
        });
      }
    } else {
      strip.map([&](int64_t i, int lanes, V x, V) __attribute__((always_inline)) {
        return exp_flushed(x - load_some(most + i, lanes)) * load_some(scale + i, lanes);
      });
    }
  }
};

struct LogSoftmaxRule {
  template <class T> static void row(Row<T> row) {
    using V = Vec<T>;
    const V most(row_max(row.x, row.first, row.n));
    const V rest = log(V(row_exp_sum(row.x, row.first, row.n, most[0])));
    row.map([&](V x, V) { return (x - most) - rest; });
  }
  template <class T> static void columns(Strip<T> strip) {
    using V = Vec<T>;
    T most[kRoom], rest[kRoom];
    strip.max_down(most);
    strip.sum_down(rest, [&](int64_t i, int lanes, V x, V, T*) __attribute__((always_inline)) {
      return exp_flushed(x - load_some(most + i, lanes));
    });
    for_vectors<T>(strip.cols, [&](int64_t i, int lanes) {
      store_some(rest + i, log(load_some(rest + i, lanes)), lanes);
    });
    strip.map([&](int64_t i, int lanes, V x, V) __attribute__((always_inline)) {
      return (x - load_some(most + i, lanes)) - load_some(rest + i, lanes);
    });
  }
};

struct SoftmaxGradRule {
  template <class T> static void row(Row<T> row) {
    using V = Vec<T>;
    const V dot(row.sum([](V y, V g) { return y * g; }));
    row.map([&](V y, V g) { return y * (g - dot); });
  }
  template <class T> static void columns(Strip<T> strip) {
    using V = Vec<T>;
    T dot[kRoom];
    strip.sum_down(dot, [](int64_t, int, V y, V g, T*) { return y * g; });
    strip.map([&](int64_t i, int lanes, V y, V g) { return y * (g - load_some(dot + i, lanes)); });
  }
};

struct LogSoftmaxGradRule {
  template <class T> static void row(Row<T> row) {
    using V = Vec<T>;
    const V total(row.sum([](V, V g) { return g; }));
    row.map([&](V y, V g) { return g - exp(y) * total; });
  }
  template <class T> static void columns(Strip<T> strip) {
    using V = Vec<T>;
    T total[kRoom];
    strip.sum_down(total, [](int64_t, int, V, V g, T*) { return g; });
    strip.map([&](int64_t i, int lanes, V y, V g) __attribute__((always_inline)) {
      return g - exp(y) * load_some(total + i, lanes);
    });
  }
};

// ---- the cut ------------------------------------------------------------------------------------

template <class Rule, class T>
void run_rows(Context& ctx, const View& x, const View& g, const View& y, int64_t outer, int64_t n) {
  const int64_t per_task = larger(1, kTaskElements / n);
  ctx.parallel_for(ceil_div(outer, per_task), [&](int64_t task) {
    LineSource<T> from_x(x), own_g(g);
    LineSource<T>& from_g = g.data == x.data ? from_x : own_g;
    LineSink<T> to(y);
    for (int64_t r = task * per_task; r < smaller(outer, (task + 1) * per_task); ++r)
      Rule::template row<T>({from_x, from_g, to, r * n, n});
  });
}

template <class Rule, class T>
void run_columns(Context& ctx, const View& x, const View& g, const View& y, int64_t outer,
                 int64_t n, int64_t inner) {
  // Columns enough for long lines, and few enough that a strip stays in the second-level cache.
  const int64_t most = smaller(kColumns, larger(64, kSlice / n / 16 * 16));
  const int64_t strip = balanced(inner, most, 16), strips = ceil_div(inner, strip);
  const int64_t units = outer * strips, per_task = larger(1, kTaskElements / (n * strip));
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    LineSource<T> from_x(x), own_g(g);
    LineSource<T>& from_g = g.data == x.data ? from_x : own_g;
    LineSink<T> to(y);
    for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
      const int64_t col = u % strips * strip, first = u / strips * n * inner + col;
      Rule::template columns<T>(
          {from_x, from_g, to, {first, inner, n}, smaller(strip, inner - col)});
    }
  });
}

template <class Rule, class T>
void run_turned(Context& ctx, const View& x, const View& g, const View& y, int64_t outer,
                int64_t n) {
  const int64_t tiles = ceil_div(outer, kTurned),
                per_task = larger(1, kTaskElements / (n * kTurned));
  ctx.parallel_for(ceil_div(tiles, per_task), [&](int64_t task) {
    LineSource<T> from_x(x), from_g(g);
    LineSink<T> to(y);
    TurnedRows<T> turned_x, turned_g, result;
    for (int64_t tile = task * per_task; tile < smaller(tiles, (task + 1) * per_task); ++tile) {
      const int64_t first = tile * kTurned, rows = smaller(kTurned, outer - first);
      turned_x.read(from_x, first, rows, n);
      if (g.data != x.data) turned_g.read(from_g, first, rows, n);
      LineSource<T> tile_x(turned_x.data);
      LineSource<T> tile_g(g.data != x.data ? turned_g.data : turned_x.data);
      LineSink<T> tile_y(result.data);
      Rule::template columns<T>({tile_x, tile_g, tile_y, {0, rows, n}, rows});
      result.write(to, first, rows, n);
    }
  });
}

template <class Rule, class T>
void run_typed(Context& ctx, const View& x, const View& g, const View& y, int64_t axis) {
  int64_t outer = 1, n = 1, inner = 1;
  const int along = static_cast<int>(axis < 0 ? axis + x.rank() : axis);
  for (int i = 0; i < x.rank(); ++i) (i < along ? outer : i == along ? n : inner) *= x.shape[i];
  if (inner > 1)
    run_columns<Rule, T>(ctx, x, g, y, outer, n, inner);
  else if (n <= kShort)
    run_turned<Rule, T>(ctx, x, g, y, outer, n);
  else
    run_rows<Rule, T>(ctx, x, g, y, outer, n);
}

template <class Op, class Rule> void run(const Op& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const View &x = in[0], &g = in[in.count - 1];
  if (x.dtype == DType::Float64)
    run_typed<Rule, double>(ctx, x, g, out[0], op.axis);
  else
    run_typed<Rule, float>(ctx, x, g, out[0], op.axis);
}

}  // namespace

Kernel kernel(Tag<Softmax>) { return make_kernel<Softmax, &run<Softmax, SoftmaxRule>>(); }
Kernel kernel(Tag<LogSoftmax>) {
  return make_kernel<LogSoftmax, &run<LogSoftmax, LogSoftmaxRule>>();
}
Kernel kernel(Tag<SoftmaxGrad>) {
  return make_kernel<SoftmaxGrad, &run<SoftmaxGrad, SoftmaxGradRule>>();
}
Kernel kernel(Tag<LogSoftmaxGrad>) {
  return make_kernel<LogSoftmaxGrad, &run<LogSoftmaxGrad, LogSoftmaxGradRule>>();
}

}  // namespace pyneuro
