// Depthwise convolution: each channel has filters of its own, so neighbouring channels share a
// register and nothing is summed across them. Bound by memory, hence direct: padding is skipped
// rather than copied (so an infinite weight above it gives no NaN), and a tile of positions keeps
// its sums in registers.
//
// The core takes one filter a channel and the arithmetic's type. Several filters a channel, or
// halves, come to it through copies of some images at a time, each channel repeated.
#include "kernels/conv.h"
#include "kernels/conv_stage.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

constexpr int64_t kMostRows = 64;  // lines of the window
constexpr int64_t kMostTasks = 64;
constexpr int64_t kStrip = 64;          // channels of a task of dkernel
constexpr int64_t kTaskWork = 1 << 18;  // multiply-adds worth a task

/// A line of the window that lies within the source: where its first tap reads and its weights.
template <class T> struct Row { const T *source, *weights; };

/// One line of results along the last dimension.
template <class T> struct Task {
  const Row<T>* rows;
  int count;
  int64_t tap_from, tap_weight;  // elements from tap to tap, in source and weights
  int64_t from, to;              // elements from result to result
  const T* bias;                 // or null
};

/// kResults results from j on, taps [first, end), channels [c, c + kVectors registers).
template <class T, int kResults, int kVectors>
[[gnu::always_inline]] inline void tile(const Task<T>& t, int64_t j, int64_t first, int64_t end,
                                        int64_t c, int lanes, T* to) {
  using V = simd::Vec<T>;
  V sum[kResults][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const V start = t.bias != nullptr ? load_some(t.bias + c + v * V::kCount, lanes) : V(T(0));
    for (int i = 0; i < kResults; ++i) sum[i][v] = start;
  }
  for (int r = 0; r < t.count; ++r) {
    const T* source = t.rows[r].source + c + j * t.from + first * t.tap_from;
    const T* weights = t.rows[r].weights + c + first * t.tap_weight;
    for (int64_t tap = first; tap < end; ++tap) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const V w = load_some(weights + v * V::kCount, lanes);
#pragma GCC unroll 8
        for (int i = 0; i < kResults; ++i)
          sum[i][v] = fma(load_some(source + i * t.from + v * V::kCount, lanes), w, sum[i][v]);
      }
      source += t.tap_from, weights += t.tap_weight;
    }
  }
  for (int i = 0; i < kResults; ++i)
    for (int v = 0; v < kVectors; ++v)
      store_some(to + (j + i) * t.to + c + v * V::kCount, sum[i][v], lanes);
}

/// Results [j, stop) that the same taps make, all channels.
template <class T>
void segment(const Task<T>& t, int64_t j, int64_t stop, int64_t first, int64_t end,
             int64_t channels, T* to) {
  constexpr int64_t lanes = simd::Vec<T>::kCount;
  for (; j + 4 <= stop; j += 4) {
    int64_t c = 0;
    for (; c + 2 * lanes <= channels; c += 2 * lanes)
      tile<T, 4, 2>(t, j, first, end, c, int{lanes}, to);
    for (; c + lanes <= channels; c += lanes) tile<T, 4, 1>(t, j, first, end, c, int{lanes}, to);
    if (c < channels) tile<T, 4, 1>(t, j, first, end, c, static_cast<int>(channels - c), to);
  }
  for (; j < stop; ++j) {
    int64_t c = 0;
    for (; c + 4 * lanes <= channels; c += 4 * lanes)
      tile<T, 1, 4>(t, j, first, end, c, int{lanes}, to);
    for (; c + lanes <= channels; c += lanes) tile<T, 1, 1>(t, j, first, end, c, int{lanes}, to);
    if (c < channels) tile<T, 1, 1>(t, j, first, end, c, static_cast<int>(channels - c), to);
  }
}

/// Results [first, end) of a line for which a source position, `at` for result 0 and `step` apart,
/// lies in [0, size).
struct Span { int64_t first, end; };
Span inside(int64_t at, int64_t step, int64_t size, int64_t results) {
  const auto steps = [step](int64_t n) { return n <= 0 ? 0 : ceil_div(n, step); };
  return {smaller(steps(-at), results), smaller(steps(size - at), results)};
}

/// A whole line of results: first those at the edges, which miss taps, then the rest.
template <class T>
void line_of_results(const Task<T>& t, const ConvLine& line, int64_t size, int64_t channels,
                     T* to) {
  const auto taps_at = [&](int64_t j, int64_t& first, int64_t& end) {
    first = 0, end = line.taps;
    const auto valid = [&](int64_t tap) {
      const int64_t at = line.reach + tap * line.reach_step + j * line.step;
      return at >= 0 && at < size;
    };
    while (first < end && !valid(first)) ++first;
    while (first < end && !valid(end - 1)) --end;
  };
  const int64_t last = line.reach + larger(0, line.taps - 1) * line.reach_step;
  const Span low = inside(smaller(line.reach, last), line.step, size, line.count);
  const Span high = inside(larger(line.reach, last), line.step, size, line.count);
  const int64_t begin = low.first, stop = larger(begin, high.end);
  for (int64_t j = 0; j < line.count; ++j) {
    if (j == begin && stop > begin && line.taps > 0) {
      segment(t, begin, stop, 0, line.taps, channels, to);
      j = stop - 1;
      continue;
    }
    int64_t first, end;
    taps_at(j, first, end);
    segment(t, j, j + 1, first, end, channels, to);
  }
}

/// The window's lines that read from the source, for results i0, i1 of the two outer dimensions.
template <class T>
int window_rows(const ConvProblem& p, const ConvLine (&line)[3], const int64_t (&size)[3],
                int64_t channels, int64_t i0, int64_t i1, const T* source, const T* weights,
                Row<T>* to, int64_t* taps = nullptr) {
  int count = 0;
  for (int64_t t0 = 0; t0 < line[0].taps; ++t0)
    for (int64_t t1 = 0; t1 < line[1].taps; ++t1) {
      const int64_t at0 = line[0].reach + t0 * line[0].reach_step + i0 * line[0].step;
      const int64_t at1 = line[1].reach + t1 * line[1].reach_step + i1 * line[1].step;
      if (at0 < 0 || at0 >= size[0] || at1 < 0 || at1 >= size[1]) continue;
      const int64_t tap =
          (line[0].tap + t0 * line[0].tap_step) * p.window[1] + line[1].tap + t1 * line[1].tap_step;
      if (taps != nullptr) taps[count] = tap * p.window[2];
      to[count++] = {source + ((at0 * size[1] + at1) * size[2] + line[2].reach) * channels,
                     weights + (tap * p.window[2] + line[2].tap) * channels};
    }
  return count;
}

/// y or dx of some images, from arrays of the arithmetic's type with `channels` channels.
template <class T>
void products(Context& ctx, const ConvProblem& p, int64_t images, int64_t channels, const T* source,
              const T* weights, const T* bias, T* result) {
  const bool backward = p.step == ConvStep::InputGrad;
  const auto& from = backward ? p.out : p.in;
  const auto& to = backward ? p.in : p.out;
  const int64_t rows = images * to[0] * to[1];
  const int64_t per_task = larger(1, kTaskWork / larger(1, to[2] * channels * larger(1, p.taps())));
  ctx.parallel_for(ceil_div(rows, per_task), [&](int64_t task) {
    Row<T> window[kMostRows];
    for (int64_t row = task * per_task; row < smaller(rows, (task + 1) * per_task); ++row) {
      const int64_t image = row / (to[0] * to[1]), i0 = row / to[1] % to[0], i1 = row % to[1];
      const T* first = source + image * from[0] * from[1] * from[2] * channels;
      ConvLine line[3];
      const auto set_line = [&](int d, int64_t phase) {
        line[d] = backward ? conv_backward_line(p, d, phase) : conv_forward_line(p, d);
      };
      set_line(0, i0 % p.stride[0]);
      set_line(1, i1 % p.stride[1]);
      for (int64_t phase = 0; phase < (backward ? p.stride[2] : 1); ++phase) {
        set_line(2, phase);
        Task<T> t{};
        t.rows = window;
        t.count = window_rows(p, line, from, channels, backward ? i0 / p.stride[0] : i0,
                              backward ? i1 / p.stride[1] : i1, first, weights, window);
        t.tap_from = line[2].reach_step * channels, t.tap_weight = line[2].tap_step * channels;
        t.from = line[2].step * channels, t.to = line[2].stride * channels;
        t.bias = bias;
        line_of_results(t, line[2], from[2], channels,
                        result + (row * to[2] + line[2].first) * channels);
      }
    }
  });
}

/// sums[tap][c] += sum over j in [first, end) of x[j from + tap tap_from + c] g[j channels + c]
template <class T, int kTaps>
[[gnu::always_inline]] inline void dot(const T* x, const T* g, int64_t from, int64_t tap_from,
                                       int64_t channels, int64_t first, int64_t end, T* sums,
                                       int lanes) {
  using V = simd::Vec<T>;
  V sum[kTaps];
  for (V& s : sum) s = V(T(0));
  for (int64_t j = first; j < end; ++j) {
    const V gradient = load_some(g + j * channels, lanes);
#pragma GCC unroll 4
    for (int t = 0; t < kTaps; ++t)
      sum[t] = fma(load_some(x + j * from + t * tap_from, lanes), gradient, sum[t]);
  }
  for (int t = 0; t < kTaps; ++t) {
    T* at = sums + t * channels;
    store_some(at, load_some(at, lanes) + sum[t], lanes);
  }
}

/// Adds the products of one line of g to the sums of one line of the window, channels [c, stop).
template <class T>
void add_line(const ConvLine& line, int64_t size, int64_t channels, const T* x, const T* g, T* sums,
              int64_t c, int64_t stop) {
  const int64_t from = line.step * channels, tap_from = line.reach_step * channels;
  for (int64_t tap = 0; tap < line.taps;) {
    Span spans[3];
    const int64_t n = smaller(3, line.taps - tap);
    Span all{0, line.count};
    for (int64_t t = 0; t < n; ++t) {
      spans[t] = inside(line.reach + (tap + t) * line.reach_step, line.step, size, line.count);
      all = {larger(all.first, spans[t].first), smaller(all.end, spans[t].end)};
    }
    all.end = larger(all.first, all.end);
    for_vectors<T>(stop - c, [&](int64_t i, int lanes) {
      const T *at = x + tap * tap_from + c + i, *gradient = g + c + i;
      T* to = sums + tap * channels + c + i;
      if (n == 3)
        dot<T, 3>(at, gradient, from, tap_from, channels, all.first, all.end, to, lanes);
      else if (n == 2)
        dot<T, 2>(at, gradient, from, tap_from, channels, all.first, all.end, to, lanes);
      else
        dot<T, 1>(at, gradient, from, tap_from, channels, all.first, all.end, to, lanes);
      for (int64_t t = 0; t < n; ++t) {  // the edges, where not all of the taps read
        const T* own = at + t * tap_from;
        const int64_t before = smaller(spans[t].end, all.first);
        if (spans[t].first < before)
          dot<T, 1>(own, gradient, from, 0, channels, spans[t].first, before, to + t * channels,
                    lanes);
        const int64_t after = larger(spans[t].first, all.end);
        if (larger(before, after) < spans[t].end)
          dot<T, 1>(own, gradient, from, 0, channels, larger(before, after), spans[t].end,
                    to + t * channels, lanes);
      }
    });
    tap += n;
  }
}

// ---- the whole ----------------------------------------------------------------------------------

/// What scratch holds. Channels are those of the core: the filters.
struct Sizes {
  bool wide_x, wide_y, wide_kernel;  // copies in the arithmetic's type, channels repeated
  int64_t repeat, images, splits, strips;
  size_t x, y, kernel, bias, sums, total;  // where they begin
};

template <class T> Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.repeat = p.filters / p.channels;
  const bool half = p.dtype != compute_dtype(p.dtype);
  s.wide_x = half || s.repeat > 1;
  s.wide_y = half, s.wide_kernel = half;
  const int64_t image =
      p.filters * ((s.wide_x ? p.in_pixels() : 0) + (s.wide_y ? p.out_pixels() : 0));
  const int64_t most = kStageBytes / static_cast<int64_t>(sizeof(T));
  s.images = image == 0 ? p.batch : smaller(p.batch, larger(1, most / image));
  const int64_t taps = p.taps() * p.filters;
  s.strips = ceil_div(p.filters, kStrip);
  const int64_t rows = s.images * p.out[0] * p.out[1];
  s.splits = smaller(rows, s.images * p.out_pixels() * taps / kTaskWork);
  s.splits = larger(1, smaller(s.splits, kMostTasks / s.strips));
  s.y = s.wide_x ? aligned_bytes<T>(s.images * p.in_pixels() * p.filters) : 0;
  s.kernel = s.y + (s.wide_y ? aligned_bytes<T>(s.images * p.out_pixels() * p.filters) : 0);
  s.bias = s.kernel + (s.wide_kernel ? aligned_bytes<T>(taps) : 0);
  s.sums = s.bias + aligned_bytes<T>(p.filters);
  s.total = s.sums + (p.step == ConvStep::KernelGrad ? aligned_bytes<T>(s.splits * taps) : 0);
  return s;
}

/// n pixels, each channel `repeat` times.
template <class T>
void widen(Context& ctx, DType dtype, const void* from, int64_t n, int64_t channels, int64_t repeat,
           T* to) {
  const int64_t per_task = larger(1, kSlice / (channels * repeat));
  const auto size = static_cast<int64_t>(size_of(dtype));
  const Converter convert = converter(dtype, compute_dtype(dtype));
  ctx.parallel_for(ceil_div(n, per_task), [&](int64_t task) {
    const int64_t first = task * per_task, pixels = smaller(per_task, n - first);
    const char* source = static_cast<const char*>(from) + first * channels * size;
    T* out = to + first * channels * repeat;
    // Converted at the end of the room, then spread from its front.
    T* line = out + pixels * channels * (repeat - 1);
    convert(line, source, pixels * channels);
    if (repeat == 1) return;
    for (int64_t i = 0; i < pixels * channels; ++i) {
      const T value = line[i];
      for (int64_t r = 0; r < repeat; ++r) out[i * repeat + r] = value;
    }
  });
}

/// The other way: repeated channels are added up.
template <class T>
void narrow(Context& ctx, DType dtype, T* from, int64_t n, int64_t channels, int64_t repeat,
            void* to) {
  const int64_t per_task = larger(1, kSlice / (channels * repeat));
  const auto size = static_cast<int64_t>(size_of(dtype));
  const Converter convert = converter(compute_dtype(dtype), dtype);
  ctx.parallel_for(ceil_div(n, per_task), [&](int64_t task) {
    const int64_t first = task * per_task, values = smaller(per_task, n - first) * channels;
    T* source = from + first * channels * repeat;
    if (repeat > 1)
      for (int64_t i = 0; i < values; ++i) {
        T sum = source[i * repeat];
        for (int64_t r = 1; r < repeat; ++r) sum += source[i * repeat + r];
        source[i] = sum;
      }
    convert(static_cast<char*>(to) + first * channels * size, source, values);
  });
}

template <class T>
void kernel_grad(Context& ctx, const ConvProblem& p, const Sizes& s, int64_t images, const T* x,
                 const T* g, T* sums, bool add) {
  const int64_t channels = p.filters, size = p.taps() * channels;
  const int64_t rows = images * p.out[0] * p.out[1];
  ConvLine line[3];
  for (int d = 0; d < 3; ++d) line[d] = conv_forward_line(p, d);
  ctx.parallel_for(s.splits * s.strips, [&](int64_t task) {
    const int64_t split = task / s.strips, c = task % s.strips * kStrip;
    const int64_t stop = smaller(channels, c + kStrip);
    T* own = sums + split * size;
    if (!add)
      for (int64_t tap = 0; tap < p.taps(); ++tap)
        for (int64_t i = c; i < stop; ++i) own[tap * channels + i] = T(0);
    Row<T> window[kMostRows];
    int64_t taps[kMostRows];
    for (int64_t row = rows * split / s.splits; row < rows * (split + 1) / s.splits; ++row) {
      const int64_t image = row / (p.out[0] * p.out[1]);
      const int count =
          window_rows<T>(p, line, p.in, channels, row / p.out[1] % p.out[0], row % p.out[1],
                         x + image * p.in_pixels() * channels, nullptr, window, taps);
      for (int r = 0; r < count; ++r)
        add_line(line[2], p.in[2], channels, window[r].source, g + row * p.out[2] * channels,
                 own + taps[r] * channels, c, stop);
    }
  });
}

template <class T> void run_as(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes<T>(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  T *wide_x = reinterpret_cast<T*>(scratch), *wide_y = reinterpret_cast<T*>(scratch + s.y);
  T *bias = nullptr, *sums = reinterpret_cast<T*>(scratch + s.sums);
  const auto element = static_cast<int64_t>(size_of(p.dtype));
  const Converter convert = converter(p.dtype, compute_dtype(p.dtype));
  const void* weights = x.b;
  if (p.step != ConvStep::KernelGrad && s.wide_kernel) {
    convert(scratch + s.kernel, x.b, p.taps() * p.filters);
    weights = scratch + s.kernel;
  }
  if (x.bias != nullptr) {
    bias = reinterpret_cast<T*>(scratch + s.bias);
    convert(bias, x.bias, p.filters);
  }
  const int64_t in_image = p.in_pixels() * p.channels, out_image = p.out_pixels() * p.filters;
  for (int64_t first = 0; first < p.batch || first == 0; first += larger(1, s.images)) {
    const int64_t images = smaller(s.images, p.batch - first);
    const int64_t in_pixels = images * p.in_pixels(), out_pixels = images * p.out_pixels();
    const auto at = [&](const void* data, int64_t image) {
      return static_cast<const char*>(data) + first * image * element;
    };
    const auto widened = [&](const void* from, bool wide, int64_t pixels, int64_t channels,
                             int64_t repeat, T* room) {
      if (!wide) return static_cast<const T*>(from);
      widen(ctx, p.dtype, from, pixels, channels, repeat, room);
      return static_cast<const T*>(room);
    };
    switch (p.step) {
      case ConvStep::Forward: {
        char* y = static_cast<char*>(x.c) + first * out_image * element;
        const T* source =
            widened(at(x.a, in_image), s.wide_x, in_pixels, p.channels, s.repeat, wide_x);
        T* result = s.wide_y ? wide_y : reinterpret_cast<T*>(y);
        products(ctx, p, images, p.filters, source, static_cast<const T*>(weights), bias, result);
        if (s.wide_y) narrow(ctx, p.dtype, result, out_pixels, p.filters, 1, y);
        break;
      }
      case ConvStep::InputGrad: {
        char* dx = static_cast<char*>(x.c) + first * in_image * element;
        const T* source = widened(at(x.a, out_image), s.wide_y, out_pixels, p.filters, 1, wide_y);
        T* result = s.wide_x ? wide_x : reinterpret_cast<T*>(dx);
        products<T>(ctx, p, images, p.filters, source, static_cast<const T*>(weights), nullptr,
                    result);
        if (s.wide_x) narrow(ctx, p.dtype, result, in_pixels, p.channels, s.repeat, dx);
        break;
      }
      case ConvStep::KernelGrad: {
        const T* source =
            widened(at(x.a, in_image), s.wide_x, in_pixels, p.channels, s.repeat, wide_x);
        const T* g = widened(at(x.b, out_image), s.wide_y, out_pixels, p.filters, 1, wide_y);
        kernel_grad(ctx, p, s, images, source, g, sums, first > 0);
        break;
      }
    }
  }
  if (p.step != ConvStep::KernelGrad) return;
  const int64_t size = p.taps() * p.filters;
  for (int64_t split = 1; split < s.splits; ++split)
    for_vectors<T>(size, [&](int64_t i, int lanes) {
      store_some(sums + i, load_some(sums + i, lanes) + load_some(sums + split * size + i, lanes),
                 lanes);
    });
  converter(compute_dtype(p.dtype), p.dtype)(x.c, sums, size);
}

bool applies(const ConvProblem& p) {
  return p.groups == p.channels && p.channels > 1 && p.window[0] * p.window[1] <= kMostRows;
}
size_t scratch(const ConvProblem& p) {
  return p.dtype == DType::Float64 ? make_sizes<double>(p).total : make_sizes<float>(p).total;
}
void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  if (p.dtype == DType::Float64)
    run_as<double>(ctx, p, x);
  else
    run_as<float>(ctx, p, x);
}

}  // namespace

ConvAlgorithm conv_depthwise() { return {"depthwise", applies, scratch, run}; }

}  // namespace pyneuro
