// Winograd's F(4x4, 3x3): 4 x 4 results of a 3 x 3 window from a 6 x 6 tile of the source with 36
// products instead of 144. y = A^T [(G g G^T) . (B^T d B)] A for a tile d and a kernel g; the sums
// over channels run between the transforms, as 36 matrix products. F(2x2, 3x3) makes 2 x 2 results
// from a 4 x 4 tile with 16 products instead of 36: for pictures that 4 x 4 results fit badly.
//
// S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin, S. Gray, Fast Algorithms for
// Convolutional Neural Networks (2016, arXiv 1509.09308). The matrices for 4 x 4 interpolate at 0,
// infinity, +-sqrt(1/2) and +-sqrt(2), whose products and sums stay near 1; 0, +-1, +-2 lose about
// twice as much (how points set the error: B. Barabasz et al., 2018, arXiv 1803.10986). Those for
// 2 x 2 interpolate at 0, infinity and +-1. Relative L2 error on normally distributed data, 64 to
// 512 channels: 0.8e-6 to 2.1e-6, of 2 x 2 a third of it.
//
// One NaN or infinity in the source can make any result of the tiles that read it NaN (up to 8 x 8
// results, in all filters), and values near the largest float overflow early.
#pragma once

#include "kernels/conv.h"
#include "kernels/gemm_micro.h"
#include "kernels/tile.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

// ---- transforms of one line, for a register of channels at a time -------------------------------

inline constexpr float kRootHalf = 0.70710678118654752f;

/// F(4x4, 3x3): results along a side of a tile, pixels of the source along it, the matrices.
struct FourByFour {
  static constexpr int kSide = 4, kReach = 6;

  struct Source {  // B^T
    static constexpr int kFrom = 6, kTo = 6;
    template <class V> [[gnu::always_inline]] static void apply(const V* d, V* to) {
      const V even_low = fma(V(-2.0f), d[2], d[4]),
              odd_low = V(kRootHalf) * fma(V(-2.0f), d[1], d[3]);
      const V even_high = fma(V(-0.5f), d[2], d[4]);
      const V odd_high = V(2 * kRootHalf) * fma(V(-0.5f), d[1], d[3]);
      to[0] = fma(V(-2.5f), d[2], d[0] + d[4]);
      to[1] = even_low + odd_low, to[2] = even_low - odd_low;
      to[3] = even_high + odd_high, to[4] = even_high - odd_high;
      to[5] = fma(V(-2.5f), d[3], d[1] + d[5]);
    }
  };

  struct Kernel {  // G
    static constexpr int kFrom = 3, kTo = 6;
    template <class V> [[gnu::always_inline]] static void apply(const V* g, V* to) {
      const V even_low = V(-2.0f / 3) * fma(V(0.5f), g[2], g[0]);
      const V even_high = V(1.0f / 6) * fma(V(2.0f), g[2], g[0]);
      const V odd_low = V(-2.0f / 3 * kRootHalf) * g[1], odd_high = V(kRootHalf / 3) * g[1];
      to[0] = g[0];
      to[1] = even_low + odd_low, to[2] = even_low - odd_low;
      to[3] = even_high + odd_high, to[4] = even_high - odd_high;
      to[5] = g[2];
    }
  };

  struct Result {  // A^T
    static constexpr int kFrom = 6, kTo = 4;
    template <class V> [[gnu::always_inline]] static void apply(const V* m, V* to) {
      const V even_low = m[1] + m[2], even_high = m[3] + m[4];
      const V odd_low = V(kRootHalf) * (m[1] - m[2]), odd_high = V(2 * kRootHalf) * (m[3] - m[4]);
      to[0] = m[0] + (even_low + even_high);
      to[1] = odd_low + odd_high;
      to[2] = fma(V(0.5f), even_low, even_high + even_high);
      to[3] = fma(V(0.5f), odd_low, fma(V(2.0f), odd_high, m[5]));
    }
  };

  struct ResultGrad {  // A
    static constexpr int kFrom = 4, kTo = 6;
    template <class V> [[gnu::always_inline]] static void apply(const V* y, V* to) {
      const V even_low = fma(V(0.5f), y[2], y[0]), even_high = fma(V(2.0f), y[2], y[0]);
      const V odd_low = V(kRootHalf) * fma(V(0.5f), y[3], y[1]);
      const V odd_high = V(2 * kRootHalf) * fma(V(2.0f), y[3], y[1]);
      to[0] = y[0];
      to[1] = even_low + odd_low, to[2] = even_low - odd_low;
      to[3] = even_high + odd_high, to[4] = even_high - odd_high;
      to[5] = y[3];
    }
  };

  struct KernelGrad {  // G^T
    static constexpr int kFrom = 6, kTo = 3;
    template <class V> [[gnu::always_inline]] static void apply(const V* m, V* to) {
      const V even_low = m[1] + m[2], even_high = m[3] + m[4];
      to[0] = fma(V(-2.0f / 3), even_low, fma(V(1.0f / 6), even_high, m[0]));
      to[1] = V(kRootHalf / 3) * fma(V(-2.0f), m[1] - m[2], m[3] - m[4]);
      to[2] = fma(V(1.0f / 3), even_high - even_low, m[5]);
    }
  };
};

/// F(2x2, 3x3).
struct TwoByTwo {
  static constexpr int kSide = 2, kReach = 4;

  struct Source {  // B^T
    static constexpr int kFrom = 4, kTo = 4;
    template <class V> [[gnu::always_inline]] static void apply(const V* d, V* to) {
      to[0] = d[0] - d[2], to[1] = d[1] + d[2], to[2] = d[2] - d[1], to[3] = d[1] - d[3];
    }
  };

  struct Kernel {  // G
    static constexpr int kFrom = 3, kTo = 4;
    template <class V> [[gnu::always_inline]] static void apply(const V* g, V* to) {
      const V even = V(0.5f) * (g[0] + g[2]), odd = V(0.5f) * g[1];
      to[0] = g[0], to[1] = even + odd, to[2] = even - odd, to[3] = g[2];
    }
  };

  struct Result {  // A^T
    static constexpr int kFrom = 4, kTo = 2;
    template <class V> [[gnu::always_inline]] static void apply(const V* m, V* to) {
      to[0] = m[0] + (m[1] + m[2]), to[1] = (m[1] - m[2]) - m[3];
    }
  };
};

/// L X L^T: store(i, j, value) of each element, from load(i, j).
template <class L, class Load, class Store>
[[gnu::always_inline]] inline void transform(Load load, Store store) {
  using V = Vec<float>;
  V middle[L::kTo][L::kFrom];
#pragma GCC unroll 6
  for (int j = 0; j < L::kFrom; ++j) {
    V column[L::kFrom], to[L::kTo];
#pragma GCC unroll 6
    for (int i = 0; i < L::kFrom; ++i) column[i] = load(i, j);
    L::apply(column, to);
#pragma GCC unroll 6
    for (int i = 0; i < L::kTo; ++i) middle[i][j] = to[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < L::kTo; ++i) {
    V to[L::kTo];
    L::apply(middle[i], to);
#pragma GCC unroll 6
    for (int j = 0; j < L::kTo; ++j) store(i, j, to[j]);
  }
}

// ---- tiles --------------------------------------------------------------------------------------

inline constexpr int64_t kWinogradPanel = 2 * Vec<float>::kCount;
inline constexpr int64_t kLine = 16;  // elements of a line of the cache
/// Pieces of scratch that a task has to itself: as many as there may be threads.
inline constexpr int64_t kMostSlots = 64;

constexpr int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

/// n elements and some more, so that many such blocks, of which each is read at the same place, do
/// not meet in few sets of the cache: an odd number of lines.
constexpr int64_t odd_lines(int64_t n) { return (ceil_div(n, kLine) | 1) * kLine; }

/// Bytes of n elements, as they lie in scratch.
constexpr size_t float_bytes(int64_t n) {
  return sizeof(float) * static_cast<size_t>(round_up(n, kLine));
}

/// Pictures as [batch, height, width, channels].
struct Pictures {
  const float* data;
  int64_t height, width, channels;
};
inline Pictures make_pictures(const void* data, const int64_t (&size)[3], int64_t channels) {
  return {static_cast<const float*>(data), size[1], size[2], channels};
}

/// How pictures of results are cut in tiles.
struct Tiles {
  int64_t side, down, across, count;
  /// Of a tile: one matrix product each.
  int64_t products() const { return (side + 2) * (side + 2); }
  /// Of all tiles, with those beyond the pictures.
  int64_t results() const { return count * side * side; }
  int64_t image(int64_t tile) const { return tile / (down * across); }
  int64_t top(int64_t tile) const { return tile / across % down * side; }
  int64_t left(int64_t tile) const { return tile % across * side; }
};
inline Tiles make_tiles(int64_t side, int64_t batch, int64_t height, int64_t width) {
  const int64_t down = ceil_div(height, side), across = ceil_div(width, side);
  return {side, down, across, batch * down * across};
}

/// Where the kSize x kSize pixels from (top, left) on lie; those outside lie at `zeros`.
template <int kSize>
inline void find_pixels(const Pictures& from, int64_t image, int64_t top, int64_t left,
                        const float* zeros, const float* (&at)[kSize][kSize]) {
  for (int64_t i = 0; i < kSize; ++i) {
    const bool row_inside = top + i >= 0 && top + i < from.height;
    const int64_t row = ((image * from.height + top + i) * from.width + left) * from.channels;
    for (int64_t j = 0; j < kSize; ++j) {
      const bool inside = row_inside && left + j >= 0 && left + j < from.width;
      at[i][j] = inside ? from.data + row + j * from.channels : zeros;
    }
  }
}

/// Calls f(c, lanes) for each register of channels, lanes being a constant but for the last.
template <class F> [[gnu::always_inline]] inline void for_channels(int64_t channels, F f) {
  constexpr int kLanes = Vec<float>::kCount;
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) f(c, std::integral_constant<int, kLanes>{});
  if (c < channels) f(c, static_cast<int>(channels - c));
}
template <class N> [[gnu::always_inline]] inline Vec<float> load_lanes(const float* p, N n) {
  if constexpr (std::is_same_v<N, int>)
    return simd::load(p, n);
  else
    return simd::load(p);
}
template <class N> [[gnu::always_inline]] inline void store_lanes(float* p, Vec<float> v, N n) {
  if constexpr (std::is_same_v<N, int>)
    simd::store(p, v, n);
  else
    simd::store(p, v);
}

/// The next index below `end` that no task has taken. Tasks that share a counter each keep memory
/// of their own from index to index, so that only as much is used as there are threads.
class Counter {
 public:
  explicit Counter(int64_t end) : end_(end) {}
  bool next(int64_t& i) {
    i = __atomic_fetch_add(&next_, 1, __ATOMIC_RELAXED);
    return i < end_;
  }

 private:
  int64_t next_ = 0, end_;
};

// ---- conv_winograd_kernel.cpp -------------------------------------------------------------------

size_t winograd_kernel_grad_scratch(const ConvProblem& p);
void run_winograd_kernel_grad(Context& ctx, const ConvProblem& p, const ConvOperands& x);

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
