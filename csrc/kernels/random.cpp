// Random draws. What element gets which bits is fixed by core/philox.h; here blocks of the stream
// are drawn into the first-level cache and turned into numbers. Uniform draws and dropout have the
// same bits on every ISA, as each step rounds once; normal draws are as exact as log, sin and cos
// (simd/math.h), in float32 with a sine and cosine of their own.
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/lines.h"
#include "simd/philox.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kDraws = 1024;  // of 32 bits, from one call; half as many of 64

PhiloxSeed seed_of(const View& seed) {
  uint64_t words[2];
  converter(seed.dtype, DType::Int64)(words, seed.data, 2);
  return {words[0], words[1]};
}

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

/// Elements of the stream from number `first` on, a multiple of kDraws.
struct Draws {
  alignas(64) uint64_t words[kDraws / 2];

  Draws() = default;
  /// n 32-bit or 64-bit draws, n <= kDraws / (bits / 32).
  template <class T> const Bits<T>* draw(PhiloxSeed seed, int64_t first, int64_t n) {
    constexpr int64_t kPerBlock = 16 / sizeof(T);
    simd::philox_stream(seed, static_cast<uint64_t>(first / kPerBlock), ceil_div(n, kPerBlock),
                        words);
    return reinterpret_cast<const Bits<T>*>(words);
  }
};

/// uniform01 of core/philox.h, on lanes.
inline Vec<float> unit(Vec<uint32_t> bits) {
  return simd::convert<float>(simd::bit_cast<int32_t>(bits >> 8)) * 0x1p-24f;
}
inline Vec<double> unit(Vec<uint64_t> bits) {
  const Vec<uint64_t> x = bits >> 11;
  // Halves of x, put into the fractions of 2^52 and of 2^84: exact, and so is their sum of 53 bits.
  const Vec<double> low = simd::bit_cast<double>((x & 0xffffffffu) | 0x4330000000000000u) - 0x1p52;
  const Vec<double> high = simd::bit_cast<double>((x >> 32) | 0x4530000000000000u) - 0x1p84;
  return (high + low) * 0x1p-53;
}

/// make(draws, first, n, to) writes elements [first, first + n) of the output as T, no more of
/// them; n <= kDraws (half of it for double), and first is a multiple of that.
template <class T, class Make> void generate(Context& ctx, const View& out, Make&& make) {
  constexpr int64_t kPiece = kDraws / (sizeof(T) / 4), kTask = kSlice / 2;
  const int64_t size = out.size(), bytes = static_cast<int64_t>(size_of(out.dtype));
  const DType lanes = sizeof(T) == 8 ? DType::Float64 : DType::Float32;
  const Converter convert = out.dtype == lanes ? nullptr : converter(lanes, out.dtype);
  ctx.parallel_for(ceil_div(size, kTask), [&](int64_t task) {
    Draws draws;
    alignas(64) T piece[kPiece];
    const int64_t end = smaller(size, (task + 1) * kTask);
    for (int64_t first = task * kTask; first < end; first += kPiece) {
      const int64_t n = smaller(kPiece, end - first);
      char* to = out.as<char>() + first * bytes;
      make(draws, first, n, convert == nullptr ? reinterpret_cast<T*>(to) : piece);
      if (convert != nullptr) convert(to, piece, n);
    }
  });
}

// ---- uniform ------------------------------------------------------------------------------------

/// The largest number of `dtype` below x, as T.
template <class T> T last_below(double x, DType dtype) {
  char stored[8];
  converter(DType::Float64, dtype)(stored, &x, 1);
  double value;
  converter(dtype, DType::Float64)(&value, stored, 1);
  if (value >= x) {
    // Sixteen-bit floats and floats alike: the number before is one bit pattern away from zero or
    // to it.
    int64_t bits = 0;
    const size_t size = size_of(dtype);
    std::memcpy(&bits, stored, size);
    const int64_t sign = int64_t{1} << (8 * size - 2) << 1;
    if ((bits & ~sign) == 0)
      bits = sign | 1;
    else
      bits += (bits & sign) != 0 ? 1 : -1;
    std::memcpy(stored, &bits, size);
  }
  T result;
  converter(dtype, sizeof(T) == 8 ? DType::Float64 : DType::Float32)(&result, stored, 1);
  return result;
}

template <class T>
void uniform(const RandomUniform& op, Context& ctx, const View& seed_view, const View& out) {
  using V = Vec<T>;
  const PhiloxSeed seed = seed_of(seed_view);
  const V low(static_cast<T>(op.minval)), range(static_cast<T>(op.maxval - op.minval));
  // Rounding may reach maxval, which no draw may be.
  const T last = last_below<T>(op.maxval, op.dtype);
  const V most(op.minval < op.maxval ? (last > low[0] ? last : low[0])
                                     : std::numeric_limits<T>::infinity());
  generate<T>(ctx, out, [&](Draws& draws, int64_t first, int64_t n, T* to) {
    const auto* bits = draws.draw<T>(seed, first, n);
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(to + i, min(low + unit(simd::load(bits + i)) * range, most), lanes);
    });
  });
}

void random_uniform(const RandomUniform& op, Context& ctx, In in, Out out) noexcept {
  if (op.dtype == DType::Float64)
    uniform<double>(op, ctx, in[0], out[0]);
  else
    uniform<float>(op, ctx, in[0], out[0]);
}

// ---- normal -------------------------------------------------------------------------------------

/// sin and cos of 2 pi v, v in [0, 1): v less its nearest quarter is exact.
template <class T> struct SinCos { Vec<T> sin, cos; };
inline SinCos<double> turns(Vec<double> v) {
  constexpr double kTwoPi = 6.283185307179586476925;
  constexpr double kMagic = 0x1.8p52;  // adding it leaves the nearest integer in the low bits
  const Vec<double> shifted = v * 4.0 + kMagic;
  simd::Angle angle;
  angle.high = (v - (shifted - kMagic) * 0.25) * kTwoPi;
  angle.low = Vec<double>(0);
  angle.quadrant = simd::bit_cast<int64_t>(shifted);
  return {simd::sin_of_quadrant<double>(angle, 0), simd::sin_of_quadrant<double>(angle, 1)};
}
/// In float32 throughout, by Taylor's series up to pi/4: what they leave out is below 3e-9.
inline SinCos<float> turns(Vec<float> v) {
  using V = Vec<float>;
  constexpr float kTwoPi = 6.28318530717958648f, kMagic = 0x1.8p23f;
  const V shifted = v * 4.0f + kMagic;
  const V x = (v - (shifted - kMagic) * 0.25f) * kTwoPi, z = x * x;
  const V s =
      fma(z, fma(z, fma(z, V(1 / 362880.0f), V(-1 / 5040.0f)), V(1 / 120.0f)), V(-1 / 6.0f));
  const V c =
      fma(z, fma(z, fma(z, V(-1 / 3628800.0f), V(1 / 40320.0f)), V(-1 / 720.0f)), V(1 / 24.0f));
  const V sine = fma(x * z, s, x), cosine = fma(z * z, c, fma(z, V(-0.5f), V(1.0f)));
  // The nearest quarter swaps the two and turns their signs: bit 1 of it for the sine, that of the
  // next quarter for the cosine.
  const Vec<int32_t> quarter = simd::bit_cast<int32_t>(shifted);
  const auto even = simd::mask_cast<float>((quarter & 1) == Vec<int32_t>(0));
  const auto sign = [](V y, Vec<int32_t> of) {
    return simd::bit_cast<float>(simd::bit_cast<int32_t>(y) ^ ((of & 2) << 30));
  };
  return {sign(select(even, sine, cosine), quarter), sign(select(even, cosine, sine), quarter + 1)};
}

template <class T>
void normal(const RandomNormal& op, Context& ctx, const View& seed_view, const View& out) {
  using V = Vec<T>;
  constexpr int64_t kPairs = kDraws / (sizeof(T) / 4) / 2;
  const PhiloxSeed seed = seed_of(seed_view);
  const V mean(static_cast<T>(op.mean)), stddev(static_cast<T>(op.stddev));
  generate<T>(ctx, out, [&](Draws& draws, int64_t first, int64_t n, T* to) {
    const int64_t pairs = ceil_div(n, 2);
    const auto* bits = draws.draw<T>(seed, first, 2 * pairs);
    alignas(64) Bits<T> u[kPairs], v[kPairs];
    alignas(64) T even[kPairs], odd[kPairs];
    for (int64_t j = 0; j < pairs; ++j) u[j] = bits[2 * j], v[j] = bits[2 * j + 1];
    for (int64_t j = 0; j < pairs; j += V::kCount) {
      const V r = sqrt(V(-2) * log(V(1) - unit(simd::load(u + j))));
      const SinCos<T> t = turns(unit(simd::load(v + j)));
      store(even + j, mean + stddev * (r * t.cos));
      store(odd + j, mean + stddev * (r * t.sin));
    }
    for (int64_t j = 0; j < n / 2; ++j) to[2 * j] = even[j], to[2 * j + 1] = odd[j];
    if (n % 2 != 0) to[n - 1] = even[n / 2];
  });
}

void random_normal(const RandomNormal& op, Context& ctx, In in, Out out) noexcept {
  if (op.dtype == DType::Float64)
    normal<double>(op, ctx, in[0], out[0]);
  else
    normal<float>(op, ctx, in[0], out[0]);
}

// ---- dropout ------------------------------------------------------------------------------------

/// y = x scale where the element's draw is at least `threshold` (of 2^24), else 0.
template <class T>
void drop(const T* x, T* y, const uint32_t* bits, int64_t n, int32_t threshold, T scale) {
  using V = Vec<T>;
  using I = simd::IntOf<T>;
  auto step = [&](V v, int64_t i) {
    const Vec<I> draw = simd::load_as<I>(bits + i) & I(0xffffffff);
    const auto kept = ((draw >> 8) & I(0xffffff)) >= Vec<I>(static_cast<I>(threshold));
    return select(simd::mask_cast<T>(kept), v * V(scale), V(0));
  };
  int64_t i = 0;
  for (; i + V::kCount <= n; i += V::kCount) store(y + i, step(simd::load(x + i), i));
  const int lanes = static_cast<int>(n - i);
  if (lanes > 0) store(y + i, step(simd::load(x + i, lanes), i), lanes);
}

template <class T>
void dropout_typed(const Dropout& op, Context& ctx, const View& x, const View& seed_view,
                   const View& out) {
  const PhiloxSeed seed = seed_of(seed_view);
  const auto threshold = static_cast<int32_t>(std::ceil(op.rate * 0x1p24));
  const T scale = static_cast<T>(1 / (1 - op.rate));
  const int64_t size = x.size(), bytes = static_cast<int64_t>(size_of(x.dtype));
  const DType lanes = sizeof(T) == 8 ? DType::Float64 : DType::Float32;
  const bool same = x.dtype == lanes;
  const Converter widen = converter(x.dtype, lanes), narrow = converter(lanes, x.dtype);
  ctx.parallel_for(ceil_div(size, kSlice / 2), [&](int64_t task) {
    Draws draws;
    alignas(64) T piece[kDraws];
    const int64_t end = smaller(size, (task + 1) * (kSlice / 2));
    for (int64_t first = task * (kSlice / 2); first < end; first += kDraws) {
      const int64_t n = smaller(kDraws, end - first);
      const uint32_t* bits = draws.draw<float>(seed, first, n);
      const char* from = x.as<const char>() + first * bytes;
      char* to = out.as<char>() + first * bytes;
      if (same) {
        drop(reinterpret_cast<const T*>(from), reinterpret_cast<T*>(to), bits, n, threshold, scale);
      } else {
        widen(piece, from, n);
        drop(piece, piece, bits, n, threshold, scale);
        narrow(to, piece, n);
      }
    }
  });
}

void dropout(const Dropout& op, Context& ctx, In in, Out out) noexcept {
  if (in[0].dtype == DType::Float64)
    dropout_typed<double>(op, ctx, in[0], in[1], out[0]);
  else
    dropout_typed<float>(op, ctx, in[0], in[1], out[0]);
}

}  // namespace

Kernel kernel(Tag<RandomUniform>) { return make_kernel<RandomUniform, &random_uniform>(); }
Kernel kernel(Tag<RandomNormal>) { return make_kernel<RandomNormal, &random_normal>(); }
Kernel kernel(Tag<Dropout>) { return make_kernel<Dropout, &dropout>(); }

}  // namespace pyneuro
