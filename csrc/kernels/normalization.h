// What the two ways of normalization share: the geometry, and pieces of x in the arithmetic's type.
#pragma once

#include "kernels/lines.h"

namespace pyneuro {

/// x is [outer, rows, channels]; see ops/normalization.h.
struct Norm {
  int64_t outer, rows, channels, groups;
  double epsilon;
  bool rms;

  int64_t width() const { return channels / groups; }
};

/// Null for an optional input that is absent.
template <class T> const T* given(In in, int i) {
  return in.has(i) ? in[i].as<const T>() : nullptr;
}

template <class T> T reciprocal_root(T variance, double epsilon) {
  return T(1) / simd::sqrt(variance + static_cast<T>(epsilon));
}

/// Sums of squared deviations from a guess give those from the mean less what the guess is off, and
/// lose as many digits as the latter is larger. Beyond this ratio they are taken again.
inline constexpr int kMostDrift = 16;

/// normalization_columns.cpp: groups that run down rows. `scratch` bytes are for either direction.
size_t columns_scratch(const Norm& norm, DType dtype);
void normalize_columns(Context& ctx, const Norm& norm, In in, Out out);
void normalize_columns_grad(Context& ctx, const Norm& norm, In in, Out out);
/// y = (x - mean) factor + shift along the channels of rows.
void standardize_columns(Context& ctx, double epsilon, In in, Out out);

}  // namespace pyneuro
