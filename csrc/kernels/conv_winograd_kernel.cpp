// dkernel of 3 x 3 convolutions by Winograd's algorithm (conv_winograd.h):
// G^T [sum over tiles of (A g A^T) . (B^T x B)] G.
//
// V is the transformed x [36, tiles, channels], W the transformed g [36, panels, tiles, panel]; the
// sums [36, channels, filters] are V^T W. Tasks share the elements of the sums, not the tiles, so
// each is one chain over the tiles in order. Two ways to go:
//
//   in chunks  Some tiles at a time are transformed, and added to sums that are kept.
//   in slices  For sums that would not stay in a cache, over few tiles: all are transformed; a task
//              then takes a slice of the sums from products to results.
#include "kernels/conv_winograd.h"

namespace pyneuro {
namespace {

using Tile = FourByFour;
constexpr int64_t kProducts = Tile::kReach * Tile::kReach;
constexpr int64_t kLanes = Vec<float>::kCount;
constexpr int64_t kPanel = kWinogradPanel;
constexpr int64_t kChunkBytes = int64_t{4} << 20;   // of V and W, in chunks
constexpr int64_t kSliceBytes = int64_t{16} << 20;  // of V and W, in slices
constexpr int64_t kMostSums = int64_t{4} << 20;     // bytes of sums that stay in a cache
constexpr int64_t kDepth = 128;                     // tiles of a product at a time
constexpr int64_t kTileTask = 4;                    // tiles that a task transforms
constexpr int64_t kRowTask = 4;                     // rows of sums that a task transforms

/// Sizes of the computation; all that scratch and run must agree on.
struct Sizes {
  bool in_slices;
  Tiles tiles;
  int64_t chunk;                               // tiles at a time
  int64_t rows, cols, row_slices, col_slices;  // of the sums, to a task
  int64_t v_row, sum_row;                      // elements
  int64_t v_size, w_size, sum_size;            // of one of the 36
  int64_t slots;                               // sums
  size_t v, w, sums, slot_bytes, total;        // where they begin, after the zeros
};

Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  const int64_t size = sizeof(float), width = round_up(p.filters, kPanel);
  s.tiles = make_tiles(Tile::kSide, p.batch, p.out[1], p.out[2]);
  s.v_row = odd_lines(p.channels);
  const int64_t tile_bytes = kProducts * (s.v_row + width) * size;
  s.in_slices = kProducts * p.channels * width * size > kMostSums &&
                s.tiles.count * tile_bytes <= kSliceBytes;
  if (s.in_slices) {
    s.chunk = s.tiles.count;
    s.rows = 8 * kMaxRows, s.cols = 64;
    s.sum_row = s.cols, s.sum_size = odd_lines(s.rows * s.cols);
  } else {
    s.chunk = balanced(s.tiles.count, larger(kDepth, kChunkBytes / tile_bytes), 1);
    s.rows = smaller(16 * kMaxRows, p.channels), s.cols = smaller(128, width);
    s.sum_row = width, s.sum_size = odd_lines(p.channels * width);
  }
  s.row_slices = ceil_div(p.channels, s.rows), s.col_slices = ceil_div(p.filters, s.cols);
  s.slots = s.in_slices ? smaller(kMostSlots, s.row_slices * s.col_slices) : 1;
  s.v_size = odd_lines(s.chunk * s.v_row), s.w_size = odd_lines(s.chunk * width);
  s.v = float_bytes(larger(p.channels, p.filters));
  s.w = s.v + float_bytes(kProducts * s.v_size);
  s.sums = s.w + float_bytes(kProducts * s.w_size);
  s.slot_bytes = float_bytes(kProducts * s.sum_size);
  s.total = s.sums + static_cast<size_t>(s.slots) * s.slot_bytes;
  return s;
}

/// A slice of the sums: rows [row, row + rows), columns [col, col + cols).
struct Part { int64_t row, rows, col, cols; };
Part part_of(const ConvProblem& p, const Sizes& s, int64_t i) {
  const int64_t row = i / s.col_slices * s.rows, col = i % s.col_slices * s.cols;
  return {row, smaller(s.rows, p.channels - row), col, smaller(s.cols, p.filters - col)};
}

/// V and W of tile t of the chunk, which is `tile` of all.
void transform_tile(const ConvProblem& p, const Sizes& s, const Pictures& x, const Pictures& g,
                    int64_t tile, int64_t t, const float* zeros, float* v, float* w) {
  const int64_t image = s.tiles.image(tile), top = s.tiles.top(tile), left = s.tiles.left(tile);
  const float* source[Tile::kReach][Tile::kReach];
  find_pixels(x, image, top - p.low[1], left - p.low[2], zeros, source);
  v += t * s.v_row;
  for_channels(p.channels, [&](int64_t c, auto lanes) {
    transform<Tile::Source>([&](int i, int j) { return load_lanes(source[i][j] + c, lanes); },
                            [&](int i, int j, Vec<float> value) {
                              simd::store(v + (Tile::kReach * i + j) * s.v_size + c, value);
                            });
  });
  const float* grads[Tile::kSide][Tile::kSide];
  find_pixels(g, image, top, left, zeros, grads);
  for_channels(p.filters, [&](int64_t c, auto lanes) {
    float* const to = w + (c / kPanel * s.chunk + t) * kPanel + c % kPanel;
    transform<Tile::ResultGrad>([&](int i, int j) { return load_lanes(grads[i][j] + c, lanes); },
                                [&](int i, int j, Vec<float> value) {
                                  simd::store(to + (Tile::kReach * i + j) * s.w_size, value);
                                });
  });
}

/// Adds the products of `tiles` tiles to a slice of one of the 36 sums, which begins at `sum`.
void add_products(const Sizes& s, const Part& part, int64_t tiles, const float* v, const float* w,
                  float* sum, bool add) {
  const int64_t strips = ceil_div(part.rows, kMaxRows);
  MicroTile<float> tile{};
  tile.a_row = 1, tile.a_k = s.v_row;
  tile.b_k = kPanel;
  tile.c_row = s.sum_row;
  for (int64_t k = 0; k < tiles; k += kDepth) {
    tile.k = smaller(kDepth, tiles - k);
    tile.add = add || k > 0;
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t row = part.rows * i / strips, next = part.rows * (i + 1) / strips;
      tile.a = v + k * s.v_row + part.row + row;
      for (int64_t j = 0; j < part.cols; j += kPanel) {
        tile.cols = static_cast<int>(smaller(kPanel, part.cols - j));
        tile.b = w + (part.col + j) * s.chunk + k * kPanel;
        tile.c = sum + row * s.sum_row + j;
        micro_kernel<float>(static_cast<int>(next - row), tile.cols > kLanes ? 2 : 1)(tile);
      }
    }
  }
}

/// dkernel from a slice of the sums, which begins at `sums`.
void transform_sums(const ConvProblem& p, const Sizes& s, const Part& part, const float* sums,
                    float* to) {
  for (int64_t r = 0; r < part.rows; ++r, sums += s.sum_row) {
    float* const row = to + (part.row + r) * p.filters + part.col;
    for_channels(part.cols, [&](int64_t j, auto lanes) {
      transform<Tile::KernelGrad>(
          [&](int a, int b) { return simd::load(sums + (Tile::kReach * a + b) * s.sum_size + j); },
          [&](int a, int b, Vec<float> value) {
            store_lanes(row + (3 * a + b) * p.channels * p.filters + j, value, lanes);
          });
    });
  }
}

}  // namespace

inline namespace PN_SIMD_ABI {

size_t winograd_kernel_grad_scratch(const ConvProblem& p) { return make_sizes(p).total; }

void run_winograd_kernel_grad(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes(p);
  char* const scratch = static_cast<char*>(ctx.scratch());
  float* const zeros = reinterpret_cast<float*>(scratch);
  for (int64_t i = 0; i < larger(p.channels, p.filters); ++i) zeros[i] = 0;
  float* const v = reinterpret_cast<float*>(scratch + s.v);
  float* const w = reinterpret_cast<float*>(scratch + s.w);
  float *const sums = reinterpret_cast<float*>(scratch + s.sums), *const to =
                                                                      static_cast<float*>(x.c);
  const Pictures pictures = make_pictures(x.a, p.in, p.channels);
  const Pictures grads = make_pictures(x.b, p.out, p.filters);
  const int64_t slices = s.row_slices * s.col_slices;
  for (int64_t first = 0; first < s.tiles.count; first += s.chunk) {
    const int64_t tiles = smaller(s.chunk, s.tiles.count - first);
    ctx.parallel_for(ceil_div(tiles, kTileTask), [&](int64_t task) {
      for (int64_t t = task * kTileTask; t < smaller(tiles, (task + 1) * kTileTask); ++t)
        transform_tile(p, s, pictures, grads, first + t, t, zeros, v, w);
    });
    if (s.in_slices) break;
    ctx.parallel_for(kProducts * slices, [&](int64_t task) {
      const int64_t i = task / slices;
      const Part part = part_of(p, s, task % slices);
      add_products(s, part, tiles, v + i * s.v_size, w + i * s.w_size,
                   sums + i * s.sum_size + part.row * s.sum_row + part.col, first > 0);
    });
  }
  if (!s.in_slices) {
    ctx.parallel_for(ceil_div(p.channels, kRowTask), [&](int64_t task) {
      const int64_t row = task * kRowTask;
      transform_sums(p, s, {row, smaller(kRowTask, p.channels - row), 0, p.filters},
                     sums + row * s.sum_row, to);
    });
    return;
  }
  Counter next(slices);
  ctx.parallel_for(s.slots, [&](int64_t slot) {
    float* const own = sums + static_cast<size_t>(slot) * s.slot_bytes / sizeof(float);
    for (int64_t task; next.next(task);) {
      const Part part = part_of(p, s, task);
      for (int64_t i = 0; i < kProducts; ++i)
        add_products(s, part, s.chunk, v + i * s.v_size, w + i * s.w_size, own + i * s.sum_size,
                     false);
      transform_sums(p, s, part, own, to);
    }
  });
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
