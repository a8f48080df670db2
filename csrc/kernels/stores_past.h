// Stores past the caches, for results that would not stay in them: a plain store reads the line
// first. Decided by the result's size alone, once for a kernel.
#pragma once

#include "kernels/lines.h"

namespace pyneuro {

/// Bytes of a result from which on its stores go past the caches: half of the last-level cache,
/// since what the result is made of wants to stay there too; 16 MiB where its size is unknown.
int64_t past_bytes() noexcept;

/// Whether a dense result is that large and its lines, of `inner` elements, begin where registers
/// may be stored so.
template <class T> bool stores_past(const T* data, int64_t size, int64_t inner) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
  return size * kBytes >= past_bytes() && inner * kBytes % simd::kVecBytes == 0 &&
         reinterpret_cast<uintptr_t>(data) % simd::kVecBytes == 0;
}
template <class T> bool stores_past(const View& y, int64_t inner) {
  return size_of(y.dtype) == sizeof(T) && stores_past(y.as<const T>(), y.size(), inner);
}

/// All lanes where `past`.
template <class T>
[[gnu::always_inline]] inline void store_past(T* p, simd::Vec<T> v, int lanes, bool past) {
  if (past)
    simd::store_past(p, v);
  else
    store_some(p, v, lanes);
}

}  // namespace pyneuro
