// y and dx of a depthwise convolution, a line of results at a time. Padding is skipped rather than
// copied (so an infinite weight above it gives no NaN), and some positions keep their sums in
// registers. Windows of three taps side by side, the usual ones, read an element once for all
// results it is a part of.
#pragma once

#include "kernels/conv.h"
#include "kernels/conv_stage.h"
#include "kernels/stores_past.h"

namespace pyneuro::depthwise {

inline constexpr int64_t kMostRows = 64;       // lines of the window
inline constexpr int64_t kTaskWork = 1 << 18;  // multiply-adds worth a task

/// A line of the window that lies within the source: where its first tap reads and its weights.
/// `packed`: the weights of blocks of channels, side by side; or null.
template <class T> struct Row { const T *source, *weights, *packed; };

/// One line of results along the last dimension.
template <class T> struct Task {
  const Row<T>* rows;
  int count;
  int64_t tap_from, tap_weight;  // elements from tap to tap, in source and weights
  int64_t from, to;              // elements from result to result
  const T* bias;                 // or null
  bool past;                     // stores go past the caches
  int64_t packed_block;          // elements from a packed block of channels to the next
  const T* next;                 // the source's line that the next task needs, to fetch; or null
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
  const int64_t from = t.from, apart = t.to;
  for (int r = 0; r < t.count; ++r) {
    const T* source = t.rows[r].source + c + j * from + first * t.tap_from;
    const T* weights = t.rows[r].weights + c + first * t.tap_weight;
    for (int64_t tap = first; tap < end; ++tap) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const V w = load_some(weights + v * V::kCount, lanes);
#pragma GCC unroll 8
        for (int i = 0; i < kResults; ++i)
          sum[i][v] = fma(load_some(source + i * from + v * V::kCount, lanes), w, sum[i][v]);
      }
      source += t.tap_from, weights += t.tap_weight;
    }
  }
  const bool past = t.past;
  to += j * apart + c;
  for (int i = 0; i < kResults; ++i)
    for (int v = 0; v < kVectors; ++v)
      store_past(to + i * apart + v * V::kCount, sum[i][v], lanes, past);
}

/// Windows of three taps that lie as far apart as results do; of the first result the first tap may
/// lie outside, and of the last result the last.
struct Three { bool left, right; };

/// Four results of kRows lines of such windows, from `x` and to `to`: an element of the source,
/// from kFirst to kLast, is read once for the results it is a part of.
template <class T, int kRows, int kVectors, int kFirst, int kLast>
[[gnu::always_inline]] inline void four_of_three(const T* const (&x)[kRows], int64_t from,
                                                 const T* const (&weights)[kRows],
                                                 const simd::Vec<T> (&start)[kVectors], T* to,
                                                 int64_t apart, bool past) {
  using V = simd::Vec<T>;
  V sum[4][kVectors];
  for (int i = 0; i < 4; ++i)
    for (int v = 0; v < kVectors; ++v) sum[i][v] = start[v];
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      if (i < kFirst || i > kLast) continue;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const V element = simd::load(x[r] + i * from + v * V::kCount);
#pragma GCC unroll 3
        for (int tap = 0; tap < 3; ++tap)
          if (i >= tap && i - tap < 4)
            sum[i - tap][v] =
                fma(element, simd::load(weights[r] + (tap * kVectors + v) * V::kCount),
                    sum[i - tap][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      store_past(to + i * apart + v * V::kCount, sum[i][v], V::kCount, past);
}

/// Registers of a block of channels.
inline constexpr int kBlockVectors = 2;
template <class T> constexpr int64_t block_size() { return kBlockVectors * simd::Vec<T>::kCount; }

/// The weights of windows of three taps: for each block of channels line by line, tap by tap.
template <class T>
void pack_three(const T* weights, int64_t rows, int64_t channels, bool reversed, T* to) {
  constexpr int64_t n = block_size<T>();
  for (int64_t c = 0; c + n <= channels; c += n)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t tap = 0; tap < 3; ++tap, to += n) {
        const T* from = weights + (row * 3 + (reversed ? 2 - tap : tap)) * channels + c;
        for (int64_t i = 0; i < n; ++i) to[i] = from[i];
      }
}

/// A whole line of such windows, at least five results, channels [0, end) of whole blocks. Channels
/// before results, so that memory is read as it lies. The last four may overlap those before.
template <class T, int kRows>
[[gnu::noinline]] void line_of_three(const Task<T>& t, int64_t count, Three edges, int64_t end,
                                     T* to) {
  using V = simd::Vec<T>;
  constexpr int64_t kBlock = block_size<T>();
  const T *source[kRows], *packed[kRows];
  for (int r = 0; r < kRows; ++r) source[r] = t.rows[r].source, packed[r] = t.rows[r].packed;
  const T *bias = t.bias, *next = t.next;
  const int64_t from = t.from, apart = t.to, step = t.packed_block;
  const bool past = t.past;
  for (int64_t j = 0; j < count; j += 4) {
    const int64_t at = smaller(j, count - 4);
    const bool left = edges.left && j == 0, right = edges.right && at + 4 == count;
    const T *x[kRows], *weights[kRows];
    for (int r = 0; r < kRows; ++r) x[r] = source[r] + at * from, weights[r] = packed[r];
    for (int64_t c = 0; c < end; c += kBlock) {
      T* out = to + c + at * apart;
      if (next != nullptr)
        for (int i = 0; i < 4; ++i) __builtin_prefetch(next + c + (at + i) * from, 0, 2);
      V start[kBlockVectors];
      for (int v = 0; v < kBlockVectors; ++v)
        start[v] = bias != nullptr ? simd::load(bias + c + v * V::kCount) : V(T(0));
      if (left)
        four_of_three<T, kRows, kBlockVectors, 1, 5>(x, from, weights, start, out, apart, past);
      else if (right)
        four_of_three<T, kRows, kBlockVectors, 0, 4>(x, from, weights, start, out, apart, past);
      else
        four_of_three<T, kRows, kBlockVectors, 0, 5>(x, from, weights, start, out, apart, past);
      for (int r = 0; r < kRows; ++r) x[r] += kBlock, weights[r] += step;
    }
  }
}

/// Results [j, stop) that the same taps make, channels from `begin` on.
template <class T>
void segment(const Task<T>& t, int64_t j, int64_t stop, int64_t first, int64_t end, int64_t begin,
             int64_t channels, T* to) {
  constexpr int64_t lanes = simd::Vec<T>::kCount;
  for (; j + 4 <= stop; j += 4) {
    int64_t c = begin;
    for (; c + 2 * lanes <= channels; c += 2 * lanes)
      tile<T, 4, 2>(t, j, first, end, c, int{lanes}, to);
    for (; c + lanes <= channels; c += lanes) tile<T, 4, 1>(t, j, first, end, c, int{lanes}, to);
    if (c < channels) tile<T, 4, 1>(t, j, first, end, c, static_cast<int>(channels - c), to);
  }
  for (; j < stop; ++j) {
    int64_t c = begin;
    for (; c + 4 * lanes <= channels; c += 4 * lanes)
      tile<T, 1, 4>(t, j, first, end, c, int{lanes}, to);
    for (; c + lanes <= channels; c += lanes) tile<T, 1, 1>(t, j, first, end, c, int{lanes}, to);
    if (c < channels) tile<T, 1, 1>(t, j, first, end, c, static_cast<int>(channels - c), to);
  }
}

/// Results [first, end) of a line for which a source position, `at` for result 0 and `step` apart,
/// lies in [0, size).
struct Span { int64_t first, end; };
inline Span inside(int64_t at, int64_t step, int64_t size, int64_t results) {
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
  int64_t done = 0;  // channels
  if (line.taps == 3 && line.reach_step == line.step && t.count >= 1 && t.count <= 3 &&
      t.rows[0].packed != nullptr && line.count >= 5 && begin <= 1 && stop >= line.count - 1) {
    const Three edges{begin == 1, stop < line.count};
    done = channels / block_size<T>() * block_size<T>();
    if (t.count == 3) line_of_three<T, 3>(t, line.count, edges, done, to);
    if (t.count == 2) line_of_three<T, 2>(t, line.count, edges, done, to);
    if (t.count == 1) line_of_three<T, 1>(t, line.count, edges, done, to);
    if (done == channels) return;
  }
  for (int64_t j = 0; j < line.count; ++j) {
    if (j == begin && stop > begin && line.taps > 0) {
      segment(t, begin, stop, 0, line.taps, done, channels, to);
      j = stop - 1;
      continue;
    }
    int64_t first, end;
    taps_at(j, first, end);
    segment(t, j, j + 1, first, end, done, channels, to);
  }
}

/// The window's lines that read from the source, for results i0, i1 of the two outer dimensions.
template <class T>
int window_rows(const ConvProblem& p, const ConvLine (&line)[3], const int64_t (&size)[3],
                int64_t channels, int64_t i0, int64_t i1, const T* source, const T* weights,
                const T* packed, Row<T>* to, int64_t* taps = nullptr) {
  int count = 0;
  for (int64_t t0 = 0; t0 < line[0].taps; ++t0)
    for (int64_t t1 = 0; t1 < line[1].taps; ++t1) {
      const int64_t at0 = line[0].reach + t0 * line[0].reach_step + i0 * line[0].step;
      const int64_t at1 = line[1].reach + t1 * line[1].reach_step + i1 * line[1].step;
      if (at0 < 0 || at0 >= size[0] || at1 < 0 || at1 >= size[1]) continue;
      const int64_t tap =
          (line[0].tap + t0 * line[0].tap_step) * p.window[1] + line[1].tap + t1 * line[1].tap_step;
      if (taps != nullptr) taps[count] = tap * p.window[2];
      const T* own = packed == nullptr ? nullptr : packed + tap * 3 * block_size<T>();
      to[count++] = {source + ((at0 * size[1] + at1) * size[2] + line[2].reach) * channels,
                     weights + (tap * p.window[2] + line[2].tap) * channels, own};
    }
  return count;
}

/// Whether a source is too large to stay in a last-level cache: its lines are fetched ahead.
template <class T> bool is_far(int64_t elements) {
  return elements * static_cast<int64_t>(sizeof(T)) > kStageBytes;
}

/// The same taps from the last to the first.
inline ConvLine reversed(ConvLine line) {
  const int64_t last = larger(0, line.taps - 1);
  line.reach += last * line.reach_step, line.reach_step = -line.reach_step;
  line.tap += last * line.tap_step, line.tap_step = -line.tap_step;
  return line;
}

/// y or dx of some images, from arrays of the arithmetic's type with `channels` channels. `packed`:
/// the weights once more, as pack_three gives them, or null.
template <class T>
void products(Context& ctx, const ConvProblem& p, int64_t images, int64_t channels, const T* source,
              const T* weights, const T* packed, const T* bias, T* result) {
  const bool backward = p.step == ConvStep::InputGrad;
  const auto& from = backward ? p.out : p.in;
  const auto& to = backward ? p.in : p.out;
  const int64_t rows = images * to[0] * to[1];
  const bool past = stores_past(result, rows * to[2] * channels, channels);
  const bool ahead = is_far<T>(images * from[0] * from[1] * from[2] * channels);
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
        if (line[2].reach_step < 0) line[2] = reversed(line[2]);
        Task<T> t{};
        t.rows = window;
        t.count = window_rows(p, line, from, channels, backward ? i0 / p.stride[0] : i0,
                              backward ? i1 / p.stride[1] : i1, first, weights, packed, window);
        t.tap_from = line[2].reach_step * channels, t.tap_weight = line[2].tap_step * channels;
        t.from = line[2].step * channels, t.to = line[2].stride * channels;
        t.bias = bias, t.past = past;
        t.packed_block = p.window[0] * p.window[1] * 3 * block_size<T>();
        if (ahead && t.count > 0) {
          const T* lowest = window[line[1].reach_step < 0 ? 0 : t.count - 1].source;
          t.next = lowest + line[1].step * from[2] * channels;
        }
        line_of_results(t, line[2], from[2], channels,
                        result + (row * to[2] + line[2].first) * channels);
      }
    }
    if (past) simd::end_stores_past();
  });
}

}  // namespace pyneuro::depthwise
