// One hardware register: the few operations that vector extensions cannot say, as intrinsics of the
// ISA being compiled. Only vec.h builds on it. No arithmetic that vector extensions already give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// The width of a Vec in bytes. A build may set a wider one than the ISA has (tests do): each
// operation then runs on halves until a hardware register fits.
#if !defined(PN_VEC_BYTES)
#if defined(__AVX512F__)
#define PN_VEC_BYTES 64
#elif defined(__AVX2__)
#define PN_VEC_BYTES 32
#else
#define PN_VEC_BYTES 16
#endif
#endif

// One inline namespace per ISA and width: objects built with different flags never share a symbol.
#if defined(__AVX512BF16__)
#define PN_SIMD_ABI avx512_bf16
#elif defined(__AVX512F__)
#define PN_SIMD_ABI avx512
#elif defined(__AVX2__) && PN_VEC_BYTES == 64
#define PN_SIMD_ABI avx2_wide512
#elif defined(__AVX2__)
#define PN_SIMD_ABI avx2
#elif PN_VEC_BYTES == 16
#define PN_SIMD_ABI generic
#else
#define PN_SIMD_ABI generic_wide
#endif

namespace pyneuro::simd {
inline namespace PN_SIMD_ABI {

#if defined(__AVX512F__)
inline constexpr int kRegisterBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kRegisterBytes = 32;
#else
inline constexpr int kRegisterBytes = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
inline constexpr bool kHasFma = true;  // fma(a, b, c) rounds once
#else
inline constexpr bool kHasFma = false;  // fma(a, b, c) is a * b + c, rounded twice
#endif

template <class T, int Bytes> struct RawVector {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T, int Bytes> using Raw = typename RawVector<T, Bytes>::type;

/// The signed integer as wide as T: the element of a mask over T.
template <class T> using IntOf = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;

/// Half of a vector and back, as shuffles, which stay in registers.
template <class V, int... kIndex>
inline auto shuffle(const V& a, const V& b, std::integer_sequence<int, kIndex...>) {
  return __builtin_shufflevector(a, b, kIndex...);
}
template <class T, int Bytes> inline auto low_half(Raw<T, Bytes> v) {
  return shuffle(v, v, std::make_integer_sequence<int, Bytes / 2 / sizeof(T)>{});
}
template <int kFirst, int... kIndex> constexpr auto shifted(std::integer_sequence<int, kIndex...>) {
  return std::integer_sequence<int, (kFirst + kIndex)...>{};
}
template <class T, int Bytes> inline auto high_half(Raw<T, Bytes> v) {
  constexpr int kHalf = Bytes / 2 / sizeof(T);
  return shuffle(v, v, shifted<kHalf>(std::make_integer_sequence<int, kHalf>{}));
}
template <class T, int Bytes>  // Bytes of the result
inline Raw<T, Bytes> join_halves(Raw<T, Bytes / 2> low, Raw<T, Bytes / 2> high) {
  return shuffle(low, high, std::make_integer_sequence<int, Bytes / sizeof(T)>{});
}

/// A mask whose first n lanes are set.
template <class T, int Bytes> inline Raw<IntOf<T>, Bytes> first_lanes(int n) {
  using I = Raw<IntOf<T>, Bytes>;
  I index;
  for (int i = 0; i < static_cast<int>(Bytes / sizeof(T)); ++i) index[i] = i;
  return (I)(index < (I{} + static_cast<IntOf<T>>(n)));
}

/// What every width can do with plain vector code, or lane by lane.
template <class T, int Bytes> struct Portable {
  using R = Raw<T, Bytes>;
  using I = Raw<IntOf<T>, Bytes>;
  static constexpr int kCount = Bytes / sizeof(T);

  static R fma(R a, R b, R c) { return a * b + c; }
  static R sqrt(R a) {
    for (int i = 0; i < kCount; ++i)
      a[i] = sizeof(T) == 8 ? __builtin_sqrt(a[i]) : __builtin_sqrtf(a[i]);
    return a;
  }
  static R select(I m, R a, R b) { return (R)(((I)a & m) | ((I)b & ~m)); }
  static R min(R a, R b) { return select(a < b, a, b); }
  static R max(R a, R b) { return select(a > b, a, b); }

  // Ties to even: adding and taking away 2^p leaves no fraction; larger magnitudes have none.
  static R nearest(R a) {
    constexpr T big = sizeof(T) == 8 ? T(4503599627370496.0) : T(8388608.0);
    const I sign = (I)a & (I)(-R{});
    const R magnitude = (R)((I)a & ~sign);
    const R rounded = (magnitude + big) - big;
    return (R)((I)select(magnitude < (R{} + big), rounded, magnitude) | sign);
  }
  static R floor(R a) {
    const R r = nearest(a);
    return with_sign(r - select(r > a, R{} + T(1), R{}), a);
  }
  static R ceil(R a) {
    const R r = nearest(a);
    return with_sign(r + select(r < a, R{} + T(1), R{}), a);
  }
  static R trunc(R a) {
    const I sign = (I)a & (I)(-R{});
    return with_sign(floor((R)((I)a & ~sign)), a);
  }

  static bool any(I m) {
    IntOf<T> bits = 0;
    for (int i = 0; i < kCount; ++i) bits |= m[i];
    return bits != 0;
  }
  static R load(const T* p, int n) {
    R v{};
    std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
    return v;
  }
  static void store(T* p, R v, int n) { std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(T)); }

 private:
  static R with_sign(R magnitude, R sign) { return (R)((I)magnitude | ((I)sign & (I)(-R{}))); }
};

template <class T, int Bytes> struct Native;

/// A vector wider than a register: two halves, each by the narrower Native.
template <class T, int Bytes> struct Halves {
  using H = Native<T, Bytes / 2>;
  using R = Raw<T, Bytes>;
  using I = Raw<IntOf<T>, Bytes>;
  static constexpr int kHalf = Bytes / 2 / sizeof(T);
  static auto low(R a) { return low_half<T, Bytes>(a); }
  static auto high(R a) { return high_half<T, Bytes>(a); }
  static auto low_mask(I a) { return low_half<IntOf<T>, Bytes>(a); }
  static auto high_mask(I a) { return high_half<IntOf<T>, Bytes>(a); }
  static R join(Raw<T, Bytes / 2> a, Raw<T, Bytes / 2> b) { return join_halves<T, Bytes>(a, b); }

  static R fma(R a, R b, R c) {
    return join(H::fma(low(a), low(b), low(c)), H::fma(high(a), high(b), high(c)));
  }
  static R sqrt(R a) { return join(H::sqrt(low(a)), H::sqrt(high(a))); }
  static R floor(R a) { return join(H::floor(low(a)), H::floor(high(a))); }
  static R ceil(R a) { return join(H::ceil(low(a)), H::ceil(high(a))); }
  static R trunc(R a) { return join(H::trunc(low(a)), H::trunc(high(a))); }
  static R nearest(R a) { return join(H::nearest(low(a)), H::nearest(high(a))); }
  static R min(R a, R b) { return join(H::min(low(a), low(b)), H::min(high(a), high(b))); }
  static R max(R a, R b) { return join(H::max(low(a), low(b)), H::max(high(a), high(b))); }
  static R select(I m, R a, R b) {
    return join(H::select(low_mask(m), low(a), low(b)), H::select(high_mask(m), high(a), high(b)));
  }
  static bool any(I m) { return H::any(low_mask(m) | high_mask(m)); }
  static R load(const T* p, int n) {
    if (n <= kHalf) return join(H::load(p, n), Raw<T, Bytes / 2>{});
    return join(H::load(p, kHalf), H::load(p + kHalf, n - kHalf));
  }
  static void store(T* p, R v, int n) {
    H::store(p, low(v), n < kHalf ? n : kHalf);
    if (n > kHalf) H::store(p + kHalf, high(v), n - kHalf);
  }
};

/// The operations as this ISA does them best; specialised below for the widths that are registers.
template <class T, int Bytes>
struct Native : std::conditional_t<(Bytes > kRegisterBytes), Halves<T, Bytes>, Portable<T, Bytes>> {
};

#if defined(__AVX512F__)

// maskz with every lane set is the plain instruction; GCC 12 warns about the plain intrinsics'
// own headers (bug 105593).
template <> struct Native<float, 64> : Portable<float, 64> {
  static R fma(R a, R b, R c) { return _mm512_fmadd_ps(a, b, c); }
  static constexpr __mmask16 kAll = -1;
  static R sqrt(R a) { return _mm512_maskz_sqrt_ps(kAll, a); }
  static R min(R a, R b) { return _mm512_maskz_min_ps(kAll, a, b); }
  static R max(R a, R b) { return _mm512_maskz_max_ps(kAll, a, b); }
  static R nearest(R a) {
    return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static R floor(R a) {
    return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  static R ceil(R a) {
    return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  }
  static R trunc(R a) {
    return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  }
  static R select(I m, R a, R b) { return m ? a : b; }
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static R load(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store(float* p, R v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
  static bool any(I m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
};

template <> struct Native<double, 64> : Portable<double, 64> {
  static R fma(R a, R b, R c) { return _mm512_fmadd_pd(a, b, c); }
  static constexpr __mmask8 kAll = -1;
  static R sqrt(R a) { return _mm512_maskz_sqrt_pd(kAll, a); }
  static R min(R a, R b) { return _mm512_maskz_min_pd(kAll, a, b); }
  static R max(R a, R b) { return _mm512_maskz_max_pd(kAll, a, b); }
  static R nearest(R a) {
    return _mm512_maskz_roundscale_pd(kAll, a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static R floor(R a) {
    return _mm512_maskz_roundscale_pd(kAll, a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  static R ceil(R a) {
    return _mm512_maskz_roundscale_pd(kAll, a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  }
  static R trunc(R a) {
    return _mm512_maskz_roundscale_pd(kAll, a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  }
  static R select(I m, R a, R b) { return m ? a : b; }
  static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static R load(const double* p, int n) { return _mm512_maskz_loadu_pd(first(n), p); }
  static void store(double* p, R v, int n) { _mm512_mask_storeu_pd(p, first(n), v); }
  static bool any(I m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
};

template <> struct Native<int32_t, 64> : Portable<int32_t, 64> {
  static R select(I m, R a, R b) { return m ? a : b; }
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static R load(const int32_t* p, int n) { return (R)_mm512_maskz_loadu_epi32(first(n), p); }
  static void store(int32_t* p, R v, int n) { _mm512_mask_storeu_epi32(p, first(n), (__m512i)v); }
  static bool any(I m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
};

template <> struct Native<int64_t, 64> : Portable<int64_t, 64> {
  static R select(I m, R a, R b) { return m ? a : b; }
  static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static R load(const int64_t* p, int n) { return (R)_mm512_maskz_loadu_epi64(first(n), p); }
  static void store(int64_t* p, R v, int n) { _mm512_mask_storeu_epi64(p, first(n), (__m512i)v); }
  static bool any(I m) { return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0; }
};

#endif

#if defined(__AVX2__) && defined(__FMA__)

template <> struct Native<float, 32> : Portable<float, 32> {
  static R fma(R a, R b, R c) { return _mm256_fmadd_ps(a, b, c); }
  static R sqrt(R a) { return _mm256_sqrt_ps(a); }
  static R min(R a, R b) { return _mm256_min_ps(a, b); }
  static R max(R a, R b) { return _mm256_max_ps(a, b); }
  static R nearest(R a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static R floor(R a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  static R ceil(R a) { return _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
  static R trunc(R a) { return _mm256_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  static R select(I m, R a, R b) { return _mm256_blendv_ps(b, a, (R)m); }
  static R load(const float* p, int n) {
    return _mm256_maskload_ps(p, (__m256i)first_lanes<float, 32>(n));
  }
  static void store(float* p, R v, int n) {
    _mm256_maskstore_ps(p, (__m256i)first_lanes<float, 32>(n), v);
  }
  static bool any(I m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
};

template <> struct Native<double, 32> : Portable<double, 32> {
  static R fma(R a, R b, R c) { return _mm256_fmadd_pd(a, b, c); }
  static R sqrt(R a) { return _mm256_sqrt_pd(a); }
  static R min(R a, R b) { return _mm256_min_pd(a, b); }
  static R max(R a, R b) { return _mm256_max_pd(a, b); }
  static R nearest(R a) {
    return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static R floor(R a) { return _mm256_round_pd(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  static R ceil(R a) { return _mm256_round_pd(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
  static R trunc(R a) { return _mm256_round_pd(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
  static R select(I m, R a, R b) { return _mm256_blendv_pd(b, a, (R)m); }
  static R load(const double* p, int n) {
    return _mm256_maskload_pd(p, (__m256i)first_lanes<double, 32>(n));
  }
  static void store(double* p, R v, int n) {
    _mm256_maskstore_pd(p, (__m256i)first_lanes<double, 32>(n), v);
  }
  static bool any(I m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
};

template <> struct Native<int32_t, 32> : Portable<int32_t, 32> {
  static R select(I m, R a, R b) {
    return (R)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)m);
  }
  static R load(const int32_t* p, int n) {
    return (R)_mm256_maskload_epi32(reinterpret_cast<const int*>(p),
                                    (__m256i)first_lanes<int32_t, 32>(n));
  }
  static void store(int32_t* p, R v, int n) {
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), (__m256i)first_lanes<int32_t, 32>(n),
                           (__m256i)v);
  }
  static bool any(I m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
};

template <> struct Native<int64_t, 32> : Portable<int64_t, 32> {
  static R select(I m, R a, R b) {
    return (R)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)m);
  }
  static R load(const int64_t* p, int n) {
    return (R)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p),
                                    (__m256i)first_lanes<int64_t, 32>(n));
  }
  static void store(int64_t* p, R v, int n) {
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), (__m256i)first_lanes<int64_t, 32>(n),
                           (__m256i)v);
  }
  static bool any(I m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
};

#endif

#if defined(__x86_64__)

template <> struct Native<float, 16> : Portable<float, 16> {
  static R sqrt(R a) { return _mm_sqrt_ps(a); }
  static R min(R a, R b) { return _mm_min_ps(a, b); }
  static R max(R a, R b) { return _mm_max_ps(a, b); }
  static bool any(I m) { return _mm_movemask_epi8((__m128i)m) != 0; }
};

template <> struct Native<double, 16> : Portable<double, 16> {
  static R sqrt(R a) { return _mm_sqrt_pd(a); }
  static R min(R a, R b) { return _mm_min_pd(a, b); }
  static R max(R a, R b) { return _mm_max_pd(a, b); }
  static bool any(I m) { return _mm_movemask_epi8((__m128i)m) != 0; }
};

template <> struct Native<int32_t, 16> : Portable<int32_t, 16> {
  static bool any(I m) { return _mm_movemask_epi8((__m128i)m) != 0; }
};

template <> struct Native<int64_t, 16> : Portable<int64_t, 16> {
  static bool any(I m) { return _mm_movemask_epi8((__m128i)m) != 0; }
};

#elif defined(__aarch64__)

template <> struct Native<float, 16> : Portable<float, 16> {
  static R fma(R a, R b, R c) {
    return (R)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
  }
  static R sqrt(R a) { return (R)vsqrtq_f32((float32x4_t)a); }
  static R nearest(R a) { return (R)vrndnq_f32((float32x4_t)a); }
  static R floor(R a) { return (R)vrndmq_f32((float32x4_t)a); }
  static R ceil(R a) { return (R)vrndpq_f32((float32x4_t)a); }
  static R trunc(R a) { return (R)vrndq_f32((float32x4_t)a); }
  static R select(I m, R a, R b) {
    return (R)vbslq_f32((uint32x4_t)m, (float32x4_t)a, (float32x4_t)b);
  }
};

template <> struct Native<double, 16> : Portable<double, 16> {
  static R fma(R a, R b, R c) {
    return (R)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
  }
  static R sqrt(R a) { return (R)vsqrtq_f64((float64x2_t)a); }
  static R nearest(R a) { return (R)vrndnq_f64((float64x2_t)a); }
  static R floor(R a) { return (R)vrndmq_f64((float64x2_t)a); }
  static R ceil(R a) { return (R)vrndpq_f64((float64x2_t)a); }
  static R trunc(R a) { return (R)vrndq_f64((float64x2_t)a); }
  static R select(I m, R a, R b) {
    return (R)vbslq_f64((uint64x2_t)m, (float64x2_t)a, (float64x2_t)b);
  }
};

#endif

// ---- products of bfloat16 pairs -----------------------------------------------------------------

#if defined(__AVX512BF16__)
inline Raw<float, 64> dot_raw_pairs(Raw<float, 64> sum, Raw<int32_t, 64> a, Raw<int32_t, 64> b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#endif

// ---- stores past the caches ---------------------------------------------------------------------

/// Where p is a multiple of the vector's bytes. Other threads see it after end_stores_past().
template <class R> inline void store_raw_past(void* p, const R& v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(R) == 64) return _mm512_stream_si512(static_cast<__m512i*>(p), (__m512i)v);
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(R) == 64) {
    __m256i half[2];
    std::memcpy(half, &v, sizeof(v));
    _mm256_stream_si256(static_cast<__m256i*>(p), half[0]);
    _mm256_stream_si256(static_cast<__m256i*>(p) + 1, half[1]);
    return;
  }
  if constexpr (sizeof(R) == 32) return _mm256_stream_si256(static_cast<__m256i*>(p), (__m256i)v);
#endif
#if defined(__x86_64__)
  if constexpr (sizeof(R) == 16) return _mm_stream_si128(static_cast<__m128i*>(p), (__m128i)v);
#endif
  std::memcpy(p, &v, sizeof(v));
}
inline void end_stores_past() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro::simd
