// What the kernels of recurrent layers share: the recurrent kernel in panels that every step
// multiplies by, the cut in tasks, and rows in the dtype that they are stored in. No cell is here.
//
// Samples do not meet, so a task runs all steps for some of them. Few samples of a large layer are
// cut by units instead, and the tasks meet after every step. Shapes alone decide.
#pragma once

#include "kernels/gemm_micro.h"
#include "kernels/gemm_pack.h"
#include "kernels/lines.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

inline constexpr int64_t kMostSamples = 16;  // to a task
inline constexpr int64_t kFewSamples = 8;    // fewer read the recurrent kernel too often
inline constexpr int64_t kEnoughTasks = 4;
inline constexpr int64_t kStepWork = 1 << 21;  // multiply-adds of a step worth several tasks
inline constexpr int64_t kBlockOfK = 512;      // a block of a panel about fills a first-level cache

/// The distance of rows of n elements in scratch: not a power of two, where rows share cache sets.
constexpr int64_t padded_row(int64_t n) { return ceil_div(n, 16) * 16 + 16; }

/// Units that are computed together, the columns of a register tile: two vectors, or more where
/// there are fewer samples than rows of a tile.
template <class T> constexpr int64_t unit_width(int64_t batch, int64_t units) {
  int64_t vectors = max_vectors(static_cast<int>(smaller(larger(batch, 1), kMaxRows)));
  while (vectors > 2 && vectors / 2 * Vec<T>::kCount >= units) vectors /= 2;
  return vectors * Vec<T>::kCount;
}
/// Elements of a product: samples of a task times units that are computed together.
template <class T> inline constexpr int64_t kProduct = kMostSamples * 2 * Vec<T>::kCount;

/// A matrix B [k, n], copied to panels of `width` columns, the last one padded with zeros.
template <class T> struct Panels {
  int64_t k, n, width;
  T* data;
  MicroTile<T> blank{};  // cleared once: doing it for each tile takes as long as a small one

  int64_t count() const { return ceil_div(n, width); }
  int64_t elements() const { return k * count() * width; }

  /// From a matrix whose rows lie `row` elements apart; `transposed`: that matrix is B^T.
  template <class S> void pack(Context& ctx, const S* from, int64_t row, bool transposed) const {
    constexpr int64_t lanes = Vec<T>::kCount;
    ctx.parallel_for(count(), [&](int64_t task) {
      const int64_t j = task * width, cols = smaller(width, n - j);
      T* to = data + j * k;
      if (!transposed) return pack_rows(to, width, from + j, row, k, cols, width);
      for (int64_t c = ceil_div(cols, lanes) * lanes; c < width; c += lanes)
        for (int64_t i = 0; i < k; ++i) simd::store(to + i * width + c, Vec<T>(T(0)));
      pack_transposed(to, width, from + j * row, row, k, cols);
    });
  }

  /// c[rows, width] = a[rows, k] times panel j; c's rows lie side by side.
  void multiply(int64_t j, const T* a, int64_t a_row, int64_t rows, T* c) const {
    const int64_t strips = ceil_div(rows, kMaxRows);
    MicroTile<T> tile = blank;
    tile.a_row = a_row, tile.a_k = 1;
    tile.b_k = tile.c_row = width;
    tile.cols = static_cast<int>(width);
    for (int64_t at = 0; at < k; at += kBlockOfK) {
      tile.k = smaller(kBlockOfK, k - at);
      tile.b = data + (j * k + at) * width;
      tile.add = at > 0;
      for (int64_t i = 0, first = 0; i < strips; ++i) {
        const int64_t next = rows * (i + 1) / strips;
        tile.a = a + first * a_row + at;
        tile.c = c + first * width;
        micro_kernel<T>(static_cast<int>(next - first), tile.cols / Vec<T>::kCount)(tile);
        first = next;
      }
    }
  }
};

/// Part of a step: samples [n0, n1), panels [j0, j1) of units.
struct Part { int64_t n0, n1, j0, j1; };

/// Calls step(s, part) for s in [0, steps), in order for every sample.
template <class T, class F>
void run_steps(Context& ctx, int64_t batch, int64_t units, int64_t gates, int64_t steps, F step) {
  const int64_t panels = ceil_div(units, unit_width<T>(batch, units));
  const int64_t each = smaller(kMostSamples, larger(kFewSamples, ceil_div(batch, kEnoughTasks)));
  const int64_t samples = balanced(batch, each, 1), row_tasks = ceil_div(batch, samples);
  const auto rows = [&](int64_t task) {
    return Part{task * samples, smaller(batch, (task + 1) * samples), 0, panels};
  };
  if (row_tasks >= kEnoughTasks || batch * units * units * gates < kStepWork) {
    ctx.parallel_for(row_tasks, [&](int64_t task) {
      for (int64_t s = 0; s < steps; ++s) step(s, rows(task));
    });
    return;
  }
  const int64_t wide = ceil_div(panels, 4 * kEnoughTasks), col_tasks = ceil_div(panels, wide);
  for (int64_t s = 0; s < steps; ++s)
    ctx.parallel_for(row_tasks * col_tasks, [&](int64_t task) {
      Part part = rows(task / col_tasks);
      part.j0 = task % col_tasks * wide;
      part.j1 = smaller(panels, part.j0 + wide);
      step(s, part);
    });
}

/// Sizes and order of a sequence, and its mask.
struct Sequence {
  int64_t batch, steps, units;
  bool reverse;
  const bool* mask;  // [N, T] or null

  /// The place in x of the step that runs as number s.
  int64_t time(int64_t s) const { return reverse ? steps - 1 - s : s; }
  bool masked(int64_t n, int64_t s) const { return mask != nullptr && !mask[n * steps + time(s)]; }
};

/// Storage S as registers of T; n lanes.
template <class T, class S> [[gnu::always_inline]] inline Vec<T> get(const S* p, int n) {
  return n == Vec<T>::kCount ? load_compute<T>(p) : load_compute<T>(p, n);
}
template <class T, class S> [[gnu::always_inline]] inline void put(S* p, Vec<T> v, int n) {
  if constexpr (std::is_same_v<S, T>)
    store_some(p, v, n);
  else if (n == Vec<T>::kCount)
    simd::store_as(p, v);
  else
    simd::store_as(p, v, n);
}

/// Brings to the caches what the gates of a panel read of one sample and step: `count` pieces of
/// `width` elements, `apart` from each other. No hardware foresees them, and a product hides the
/// wait.
template <class S>
[[gnu::always_inline]] inline void fetch(const S* p, int count, int64_t apart, int64_t width) {
  constexpr int64_t line = 64 / sizeof(S);
  for (int i = 0; i < count; ++i)
    for (int64_t k = 0; k < width; k += line) __builtin_prefetch(p + i * apart + k);
}

/// n elements from one type to another.
template <class T, class S> void widen(T* to, const S* from, int64_t n) {
  for_vectors<T>(n,
                 [&](int64_t i, int lanes) { store_some(to + i, get<T>(from + i, lanes), lanes); });
}
template <class T, class S> void narrow(S* to, const T* from, int64_t n) {
  for_vectors<T>(n,
                 [&](int64_t i, int lanes) { put<T>(to + i, load_some(from + i, lanes), lanes); });
}

/// Calls f with T and S, what an array of `dtype` computes and is stored in, as null pointers.
template <class F> void with_floats(DType dtype, F f) {
  if (dtype == DType::Float64)
    return f(static_cast<double*>(nullptr), static_cast<double*>(nullptr));
  with_storage<float>(dtype, [&](auto storage) {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(storage)>>;
    f(static_cast<float*>(nullptr), static_cast<S*>(nullptr));
  });
}

/// A step forward of the part: the gates' products with h, `from`, panel by panel, and for each
/// sample sample(n, u, count, sums), which does `count` units from u on; sums[g] points to gate g's
/// product.
template <int kGates, class T, class S, class F>
void forward_step(const Sequence& q, int64_t s, const Part& part, const Panels<T> (&panels)[kGates],
                  const T* from, int64_t row, const S* x, F sample) {
  const int64_t width = panels[0].width;
  alignas(64) T product[kGates][kProduct<T>];
  for (int64_t j = part.j0; j < part.j1; ++j) {
    const int64_t u = j * width;
    for (int64_t n = part.n0; n < part.n1; ++n)
      fetch(x + (n * q.steps + q.time(s)) * kGates * q.units + u, kGates, q.units, width);
    for (int g = 0; g < kGates; ++g)
      panels[g].multiply(j, from + part.n0 * row, row, part.n1 - part.n0, product[g]);
    for (int64_t n = part.n0; n < part.n1; ++n) {
      const T* sums[kGates];
      for (int g = 0; g < kGates; ++g) sums[g] = product[g] + (n - part.n0) * width;
      sample(n, u, smaller(width, q.units - u), sums);
    }
  }
}

/// y (1 - y), from a sigmoid's result.
template <class V> [[gnu::always_inline]] inline V sigmoid_slope(V y) { return y * (V(1) - y); }

/// Hands out parts of scratch, one after the other; without memory it only counts.
struct Scratch {
  char* at;
  size_t used = 0;
  template <class T> T* take(int64_t n) {
    T* part = at == nullptr ? nullptr : reinterpret_cast<T*>(at + used);
    used += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
    return part;
  }
};

/// The ops' entries. Pass<T, S>(op, in, out, scratch) is a cell one way: start, step(s, part) for
/// s in [0, rounds), end. Output 1 is [N, U].
template <template <class, class> class Pass, class Op>
size_t pass_scratch(const Op& op, In in, Out out) noexcept {
  Scratch scratch{nullptr};
  with_floats(out[0].dtype, [&]<class T, class S>(T*, S*) { Pass<T, S>(op, in, out, scratch); });
  return scratch.used;
}
template <template <class, class> class Pass, class Op>
void run_pass(const Op& op, Context& ctx, In in, Out out) noexcept {
  if (out[1].size() == 0) return;
  Scratch scratch{static_cast<char*>(ctx.scratch())};
  with_floats(out[0].dtype, [&]<class T, class S>(T*, S*) {
    const Pass<T, S> pass(op, in, out, scratch);
    pass.start(ctx);
    run_steps<T>(ctx, pass.q.batch, pass.q.units, Pass<T, S>::kGates, pass.rounds(),
                 [&](int64_t s, const Part& part) { pass.step(s, part); });
    pass.end();
  });
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
