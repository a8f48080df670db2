// Mathematics on registers and, with the same bits as a lane, on plain numbers. Every function
// takes every argument: NaN gives NaN, limits at infinities and poles are C's, subnormal arguments
// and results are exact to the bound. Below, the largest errors found in units of the last place
// (ulp); float: every third float against double, double: 4 to 20 million samples in each of
// several ranges against 113 bits. Without FMA (generic) the second figure.
//
// | function      | float       | double      | notes                                            |
// | ------------- | ----------- | ----------- | ------------------------------------------------ |
// | exp           | 1.02        | 1.02        | 0 below -104 (-746), Inf above 88.7 (709.8)      |
// | exp_flushed   | 1.04        | 1.02        | x <= 0 only; 0 below -87.7 (-708.8)              |
// | expm1         | 1.6         | 2.0         |                                                  |
// | log           | 0.9         | 0.9         | -Inf at 0, NaN below                             |
// | log1p         | 1.4         | 1.4         |                                                  |
// | log2          | 1.7         | 1.7         | exact at powers of two                           |
// | tanh, sigmoid | 2.5         | 2.6         | 1 above 9.1 (20); sigmoid 0 below -104 (-746)    |
// | erf           | 1.8         | 1.3         | 1 above 4 (6)                                    |
// | normal_cdf    | 1.8e-7      | 2e-16       | absolute errors                                  |
// | sin, cos      | 0.51        | 0.8         | any finite argument, reduced exactly             |
// | atan          | 2           | 1           | against NumPy in float64 only                    |
// | pow           | 0.51        | 1.3         | C's special cases                                |
// | fmod          | 0           | 0           | exact; lane by lane                              |
// | pow, floor_divide, floor_mod of integers     | wrap; 0 where NumPy has 0 for x // 0 |
#pragma once

#include "simd/atan.h"
#include "simd/exp.h"
#include "simd/log.h"
#include "simd/trig.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

// ---- remainders and integer powers --------------------------------------------------------------

/// C's fmod: x - trunc(x / y) y, exact; lane by lane, as no vector formula is exact.
template <std::floating_point T> inline Vec<T> fmod(Vec<T> x, Vec<T> y) {
  for (int i = 0; i < Vec<T>::kCount; ++i) {
    if constexpr (sizeof(T) == 8)
      x.set(i, __builtin_fmod(x[i], y[i]));
    else
      x.set(i, __builtin_fmodf(x[i], y[i]));
  }
  return x;
}

/// Rounds towards minus infinity; a division by zero gives 0, the smallest number by -1 itself.
template <std::integral T> inline T floor_divide(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(-static_cast<std::make_unsigned_t<T>>(a));
    return a / b - ((a % b != 0) & ((a < 0) != (b < 0)));
  } else {
    return a / b;
  }
}
/// a - floor_divide(a, b) b: the sign of b; 0 where b is 0.
template <std::integral T> inline T floor_mod(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
    const T r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  } else {
    return a % b;
  }
}
/// a^b modulo 2^bits; a negative b gives the power's integer part: 0 unless a is 1 or -1.
template <std::integral T> inline T pow(T a, T b) {
  using U = std::make_unsigned_t<T>;
  if constexpr (std::is_signed_v<T>) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? ((b & 1) != 0 ? -1 : 1) : 0;
  }
  U result = 1, base = static_cast<U>(a);
  for (U n = static_cast<U>(b); n != 0; n >>= 1, base *= base)
    if (n & 1) result *= base;
  return static_cast<T>(result);
}

template <std::integral T> inline Vec<T> floor_divide(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::kCount; ++i) a.set(i, floor_divide(a[i], b[i]));
  return a;
}
template <std::integral T> inline Vec<T> floor_mod(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::kCount; ++i) a.set(i, floor_mod(a[i], b[i]));
  return a;
}
template <std::integral T> inline Vec<T> pow(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::kCount; ++i) a.set(i, pow(a[i], b[i]));
  return a;
}

// ---- plain numbers: one lane of the vector code, so a tail has the bits of a body ---------------

template <std::floating_point T> inline T exp(T x) { return exp(Vec<T>(x))[0]; }
template <std::floating_point T> inline T expm1(T x) { return expm1(Vec<T>(x))[0]; }
template <std::floating_point T> inline T tanh(T x) { return tanh(Vec<T>(x))[0]; }
template <std::floating_point T> inline T sigmoid(T x) { return sigmoid(Vec<T>(x))[0]; }
template <std::floating_point T> inline T erf(T x) { return erf(Vec<T>(x))[0]; }
template <std::floating_point T> inline T normal_cdf(T x) { return normal_cdf(Vec<T>(x))[0]; }
template <std::floating_point T> inline T log(T x) { return log(Vec<T>(x))[0]; }
template <std::floating_point T> inline T log1p(T x) { return log1p(Vec<T>(x))[0]; }
template <std::floating_point T> inline T log2(T x) { return log2(Vec<T>(x))[0]; }
template <std::floating_point T> inline T sin(T x) { return sin(Vec<T>(x))[0]; }
template <std::floating_point T> inline T cos(T x) { return cos(Vec<T>(x))[0]; }
template <std::floating_point T> inline T atan(T x) { return atan(Vec<T>(x))[0]; }
template <std::floating_point T> inline T pow(T x, T y) { return pow(Vec<T>(x), Vec<T>(y))[0]; }
template <std::floating_point T> inline T fmod(T x, T y) { return fmod(Vec<T>(x), Vec<T>(y))[0]; }

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
