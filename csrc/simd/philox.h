// Philox4x32-10 on registers: the stream of core/philox.h, many blocks at a time. Integers only, so
// all ISAs and widths give the same words.
#pragma once

#include "core/philox.h"
#include "simd/vec.h"

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

/// Lane by lane the product of the low halves, all 64 bits of it.
inline Vec<uint64_t> multiply_low(Vec<uint64_t> a, Vec<uint64_t> b) {
#if defined(__AVX512F__)
  return Vec<uint64_t>(
      (Vec<uint64_t>::R)_mm512_maskz_mul_epu32(-1, (__m512i)a.raw, (__m512i)b.raw));
#elif defined(__AVX2__) && PN_VEC_BYTES == 32
  return Vec<uint64_t>((Vec<uint64_t>::R)_mm256_mul_epu32((__m256i)a.raw, (__m256i)b.raw));
#elif defined(__x86_64__) && PN_VEC_BYTES == 16
  return Vec<uint64_t>((Vec<uint64_t>::R)_mm_mul_epu32((__m128i)a.raw, (__m128i)b.raw));
#elif defined(__aarch64__) && PN_VEC_BYTES == 16
  return Vec<uint64_t>(
      (Vec<uint64_t>::R)vmull_u32(vmovn_u64((uint64x2_t)a.raw), vmovn_u64((uint64x2_t)b.raw)));
#else
  constexpr uint64_t kLow = 0xffffffff;
  return (a & kLow) * (b & kLow);
#endif
}

template <int... kLane>
inline Raw<uint64_t, kVecBytes> zip_low(Raw<uint64_t, kVecBytes> a, Raw<uint64_t, kVecBytes> b,
                                        std::integer_sequence<int, kLane...>) {
  constexpr int kCount = sizeof...(kLane);
  return __builtin_shufflevector(a, b, (kLane / 2 + kLane % 2 * kCount)...);
}
template <int... kLane>
inline Raw<uint64_t, kVecBytes> zip_high(Raw<uint64_t, kVecBytes> a, Raw<uint64_t, kVecBytes> b,
                                         std::integer_sequence<int, kLane...>) {
  constexpr int kCount = sizeof...(kLane);
  return __builtin_shufflevector(a, b, (kCount / 2 + kLane / 2 + kLane % 2 * kCount)...);
}

/// The words of `blocks` blocks from number `first` on, in order, two to an element, the earlier
/// one low: read as 32-bit numbers (little-endian) or as the 64-bit draws. Room: blocks up to a
/// multiple of 16.
inline void philox_stream(PhiloxSeed seed, uint64_t first, int64_t blocks, uint64_t* words) {
  using V = Vec<uint64_t>;
  using Lanes = std::make_integer_sequence<int, V::kCount>;
  constexpr uint64_t kLow = 0xffffffff;
  constexpr int kChains = kVecBytes < 64 ? 2 : 1;  // at a time: a round waits for the one before
  for (int64_t b = 0; b < blocks; b += kChains * V::kCount) {
    // Every number lies in the low half of its lane; what the high half holds is never looked at.
    V c0[kChains], c1[kChains], c2[kChains], c3[kChains];
    for (int k = 0; k < kChains; ++k) {
      c0[k] = iota<uint64_t>() + V(first + static_cast<uint64_t>(b + k * V::kCount));
      c1[k] = c0[k] >> 32;
      c2[k] = V(seed.counter);
      c3[k] = V(seed.counter >> 32);
    }
    uint32_t k0 = static_cast<uint32_t>(seed.key), k1 = static_cast<uint32_t>(seed.key >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int k = 0; k < kChains; ++k) {
        const V p0 = multiply_low(c0[k], 0xD2511F53u), p1 = multiply_low(c2[k], 0xCD9E8D57u);
        c0[k] = (p1 >> 32) ^ (c1[k] ^ V(k0));
        c2[k] = (p0 >> 32) ^ (c3[k] ^ V(k1));
        c1[k] = p1;
        c3[k] = p0;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    for (int k = 0; k < kChains; ++k, words += 2 * V::kCount) {
      const V early = (c0[k] & kLow) | (c1[k] << 32), late = (c2[k] & kLow) | (c3[k] << 32);
      store(words, V(zip_low(early.raw, late.raw, Lanes{})));
      store(words + V::kCount, V(zip_high(early.raw, late.raw, Lanes{})));
    }
  }
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
