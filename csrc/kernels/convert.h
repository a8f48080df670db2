// Runs of elements from one dtype to another. The one place that knows how numbers convert:
//   float to integer truncates and saturates, NaN gives 0; integers wrap; to bool is x != 0;
//   to float rounds to nearest, ties to even, once (a double on its way to 16 bits too).
// No strides, no threads: tile.h cuts arrays into the runs that come here.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace pyneuro {

/// Converts n elements that lie side by side. `to` and `from` may be the same memory where the
/// sizes of the elements are equal, and must not overlap otherwise.
using Converter = void (*)(void* to, const void* from, int64_t n) noexcept;

/// The way from one dtype to another, both real or both complex; from a dtype to itself it copies.
Converter converter(DType from, DType to);

/// Rounds n numbers as float16 or bfloat16 would hold them.
using Rounder = void (*)(float* x, int64_t n) noexcept;
/// Null for the dtypes that computation does not widen.
Rounder rounder(DType dtype);

}  // namespace pyneuro
