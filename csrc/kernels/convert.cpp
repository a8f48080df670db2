// The conversions of convert.h, one loop per pair of dtypes that differ as bits.
#include "kernels/convert.h"

#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "simd/half.h"
#include "simd/widen.h"

namespace pyneuro {
namespace {

using simd::IntOf;
using simd::Vec;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;
template <class T> inline constexpr bool is_real = std::is_floating_point_v<T> || is_half<T>;
template <int kBytes> using IntOfSize = std::conditional_t<kBytes == 8, int64_t, int32_t>;

/// The lanes in which a value travels. Integers that 24 bits cannot hold reach 16-bit floats by way
/// of double, so that they round once.
template <class To, class From> constexpr auto carrier() {
  if constexpr (std::is_same_v<From, double>)
    return double{};
  else if constexpr (is_real<From>)
    return float{};
  else if constexpr (std::is_same_v<To, double>)
    return double{};
  else if constexpr (is_half<To> && sizeof(From) >= 4)
    return double{};
  else if constexpr (is_real<To>)
    return float{};
  else if constexpr (std::is_same_v<To, bool>)
    return IntOfSize<sizeof(From)>{};
  else
    return IntOfSize<sizeof(To)>{};
}

/// x with its fraction cut to 12 bits, the last of them set where anything was lost. Rounding that
/// to float16 or bfloat16, by way of float, gives what rounding x once would give.
inline Vec<double> cut_to_odd(Vec<double> x) {
  constexpr int64_t kLost = (int64_t{1} << 40) - 1;
  const Vec<int64_t> bits = bit_cast<int64_t>(x);
  const Vec<int64_t> odd =
      select((bits & kLost) == Vec<int64_t>(0), Vec<int64_t>(0), Vec<int64_t>(kLost + 1));
  return bit_cast<double>((bits & ~kLost) | odd);
}

/// float or double to an integer that its type cannot bound exactly (float: 32 and 64 bits).
template <class To, class C> inline To saturate(C x) {
  constexpr C kAbove = C(To{1} << (std::numeric_limits<To>::digits - 1)) * C(2);
  constexpr C kBelow = C(std::numeric_limits<To>::min());
  if (!(x == x)) return 0;
  if (x >= kAbove) return std::numeric_limits<To>::max();
  return x <= kBelow ? std::numeric_limits<To>::min() : static_cast<To>(x);
}

/// Stores the first n lanes. Inlined, so that a full vector, whose n is a constant, stores at once.
template <class To, class Lane> [[gnu::always_inline]] inline void put(To* to, Vec<Lane> v, int n) {
  using Limits = std::numeric_limits<To>;
  if constexpr (std::is_same_v<To, bool>) {
    const auto bit = Vec<IntOf<Lane>>((v != Vec<Lane>(0)).raw) & IntOf<Lane>(1);
    put(reinterpret_cast<uint8_t*>(to), bit, n);
  } else if constexpr (is_half<To> && std::is_same_v<Lane, double>) {
    float narrow[Vec<double>::kCount];
    store_as(narrow, cut_to_odd(v));
    store_as(to, simd::load(narrow, Vec<double>::kCount), n);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Lane> &&
                       Limits::digits > std::numeric_limits<Lane>::digits) {
    for (int i = 0; i < n; ++i) to[i] = saturate<To>(v[i]);
  } else {
    if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Lane>) {
      const Vec<Lane> low = Lane(Limits::min()), high = Lane(Limits::max());
      v = select(v == v, max(min(v, high), low), Vec<Lane>(0));
    }
    if (n == Vec<Lane>::kCount)
      store_as(to, v);
    else
      store_as(to, v, n);
  }
}

/// A full vector from memory.
template <class Lane, class From> [[gnu::always_inline]] inline Vec<Lane> take(const From* from) {
  constexpr bool small = std::is_integral_v<From> && sizeof(From) < 4;
  if constexpr (small && std::is_same_v<Lane, int32_t>)
    return simd::load_widened(from);
  else if constexpr (small && std::is_same_v<Lane, float>)
    return simd::convert<float>(simd::load_widened(from));
  else if constexpr (std::is_same_v<From, BFloat16>)
    return simd::bfloat16_bits_to_float(simd::load_widened(&from->bits));
  else
    return simd::load_as<Lane>(from);
}

template <class To, class From>
void convert(void* to_bytes, const void* from_bytes, int64_t n) noexcept {
  using Lane = decltype(carrier<To, From>());
  constexpr int kStep = Vec<Lane>::kCount;
  const auto* from = static_cast<const From*>(from_bytes);
  auto* to = static_cast<To*>(to_bytes);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) put(to + i, take<Lane>(from + i), kStep);
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    put(to + i, simd::load_as<Lane>(from + i, rest), rest);
  }
}

template <int kBytes> void copy(void* to, const void* from, int64_t n) noexcept {
  if (n > 0) std::memmove(to, from, static_cast<size_t>(n) * kBytes);
}

/// Integers that become integers differ by size only; as sources also by sign.
template <class T> struct Bits { using type = T; };
template <std::integral T>
  requires(!std::is_same_v<T, bool>)
struct Bits<T> {
  using type = std::make_unsigned_t<T>;
};
template <class T> struct Source { using type = T; };
template <> struct Source<bool> { using type = uint8_t; };

template <class To, class From> constexpr Converter pick() {
  using S = typename Source<From>::type;
  constexpr bool integers = std::is_integral_v<To> && std::is_integral_v<S>;
  if constexpr (std::is_same_v<To, From>)
    return &copy<sizeof(To)>;
  else if constexpr (integers && std::is_same_v<To, bool>)
    return &convert<bool, typename Bits<S>::type>;
  else if constexpr (integers && sizeof(To) == sizeof(S))
    return &copy<sizeof(To)>;
  else if constexpr (integers)
    return &convert<typename Bits<To>::type, S>;
  else
    return &convert<To, S>;
}

constexpr int kReal = static_cast<int>(DType::Complex64);  // the real dtypes come first

template <int kFrom, int... kTo>
constexpr std::array<Converter, kReal> row(std::integer_sequence<int, kTo...>) {
  return {pick<Storage_t<DType(kTo)>, Storage_t<DType(kFrom)>>()...};
}
template <int... kFrom>
constexpr std::array<std::array<Converter, kReal>, kReal> table(
    std::integer_sequence<int, kFrom...> all) {
  return {row<kFrom>(all)...};
}
constexpr auto kTable = table(std::make_integer_sequence<int, kReal>{});

template <class Half> void round_all(float* x, int64_t n) noexcept {
  constexpr int kStep = Vec<float>::kCount;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) simd::store(x + i, simd::rounded_to<Half>(simd::load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) simd::store(x + i, simd::rounded_to<Half>(simd::load(x + i, rest)), rest);
}

/// Complex numbers are pairs, and convert to complex ones only.
template <class To, class From> void convert_pairs(void* to, const void* from, int64_t n) noexcept {
  pick<To, From>()(to, from, 2 * n);
}

Converter complex_converter(DType from, DType to) {
  if (from == DType::Complex64)
    return to == DType::Complex64 ? &convert_pairs<float, float> : &convert_pairs<double, float>;
  return to == DType::Complex64 ? &convert_pairs<float, double> : &convert_pairs<double, double>;
}

}  // namespace

Converter converter(DType from, DType to) {
  if (is_complex(from)) return complex_converter(from, to);
  return kTable[static_cast<size_t>(from)][static_cast<size_t>(to)];
}

Rounder rounder(DType dtype) {
  if (dtype == DType::Float16) return &round_all<Float16>;
  if (dtype == DType::BFloat16) return &round_all<BFloat16>;
  return nullptr;
}

}  // namespace pyneuro
