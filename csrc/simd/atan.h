// The inverse tangent on registers. Included through math.h, whose table states its error.
//
// |x| above tan(3 pi/8) becomes -1/x + pi/2, above tan(pi/8) (x - 1)/(x + 1) + pi/4; what is left
// is x + x z R(z), z = x^2. Splits and coefficients are those of Moshier 1989, "Methods and
// programs for mathematical functions": a polynomial in float, a rational function in double.
#pragma once

#include "simd/vec.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

/// R(z) of x + x z R(z), for z up to 0.18 (0.44 in double).
inline Vec<float> atan_correction(Vec<float> z) {
  using V = Vec<float>;
  return ((V(8.05374449538e-2f) * z - V(1.38776856032e-1f)) * z + V(1.99777106478e-1f)) * z -
         V(3.33329491539e-1f);
}
inline Vec<double> atan_correction(Vec<double> z) {
  using V = Vec<double>;
  const V p = (((V(-8.750608600031904122785e-1) * z - V(1.615753718733365076637e1)) * z -
                V(7.500855792314704667340e1)) *
                   z -
               V(1.228866684490136173410e2)) *
                  z -
              V(6.485021904942025371773e1);
  const V q = ((((z + V(2.485846490142306297962e1)) * z + V(1.650270098316988542046e2)) * z +
                V(4.328810604912902668951e2)) *
                   z +
               V(4.853903996359136964868e2)) *
                  z +
              V(1.945506571482613964425e2);
  return p / q;
}

template <std::floating_point T> inline Vec<T> atan(Vec<T> x) {
  using V = Vec<T>;
  constexpr double low = sizeof(T) == 8 ? 0.66 : 0.41421356237309504880;
  const V a = abs(x), one(T(1));
  const Mask<T> beyond = a > V(T(2.41421356237309504880)), between = (a > V(T(low))) & !beyond;
  const V y = select(beyond, V(T(-1)) / a, select(between, (a - one) / (a + one), a));
  const V z = y * y;
  // What pi/2 and pi/4 lose when they are rounded.
  constexpr T rest = sizeof(T) == 8 ? T(6.123233995736765886130e-17) : T(-4.37113883e-8);
  const V base = select(beyond, V(T(1.57079632679489661923)),
                        select(between, V(T(0.78539816339744830962)), V(T(0))));
  const V lost = select(beyond, V(rest), select(between, V(rest * T(0.5)), V(T(0))));
  return copysign(base + (y + (y * z * atan_correction(z) + lost)), x);
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
