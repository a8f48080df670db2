// Shape, Strides, Axes: short lists of int64 that own no heap memory, and the arithmetic on them.
// Strides count elements, not bytes. Every product of sizes is checked against overflow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <type_traits>

#include "core/error.h"

namespace pyneuro {

inline constexpr int kMaxRank = 8;

/// Up to kMaxRank int64 values; the one list type of shapes, strides and axes.
class Dims {
 public:
  constexpr Dims() {
    if (std::is_constant_evaluated())  // a constant must be set throughout
      for (int64_t& v : values_) v = 0;
  }
  constexpr Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  static constexpr Dims filled(int rank, int64_t value) {
    Dims d;
    for (int i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  constexpr int size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr int64_t operator[](int i) const { return values_[i]; }
  constexpr int64_t& operator[](int i) { return values_[i]; }
  constexpr int64_t back() const { return values_[size_ - 1]; }
  constexpr const int64_t* begin() const { return values_.data(); }
  constexpr const int64_t* end() const { return values_.data() + size_; }
  constexpr const int64_t* data() const { return values_.data(); }
  constexpr void pop_back() { --size_; }
  constexpr void clear() { size_ = 0; }

  constexpr void push_back(int64_t v) {
    if (size_ == kMaxRank) raise(ErrorKind::Shape, join("at most ", kMaxRank, " dimensions"));
    values_[size_++] = v;
  }
  constexpr void insert(int at, int64_t v) {
    push_back(v);
    for (int i = size_ - 1; i > at; --i) values_[i] = values_[i - 1];
    values_[at] = v;
  }
  constexpr void erase(int at) {
    for (int i = at; i + 1 < size_; ++i) values_[i] = values_[i + 1];
    --size_;
  }
  constexpr bool contains(int64_t v) const {
    for (int64_t x : *this)
      if (x == v) return true;
    return false;
  }

  friend constexpr bool operator==(const Dims& a, const Dims& b) {
    if (a.size_ != b.size_) return false;
    for (int i = 0; i < a.size_; ++i)
      if (a.values_[i] != b.values_[i]) return false;
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> values_;  // beyond size_ never read, so never set
  int32_t size_ = 0;
};

using Shape = Dims;
using Strides = Dims;
using Axes = Dims;

/// Prints as Python prints a tuple: (), (3,), (2, 3).
inline std::ostream& operator<<(std::ostream& out, const Dims& d) {
  out << '(';
  for (int i = 0; i < d.size(); ++i) out << (i ? ", " : "") << d[i];
  return out << (d.size() == 1 ? ",)" : ")");
}

/// Number of elements; raises where it does not fit 63 bits (a zero anywhere makes it zero).
constexpr int64_t count(const Shape& shape) {
  for (int64_t d : shape)
    if (d == 0) return 0;
  int64_t n = 1;
  for (int64_t d : shape)
    if (d < 0 || __builtin_mul_overflow(n, d, &n))
      raise(ErrorKind::Shape,
            join("shape ", shape, " has no number of elements that fits 63 bits"));
  return n;
}

constexpr Strides dense_strides(const Shape& shape) {
  Strides s = Dims::filled(shape.size(), 1);
  for (int i = shape.size() - 2; i >= 0; --i) {
    const int64_t d = shape[i + 1] > 1 ? shape[i + 1] : 1;
    s[i] = s[i + 1] * d;
  }
  return s;
}

/// Row-major without gaps; dimensions of size 1 may have any stride.
constexpr bool is_dense(const Shape& shape, const Strides& strides) {
  int64_t expected = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

/// NumPy's broadcasting of two shapes; false where they do not fit.
constexpr bool broadcast(const Shape& a, const Shape& b, Shape& out) {
  const int rank = a.size() > b.size() ? a.size() : b.size();
  out = Dims::filled(rank, 1);
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.size()), ib = i - (rank - b.size());
    const int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1) return false;
    out[i] = da == 1 ? db : da;
  }
  return true;
}

/// Strides with which an array of `shape` reads as one of shape `to`: 0 along repeated dimensions.
constexpr Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& to) {
  Strides s = Dims::filled(to.size(), 0);
  const int shift = to.size() - shape.size();
  for (int i = 0; i < shape.size(); ++i) s[i + shift] = shape[i] == 1 ? 0 : strides[i];
  return s;
}

}  // namespace pyneuro
