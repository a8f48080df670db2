// Small integers from memory into 32-bit lanes, by the one instruction that AVX2 and AVX-512 have
// for it (GCC 12 makes four of a plain conversion). Elsewhere load_as of vec.h.
#pragma once

#include "simd/vec.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

template <class S>
  requires(std::is_integral_v<S> && sizeof(S) < 4)
inline Vec<int32_t> load_widened(const S* p) {
#if defined(__AVX512F__)
  using R = Vec<int32_t>::R;
  if constexpr (sizeof(S) == 1) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return Vec<int32_t>(std::is_signed_v<S> ? (R)_mm512_maskz_cvtepi8_epi32(-1, packed)
                                            : (R)_mm512_maskz_cvtepu8_epi32(-1, packed));
  } else {
    const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return Vec<int32_t>(std::is_signed_v<S> ? (R)_mm512_maskz_cvtepi16_epi32(-1, packed)
                                            : (R)_mm512_maskz_cvtepu16_epi32(-1, packed));
  }
#elif defined(__AVX2__) && PN_VEC_BYTES == 32
  using R = Vec<int32_t>::R;
  if constexpr (sizeof(S) == 1) {
    const __m128i packed = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return Vec<int32_t>(std::is_signed_v<S> ? (R)_mm256_cvtepi8_epi32(packed)
                                            : (R)_mm256_cvtepu8_epi32(packed));
  } else {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return Vec<int32_t>(std::is_signed_v<S> ? (R)_mm256_cvtepi16_epi32(packed)
                                            : (R)_mm256_cvtepu16_epi32(packed));
  }
#else
  return load_as<int32_t>(p);
#endif
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
