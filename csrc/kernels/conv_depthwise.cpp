// Depthwise convolution: each channel has filters of its own, so neighbouring channels share a
// register and nothing is summed across them. Bound by memory, hence direct.
//
// The core, here for the kernel's gradient and in conv_depthwise.h for the rest, takes one filter a
// channel and the arithmetic's type. Several filters a channel, or halves, come to it through
// copies of some images at a time, each channel repeated.
#include "kernels/conv_depthwise.h"

namespace pyneuro {
namespace {

using namespace depthwise;

constexpr int64_t kMostTasks = 64;
constexpr int64_t kRun = 32;          // results along a line before the next channels
constexpr int64_t kPieceOfSums = 16;  // the same, of windows of three taps
constexpr int64_t kStrip = 128;       // channels of a task of dkernel

/// One or two lines of g, one below the other, and the lines of x that the window's lines read for
/// them: `rows` one below the other, those for the second line of g from the second row on.
template <class T> struct Pairs {
  const Row<T>* rows;
  const T* g;
  int64_t from, tap_from;   // elements of x from result to result, from tap to tap
  int64_t channels, below;  // elements of g from result to result, from line to line
};

/// Adds the products of kRows lines of the window, taps [tap, tap + kTaps), results [first, end) of
/// kLines lines of g and one register of channels to their sums. Tap t reads x for the results of
/// spans[t] only.
template <class T, int kRows, int kTaps, int kLines>
[[gnu::always_inline]] inline void dots(const Pairs<T>& p, T* const* sums, int64_t tap,
                                        const Span* spans, Span all, int64_t first, int64_t end,
                                        int64_t c, int lanes) {
  using V = simd::Vec<T>;
  constexpr int kRead = kRows + kLines - 1;
  const int64_t from = p.from, tap_from = p.tap_from, channels = p.channels, below = p.below;
  const T *g = p.g + c, *x[kRead];
  V sum[kRows][kTaps];
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTaps; ++t)
      sum[r][t] = load_some(sums[r] + (tap + t) * channels + c, lanes);
  for (int i = 0; i < kRead; ++i) x[i] = p.rows[i].source + tap * tap_from + c;
  const auto add = [&](int64_t j, int t, const V(&gradient)[kLines])
                       __attribute__((always_inline)) {
#pragma GCC unroll 4
                         for (int i = 0; i < kRead; ++i) {
                           const V element = load_some(x[i] + j * from + t * tap_from, lanes);
#pragma GCC unroll 2
                           for (int l = 0; l < kLines; ++l)
                             if (i >= l && i - l < kRows)
                               sum[i - l][t] = fma(element, gradient[l], sum[i - l][t]);
                         }
                       };
  const auto load_gradient = [&](int64_t j, V(&gradient)[kLines]) __attribute__((always_inline)) {
    for (int l = 0; l < kLines; ++l) gradient[l] = load_some(g + j * channels + l * below, lanes);
  };
  const auto edge = [&](int64_t j, int64_t stop) __attribute__((always_inline)) {
    for (; j < stop; ++j) {
      V gradient[kLines];
      load_gradient(j, gradient);
#pragma GCC unroll 3
      for (int t = 0; t < kTaps; ++t)
        if (j >= spans[t].first && j < spans[t].end) add(j, t, gradient);
    }
  };
  edge(first, all.first);
  for (int64_t j = all.first; j < all.end; ++j) {
    V gradient[kLines];
    load_gradient(j, gradient);
#pragma GCC unroll 3
    for (int t = 0; t < kTaps; ++t) add(j, t, gradient);
  }
  edge(all.end, end);
  for (int r = 0; r < kRows; ++r)
    for (int t = 0; t < kTaps; ++t)
      store_some(sums[r] + (tap + t) * channels + c, sum[r][t], lanes);
}

/// The same for windows of three taps side by side, at least two results of whole lines [0, n): an
/// element of x is read once for all products that it is a part of.
template <class T, int kRows, int kLines>
[[gnu::always_inline]] inline void dots_of_three(const T* const (&x)[kRows + kLines - 1],
                                                 int64_t from, const T* g, int64_t apart,
                                                 int64_t below, T* const (&sums)[kRows],
                                                 int64_t channels, int64_t n, Three edges) {
  using V = simd::Vec<T>;
  V sum[kRows][3], gradient[kLines][3];  // of the results that x is the last, second, first tap of
  for (int r = 0; r < kRows; ++r)
    for (int tap = 0; tap < 3; ++tap) sum[r][tap] = simd::load(sums[r] + tap * channels);
  for (int l = 0; l < kLines; ++l)
    for (int i = 0; i < 3; ++i) gradient[l][i] = V(T(0));
  const auto next = [&](int64_t i) __attribute__((always_inline)) {
    for (int l = 0; l < kLines; ++l) {
      gradient[l][0] = gradient[l][1], gradient[l][1] = gradient[l][2];
      if (i < n) gradient[l][2] = simd::load(g + l * below + i * apart);
    }
  };
  const auto add = [&](int64_t i, int low, int high) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows + kLines - 1; ++r) {
      const V element = simd::load(x[r] + i * from);
#pragma GCC unroll 2
      for (int l = 0; l < kLines; ++l)
#pragma GCC unroll 3
        for (int tap = 2; tap >= 0; --tap)
          if (tap >= low && tap <= high && r >= l && r - l < kRows)
            sum[r - l][tap] = fma(element, gradient[l][2 - tap], sum[r - l][tap]);
    }
  };
  next(0);
  if (!edges.left) add(0, 0, 0);
  next(1);
  add(1, 0, 1);
  for (int64_t i = 2; i < n; ++i) {
    next(i);
    add(i, 0, 2);
  }
  next(n);
  add(n, 1, 2);
  next(n + 1);
  if (!edges.right) add(n + 1, 2, 2);
  for (int r = 0; r < kRows; ++r)
    for (int tap = 0; tap < 3; ++tap) simd::store(sums[r] + tap * channels, sum[r][tap]);
}

/// The same for whole lines, channels [c, stop) of whole registers.
template <class T, int kRows, int kLines>
[[gnu::noinline]] void add_lines_of_three(const Pairs<T>& p, int64_t count, Three edges,
                                          T* const* sums, int64_t c, int64_t stop) {
  constexpr int64_t lanes = simd::Vec<T>::kCount;
  const int64_t piece = balanced(count, kPieceOfSums, 1);
  for (int64_t j = 0, n; j < count; j += n) {
    n = smaller(piece, count - j);
    if (count - j - n == 1) ++n;
    const Three own{edges.left && j == 0, edges.right && j + n == count};
    for (int64_t i = c; i < stop; i += lanes) {
      const T* x[kRows + kLines - 1];
      T* to[kRows];
      for (int r = 0; r < kRows + kLines - 1; ++r) x[r] = p.rows[r].source + j * p.from + i;
      for (int r = 0; r < kRows; ++r) to[r] = sums[r] + i;
      dots_of_three<T, kRows, kLines>(x, p.from, p.g + j * p.channels + i, p.channels, p.below, to,
                                      p.channels, n, own);
    }
  }
}

/// The products of kRows lines of the window with kLines lines of g, channels [c, stop).
template <class T, int kRows, int kLines>
void add_lines(const Pairs<T>& p, const ConvLine& line, int64_t size, T* const* sums, int64_t c,
               int64_t stop) {
  if (Three edges; is_three(line, size, edges)) {
    const int64_t end = c + (stop - c) / simd::Vec<T>::kCount * simd::Vec<T>::kCount;
    add_lines_of_three<T, kRows, kLines>(p, line.count, edges, sums, c, end);
    c = end;
  }
  for (int64_t tap = 0; tap < line.taps; tap += 3) {
    const int64_t n = smaller(3, line.taps - tap);
    Span spans[3], whole{0, line.count};
    for (int64_t t = 0; t < n; ++t) {
      spans[t] = inside(line.reach + (tap + t) * line.reach_step, line.step, size, line.count);
      whole = {larger(whole.first, spans[t].first), smaller(whole.end, spans[t].end)};
    }
    for (int64_t first = 0; first < line.count; first += kRun) {
      const int64_t end = smaller(line.count, first + kRun);
      const int64_t begin = smaller(end, larger(first, whole.first));
      const Span all{begin, larger(begin, smaller(end, whole.end))};
      for_vectors<T>(stop - c, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        if (n == 3)
          dots<T, kRows, 3, kLines>(p, sums, tap, spans, all, first, end, c + i, lanes);
        else if (n == 2)
          dots<T, kRows, 2, kLines>(p, sums, tap, spans, all, first, end, c + i, lanes);
        else
          dots<T, kRows, 1, kLines>(p, sums, tap, spans, all, first, end, c + i, lanes);
      });
    }
  }
}

// ---- the whole ----------------------------------------------------------------------------------

/// What scratch holds. Channels are those of the core: the filters.
struct Sizes {
  bool wide_x, wide_y, wide_kernel;  // copies in the arithmetic's type, channels repeated
  int64_t repeat, images, splits, strips;
  size_t x, y, kernel, bias, sums, packed, total;  // where they begin
};

bool is_packed(const ConvProblem& p) { return p.step != ConvStep::KernelGrad && p.window[2] == 3; }

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
  s.packed = s.sums + (p.step == ConvStep::KernelGrad ? aligned_bytes<T>(s.splits * taps) : 0);
  s.total = s.packed + (is_packed(p) ? aligned_bytes<T>(taps) : 0);
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

/// The sums of lines [row, end) of g, channels [c, stop).
template <class T>
void sum_rows(const ConvProblem& p, int64_t row, int64_t end, const T* x, const T* g, T* sums,
              int64_t c, int64_t stop) {
  const int64_t channels = p.filters;
  ConvLine line[3];
  for (int d = 0; d < 3; ++d) line[d] = conv_forward_line(p, d);
  Row<T> window[kMostRows], below[kMostRows];
  int64_t taps[kMostRows], same[kMostRows];
  const auto rows_of = [&](int64_t r, Row<T>* to, int64_t* numbers) {
    const int64_t image = r / (p.out[0] * p.out[1]);
    return window_rows<T>(p, line, p.in, channels, r / p.out[1] % p.out[0], r % p.out[1],
                          x + image * p.in_pixels() * channels, nullptr, nullptr, to, numbers);
  };
  // Whether the second line's window lies one row of x below the first's.
  const auto share = [&](int count, int64_t next) {
    if (count != 3 || next >= end || rows_of(next, below, same) != 3) return false;
    for (int r = 0; r < 2; ++r)
      if (below[r].source != window[r + 1].source) return false;
    return taps[0] == same[0] && taps[1] == same[1] && taps[2] == same[2];
  };
  Pairs<T> pairs{};
  pairs.from = line[2].step * channels, pairs.tap_from = line[2].reach_step * channels;
  pairs.channels = channels, pairs.below = p.out[2] * channels;
  for (; row < end; ++row) {
    const int count = rows_of(row, window, taps);
    pairs.g = g + row * pairs.below;
    for (int r = 0; r < count; r += 3) {
      T* to[3];
      const int n = static_cast<int>(smaller(3, count - r));
      for (int i = 0; i < n; ++i) to[i] = sums + taps[r + i] * channels;
      pairs.rows = window + r;
      if (share(count, row + 1)) {
        window[3] = below[2];
        add_lines<T, 3, 2>(pairs, line[2], p.in[2], to, c, stop);
        ++row;
      } else if (n == 3) {
        add_lines<T, 3, 1>(pairs, line[2], p.in[2], to, c, stop);
      } else if (n == 2) {
        add_lines<T, 2, 1>(pairs, line[2], p.in[2], to, c, stop);
      } else {
        add_lines<T, 1, 1>(pairs, line[2], p.in[2], to, c, stop);
      }
    }
  }
}

template <class T>
void kernel_grad(Context& ctx, const ConvProblem& p, const Sizes& s, int64_t images, const T* x,
                 const T* g, T* sums, bool add) {
  const int64_t channels = p.filters, size = p.taps() * channels;
  const int64_t rows = images * p.out[0] * p.out[1];
  ctx.parallel_for(s.splits * s.strips, [&](int64_t task) {
    const int64_t split = task / s.strips, c = task % s.strips * kStrip;
    const int64_t stop = smaller(channels, c + kStrip);
    T* own = sums + split * size;
    if (!add)
      for (int64_t tap = 0; tap < p.taps(); ++tap)
        for (int64_t i = c; i < stop; ++i) own[tap * channels + i] = T(0);
    sum_rows(p, rows * split / s.splits, rows * (split + 1) / s.splits, x, g, own, c, stop);
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
  T* packed = is_packed(p) ? reinterpret_cast<T*>(scratch + s.packed) : nullptr;
  if (packed != nullptr)
    pack_three(static_cast<const T*>(weights), p.window[0] * p.window[1], p.filters,
               p.step == ConvStep::InputGrad, packed);
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
        Products<T>{p,      images, p.filters, source, static_cast<const T*>(weights),
                    packed, bias,   result}
            .run(ctx);
        if (s.wide_y) narrow(ctx, p.dtype, result, out_pixels, p.filters, 1, y);
        break;
      }
      case ConvStep::InputGrad: {
        char* dx = static_cast<char*>(x.c) + first * in_image * element;
        const T* source = widened(at(x.a, out_image), s.wide_y, out_pixels, p.filters, 1, wide_y);
        T* result = s.wide_x ? wide_x : reinterpret_cast<T*>(dx);
        Products<T>{p,      images,  p.filters, source, static_cast<const T*>(weights),
                    packed, nullptr, result}
            .run(ctx);
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
