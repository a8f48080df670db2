// The innermost loop of every matrix product: a tile of C, up to kMaxRows x 2 vectors (wider where
// there are fewer rows), kept in registers while k runs. Knows of no blocking, copies, threads.
//
// Each element of C is one chain of fused multiply-adds over k in order, whatever the tile's shape:
// that is what makes a row's bits independent of its neighbours.
#pragma once

#include <utility>

#include "simd/vec.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

using simd::Vec;

/// Rows of the largest tile: as many accumulators as the registers hold beside two vectors of B and
/// one element of A (32 registers on AVX-512 and NEON, 16 elsewhere; without FMA the product takes
/// one more).
#if PN_VEC_BYTES == 64
inline constexpr int kMaxRows = 14;
#elif defined(__AVX2__)
inline constexpr int kMaxRows = 6;
#elif defined(__aarch64__)
inline constexpr int kMaxRows = 8;
#else
inline constexpr int kMaxRows = 4;
#endif

/// Vectors across a tile of `rows`: few rows take more, as about eight chains hide the latency.
constexpr int max_vectors(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }

/// c[rows, cols] (+)= start + a[rows, k] b[k, cols] (+ bias[cols]). Strides count elements.
template <class T> struct MicroTile {
  int64_t k;
  const T* a;
  int64_t a_row, a_k;
  // Gathering kernels instead: where each row of A begins, how far on its element at step k lies,
  // and where each row of C begins, c_at further.
  const T* const* a_rows;
  const int64_t* gather;
  T* const* c_rows;
  int64_t c_at;
  const T* b;  // readable in full vectors
  int64_t b_k;
  const T* start;  // the chains so far, in full vectors, or null for 0
  int64_t start_row;
  T* c;
  int64_t c_row;
  int cols;       // written; the rest of the last vector is left alone
  bool add;       // to what c holds
  const T* bias;  // or null
};

template <class T, int kRows, int kVectors, bool kGather = false>
void micro_tile(const MicroTile<T>& tile) {
  const MicroTile<T> t = tile;  // its own: stores to C then need not be feared to change it
  using V = Vec<T>;
  constexpr int kLanes = V::kCount;
  constexpr int kLinesApart = 64 / simd::kVecBytes;  // vectors in a cache line
  // Rows in groups of three, so that an address is a pointer plus one or two times a_row.
  constexpr int kGroups = (kRows + 2) / 3;
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = V(T(0));
      if (t.start != nullptr) sum[r][v] = simd::load(t.start + r * t.start_row + v * kLanes);
    }
  const T* a[kGather ? kRows : kGroups];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (kGather)
      a[r] = t.a_rows[r];
    else if (r % 3 == 0)
      a[r / 3] = t.a + r * t.a_row;
  }
  const auto c_row = [&t](int r) { return kGather ? t.c_rows[r] + t.c_at : t.c + r * t.c_row; };
  const T* b = t.b;
  const int64_t a_row = t.a_row, a_k = t.a_k, b_k = t.b_k;
  const int64_t* gather = t.gather;
  // C is needed at the end; lines of B come from the second-level cache, where rows apart defeat
  // the hardware's own prefetch (on Zen 3: 79 to 89 GFLOP/s at 640^3).
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; v += kLinesApart) __builtin_prefetch(c_row(r) + v * kLanes, 1);
  for (int64_t k = t.k; k > 0; --k) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v += kLinesApart) __builtin_prefetch(b + 8 * b_k + v * kLanes);
    V row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) row[v] = simd::load(b + v * kLanes);
    const int64_t at = kGather ? *gather++ : 0;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const V x(kGather ? a[r][at] : a[r / 3][(r % 3) * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(x, row[v], sum[r][v]);
    }
    b += b_k;
    if constexpr (!kGather) {
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) a[g] += a_k;
    }
  }
  const auto load_up_to = [](const T* p, int n) {
    return n >= kLanes ? simd::load(p) : simd::load(p, n);
  };
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const int n = t.cols - v * kLanes;
    if (n <= 0) break;
    const int at = v * kLanes;
    if (t.add) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sum[r][v] = load_up_to(c_row(r) + at, n) + sum[r][v];
    }
    if (t.bias != nullptr) {
      const V bias = load_up_to(t.bias + v * kLanes, n);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sum[r][v] += bias;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      if (n >= kLanes)
        simd::store(c_row(r) + at, sum[r][v]);
      else
        simd::store(c_row(r) + at, sum[r][v], n);
    }
  }
}

template <class T> using MicroKernel = void (*)(const MicroTile<T>&);

/// The kernel for a tile of 1 to kMaxRows rows and 1, 2, 4 or 8 vectors, at most max_vectors(rows).
template <class T, bool kGather = false> MicroKernel<T> micro_kernel(int rows, int vectors) {
  constexpr int kWidths = 4;  // 1, 2, 4, 8 vectors
  static constexpr auto table = []<int... i>(std::integer_sequence<int, i...>) {
    struct Table { MicroKernel<T> at[kMaxRows * kWidths]; };
    constexpr auto entry = []<int kRows, int kVectors>() -> MicroKernel<T> {
      if constexpr (kVectors <= max_vectors(kRows))
        return micro_tile<T, kRows, kVectors, kGather>;
      else
        return nullptr;
    };
    return Table{{entry.template operator()<i / kWidths + 1, 1 << i % kWidths>()...}};
  }(std::make_integer_sequence<int, kMaxRows * kWidths>{});
  return table.at[(rows - 1) * kWidths + __builtin_ctz(static_cast<unsigned>(vectors))];
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
