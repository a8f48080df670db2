// What the blocking of matrix products shares: how to cut, and sizes that decide bits or memory.
#pragma once

#include "kernels/gemm.h"
#include "kernels/gemm_micro.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

constexpr int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }
constexpr int64_t round_up(int64_t n, int64_t to) { return pieces(n, to) * to; }

/// n in equal pieces of at most `most`, each a multiple of `unit`.
constexpr int64_t even_piece(int64_t n, int64_t most, int64_t unit) {
  return at_least(unit, round_up(pieces(n, at_least(1, pieces(n, most))), unit));
}

// A block of k of one panel of B about fills a first-level cache; of a task's rows of A, most of a
// second-level one. A constant, as it decides the bits.
inline constexpr int64_t kMaxBlockK = 512;
inline constexpr int64_t kTaskCols = 256;
inline constexpr int64_t kCopyBytes = int64_t{448} << 10;  // of A, which a task copies for itself
inline constexpr int64_t kPackPanels = 8;                  // of B, to a task that copies
inline constexpr int64_t kFewRows = 2 * kMaxRows;  // of A: B is read too seldom to be copied
inline constexpr int64_t kChunk = 16;              // rows of B, where each is read from memory

/// Of an element in the arithmetic's type.
inline size_t element_bytes(const GemmShape& s) { return size_of(compute_dtype(s.c)); }

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
