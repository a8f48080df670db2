// Normalization, where groups run down rows: batch norm and group norm. x passes twice. First it is
// cut in blocks of rows that stay in a cache, and each gives every channel's mean and squared
// deviations; those of a group's channels and blocks combine without cancellation (Chan, Golub and
// LeVeque 1983). Then each channel of each `outer` has its own line of factors.
#include <limits>

#include "kernels/normalization.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kStrip = kLine;    // channels of a block
constexpr int64_t kFewestRows = 32;  // of a block, or its sums would be no small part of it
constexpr int64_t kMostRows = 256;   // of a block: beyond, errors of its sums show
constexpr int64_t kChunk = 128;      // channels that one task combines, or one group

/// How x falls into blocks: rows [block * rows, ...) by channels [strip * cols, ...).
struct Cut {
  int64_t rows, blocks, cols, strips;
  Cut(int64_t all_rows, int64_t channels) {
    cols = larger(1, balanced(channels, kStrip, 64));
    rows = smaller(kMostRows, larger(kFewestRows, kSlice / cols));
    blocks = ceil_div(all_rows, rows), strips = ceil_div(channels, cols);
  }
};

/// One block as it lies in x.
struct Part {
  int64_t outer, block, channel, first, rows, cols;  // first: the element at its corner
};

/// f(task state made by make(), block) for every block of every `outer`.
template <class Make, class F>
void for_blocks(Context& ctx, int64_t outer, int64_t rows, int64_t channels, Make make, F f) {
  const Cut cut(rows, channels);
  const int64_t units = outer * cut.blocks * cut.strips;
  const int64_t elements = smaller(rows, cut.rows) * smaller(channels, cut.cols);
  const int64_t per_task = larger(1, kSlice / larger(1, elements));
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    auto state = make();
    for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
      const int64_t strip = u % cut.strips, block = u / cut.strips % cut.blocks;
      const int64_t o = u / cut.strips / cut.blocks, row = block * cut.rows;
      f(state, Part{o, block, strip * cut.cols, (o * rows + row) * channels + strip * cut.cols,
                    smaller(cut.rows, rows - row), smaller(cut.cols, channels - strip * cut.cols)});
    }
  });
}

/// What the passes keep for channels, in scratch: two totals, two sums of each block, and lines of
/// factors.
template <class T> struct Tables {
  double* totals;
  T *sums, *lines;
  int64_t blocks, channels;

  Tables(Context& ctx, const Norm& norm)
      : totals(static_cast<double*>(ctx.scratch())),
        blocks(Cut(norm.rows, norm.channels).blocks),
        channels(norm.channels) {
    sums = reinterpret_cast<T*>(totals + norm.outer * 2 * channels);
    lines = sums + norm.outer * blocks * 2 * channels;
  }
  double* total(int64_t outer, int which) const { return totals + (outer * 2 + which) * channels; }
  T* sum(int64_t outer, int64_t block, int which) const {
    return sums + ((outer * blocks + block) * 2 + which) * channels;
  }
  T* line(int64_t outer, int which) const { return lines + (outer * 4 + which) * channels; }
};

/// Numbers for a block's channels, readable in full registers.
template <class T> struct alignas(64) Channels {
  T at[kStrip + 64 / sizeof(T)];
  void clear(int64_t n) {
    for (int64_t c = 0; c < n; ++c) at[c] = 0;
  }
};

/// f(rows, first row), in fours and then one by one: rows are long lines, and what they add up to
/// is read and written less often.
template <class F> [[gnu::always_inline]] inline void over_rows(int64_t rows, F&& f) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) f(std::integral_constant<int, 4>(), r);
  for (; r < rows; ++r) f(std::integral_constant<int, 1>(), r);
}

/// Rows of a block in the arithmetic's type, up to four at a time: in place, or converted.
template <class T> class RowSource {
 public:
  RowSource(const View& v, int64_t channels)
      : data_(v.as<const char>()),
        size_(static_cast<int64_t>(size_of(v.dtype))),
        channels_(channels),
        convert_(size_of(v.dtype) == sizeof(T) ? nullptr : converter(v.dtype, DType::Float32)) {}
  /// Row `first` of the block, which `rows` - 1 more follow, `pitch` elements apart.
  const T* read(const Part& b, int64_t first, int rows, int64_t& pitch) {
    const int64_t at = b.first + first * channels_;
    pitch = channels_;
    if (convert_ == nullptr) return reinterpret_cast<const T*>(data_) + at;
    pitch = b.cols;
    for (int r = 0; r < rows; ++r)
      convert_(buffer_ + r * b.cols, data_ + (at + r * channels_) * size_, b.cols);
    return buffer_;
  }

 private:
  const char* data_;
  int64_t size_, channels_;
  Converter convert_;
  alignas(64) T buffer_[sizeof(T) == 4 ? 4 * kStrip : 1];
};

// ---- forward ------------------------------------------------------------------------------------

/// The sums of x - at and of its square over a block's rows.
template <class T>
void add_deviations(RowSource<T>& source, const Part& b, const T* at, T* sum, T* square) {
  using V = Vec<T>;
  over_rows(b.rows, [&](auto count, int64_t r) __attribute__((always_inline)) {
    int64_t pitch;
    const T* x = source.read(b, r, count(), pitch);
    for_vectors<T>(b.cols, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      const V from = load_some(at + c, lanes);
      V plain = simd::load(sum + c), squared = simd::load(square + c);
      for (int k = 0; k < count(); ++k) {
        const V d = load_some(x + k * pitch + c, lanes) - from;
        plain += d, squared += d * d;
      }
      simd::store(sum + c, plain);
      simd::store(square + c, squared);
    });
  });
}

/// A block's means, 0 for rms, and sums of squared deviations from them. The first row is the guess
/// at the means.
template <class T>
void block_moments(RowSource<T>& x, const Part& b, bool rms, T* mean, T* squares) {
  Channels<T> at, sum, square;
  const T n = static_cast<T>(b.rows);
  const int64_t cols = b.cols;
  int64_t pitch;
  const T* guess = x.read(b, 0, 1, pitch);
  for (int64_t c = 0; c < cols; ++c) at.at[c] = rms ? T(0) : guess[c];
  const auto pass = [&] {
    sum.clear(cols), square.clear(cols);
    add_deviations(x, b, at.at, sum.at, square.at);
  };
  pass();
  if (!rms) {
    int off = 0;
    for (int64_t c = 0; c < cols; ++c) {
      const T drift = sum.at[c] * sum.at[c] / n;
      off |= drift > T(kMostDrift) * (square.at[c] - drift);
    }
    if (off != 0) {
      for (int64_t c = 0; c < cols; ++c) at.at[c] += sum.at[c] / n;
      pass();
    }
    for (int64_t c = 0; c < cols; ++c) {
      square.at[c] -= sum.at[c] * sum.at[c] / n;
      at.at[c] += sum.at[c] / n;
    }
  }
  for (int64_t c = 0; c < cols; ++c) mean[c] = at.at[c], squares[c] = square.at[c];
}

/// Groups first to last of one `outer`, and their channels.
struct Chunk { int64_t outer, group, last_group, channel, last_channel; };

/// f(chunk) for chunks of whole groups.
template <class F> void for_chunks(Context& ctx, const Norm& norm, F f) {
  const int64_t groups = larger(1, kChunk / larger(1, norm.width())),
                chunks = ceil_div(norm.groups, groups);
  ctx.parallel_for(norm.outer * chunks, [&](int64_t task) {
    const int64_t first = task % chunks * groups, last = smaller(norm.groups, first + groups);
    f(Chunk{task / chunks, first, last, first * norm.width(), last * norm.width()});
  });
}

/// What a group's channels add up to.
double total_of(const double* channels, int64_t width) {
  double sum = 0;
  for (int64_t c = 0; c < width; ++c) sum += channels[c];
  return sum;
}

/// The moments of a chunk's groups from those of blocks; then the lines: mean, factor, shift.
template <class T>
void combine_moments(const Norm& norm, const Tables<T>& t, In in, Out out, const Chunk& chunk) {
  const int64_t width = norm.width(), rows = Cut(norm.rows, norm.channels).rows;
  const double n = static_cast<double>(norm.rows) * static_cast<double>(width);
  const T *gamma = given<T>(in, 1), *beta = given<T>(in, 2);
  double *sum = t.total(chunk.outer, 0), *squares = t.total(chunk.outer, 1);
  const auto over_blocks = [&](auto f) {  // f(rows of the block, its means, its squares)
    for (int64_t b = 0; b < t.blocks; ++b)
      f(static_cast<double>(smaller(rows, norm.rows - b * rows)), t.sum(chunk.outer, b, 0),
        t.sum(chunk.outer, b, 1));
  };
  for (int64_t c = chunk.channel; c < chunk.last_channel; ++c) sum[c] = squares[c] = 0;
  over_blocks([&](double count, const T* mean, const T*) {
    for (int64_t c = chunk.channel; c < chunk.last_channel; ++c)
      sum[c] += count * static_cast<double>(mean[c]);
  });
  for (int64_t g = chunk.group; g < chunk.last_group; ++g) {
    const double mean = total_of(sum + g * width, width) / n;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) sum[c] = mean;
  }
  over_blocks([&](double count, const T* mean, const T* part) {
    for (int64_t c = chunk.channel; c < chunk.last_channel; ++c) {
      const double d = static_cast<double>(mean[c]) - sum[c];
      squares[c] += static_cast<double>(part[c]) + count * d * d;
    }
  });
  for (int64_t g = chunk.group; g < chunk.last_group; ++g) {
    const T variance = static_cast<T>(total_of(squares + g * width, width) / n);
    const T mean =
        width == 0 ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(sum[g * width]);
    const T scale = reciprocal_root(variance, norm.epsilon);
    out[1].as<T>()[chunk.outer * norm.groups + g] = mean;
    out[2].as<T>()[chunk.outer * norm.groups + g] = variance;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      t.line(chunk.outer, 0)[c] = mean;
      t.line(chunk.outer, 1)[c] = gamma == nullptr ? scale : scale * gamma[c];
      t.line(chunk.outer, 2)[c] = beta == nullptr ? T(0) : beta[c];
    }
  }
}

/// y = (x - mean) factor + shift, where lines(outer, i) are the three.
template <class T, class Lines>
void shift_and_scale(Context& ctx, int64_t outer, int64_t rows, int64_t channels, const View& x,
                     const View& y, Lines lines) {
  struct State {
    LineSource<T> x;
    LineSink<T> y;
  };
  for_blocks(
      ctx, outer, rows, channels, [&] { return State{LineSource<T>(x), LineSink<T>(y)}; },
      [&](State& s, const Part& b) {
        const T* mean = lines(b.outer, 0) + b.channel;
        const T* factor = lines(b.outer, 1) + b.channel;
        const T* shift = lines(b.outer, 2) + b.channel;
        for (int64_t r = 0; r < b.rows; ++r) {
          const int64_t at = b.first + r * channels;
          const T* from = s.x.line(at, b.cols);
          T* to = s.y.line(at);
          for_vectors<T>(b.cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
            store_some(to + i,
                       (load_some(from + i, lanes) - load_some(mean + i, lanes)) *
                               load_some(factor + i, lanes) +
                           load_some(shift + i, lanes),
                       lanes);
          });
          s.y.flush(at, b.cols);
        }
      });
}

template <class T> void forward(Context& ctx, const Norm& norm, In in, Out out) {
  const Tables<T> t(ctx, norm);
  for_blocks(
      ctx, norm.outer, norm.rows, norm.channels, [&] { return RowSource<T>(in[0], norm.channels); },
      [&](RowSource<T>& source, const Part& b) {
        T *mean = t.sum(b.outer, b.block, 0) + b.channel,
          *squares = t.sum(b.outer, b.block, 1) + b.channel;
        block_moments(source, b, norm.rms, mean, squares);
      });
  for_chunks(ctx, norm, [&](const Chunk& chunk) { combine_moments(norm, t, in, out, chunk); });
  shift_and_scale<T>(ctx, norm.outer, norm.rows, norm.channels, in[0], out[0],
                     [&](int64_t outer, int which) { return t.line(outer, which); });
}

// ---- backward -----------------------------------------------------------------------------------
//
// As in normalization.cpp, written with factors for each channel:
//   dx = g k1 + (x - mean) k2 + k3.

/// A block's sums of g and of g n, n = (x - mean) scale.
template <class T>
void block_grads(RowSource<T>& x, RowSource<T>& g, const Part& b, const T* mean, const T* scale,
                 T* sum_g, T* sum_gn) {
  using V = Vec<T>;
  Channels<T> plain, product;
  plain.clear(b.cols), product.clear(b.cols);
  over_rows(b.rows, [&](auto count, int64_t r) __attribute__((always_inline)) {
    int64_t x_pitch, g_pitch;
    const T *px = x.read(b, r, count(), x_pitch), *pg = g.read(b, r, count(), g_pitch);
    for_vectors<T>(b.cols, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      const V from = load_some(mean + c, lanes);
      V one = simd::load(plain.at + c), two = simd::load(product.at + c);
      for (int k = 0; k < count(); ++k) {
        const V grad = load_some(pg + k * g_pitch + c, lanes);
        one += grad, two += grad * (load_some(px + k * x_pitch + c, lanes) - from);
      }
      simd::store(plain.at + c, one);
      simd::store(product.at + c, two);
    });
  });
  for (int64_t c = 0; c < b.cols; ++c) sum_g[c] = plain.at[c], sum_gn[c] = product.at[c] * scale[c];
}

/// The lines mean and scale.
template <class T>
void expand_moments(const Norm& norm, const Tables<T>& t, In in, const Chunk& chunk) {
  for (int64_t g = chunk.group; g < chunk.last_group; ++g) {
    const int64_t at = chunk.outer * norm.groups + g;
    const T mean = in[1].as<const T>()[at];
    const T scale = reciprocal_root(in[2].as<const T>()[at], norm.epsilon);
    for (int64_t c = g * norm.width(); c < (g + 1) * norm.width(); ++c)
      t.line(chunk.outer, 0)[c] = mean, t.line(chunk.outer, 1)[c] = scale;
  }
}

/// The totals over blocks, and the lines k1, k2, k3 after the mean.
template <class T>
void combine_grads(const Norm& norm, const Tables<T>& t, In in, const Chunk& chunk) {
  const int64_t width = norm.width();
  const double n = static_cast<double>(norm.rows) * static_cast<double>(width);
  const T* gamma = given<T>(in, 4);
  double *plain = t.total(chunk.outer, 0), *product = t.total(chunk.outer, 1);
  for (int64_t c = chunk.channel; c < chunk.last_channel; ++c) plain[c] = product[c] = 0;
  for (int64_t b = 0; b < t.blocks; ++b) {
    const T *one = t.sum(chunk.outer, b, 0), *two = t.sum(chunk.outer, b, 1);
    for (int64_t c = chunk.channel; c < chunk.last_channel; ++c) {
      plain[c] += static_cast<double>(one[c]);
      product[c] += static_cast<double>(two[c]);
    }
  }
  for (int64_t g = chunk.group; g < chunk.last_group; ++g) {
    double sum_h = 0, sum_hn = 0;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      const double factor = gamma == nullptr ? 1.0 : static_cast<double>(gamma[c]);
      sum_h += plain[c] * factor, sum_hn += product[c] * factor;
    }
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      const T scale = t.line(chunk.outer, 1)[c];
      t.line(chunk.outer, 1)[c] = gamma == nullptr ? scale : scale * gamma[c];
      t.line(chunk.outer, 2)[c] = -scale * scale * static_cast<T>(sum_hn / n);
      t.line(chunk.outer, 3)[c] = norm.rms ? T(0) : -scale * static_cast<T>(sum_h / n);
    }
  }
}

/// to[c] = the sum over `outer` of the totals.
template <class T>
void write_total(Context& ctx, const Norm& norm, const Tables<T>& t, int which, const View& to) {
  ctx.parallel_for(ceil_div(norm.channels, kChunk), [&](int64_t task) {
    const int64_t begin = task * kChunk, n = smaller(kChunk, norm.channels - begin);
    double sum[kChunk] = {};
    for (int64_t outer = 0; outer < norm.outer; ++outer) {
      const double* total = t.total(outer, which) + begin;
      for (int64_t c = 0; c < n; ++c) sum[c] += total[c];
    }
    for (int64_t c = 0; c < n; ++c) to.as<T>()[begin + c] = static_cast<T>(sum[c]);
  });
}

template <class T>
void write_grad(Context& ctx, const Norm& norm, const Tables<T>& t, const View& x, const View& g,
                const View& dx) {
  struct State {
    LineSource<T> x, g;
    LineSink<T> dx;
  };
  for_blocks(
      ctx, norm.outer, norm.rows, norm.channels,
      [&] { return State{LineSource<T>(x), LineSource<T>(g), LineSink<T>(dx)}; },
      [&](State& s, const Part& b) {
        const T *mean = t.line(b.outer, 0) + b.channel, *k1 = t.line(b.outer, 1) + b.channel,
                *k2 = t.line(b.outer, 2) + b.channel, *k3 = t.line(b.outer, 3) + b.channel;
        for (int64_t r = 0; r < b.rows; ++r) {
          const int64_t at = b.first + r * norm.channels;
          const T *px = s.x.line(at, b.cols), *pg = s.g.line(at, b.cols);
          T* to = s.dx.line(at);
          for_vectors<T>(b.cols, [&](int64_t i, int lanes) __attribute__((always_inline)) {
            const auto centred = load_some(px + i, lanes) - load_some(mean + i, lanes);
            store_some(to + i,
                       load_some(pg + i, lanes) * load_some(k1 + i, lanes) +
                           (centred * load_some(k2 + i, lanes) + load_some(k3 + i, lanes)),
                       lanes);
          });
          s.dx.flush(at, b.cols);
        }
      });
}

template <class T> void backward(Context& ctx, const Norm& norm, In in, Out out) {
  struct State { RowSource<T> x, g; };
  const Tables<T> t(ctx, norm);
  for_chunks(ctx, norm, [&](const Chunk& chunk) { expand_moments(norm, t, in, chunk); });
  for_blocks(
      ctx, norm.outer, norm.rows, norm.channels,
      [&] { return State{RowSource<T>(in[0], norm.channels), RowSource<T>(in[3], norm.channels)}; },
      [&](State& s, const Part& b) {
        const T *mean = t.line(b.outer, 0) + b.channel, *scale = t.line(b.outer, 1) + b.channel;
        T *plain = t.sum(b.outer, b.block, 0) + b.channel,
          *product = t.sum(b.outer, b.block, 1) + b.channel;
        block_grads(s.x, s.g, b, mean, scale, plain, product);
      });
  for_chunks(ctx, norm, [&](const Chunk& chunk) { combine_grads(norm, t, in, chunk); });
  write_grad(ctx, norm, t, in[0], in[3], out[0]);
  write_total(ctx, norm, t, 1, out[1]);
  write_total(ctx, norm, t, 0, out[2]);
}

template <class T> void standardize(Context& ctx, double epsilon, In in, Out out) {
  const View& x = in[0];
  const int64_t channels = x.shape.back(), rows = channels == 0 ? 0 : x.size() / channels;
  const T *mean = in[1].as<const T>(), *variance = in[2].as<const T>();
  const T *gamma = given<T>(in, 3), *beta = given<T>(in, 4);
  T *factor = static_cast<T*>(ctx.scratch()), *shift = factor + channels;
  for (int64_t c = 0; c < channels; ++c) {
    const T scale = reciprocal_root(variance[c], epsilon);
    factor[c] = gamma == nullptr ? scale : scale * gamma[c];
    shift[c] = beta == nullptr ? T(0) : beta[c];
  }
  const T* lines[3] = {mean, factor, shift};
  shift_and_scale<T>(ctx, 1, rows, channels, x, out[0],
                     [&](int64_t, int which) { return lines[which]; });
}

}  // namespace

size_t columns_scratch(const Norm& norm, DType dtype) {
  const int64_t blocks = Cut(norm.rows, norm.channels).blocks;
  const auto elements = static_cast<size_t>(norm.outer * norm.channels);
  return elements *
         (2 * sizeof(double) + static_cast<size_t>(2 * blocks + 4) * size_of(compute_dtype(dtype)));
}

void normalize_columns(Context& ctx, const Norm& norm, In in, Out out) {
  if (in[0].dtype == DType::Float64)
    forward<double>(ctx, norm, in, out);
  else
    forward<float>(ctx, norm, in, out);
}

void normalize_columns_grad(Context& ctx, const Norm& norm, In in, Out out) {
  if (in[0].dtype == DType::Float64)
    backward<double>(ctx, norm, in, out);
  else
    backward<float>(ctx, norm, in, out);
}

void standardize_columns(Context& ctx, double epsilon, In in, Out out) {
  if (in[0].dtype == DType::Float64)
    standardize<double>(ctx, epsilon, in, out);
  else
    standardize<float>(ctx, epsilon, in, out);
}

}  // namespace pyneuro
