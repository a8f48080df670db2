// sin and cos on registers, for every finite argument. Included through math.h, whose table states
// their errors.
//
// x = n pi/2 + r with |r| <= pi/4. Up to |x| = 2^20 (Cody and Waite 1980) pi/2 is cut in parts of
// 33 bits, so that n times a part is exact; beyond (Payne and Hanek 1983) as many bits of 2/pi as
// matter are multiplied in integers, lane by lane. float works in double, so that r is good to the
// last bit.
#pragma once

#include "simd/log.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

/// x = n pi/2 + high + low; quadrant is n modulo 4 in the low bits.
struct Angle {
  Vec<double> high, low;
  Vec<int64_t> quadrant;
};

/// One large finite |x| >= 2^20; writes high, low and gives n modulo 4.
inline int64_t reduce_large_angle(double x, double& high, double& low) {
  // 2/pi = 0.a2f9836e... in base 2^64, after a word of zeros for exponents below the table's start.
  static constexpr uint64_t two_over_pi[] = {
      0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
      0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
      0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
      0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
      0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab,
      0xf0cfbc209af4361d};
  using Wide = unsigned __int128;
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const bool negative = bits >> 63;
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1075;  // x = mantissa 2^exponent
  const uint64_t mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
  // Bits of 2/pi above weight 2^(2 - exponent) only add multiples of 4 to n; take the 192 after.
  const int first = exponent - 2 + 64;
  const int word = first / 64, shift = first % 64;
  const auto bits_at = [&](int i) {
    const uint64_t upper = two_over_pi[word + i], lower = two_over_pi[word + i + 1];
    return shift == 0 ? upper : (upper << shift) | (lower >> (64 - shift));
  };
  const Wide p2 = static_cast<Wide>(mantissa) * bits_at(2);
  const Wide p1 = static_cast<Wide>(mantissa) * bits_at(1) + static_cast<uint64_t>(p2 >> 64);
  const uint64_t top = mantissa * bits_at(0) + static_cast<uint64_t>(p1 >> 64);
  // top has the quadrant in its two upper bits; the fraction of a quarter turn follows.
  int64_t n = static_cast<int64_t>(top >> 62);
  Wide fraction = (static_cast<Wide>(top) << 64 | static_cast<uint64_t>(p1)) << 2 |
                  static_cast<uint64_t>(p2) >> 62;
  const bool nearer_next = static_cast<uint64_t>(fraction >> 127);
  if (nearer_next) {
    n += 1;
    fraction = -fraction;
  }
  const uint64_t upper = static_cast<uint64_t>(fraction >> 64);
  const int zeros = upper != 0 ? __builtin_clzll(upper)
                               : 64 + __builtin_clzll(static_cast<uint64_t>(fraction) | 1);
  fraction <<= zeros;
  // 53 bits and the 53 after them, times 2^-zeros, times pi/2 in two parts.
  const Vec<double> f_high(static_cast<double>(static_cast<uint64_t>(fraction >> 75)) * 0x1p-53);
  const Vec<double> f_low(
      static_cast<double>(static_cast<uint64_t>(fraction >> 22) & 0x1fffffffffffff) * 0x1p-106);
  constexpr double pi_half_high = 0x1.921fb54442d18p+0, pi_half_low = 0x1.1a62633145c07p-54;
  const double factor = __builtin_ldexp(negative != nearer_next ? -1.0 : 1.0, -zeros);
  const Pair p = product_exact(f_high, Vec<double>(pi_half_high));
  const Pair r = sum_exact(p.high, p.low + (f_high * pi_half_low + f_low * pi_half_high));
  high = r.high[0] * factor;
  low = r.low[0] * factor;
  return negative ? -n : n;
}

inline Angle reduce_angle(Vec<double> x) {
  constexpr double two_over_pi = 0x1.45f306dc9c883p-1, largest = 0x1p20;
  constexpr double part1 = 0x1.921fb544p+0, part2 = 0x1.0b4611a6p-34, part3 = 0x1.3198a2ep-69,
                   part4 = 0x1.b839a252049c1p-104;
  const auto subtract = [](Vec<double> a, Vec<double> b) -> Pair {  // exact, whichever is larger
    const Vec<double> d = a - b, t = d - a;
    return {d, (a - (d - t)) - (b + t)};
  };
  const Vec<double> shifted = fma(x, two_over_pi, Layout<double>::kMagic);
  const Vec<double> n = shifted - Layout<double>::kMagic;
  const Pair a = subtract(x - n * part1, n * part2);
  const Pair b = subtract(a.high, n * part3);
  const Vec<double> low = a.low + b.low - n * part4;
  Angle out;
  out.high = b.high + low;
  out.low = low - (out.high - b.high);
  out.quadrant = bit_cast<int64_t>(shifted);
  const Mask<double> large = (abs(x) > Vec<double>(largest)) & isfinite(x);
  if (any(large)) [[unlikely]] {
    for (int i = 0; i < Vec<double>::kCount; ++i) {
      if (!large[i]) continue;
      double high_i, low_i;
      out.quadrant.set(i, reduce_large_angle(x[i], high_i, low_i));
      out.high.set(i, high_i);
      out.low.set(i, low_i);
    }
  }
  return out;
}

/// sin(angle + turns pi/2). Polynomials in r^2, minimax on [0, pi/4]; of lower degree where the
/// result becomes a float.
template <std::floating_point T>
inline Vec<double> sin_of_quadrant(const Angle& angle, int64_t turns) {
  static constexpr double sin_double[] = {-0x1.5555555555549p-3,  0x1.111111110f861p-7,
                                          -0x1.a01a019c0e4c6p-13, 0x1.71de3574ba919p-19,
                                          -0x1.ae5e63cda82f5p-26, 0x1.5d9246d53142dp-33};
  static constexpr double cos_double[] = {0x1.555555555554cp-5,  -0x1.6c16c16c15162p-10,
                                          0x1.a01a019caef40p-16, -0x1.27e4f807d6805p-22,
                                          0x1.1ee9ea6cfb039p-29, -0x1.8fadd08b55474p-37};
  static constexpr double sin_float[] = {-0x1.5555554cb20c5p-3, 0x1.111108907d9b7p-7,
                                         -0x1.a00f98eab01d2p-13, 0x1.6cd734321b819p-19};
  static constexpr double cos_float[] = {0x1.55554aabf9dcdp-5, -0x1.6c0c8694307f9p-10,
                                         0x1.9a00d13126026p-16};
  const Vec<double> r = angle.high, low = angle.low, z = r * r;
  Vec<double> sine, cosine;
  if constexpr (sizeof(T) == 8) {
    // sin(r + low) ~ sin r + low cos r; cos(r + low) ~ cos r - low r; 1 - z/2 in two parts.
    sine = r + fma(z * r, polynomial(z, sin_double), low * fma(z, -0.5, Vec<double>(1.0)));
    const Vec<double> half = z * 0.5;
    const Vec<double> head = Vec<double>(1.0) - half;
    cosine =
        head + (((Vec<double>(1.0) - head) - half) + (z * z * polynomial(z, cos_double) - r * low));
  } else {
    sine = fma(z * r, polynomial(z, sin_float), r);
    cosine = fma(z * z, polynomial(z, cos_float), fma(z, -0.5, Vec<double>(1.0)));
  }
  const Vec<int64_t> quadrant = angle.quadrant + turns;
  const Vec<double> y = select(mask_cast<double>((quadrant & 1) == Vec<int64_t>(0)), sine, cosine);
  return bit_cast<double>(bit_cast<int64_t>(y) ^ ((quadrant & 2) << 62));
}

inline Vec<double> sin(Vec<double> x) {
  const Vec<double> y = sin_of_quadrant<double>(reduce_angle(x), 0);
  return select(x == Vec<double>(0.0), x, y);  // the sign of zero
}
inline Vec<double> cos(Vec<double> x) { return sin_of_quadrant<double>(reduce_angle(x), 1); }
inline Vec<float> sin(Vec<float> x) {
  const Vec<float> y = narrow(sin_of_quadrant<float>(reduce_angle(widen_low(x)), 0),
                              sin_of_quadrant<float>(reduce_angle(widen_high(x)), 0));
  return select(x == Vec<float>(0.0f), x, y);
}
inline Vec<float> cos(Vec<float> x) {
  return narrow(sin_of_quadrant<float>(reduce_angle(widen_low(x)), 1),
                sin_of_quadrant<float>(reduce_angle(widen_high(x)), 1));
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
