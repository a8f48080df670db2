// The tasks of matrix products, as gemm_plan.cpp cuts them. The register tile is gemm_micro.h's,
// the copies gemm_pack.h's.
//
// A task owns a part of C. For each block of k it walks panels of B (two vectors wide, so that
// block_k rows of one stay in the nearest caches) and under each the rows of A.
#include "kernels/gemm_blocks.h"
#include "kernels/gemm_pack.h"

namespace pyneuro {
namespace {

template <class T> constexpr int kLanes = Vec<T>::kCount;
template <class T> constexpr int64_t kPanel = 2 * kLanes<T>;

constexpr int64_t kFarBytes = 16384;  // from row to row of B: copies had better take runs of lines
constexpr int64_t kFarPanels = 4;     // so many panels at once

template <class F> void with_compute(DType dtype, F f) {
  switch (compute_dtype(dtype)) {
    case DType::Float64: return f(double{});
    case DType::Int32: return f(int32_t{});
    case DType::Int64: return f(int64_t{});
    default: return f(float{});
  }
}

GemmOperands oriented(const GemmPlan& p, const GemmOperands& x) {
  return p.swapped ? GemmOperands{x.b, x.a, x.c, x.bias} : x;
}

/// The part of C that a task owns.
MatrixPart part_of(const GemmPlan& p, int64_t task) {
  const GemmShape& s = p.shape;
  const int64_t tile = p.split_k ? task / p.blocks_k : task;
  const int64_t i = tile / p.col_tasks * p.task_rows, j = tile % p.col_tasks * p.task_cols;
  return {i, at_most(s.m, i + p.task_rows), j, at_most(s.n, j + p.task_cols)};
}

/// A block of k, or a chunk of one, as a task works on it. Pointers: to the part's first element.
template <class T> struct Block {
  int64_t first, size;  // of k
  const T* packed;      // B's panels of this block, from column 0, or null
  const T* start;       // the chains of chunks before, or null
  int64_t start_row;
  T* c;
  int64_t c_row;
  bool add;
  const T* bias;  // or null; of a swapped plan: one element, as often as the widest tile is wide
};

/// Rows of A, and how to step through them.
template <class T> struct Rows {
  const T* data;
  int64_t row, k;  // strides
};

/// What is read after a panel: lines that lie apart, which the processor does not foresee.
struct Ahead {
  const char* data;
  int64_t row, rows, bytes;  // between rows, how many, of each

  /// Asks for the i-th of n parts.
  void fetch(int64_t i, int64_t n) const {
    for (int64_t r = rows * i / n; r < rows * (i + 1) / n; ++r)
      for (int64_t at = 63; at < bytes + 63; at += 64)
        __builtin_prefetch(data + r * row + at_most(at, bytes - 1), 0, 2);
  }
};

/// A panel of B times `count` rows of A, in strips as equal as they go.
template <class T>
void multiply_panel(const Rows<T>& a, int64_t count, MicroTile<T> tile, int vectors,
                    const Ahead& ahead) {
  const int64_t strips = pieces(count, kMaxRows);
  tile.a_row = a.row;
  tile.a_k = a.k;
  T* const c = tile.c;
  const T* const start = tile.start;
  for (int64_t i = 0, row = 0; i < strips; ++i) {
    const int64_t next = count * (i + 1) / strips;
    tile.a = a.data + row * a.row;
    tile.c = c + row * tile.c_row;
    if (start != nullptr) tile.start = start + row * tile.start_row;
    micro_kernel<T>(static_cast<int>(next - row), vectors)(tile);
    ahead.fetch(i, strips);
    row = next;
  }
}

/// `width` columns of B from column j, for one block of k, copied to `to`.
template <class T>
void copy_panel(const GemmPlan& p, const void* b, int64_t first_k, int64_t size_k, int64_t j,
                int64_t width, int64_t panel, T* to) {
  with_storage<T>(p.shape.b, [&](auto tag) {
    const auto* from = static_cast<decltype(tag)>(b);
    if (p.shape.transpose_b)
      pack_transposed(to, panel, from + j * p.shape.ldb + first_k, p.shape.ldb, size_k, width);
    else
      pack_rows(to, panel, from + first_k * p.shape.ldb + j, p.shape.ldb, size_k, width, panel);
  });
}

/// Chains of one row of A with a panel of a B that lies transposed, as micro_tile would compute
/// them from a copy: for one row the copy would cost more than the products. `b`: k = 0 of `width`
/// rows.
template <class T>
void chain_transposed(const Rows<T>& a, int64_t size, const T* b, int64_t ldb, int64_t width,
                      T* chain) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sum[2] = {Vec<T>(T(0)), Vec<T>(T(0))};
  for (int64_t k = 0; k < size; k += lanes) {
    const int steps = static_cast<int>(at_most(lanes, size - k));
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      Vec<T> block[lanes];
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j) {
        const T* from = b + at_most(v * lanes + j, width - 1) * ldb + k;
        block[j] = steps == lanes ? simd::load(from) : simd::load(from, steps);
      }
      transpose_registers(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        if (i < steps) sum[v] = fma(Vec<T>(a.data[(k + i) * a.k]), block[i], sum[v]);
    }
  }
  simd::store(chain, sum[0]), simd::store(chain + lanes, sum[1]);
}

/// What a task copies of B for columns [j, j + width), as it lies.
Ahead columns_of_b(const GemmPlan& p, const void* b, int64_t first, int64_t rows, int64_t j,
                   int64_t width) {
  const auto size = static_cast<int64_t>(size_of(p.shape.b));
  const char* data = static_cast<const char*>(b);
  if (p.shape.transpose_b)
    return {data + (j * p.shape.ldb + first) * size, p.shape.ldb * size, width, rows * size};
  return {data + (first * p.shape.ldb + j) * size, p.shape.ldb * size, rows, width * size};
}

/// One row of A and a B that lies transposed: the product runs without a copy.
template <class T> bool chained(const GemmPlan& p, const MatrixPart& part) {
  return part.i1 - part.i0 == 1 && p.shape.transpose_b && p.shape.b == compute_dtype(p.shape.b);
}

/// Whether a task copies what it reads of B.
bool copies_as_it_goes(const GemmPlan& p) { return p.copy_b && p.b_bytes == 0 && !p.keep_b; }

/// Panels of B that a task copies at once. Of rows far apart few lines at a time find room in a
/// second-level cache, so that the next panel's cannot be asked for ahead: each is copied while it
/// is near, and a look-up of its page serves a run of lines.
int64_t panels_at_once(const GemmPlan& p) {
  const int64_t row = p.shape.ldb * static_cast<int64_t>(size_of(p.shape.b));
  const bool far = copies_as_it_goes(p) && !p.shape.transpose_b && row >= kFarBytes;
  return far ? kFarPanels : 1;
}

/// `width` columns of B from column j, for one block of k, copied in panels.
template <class T>
void copy_panels(const GemmPlan& p, const void* b, int64_t first, int64_t size, int64_t j,
                 int64_t width, T* to) {
  constexpr int64_t panel = kPanel<T>, lanes = kLanes<T>;
  if (width <= panel)
    return copy_panel(p, b, first, size, j, width, width > lanes ? panel : lanes, to);
  for (int64_t k = 0; k < size; k += kChunk) {
    const int64_t rows = at_most(kChunk, size - k);
    const Ahead next =
        columns_of_b(p, b, first + k + rows, at_most(kChunk, size - k - rows), j, width);
    for (int64_t r = 0; r < next.rows; ++r)
      for (int64_t at = 0; at < next.bytes; at += 64)
        __builtin_prefetch(next.data + r * next.row + at);
    for (int64_t at = 0; at < width; at += panel) {
      const int64_t cols = at_most(panel, width - at), padded = cols > lanes ? panel : lanes;
      copy_panel(p, b, first + k, rows, j + at, cols, padded, to + at * size + k * padded);
    }
  }
}

/// The tile of the panel at column j of a part, for the part's first strip; what it copies of B
/// goes to `copy`. Narrows `vectors` to what the panel is wide.
template <class T>
MicroTile<T> panel_tile(const GemmPlan& p, const GemmOperands& x, const Block<T>& block,
                        const MatrixPart& part, const Rows<T>& a, int64_t j, T* copy,
                        int& vectors) {
  constexpr int64_t lanes = kLanes<T>, panel = kPanel<T>;
  const int64_t ldb = p.shape.ldb, left = part.j1 - part.j0 - j, column = part.j0 + j;
  const T* b = static_cast<const T*>(x.b);
  MicroTile<T> tile{};
  tile.k = block.size;
  if (block.start != nullptr) tile.start = block.start + j, tile.start_row = block.start_row;
  if (!p.copy_b && (left >= panel || left == lanes)) {
    while (vectors * lanes > left) vectors /= 2;
    tile.b = b + block.first * ldb + column, tile.b_k = ldb;
  } else {
    vectors = left > lanes ? 2 : 1;
    const int64_t width = at_most(left, panel);
    if (block.packed != nullptr) {
      tile.b = block.packed + column * block.size, tile.b_k = panel;
    } else if (chained<T>(p, part)) {
      chain_transposed(a, block.size, b + column * ldb + block.first, ldb, width, copy);
      tile.k = 0, tile.start = copy, tile.b = copy;
    } else {
      const int64_t group = panels_at_once(p) * panel, at = p.copy_b ? j % group : 0;
      if (at == 0) copy_panels(p, x.b, block.first, block.size, column, at_most(left, group), copy);
      tile.b = copy + at * block.size, tile.b_k = vectors * lanes;
    }
  }
  tile.cols = static_cast<int>(at_most(left, vectors * lanes));
  tile.c = block.c + j, tile.c_row = block.c_row;
  tile.add = block.add;
  if (block.bias != nullptr) tile.bias = p.swapped ? block.bias : block.bias + j;
  return tile;
}

/// What a task copies for itself, used again by the thread's next task. Not on the stack: threads
/// that call may have little of it (128 KB with musl).
struct alignas(64) TaskMemory {
  char a[kCopyBytes];                                     // one block of k of its rows
  char b[kFarPanels * kMaxBlockK * 2 * simd::kVecBytes];  // a panel, or a few
};
thread_local TaskMemory task_memory;

/// One block of k of a part of C; `a` is the part's rows of A.
template <class T>
void multiply_part(const GemmPlan& p, const GemmOperands& x, const Block<T>& block,
                   const MatrixPart& part, const Rows<T>& a) {
  T* const local = reinterpret_cast<T*>(task_memory.b);
  const int64_t width = part.j1 - part.j0, rows = part.i1 - part.i0;
  const int widest = rows < 4 ? max_vectors(static_cast<int>(rows)) : 2;
  for (int64_t j = 0; j < width;) {
    int vectors = widest;
    const MicroTile<T> tile = panel_tile(p, x, block, part, a, j, local, vectors);
    j += tile.cols;
    Ahead ahead{};
    if (copies_as_it_goes(p) && !chained<T>(p, part) && panels_at_once(p) == 1)
      ahead =
          columns_of_b(p, x.b, block.first, block.size, part.j0 + j, at_most(width - j, kPanel<T>));
    multiply_panel(a, rows, tile, vectors, ahead);
  }
}

/// One block of k in chunks: the chains wait in `chain` until the last chunk ends them.
template <class T>
void multiply_chunks(const GemmPlan& p, const GemmOperands& x, const Block<T>& block,
                     const MatrixPart& part, const Rows<T>& a) {
  alignas(64) T chain[kFewRows * kTaskCols];
  for (int64_t k = 0; k < block.size || k == 0; k += p.chunk_k) {
    Block<T> chunk = block;
    chunk.first += k;
    chunk.size = at_most(p.chunk_k, block.size - k);
    if (k > 0) chunk.start = chain, chunk.start_row = kTaskCols;
    if (k + p.chunk_k < block.size)
      chunk.c = chain, chunk.c_row = kTaskCols, chunk.add = false, chunk.bias = nullptr;
    multiply_part(p, x, chunk, part, Rows<T>{a.data + k * a.k, a.row, a.k});
  }
}

/// One block of k of rows [row, end) of A, copied.
template <class T>
void copy_a(const GemmPlan& p, const void* a, int64_t block, int64_t row, int64_t end, T* to) {
  const GemmShape& s = p.shape;
  const int64_t first = block * p.block_k, size = at_most(p.block_k, s.k - first);
  const int64_t rows = end - row;
  with_storage<T>(s.a, [&](auto tag) {
    const auto* from = static_cast<decltype(tag)>(a);
    if (s.transpose_a)
      pack_transposed(to, p.a_row, from + first * s.lda + row, s.lda, rows, size);
    else
      pack_rows(to, p.a_row, from + row * s.lda + first, s.lda, rows, size, size);
  });
}

/// Rows of C between their dtype and the arithmetic's.
template <class T>
void widen_c(const GemmPlan& p, const void* c, T* to, int64_t i, int64_t j0, int64_t j1) {
  with_storage<T>(p.shape.c, [&](auto tag) {
    const auto* from = static_cast<decltype(tag)>(c) + i * p.shape.ldc;
    pack_rows(to, 0, from + j0, 0, 1, j1 - j0, j1 - j0);
  });
}
template <class T>
void narrow_c(const GemmPlan& p, const T* from, void* c, int64_t i, int64_t j0, int64_t j1) {
  with_storage<T>(p.shape.c, [&](auto tag) {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(tag)>>;
    S* to = static_cast<S*>(c) + i * p.shape.ldc + j0;
    for (int64_t j = 0; j < j1 - j0; j += kLanes<T>) {
      const int n = static_cast<int>(at_most(kLanes<T>, j1 - j0 - j));
      const Vec<T> v = simd::load(from + j, n);
      if constexpr (std::is_same_v<S, T>)
        simd::store(to + j, v, n);
      else
        simd::store_as(to + j, v, n);
    }
  });
}

/// `count` elements of the bias from `at` on, in the arithmetic's type.
template <class T>
void load_bias(const GemmPlan& p, const void* bias, int64_t at, int64_t count, T* buffer) {
  with_storage<T>(p.shape.c, [&](auto tag) {
    pack_rows(buffer, 0, static_cast<decltype(tag)>(bias) + at, 0, 1, count, count);
  });
}

template <class T>
void compute(const GemmPlan& p, const GemmOperands& x, char* scratch, int64_t task) {
  const GemmShape& s = p.shape;
  const int64_t first = p.split_k ? task % p.blocks_k : 0;
  const int64_t end = p.split_k ? first + 1 : p.blocks_k;
  const MatrixPart part = part_of(p, task);
  // A from row i0 and k = 0 on; C from (i0, j0) on.
  Rows<T> a{static_cast<const T*>(x.a) + part.i0 * (s.transpose_a ? 1 : s.lda),
            s.transpose_a ? 1 : s.lda, s.transpose_a ? s.lda : 1};
  const T* packed = p.b_bytes != 0 ? reinterpret_cast<const T*>(scratch + p.a_bytes) : nullptr;
  if (p.keep_b) packed = static_cast<const T*>(p.kept->data);
  T* c = reinterpret_cast<T*>(scratch + p.a_bytes + p.b_bytes);
  if (p.split_k) c += first * s.m * s.n;
  int64_t c_row = s.n;
  if (!p.split_k && !p.staged) c = static_cast<T*>(x.c), c_row = s.ldc;
  c += part.i0 * c_row + part.j0;
  T* const local = reinterpret_cast<T*>(task_memory.a);
  T bias[kTaskCols];
  if (x.bias != nullptr)
    load_bias(p, x.bias, p.swapped ? 0 : part.j0, p.swapped ? 1 : part.j1 - part.j0, bias);
  if (x.bias != nullptr && p.swapped)
    for (int i = 1; i < max_vectors(1) * kLanes<T>; ++i) bias[i] = bias[0];
  if (p.staged && s.accumulate)
    for (int64_t i = part.i0; i < part.i1; ++i)
      widen_c(p, x.c, c + (i - part.i0) * c_row, i, part.j0, part.j1);
  for (int64_t kb = first; kb < end; ++kb) {
    Block<T> b{};
    b.first = kb * p.block_k;
    b.size = at_most(p.block_k, s.k - b.first);
    if (packed != nullptr) b.packed = packed + b.first * round_up(s.n, kPanel<T>);
    b.c = c;
    b.c_row = c_row;
    b.add = !p.split_k && (kb > 0 || s.accumulate);
    if (x.bias != nullptr && !p.split_k && kb == p.blocks_k - 1) b.bias = bias;
    Rows<T> block_a{a.data + b.first * a.k, a.row, a.k};
    if (p.copy_a) {
      const T* copy = local;
      if (p.a_bytes == 0)
        copy_a(p, x.a, kb, part.i0, part.i1, local);
      else
        copy = reinterpret_cast<const T*>(scratch) + kb * p.a_block + part.i0 * p.a_row;
      block_a = {copy, p.a_row, 1};
    }
    if (p.chunk_k != 0)
      multiply_chunks(p, x, b, part, block_a);
    else
      multiply_part(p, x, b, part, block_a);
  }
  if (p.staged)
    for (int64_t i = part.i0; i < part.i1; ++i)
      narrow_c(p, c + (i - part.i0) * c_row, x.c, i, part.j0, part.j1);
}

/// C = (C +) block 0 + block 1 + ... + bias, in the order of a product that is not split.
template <class T>
void reduce(const GemmPlan& p, const GemmOperands& x, char* scratch, int64_t row) {
  const GemmShape& s = p.shape;
  T* partial = reinterpret_cast<T*>(scratch + p.a_bytes + p.b_bytes) + row * s.n;
  constexpr int64_t chunk = 256;
  T sum[chunk], other[chunk];
  const auto add = [&](const T* y, int64_t n) {
    for (int64_t j = 0; j < n; j += kLanes<T>) {
      const int count = static_cast<int>(at_most(kLanes<T>, n - j));
      simd::store(sum + j, simd::load(sum + j, count) + simd::load(y + j, count), count);
    }
  };
  for (int64_t j = 0; j < s.n; j += chunk) {
    const int64_t n = at_most(chunk, s.n - j);
    std::memcpy(sum, partial + j, static_cast<size_t>(n) * sizeof(T));
    if (s.accumulate) {
      widen_c(p, x.c, other, row, j, j + n);
      add(other, n);
    }
    for (int64_t kb = 1; kb < p.blocks_k; ++kb) add(partial + kb * s.m * s.n + j, n);
    if (x.bias != nullptr) {
      load_bias(p, x.bias, p.swapped ? 0 : j, p.swapped ? 1 : n, other);
      if (p.swapped)
        for (int64_t i = 1; i < n; ++i) other[i] = other[0];
      add(other, n);
    }
    narrow_c(p, sum, x.c, row, j, j + n);
  }
}

/// One block of k of a few panels of B, copied; `group` counts blocks, then panels.
template <class T> void copy_b(const GemmPlan& p, const void* b, T* to, int64_t group) {
  const GemmShape& s = p.shape;
  constexpr int64_t panel = kPanel<T>, width = kPackPanels * panel;
  const int64_t groups = pieces(s.n, width);
  const int64_t first = group / groups * p.block_k, size = at_most(p.block_k, s.k - first);
  const int64_t start = group % groups * width, end = at_most(s.n, start + width);
  T* block = to + first * round_up(s.n, panel);
  // A few rows at a time: they lie pages apart, and each page serves all panels while it is known.
  for (int64_t k = 0; k < size; k += kChunk)
    for (int64_t j = start; j < end; j += panel)
      copy_panel(p, b, first + k, at_most(kChunk, size - k), j, at_most(panel, end - j), panel,
                 block + j * size + k * panel);
}

int64_t copies_of_a(const GemmPlan& p) {
  return p.a_bytes != 0 ? p.blocks_k * pieces(p.shape.m, p.pack_rows) : 0;
}
int64_t copies_of_b(const GemmPlan& p) {
  const int64_t panel = 2 * simd::kVecBytes / static_cast<int64_t>(element_bytes(p.shape));
  return p.b_bytes != 0 || (p.keep_b && p.kept->stale)
             ? p.blocks_k * pieces(p.shape.n, kPackPanels * panel)
             : 0;
}

}  // namespace

int64_t gemm_pack_tasks(const GemmPlan& p) {
  return gemm_tasks(p) == 0 ? 0 : copies_of_a(p) + copies_of_b(p);
}

void gemm_pack(const GemmPlan& p, const GemmOperands& operands, char* scratch, int64_t task) {
  const GemmOperands x = oriented(p, operands);
  const int64_t of_a = copies_of_a(p);
  with_compute(p.shape.c, [&](auto tag) {
    using T = decltype(tag);
    if (task < of_a) {
      const int64_t groups = pieces(p.shape.m, p.pack_rows), block = task / groups;
      const int64_t row = task % groups * p.pack_rows, end = at_most(p.shape.m, row + p.pack_rows);
      copy_a(p, x.a, block, row, end,
             reinterpret_cast<T*>(scratch) + block * p.a_block + row * p.a_row);
    } else {
      void* const to = p.keep_b ? p.kept->data : scratch + p.a_bytes;
      copy_b(p, x.b, static_cast<T*>(to), task - of_a);
    }
  });
}

int64_t gemm_tasks(const GemmPlan& p) {
  return p.row_tasks * p.col_tasks * (p.split_k ? p.blocks_k : 1);
}

void gemm_compute(const GemmPlan& p, const GemmOperands& operands, char* scratch, int64_t task) {
  with_compute(p.shape.c,
               [&](auto tag) { compute<decltype(tag)>(p, oriented(p, operands), scratch, task); });
}

MatrixPart gemm_part(const GemmPlan& p, int64_t task) {
  MatrixPart part = part_of(p, task);
  if (p.split_k) {
    const int64_t i = task * p.reduce_rows;
    part = {i, at_most(p.shape.m, i + p.reduce_rows), 0, p.shape.n};
  }
  return p.swapped ? MatrixPart{part.j0, part.j1, part.i0, part.i1} : part;
}

int64_t gemm_reduce_tasks(const GemmPlan& p) {
  return p.split_k ? pieces(p.shape.m, p.reduce_rows) : 0;
}

void gemm_reduce(const GemmPlan& p, const GemmOperands& operands, char* scratch, int64_t task) {
  const int64_t end = at_most(p.shape.m, (task + 1) * p.reduce_rows);
  with_compute(p.shape.c, [&](auto tag) {
    for (int64_t row = task * p.reduce_rows; row < end; ++row)
      reduce<decltype(tag)>(p, oriented(p, operands), scratch, row);
  });
}

}  // namespace pyneuro
