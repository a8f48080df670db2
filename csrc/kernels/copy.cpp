// Copies between any strides, with transposes by blocks, and casts. Converts nothing by itself.
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/stores_past.h"
#include "kernels/tile.h"
#include "simd/vec.h"

namespace pyneuro {
namespace {

struct Bytes16 { uint64_t low, high; };

template <class T> struct Plane {
  T* data;
  int64_t row, col;
};

/// Rows that lie side by side, on both sides.
template <class T> void copy_rows(Plane<T> to, Plane<const T> from, int64_t rows, int64_t cols) {
  if (rows == 1 || (to.row == cols && from.row == cols)) {
    std::memcpy(to.data, from.data, static_cast<size_t>(rows * cols) * sizeof(T));
    return;
  }
  if (cols * static_cast<int64_t>(sizeof(T)) >= 64) {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(to.data + r * to.row, from.data + r * from.row,
                  static_cast<size_t>(cols) * sizeof(T));
    return;
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) to.data[r * to.row + c] = from.data[r * from.row + c];
}

/// Rows that each repeat one element.
template <class T> void spread_rows(Plane<T> to, Plane<const T> from, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const T value = from.data[r * from.row];
    for (int64_t c = 0; c < cols; ++c) to.data[r * to.row + c] = value;
  }
}

template <class T> void copy_any(Plane<T> to, Plane<const T> from, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      to.data[r * to.row + c * to.col] = from.data[r * from.row + c * from.col];
}

/// kSide x kSide elements, as many as a register of 16 bytes holds across, transposed in registers.
template <class T> struct Transpose {
  static constexpr int kSide = 16 / sizeof(T);
  using Register = simd::Raw<T, 16>;
  using Lanes = std::make_integer_sequence<int, kSide>;

  /// Lanes 0, n, 1, n + 1 ... (or, of the upper halves, n/2, ...) of two registers of n lanes.
  template <int kFirst, int... kLane>
  static Register zip(Register a, Register b, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(a, b, (kFirst + kLane / 2 + (kLane % 2 == 0 ? 0 : kSide))...);
  }
  /// Each round of zips halves the distance that elements have yet to go.
  static void run(T* to, int64_t to_row, const T* from, int64_t from_col) {
    Register in[kSide], out[kSide];
    for (int i = 0; i < kSide; ++i) std::memcpy(&in[i], from + i * from_col, 16);
    for (int round = 1; round < kSide; round *= 2) {
      for (int i = 0; i < kSide / 2; ++i) {
        out[2 * i] = zip<0>(in[i], in[i + kSide / 2], Lanes{});
        out[2 * i + 1] = zip<kSide / 2>(in[i], in[i + kSide / 2], Lanes{});
      }
      for (int i = 0; i < kSide; ++i) in[i] = out[i];
    }
    for (int i = 0; i < kSide; ++i) std::memcpy(to + i * to_row, &in[i], 16);
  }
};

/// to[r, c] = from[r + c * from_col]: rows of the target lie side by side, columns of the source
/// do.
template <class T>
void transpose(T* to, int64_t to_row, const T* from, int64_t from_col, int64_t rows, int64_t cols) {
  int64_t full_rows = 0, full_cols = 0;
  if constexpr (sizeof(T) <= 8) {
    constexpr int64_t kSide = Transpose<T>::kSide;
    full_rows = rows / kSide * kSide;
    full_cols = cols / kSide * kSide;
    for (int64_t r = 0; r < full_rows; r += kSide)
      for (int64_t c = 0; c < full_cols; c += kSide)
        Transpose<T>::run(to + r * to_row + c, to_row, from + r + c * from_col, from_col);
  }
  copy_any<T>({to + full_cols, to_row, 1}, {from + full_cols * from_col, 1, from_col}, full_rows,
              cols - full_cols);
  copy_any<T>({to + full_rows * to_row, to_row, 1}, {from + full_rows, 1, from_col},
              rows - full_rows, cols);
}

/// Where columns lie a power of two apart, they drive each other out of the cache while they are
/// read piece by piece. Two lines of each of some columns come to a buffer first, whose columns do
/// not.
template <class T>
void transpose_apart(T* to, int64_t to_row, const T* from, int64_t from_col, int64_t rows,
                     int64_t cols) {
  constexpr int64_t kRows = 128 / sizeof(T), kCols = 32, kPitch = kRows + 64 / sizeof(T);
  alignas(64) T buffer[kCols * kPitch];
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    for (int64_t c = 0; c < cols; c += kCols) {
      const int64_t n = smaller(kCols, cols - c);
      for (int64_t i = 0; i < n; ++i)
        std::memcpy(buffer + i * kPitch, from + r + (c + i) * from_col, 128);
      transpose(to + r * to_row + c, to_row, buffer, kPitch, kRows, n);
    }
  }
  transpose(to + r * to_row, to_row, from + r, from_col, rows - r, cols);
}

constexpr int64_t kPastCols = 64;   // of a tile that goes past the caches
constexpr int64_t kPastRows = 512;  // of it, at most

/// Past the caches where registers may be stored so.
void copy_past(void* to, const void* from, int64_t bytes) {
  using Register = simd::Raw<uint8_t, simd::kVecBytes>;
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  int64_t i = 0;
  if (reinterpret_cast<uintptr_t>(to) % simd::kVecBytes == 0) {
    for (; i + simd::kVecBytes <= bytes; i += simd::kVecBytes) {
      Register v;
      std::memcpy(&v, source + i, sizeof v);
      simd::store_raw_past(target + i, v);
    }
  }
  std::memcpy(target + i, source + i, static_cast<size_t>(bytes - i));
}

/// For what does not stay in a cache: four lines of each column come to a buffer, while the next
/// four are fetched, are transposed into another, and leave it by whole lines past the caches.
template <class T>
void transpose_past(T* to, int64_t to_row, const T* from, int64_t from_col, int64_t rows,
                    int64_t cols) {
  constexpr int64_t kRows = 256 / sizeof(T), kGap = 64 / sizeof(T);
  alignas(64) T columns[kPastCols * (kRows + kGap)];
  alignas(64) T turned[kRows * (kPastCols + kGap)];
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t n = smaller(kRows, rows - r), ahead = smaller(kRows, rows - r - n);
    for (int64_t c = 0; c < cols; ++c) {
      const T* column = from + r + c * from_col;
      for (int64_t i = 0; i < ahead; i += kGap) __builtin_prefetch(column + n + i);
      std::memcpy(columns + c * (kRows + kGap), column, static_cast<size_t>(n) * sizeof(T));
    }
    transpose(turned, kPastCols + kGap, columns, kRows + kGap, n, cols);
    for (int64_t i = 0; i < n; ++i)
      copy_past(to + (r + i) * to_row, turned + i * (kPastCols + kGap),
                cols * static_cast<int64_t>(sizeof(T)));
  }
}

/// The transpose for a distance between columns.
template <class T>
void turn(T* to, int64_t to_row, const T* from, int64_t from_col, int64_t rows, int64_t cols) {
  const bool share_sets = from_col * static_cast<int64_t>(sizeof(T)) % 1024 == 0 && cols > 8;
  if (share_sets)
    transpose_apart(to, to_row, from, from_col, rows, cols);
  else
    transpose(to, to_row, from, from_col, rows, cols);
}

template <class T> void copy_typed(Plane<T> to, Plane<const T> from, int64_t rows, int64_t cols) {
  if (to.col == 1 && from.col == 1)
    copy_rows(to, from, rows, cols);
  else if (to.col == 1 && from.col == 0)
    spread_rows(to, from, rows, cols);
  else if (to.col == 1 && from.row == 1)
    turn(to.data, to.row, from.data, from.col, rows, cols);
  else if (to.row == 1 && from.col == 1)
    turn(to.data, to.col, from.data, from.row, cols, rows);
  else
    copy_any(to, from, rows, cols);
}

template <class T> void copy_as(Block to, Block from, int64_t rows, int64_t cols) {
  copy_typed<T>({static_cast<T*>(to.data), to.row, to.col},
                {static_cast<const T*>(from.data), from.row, from.col}, rows, cols);
}

template <class T> void transpose_past_as(Block to, Block from, int64_t rows, int64_t cols) {
  transpose_past(static_cast<T*>(to.data), to.row, static_cast<const T*>(from.data), from.col, rows,
                 cols);
}

/// Rows that are all the same: the first is copied, then what is there already.
void repeat_row(int size, Block to, Block from, int64_t rows, int64_t cols) {
  copy_block(size, to, from, 1, cols);
  auto* first = static_cast<char*>(to.data);
  const int64_t pitch = to.row * size;
  if (to.col == 1 && to.row == cols) {
    for (int64_t done = 1; done < rows; done *= 2)
      std::memcpy(first + done * pitch, first,
                  static_cast<size_t>(smaller(done, rows - done) * pitch));
    return;
  }
  for (int64_t r = 1; r < rows; ++r)
    copy_block(size, {first + r * pitch, 0, to.col}, {first, 0, to.col}, 1, cols);
}

}  // namespace

void copy_block(int size, Block to, Block from, int64_t rows, int64_t cols) {
  if (from.row == 0 && rows > 1) return repeat_row(size, to, from, rows, cols);
  switch (size) {
    case 1: return copy_as<uint8_t>(to, from, rows, cols);
    case 2: return copy_as<uint16_t>(to, from, rows, cols);
    case 4: return copy_as<uint32_t>(to, from, rows, cols);
    case 8: return copy_as<uint64_t>(to, from, rows, cols);
    default: return copy_as<Bytes16>(to, from, rows, cols);
  }
}

// ---- whole arrays -------------------------------------------------------------------------------

namespace {

struct Transfer {
  Tiling tiling;
  char *to, *from;
  int to_size, from_size;
  Converter convert;  // null where the dtypes are one
  bool past;  // past the caches: rows of `to` lie side by side, rows or columns of `from` do
};

/// A tile of at most kPastCols columns unless rows of `from` lie side by side.
void copy_block_past(int size, Block to, Block from, int64_t rows, int64_t cols) {
  if (from.col == 1) {
    for (int64_t r = 0; r < rows; ++r)
      copy_past(static_cast<char*>(to.data) + r * to.row * size,
                static_cast<const char*>(from.data) + r * from.row * size, cols * size);
    return;
  }
  switch (size) {
    case 1: return transpose_past_as<uint8_t>(to, from, rows, cols);
    case 2: return transpose_past_as<uint16_t>(to, from, rows, cols);
    case 4: return transpose_past_as<uint32_t>(to, from, rows, cols);
    case 8: return transpose_past_as<uint64_t>(to, from, rows, cols);
    default: return transpose_past_as<Bytes16>(to, from, rows, cols);
  }
}

constexpr int64_t kPiece = 512;  // elements of up to 8 bytes that wait in the first-level cache

/// One tile, of at most kPiece elements unless its rows convert as they lie.
void convert_tile(const Transfer& job, Block to, Block from, int64_t rows, int64_t cols) {
  if (to.col == 1 && from.col == 1) {
    auto* to_row = static_cast<char*>(to.data);
    const auto* from_row = static_cast<const char*>(from.data);
    for (int64_t r = 0; r < rows; ++r)
      job.convert(to_row + r * to.row * job.to_size, from_row + r * from.row * job.from_size, cols);
    return;
  }
  alignas(64) char packed[kPiece * 8];
  alignas(64) char converted[kPiece * 8];
  const void* source = from.data;
  if (from.col != 1 || (rows > 1 && from.row != cols)) {
    copy_block(job.from_size, {packed, cols, 1}, from, rows, cols);
    source = packed;
  }
  job.convert(converted, source, rows * cols);
  copy_block(job.to_size, to, {converted, cols, 1}, rows, cols);
}

void transfer_task(const Transfer& job, int64_t task) {
  const Nest& nest = job.tiling.nest;
  TileCursor at(job.tiling, task);
  do {
    const Block to{job.to + at.offset(0) * job.to_size, nest.row_stride(0), nest.col_stride(0)};
    const Block from{job.from + at.offset(1) * job.from_size, nest.row_stride(1),
                     nest.col_stride(1)};
    if (job.past)
      copy_block_past(job.to_size, to, from, at.rows(), at.cols());
    else if (job.convert == nullptr)
      copy_block(job.to_size, to, from, at.rows(), at.cols());
    else
      convert_tile(job, to, from, at.rows(), at.cols());
  } while (at.next());
  if (job.past) simd::end_stores_past();
}

}  // namespace

void copy_array(Context& ctx, const View& to, const View& from) {
  if (to.size() == 0) return;
  const View* views[] = {&to, &from};
  Transfer job;
  job.tiling.collapse(to.shape, views, 2);
  const Nest& nest = job.tiling.nest;
  job.to = to.as<char>();
  job.from = from.as<char>();
  job.to_size = static_cast<int>(size_of(to.dtype));
  job.from_size = static_cast<int>(size_of(from.dtype));
  job.convert = to.dtype == from.dtype ? nullptr : converter(from.dtype, to.dtype);
  const bool packs = job.convert != nullptr && (nest.col_stride(0) != 1 || nest.col_stride(1) != 1);
  const bool rows_or_columns = nest.col_stride(1) == 1 || (nest.crossed && nest.row_stride(1) == 1);
  job.past = job.convert == nullptr && to.size() * job.to_size >= past_bytes() &&
             nest.col_stride(0) == 1 && rows_or_columns;
  if (job.past && nest.col_stride(1) != 1)
    job.tiling.cut_to(kPastRows, kPastCols);
  else
    job.tiling.cut(packs ? kPiece : nest.crossed ? 4096 : kSlice);
  ctx.parallel_for(job.tiling.tasks(), [&](int64_t task) { transfer_task(job, task); });
}

void fill_zero(Context& ctx, const View& to) {
  constexpr int64_t kBytes = 4 * kSlice;
  const int64_t bytes = to.size() * static_cast<int64_t>(size_of(to.dtype));
  if (bytes == 0) return;
  ctx.parallel_for(ceil_div(bytes, kBytes), [&](int64_t task) {
    std::memset(to.as<char>() + task * kBytes, 0,
                static_cast<size_t>(smaller(kBytes, bytes - task * kBytes)));
  });
}

namespace {
void cast(const Cast&, Context& ctx, In in, Out out) noexcept { copy_array(ctx, out[0], in[0]); }
void copy(const Copy&, Context& ctx, In in, Out out) noexcept { copy_array(ctx, out[0], in[0]); }
}  // namespace

Kernel kernel(Tag<Cast>) { return make_kernel<Cast, &cast>(); }
Kernel kernel(Tag<Copy>) { return make_kernel<Copy, &copy>(); }

}  // namespace pyneuro
