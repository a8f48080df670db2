// y and dx of 3 x 3 convolutions by Winograd's algorithm (conv_winograd.h). dx is the convolution
// of g with the kernel turned by half a turn, channels and filters exchanged.
//
// The kernel is transformed once, into panels that the micro-kernel reads in full registers. A task
// then takes a block of tiles through all: V, the transformed source [36, tiles, channels], M = V U
// for each of the 36, and the results. Every result is a chain over the channels in order, whatever
// block its tile is in: the batch and the number of threads change no bit.
#include "kernels/conv_winograd.h"

#include "kernels/gemm_pack.h"

namespace pyneuro {
namespace {

constexpr int64_t kLanes = Vec<float>::kCount;
constexpr int64_t kPanel = kWinogradPanel;
constexpr int64_t kBlockTiles = kMaxRows * (24 / kMaxRows);
constexpr int64_t kBlockDepth = 512;              // channels of a product at a time
constexpr int64_t kKernelRows = 32;               // of the kernel's channels, to a task
constexpr int64_t kMostSlots = 64;                // as many as there may be threads
constexpr int64_t kSlotBytes = int64_t{32} << 20;  // of all slots

/// Sizes of y's or dx's computation; all that scratch and run must agree on.
struct Sizes {
  bool backward;
  int64_t channels, filters;  // of source and results
  int64_t height, width, source_height, source_width, low[2];
  int64_t panels, v_row, m_row, v_size, m_size;  // elements; sizes of one of the 36
  Tiles tiles;
  int64_t blocks, slots;
  size_t u, slot, total;  // bytes: where U begins after the zeros, a slot, all
};

Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.backward = p.step == ConvStep::InputGrad;
  s.channels = s.backward ? p.filters : p.channels;
  s.filters = s.backward ? p.channels : p.filters;
  const auto& to = s.backward ? p.in : p.out;
  const auto& from = s.backward ? p.out : p.in;
  s.height = to[1], s.width = to[2], s.source_height = from[1], s.source_width = from[2];
  for (int d = 0; d < 2; ++d) s.low[d] = s.backward ? 2 - p.low[d + 1] : p.low[d + 1];
  s.panels = ceil_div(s.filters, kPanel);
  s.v_row = round_up(s.channels, kLanes) + kApart, s.m_row = s.panels * kPanel + kApart;
  s.v_size = kBlockTiles * s.v_row, s.m_size = kBlockTiles * s.m_row;
  s.tiles = make_tiles(p.batch, s.height, s.width);
  s.blocks = ceil_div(s.tiles.count, kBlockTiles);
  s.slot = sizeof(float) * static_cast<size_t>(kProducts * (s.v_size + s.m_size));
  s.slots = larger(4, smaller(kMostSlots, kSlotBytes / static_cast<int64_t>(s.slot)));
  s.slots = smaller(s.slots, s.blocks);
  s.u = sizeof(float) * static_cast<size_t>(round_up(s.channels, 16));
  s.total = s.u + sizeof(float) * static_cast<size_t>(kProducts * s.panels * kPanel * s.channels);
  s.total += static_cast<size_t>(s.slots) * s.slot;
  return s;
}

/// A part of U = G g G^T as [36, panels, channels, kPanel]: a panel, channels [begin, end).
void transform_kernel(const ConvProblem& p, const Sizes& s, const float* kernel, int64_t panel,
                      int64_t begin, int64_t end, float* u) {
  alignas(64) float taps[9][kKernelRows * kPanel];
  const int64_t j = panel * kPanel, width = smaller(kPanel, s.filters - j), rows = end - begin;
  for (int tap = 0; tap < 9; ++tap) {
    if (s.backward)
      pack_transposed(taps[tap], kPanel, kernel + ((8 - tap) * p.channels + j) * p.filters + begin,
                      p.filters, rows, width);
    else
      pack_rows(taps[tap], kPanel, kernel + (tap * p.channels + begin) * p.filters + j, p.filters,
                rows, width, kPanel);
  }
  float* const to = u + (panel * s.channels + begin) * kPanel;
  const int64_t product = s.panels * s.channels * kPanel;
  const int64_t live = round_up(width, kLanes);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = r * kPanel; i < r * kPanel + live; i += kLanes)
      transform<KernelLine>([&](int a, int b) { return simd::load(&taps[3 * a + b][i]); },
                            [&](int a, int b, Vec<float> value) {
                              simd::store(to + (6 * a + b) * product + i, value);
                            });
}

/// V of one tile: `v` is its row in the first of the 36.
void transform_source(const Sizes& s, const Pictures& source, int64_t tile, const float* zeros,
                      float* v) {
  const float* at[6][6];
  find_pixels(source, s.tiles.image(tile), s.tiles.top(tile) - s.low[0],
              s.tiles.left(tile) - s.low[1], zeros, at);
  for_channels(s.channels, [&](int64_t c, auto lanes) {
    transform<SourceLine>([&](int i, int j) { return load_lanes(at[i][j] + c, lanes); },
                          [&](int i, int j, Vec<float> value) {
                            simd::store(v + (6 * i + j) * s.v_size + c, value);
                          });
  });
}

/// M = V U for a block of tiles.
void multiply(const Sizes& s, int64_t tiles, const float* v, const float* u, float* m) {
  const int64_t strips = ceil_div(tiles, kMaxRows);
  MicroTile<float> tile{};
  tile.a_row = s.v_row, tile.a_k = 1;
  tile.b_k = kPanel;
  tile.c_row = s.m_row;
  for (int64_t product = 0; product < kProducts; ++product)
    for (int64_t panel = 0; panel < s.panels; ++panel)
      for (int64_t k = 0; k < s.channels; k += kBlockDepth) {
        tile.k = smaller(kBlockDepth, s.channels - k);
        tile.b = u + ((product * s.panels + panel) * s.channels + k) * kPanel;
        tile.add = k > 0;
        tile.cols = static_cast<int>(smaller(kPanel, s.filters - panel * kPanel));
        for (int64_t i = 0; i < strips; ++i) {
          const int64_t row = tiles * i / strips, rows = tiles * (i + 1) / strips - row;
          tile.a = v + product * s.v_size + row * s.v_row + k;
          tile.c = m + product * s.m_size + row * s.m_row + panel * kPanel;
          micro_kernel<float>(static_cast<int>(rows), tile.cols > kLanes ? 2 : 1)(tile);
        }
      }
}

/// The results of one tile; `m` is its row in the first of the 36.
void transform_results(const Sizes& s, int64_t tile, const float* m, const float* bias, float* to) {
  const int64_t top = s.tiles.top(tile), left = s.tiles.left(tile);
  const int64_t rows = smaller(kSide, s.height - top), cols = smaller(kSide, s.width - left);
  to += ((s.tiles.image(tile) * s.height + top) * s.width + left) * s.filters;
  for_channels(s.filters, [&](int64_t c, auto lanes) {
    const Vec<float> start = bias != nullptr ? load_lanes(bias + c, lanes) : Vec<float>(0.0f);
    transform<ResultLine>(
        [&](int i, int j) { return simd::load(m + (6 * i + j) * s.m_size + c); },
        [&](int i, int j, Vec<float> value) {
          if (i < rows && j < cols)
            store_lanes(to + (i * s.width + j) * s.filters + c, value + start, lanes);
        });
  });
}

void run_products(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  float* const zeros = reinterpret_cast<float*>(scratch);
  for (int64_t i = 0; i < s.channels; ++i) zeros[i] = 0;
  float* const u = reinterpret_cast<float*>(scratch + s.u);
  char* const slots =
      scratch + s.u + sizeof(float) * static_cast<size_t>(kProducts * s.panels * kPanel * s.channels);
  const int64_t parts = ceil_div(s.channels, kKernelRows);
  ctx.parallel_for(s.panels * parts, [&](int64_t task) {
    const int64_t begin = task % parts * kKernelRows;
    transform_kernel(p, s, static_cast<const float*>(x.b), task / parts, begin,
                     smaller(s.channels, begin + kKernelRows), u);
  });
  const Pictures source{static_cast<const float*>(x.a), s.source_height, s.source_width,
                        s.channels};
  Counter blocks(s.blocks);
  ctx.parallel_for(s.slots, [&](int64_t slot) {
    float* const v = reinterpret_cast<float*>(slots + static_cast<size_t>(slot) * s.slot);
    float* const m = v + kProducts * s.v_size;
    for (int64_t block; blocks.next(block);) {
      const int64_t first = block * kBlockTiles;
      const int64_t tiles = smaller(kBlockTiles, s.tiles.count - first);
      for (int64_t t = 0; t < tiles; ++t)
        transform_source(s, source, first + t, zeros, v + t * s.v_row);
      multiply(s, tiles, v, u, m);
      for (int64_t t = 0; t < tiles; ++t)
        transform_results(s, first + t, m + t * s.m_row, static_cast<const float*>(x.bias),
                          static_cast<float*>(x.c));
    }
  });
}

// ---- the entry ----------------------------------------------------------------------------------

bool applies(const ConvProblem& p) {
  if (p.dtype != DType::Float32 || p.groups != 1) return false;
  if (p.in[0] != 1 || p.out[0] != 1 || p.window[0] != 1 || p.low[0] != 0) return false;
  for (int d = 1; d < 3; ++d)
    if (p.window[d] != 3 || p.stride[d] != 1 || p.dilation[d] != 1 || p.out[d] == 0) return false;
  return p.channels >= 16 && p.filters >= 16;
}

size_t scratch(const ConvProblem& p) {
  return p.step == ConvStep::KernelGrad ? winograd_kernel_grad_scratch(p) : make_sizes(p).total;
}

void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  if (p.step == ConvStep::KernelGrad)
    run_winograd_kernel_grad(ctx, p, x);
  else
    run_products(ctx, p, x);
}

}  // namespace

ConvAlgorithm conv_winograd() { return {"winograd", applies, scratch, run}; }

}  // namespace pyneuro
