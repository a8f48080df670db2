// Rows as softmax and cross-entropy walk them: one row side by side (Row), or many rows whose
// elements stand below each other (Strip). Short rows, a few elements each, are turned into the
// second form.
#pragma once

#include <limits>

#include "kernels/lines.h"

namespace pyneuro {

inline constexpr int64_t kShort = 32;  // rows up to this long are turned, kTurned of them at a time
inline constexpr int64_t kTurned = 64;
inline constexpr int64_t kColumns = 256;  // most columns of one pass
inline constexpr int64_t kRoom =
    kColumns + 16;  // a register more: GCC sees that stores stay inside

/// Where the columns' rows lie: element `first` and every `pitch` from there.
struct Rows { int64_t first, pitch, n; };

template <class T> struct Strip {
  LineSource<T>&x, &g;  // g is x for ops of one input
  LineSink<T>& y;
  Rows rows;
  int64_t cols;

  /// f(i, lanes, x, y) over all lines, which it may write.
  template <class F> [[gnu::always_inline]] void map(F&& f) {
    for (int64_t r = 0; r < rows.n; ++r) {
      const int64_t at = rows.first + r * rows.pitch;
      const T *px = x.line(at, cols), *pg = g.line(at, cols);
      T* py = y.line(at);
      for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        store_some(py + i, f(i, lanes, load_some(px + i, lanes), load_some(pg + i, lanes)), lanes);
      });
      y.flush(at, cols);
    }
  }
  /// sum[i] = f(i, lanes, x, g, y) over the lines of a column, 32 of them at a time; f may write y.
  template <class F> [[gnu::always_inline]] void sum_down(T* sum, F&& f) {
    T partial[kRoom];
    for (int64_t c = 0; c < cols; ++c) sum[c] = 0;
    for (int64_t begin = 0; begin < rows.n; begin += 32) {
      for (int64_t c = 0; c < cols; ++c) partial[c] = 0;
      for (int64_t r = begin; r < smaller(rows.n, begin + 32); ++r) {
        const int64_t at = rows.first + r * rows.pitch;
        const T *px = x.line(at, cols), *pg = g.line(at, cols);
        T* py = y.line(at);
        for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
          const auto term = f(i, lanes, load_some(px + i, lanes), load_some(pg + i, lanes), py + i);
          store_some(partial + i, load_some(partial + i, lanes) + term, lanes);
        });
      }
      for (int64_t c = 0; c < cols; ++c) sum[c] += partial[c];
    }
  }
  void max_down(T* most) {
    for (int64_t c = 0; c < cols; ++c) most[c] = -std::numeric_limits<T>::infinity();
    for (int64_t r = 0; r < rows.n; ++r) {
      const T* p = x.line(rows.first + r * rows.pitch, cols);
      for_vectors<T>(cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        store_some(most + i, maximum(load_some(most + i, lanes), load_some(p + i, lanes)), lanes);
      });
    }
  }
};

/// One row, side by side.
template <class T> struct Row {
  LineSource<T>&x, &g;
  LineSink<T>& y;
  int64_t first, n;

  template <class F> [[gnu::always_inline]] void map(F&& f) {
    for (int64_t at = 0; at < n; at += kLine) {
      const int64_t m = smaller(kLine, n - at);
      const T *px = x.line(first + at, m), *pg = g.line(first + at, m);
      T* py = y.line(first + at);
      for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        store_some(py + i, f(load_some(px + i, lanes), load_some(pg + i, lanes)), lanes);
      });
      y.flush(first + at, m);
    }
  }
  template <class F> [[gnu::always_inline]] T sum(F&& f) {
    T total = 0;
    for (int64_t at = 0; at < n; at += kLine) {
      const int64_t m = smaller(kLine, n - at);
      const T *px = x.line(first + at, m), *pg = g.line(first + at, m);
      total += sum_vectors<T, 4>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        return f(load_some(px + i, lanes), load_some(pg + i, lanes));
      });
    }
    return total;
  }
};

/// exp(x - shift) of a row, none of it above shift, into y, which must hold all of it (`holds`);
/// gives the sum.
template <class T>
T store_exp(LineSource<T>& x, LineSink<T>& y, int64_t first, int64_t n, T shift) {
  using V = simd::Vec<T>;
  T sum = 0;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* px = x.line(first + at, m);
    T* py = y.line(first) + at;
    sum += sum_vectors<T, 1>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V e = exp_flushed(load_some(px + i, lanes) - V(shift));
      store_some(py + i, e, lanes);
      return e;
    });
  }
  return sum;
}
template <class T> bool holds(const LineSink<T>& y, int64_t n) { return y.stays() || n <= kLine; }

/// Up to kTurned rows of n <= kShort elements, as n rows of that many columns.
template <class T> struct TurnedRows {
  static_assert(kTurned * kShort <= kLine);
  alignas(64) T data[kTurned * kShort];

  void read(LineSource<T>& from, int64_t first_row, int64_t rows, int64_t n) {
    const T* p = from.line(first_row * n, rows * n);
    copy_block(sizeof(T), {data, rows, 1}, {const_cast<T*>(p), 1, n}, n, rows);
  }
  void write(LineSink<T>& to, int64_t first_row, int64_t rows, int64_t n) {
    copy_block(sizeof(T), {to.line(first_row * n), n, 1}, {data, 1, rows}, rows, n);
    to.flush(first_row * n, rows * n);
  }
};

}  // namespace pyneuro
