// Cutting nests into tiles, and feeding tiles to elementwise loops (tile.h).
#include "kernels/tile.h"

#include "kernels/stores_past.h"

namespace pyneuro {
namespace {

constexpr int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

bool mergeable(const Nest& nest, int outer, int inner) {
  for (int a = 0; a < nest.arrays; ++a)
    if (nest.stride[a][outer] != nest.stride[a][inner] * nest.size[inner]) return false;
  return true;
}

void push_loop(Nest& nest, int64_t size, const int64_t* strides) {
  nest.size[nest.rank] = size;
  for (int a = 0; a < nest.arrays; ++a) nest.stride[a][nest.rank] = strides[a];
  ++nest.rank;
  const int inner = nest.rank - 1;
  if (inner == 0 || !mergeable(nest, inner - 1, inner)) return;
  nest.size[inner - 1] *= size;
  for (int a = 0; a < nest.arrays; ++a) nest.stride[a][inner - 1] = strides[a];
  --nest.rank;
}

/// Puts a loop of one round outside, so that there are rows and columns.
void push_outer(Nest& nest) {
  for (int i = nest.rank; i > 0; --i) {
    nest.size[i] = nest.size[i - 1];
    for (int a = 0; a < nest.arrays; ++a) nest.stride[a][i] = nest.stride[a][i - 1];
  }
  nest.size[0] = 1;
  for (int a = 0; a < nest.arrays; ++a) nest.stride[a][0] = nest.rank == 0 ? 1 : 0;
  ++nest.rank;
}

/// Makes loop `from` the rows.
void make_rows(Nest& nest, int from) {
  const int to = nest.rank - 2;
  auto rotate = [&](int64_t* list) {
    const int64_t moved = list[from];
    for (int i = from; i < to; ++i) list[i] = list[i + 1];
    list[to] = moved;
  };
  rotate(nest.size);
  for (int a = 0; a < nest.arrays; ++a) rotate(nest.stride[a]);
}

/// Where an array's columns lie apart, the loop in which its elements lie closest becomes the rows.
void arrange(Nest& nest) {
  for (int a = 0; a < nest.arrays; ++a) {
    int64_t closest = magnitude(nest.col_stride(a));
    int rows = -1;
    for (int i = nest.rank - 2; i >= 0; --i) {
      const int64_t s = magnitude(nest.stride[a][i]);
      if (s == 0 || s >= closest || nest.size[i] == 1) continue;
      closest = s;
      rows = i;
    }
    if (rows < 0) continue;
    make_rows(nest, rows);
    nest.crossed = true;
    return;
  }
}

}  // namespace

void Tiling::collapse(const Shape& shape, const View* const* views, int arrays) {
  nest.arrays = arrays;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    int64_t strides[kMaxArrays];
    for (int a = 0; a < arrays; ++a) {
      const View& v = *views[a];
      const int d = i - (shape.size() - v.rank());
      strides[a] = d < 0 || v.shape[d] == 1 ? 0 : v.strides[d];
    }
    push_loop(nest, shape[i], strides);
  }
  while (nest.rank < 2) push_outer(nest);
  arrange(nest);
}

void Tiling::cut(int64_t capacity, int64_t slice) {
  int64_t widest = capacity;
  if (nest.crossed)
    for (widest = 8; widest * widest < capacity;) widest *= 2;
  cut_to(larger(1, capacity / balanced(nest.cols(), widest, 16)), widest, slice);
}

void Tiling::cut_to(int64_t most_rows, int64_t most_cols, int64_t slice) {
  cols = balanced(nest.cols(), most_cols, 16);
  rows = balanced(nest.rows(), most_rows, 1);
  row_tiles = ceil_div(nest.rows(), rows);
  col_tiles = ceil_div(nest.cols(), cols);
  tiles = row_tiles * col_tiles;
  for (int i = 0; i < nest.rank - 2; ++i) tiles *= nest.size[i];
  tiles_per_task = larger(1, slice / (rows * cols));
}

TileCursor::TileCursor(const Tiling& tiling, int64_t task) : t_(tiling) {
  const Nest& nest = t_.nest;
  int64_t at = task * t_.tiles_per_task;
  left_ = smaller(t_.tiles_per_task, t_.tiles - at);
  col_ = at % t_.col_tiles * t_.cols;
  at /= t_.col_tiles;
  row_ = at % t_.row_tiles * t_.rows;
  at /= t_.row_tiles;
  for (int a = 0; a < nest.arrays; ++a) outer_[a] = 0;
  for (int i = nest.rank - 3; i >= 0; --i) {
    index_[i] = at % nest.size[i];
    at /= nest.size[i];
    for (int a = 0; a < nest.arrays; ++a) outer_[a] += index_[i] * nest.stride[a][i];
  }
}

bool TileCursor::next() {
  if (--left_ == 0) return false;
  col_ += t_.cols;
  if (col_ < t_.nest.cols()) return true;
  col_ = 0;
  row_ += t_.rows;
  if (row_ < t_.nest.rows()) return true;
  row_ = 0;
  step_outer();
  return true;
}

void TileCursor::step_outer() {
  const Nest& nest = t_.nest;
  for (int i = nest.rank - 3; i >= 0; --i) {
    for (int a = 0; a < nest.arrays; ++a) outer_[a] += nest.stride[a][i];
    if (++index_[i] < nest.size[i]) return;
    for (int a = 0; a < nest.arrays; ++a) outer_[a] -= nest.size[i] * nest.stride[a][i];
    index_[i] = 0;
  }
}

void load_block(const Passage& way, Block from, int64_t rows, int64_t cols, char* buffer,
                char* raw) {
  if (way.convert == nullptr) {
    copy_block(way.size, {buffer, cols, 1}, from, rows, cols);
  } else if (from.col == 1 && (rows == 1 || from.row == cols)) {
    way.convert(buffer, from.data, rows * cols);
  } else if (from.col == 1 && from.row != 0) {
    const auto* row = static_cast<const char*>(from.data);
    for (int64_t r = 0; r < rows; ++r)
      way.convert(buffer + r * cols * way.tile_size, row + r * from.row * way.size, cols);
  } else {
    copy_block(way.size, {raw, cols, 1}, from, rows, cols);
    way.convert(buffer, raw, rows * cols);
  }
}

void store_block(const Passage& way, Block to, int64_t rows, int64_t cols, char* buffer,
                 char* raw) {
  if (way.convert == nullptr) {
    copy_block(way.size, to, {buffer, cols, 1}, rows, cols);
  } else if (to.col == 1 && (rows == 1 || to.row == cols)) {
    way.convert(to.data, buffer, rows * cols);
  } else {
    way.convert(raw, buffer, rows * cols);
    copy_block(way.size, to, {raw, cols, 1}, rows, cols);
  }
}

// ---- elementwise --------------------------------------------------------------------------------

namespace {

constexpr int64_t kBuffer = kTileBytes + 128;  // off 4096, where loads would wait for stores
constexpr int64_t kShortRow = 128;             // elements
constexpr int64_t kRawBytes = 2 * kTileBytes;  // elements of up to 8 bytes become ones of 4

/// How one array reaches the loop.
struct Feed : Passage {
  char* data;
  bool direct;  // the loop works on the array's own memory
};

struct Elementwise {
  TileLoop loop;
  Tiling tiling;
  Feed feeds[kTileArrays];
  bool flat;  // every tile is one row
  bool past;  // results go past the caches
};

/// What a buffer holds, so that a repeated operand is loaded once.
struct Held { int64_t offset = -1, rows = 0, cols = 0; };

struct Buffers {
  alignas(64) char tile[kTileArrays][kBuffer];
  alignas(64) char raw[kRawBytes];
  Held held[kTileArrays];
};

void run_task(const Elementwise& job, int64_t task) {
  const Nest& nest = job.tiling.nest;
  Buffers buffers;
  TileCursor at(job.tiling, task);
  do {
    Tile tile;
    tile.past = job.past;
    tile.rows = at.rows();
    tile.cols = at.cols();
    auto place = [&](int a) {
      const Feed& feed = job.feeds[a];
      return Block{feed.data + at.offset(a) * feed.size, nest.row_stride(a), nest.col_stride(a)};
    };
    for (int a = 0; a < nest.arrays; ++a) {
      const Feed& feed = job.feeds[a];
      tile.data[a] = feed.direct ? feed.data + at.offset(a) * feed.size : buffers.tile[a];
      tile.pitch[a] = feed.direct ? nest.row_stride(a) : tile.cols;
      Held& held = buffers.held[a];
      if (a == 0 || feed.direct) continue;
      if (held.offset == at.offset(a) && held.rows >= tile.rows && held.cols == tile.cols) continue;
      held = {at.offset(a), tile.rows, tile.cols};
      load_block(feed, place(a), tile.rows, tile.cols, buffers.tile[a], buffers.raw);
    }
    Tile run = tile;
    if (job.flat) {
      run.cols *= run.rows;
      run.rows = 1;
    }
    job.loop(run);
    if (!job.feeds[0].direct)
      store_block(job.feeds[0], place(0), tile.rows, tile.cols, buffers.tile[0], buffers.raw);
  } while (at.next());
  if (job.past) simd::end_stores_past();
}

/// Whether the result's rows, wherever tiles cut them, begin where registers may be stored past the
/// caches.
bool may_store_past(const Elementwise& job, int64_t elements) {
  const Feed& y = job.feeds[0];
  const Nest& nest = job.tiling.nest;
  if (!y.direct || elements * y.size < past_bytes()) return false;
  auto places = reinterpret_cast<uintptr_t>(y.data);
  for (int i = 0; i + 1 < nest.rank; ++i)
    if (nest.size[i] > 1) places |= static_cast<uintptr_t>(nest.stride[0][i] * y.size);
  if (job.tiling.col_tiles > 1) places |= static_cast<uintptr_t>(job.tiling.cols * y.size);
  return places % simd::kVecBytes == 0;
}

/// Small arrays of one shape that already lie as the loop wants them: nothing to cut or to convert.
/// The commonest call by far, and too short to pay for a plan.
bool run_plain(TileLoop loop, const View* const* arrays, const DType* dtypes, int count,
               int64_t size, int64_t slice) {
  if (size > slice) return false;
  Tile tile;
  for (int a = 0; a < count; ++a) {
    if (arrays[a]->dtype != dtypes[a] || arrays[a]->shape != arrays[0]->shape ||
        !arrays[a]->dense())
      return false;
    tile.data[a] = arrays[a]->as<char>();
    tile.pitch[a] = size;
  }
  tile.rows = 1;
  tile.cols = size;
  loop(tile);
  return true;
}

}  // namespace

void run_elementwise(Context& ctx, TileLoop loop, const View* const* arrays, const DType* dtypes,
                     int count, int64_t slice) {
  const int64_t size = arrays[0]->size();
  if (size == 0) return;
  if (run_plain(loop, arrays, dtypes, count, size, slice)) return;
  Elementwise job;
  job.loop = loop;
  job.tiling.collapse(arrays[0]->shape, arrays, count);
  const Nest& nest = job.tiling.nest;
  bool buffered = false;
  int64_t widest = 1;
  for (int a = 0; a < count; ++a) {
    const DType dtype = arrays[a]->dtype;
    Feed& feed = job.feeds[a];
    feed.data = arrays[a]->as<char>();
    feed.size = static_cast<int>(size_of(dtype));
    feed.tile_size = static_cast<int>(size_of(dtypes[a]));
    if (dtype == dtypes[a])
      feed.convert = nullptr;
    else
      feed.convert = a == 0 ? converter(dtypes[a], dtype) : converter(dtype, dtypes[a]);
    // A short row that repeats is better repeated in a buffer once, so that tiles are long rows.
    const bool repeats = nest.row_stride(a) == 0 && nest.rows() > 1 && nest.cols() < kShortRow;
    feed.direct = feed.convert == nullptr && nest.col_stride(a) == 1 && !repeats;
    buffered |= !feed.direct;
    widest = larger(widest, feed.tile_size);
  }
  job.tiling.cut(buffered ? kTileBytes / widest : slice, slice);
  job.flat = job.tiling.cols == nest.cols();
  for (int a = 0; a < count; ++a)
    job.flat &= !job.feeds[a].direct || nest.row_stride(a) == nest.cols() || job.tiling.rows == 1;
  job.past = may_store_past(job, size);
  ctx.parallel_for(job.tiling.tasks(), [&](int64_t task) { run_task(job, task); });
}

}  // namespace pyneuro
