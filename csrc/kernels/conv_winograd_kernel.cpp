// dkernel of 3 x 3 convolutions by Winograd's algorithm (conv_winograd.h):
// G^T [sum over tiles of (A g A^T) . (B^T x B)] G.
//
// Some tiles at a time are transformed, V from x as [36, tiles, channels] and W from g as [36,
// panels, tiles, panel], and the products V^T W added to the sums, one chain over the tiles in
// order for each of their elements. Tasks share the sums' elements, not the tiles.
#include "kernels/conv_winograd.h"

namespace pyneuro {
namespace {

constexpr int64_t kLanes = Vec<float>::kCount;
constexpr int64_t kPanel = kWinogradPanel;
constexpr int64_t kChunkBytes = int64_t{4} << 20;  // of V and W: they stay in a last-level cache
constexpr int64_t kDepth = 128;                    // tiles of a product at a time
constexpr int64_t kTileTask = 4;                   // tiles that a task transforms
constexpr int64_t kRowTask = 4;                    // rows of sums that a task transforms
constexpr int64_t kSliceRows = 16 * kMaxRows, kSliceCols = 128;

struct Sizes {
  int64_t panels, v_row, v_size, w_size;  // elements; sizes of one of the 36
  int64_t rows, cols, row_slices, col_slices;  // of the sums
  int64_t sum_size;  // elements of one of the 36
  Tiles tiles;
  int64_t chunk;
  size_t v, w, sums, total;  // bytes: where they begin, after the zeros
};

Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.tiles = make_tiles(p.batch, p.out[1], p.out[2]);
  s.panels = ceil_div(p.filters, kPanel);
  s.v_row = odd_lines(p.channels);
  const int64_t tile_bytes =
      kProducts * (s.v_row + s.panels * kPanel) * static_cast<int64_t>(sizeof(float));
  const int64_t most = larger(kDepth, kChunkBytes / tile_bytes / kDepth * kDepth);
  s.chunk = balanced(s.tiles.count, most, 1);
  s.v_size = odd_lines(s.chunk * s.v_row), s.w_size = odd_lines(s.panels * s.chunk * kPanel);
  s.rows = smaller(kSliceRows, p.channels), s.cols = smaller(kSliceCols, s.panels * kPanel);
  s.row_slices = ceil_div(p.channels, s.rows), s.col_slices = ceil_div(p.filters, s.cols);
  s.sum_size = odd_lines(p.channels * s.panels * kPanel);
  const auto bytes = [](int64_t n) { return sizeof(float) * static_cast<size_t>(round_up(n, 16)); };
  s.v = bytes(larger(p.channels, p.filters));
  s.w = s.v + bytes(kProducts * s.v_size);
  s.sums = s.w + bytes(kProducts * s.w_size);
  s.total = s.sums + bytes(kProducts * s.sum_size);
  return s;
}

/// V and W of tile t of the chunk, which is `tile` of all.
void transform_tile(const ConvProblem& p, const Sizes& s, const Pictures& x, const Pictures& g,
                    int64_t tile, int64_t t, const float* zeros, float* v, float* w) {
  const int64_t image = s.tiles.image(tile), top = s.tiles.top(tile), left = s.tiles.left(tile);
  const float* source[6][6];
  find_pixels(x, image, top - p.low[1], left - p.low[2], zeros, source);
  v += t * s.v_row;
  for_channels(p.channels, [&](int64_t c, auto lanes) {
    transform<SourceLine>([&](int i, int j) { return load_lanes(source[i][j] + c, lanes); },
                          [&](int i, int j, Vec<float> value) {
                            simd::store(v + (6 * i + j) * s.v_size + c, value);
                          });
  });
  const float* grads[4][4];
  find_pixels(g, image, top, left, zeros, grads);
  for_channels(p.filters, [&](int64_t c, auto lanes) {
    float* const to = w + (c / kPanel * s.chunk + t) * kPanel + c % kPanel;
    transform<ResultGradLine>(
        [&](int i, int j) { return load_lanes(grads[i][j] + c, lanes); },
        [&](int i, int j, Vec<float> value) { simd::store(to + (6 * i + j) * s.w_size, value); });
  });
}

/// Adds the products of a chunk to a slice of one of the 36 sums.
void add_products(const ConvProblem& p, const Sizes& s, int64_t tiles, int64_t row, int64_t col,
                  const float* v, const float* w, float* sum, bool add) {
  const int64_t rows = smaller(s.rows, p.channels - row);
  const int64_t end = smaller(p.filters, col + s.cols), strips = ceil_div(rows, kMaxRows);
  MicroTile<float> tile{};
  tile.a_row = 1, tile.a_k = s.v_row;
  tile.b_k = kPanel;
  tile.c_row = s.panels * kPanel;
  for (int64_t k = 0; k < tiles; k += kDepth) {
    tile.k = smaller(kDepth, tiles - k);
    tile.add = add || k > 0;
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t r = row + rows * i / strips, next = row + rows * (i + 1) / strips;
      tile.a = v + k * s.v_row + r;
      for (int64_t j = col; j < end; j += kPanel) {
        tile.cols = static_cast<int>(smaller(kPanel, end - j));
        tile.b = w + j * s.chunk + k * kPanel;
        tile.c = sum + r * tile.c_row + j;
        micro_kernel<float>(static_cast<int>(next - r), tile.cols > kLanes ? 2 : 1)(tile);
      }
    }
  }
}

/// Row c of dkernel's nine taps.
void transform_sums(const ConvProblem& p, const Sizes& s, int64_t c, const float* sums, float* to) {
  sums += c * s.panels * kPanel;
  for_channels(p.filters, [&](int64_t j, auto lanes) {
    transform<KernelGradLine>(
        [&](int a, int b) { return simd::load(sums + (6 * a + b) * s.sum_size + j); },
        [&](int a, int b, Vec<float> value) {
          store_lanes(to + ((3 * a + b) * p.channels + c) * p.filters + j, value, lanes);
        });
  });
}

}  // namespace

inline namespace PN_SIMD_ABI {

size_t winograd_kernel_grad_scratch(const ConvProblem& p) { return make_sizes(p).total; }

void run_winograd_kernel_grad(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  float* const zeros = reinterpret_cast<float*>(scratch);
  for (int64_t i = 0; i < larger(p.channels, p.filters); ++i) zeros[i] = 0;
  float* const v = reinterpret_cast<float*>(scratch + s.v);
  float* const w = reinterpret_cast<float*>(scratch + s.w);
  float* const sums = reinterpret_cast<float*>(scratch + s.sums);
  const Pictures pictures =
      make_pictures(x.a, p.in, p.channels, p.out[1] + 2 - p.low[1], p.out[2] + 2 - p.low[2]);
  const Pictures grads = make_pictures(x.b, p.out, p.filters, p.out[1], p.out[2]);
  const int64_t slices = s.row_slices * s.col_slices;
  for (int64_t first = 0; first < s.tiles.count; first += s.chunk) {
    const int64_t tiles = smaller(s.chunk, s.tiles.count - first);
    ctx.parallel_for(ceil_div(tiles, kTileTask), [&](int64_t task) {
      for (int64_t t = task * kTileTask; t < smaller(tiles, (task + 1) * kTileTask); ++t)
        transform_tile(p, s, pictures, grads, first + t, t, zeros, v, w);
    });
    ctx.parallel_for(kProducts * slices, [&](int64_t task) {
      const int64_t product = task / slices, row = task % slices / s.col_slices * s.rows;
      add_products(p, s, tiles, row, task % s.col_slices * s.cols, v + product * s.v_size,
                   w + product * s.w_size, sums + product * s.sum_size, first > 0);
    });
  }
  ctx.parallel_for(ceil_div(p.channels, kRowTask), [&](int64_t task) {
    for (int64_t c = task * kRowTask; c < smaller(p.channels, (task + 1) * kRowTask); ++c)
      transform_sums(p, s, c, sums, static_cast<float*>(x.c));
  });
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
