// Vec<T>: one register of the ISA being compiled, T in float, double, int32_t, int64_t (unsigned
// ones too). Used by kernels only. No mathematics beyond rounding and sqrt (math.h has the rest),
// no dtype but its own (half.h has the 16-bit ones).
//
// | what               | how                                                                      |
// | ------------------ | ------------------------------------------------------------------------ |
// | size               | Vec<T>::kCount lanes, kVecBytes bytes; value_type, mask_type             |
// | make               | Vec(x): x in every lane, also implicitly; iota<T>() = 0, 1, 2 ...        |
// | memory (unaligned) | load(p), store(p, v); load(p, n), store(p, v, n): n in 0..kCount lanes,  |
// |                    | other lanes are 0 / untouched; store_past(p, v): past the caches, p a    |
// |                    | multiple of kVecBytes; end_stores_past() before other threads read       |
// | other elements     | load_as<T>(const S* p[, n]), store_as(S* p, v[, n]): a C cast per lane   |
// | arithmetic         | + - * /, unary -, += -= *= /=; integers wrap; integer / traps on 0       |
// | integers           | & | ^ ~ << >> (>> is arithmetic where T is signed)                       |
// | compare            | == != < <= > >= give Mask<T>; with NaN only != is true                   |
// | Mask<T>            | & | ^ !, any, all, Mask(bool), first_n<T>(n), mask_cast<U>(m)            |
// | choose             | select(m, a, b) = m ? a : b per lane                                     |
// | min(a, b), max     | the hardware's: b where either is NaN                                    |
// | minimum, maximum   | NumPy's: NaN where either is NaN                                         |
// | floating           | fma (rounds once iff kHasFma), sqrt (exact), floor, ceil, trunc, rint    |
// |                    | (half to even), abs, copysign, isnan, isinf, isfinite, signbit           |
// | bits               | bit_cast<U>(v), equal widths                                             |
// | numbers            | convert<U>(v), equal widths, truncates; widen_low(f), widen_high(f) give |
// |                    | Vec<double>; narrow(low, high) gives Vec<float>                          |
// | across lanes       | hsum: lane i + lane i + kCount/2, halving until one is left (fixed       |
// |                    | order); hmin, hmax propagate NaN; v[i] reads, v.set(i, x) writes a lane  |
//
// The same names take plain numbers where that makes sense (a mask is then a bool), with the same
// bits as a lane. They live in pyneuro::simd: a template that calls them unqualified must be
// instantiated with Vec, which finds them; a bare float would find the C library's.
#pragma once

#include <concepts>

#include "simd/native.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

inline constexpr int kVecBytes = PN_VEC_BYTES;

template <class T>
concept Element = std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);

/// The integer twice as wide as S, of the same signedness.
template <class S>
using WideInt = std::conditional_t<
    sizeof(S) == 1, std::conditional_t<std::is_signed_v<S>, int16_t, uint16_t>,
    std::conditional_t<sizeof(S) == 2, std::conditional_t<std::is_signed_v<S>, int32_t, uint32_t>,
                       std::conditional_t<std::is_signed_v<S>, int64_t, uint64_t>>>;

/// One bool per lane of a Vec<T>, kept as an integer of all ones or all zeros.
template <Element T> struct Mask {
  using I = Raw<IntOf<T>, kVecBytes>;
  static constexpr int kCount = kVecBytes / static_cast<int>(sizeof(T));
  I raw;

  Mask() = default;
  explicit Mask(I bits) : raw(bits) {}
  explicit Mask(bool b) : raw(I{} - static_cast<IntOf<T>>(b)) {}
  bool operator[](int i) const { return raw[i] != 0; }

  friend Mask operator&(Mask a, Mask b) { return Mask(a.raw & b.raw); }
  friend Mask operator|(Mask a, Mask b) { return Mask(a.raw | b.raw); }
  friend Mask operator^(Mask a, Mask b) { return Mask(a.raw ^ b.raw); }
  friend Mask operator!(Mask a) { return Mask(~a.raw); }
  friend bool any(Mask a) { return Native<IntOf<T>, kVecBytes>::any(a.raw); }
  friend bool all(Mask a) { return !any(!a); }
};

template <Element T> struct Vec {
  using value_type = T;
  using mask_type = Mask<T>;
  using R = Raw<T, kVecBytes>;
  // Integer arithmetic runs on unsigned lanes, where overflow wraps by definition.
  using Wrapping =
      std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>;
  using W = Raw<typename Wrapping::type, kVecBytes>;
  using N = Native<T, kVecBytes>;
  static constexpr int kCount = kVecBytes / static_cast<int>(sizeof(T));
  R raw;

  Vec() = default;
  Vec(T x) : raw(fill(x)) {}  // implicit: formulas mix vectors and numbers
  explicit Vec(R r) : raw(r) {}

  T operator[](int i) const { return raw[i]; }
  void set(int i, T x) { raw[i] = x; }

  friend Vec operator+(Vec a, Vec b) { return Vec((R)((W)a.raw + (W)b.raw)); }
  friend Vec operator-(Vec a, Vec b) { return Vec((R)((W)a.raw - (W)b.raw)); }
  friend Vec operator*(Vec a, Vec b) { return Vec((R)((W)a.raw * (W)b.raw)); }
  friend Vec operator/(Vec a, Vec b) { return Vec(a.raw / b.raw); }
  friend Vec operator-(Vec a) { return Vec((R)(-(W)a.raw)); }
  Vec& operator+=(Vec b) { return *this = *this + b; }
  Vec& operator-=(Vec b) { return *this = *this - b; }
  Vec& operator*=(Vec b) { return *this = *this * b; }
  Vec& operator/=(Vec b) { return *this = *this / b; }

  friend Mask<T> operator==(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw == b.raw)); }
  friend Mask<T> operator!=(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw != b.raw)); }
  friend Mask<T> operator<(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw < b.raw)); }
  friend Mask<T> operator<=(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw <= b.raw)); }
  friend Mask<T> operator>(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw > b.raw)); }
  friend Mask<T> operator>=(Vec a, Vec b) { return Mask<T>((typename Mask<T>::I)(a.raw >= b.raw)); }

  friend Vec operator&(Vec a, Vec b) { return Vec(a.raw & b.raw); }
  friend Vec operator|(Vec a, Vec b) { return Vec(a.raw | b.raw); }
  friend Vec operator^(Vec a, Vec b) { return Vec(a.raw ^ b.raw); }
  friend Vec operator~(Vec a) { return Vec(~a.raw); }
  friend Vec operator<<(Vec a, Vec b) { return Vec((R)((W)a.raw << (W)b.raw)); }
  friend Vec operator>>(Vec a, Vec b) { return Vec(a.raw >> b.raw); }
  friend Vec operator<<(Vec a, int n) { return Vec((R)((W)a.raw << n)); }
  friend Vec operator>>(Vec a, int n) { return Vec(a.raw >> n); }

  friend Vec select(Mask<T> m, Vec a, Vec b) { return Vec(N::select(m.raw, a.raw, b.raw)); }
  friend Vec min(Vec a, Vec b) { return Vec(N::min(a.raw, b.raw)); }
  friend Vec max(Vec a, Vec b) { return Vec(N::max(a.raw, b.raw)); }
  friend Vec minimum(Vec a, Vec b) { return nan_first(a, min(a, b)); }
  friend Vec maximum(Vec a, Vec b) { return nan_first(a, max(a, b)); }

  friend Vec fma(Vec a, Vec b, Vec c) {
    if constexpr (std::is_integral_v<T>)
      return a * b + c;
    else
      return Vec(N::fma(a.raw, b.raw, c.raw));
  }
  friend Vec sqrt(Vec a) { return Vec(N::sqrt(a.raw)); }
  friend Vec floor(Vec a) { return Vec(N::floor(a.raw)); }
  friend Vec ceil(Vec a) { return Vec(N::ceil(a.raw)); }
  friend Vec trunc(Vec a) { return Vec(N::trunc(a.raw)); }
  friend Vec rint(Vec a) { return Vec(N::nearest(a.raw)); }

 private:
  // x - 0 is x, -0 and NaN too; compilers turn it, unlike a loop over lanes, into a broadcast.
  static R fill(T x) { return x - R{}; }
  static Vec nan_first(Vec a, Vec b) {
    if constexpr (std::is_floating_point_v<T>)
      return select(a != a, a, b);
    else
      return b;
  }
};

// ---- bits and numbers of another type -----------------------------------------------------------

template <Element U, Element T>
  requires(sizeof(U) == sizeof(T))
inline Vec<U> bit_cast(Vec<T> v) {
  return Vec<U>((typename Vec<U>::R)v.raw);
}
template <Element U, Element T>
  requires(sizeof(U) == sizeof(T))
inline Mask<U> mask_cast(Mask<T> m) {
  return Mask<U>((typename Mask<U>::I)m.raw);
}
template <Element U, Element T>
  requires(sizeof(U) == sizeof(T))
inline Vec<U> convert(Vec<T> v) {
  return Vec<U>(__builtin_convertvector(v.raw, typename Vec<U>::R));
}

inline Vec<double> widen_low(Vec<float> v) {
  return Vec<double>(__builtin_convertvector(low_half<float, kVecBytes>(v.raw), Vec<double>::R));
}
inline Vec<double> widen_high(Vec<float> v) {
  return Vec<double>(__builtin_convertvector(high_half<float, kVecBytes>(v.raw), Vec<double>::R));
}
inline Vec<float> narrow(Vec<double> low, Vec<double> high) {
  using Half = Raw<float, kVecBytes / 2>;
  return Vec<float>(join_halves<float, kVecBytes>(__builtin_convertvector(low.raw, Half),
                                                  __builtin_convertvector(high.raw, Half)));
}

// ---- memory -------------------------------------------------------------------------------------

template <Element T> inline Vec<T> load(const T* p) {
  typename Vec<T>::R r;
  std::memcpy(&r, p, sizeof(r));
  return Vec<T>(r);
}
template <Element T> inline Vec<T> load(const T* p, int n) { return Vec<T>(Vec<T>::N::load(p, n)); }
template <Element T> inline void store(T* p, Vec<T> v) { std::memcpy(p, &v.raw, sizeof(v.raw)); }
template <Element T> inline void store(T* p, Vec<T> v, int n) { Vec<T>::N::store(p, v.raw, n); }
template <Element T> inline void store_past(T* p, Vec<T> v) { store_raw_past(p, v.raw); }

template <Element T> inline Vec<T> iota() {
  Vec<T> v;
  for (int i = 0; i < Vec<T>::kCount; ++i) v.raw[i] = static_cast<T>(i);
  return v;
}
template <Element T> inline Mask<T> first_n(int n) { return Mask<T>(first_lanes<T, kVecBytes>(n)); }

/// kLanes numbers, whatever their width.
template <class T, int kLanes> using Lanes = Raw<T, static_cast<int>(sizeof(T)) * kLanes>;

/// C casts of kLanes numbers. Compilers turn a cast into vector code only if it at most doubles or
/// halves the width and is not int8 <-> float at once, so longer ways go in such steps.
template <int kLanes, class To, class From>
inline Lanes<To, kLanes> cast_lanes(Lanes<From, kLanes> v) {
  constexpr bool from_float = std::is_floating_point_v<From>;
  constexpr bool to_float = std::is_floating_point_v<To>;
  if constexpr (!from_float && !to_float && sizeof(To) > 2 * sizeof(From)) {
    using Step = WideInt<From>;
    return cast_lanes<kLanes, To, Step>(cast_lanes<kLanes, Step, From>(v));
  } else if constexpr (!from_float && !to_float && 2 * sizeof(To) < sizeof(From)) {
    using Step = std::conditional_t<sizeof(From) == 8, int32_t, int16_t>;
    return cast_lanes<kLanes, To, Step>(cast_lanes<kLanes, Step, From>(v));
  } else if constexpr ((!from_float && to_float && sizeof(From) < 4) ||
                       (from_float && !to_float && sizeof(To) < 4)) {
    return cast_lanes<kLanes, To, int32_t>(cast_lanes<kLanes, int32_t, From>(v));
  } else {
    using Target = Lanes<To, kLanes>;
    return __builtin_convertvector(v, Target);
  }
}

template <Element T, class S>
  requires std::is_arithmetic_v<S>
inline Vec<T> load_as(const S* p) {
  Lanes<S, Vec<T>::kCount> packed;
  std::memcpy(&packed, p, sizeof(packed));
  return Vec<T>(cast_lanes<Vec<T>::kCount, T, S>(packed));
}
template <Element T, class S>
  requires std::is_arithmetic_v<S>
inline Vec<T> load_as(const S* p, int n) {
  S tail[Vec<T>::kCount] = {};
  std::memcpy(tail, p, static_cast<size_t>(n) * sizeof(S));
  return load_as<T>(tail);
}
template <Element T, class S>
  requires std::is_arithmetic_v<S>
inline void store_as(S* p, Vec<T> v) {
  const auto packed = cast_lanes<Vec<T>::kCount, S, T>(v.raw);
  std::memcpy(p, &packed, sizeof(packed));
}
template <Element T, class S>
  requires std::is_arithmetic_v<S>
inline void store_as(S* p, Vec<T> v, int n) {
  S tail[Vec<T>::kCount];
  store_as(tail, v);
  std::memcpy(p, tail, static_cast<size_t>(n) * sizeof(S));
}

// ---- the sign bit and the classes of floating numbers -------------------------------------------

template <std::floating_point T> inline Vec<T> sign_bits(Vec<T> a) {
  return bit_cast<T>(bit_cast<IntOf<T>>(a) & bit_cast<IntOf<T>>(Vec<T>(T(-0.0))));
}
template <Element T> inline Vec<T> abs(Vec<T> a) {
  if constexpr (std::is_floating_point_v<T>)
    return bit_cast<T>(bit_cast<IntOf<T>>(a) & ~bit_cast<IntOf<T>>(Vec<T>(T(-0.0))));
  else if constexpr (std::is_signed_v<T>)
    return max(a, -a);
  else
    return a;
}
template <std::floating_point T> inline Vec<T> copysign(Vec<T> magnitude, Vec<T> sign) {
  return bit_cast<T>(bit_cast<IntOf<T>>(abs(magnitude)) | bit_cast<IntOf<T>>(sign_bits(sign)));
}
template <std::floating_point T> inline Mask<T> signbit(Vec<T> a) {
  return mask_cast<T>(bit_cast<IntOf<T>>(a) < Vec<IntOf<T>>(0));
}
template <std::floating_point T> inline Mask<T> isnan(Vec<T> a) { return a != a; }
template <std::floating_point T> inline Mask<T> isinf(Vec<T> a) {
  return abs(a) == Vec<T>(T(__builtin_huge_val()));
}
template <std::floating_point T> inline Mask<T> isfinite(Vec<T> a) {
  return abs(a) < Vec<T>(T(__builtin_huge_val()));
}

// ---- across lanes -------------------------------------------------------------------------------

/// Folds the upper half onto the lower until one lane is left: the same tree whatever the values.
template <class T, int Bytes, class F> inline T fold(Raw<T, Bytes> v, F combine) {
  if constexpr (Bytes > 16) {
    return fold<T, Bytes / 2>(combine(low_half<T, Bytes>(v), high_half<T, Bytes>(v)), combine);
  } else if constexpr (sizeof(T) == 8) {
    return combine(v[0], v[1]);
  } else {
    return combine(combine(v[0], v[2]), combine(v[1], v[3]));
  }
}
template <Element T> inline T hsum(Vec<T> v) {
  using U = typename Vec<T>::Wrapping::type;
  return static_cast<T>(
      fold<U, kVecBytes>((typename Vec<T>::W)v.raw, [](auto a, auto b) { return a + b; }));
}
template <Element T> inline T hmin(Vec<T> v) {
  return fold<T, kVecBytes>(v.raw, [](auto a, auto b) { return ((a != a) | (a < b)) ? a : b; });
}
template <Element T> inline T hmax(Vec<T> v) {
  return fold<T, kVecBytes>(v.raw, [](auto a, auto b) { return ((a != a) | (a > b)) ? a : b; });
}

// ---- plain numbers: the same operations, bit for bit, on one lane -------------------------------

template <Element T> inline T select(bool m, T a, T b) { return m ? a : b; }
template <Element T> inline T min(T a, T b) { return a < b ? a : b; }
template <Element T> inline T max(T a, T b) { return a > b ? a : b; }
template <Element T> inline T minimum(T a, T b) { return a != a || a < b ? a : b; }
template <Element T> inline T maximum(T a, T b) { return a != a || a > b ? a : b; }
template <Element T> inline T fma(T a, T b, T c) {
  if constexpr (!std::is_floating_point_v<T> || !kHasFma)
    return a * b + c;
  else if constexpr (sizeof(T) == 4)
    return __builtin_fmaf(a, b, c);
  else
    return __builtin_fma(a, b, c);
}
template <Element T> inline T abs(T a) { return abs(Vec<T>(a))[0]; }
template <std::floating_point T> inline T sqrt(T a) { return sqrt(Vec<T>(a))[0]; }
template <std::floating_point T> inline T floor(T a) { return floor(Vec<T>(a))[0]; }
template <std::floating_point T> inline T ceil(T a) { return ceil(Vec<T>(a))[0]; }
template <std::floating_point T> inline T trunc(T a) { return trunc(Vec<T>(a))[0]; }
template <std::floating_point T> inline T rint(T a) { return rint(Vec<T>(a))[0]; }
template <std::floating_point T> inline T copysign(T a, T b) {
  return copysign(Vec<T>(a), Vec<T>(b))[0];
}
template <std::floating_point T> inline bool signbit(T a) { return signbit(Vec<T>(a))[0]; }
template <std::floating_point T> inline bool isnan(T a) { return a != a; }
template <std::floating_point T> inline bool isinf(T a) { return isinf(Vec<T>(a))[0]; }
template <std::floating_point T> inline bool isfinite(T a) { return isfinite(Vec<T>(a))[0]; }
inline bool any(bool m) { return m; }
inline bool all(bool m) { return m; }

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
