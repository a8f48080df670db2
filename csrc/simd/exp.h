// The exponential family on registers: exp, expm1, tanh, sigmoid, erf. Included through math.h,
// whose table states ranges and errors.
//
// All rest on one reduction: x = n ln 2 + r with |r| <= ln(2)/2, and e^r = 1 + r + r^2 P(r), P a
// minimax polynomial (Remez exchange; relative to e^r - 1, so that expm1 may use it as well).
#pragma once

#include "simd/vec.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

/// The terms of c whose index has the given parity, as a polynomial in x2 = x^2, by Horner's rule.
template <size_t kParity, Element T, size_t kTerms>
inline Vec<T> every_other_term(Vec<T> x2, const T (&c)[kTerms]) {
  constexpr size_t count = (kTerms - kParity + 1) / 2;
  Vec<T> sum(c[2 * (count - 1) + kParity]);
  [&]<size_t... i>(std::index_sequence<i...>) {
    ((sum = fma(sum, x2, c[2 * (count - 2 - i) + kParity])), ...);
  }(std::make_index_sequence<count - 1>{});
  return sum;
}
/// c[0] + c[1] x + c[2] x^2 + ...; even and odd terms apart, so that the chain of dependent
/// operations, which bounds the speed, is half as long.
template <Element T, size_t kTerms> inline Vec<T> polynomial(Vec<T> x, const T (&c)[kTerms]) {
  const Vec<T> x2 = x * x;
  return fma(every_other_term<1>(x2, c), x, every_other_term<0>(x2, c));
}

/// The bit layout of T: where the exponent starts and what it is biased by.
template <class T> struct Layout;
template <> struct Layout<float> {
  static constexpr int kShift = 23;
  static constexpr int32_t kBias = 127;
  static constexpr float kMagic = 0x1.8p23f;  // x + kMagic rounds x to an integer in the low bits
  static constexpr float kInf = __builtin_huge_valf();
  static constexpr float kNan = __builtin_nanf("");
};
template <> struct Layout<double> {
  static constexpr int kShift = 52;
  static constexpr int64_t kBias = 1023;
  static constexpr double kMagic = 0x1.8p52;
  static constexpr double kInf = __builtin_huge_val();
  static constexpr double kNan = __builtin_nan("");
};

// ln2_high has so few bits that n * ln2_high is exact for every n that occurs.
template <class T> struct ExpConstants;
template <> struct ExpConstants<float> {
  static constexpr float log2e = 0x1.715476p+0f;
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float lowest = -104.0f, highest = 89.0f;  // e^x is 0 below, Inf above
  static constexpr float flushed = -88.0f;                   // the n of this is -127
  static constexpr float tanh_is_one = 9.1f;
  static constexpr float p[] = {0x1.000000p-1f, 0x1.555554p-3f,  0x1.5554b2p-5f,
                                0x1.11118ap-7f, 0x1.6d71f6p-10f, 0x1.a0329ep-13f};
  // Of a degree less: good relative to e^r, but not to e^r - 1.
  static constexpr float short_p[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f,
                                      0x1.123a20p-7f, 0x1.6a23d0p-10f};
};
template <> struct ExpConstants<double> {
  static constexpr double log2e = 0x1.71547652b82fep+0;
  static constexpr double ln2_high = 0x1.62e42fefp-1, ln2_low = 0x1.473de6af278edp-34;
  static constexpr double lowest = -746.0, highest = 710.0;
  static constexpr double flushed = -709.1;  // -1023
  static constexpr double tanh_is_one = 20.0;
  static constexpr double p[] = {
      0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.555555555553fp-5,  0x1.111111110f6dap-7,
      0x1.6c16c16c1f085p-10, 0x1.a01a01afd3e83p-13, 0x1.a01a017bc2547p-16, 0x1.71ddf87ea8903p-19,
      0x1.27e53635774b8p-22, 0x1.af5e7523c6848p-26, 0x1.1ee878e613127p-29};
  static constexpr auto& short_p = p;
};

/// x = n ln 2 + r. `shifted` is n + kMagic: its low bits hold n as an integer.
template <std::floating_point T> struct Reduced { Vec<T> shifted, n, r; };
template <std::floating_point T> inline Reduced<T> reduce_by_ln2(Vec<T> x) {
  using C = ExpConstants<T>;
  Reduced<T> out;
  out.shifted = fma(x, C::log2e, Layout<T>::kMagic);
  out.n = out.shifted - Layout<T>::kMagic;
  out.r = fma(out.n, -C::ln2_low, fma(out.n, -C::ln2_high, x));
  return out;
}

/// 2^n from the bits of n + kMagic, for n in the exponents of normal numbers.
template <std::floating_point T> inline Vec<T> power_of_two(Vec<T> shifted) {
  using I = IntOf<T>;
  return bit_cast<T>((bit_cast<I>(shifted) << Layout<T>::kShift) +
                     (Layout<T>::kBias << Layout<T>::kShift));
}

/// y 2^n, also where 2^n is not a normal number: half of n at a time, as factors, so NaN stays NaN.
template <std::floating_point T> inline Vec<T> scale(Vec<T> y, const Reduced<T>& x) {
  using I = IntOf<T>;
  const Vec<T> half = fma(x.n, T(0.5), Layout<T>::kMagic);
  const Vec<I> rest = bit_cast<I>(x.shifted) - bit_cast<I>(half) + Layout<T>::kBias;
  return y * power_of_two(half) * bit_cast<T>(rest << Layout<T>::kShift);
}

/// e^r - 1 for the reduced r.
template <std::floating_point T> inline Vec<T> reduced_expm1(Vec<T> r) {
  return fma(r * r, polynomial(r, ExpConstants<T>::p), r);
}

template <std::floating_point T> inline Vec<T> exp(Vec<T> x) {
  using C = ExpConstants<T>;
  // min and max give their second argument where one is NaN.
  const Reduced<T> a = reduce_by_ln2(min(Vec<T>(C::highest), max(Vec<T>(C::lowest), x)));
  return scale(Vec<T>(T(1)) + reduced_expm1(a.r), a);
}

/// e^x for x <= 0 or NaN, and 0 where that would be below the normal numbers, or nearly so: such
/// results take some CPUs many cycles, and a softmax does not feel them. n is rounded with the bias
/// already in it, and the lowest n is that of an exponent of 0, so that its power of two is 0.
template <std::floating_point T> inline Vec<T> exp_flushed(Vec<T> x) {
  using C = ExpConstants<T>;
  using I = IntOf<T>;
  constexpr T magic = Layout<T>::kMagic + T(Layout<T>::kBias);
  const Vec<T> a = max(Vec<T>(C::flushed), x);
  const Vec<T> shifted = fma(a, C::log2e, magic), n = shifted - magic;
  const Vec<T> r = fma(n, -C::ln2_low, fma(n, -C::ln2_high, a));
  const Vec<T> power = bit_cast<T>(bit_cast<I>(shifted) << Layout<T>::kShift);
  return (Vec<T>(T(1)) + fma(r * r, polynomial(r, C::short_p), r)) * power;
}

/// e^x - 1 where 2^n is a normal number below the largest; exact in sign only for x != 0.
template <std::floating_point T> inline Vec<T> expm1_in_range(Vec<T> x) {
  const Reduced<T> a = reduce_by_ln2(x);
  const Vec<T> power = power_of_two(a.shifted);
  return fma(power, reduced_expm1(a.r), power - T(1));
}

template <std::floating_point T> inline Vec<T> expm1(Vec<T> x) {
  // Below `floor`, e^x - 1 rounds to -1. Near overflow e^x - 1 is e^x.
  constexpr T floor = sizeof(T) == 8 ? T(-40) : T(-20), ceiling = sizeof(T) == 8 ? T(700) : T(80);
  const Vec<T> low = expm1_in_range(min(Vec<T>(ceiling), max(Vec<T>(floor), x)));
  const Mask<T> is_large = x > Vec<T>(ceiling);
  const Vec<T> y = any(is_large) ? select(is_large, exp(x), low) : low;
  return copysign(y, x);  // the sum above loses the sign of a zero
}

/// (e^2a - 1) / (e^2a + 1).
template <std::floating_point T> inline Vec<T> tanh(Vec<T> x) {
  const Vec<T> a = min(Vec<T>(ExpConstants<T>::tanh_is_one), abs(x));
  const Vec<T> t = expm1_in_range(a + a);
  return copysign(t / (t + T(2)), x);
}

/// 1 / (1 + e^-x), also where e^-x overflows.
template <std::floating_point T> inline Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp(-abs(x));
  return select(signbit(x), e, Vec<T>(T(1))) / (e + T(1));
}

/// erf(a) = -expm1(-a P(a)), P(a) = -log(erfc(a)) / a: smooth, so one polynomial does, and expm1
/// keeps the relative accuracy of small results. erf rounds to 1 above 3.92.
inline Vec<float> erf(Vec<float> x) {
  constexpr float two_over_sqrt_pi = 0x1.20dd76p+0f;
  constexpr float p[] = {0x1.45f308p-1f,   0x1.a4f37ep-4f,   -0x1.39396cp-6f,
                         -0x1.095a98p-12f, 0x1.d7b09ap-10f,  -0x1.845530p-11f,
                         0x1.5f3baep-13f,  -0x1.664556p-16f, 0x1.4052f8p-20f};
  const Vec<float> a = min(Vec<float>(4.0f), abs(x));
  const Vec<float> rest = a * fma(a, polynomial(a, p), -0x1.f7ac92p-25f);
  return copysign(expm1_in_range(-fma(a, two_over_sqrt_pi, rest)), x);
}

/// a + a P(a^2) below 1; 1 - exp(-Q(a)), Q = -log(erfc), from there to 6, where erf rounds to 1.
inline Vec<double> erf(Vec<double> x) {
  constexpr double p[] = {0x1.06eba8214db68p-3,   -0x1.812746b0379bdp-2,  0x1.ce2f21a040d15p-4,
                          -0x1.b82ce311fa928p-6,  0x1.565bccf92b0c6p-8,   -0x1.c02db03dd2e37p-11,
                          0x1.f9a2baa8ae20cp-14,  -0x1.f4ca4d6b652fap-17, 0x1.b97fd3bbbb2ecp-20,
                          -0x1.5c072663115fap-23, 0x1.d71b0c3c1d900p-27,  -0x1.abae42f0b2a13p-31};
  constexpr double q[] = {0x1.81c5535b51bcap-23,  0x1.20dd562decadfp+0,   0x1.45f42b5f0dcf2p-1,
                          0x1.a4da4cbda2114p-4,   -0x1.38938ebdeba50p-6,  -0x1.261fccfa59cc6p-12,
                          0x1.cfbc6c25310b9p-10,  -0x1.502a32fa36470p-11, 0x1.7810486f2c869p-15,
                          0x1.271ec6059e564p-14,  -0x1.79c895eae2ca6p-15, 0x1.150b9677f6f6ep-16,
                          -0x1.225e558ce23cbp-18, 0x1.c89f9ee7527c5p-21,  -0x1.0deed54577f96p-23,
                          0x1.d42dbefd43920p-27,  -0x1.19ec001e376c2p-30, 0x1.a5d48a8947eccp-35,
                          -0x1.276a9af5a020fp-40};
  const Vec<double> a = abs(x);
  const Vec<double> small = fma(a, polynomial(a * a, p), a);
  const Vec<double> large = Vec<double>(1.0) - exp(-polynomial(min(Vec<double>(6.0), a), q));
  return copysign(select(a < Vec<double>(1.0), small, large), x);
}

/// The standard normal distribution function, Phi(x) = 1/2 + x P(x^2) / Q(x^2): a rational minimax
/// approximation of Phi - 1/2 up to |x| = 5.7, beyond which the result is 0 or 1. The error is
/// absolute, so that small results are worth less than those of erfc.
inline Vec<float> normal_cdf(Vec<float> x) {
  constexpr float p[] = {0x1.98844ep-2f,  0x1.1e3caap-5f,  0x1.36b1c6p-8f,
                         0x1.7836bep-13f, 0x1.abc368p-18f, 0x1.72bf3ep-26f};
  constexpr float q[] = {
      1.0f, 0x1.045a06p-2f, 0x1.df67ecp-6f, 0x1.fdc048p-10f, 0x1.41fc72p-14f, 0x1.38b794p-20f};
  const Vec<float> x2 = x * x;
  const Vec<float> inside = Vec<float>(0.5f) + x * polynomial(x2, p) / polynomial(x2, q);
  const Vec<float> outside = select(signbit(x), Vec<float>(0.0f), Vec<float>(1.0f));
  return select(x2 > Vec<float>(5.7f * 5.7f), outside, inside);
}
inline Vec<double> normal_cdf(Vec<double> x) {
  return Vec<double>(0.5) * (Vec<double>(1.0) + erf(x * Vec<double>(0.70710678118654752440)));
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
