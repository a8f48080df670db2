// Pooling and its gradients. A task owns rows of the result: of y forward, of dx backward, where
// each position looks at the windows that hold it. So nothing is written twice, and bits do not
// depend on the cut. Vectors run over channels.
#include <limits>

#include "kernels/kernels.h"
#include "kernels/tile.h"
#include "simd/half.h"

namespace pyneuro {
namespace {

using simd::IntOf;
using simd::Vec;

struct Range { int64_t begin, end; };

/// One dimension: windows of `window` places, `stride` apart, the first begins `low` before 0.
struct Dimension {
  int64_t in, out, window, stride, low;

  int64_t start(int64_t o) const { return o * stride - low; }
  /// The places of window `o` that lie in the input.
  Range places(int64_t o) const { return {larger(0, -start(o)), smaller(window, in - start(o))}; }
  /// The windows that hold position `i`.
  Range windows(int64_t i) const {
    const int64_t first = i + low - window + 1;
    return {first <= 0 ? 0 : ceil_div(first, stride), smaller(out, (i + low) / stride + 1)};
  }
};

struct Geometry {
  int64_t batch, channels;
  Dimension dim[3];  // missing dimensions have one position and come first
};

template <class Op> Geometry make_geometry(const Op& op, const View& x, const View& y) {
  Geometry g{x.shape[0], x.shape.back(), {}};
  const int spatial = x.rank() - 2;
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - spatial);
    g.dim[d] = i < 0 ? Dimension{1, 1, 1, 1, 0}
                     : Dimension{x.shape[i + 1], y.shape[i + 1], op.window[i], op.strides[i],
                                 op.padding[2 * i]};
  }
  return g;
}

/// S in memory, T in registers.
template <class T, class S> Vec<T> get(const S* p, int lanes) {
  constexpr int whole = Vec<T>::kCount;
  if constexpr (std::is_same_v<S, T>)
    return lanes == whole ? simd::load(p) : simd::load(p, lanes);
  else
    return lanes == whole ? simd::load_as<T>(p) : simd::load_as<T>(p, lanes);
}
template <class T, class S> void put(S* p, Vec<T> v, int lanes) {
  constexpr int whole = Vec<T>::kCount;
  if constexpr (std::is_same_v<S, T>)
    lanes == whole ? simd::store(p, v) : simd::store(p, v, lanes);
  else
    lanes == whole ? simd::store_as(p, v) : simd::store_as(p, v, lanes);
}

/// f(channel, lanes) over all channels.
template <class T, class F> [[gnu::always_inline]] inline void over_channels(int64_t n, F&& f) {
  constexpr int whole = Vec<T>::kCount;
  int64_t c = 0;
  for (; c + whole <= n; c += whole) f(c, whole);
  if (c < n) f(c, static_cast<int>(n - c));
}

/// f(n, i0, i1) for all rows of positions, `elements` being those of a row.
template <class F>
void over_rows(Context& ctx, int64_t batch, int64_t n0, int64_t n1, int64_t elements, F&& f) {
  const int64_t rows = batch * n0 * n1, each = larger(1, kSlice / larger(1, elements));
  ctx.parallel_for(ceil_div(rows, each), [&](int64_t task) {
    for (int64_t r = task * each; r < smaller(rows, (task + 1) * each); ++r)
      f(r / (n0 * n1), r / n1 % n0, r % n1);
  });
}

/// f(offset of the place's pixel in x, its number in the window) for the places of a window.
template <class F>
[[gnu::always_inline]] inline void over_places(const Geometry& g, int64_t o0, int64_t o1,
                                               int64_t o2, F&& f) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  const Range ra = a.places(o0), rb = b.places(o1), rc = c.places(o2);
  for (int64_t i = ra.begin; i < ra.end; ++i)
    for (int64_t j = rb.begin; j < rb.end; ++j)
      for (int64_t k = rc.begin; k < rc.end; ++k)
        f((((a.start(o0) + i) * b.in + b.start(o1) + j) * c.in + c.start(o2) + k) * g.channels,
          (i * b.window + j) * c.window + k);
}

/// f(offset of y's pixel, number of the place in that window) for the windows that hold a position.
template <class F>
[[gnu::always_inline]] inline void over_windows(const Geometry& g, int64_t i0, int64_t i1,
                                                int64_t i2, F&& f) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  const Range ra = a.windows(i0), rb = b.windows(i1), rc = c.windows(i2);
  for (int64_t i = ra.begin; i < ra.end; ++i)
    for (int64_t j = rb.begin; j < rb.end; ++j)
      for (int64_t k = rc.begin; k < rc.end; ++k)
        f(((i * b.out + j) * c.out + k) * g.channels,
          ((i0 - a.start(i)) * b.window + i1 - b.start(j)) * c.window + i2 - c.start(k), i, j, k);
}

int64_t places_in(const Geometry& g, int64_t o0, int64_t o1, int64_t o2) {
  const auto size = [](Range r) { return larger(0, r.end - r.begin); };
  return size(g.dim[0].places(o0)) * size(g.dim[1].places(o1)) * size(g.dim[2].places(o2));
}

// ---- forward: a row of y at a time --------------------------------------------------------------

/// row(picture of x, offset in y, o0, o1, o2) for all pixels of y.
template <class F> void over_results(Context& ctx, const Geometry& g, F&& pixel) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  over_rows(ctx, g.batch, a.out, b.out, c.out * g.channels * b.window * c.window,
            [&](int64_t n, int64_t o0, int64_t o1) {
              const int64_t picture = n * a.in * b.in * c.in * g.channels;
              int64_t at = ((n * a.out + o0) * b.out + o1) * c.out * g.channels;
              for (int64_t o2 = 0; o2 < c.out; ++o2, at += g.channels)
                pixel(picture, at, o0, o1, o2);
            });
}

template <class T, class S, class I>
void max_pool(Context& ctx, const Geometry& g, const S* x, S* y, I* index) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_results(ctx, g, [&](int64_t picture, int64_t at, int64_t o0, int64_t o1, int64_t o2) {
    over_channels<T>(g.channels, [&](int64_t ch, int lanes) __attribute__((always_inline)) {
      V best(-std::numeric_limits<T>::infinity());
      J place(IntOf<T>{-1});
      over_places(g, o0, o1, o2, [&](int64_t offset, int64_t number) {
        const V v = get<T>(x + picture + offset + ch, lanes);
        // Larger, or the first NaN, or the first place of all.
        const auto take =
            (v > best) | ((v != v) & (best == best)) | simd::mask_cast<T>(place < J(IntOf<T>{0}));
        best = select(take, v, best);
        place = select(simd::mask_cast<IntOf<T>>(take), J(static_cast<IntOf<T>>(number)), place);
      });
      put<T>(y + at + ch, best, lanes);
      put<IntOf<T>>(index + at + ch, max(place, J(IntOf<T>{0})), lanes);
    });
  });
}

template <class T, class S, class I>
void max_pool_take(Context& ctx, const Geometry& g, const S* x, S* y, const I* index) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_results(ctx, g, [&](int64_t picture, int64_t at, int64_t o0, int64_t o1, int64_t o2) {
    over_channels<T>(g.channels, [&](int64_t ch, int lanes) __attribute__((always_inline)) {
      V found(T{0});
      const J wanted = get<IntOf<T>>(index + at + ch, lanes);
      over_places(g, o0, o1, o2, [&](int64_t offset, int64_t number) {
        const auto here = wanted == J(static_cast<IntOf<T>>(number));
        found = select(simd::mask_cast<T>(here), get<T>(x + picture + offset + ch, lanes), found);
      });
      put<T>(y + at + ch, found, lanes);
    });
  });
}

template <class T, class S> void average_pool(Context& ctx, const Geometry& g, const S* x, S* y) {
  using V = Vec<T>;
  over_results(ctx, g, [&](int64_t picture, int64_t at, int64_t o0, int64_t o1, int64_t o2) {
    const V places(static_cast<T>(larger(1, places_in(g, o0, o1, o2))));
    over_channels<T>(g.channels, [&](int64_t ch, int lanes) __attribute__((always_inline)) {
      V sum(T{0});
      over_places(g, o0, o1, o2, [&](int64_t offset, int64_t) {
        sum = sum + get<T>(x + picture + offset + ch, lanes);
      });
      put<T>(y + at + ch, sum / places, lanes);
    });
  });
}

// ---- backward: a row of dx at a time ------------------------------------------------------------

/// pixel(picture of g, offset in dx, i0, i1, i2) for all pixels of dx.
template <class F> void over_inputs(Context& ctx, const Geometry& g, F&& pixel) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  over_rows(ctx, g.batch, a.in, b.in, c.in * g.channels, [&](int64_t n, int64_t i0, int64_t i1) {
    const int64_t picture = n * a.out * b.out * c.out * g.channels;
    int64_t at = ((n * a.in + i0) * b.in + i1) * c.in * g.channels;
    for (int64_t i2 = 0; i2 < c.in; ++i2, at += g.channels) pixel(picture, at, i0, i1, i2);
  });
}

template <class T, class S, class I>
void max_pool_grad(Context& ctx, const Geometry& g, const S* gy, const I* index, S* dx) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_inputs(ctx, g, [&](int64_t picture, int64_t at, int64_t i0, int64_t i1, int64_t i2) {
    over_channels<T>(g.channels, [&](int64_t ch, int lanes) __attribute__((always_inline)) {
      V sum(T{0});
      over_windows(g, i0, i1, i2, [&](int64_t y, int64_t number, int64_t, int64_t, int64_t) {
        const J chosen = get<IntOf<T>>(index + picture + y + ch, lanes);
        const auto here = simd::mask_cast<T>(chosen == J(static_cast<IntOf<T>>(number)));
        sum = sum + select(here, get<T>(gy + picture + y + ch, lanes), V(T{0}));
      });
      put<T>(dx + at + ch, sum, lanes);
    });
  });
}

template <class T, class S>
void average_pool_grad(Context& ctx, const Geometry& g, const S* gy, S* dx) {
  using V = Vec<T>;
  over_inputs(ctx, g, [&](int64_t picture, int64_t at, int64_t i0, int64_t i1, int64_t i2) {
    over_channels<T>(g.channels, [&](int64_t ch, int lanes) __attribute__((always_inline)) {
      V sum(T{0});
      over_windows(g, i0, i1, i2, [&](int64_t y, int64_t, int64_t o0, int64_t o1, int64_t o2) {
        sum = sum +
              get<T>(gy + picture + y + ch, lanes) / V(static_cast<T>(places_in(g, o0, o1, o2)));
      });
      put<T>(dx + at + ch, sum, lanes);
    });
  });
}

// ---- dtypes -------------------------------------------------------------------------------------

/// f(T of registers, S of memory) by the dtype, as null pointers.
template <class F> void with_floats(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float64: return f(static_cast<double*>(nullptr), static_cast<double*>(nullptr));
    case DType::Float16: return f(static_cast<float*>(nullptr), static_cast<Float16*>(nullptr));
    case DType::BFloat16: return f(static_cast<float*>(nullptr), static_cast<BFloat16*>(nullptr));
    default: return f(static_cast<float*>(nullptr), static_cast<float*>(nullptr));
  }
}
template <class F> void with_index(DType dtype, F&& f) {
  if (dtype == DType::UInt8)
    f(static_cast<uint8_t*>(nullptr));
  else
    f(static_cast<int32_t*>(nullptr));
}

void run_max_pool(const MaxPool& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, in[0], out[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    with_index(out[1].dtype, [&]<class I>(I*) {
      max_pool<T>(ctx, g, in[0].as<const S>(), out[0].as<S>(), out[1].as<I>());
    });
  });
}

void run_max_pool_take(const MaxPoolTake& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, in[0], out[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    with_index(in[1].dtype, [&]<class I>(I*) {
      max_pool_take<T>(ctx, g, in[0].as<const S>(), out[0].as<S>(), in[1].as<const I>());
    });
  });
}

void run_average_pool(const AveragePool& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, in[0], out[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    average_pool<T>(ctx, g, in[0].as<const S>(), out[0].as<S>());
  });
}

void run_max_pool_grad(const MaxPoolGrad& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, out[0], in[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    with_index(in[1].dtype, [&]<class I>(I*) {
      max_pool_grad<T>(ctx, g, in[0].as<const S>(), in[1].as<const I>(), out[0].as<S>());
    });
  });
}

void run_average_pool_grad(const AveragePoolGrad& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, out[0], in[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    average_pool_grad<T>(ctx, g, in[0].as<const S>(), out[0].as<S>());
  });
}

}  // namespace

Kernel kernel(Tag<MaxPool>) { return make_kernel<MaxPool, run_max_pool>(); }
Kernel kernel(Tag<MaxPoolGrad>) { return make_kernel<MaxPoolGrad, run_max_pool_grad>(); }
Kernel kernel(Tag<MaxPoolTake>) { return make_kernel<MaxPoolTake, run_max_pool_take>(); }
Kernel kernel(Tag<AveragePool>) { return make_kernel<AveragePool, run_average_pool>(); }
Kernel kernel(Tag<AveragePoolGrad>) {
  return make_kernel<AveragePoolGrad, run_average_pool_grad>();
}

}  // namespace pyneuro
