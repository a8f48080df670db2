// dx of convolutions of few channels, where the products of conv_implicit would be a few columns
// wide: one product gives what each position of g adds to each tap's channels, [positions, taps C],
// and every pixel of dx then gathers its share. Images pass some at a time.
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

constexpr int64_t kMostChannels = 8;    // of a group
constexpr int64_t kFewestColumns = 24;  // taps times channels
constexpr int64_t kFewestSummed = 16;   // filters of a group
constexpr int64_t kColumnBytes = int64_t{16} << 20;

struct Sizes {
  int64_t channels, filters;  // of a group
  int64_t columns;            // taps times channels
  int64_t images;             // at a time
  DType wide;
  size_t column_bytes;
};

Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.channels = p.channels / p.groups, s.filters = p.filters / p.groups;
  s.columns = p.taps() * s.channels;
  s.wide = compute_dtype(p.dtype);
  const int64_t image =
      p.out_pixels() * s.columns * p.groups * static_cast<int64_t>(size_of(s.wide));
  s.images = smaller(p.batch, larger(1, kColumnBytes / larger(1, image)));
  s.column_bytes = (static_cast<size_t>(s.images * image) + 63) / 64 * 64;
  return s;
}

/// g [positions, filters] times the kernel, which lies as [taps channels, filters].
GemmPlan make_plan(const ConvProblem& p, const Sizes& s, int64_t images) {
  GemmShape shape{};
  shape.m = images * p.out_pixels(), shape.n = s.columns, shape.k = s.filters;
  shape.lda = shape.ldb = p.filters, shape.ldc = s.columns;
  shape.transpose_b = true;
  shape.a = shape.b = p.dtype, shape.c = s.wide;
  return plan_gemm(shape, p.groups);
}

/// Which positions of y a pixel belongs to along one dimension, by tap: -1 where to none.
struct Reach {
  static constexpr int64_t kMostTaps = 64;
  int64_t position[kMostTaps];
  void find(const ConvProblem& p, int d, int64_t pixel) {
    for (int64_t tap = 0; tap < p.window[d]; ++tap) {
      const int64_t at = pixel + p.low[d] - tap * p.dilation[d];
      const bool there = at >= 0 && at % p.stride[d] == 0 && at / p.stride[d] < p.out[d];
      position[tap] = there ? at / p.stride[d] : -1;
    }
  }
};

/// dx of some images from their columns, [groups, positions, taps kChannels].
template <class T, int kChannels>
void gather(Context& ctx, const ConvProblem& p, const Sizes& s, int64_t images, const T* columns,
            const View& dx) {
  const int64_t lines = images * p.in[0] * p.in[1], line = p.in[2] * p.channels;
  const int64_t per_task = larger(1, kSlice / larger(1, line * p.taps()));
  const int64_t group = images * p.out_pixels() * s.columns;
  const auto pixel = [&](int64_t image, const Reach(&reach)[3], const T* from, T* to) {
    T sum[kChannels] = {};
    for (int64_t a = 0; a < p.window[0]; ++a) {
      if (reach[0].position[a] < 0) continue;
      for (int64_t b = 0; b < p.window[1]; ++b) {
        if (reach[1].position[b] < 0) continue;
        const int64_t row = (image * p.out[0] + reach[0].position[a]) * p.out[1];
        const T* at = from + (row + reach[1].position[b]) * p.out[2] * s.columns +
                      (a * p.window[1] + b) * p.window[2] * kChannels;
        for (int64_t c = 0; c < p.window[2]; ++c, at += kChannels) {
          if (reach[2].position[c] < 0) continue;
          const T* share = at + reach[2].position[c] * s.columns;
          for (int k = 0; k < kChannels; ++k) sum[k] += share[k];
        }
      }
    }
    for (int k = 0; k < kChannels; ++k) to[k] = sum[k];
  };
  ctx.parallel_for(ceil_div(lines, per_task), [&](int64_t task) {
    LineSink<T> to(dx);
    Reach reach[3];
    for (int64_t l = task * per_task; l < smaller(lines, (task + 1) * per_task); ++l) {
      reach[0].find(p, 0, l / p.in[1] % p.in[0]);
      reach[1].find(p, 1, l % p.in[1]);
      for (int64_t x = 0; x < p.in[2]; ++x) {
        reach[2].find(p, 2, x);
        const int64_t at = l * line + x * p.channels;
        T* y = to.line(at);
        for (int64_t j = 0; j < p.groups; ++j)
          pixel(l / (p.in[0] * p.in[1]), reach, columns + j * group, y + j * kChannels);
        to.flush(at, p.channels);
      }
    }
  });
}

/// gather for the channels that a group has.
template <class T, int kChannels = kMostChannels>
void gather_any(Context& ctx, const ConvProblem& p, const Sizes& s, int64_t images,
                const void* columns, const View& dx) {
  if constexpr (kChannels > 1)
    if (s.channels < kChannels) return gather_any<T, kChannels - 1>(ctx, p, s, images, columns, dx);
  gather<T, kChannels>(ctx, p, s, images, static_cast<const T*>(columns), dx);
}

bool applies(const ConvProblem& p) {
  const Sizes s = make_sizes(p);
  if (p.step != ConvStep::InputGrad || s.channels > kMostChannels || p.channels > kLine)
    return false;
  for (int d = 0; d < 3; ++d)
    if (p.window[d] > Reach::kMostTaps) return false;
  return s.columns >= kFewestColumns && s.filters >= kFewestSummed && p.out_pixels() > 0;
}

size_t scratch(const ConvProblem& p) {
  const Sizes s = make_sizes(p);
  const int64_t rest = p.batch % s.images;
  const size_t most = gemm_scratch(make_plan(p, s, s.images));
  const size_t last = rest == 0 ? 0 : gemm_scratch(make_plan(p, s, rest));
  return s.column_bytes + (most > last ? most : last);
}

void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes(p);
  char* const columns = static_cast<char*>(ctx.scratch());
  const auto size = static_cast<int64_t>(size_of(p.dtype));
  const auto wide = static_cast<int64_t>(size_of(s.wide));
  for (int64_t first = 0; first < p.batch; first += s.images) {
    const int64_t images = smaller(s.images, p.batch - first);
    const char* g = static_cast<const char*>(x.a) + first * p.out_pixels() * p.filters * size;
    const auto operands = [&](int64_t j) {
      return GemmOperands{g + j * s.filters * size,
                          static_cast<const char*>(x.b) + j * s.filters * size,
                          columns + j * images * p.out_pixels() * s.columns * wide, nullptr};
    };
    gemm(ctx, make_plan(p, s, images), operands, columns + s.column_bytes);
    View dx{};
    dx.data = static_cast<char*>(x.c) + first * p.in_pixels() * p.channels * size;
    dx.dtype = p.dtype;
    if (s.wide == DType::Float64)
      gather_any<double>(ctx, p, s, images, columns, dx);
    else
      gather_any<float>(ctx, p, s, images, columns, dx);
  }
}

}  // namespace

ConvAlgorithm conv_columns() { return {"columns", applies, scratch, run}; }

}  // namespace pyneuro
