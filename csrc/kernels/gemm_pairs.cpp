// Products on pairs: copies, blocking, register tile. Both operands are always copied, into panels
// of 32-bit lanes: each holds two numbers that follow each other along k, the first in its upper
// half, which is multiplied first. An odd k ends on a zero.
//
// A panel of A is one vector wide, of which a strip of rows is filled, one of B two; so a step of
// the register tile reads three cache lines that lie in order.
#include "kernels/gemm_pairs.h"

#if PN_PAIR_PRODUCTS

#include <utility>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_pack.h"

namespace pyneuro {
namespace {

using Pairs = Vec<int32_t>;
constexpr int kLanes = Pairs::kCount;
constexpr int64_t kPanel = 2 * kLanes;

constexpr int64_t kMaxPairs = kMaxBlockK / 2;  // as gemm_plan.cpp has it: blocks decide the bits
constexpr int64_t kTaskStrips = 12, kTaskRows = kTaskStrips * kMaxRows;
constexpr int64_t kTaskWork = 1 << 21;             // multiply-adds worth a task: some 20 us
constexpr int64_t kMostTasks = 64, kFewTasks = 8;  // fewer leave threads idle
constexpr int64_t kPackStrips = 16;
constexpr int64_t kPartialBytes = int64_t{64} << 20;

int64_t pairs_of_k(const GemmShape& s) { return pieces(s.k, 2); }
int64_t padded_columns(const GemmShape& s) { return round_up(s.n, kPanel); }
int64_t strips(const PairsPlan& p) { return pieces(p.shape.m, p.strip); }

void choose_tasks(PairsPlan& p) {
  const GemmShape& s = p.shape;
  const int64_t each = at_least(1, s.m * s.n * at_least(1, s.k));
  const int64_t wanted = at_most(kMostTasks, pieces(each * p.batch, kTaskWork));
  const int64_t times = p.batch * (p.split_k ? p.blocks_k : 1);
  int64_t rows = even_piece(s.m, kTaskRows, p.strip), cols = even_piece(s.n, kTaskCols, kPanel);
  while (pieces(s.m, rows) * pieces(s.n, cols) * times < wanted) {
    // Never so small that copies and edges weigh.
    const bool can_cut_rows = rows > 4 * p.strip, can_cut_cols = cols > 2 * kPanel;
    if (can_cut_cols && (cols >= rows || !can_cut_rows))
      cols = round_up(cols / 2, kPanel);
    else if (can_cut_rows)
      rows = round_up(rows / 2, p.strip);
    else
      break;
  }
  p.task_rows = even_piece(s.m, rows, p.strip);
  p.task_cols = even_piece(s.n, cols, kPanel);
  p.row_tasks = pieces(s.m, p.task_rows);
  p.col_tasks = pieces(s.n, p.task_cols);
  p.matrices = at_least(1, kTaskWork / each);
}

}  // namespace

PairsPlan plan_pairs(const GemmShape& shape, int64_t batch) {
  PairsPlan p{};
  p.shape = shape;
  p.batch = batch;
  GemmShape& s = p.shape;
  p.swapped = s.n == 1 && s.m > 1 && s.ldc == 1;
  if (p.swapped) {
    s.m = shape.n, s.n = shape.m, s.ldc = shape.m;
    s.lda = shape.ldb, s.transpose_a = !shape.transpose_b;
    s.ldb = shape.lda, s.transpose_b = !shape.transpose_a;
  }
  p.block_k = even_piece(s.k, kMaxBlockK, 8);
  p.blocks_k = at_least(1, pieces(s.k, p.block_k));
  p.strip = at_least(1, pieces(s.m, pieces(s.m, kMaxRows)));
  const int64_t partial = s.m * padded_columns(s) * int64_t{sizeof(float)};
  // A small C over a long k has too few tiles for the threads.
  p.split_k = p.blocks_k >= kFewTasks &&
              pieces(s.m, kTaskRows) * pieces(s.n, kTaskCols) * batch < kFewTasks &&
              s.m * s.n * s.k >= 4 * kTaskWork && p.blocks_k * partial <= kPartialBytes;
  p.reduce_rows = at_least(1, kTaskWork / 128 / at_least(1, s.n * p.blocks_k));
  choose_tasks(p);
  p.own_a = p.col_tasks == 1, p.own_b = p.row_tasks == 1;
  const auto bytes = [&](int64_t panels, int64_t lanes) {
    return static_cast<size_t>(panels * pairs_of_k(s) * lanes) * sizeof(int32_t);
  };
  if (!p.own_a) p.a_bytes = bytes(strips(p), kLanes);
  if (!p.own_b) p.b_bytes = bytes(pieces(s.n, kPanel), kPanel);
  if (p.split_k) p.c_bytes = static_cast<size_t>(round_up(p.blocks_k * partial, 64));
  return p;
}

namespace {

/// The register tile: sums (+)= a * b over a block of k.
struct PairsTile {
  int64_t pairs;
  const int32_t* a;  // kLanes apart, of which the tile's rows are read
  const int32_t* b;  // kPanel apart
  float* sums;       // in full vectors
  int64_t sums_row;
  bool first;  // block: `sums` holds nothing yet
};

template <int kRows, int kVectors> void pairs_tile(const PairsTile& tile) {
  const PairsTile t = tile;
  using V = Vec<float>;
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = V(0.0f);
  const int32_t *a = t.a, *b = t.b;
  for (int64_t k = t.pairs; k > 0; --k, a += kLanes, b += kPanel) {
    Pairs row[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) row[v] = simd::load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Pairs x(a[r]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[r][v] = dot_pairs(sum[r][v], x, row[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* to = t.sums + r * t.sums_row + v * kLanes;
      simd::store(to, t.first ? sum[r][v] : simd::load(to) + sum[r][v]);
    }
}

/// The tile of 1 to kMaxRows rows and one vector or two.
auto tile_kernel(int64_t rows, int vectors) {
  static constexpr auto table = []<int... i>(std::integer_sequence<int, i...>) {
    struct Table { void (*at[2 * kMaxRows])(const PairsTile&); };
    return Table{{pairs_tile<i / 2 + 1, i % 2 + 1>...}};
  }(std::make_integer_sequence<int, 2 * kMaxRows>{});
  return table.at[(rows - 1) * 2 + vectors - 1];
}

/// An operand: rows of A or columns of B, `line` apart, of numbers `k` apart; one of these is 1.
struct Lines {
  const BFloat16* data;
  int64_t line, k;
};
Lines lines_of_a(const PairsPlan& p, const GemmOperands& x) {
  const GemmShape& s = p.shape;
  const auto* data = static_cast<const BFloat16*>(p.swapped ? x.b : x.a);
  return s.transpose_a ? Lines{data, 1, s.lda} : Lines{data, s.lda, 1};
}
Lines lines_of_b(const PairsPlan& p, const GemmOperands& x) {
  const GemmShape& s = p.shape;
  const auto* data = static_cast<const BFloat16*>(p.swapped ? x.a : x.b);
  return s.transpose_b ? Lines{data, s.ldb, 1} : Lines{data, 1, s.ldb};
}

/// Up to 2 kLanes numbers that lie side by side.
Pairs load_numbers(const BFloat16* from) {
  Pairs v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
Pairs load_numbers(const BFloat16* from, int64_t n) {
  BFloat16 tail[2 * kLanes] = {};
  std::memcpy(tail, from, static_cast<size_t>(n) * sizeof(BFloat16));
  return load_numbers(tail);
}

/// One vector of a panel: `count` lines, k in [0, size), to every `step` lanes of `to`.
void pack_lines(int32_t* to, int64_t step, const Lines& x, int count, int64_t size) {
  if (x.k != 1) {
    for (int64_t k = 0; k < size; k += 2, to += step) {
      const BFloat16* from = x.data + k * x.k;
      const Pairs low = k + 1 < size ? simd::load_u16(from + x.k, count) : Pairs(0);
      simd::store(to, simd::load_u16(from, count) << 16 | low);
    }
    return;
  }
  for (int64_t k = 0; k < size; k += 2 * kLanes, to += kLanes * step) {
    const BFloat16* from = x.data + k;
    const int64_t numbers = at_most(2 * kLanes, size - k), made = pieces(numbers, 2);
    Pairs block[kLanes];
    if (count == kLanes && numbers == 2 * kLanes) {
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) block[i] = load_numbers(from + i * x.line);
    } else {
      for (int i = 0; i < kLanes; ++i)
        block[i] = i < count ? load_numbers(from + i * x.line, numbers) : Pairs(0);
    }
    transpose_registers(block);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)  // the first of each pair to the upper half
      if (i < made) simd::store(to + i * step, block[i] << 16 | (block[i] >> 16 & 0xffff));
  }
}

/// k in [k, k + size) of the columns from j on, as many as there are in a panel.
void pack_panel(const PairsPlan& p, const GemmOperands& x, int32_t* to, int64_t j, int64_t k,
                int64_t size) {
  const Lines b = lines_of_b(p, x);
  for (int v = 0; v < 2 && j < p.shape.n; ++v, j += kLanes, to += kLanes)
    pack_lines(to, kPanel, {b.data + j * b.line + k * b.k, b.line, b.k},
               static_cast<int>(at_most(kLanes, p.shape.n - j)), size);
}

/// Likewise rows [i, end), strip after strip. Lanes that a strip leaves take rows of the next one,
/// which nobody reads: whole vectors load faster.
void pack_strips(const PairsPlan& p, const GemmOperands& x, int32_t* to, int64_t i, int64_t end,
                 int64_t k, int64_t size) {
  const Lines a = lines_of_a(p, x);
  for (; i < end; i += p.strip, to += pieces(size, 2) * kLanes)
    pack_lines(to, kLanes, {a.data + i * a.line + k * a.k, a.line, a.k},
               static_cast<int>(at_most(kLanes, p.shape.m - i)), size);
}

/// The part of C that a task owns.
MatrixPart part_of(const PairsPlan& p, int64_t task) {
  const int64_t tile = p.split_k ? task / p.blocks_k : task;
  const int64_t i = tile / p.col_tasks * p.task_rows, j = tile % p.col_tasks * p.task_cols;
  return {i, at_most(p.shape.m, i + p.task_rows), j, at_most(p.shape.n, j + p.task_cols)};
}

/// Columns [j, end) of the bias, in full vectors.
void load_bias(const PairsPlan& p, const void* bias, int64_t j, int64_t end, float* to) {
  const auto* from = static_cast<const BFloat16*>(bias);
  for (int64_t i = j; i < end; i += kLanes, to += kLanes) {
    const int left = static_cast<int>(at_most(kLanes, end - i));
    simd::store(
        to, p.swapped ? Vec<float>(simd::to_float(from[0])) : simd::load_as<float>(from + i, left));
  }
}

/// Where a part of C is made.
struct Destination {
  BFloat16* c;  // or null: the sums are kept
  int64_t c_row;
  const float* bias;  // or null
};

/// C = sums (+ bias).
void finish(const PairsTile& tile, int64_t rows, int64_t cols, const Destination& y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < cols; j += kLanes) {
      Vec<float> sum = simd::load(tile.sums + r * tile.sums_row + j);
      if (y.bias != nullptr) sum += simd::load(y.bias + j);
      BFloat16* c = y.c + r * y.c_row + j;
      if (cols - j >= kLanes)
        simd::store_as(c, sum);
      else
        simd::store_as(c, sum, static_cast<int>(cols - j));
    }
}

/// A block of k of a panel of C: a panel of B with each strip of A, `strip_step` lanes apart.
void multiply_panel(const PairsPlan& p, int64_t rows, int64_t cols, PairsTile tile,
                    int64_t strip_step, Destination y) {
  for (int64_t i = 0; i < rows; i += p.strip) {
    const int64_t count = at_most(p.strip, rows - i);
    tile_kernel(count, cols > kLanes ? 2 : 1)(tile);
    if (y.c != nullptr) finish(tile, count, cols, y), y.c += p.strip * y.c_row;
    tile.a += strip_step;
    tile.sums += p.strip * tile.sums_row;
  }
}

/// What a task needs for itself, used again by the thread's next task; too much for a stack.
struct alignas(64) TaskMemory {
  int32_t a[kTaskStrips * kMaxPairs * kLanes], b[kMaxPairs * kPanel];
  float sums[kTaskRows * kTaskCols];
};
thread_local TaskMemory task_memory;

}  // namespace

int64_t pairs_tasks(const PairsPlan& p) {
  return p.row_tasks * p.col_tasks * (p.split_k ? p.blocks_k : 1);
}

void pairs_compute(const PairsPlan& p, const GemmOperands& x, char* scratch, int64_t task) {
  const GemmShape& s = p.shape;
  const MatrixPart part = part_of(p, task);
  const int64_t rows = part.i1 - part.i0, cols = part.j1 - part.j0;
  const int64_t first = p.split_k ? task % p.blocks_k : 0;
  const int64_t end = p.split_k ? first + 1 : p.blocks_k;
  const auto* all_a = reinterpret_cast<const int32_t*>(scratch);
  const auto* all_b = reinterpret_cast<const int32_t*>(scratch + p.a_bytes);
  int32_t *const own_a = task_memory.a, *const own_b = task_memory.b;
  alignas(64) float bias[kTaskCols];
  float* sums = task_memory.sums;
  if (p.split_k)
    sums = reinterpret_cast<float*>(scratch + p.a_bytes + p.b_bytes) +
           (first * s.m + part.i0) * padded_columns(s) + part.j0;
  if (x.bias != nullptr) load_bias(p, x.bias, part.j0, part.j1, bias);
  for (int64_t block = first; block < end; ++block) {
    const int64_t k = block * p.block_k, size = at_most(p.block_k, s.k - k);
    PairsTile tile{};
    tile.pairs = pieces(size, 2);
    tile.sums_row = p.split_k ? padded_columns(s) : p.task_cols;
    tile.first = block == first;
    tile.a = all_a + (part.i0 / p.strip * pairs_of_k(s) + k / 2) * kLanes;
    if (p.own_a) tile.a = own_a, pack_strips(p, x, own_a, part.i0, part.i1, k, size);
    for (int64_t j = 0; j < cols; j += kPanel) {
      tile.b = all_b + ((part.j0 + j) / kPanel * pairs_of_k(s) + k / 2) * kPanel;
      if (p.own_b) tile.b = own_b, pack_panel(p, x, own_b, part.j0 + j, k, size);
      tile.sums = sums + j;
      Destination y{};
      if (!p.split_k && block == end - 1)
        y = {static_cast<BFloat16*>(x.c) + part.i0 * s.ldc + part.j0 + j, s.ldc,
             x.bias != nullptr ? bias + j : nullptr};
      const int64_t strip_step = (p.own_a ? tile.pairs : pairs_of_k(s)) * kLanes;
      multiply_panel(p, rows, at_most(kPanel, cols - j), tile, strip_step, y);
    }
  }
}

int64_t pairs_pack_tasks(const PairsPlan& p) {
  return (p.own_a ? 0 : pieces(strips(p), kPackStrips)) +
         (p.own_b ? 0 : pieces(p.shape.n, kPackPanels * kPanel));
}

void pairs_pack(const PairsPlan& p, const GemmOperands& x, char* scratch, int64_t task) {
  const GemmShape& s = p.shape;
  const int64_t of_a = p.own_a ? 0 : pieces(strips(p), kPackStrips);
  if (task < of_a) {
    const int64_t strip = task * kPackStrips;
    auto* to = reinterpret_cast<int32_t*>(scratch) + strip * pairs_of_k(s) * kLanes;
    pack_strips(p, x, to, strip * p.strip, at_most(s.m, (strip + kPackStrips) * p.strip), 0, s.k);
    return;
  }
  const int64_t first = (task - of_a) * kPackPanels * kPanel;
  auto* to = reinterpret_cast<int32_t*>(scratch + p.a_bytes) + first * pairs_of_k(s);
  for (int64_t j = first; j < at_most(s.n, first + kPackPanels * kPanel); j += kPanel)
    pack_panel(p, x, to + (j - first) * pairs_of_k(s), j, 0, s.k);
}

MatrixPart pairs_part(const PairsPlan& p, int64_t task) {
  MatrixPart part = part_of(p, task);
  if (p.split_k)
    part = {task * p.reduce_rows, at_most(p.shape.m, (task + 1) * p.reduce_rows), 0, p.shape.n};
  return p.swapped ? MatrixPart{part.j0, part.j1, part.i0, part.i1} : part;
}

int64_t pairs_reduce_tasks(const PairsPlan& p) {
  return p.split_k ? pieces(p.shape.m, p.reduce_rows) : 0;
}

/// C = block 0 + block 1 + ... + bias, in the order of a product that is not split.
void pairs_reduce(const PairsPlan& p, const GemmOperands& x, char* scratch, int64_t task) {
  const GemmShape& s = p.shape;
  const int64_t row = padded_columns(s), end = at_most(s.m, (task + 1) * p.reduce_rows);
  const auto* partial = reinterpret_cast<const float*>(scratch + p.a_bytes + p.b_bytes);
  for (int64_t i = task * p.reduce_rows; i < end; ++i) {
    BFloat16* c = static_cast<BFloat16*>(x.c) + i * s.ldc;
    for (int64_t j = 0; j < s.n; j += kLanes) {
      const int64_t left = at_most(kLanes, s.n - j);
      Vec<float> sum = simd::load(partial + i * row + j);
      for (int64_t block = 1; block < p.blocks_k; ++block)
        sum += simd::load(partial + (block * s.m + i) * row + j);
      if (x.bias != nullptr) {
        alignas(64) float bias[kLanes] = {};
        load_bias(p, x.bias, j, j + left, bias);
        sum += simd::load(bias);
      }
      simd::store_as(c + j, sum, static_cast<int>(left));
    }
  }
}

}  // namespace pyneuro

#endif
