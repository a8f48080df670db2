// Spec, Layout, View: what an array is, where its elements lie, and what a kernel sees of it.
// None of them owns memory.
#pragma once

#include "core/dtype.h"
#include "core/shape.h"

namespace pyneuro {

/// Shape and dtype: all that a shape rule may know.
struct Spec {
  Shape shape;
  DType dtype = DType::Float32;
  friend constexpr bool operator==(const Spec&, const Spec&) = default;
};

inline std::ostream& operator<<(std::ostream& out, const Spec& s) {
  return out << name(s.dtype) << ' ' << s.shape;
}

/// How elements lie in a buffer: `offset` and `strides` count elements.
struct Layout {
  Shape shape;
  Strides strides;
  int64_t offset = 0;
  friend constexpr bool operator==(const Layout&, const Layout&) = default;
};

/// Pointer + shape + strides + dtype. An absent optional input has `data == nullptr` and
/// `present == false`; an empty array may have any pointer.
struct View {
  void* data = nullptr;
  Shape shape;
  Strides strides;
  DType dtype = DType::Float32;
  bool present = true;

  template <class T> T* as() const { return static_cast<T*>(data); }
  int64_t size() const { return count(shape); }
  int rank() const { return shape.size(); }
  bool dense() const { return is_dense(shape, strides); }
};

}  // namespace pyneuro
