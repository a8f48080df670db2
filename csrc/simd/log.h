// The logarithms and powers on registers: log, log1p, log2, pow. Included through math.h, whose
// table states ranges and errors.
//
// x = m 2^e with m in [sqrt(1/2), sqrt(2)); log x = e ln 2 + log m. In float log m = f - f^2/2 +
// f^3 P(f), f = m - 1; in double the series of 2 atanh(s), s = f / (2 + f), which needs fewer
// terms. Polynomials are minimax (Remez exchange).
#pragma once

#include "simd/exp.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

template <std::floating_point T> struct Split {
  Vec<T> m, e;        // x = m 2^e
  Vec<T> inverse_2e;  // 2^-e, or 0 where that is subnormal
};

/// x positive, normal and finite.
template <std::floating_point T> inline Split<T> split_exponent(Vec<T> x) {
  using I = IntOf<T>;
  using U = std::make_unsigned_t<I>;
  using L = Layout<T>;
  constexpr I one = L::kBias << L::kShift;
  constexpr I sqrt_half = sizeof(T) == 8 ? I(0x3fe6a09e667f3bcd) : I(0x3f3504f3);
  constexpr T integer_base = sizeof(T) == 8 ? T(0x1p52) : T(0x1p23);  // its low bits count ones
  const Vec<I> i = bit_cast<I>(x) + (one - sqrt_half);
  const Vec<I> biased = bit_cast<I>(bit_cast<U>(i) >> L::kShift);
  Split<T> out;
  out.m = bit_cast<T>((i & ((I(1) << L::kShift) - 1)) + sqrt_half);
  out.e = bit_cast<T>(biased | bit_cast<I>(Vec<T>(integer_base))) - (integer_base + T(L::kBias));
  out.inverse_2e = bit_cast<T>(max(Vec<I>(2 * L::kBias) - biased, Vec<I>(0)) << L::kShift);
  return out;
}

/// log(1 + f) + e ln 2 for 1 + f in [sqrt(1/2), sqrt(2)).
inline Vec<float> log_of_parts(Vec<float> f, Vec<float> e) {
  constexpr float p[] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a4b8p-3f,
                         -0x1.555c4ep-3f, 0x1.23373cp-3f,  -0x1.fc2190p-4f,
                         0x1.e6f2aep-4f,  -0x1.de4036p-4f, 0x1.145788p-4f};
  using C = ExpConstants<float>;
  const Vec<float> f2 = f * f;
  Vec<float> rest = f2 * f * polynomial(f, p);
  rest = fma(e, C::ln2_low, rest);
  rest = fma(f2, -0.5f, rest);
  return fma(e, C::ln2_high, f + rest);
}
inline Vec<double> log_of_parts(Vec<double> f, Vec<double> e) {
  constexpr double t[] = {0x1.5555555555592p-1, 0x1.999999997fd38p-2, 0x1.24924941f8c62p-2,
                          0x1.c71c5202bad02p-3, 0x1.7466405a7dc23p-3, 0x1.39a193557bb07p-3,
                          0x1.2f07047c75ab4p-3};
  using C = ExpConstants<double>;
  // 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R)): f itself carries the result, the rest corrects it.
  const Vec<double> s = f / (f + 2.0);
  const Vec<double> z = s * s;
  const Vec<double> half = f * f * 0.5;
  Vec<double> rest = s * fma(z, polynomial(z, t), half);
  rest = fma(e, C::ln2_low, rest) - half;
  return fma(e, C::ln2_high, f + rest);
}

/// Runs `compute(x, e)` on positive normal numbers x, scaling subnormals (the power goes to e), and
/// puts in the results that log has elsewhere: -Inf at 0, NaN below, Inf at Inf.
template <std::floating_point T, class F> inline Vec<T> on_log_domain(Vec<T> x, F compute) {
  using L = Layout<T>;
  constexpr T smallest = sizeof(T) == 8 ? T(0x1p-1022) : T(0x1p-126);
  constexpr T up = sizeof(T) == 8 ? T(0x1p54) : T(0x1p25);
  const Mask<T> ordinary = (x >= Vec<T>(smallest)) & (x < Vec<T>(L::kInf));
  if (all(ordinary)) [[likely]]
    return compute(x, Vec<T>(T(0)));
  const Mask<T> tiny = x < Vec<T>(smallest);
  const Vec<T> y = compute(select(tiny, x * up, x),
                           select(tiny, Vec<T>(sizeof(T) == 8 ? T(-54) : T(-25)), Vec<T>(T(0))));
  const Vec<T> special =
      select(x == Vec<T>(T(0)), Vec<T>(-L::kInf), select(x > Vec<T>(T(0)), x, Vec<T>(L::kNan)));
  return select((x > Vec<T>(T(0))) & (x < Vec<T>(L::kInf)), y, special);
}

template <std::floating_point T> inline Vec<T> log(Vec<T> x) {
  return on_log_domain(x, [](Vec<T> y, Vec<T> e) {
    const Split<T> a = split_exponent(y);
    return log_of_parts(a.m - T(1), a.e + e);
  });
}

/// e + log(m) / ln 2, with 1 / ln 2 in two parts; exact at powers of two.
template <std::floating_point T> inline Vec<T> log2(Vec<T> x) {
  constexpr T high = sizeof(T) == 8 ? T(0x1.71547652b82fep+0) : T(0x1.715476p+0);
  constexpr T low = sizeof(T) == 8 ? T(0x1.777d0ffda0d24p-56) : T(0x1.4ae0cp-26);
  return on_log_domain(x, [](Vec<T> y, Vec<T> e) {
    const Split<T> a = split_exponent(y);
    const Vec<T> natural = log_of_parts(a.m - T(1), Vec<T>(T(0)));
    return (a.e + e) + fma(natural, high, natural * low);
  });
}

/// log(u) with u = 1 + x rounded; what the rounding lost is added to u's fraction.
template <std::floating_point T> inline Vec<T> log1p(Vec<T> x) {
  using L = Layout<T>;
  const Vec<T> u = x + T(1);
  const Vec<T> x_in_u = u - T(1);
  const Vec<T> lost = (Vec<T>(T(1)) - (u - x_in_u)) + (x - x_in_u);
  const Split<T> a = split_exponent(u);
  const Vec<T> y = copysign(log_of_parts(fma(lost, a.inverse_2e, a.m - T(1)), a.e), x);
  const Mask<T> ordinary = (u > Vec<T>(T(0))) & (u < Vec<T>(L::kInf));
  if (all(ordinary)) [[likely]]
    return y;
  return select(
      ordinary, y,
      select(u == Vec<T>(T(0)), Vec<T>(-L::kInf), select(u > Vec<T>(T(0)), u, Vec<T>(L::kNan))));
}

// ---- pow ----------------------------------------------------------------------------------------

/// A number as high + low, low far below high's last bit.
struct Pair { Vec<double> high, low; };
/// Exact where |a| >= |b| or a == 0.
inline Pair sum_exact(Vec<double> a, Vec<double> b) {
  const Vec<double> s = a + b;
  return {s, b - (s - a)};
}
/// Exact unless it overflows or underflows (Dekker 1971 where there is no fma).
inline Pair product_exact(Vec<double> a, Vec<double> b) {
  const Vec<double> p = a * b;
  if constexpr (kHasFma) {
    return {p, fma(a, b, -p)};
  } else {
    const auto upper = [](Vec<double> v) {
      const Vec<double> t = v * 134217729.0;  // 2^27 + 1
      return t - (t - v);
    };
    const Vec<double> ah = upper(a), bh = upper(b), al = a - ah, bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
  }
}
inline Pair product(Pair a, Pair b) {
  const Pair p = product_exact(a.high, b.high);
  return {p.high, p.low + (a.high * b.low + a.low * b.high)};
}

/// log(x) to about 2^-65 of itself, x positive, normal, finite; `e` is added to the exponent.
inline Pair log_in_two_parts(Vec<double> x, Vec<double> e) {
  constexpr double ln2_high = 0x1.62e42fefa3p-1, ln2_low = 0x1.3de6af278ece6p-42;
  constexpr double two_thirds_low = 0x1.5555555555555p-55;
  constexpr double g[] = {0x1.9999999999996p-2, 0x1.2492492493038p-2, 0x1.c71c71c580080p-3,
                          0x1.745d183280e3ep-3, 0x1.3b1362a9c4af3p-3, 0x1.1120b778ad934p-3,
                          0x1.de33261e14338p-4, 0x1.eb138d37cac28p-4};
  const Split<double> a = split_exponent(x);
  // s = f / (2 + f) in two parts, from the exact remainder of the division.
  const Vec<double> f = a.m - 1.0;
  const Pair denominator = sum_exact(Vec<double>(2.0), f);
  const Vec<double> q = f / denominator.high;
  const Pair back = product_exact(q, denominator.high);
  const Pair s{q, ((f - back.high) - back.low - q * denominator.low) / denominator.high};
  // 2 atanh(s) = 2 s + s z (2/3 + z G(z)), z = s^2; the first two terms in two parts.
  const Pair z = product(s, s);
  Pair c = sum_exact(Vec<double>(0x1.5555555555555p-1), z.high * polynomial(z.high, g));
  c.low += two_thirds_low;
  const Pair cubic = product(s, product(z, c));
  const Pair log_m = sum_exact(s.high + s.high, cubic.high);
  const Vec<double> exponent = a.e + e;
  const Pair total = sum_exact(exponent * ln2_high, log_m.high);
  const Vec<double> low =
      total.low + fma(exponent, ln2_low, log_m.low + (s.low + s.low + cubic.low));
  return sum_exact(total.high, low);
}

/// x^y for x >= 0 (or NaN), but for y == 0 and x == 1, which the caller settles.
inline Vec<double> pow_of_magnitude(Vec<double> x, Vec<double> y) {
  using L = Layout<double>;
  using C = ExpConstants<double>;
  const Mask<double> tiny = x < Vec<double>(0x1p-1022);
  const Pair log_x = log_in_two_parts(select(tiny, x * 0x1p54, x),
                                      select(tiny, Vec<double>(-54.0), Vec<double>(0.0)));
  const Pair p = product_exact(log_x.high, y);
  const Vec<double> clamped = min(Vec<double>(C::highest), max(Vec<double>(C::lowest), p.high));
  // Where the exponent was clamped the low part means nothing, and may be NaN.
  const Vec<double> low = select(clamped == p.high, fma(log_x.low, y, p.low), Vec<double>(0.0));
  Reduced<double> r = reduce_by_ln2(clamped);
  r.r += low;
  const Vec<double> value = scale(Vec<double>(1.0) + reduced_expm1(r.r), r);
  const Mask<double> grows = y > Vec<double>(0.0);
  const Vec<double> at_zero = select(grows, Vec<double>(0.0), Vec<double>(L::kInf));
  const Vec<double> at_inf = select(grows, Vec<double>(L::kInf), Vec<double>(0.0));
  const Vec<double> limits =
      select(x == Vec<double>(0.0), at_zero, select(x == Vec<double>(L::kInf), at_inf, value));
  return select((x != x) | (y != y), x + y, limits);
}
/// In double, where log and exp err by far less than a float's last bit.
inline Vec<float> pow_of_magnitude(Vec<float> x, Vec<float> y) {
  return narrow(exp(widen_low(y) * log(widen_low(x))), exp(widen_high(y) * log(widen_high(x))));
}

/// C's pow: 1 where y == 0 or x == 1, whatever the other is; NaN for x < 0 unless y is an integer.
template <std::floating_point T> inline Vec<T> pow(Vec<T> x, Vec<T> y) {
  using L = Layout<T>;
  const Vec<T> magnitude = abs(x), zero(T(0)), one(T(1));
  const Vec<T> half = y * T(0.5);
  const Mask<T> is_integer = rint(y) == y;
  const Mask<T> is_odd = is_integer & (rint(half) != half);
  Vec<T> result = select(magnitude == one, one, pow_of_magnitude(magnitude, y));
  result = select((magnitude == one) & (y != y), y, result);
  result = select(is_odd & signbit(x), -result, result);
  const Mask<T> undefined = (x < zero) & (x > Vec<T>(-L::kInf)) & !is_integer & (y == y);
  result = select(undefined, Vec<T>(L::kNan), result);
  return select((y == zero) | (x == one), one, result);
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
