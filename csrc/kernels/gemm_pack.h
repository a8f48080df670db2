// Copies of blocks of A and B as the micro-kernel likes them: rows side by side, in the type of the
// arithmetic. Converts float16 and bfloat16 on the way, transposes where the operand lies so.
#pragma once

#include "simd/half.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

using simd::Vec;

template <class T, class S> inline Vec<T> load_compute(const S* p) {
  if constexpr (std::is_same_v<T, S>)
    return simd::load(p);
  else
    return simd::load_as<T>(p);
}
template <class T, class S> inline Vec<T> load_compute(const S* p, int n) {
  if constexpr (std::is_same_v<T, S>)
    return simd::load(p, n);
  else
    return simd::load_as<T>(p, n);
}

/// Calls f with a null pointer to the element type of `dtype`, one that computes as T.
template <class T, class F> void with_storage(DType dtype, F f) {
  if constexpr (std::is_same_v<T, float>) {
    if (dtype == DType::Float16) return f(static_cast<const Float16*>(nullptr));
    if (dtype == DType::BFloat16) return f(static_cast<const BFloat16*>(nullptr));
  } else if constexpr (std::is_same_v<T, int32_t>) {
    if (dtype == DType::Int8) return f(static_cast<const int8_t*>(nullptr));
    if (dtype == DType::UInt8) return f(static_cast<const uint8_t*>(nullptr));
    if (dtype == DType::Int16) return f(static_cast<const int16_t*>(nullptr));
    if (dtype == DType::UInt16) return f(static_cast<const uint16_t*>(nullptr));
  } else if constexpr (std::is_same_v<T, int64_t>) {
    if (dtype == DType::UInt32) return f(static_cast<const uint32_t*>(nullptr));
    if (dtype == DType::UInt64) return f(static_cast<const uint64_t*>(nullptr));
  }
  f(static_cast<const T*>(nullptr));
}

/// to[r][0, cols) = from[r][0, cols); then zeros up to `padded`, a multiple of a vector, or cols.
template <class T, class S>
void pack_rows(T* to, int64_t to_row, const S* from, int64_t from_row, int64_t rows, int64_t cols,
               int64_t padded) {
  constexpr int kLanes = Vec<T>::kCount;
  const int64_t whole = cols - cols % kLanes;
  const int rest = static_cast<int>(cols - whole);
  for (int64_t r = 0; r < rows; ++r, to += to_row, from += from_row) {
    for (int64_t i = 0; i < whole; i += kLanes) simd::store(to + i, load_compute<T>(from + i));
    int64_t next = whole;
    if (rest != 0) {
      const Vec<T> last = load_compute<T>(from + whole, rest);
      if (padded > cols) {
        simd::store(to + whole, last);
        next += kLanes;
      } else {
        simd::store(to + whole, last, rest);
        next = padded;
      }
    }
    for (; next < padded; next += kLanes) simd::store(to + next, Vec<T>(T(0)));
  }
}

/// Lane i of register j <-> lane j of register i: blocks of h x h trade places, h = lanes/2 .. 1.
template <class T> inline void transpose_registers(Vec<T> (&r)[Vec<T>::kCount]) {
  constexpr int kLanes = Vec<T>::kCount;
  const auto swap_blocks = [&r]<int h, int... i>(std::integral_constant<int, h>,
                                                 std::integer_sequence<int, i...>) {
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      if ((j & h) != 0) continue;
      const auto a = r[j].raw, b = r[j + h].raw;
      r[j].raw = __builtin_shufflevector(a, b, ((i & h) != 0 ? kLanes + i - h : i)...);
      r[j + h].raw = __builtin_shufflevector(a, b, ((i & h) != 0 ? kLanes + i : i + h)...);
    }
  };
  constexpr auto lanes = std::make_integer_sequence<int, kLanes>{};
  if constexpr (kLanes >= 16) swap_blocks(std::integral_constant<int, 8>{}, lanes);
  if constexpr (kLanes >= 8) swap_blocks(std::integral_constant<int, 4>{}, lanes);
  if constexpr (kLanes >= 4) swap_blocks(std::integral_constant<int, 2>{}, lanes);
  swap_blocks(std::integral_constant<int, 1>{}, lanes);
}

/// to[r][c] = from[c][r] for r in [0, rows), c in [0, cols); columns up to the next multiple of a
/// vector become zeros. Rows of `to` lie `to_row` apart.
template <class T, class S>
void pack_transposed(T* to, int64_t to_row, const S* from, int64_t from_row, int64_t rows,
                     int64_t cols) {
  constexpr int kLanes = Vec<T>::kCount;
  for (int64_t c = 0; c < cols; c += kLanes) {
    const int columns = cols - c < kLanes ? static_cast<int>(cols - c) : kLanes;
    for (int64_t r = 0; r < rows; r += kLanes) {
      const int count = rows - r < kLanes ? static_cast<int>(rows - r) : kLanes;
      const S* p = from + c * from_row + r;
      Vec<T> block[kLanes];
      if (columns == kLanes && count == kLanes) {
#pragma GCC unroll 16
        for (int j = 0; j < kLanes; ++j) block[j] = load_compute<T>(p + j * from_row);
      } else {
#pragma GCC unroll 16
        for (int j = 0; j < kLanes; ++j)
          block[j] = j < columns ? load_compute<T>(p + j * from_row, count) : Vec<T>(T(0));
      }
      transpose_registers(block);
      T* q = to + r * to_row + c;
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j)
        if (j < count) simd::store(q + j * to_row, block[j]);
    }
  }
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
