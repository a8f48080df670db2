// Integers of any dtype, as positions along an axis.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <limits>

#include "core/view.h"

namespace pyneuro {

/// Element i of a dense array of integers; a uint64 beyond int64 reads as the largest int64.
inline int64_t read_integer(const View& v, int64_t i) {
  switch (v.dtype) {
    case DType::UInt8: return v.as<const uint8_t>()[i];
    case DType::UInt16: return v.as<const uint16_t>()[i];
    case DType::UInt32: return v.as<const uint32_t>()[i];
    case DType::Int8: return v.as<const int8_t>()[i];
    case DType::Int16: return v.as<const int16_t>()[i];
    case DType::Int32: return v.as<const int32_t>()[i];
    case DType::UInt64: {
      const uint64_t x = v.as<const uint64_t>()[i];
      constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      return static_cast<int64_t>(x < kMost ? x : kMost);
    }
    default: return v.as<const int64_t>()[i];
  }
}

/// Writes '3', or '(0, 3)' in more dimensions: where element i of a row-major array stands.
inline void write_position(char* text, size_t size, const Shape& shape, int64_t i) {
  if (shape.size() < 2) {
    std::snprintf(text, size, "%" PRId64, i);
    return;
  }
  int64_t at[kMaxRank];
  for (int d = shape.size() - 1; d >= 0; --d) {
    at[d] = i % shape[d];
    i /= shape[d];
  }
  size_t used = 0;
  for (int d = 0; d < shape.size(); ++d) {
    const int n = std::snprintf(text + used, size - used, "%s%" PRId64, d == 0 ? "(" : ", ", at[d]);
    used += static_cast<size_t>(n);
    if (used + 2 > size) return;
  }
  std::snprintf(text + used, size - used, ")");
}

}  // namespace pyneuro
