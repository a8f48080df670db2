// Lines: stretches of elements that lie side by side, as softmax and cross-entropy read and write
// them, and the sums over them. A line is read in place, or converted into a buffer where it is of
// 16 bits.
#pragma once

#include "kernels/tile.h"
#include "simd/math.h"

namespace pyneuro {

/// Elements of one line. Sums within it run in lanes, sums of lines one after the other.
inline constexpr int64_t kLine = 2048;

/// Where lines come from. T is float, or double, which is always read in place.
template <class T> class LineSource {
 public:
  explicit LineSource(const View& v)
      : data_(v.as<const char>()),
        size_(static_cast<int>(size_of(v.dtype))),
        convert_(size_of(v.dtype) == sizeof(T) ? nullptr : converter(v.dtype, DType::Float32)) {}
  explicit LineSource(const T* data) : data_(reinterpret_cast<const char*>(data)) {}
  bool in_place() const { return convert_ == nullptr; }
  /// The n elements from element `first` on; valid until the next call.
  const T* line(int64_t first, int64_t n) {
    if (convert_ == nullptr) return reinterpret_cast<const T*>(data_) + first;
    if (held_ == first && held_size_ == n) return buffer_;
    convert_(buffer_, data_ + first * size_, n);
    held_ = first;
    held_size_ = n;
    return buffer_;
  }

 private:
  const char* data_;
  int size_ = sizeof(T);
  Converter convert_ = nullptr;
  int64_t held_ = -1, held_size_ = 0;
  alignas(64) T buffer_[sizeof(T) == 4 ? kLine : 1];
};

/// Where lines go.
template <class T> class LineSink {
 public:
  explicit LineSink(const View& v)
      : data_(v.as<char>()),
        size_(static_cast<int>(size_of(v.dtype))),
        convert_(size_of(v.dtype) == sizeof(T) ? nullptr : converter(DType::Float32, v.dtype)) {}
  explicit LineSink(T* data) : data_(reinterpret_cast<char*>(data)) {}
  /// True if what `line` gave out can still be read and written after other lines.
  bool stays() const { return convert_ == nullptr; }
  T* line(int64_t first) {
    return convert_ == nullptr ? reinterpret_cast<T*>(data_) + first : buffer_;
  }
  /// Ends the line that `line` began.
  void flush(int64_t first, int64_t n) {
    if (convert_ != nullptr) convert_(data_ + first * size_, buffer_, n);
  }

 private:
  char* data_;
  int size_ = sizeof(T);
  Converter convert_ = nullptr;
  alignas(64) T buffer_[sizeof(T) == 4 ? kLine : 1];
};

template <class T> inline simd::Vec<T> load_some(const T* p, int n) {
  return n == simd::Vec<T>::kCount ? simd::load(p) : simd::load(p, n);
}
template <class T> inline void store_some(T* p, simd::Vec<T> v, int n) {
  if (n == simd::Vec<T>::kCount)
    simd::store(p, v);
  else
    simd::store(p, v, n);
}

/// f(i, lanes) for every register's width of n elements; `lanes` is a constant but for the last.
template <class T, class F> [[gnu::always_inline]] inline void for_vectors(int64_t n, F&& f) {
  constexpr int kCount = simd::Vec<T>::kCount;
  int64_t i = 0;
  for (; i + kCount <= n; i += kCount) f(i, kCount);
  if (i < n) f(i, static_cast<int>(n - i));
}

/// The sum of f(i, lanes) over n elements, on kChains sums at a time.
template <class T, int kChains, class F>
[[gnu::always_inline]] inline T sum_vectors(int64_t n, F&& f) {
  using V = simd::Vec<T>;
  V sum[kChains];
  for (V& s : sum) s = V(0);
  int64_t i = 0;
  for (; i + kChains * V::kCount <= n; i += kChains * V::kCount)
    for (int k = 0; k < kChains; ++k) sum[k] += f(i + k * V::kCount, V::kCount);
  for (; i + V::kCount <= n; i += V::kCount) sum[0] += f(i, V::kCount);
  if (i < n) {
    const int lanes = static_cast<int>(n - i);
    sum[kChains - 1] += select(simd::first_n<T>(lanes), f(i, lanes), V(0));
  }
  for (int k = kChains / 2; k > 0; k /= 2)
    for (int j = 0; j < k; ++j) sum[j] += sum[j + k];
  return hsum(sum[0]);
}

/// The largest number of a row; NaN shows in the sum of exponentials that follows.
template <class T> T row_max(LineSource<T>& x, int64_t first, int64_t n) {
  using V = simd::Vec<T>;
  V most[2] = {V(-std::numeric_limits<T>::infinity()), V(-std::numeric_limits<T>::infinity())};
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* p = x.line(first + at, m);
    int64_t i = 0;
    for (; i + 2 * V::kCount <= m; i += 2 * V::kCount) {
      most[0] = max(simd::load(p + i), most[0]);
      most[1] = max(simd::load(p + i + V::kCount), most[1]);
    }
    for (; i < m; i += V::kCount) {
      const int lanes = static_cast<int>(smaller(V::kCount, m - i));
      most[0] = max(select(simd::first_n<T>(lanes), simd::load(p + i, lanes), most[0]), most[0]);
    }
  }
  return hmax(max(most[0], most[1]));
}

/// The sum of exp(x - shift) over a row, none of it above shift.
template <class T> T row_exp_sum(LineSource<T>& x, int64_t first, int64_t n, T shift) {
  using V = simd::Vec<T>;
  T sum = 0;
  for (int64_t at = 0; at < n; at += kLine) {
    const int64_t m = smaller(kLine, n - at);
    const T* p = x.line(first + at, m);
    sum += sum_vectors<T, 1>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      return exp_flushed(load_some(p + i, lanes) - V(shift));
    });
  }
  return sum;
}

}  // namespace pyneuro
