// float16 and bfloat16 as storage: Vec<float> from and to 16-bit memory, and one number likewise.
//
// load_as<float>(const Float16* p[, n]), store_as(Float16* p, Vec<float> v[, n]),
// to_float(Float16), to_float16(float); likewise BFloat16. Widening is exact. Narrowing rounds to
// nearest, ties to even, overflows to Inf, keeps subnormals, and keeps NaN a NaN (quiet, its upper
// payload bits kept). A vector and a scalar give the same bits, as do all ISAs.
#pragma once

#include "core/dtype.h"
#include "simd/vec.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

/// The low 16 bits of each 32-bit lane, to and from memory.
inline Vec<int32_t> load_u16(const void* p) {
  return load_as<int32_t>(static_cast<const uint16_t*>(p));
}
inline Vec<int32_t> load_u16(const void* p, int n) {
  return load_as<int32_t>(static_cast<const uint16_t*>(p), n);
}

// ---- bfloat16: the upper half of a float --------------------------------------------------------

inline Vec<float> bfloat16_bits_to_float(Vec<int32_t> bits) { return bit_cast<float>(bits << 16); }

inline Vec<int32_t> float_to_bfloat16_bits(Vec<float> v) {
  const Vec<int32_t> bits = bit_cast<int32_t>(v);
  const Vec<int32_t> odd = (bits >> 16) & 1;
  const Vec<int32_t> rounded = (bits + 0x7fff + odd) >> 16;
  const Vec<int32_t> quiet = (bits >> 16) | 0x40;
  return select(mask_cast<int32_t>(v != v), quiet, rounded) & 0xffff;
}

/// sum + high half of a * that of b + low half * low half, rounded after each addition, in this
/// order; the products are exact. AVX512_BF16 has an instruction for it, which takes numbers below
/// the normal ones, given or made, as zero.
inline Vec<float> dot_pairs(Vec<float> sum, Vec<int32_t> a, Vec<int32_t> b) {
#if defined(__AVX512BF16__)
  return Vec<float>(dot_raw_pairs(sum.raw, a.raw, b.raw));
#else
  const auto high = [](Vec<int32_t> pairs) { return bit_cast<float>(pairs & (-1 << 16)); };
  const auto low = [](Vec<int32_t> pairs) { return bfloat16_bits_to_float(pairs); };
  return fma(low(a), low(b), fma(high(a), high(b), sum));
#endif
}

// ---- float16: by hand where the CPU has no conversion -------------------------------------------

/// Shifts exponent and fraction into place; the product with 2^112 moves the bias and makes
/// subnormals normal, exactly.
inline Vec<float> float16_bits_to_float(Vec<int32_t> bits) {
  const Vec<int32_t> magnitude = bits & 0x7fff;
  const Vec<float> scaled = bit_cast<float>(magnitude << 13) * 0x1p112f;
  const Vec<int32_t> special = (magnitude << 13) | 0x7f800000;
  const Vec<int32_t> nan = special | 0x400000;
  const Vec<int32_t> value =
      select(magnitude > Vec<int32_t>(0x7c00), nan,
             select(magnitude == Vec<int32_t>(0x7c00), special, bit_cast<int32_t>(scaled)));
  return bit_cast<float>(value | ((bits & 0x8000) << 16));
}

inline Vec<int32_t> float_to_float16_bits(Vec<float> v) {
  const Vec<int32_t> bits = bit_cast<int32_t>(v);
  const Vec<int32_t> sign = (bits >> 16) & 0x8000;
  const Vec<int32_t> magnitude = bits & 0x7fffffff;
  // Normal results: round the 13 dropped bits to even, then move the bias from 127 to 15.
  const Vec<int32_t> odd = (magnitude >> 13) & 1;
  const Vec<int32_t> normal = (magnitude + 0xfff + odd - (112 << 23)) >> 13;
  // Subnormal results (below 2^-14): adding 0.5 rounds to a multiple of 2^-24, in the low bits.
  const Vec<int32_t> subnormal =
      bit_cast<int32_t>(bit_cast<float>(magnitude) + 0.5f) - bit_cast<int32_t>(Vec<float>(0.5f));
  const Vec<int32_t> finite =
      select(magnitude < Vec<int32_t>(113 << 23), subnormal, min(normal, 0x7c00));
  const Vec<int32_t> nan = ((magnitude >> 13) & 0x3ff) | 0x7e00;
  const Vec<int32_t> large = select(magnitude > Vec<int32_t>(0x7f800000), nan, 0x7c00);
  return select(magnitude < Vec<int32_t>(0x47800000), finite, large) | sign;
}

// ---- memory -------------------------------------------------------------------------------------

template <std::same_as<float> T> inline Vec<float> load_as(const BFloat16* p) {
  return bfloat16_bits_to_float(load_u16(p));
}
template <std::same_as<float> T> inline Vec<float> load_as(const BFloat16* p, int n) {
  return bfloat16_bits_to_float(load_u16(p, n));
}
inline void store_as(BFloat16* p, Vec<float> v) { store_as(&p->bits, float_to_bfloat16_bits(v)); }
inline void store_as(BFloat16* p, Vec<float> v, int n) {
  if (n > 0) store_as(&p->bits, float_to_bfloat16_bits(v), n);
}

template <std::same_as<float> T> inline Vec<float> load_as(const Float16* p) {
#if defined(__F16C__) && PN_VEC_BYTES == 32
  return Vec<float>(
      Vec<float>::R(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))));
#elif defined(__AVX512F__)
  return Vec<float>(Vec<float>::R(
      _mm512_maskz_cvtph_ps(-1, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))));
#else
  return float16_bits_to_float(load_u16(p));
#endif
}
template <std::same_as<float> T> inline Vec<float> load_as(const Float16* p, int n) {
  Float16 tail[Vec<float>::kCount] = {};
  std::memcpy(tail, p, static_cast<size_t>(n) * sizeof(Float16));
  return load_as<float>(tail);
}
inline void store_as(Float16* p, Vec<float> v) {
#if defined(__F16C__) && PN_VEC_BYTES == 32
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(v.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX512F__)
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(p),
      _mm512_maskz_cvtps_ph(-1, v.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  store_as(&p->bits, float_to_float16_bits(v));
#endif
}
inline void store_as(Float16* p, Vec<float> v, int n) {
  Float16 tail[Vec<float>::kCount];
  store_as(tail, v);
  std::memcpy(p, tail, static_cast<size_t>(n) * sizeof(Float16));
}

// ---- rounding in registers ----------------------------------------------------------------------

/// v as memory of 16 bits would give it back.
template <std::same_as<BFloat16> Half> inline Vec<float> rounded_to(Vec<float> v) {
  const Vec<int32_t> bits = bit_cast<int32_t>(v);
  const Vec<int32_t> rounded = bits + 0x7fff + (bits >> 16 & 1), quiet = bits | 0x400000;
  return bit_cast<float>(select(mask_cast<int32_t>(v != v), quiet, rounded) & (-1 << 16));
}
template <std::same_as<Float16> Half> inline Vec<float> rounded_to(Vec<float> v) {
#if defined(__F16C__) && PN_VEC_BYTES == 32
  return Vec<float>(Vec<float>::R(
      _mm256_cvtph_ps(_mm256_cvtps_ph(v.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))));
#elif defined(__AVX512F__)
  return Vec<float>(Vec<float>::R(_mm512_maskz_cvtph_ps(
      -1, _mm512_maskz_cvtps_ph(-1, v.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))));
#else
  return float16_bits_to_float(float_to_float16_bits(v));
#endif
}

// ---- one number ---------------------------------------------------------------------------------

inline float to_float(BFloat16 x) {
  return bfloat16_bits_to_float(Vec<int32_t>(static_cast<int32_t>(x.bits)))[0];
}
inline float to_float(Float16 x) {
  return float16_bits_to_float(Vec<int32_t>(static_cast<int32_t>(x.bits)))[0];
}
inline BFloat16 to_bfloat16(float x) {
  return {static_cast<uint16_t>(float_to_bfloat16_bits(Vec<float>(x))[0])};
}
inline Float16 to_float16(float x) {
  return {static_cast<uint16_t>(float_to_float16_bits(Vec<float>(x))[0])};
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
