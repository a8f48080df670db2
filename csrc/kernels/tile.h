// Walks arrays of any strides in two-dimensional tiles that fit the first-level cache, and carries
// tiles to and from the dtype that a kernel computes in. Where an array already lies as the kernel
// wants it, the kernel reads and writes in place. Knows no formula; the cut depends on shapes
// alone.
#pragma once

#include "backend.h"
#include "kernels/convert.h"

namespace pyneuro {

/// Elements of a task. Two threads pay from about two of them on.
inline constexpr int64_t kSlice = 16384;
/// Bytes of one buffered tile.
inline constexpr int64_t kTileBytes = 4096;
inline constexpr int kMaxArrays = 12;  // of a nest; an elementwise loop has up to kTileArrays
inline constexpr int kTileArrays = 4;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/// The shortest equal pieces of at most `most` that n falls into (but for the last), in multiples
/// of `unit` where there are several.
constexpr int64_t balanced(int64_t n, int64_t most, int64_t unit) {
  if (n <= most) return n;
  return smaller(most, ceil_div(ceil_div(n, ceil_div(n, most)), unit) * unit);
}

/// Nested loops over arrays that share a shape; strides count elements. Loops of one round are gone
/// and neighbours that every array can run as one are merged. The last two are a tile's rows and
/// columns, and there always are two.
struct Nest {
  int arrays = 0;
  int rank = 0;
  int64_t size[kMaxRank + 2];
  int64_t stride[kMaxArrays][kMaxRank + 2];
  bool crossed = false;  // some array's columns lie apart and its rows side by side

  int64_t rows() const { return size[rank - 2]; }
  int64_t cols() const { return size[rank - 1]; }
  int64_t row_stride(int array) const { return stride[array][rank - 2]; }
  int64_t col_stride(int array) const { return stride[array][rank - 1]; }
};

/// A nest cut into tiles, some of them to a task.
struct Tiling {
  Nest nest;
  int64_t rows, cols;  // of a full tile
  int64_t row_tiles, col_tiles, tiles, tiles_per_task;

  /// Fills the nest: the loops over `shape` with views that broadcast to it.
  void collapse(const Shape& shape, const View* const* views, int arrays);
  /// Fills the rest: tiles of at most `capacity` elements, tasks of about `slice`.
  void cut(int64_t capacity, int64_t slice = kSlice);
  /// The same for tiles of at most so many rows and columns.
  void cut_to(int64_t most_rows, int64_t most_cols, int64_t slice = kSlice);
  int64_t tasks() const { return ceil_div(tiles, tiles_per_task); }
};

/// Stands on one tile of a task after the other.
class TileCursor {
 public:
  TileCursor(const Tiling& tiling, int64_t task);
  bool next();
  int64_t rows() const { return smaller(t_.rows, t_.nest.rows() - row_); }
  int64_t cols() const { return smaller(t_.cols, t_.nest.cols() - col_); }
  /// Elements from the array's first to the tile's first.
  int64_t offset(int array) const {
    return outer_[array] + row_ * t_.nest.row_stride(array) + col_ * t_.nest.col_stride(array);
  }

 private:
  void step_outer();

  const Tiling& t_;
  int64_t left_, row_, col_;
  int64_t index_[kMaxRank + 2];
  int64_t outer_[kMaxArrays];
};

/// Copies rows x cols elements of `size` bytes (1, 2, 4, 8, 16); strides count elements and may be
/// anything. The source may repeat elements (stride 0).
struct Block {
  void* data;
  int64_t row, col;
};
void copy_block(int size, Block to, Block from, int64_t rows, int64_t cols);

/// How the elements of an array lie in memory and in a buffer.
struct Passage {
  int size, tile_size;  // bytes of an element: in memory, in the buffer
  Converter convert;    // the way taken, null where the dtypes are one
};
/// A block of memory to a buffer, where rows lie close, and back. `raw` has room for the block as
/// it is in memory.
void load_block(const Passage& way, Block from, int64_t rows, int64_t cols, char* buffer,
                char* raw);
void store_block(const Passage& way, Block to, int64_t rows, int64_t cols, char* buffer, char* raw);

/// `to` <- `from`, broadcast and converted; they do not overlap.
void copy_array(Context& ctx, const View& to, const View& from);

/// Zero bytes everywhere in a dense array.
void fill_zero(Context& ctx, const View& to);

/// A tile as an elementwise loop sees it: array 0 is written, the others are read; columns lie side
/// by side, rows `pitch` elements apart.
struct Tile {
  char* data[kTileArrays];
  int64_t pitch[kTileArrays];
  int64_t rows, cols;
  bool past = false;  // whether results go past the caches (stores_past.h)
};
using TileLoop = void (*)(const Tile&) noexcept;

/// Runs `loop` over all tiles of the arrays. `dtypes` says in what each must reach the loop,
/// `slice` how many elements are worth a task.
void run_elementwise(Context& ctx, TileLoop loop, const View* const* arrays, const DType* dtypes,
                     int count, int64_t slice = kSlice);

}  // namespace pyneuro
