// How a matrix product runs, from its shape alone: which operands to copy, where, in which tasks.
//
// Operands are read in place where their rows lie well: neither a page apart nor at distances that
// share cache sets. Others are copied: by the one task that reads them, as it goes along, or before
// the product.
#include "kernels/gemm_blocks.h"

namespace pyneuro {
namespace {

constexpr int64_t kTaskRows = 192;
constexpr int64_t kTaskBytes = int64_t{384} << 10;  // of A, which a second-level cache holds
constexpr int64_t kTaskWork = 1 << 20;              // multiply-adds worth a task: some 20 us
constexpr int64_t kMostTasks = 64, kFewTasks = 8;   // fewer leave threads idle
constexpr int64_t kSplitTasks = 16;                 // of a split k: each copies what it reads
constexpr int64_t kPartialBytes = int64_t{64} << 20;
// Rows of A for which copying B pays where its rows lie a little apart.
constexpr int64_t kSomeRows = 8 * kMaxRows;
// Rows of A, for B to be kept in a copy: with more B may as well be copied each time. With fewer
// the sums of a panel wait for each other, which matters where B, of fewer bytes, is in a cache.
constexpr int64_t kFewestKept = 4, kMostKept = 128;
constexpr size_t kManyKept = size_t{4} << 20, kMostKeptBytes = size_t{64} << 20;

/// Whether an operand must be copied, or had better be.
struct Copies { bool a, b; };
Copies choose_copies(const GemmShape& s, int64_t panel, int64_t element) {
  const DType compute = compute_dtype(s.c);
  // Down a column of k rows every row is another cache line: too many where they share cache sets,
  // or lie on pages of their own, or (of B) are read for few columns at a time.
  const auto thrashes = [&](int64_t row_bytes, int64_t far) {
    return (row_bytes % 1024 == 0 && s.k > 16) || (row_bytes > far && s.k > 128);
  };
  const int64_t row_a = s.lda * element, row_b = s.ldb * element;
  const bool bad_a = s.transpose_a ? thrashes(row_a, 512) : row_a % 4096 == 0 && s.m > kFewRows;
  // In a copy rows are neighbours; pages of their own cost a look-up each, again for every strip of
  // A.
  const bool bad_b = thrashes(row_b, s.m > kSomeRows ? 256 : 3072) && s.m > kFewRows;
  return {s.a != compute || (bad_a && s.n > 2 * panel), s.b != compute || s.transpose_b || bad_b};
}

void choose_tasks(GemmPlan& p, Copies copies, int64_t panel, int64_t element) {
  const GemmShape& s = p.shape;
  const int64_t each = at_least(1, s.m * s.n * at_least(1, s.k));
  const int64_t wanted =
      at_most(p.split_k ? kSplitTasks : kMostTasks, pieces(each * p.batch, kTaskWork));
  const int64_t times = p.batch * (p.split_k ? p.blocks_k : 1);
  // One task may as well own all of a low C where that spares copying B more than once. (Of parts
  // of k each copies its A too, which had better fit in what a task has for it.)
  const bool low = copies.b && s.m <= (p.split_k && copies.a ? 1 : 2) * kTaskRows;
  const int64_t most_rows = at_most(kTaskRows, kTaskBytes / (kMaxBlockK * element));
  int64_t rows = even_piece(s.m, low ? s.m : most_rows, kMaxRows);
  int64_t cols = even_piece(s.n, kTaskCols, panel);
  // Never so small that copies and edges weigh.
  const int64_t few_rows = 4 * kMaxRows,
                few_cols = p.chunk_k != 0 || p.split_k ? kTaskCols : 2 * panel;
  for (;;) {
    const int64_t tasks = pieces(s.m, rows) * pieces(s.n, cols) * times;
    if (tasks >= wanted) break;
    if (cols > few_cols && (low || cols >= rows || rows <= few_rows))
      cols = round_up(cols / 2, panel);
    else if (rows > few_rows && !(low && tasks >= kFewTasks))
      rows = round_up(rows / 2, kMaxRows);
    else
      break;
  }
  p.task_rows = even_piece(s.m, rows, kMaxRows);
  p.task_cols = even_piece(s.n, cols, panel);
  p.row_tasks = pieces(s.m, p.task_rows);
  p.col_tasks = pieces(s.n, p.task_cols);
  p.matrices = at_least(1, kTaskWork / each);
}

}  // namespace

GemmPlan plan_gemm(const GemmShape& shape, int64_t batch, const Kept* kept) {
  GemmPlan p{};
  p.shape = shape;
  p.batch = batch;
  GemmShape& s = p.shape;
  p.swapped = s.n == 1 && s.m > 1 && s.ldc == 1;
  if (p.swapped) {
    p.shape.m = shape.n, p.shape.n = shape.m, p.shape.ldc = shape.m;
    p.shape.lda = shape.ldb, p.shape.transpose_a = !shape.transpose_b, p.shape.a = shape.b;
    p.shape.ldb = shape.lda, p.shape.transpose_b = !shape.transpose_a, p.shape.b = shape.a;
  }
  const size_t element = element_bytes(s);
  const int64_t panel = 2 * simd::kVecBytes / static_cast<int64_t>(element);
  p.block_k = at_least(1, even_piece(s.k, kMaxBlockK, 8));
  p.blocks_k = at_least(1, pieces(s.k, p.block_k));
  const int64_t size = static_cast<int64_t>(element);
  const int64_t c_bytes = s.m * s.n * size;
  // A small C over a long k has too few tiles for the threads.
  p.split_k = p.blocks_k >= kFewTasks &&
              pieces(s.m, kTaskRows) * pieces(s.n, kTaskCols) * batch < kFewTasks &&
              s.m * s.n * s.k >= 4 * kTaskWork && p.blocks_k * c_bytes <= kPartialBytes;
  p.reduce_rows = at_least(1, kTaskWork / 64 / at_least(1, s.n * p.blocks_k));
  Copies copies = choose_copies(s, panel, size);
  p.keep_b = kept != nullptr && batch == 1 && s.n > 1, p.kept = kept;
  p.copy_a = copies.a, p.copy_b = copies.b || p.keep_b;
  if (p.keep_b) copies.b = false;  // tasks need not make it
  // B comes from memory, once: in runs as long as a task's columns rather than a panel's.
  if (!p.copy_b && s.m <= kFewRows && s.n * s.k * size >= kPartialBytes / 32) p.chunk_k = kChunk;
  choose_tasks(p, copies, panel, size);
  p.staged = !p.split_k && s.c != compute_dtype(s.c);
  const auto aligned = [](int64_t bytes) { return static_cast<size_t>(round_up(bytes, 64)); };
  if (copies.a) {
    // 16 more: rows at a power of two would share cache sets.
    p.a_row = round_up(p.block_k, 16) + 16;
    p.a_block = s.m * p.a_row;
    const bool own = (p.col_tasks == 1 || p.split_k) && p.task_rows * p.a_row * size <= kCopyBytes;
    if (!own) p.a_bytes = aligned(p.blocks_k * p.a_block * size);
    p.pack_rows = round_up(at_least(1, kTaskWork / 16 / p.block_k), 16);
  }
  const size_t b_bytes = aligned(round_up(s.n, panel) * s.k * size);
  // Copying a part of k twice is cheaper than a pass over all of B.
  if (copies.b && p.row_tasks > (p.split_k ? 2 : 1)) p.b_bytes = b_bytes;
  if (p.keep_b) p.kept_bytes = b_bytes;
  if (p.split_k) p.c_bytes = aligned(p.blocks_k * c_bytes);
  if (p.staged) p.c_bytes = aligned(c_bytes);
  return p;
}

// In a copy panels lie in the order in which they are read: for 4 to 64 rows of A that is 1.1
// to 2.4 times as fast as B where it lies.
size_t gemm_keeps(const GemmPlan& p) {
  const bool enough = p.shape.m >= kFewestKept || p.kept_bytes >= kManyKept;
  const bool pays = enough && p.shape.m <= kMostKept && p.kept_bytes <= kMostKeptBytes;
  return p.keep_b && pays ? p.kept_bytes + gemm_scratch(p) : 0;
}

}  // namespace pyneuro
