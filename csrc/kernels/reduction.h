// The arithmetic of the reductions, and the two loops that each needs: along a run of neighbours,
// and down the columns of a block. Everything about shapes, strides and threads is in reduce.cpp.
#pragma once

#include <limits>

#include "ops/reduce.h"
#include "simd/vec.h"

namespace pyneuro {

/// How lanes combine. `lift` turns an element into what is combined, `across` combines lanes.
template <class R, class T> struct Reduction;

template <class T> struct Reduction<reductions::Sum, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = 0;
  static V lift(V x) { return x; }
  static V combine(V a, V b) { return a + b; }
  static T across(V v) { return hsum(v); }
};
template <class T> struct Reduction<reductions::Prod, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = 1;
  static V lift(V x) { return x; }
  static V combine(V a, V b) { return a * b; }
  static T across(V v) {
    for (int half = V::kCount / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) v.set(i, (V(v[i]) * V(v[i + half]))[0]);
    return v[0];
  }
};
template <class T> struct Reduction<reductions::Max, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = std::numeric_limits<T>::has_infinity
                                    ? -std::numeric_limits<T>::infinity()
                                    : std::numeric_limits<T>::lowest();
  static V lift(V x) { return x; }
  static V combine(V a, V b) { return maximum(a, b); }
  static T across(V v) { return hmax(v); }
};
template <class T> struct Reduction<reductions::Min, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = std::numeric_limits<T>::has_infinity
                                    ? std::numeric_limits<T>::infinity()
                                    : std::numeric_limits<T>::max();
  static V lift(V x) { return x; }
  static V combine(V a, V b) { return minimum(a, b); }
  static T across(V v) { return hmin(v); }
};
template <class T> struct Reduction<reductions::Any, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = 0;
  static V lift(V x) { return select(x != V(0), V(1), V(0)); }
  static V combine(V a, V b) { return max(a, b); }
  static T across(V v) { return hmax(v); }
};
template <class T> struct Reduction<reductions::All, T> : Reduction<reductions::Any, T> {
  using V = simd::Vec<T>;
  static constexpr T identity = 1;
  static V combine(V a, V b) { return min(a, b); }
  static T across(V v) { return hmin(v); }
};

/// Most elements that `leaf` takes at once, and most rows that `block` does: beyond them, results
/// are combined pairwise, so that rounding errors grow with the logarithm of the count.
inline constexpr int64_t kLeaf = 4096;
inline constexpr int64_t kLeafRows = 128;
inline constexpr int64_t kGroupRows = 8;  // rows that `block` combines before they meet the rest

/// The loops of a reduction in the lanes of T.
template <class R, class T> struct ReductionLoops {
  using A = Reduction<R, T>;
  using V = simd::Vec<T>;
  static constexpr int kCount = V::kCount;

  static V load_some(const T* x, int n) {
    return select(simd::first_n<T>(n), A::lift(simd::load(x, n)), V(A::identity));
  }

  /// *result = all of x[0, n), n > 0.
  static void leaf(void* result, const void* from, int64_t n) noexcept {
    const T* x = static_cast<const T*>(from);
    constexpr int64_t kAhead = 2048 / sizeof(T);       // the hardware stops at each page's end
    constexpr int kLinesApart = 64 / simd::kVecBytes;  // vectors in a cache line
    V sum[kGroupRows];
    for (V& s : sum) s = V(A::identity);
    int64_t i = 0;
    for (; i + kGroupRows * kCount <= n; i += kGroupRows * kCount) {
      for (int k = 0; k < kGroupRows; k += kLinesApart)
        __builtin_prefetch(x + i + kAhead + k * kCount);
      for (int k = 0; k < kGroupRows; ++k)
        sum[k] = A::combine(sum[k], A::lift(simd::load(x + i + k * kCount)));
    }
    for (; i + kCount <= n; i += kCount) sum[0] = A::combine(sum[0], A::lift(simd::load(x + i)));
    if (i < n) sum[1] = A::combine(sum[1], load_some(x + i, static_cast<int>(n - i)));
    *static_cast<T*>(result) = A::across(tree(sum));
  }

  static V tree(const V (&v)[kGroupRows]) {
    return A::combine(A::combine(A::combine(v[0], v[1]), A::combine(v[2], v[3])),
                      A::combine(A::combine(v[4], v[5]), A::combine(v[6], v[7])));
  }
  /// One register's width of up to kGroupRows rows.
  static V group(const T* x, int64_t pitch) {
    V v[kGroupRows];
    for (int r = 0; r < kGroupRows; ++r) v[r] = A::lift(simd::load(x + r * pitch));
    return tree(v);
  }
  static V group(const T* x, int64_t pitch, int rows) {
    V v[kGroupRows];
    for (int r = 0; r < kGroupRows; ++r)
      v[r] = r < rows ? A::lift(simd::load(x + r * pitch)) : V(A::identity);
    return tree(v);
  }
  static V group(const T* x, int64_t pitch, int rows, int lanes) {
    V v[kGroupRows];
    for (int r = 0; r < kGroupRows; ++r)
      v[r] = r < rows ? A::lift(simd::load(x + r * pitch, lanes)) : V(A::identity);
    return tree(v);
  }

  /// result[c] = all of column c of rows x width elements, rows > 0.
  static void block(void* result, const void* from, int64_t pitch, int64_t rows,
                    int64_t width) noexcept {
    T* sum = static_cast<T*>(result);
    const T* x = static_cast<const T*>(from);
    for (int64_t r = 0; r < rows; r += kGroupRows, x += kGroupRows * pitch) {
      const int left = rows - r < kGroupRows ? static_cast<int>(rows - r) : kGroupRows;
      int64_t i = 0;
      for (; i + kCount <= width; i += kCount) {
        const V v = left == kGroupRows ? group(x + i, pitch) : group(x + i, pitch, left);
        store(sum + i, r == 0 ? v : A::combine(simd::load(sum + i), v));
      }
      if (i == width) continue;
      const int lanes = static_cast<int>(width - i);
      const V v = group(x + i, pitch, left, lanes);
      store(sum + i, r == 0 ? v : A::combine(simd::load(sum + i, lanes), v), lanes);
    }
  }

  /// sum[i] = sum[i] and x[i], both already lifted.
  static void combine(void* into, const void* from, int64_t n) noexcept {
    T* sum = static_cast<T*>(into);
    const T* x = static_cast<const T*>(from);
    int64_t i = 0;
    for (; i + kCount <= n; i += kCount)
      store(sum + i, A::combine(simd::load(sum + i), simd::load(x + i)));
    if (i == n) return;
    const int lanes = static_cast<int>(n - i);
    store(sum + i, A::combine(simd::load(sum + i, lanes), simd::load(x + i, lanes)), lanes);
  }

  static void fill_identity(void* to, int64_t n) noexcept {
    for (int64_t i = 0; i < n; ++i) static_cast<T*>(to)[i] = A::identity;
  }
};

}  // namespace pyneuro
