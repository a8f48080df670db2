// Pooling and its gradients. A task owns rows of the result: of y forward, of dx backward, where
// each position looks at the windows that hold it. So nothing is written twice, and bits do not
// depend on the cut. Vectors run over channels.
#include <limits>

#include "kernels/kernels.h"
#include "kernels/stores_past.h"
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
  /// The windows that lie wholly within the input: from the first up to before the last's next.
  int64_t whole_begin() const { return smaller(out, ceil_div(low, stride)); }
  int64_t whole_end() const {
    return in + low < window ? 0 : smaller(out, (in + low - window) / stride + 1);
  }
  /// Positions that would be held by whole windows only, were there windows without end.
  Range held_by_whole() const {
    const int64_t begin = smaller(in, larger(0, start(whole_begin()) - stride + window));
    return {begin, larger(begin, smaller(in, start(whole_end())))};
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
template <class T, class S> void put(S* p, Vec<T> v, int lanes, bool past = false) {
  constexpr int whole = Vec<T>::kCount;
  if constexpr (std::is_same_v<S, T>)
    store_past(p, v, lanes, past);
  else
    lanes == whole ? simd::store_as(p, v) : simd::store_as(p, v, lanes);
}

/// Pixels that read alike: `count` of them, the first of which reads from `from` on and writes from
/// `at` on.
struct Run { int64_t count, from, from_step, at, at_step; };

/// f(from, at, lanes, registers) over all channels of all pixels: four registers at a time, then
/// one by one.
template <class T, class F>
[[gnu::always_inline]] inline void over_run(const Run& run, int64_t channels, F&& f) {
  constexpr int whole = Vec<T>::kCount;
  int64_t from = run.from, at = run.at;
  for (int64_t i = 0; i < run.count; ++i, from += run.from_step, at += run.at_step) {
    int64_t c = 0;
    for (; c + 4 * whole <= channels; c += 4 * whole)
      f(from + c, at + c, whole, std::integral_constant<int, 4>());
    for (; c + whole <= channels; c += whole)
      f(from + c, at + c, whole, std::integral_constant<int, 1>());
    if (c < channels)
      f(from + c, at + c, static_cast<int>(channels - c), std::integral_constant<int, 1>());
  }
}

/// What a pixel reads: offsets, the number of each place in its window, and how many places that
/// window has. Listed once, read for each register of channels; most windows are small.
struct Places {
  static constexpr int kMost = 64;
  int count = 0;
  int64_t offset[kMost];
  int32_t number[kMost], size[kMost];

  void add(int64_t at, int64_t place, int64_t places) {
    offset[count] = at;
    number[count] = static_cast<int32_t>(place);
    size[count++] = static_cast<int32_t>(places);
  }
  template <class F> [[gnu::always_inline]] void each(F&& f) const {
    for (int i = 0; i < count; ++i) f(offset[i], number[i], size[i]);
  }
};

/// The same for windows of more places: counted out each time.
template <class Walk> struct Walked {
  Walk walk;
  template <class F> [[gnu::always_inline]] void each(F&& f) const { walk(f); }
};

/// f(places) of a walk, listed where there are at most `count`.
template <class Walk, class F>
[[gnu::always_inline]] inline void with_places(int64_t count, Walk walk, F&& f) {
  if (count > Places::kMost) {
    f(Walked<Walk>{walk});
    return;
  }
  Places listed;
  walk([&](int64_t at, int64_t place, int64_t size) { listed.add(at, place, size); });
  f(listed);
}

/// f(n, i0, i1) for all rows of positions, `elements` being those of a row.
template <class F>
void over_rows(Context& ctx, int64_t batch, int64_t n0, int64_t n1, int64_t elements, F&& f) {
  const int64_t rows = batch * n0 * n1, each = larger(1, kSlice / larger(1, elements));
  ctx.parallel_for(ceil_div(rows, each), [&](int64_t task) {
    for (int64_t r = task * each; r < smaller(rows, (task + 1) * each); ++r)
      f(r / (n0 * n1), r / n1 % n0, r % n1);
    simd::end_stores_past();
  });
}

int64_t count_of(Range r) { return larger(0, r.end - r.begin); }

// ---- forward: a row of y at a time --------------------------------------------------------------

/// f(run of pixels of y, places a pixel has, places) for all of y. Windows that lie within a row
/// make one run.
template <class F> void over_results(Context& ctx, const Geometry& g, F&& f) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  const int64_t whole = c.whole_begin(), rest = larger(whole, c.whole_end());
  const auto row = [&](int64_t n, int64_t o0, int64_t o1) {
    const int64_t picture = n * a.in * b.in * c.in * g.channels;
    const int64_t first = ((n * a.out + o0) * b.out + o1) * c.out * g.channels;
    const Range ra = a.places(o0), rb = b.places(o1);
    const auto visit = [&](int64_t o2, int64_t count) {
      const Range rc = c.places(o2);
      const int64_t size = count_of(ra) * count_of(rb) * count_of(rc);
      const auto walk = [&](auto&& take) {
        for (int64_t i = ra.begin; i < ra.end; ++i)
          for (int64_t j = rb.begin; j < rb.end; ++j)
            for (int64_t k = rc.begin; k < rc.end; ++k)
              take((((a.start(o0) + i) * b.in + b.start(o1) + j) * c.in + c.start(o2) + k) *
                       g.channels,
                   (i * b.window + j) * c.window + k, size);
      };
      const Run run{count, picture, c.stride * g.channels, first + o2 * g.channels, g.channels};
      with_places(size, walk, [&](const auto& places) { f(run, size, places); });
    };
    for (int64_t o2 = 0; o2 < whole; ++o2) visit(o2, 1);
    if (whole < rest) visit(whole, rest - whole);
    for (int64_t o2 = rest; o2 < c.out; ++o2) visit(o2, 1);
  };
  over_rows(ctx, g.batch, a.out, b.out, c.out * g.channels * b.window * c.window, row);
}

template <class T, class S, class I>
void max_pool(Context& ctx, const Geometry& g, const S* x, S* y, I* index) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_results(ctx, g, [&](const Run& run, int64_t, const auto& places) {
    over_run<T>(run, g.channels, [&](int64_t from, int64_t at, int lanes, auto registers) {
      constexpr int kN = registers();
      V best[kN];
      J place[kN];
      for (int k = 0; k < kN; ++k)
        best[k] = V(-std::numeric_limits<T>::infinity()), place[k] = J(IntOf<T>{0});
      bool first = true;
      places.each([&](int64_t offset, int64_t number, int64_t) __attribute__((always_inline)) {
        const J here(static_cast<IntOf<T>>(number));
        for (int k = 0; k < kN; ++k) {
          const V v = get<T>(x + from + offset + k * V::kCount, lanes);
          // Larger, or the first NaN.
          const auto take = (v > best[k]) | ((v != v) & (best[k] == best[k]));
          best[k] = first ? v : select(take, v, best[k]);
          place[k] = first ? here : select(simd::mask_cast<IntOf<T>>(take), here, place[k]);
        }
        first = false;
      });
      for (int k = 0; k < kN; ++k) {
        put<T>(y + at + k * V::kCount, best[k], lanes);
        put<IntOf<T>>(index + at + k * V::kCount, place[k], lanes);
      }
    });
  });
}

template <class T, class S, class I>
void max_pool_take(Context& ctx, const Geometry& g, const S* x, S* y, const I* index) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_results(ctx, g, [&](const Run& run, int64_t, const auto& places) {
    over_run<T>(run, g.channels, [&](int64_t from, int64_t at, int lanes, auto registers) {
      for (int64_t c = 0; c < registers() * V::kCount; c += V::kCount) {
        V found(T{0});
        const J wanted = get<IntOf<T>>(index + at + c, lanes);
        places.each([&](int64_t offset, int64_t number, int64_t) __attribute__((always_inline)) {
          const auto here = wanted == J(static_cast<IntOf<T>>(number));
          found = select(simd::mask_cast<T>(here), get<T>(x + from + offset + c, lanes), found);
        });
        put<T>(y + at + c, found, lanes);
      }
    });
  });
}

template <class T, class S> void average_pool(Context& ctx, const Geometry& g, const S* x, S* y) {
  using V = Vec<T>;
  over_results(ctx, g, [&](const Run& run, int64_t size, const auto& places) {
    const V count(static_cast<T>(larger(1, size)));
    over_run<T>(run, g.channels, [&](int64_t from, int64_t at, int lanes, auto registers) {
      constexpr int kN = registers();
      V sum[kN];
      for (V& v : sum) v = V(T{0});
      places.each([&](int64_t offset, int64_t, int64_t) __attribute__((always_inline)) {
        for (int k = 0; k < kN; ++k) sum[k] += get<T>(x + from + offset + k * V::kCount, lanes);
      });
      for (int k = 0; k < kN; ++k) put<T>(y + at + k * V::kCount, sum[k] / count, lanes);
    });
  });
}

// ---- backward: a row of dx at a time ------------------------------------------------------------

/// f(run of pixels of dx, places) for all of dx; the places are windows of y that hold the pixel,
/// with its number in each. Pixels a stride apart whose windows all lie within the row make a run.
template <class F> void over_inputs(Context& ctx, const Geometry& g, F&& f) {
  const Dimension &a = g.dim[0], &b = g.dim[1], &c = g.dim[2];
  const Range whole = c.held_by_whole();
  const auto row = [&](int64_t n, int64_t i0, int64_t i1) {
    const int64_t picture = n * a.out * b.out * c.out * g.channels;
    const int64_t first = ((n * a.in + i0) * b.in + i1) * c.in * g.channels;
    const Range ra = a.windows(i0), rb = b.windows(i1);
    const auto visit = [&](int64_t i2, int64_t count) {
      const Range rc = c.windows(i2);
      const auto walk = [&](auto&& take) {
        for (int64_t i = ra.begin; i < ra.end; ++i)
          for (int64_t j = rb.begin; j < rb.end; ++j)
            for (int64_t k = rc.begin; k < rc.end; ++k)
              take(((i * b.out + j) * c.out + k) * g.channels,
                   ((i0 - a.start(i)) * b.window + i1 - b.start(j)) * c.window + i2 - c.start(k),
                   count_of(a.places(i)) * count_of(b.places(j)) * count_of(c.places(k)));
      };
      const Run run{count, picture, g.channels, first + i2 * g.channels, c.stride * g.channels};
      with_places(count_of(ra) * count_of(rb) * count_of(rc), walk,
                  [&](const auto& places) { f(run, places); });
    };
    for (int64_t i2 = 0; i2 < whole.begin; ++i2) visit(i2, 1);
    for (int64_t i2 = whole.begin; i2 < smaller(whole.end, whole.begin + c.stride); ++i2)
      visit(i2, ceil_div(whole.end - i2, c.stride));
    for (int64_t i2 = whole.end; i2 < c.in; ++i2) visit(i2, 1);
  };
  over_rows(ctx, g.batch, a.in, b.in, c.in * g.channels, row);
}

template <class T, class S, class I>
void max_pool_grad(Context& ctx, const Geometry& g, const S* gy, const I* index, S* dx, bool past) {
  using V = Vec<T>;
  using J = Vec<IntOf<T>>;
  over_inputs(ctx, g, [&](const Run& run, const auto& places) {
    over_run<T>(run, g.channels, [&](int64_t from, int64_t at, int lanes, auto registers) {
      constexpr int kN = registers();
      V sum[kN];
      for (V& v : sum) v = V(T{0});
      places.each([&](int64_t y, int64_t number, int64_t) __attribute__((always_inline)) {
        const J here(static_cast<IntOf<T>>(number));
        for (int k = 0; k < kN; ++k) {
          const int64_t i = from + y + k * V::kCount;
          const auto chosen = simd::mask_cast<T>(get<IntOf<T>>(index + i, lanes) == here);
          sum[k] += select(chosen, get<T>(gy + i, lanes), V(T{0}));
        }
      });
      for (int k = 0; k < kN; ++k) put<T>(dx + at + k * V::kCount, sum[k], lanes, past);
    });
  });
}

template <class T, class S>
void average_pool_grad(Context& ctx, const Geometry& g, const S* gy, S* dx, bool past) {
  using V = Vec<T>;
  over_inputs(ctx, g, [&](const Run& run, const auto& places) {
    int64_t divided = 0;  // most windows of a pixel have as many places: one division
    V share(T{0});
    over_run<T>(run, g.channels, [&](int64_t from, int64_t at, int lanes, auto registers) {
      constexpr int kN = registers();
      V sum[kN];
      for (V& v : sum) v = V(T{0});
      places.each([&](int64_t y, int64_t, int64_t size) __attribute__((always_inline)) {
        if (size != divided) divided = size, share = V(T{1} / static_cast<T>(size));
        for (int k = 0; k < kN; ++k) sum[k] += get<T>(gy + from + y + k * V::kCount, lanes) * share;
      });
      for (int k = 0; k < kN; ++k) put<T>(dx + at + k * V::kCount, sum[k], lanes, past);
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
      max_pool_grad<T>(ctx, g, in[0].as<const S>(), in[1].as<const I>(), out[0].as<S>(),
                       stores_past<T>(out[0], g.channels));
    });
  });
}

void run_average_pool_grad(const AveragePoolGrad& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const Geometry g = make_geometry(op, out[0], in[0]);
  with_floats(in[0].dtype, [&]<class T, class S>(T*, S*) {
    average_pool_grad<T>(ctx, g, in[0].as<const S>(), out[0].as<S>(),
                         stores_past<T>(out[0], g.channels));
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
