// y and dx of 3 x 3 convolutions by Winograd's algorithm (conv_winograd.h). dx is the convolution
// of g with the kernel turned by half a turn, channels and filters exchanged.
//
// Tiles have 4 x 4 results, or 2 x 2 where that takes no more products, as at 5 x 5 and 6 x 6.
// V is the transformed source [36 or 16, tiles, channels], U the transformed kernel, in panels that
// the micro-kernel reads in full registers, M = V U for each of the 36 or 16. Two ways to go:
//
//   by tiles    U is made once; a task takes a block of tiles from source to results.
//   by filters  For kernels whose U would not stay in a cache: V is made first (of some tiles at a
//               time); a task takes a slice of filters from kernel to results.
//
// Every result is the same chain over the channels, in order, either way and whatever block it is
// in: neither the batch nor the number of threads changes a bit.
#include "kernels/conv_winograd.h"

#include "kernels/gemm_pack.h"

namespace pyneuro {
namespace {

constexpr int64_t kLanes = Vec<float>::kCount;
constexpr int64_t kPanel = kWinogradPanel;
constexpr int64_t kKernelRows = 32;  // of the kernel's channels, transformed at a time
constexpr int64_t kMostKernel = int64_t{10} << 20;  // bytes of U that stay in a cache
constexpr int64_t kMostSource = int64_t{8} << 20;   // bytes of V at a time
constexpr int64_t kMostKept = 512;                  // results of tiles, for which U is kept
constexpr int64_t kFewestChannels = 8;              // and filters
constexpr int64_t kFewestSmall = 16;                // the same for tiles of 2 x 2
constexpr int64_t kFewestResults = 16;              // of a picture, for y and dx
constexpr int64_t kFewestSummed = 12;               // tiles, for dkernel
constexpr int64_t kFewTiles = 64;                   // give few tasks
constexpr int64_t kSlices = 4;                      // of filters, that give enough
constexpr int64_t kBlockDepth = 512;                // channels of a product at a time
constexpr int64_t kSlotBytes = int64_t{64} << 20;   // of all slots; touched are as many as threads

/// Sizes of y's or dx's computation; all that scratch and run must agree on.
struct Sizes {
  bool backward, by_filters;
  int64_t channels, filters;  // of source and results
  int64_t height, width, low[2];
  int64_t block, slice;            // tiles, filters at a time
  int64_t v_row, m_row;            // elements
  int64_t v_size, u_size, m_size;  // of one of the products
  Tiles tiles;
  int64_t slots;
  size_t shared, slot, slot_bytes, total;  // where U or V and the slots begin, after the zeros
};

/// The tiles of `batch` pictures of results: small ones where these take no more products (of few
/// channels they cost more than they save). The batch has no say, as it must change no bit.
Tiles choose_tiles(const ConvProblem& p, int64_t batch) {
  const auto& results = p.step == ConvStep::InputGrad ? p.in : p.out;
  const auto cut = [&](int64_t side, int64_t n) {
    return make_tiles(side, n, results[1], results[2]);
  };
  const Tiles large = cut(FourByFour::kSide, 1), small = cut(TwoByTwo::kSide, 1);
  const bool fewer = small.products() * small.count <= large.products() * large.count &&
                     smaller(p.channels, p.filters) >= kFewestSmall;
  return cut(fewer ? small.side : large.side, batch);
}

Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.backward = p.step == ConvStep::InputGrad;
  s.channels = s.backward ? p.filters : p.channels;
  s.filters = s.backward ? p.channels : p.filters;
  const auto& to = s.backward ? p.in : p.out;
  s.height = to[1], s.width = to[2];
  for (int d = 0; d < 2; ++d) s.low[d] = s.backward ? 2 - p.low[d + 1] : p.low[d + 1];
  s.tiles = choose_tiles(p, p.batch);
  const int64_t products = s.tiles.products();
  const int64_t size = sizeof(float), width = round_up(s.filters, kPanel);
  const bool few = s.tiles.count <= kFewTiles && s.filters >= kSlices * kPanel;
  s.by_filters = few || products * width * s.channels * size > kMostKernel;
  s.v_row = odd_lines(s.channels);
  if (s.by_filters) {
    const int64_t most = kMostSource / (products * s.v_row * size);
    s.block = balanced(s.tiles.count, larger(kFewTiles, most), 1);
    s.slice = s.filters >= 4 * kSlices * kPanel ? 2 * kPanel : kPanel;
  } else {
    s.block = s.tiles.count < 32 * kMaxRows ? kMaxRows : 2 * kMaxRows;
    s.slice = width;
  }
  s.m_row = odd_lines(s.slice);
  s.v_size = odd_lines(s.block * s.v_row), s.m_size = odd_lines(s.block * s.m_row);
  s.u_size = odd_lines(s.slice * s.channels);
  const size_t v = float_bytes(products * s.v_size), u = float_bytes(products * s.u_size);
  s.shared = float_bytes(s.channels);
  s.slot = s.shared + (s.by_filters ? v : u);
  s.slot_bytes = (s.by_filters ? u : v) + float_bytes(products * s.m_size);
  s.slots = smaller(kMostSlots, larger(4, kSlotBytes / static_cast<int64_t>(s.slot_bytes)));
  s.slots = smaller(s.slots,
                    s.by_filters ? ceil_div(s.filters, s.slice) : ceil_div(s.tiles.count, s.block));
  s.total = s.slot + static_cast<size_t>(s.slots) * s.slot_bytes;
  return s;
}

/// A part of U = G g G^T as [products, panels, channels, kPanel]: the panel of filters from j on,
/// channels [begin, end).
template <class Tile>
void transform_kernel(const ConvProblem& p, const Sizes& s, const float* kernel, int64_t j,
                      int64_t begin, int64_t end, float* u) {
  alignas(64) float taps[9][kKernelRows * kPanel];
  const int64_t width = smaller(kPanel, s.filters - j), rows = end - begin;
  for (int tap = 0; tap < 9; ++tap) {
    if (s.backward)
      pack_transposed(taps[tap], kPanel, kernel + ((8 - tap) * p.channels + j) * p.filters + begin,
                      p.filters, rows, width);
    else
      pack_rows(taps[tap], kPanel, kernel + (tap * p.channels + begin) * p.filters + j, p.filters,
                rows, width, kPanel);
  }
  const int64_t live = round_up(width, kLanes);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = r * kPanel; i < r * kPanel + live; i += kLanes)
      transform<typename Tile::Kernel>(
          [&](int a, int b) { return simd::load(&taps[3 * a + b][i]); },
          [&](int a, int b, Vec<float> value) {
            simd::store(u + (Tile::kReach * a + b) * s.u_size + i, value);
          });
}

/// V of one tile: `v` is its row in the first product.
template <class Tile>
void transform_source(const Sizes& s, const Pictures& source, int64_t tile, const float* zeros,
                      float* v) {
  const float* at[Tile::kReach][Tile::kReach];
  find_pixels(source, s.tiles.image(tile), s.tiles.top(tile) - s.low[0],
              s.tiles.left(tile) - s.low[1], zeros, at);
  for_channels(s.channels, [&](int64_t c, auto lanes) {
    transform<typename Tile::Source>([&](int i, int j) { return load_lanes(at[i][j] + c, lanes); },
                                     [&](int i, int j, Vec<float> value) {
                                       simd::store(v + (Tile::kReach * i + j) * s.v_size + c,
                                                   value);
                                     });
  });
}

/// M = V U for some tiles and filters.
void multiply(const Sizes& s, int64_t tiles, int64_t filters, const float* v, const float* u,
              float* m) {
  const int64_t strips = ceil_div(tiles, kMaxRows);
  const int64_t depth = balanced(s.channels, kBlockDepth, 8);
  MicroTile<float> tile{};
  tile.a_row = s.v_row, tile.a_k = 1;
  tile.b_k = kPanel;
  tile.c_row = s.m_row;
  for (int64_t product = 0; product < s.tiles.products(); ++product)
    for (int64_t j = 0; j < filters; j += kPanel)
      for (int64_t k = 0; k < s.channels; k += depth) {
        tile.k = smaller(depth, s.channels - k);
        tile.b = u + product * s.u_size + j * s.channels + k * kPanel;
        tile.add = k > 0;
        tile.cols = static_cast<int>(smaller(kPanel, filters - j));
        for (int64_t i = 0; i < strips; ++i) {
          const int64_t row = tiles * i / strips, rows = tiles * (i + 1) / strips - row;
          tile.a = v + product * s.v_size + row * s.v_row + k;
          tile.c = m + product * s.m_size + row * s.m_row + j;
          micro_kernel<float>(static_cast<int>(rows), tile.cols > kLanes ? 2 : 1)(tile);
        }
      }
}

/// The results of one tile for the filters [j, j + count); `m` is its row in the first product.
template <class Tile>
void transform_results(const Sizes& s, int64_t tile, int64_t j, int64_t count, const float* m,
                       const float* bias, float* to) {
  const int64_t top = s.tiles.top(tile), left = s.tiles.left(tile);
  const int64_t rows = smaller(Tile::kSide, s.height - top),
                cols = smaller(Tile::kSide, s.width - left);
  to += ((s.tiles.image(tile) * s.height + top) * s.width + left) * s.filters + j;
  for_channels(count, [&](int64_t c, auto lanes) {
    const Vec<float> start = bias != nullptr ? load_lanes(bias + j + c, lanes) : Vec<float>(0.0f);
    transform<typename Tile::Result>(
        [&](int a, int b) { return simd::load(m + (Tile::kReach * a + b) * s.m_size + c); },
        [&](int a, int b, Vec<float> value) {
          if (a < rows && b < cols)
            store_lanes(to + (a * s.width + b) * s.filters + c, value + start, lanes);
        });
  });
}

/// What follows the results of `count` tiles, a run of tiles in a row of a picture at a time.
void follow(const Sizes& s, const Epilogue& epilogue, int64_t tile, int64_t count, int64_t j0,
            int64_t j1) {
  for (const int64_t end = tile + count; epilogue && tile < end;) {
    const int64_t next = smaller(end, (tile / s.tiles.across + 1) * s.tiles.across);
    const int64_t top = s.tiles.top(tile), left = s.tiles.left(tile);
    const int64_t width = smaller(s.width, s.tiles.left(next - 1) + s.tiles.side) - left;
    for (int64_t row = top; row < smaller(s.height, top + s.tiles.side); ++row) {
      const int64_t pixel = (s.tiles.image(tile) * s.height + row) * s.width + left;
      epilogue.run({pixel, pixel + width, j0, j1});
    }
    tile = next;
  }
}

/// What tasks share.
struct Work {
  const ConvProblem& p;
  const Sizes s;
  Pictures source;
  const float *kernel, *bias, *zeros;
  float *shared, *to;
  char* slots;
  const Epilogue& epilogue;
  const Kept* kept;  // of U, slice by slice, or null

  /// Where U of a slice of filters lies, unless something is kept: there.
  float* u(int64_t slice, float* otherwise) const {
    if (kept == nullptr) return otherwise;
    return static_cast<float*>(kept->data) + slice * s.tiles.products() * s.u_size;
  }
  bool transforms() const { return kept == nullptr || kept->stale; }
  float* slot(int64_t i) const {
    return reinterpret_cast<float*>(slots + static_cast<size_t>(i) * s.slot_bytes);
  }
};

template <class Tile> void run_by_tiles(Context& ctx, const Work& w) {
  const Sizes& s = w.s;
  const int64_t parts = ceil_div(s.channels, kKernelRows);
  float* const u = w.u(0, w.shared);
  const int64_t transforms = w.transforms() ? ceil_div(s.filters, kPanel) * parts : 0;
  ctx.parallel_for(transforms, [&](int64_t task) {
    const int64_t j = task / parts * kPanel, begin = task % parts * kKernelRows;
    transform_kernel<Tile>(w.p, s, w.kernel, j, begin, smaller(s.channels, begin + kKernelRows),
                           u + j * s.channels + begin * kPanel);
  });
  Counter blocks(ceil_div(s.tiles.count, s.block));
  ctx.parallel_for(s.slots, [&](int64_t slot) {
    float *const v = w.slot(slot), *const m = v + s.tiles.products() * s.v_size;
    for (int64_t block; blocks.next(block);) {
      const int64_t first = block * s.block, tiles = smaller(s.block, s.tiles.count - first);
      for (int64_t t = 0; t < tiles; ++t)
        transform_source<Tile>(s, w.source, first + t, w.zeros, v + t * s.v_row);
      multiply(s, tiles, s.filters, v, u, m);
      for (int64_t t = 0; t < tiles; ++t)
        transform_results<Tile>(s, first + t, 0, s.filters, m + t * s.m_row, w.bias, w.to);
      follow(s, w.epilogue, first, tiles, 0, s.filters);
    }
  });
}

template <class Tile> void run_by_filters(Context& ctx, const Work& w) {
  const Sizes& s = w.s;
  for (int64_t first = 0; first < s.tiles.count; first += s.block) {
    const int64_t tiles = smaller(s.block, s.tiles.count - first);
    ctx.parallel_for(tiles, [&](int64_t t) {
      transform_source<Tile>(s, w.source, first + t, w.zeros, w.shared + t * s.v_row);
    });
    Counter slices(ceil_div(s.filters, s.slice));
    const bool transforms = w.transforms() && (w.kept == nullptr || first == 0);
    ctx.parallel_for(s.slots, [&](int64_t slot) {
      float *const own = w.slot(slot), *const m = own + s.tiles.products() * s.u_size;
      for (int64_t slice; slices.next(slice);) {
        const int64_t j = slice * s.slice, filters = smaller(s.slice, s.filters - j);
        float* const u = w.u(slice, own);
        for (int64_t i = 0; transforms && i < filters; i += kPanel)
          for (int64_t c = 0; c < s.channels; c += kKernelRows)
            transform_kernel<Tile>(w.p, s, w.kernel, j + i, c, smaller(s.channels, c + kKernelRows),
                                   u + i * s.channels + c * kPanel);
        multiply(s, tiles, filters, w.shared, u, m);
        for (int64_t t = 0; t < tiles; ++t)
          transform_results<Tile>(s, first + t, j, filters, m + t * s.m_row, w.bias, w.to);
        follow(s, w.epilogue, first, tiles, j, j + filters);
      }
    });
  }
}

void run_products(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  float* const zeros = reinterpret_cast<float*>(scratch);
  for (int64_t i = 0; i < s.channels; ++i) zeros[i] = 0;
  const Work work{p,
                  s,
                  make_pictures(x.a, s.backward ? p.out : p.in, s.channels),
                  static_cast<const float*>(x.b),
                  static_cast<const float*>(x.bias),
                  zeros,
                  reinterpret_cast<float*>(scratch + s.shared),
                  static_cast<float*>(x.c),
                  scratch + s.slot,
                  x.epilogue,
                  x.kept};
  if (s.tiles.side == TwoByTwo::kSide)
    s.by_filters ? run_by_filters<TwoByTwo>(ctx, work) : run_by_tiles<TwoByTwo>(ctx, work);
  else
    s.by_filters ? run_by_filters<FourByFour>(ctx, work) : run_by_tiles<FourByFour>(ctx, work);
}

// ---- the entry ----------------------------------------------------------------------------------

bool applies(const ConvProblem& p) {
  if (p.dtype != DType::Float32 || p.groups != 1) return false;
  if (p.in[0] != 1 || p.out[0] != 1 || p.window[0] != 1 || p.low[0] != 0) return false;
  for (int d = 1; d < 3; ++d) {
    if (p.window[d] != 3 || p.stride[d] != 1 || p.dilation[d] != 1) return false;
    // Beyond these paddings some results sum nothing; they are 0, where a tile has rounding errors.
    const int64_t high = p.out[d] + 2 - p.in[d] - p.low[d];
    if (p.low[d] < 0 || p.low[d] > 2 || high < 0 || high > 2) return false;
  }
  // The rest is where it is faster than implicit, as measured: at least so many of the results of
  // its tiles must be needed. For y and dx the batch has no say, as it must change no bit.
  if (p.channels < kFewestChannels || p.filters < kFewestChannels) return false;
  if (p.step == ConvStep::KernelGrad) {
    const Tiles tiles = make_tiles(FourByFour::kSide, p.batch, p.out[1], p.out[2]);
    const bool filled = 2 * p.batch * p.out[1] * p.out[2] >= tiles.results();
    return filled && tiles.count >= kFewestSummed;
  }
  const auto& results = p.step == ConvStep::InputGrad ? p.in : p.out;
  const int64_t pixels = results[1] * results[2];
  const Tiles tiles = choose_tiles(p, 1);
  const bool filled = tiles.side == TwoByTwo::kSide ? 3 * pixels >= 2 * tiles.results()
                                                    : 2 * pixels >= tiles.results();
  return filled && pixels >= kFewestResults;
}

size_t scratch(const ConvProblem& p) {
  return p.step == ConvStep::KernelGrad ? winograd_kernel_grad_scratch(p) : make_sizes(p).total;
}

/// All of U. With few tiles to each number of it making it takes longer than reading it; with many
/// neither matters, and it has up to four times the kernel's bytes.
size_t keeps(const ConvProblem& p) {
  if (p.step == ConvStep::KernelGrad) return 0;
  const Sizes s = make_sizes(p);
  if (s.tiles.results() > kMostKept) return 0;
  return float_bytes(ceil_div(s.filters, s.slice) * s.tiles.products() * s.u_size);
}

void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  if (p.step == ConvStep::KernelGrad)
    run_winograd_kernel_grad(ctx, p, x);
  else
    run_products(ctx, p, x);
}

}  // namespace

ConvAlgorithm conv_winograd() { return {"winograd", applies, scratch, run, true, keeps}; }

}  // namespace pyneuro
