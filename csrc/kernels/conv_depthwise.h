// y and dx of a depthwise convolution, a line of results at a time. Padding is skipped rather than
// copied (so an infinite weight above it gives no NaN), and some positions keep their sums in
// registers. Windows of three taps side by side, the usual ones, slide over a line, or over two
// where both read whole windows, and read an element once for all results it is a part of.
#pragma once

#include "kernels/conv.h"
#include "kernels/conv_stage.h"
#include "kernels/stores_past.h"

namespace pyneuro::depthwise {

inline constexpr int64_t kMostRows = 64;       // lines of the window
inline constexpr int64_t kTaskWork = 1 << 18;  // multiply-adds worth a task

/// A line of the window that lies within the source: where its first tap reads and its weights.
/// `packed`: the weights as pack_three gives them; or null.
template <class T> struct Row { const T *source, *weights, *packed; };

/// One line of results along the last dimension.
template <class T> struct Task {
  const Row<T>* rows;
  int count;
  int64_t tap_from, tap_weight;  // elements from tap to tap, in source and weights
  int64_t from, to;              // elements from result to result
  const T* bias;                 // or null
  bool past;                     // stores go past the caches
  int64_t packed_block;          // elements from a packed register of channels to the next
  int64_t below;                 // elements from a line of results to the next, of two
  const T* next;                 // the source's line that is needed next, to fetch; or null
  int64_t next_below;            // elements from there to the next
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

/// Results of a line before the next channels; the last piece of a line has at least two.
inline constexpr int64_t kPiece = 8;

/// n results, at least two, of kLines lines, one below the other, of windows of kRows lines and
/// three taps, kN registers of channels. Each element of the source, from x[r] on, is read once for
/// all results that it is a part of, which are three in each line.
template <class T, int kRows, int kLines, int kN>
[[gnu::always_inline]] inline void slide(const T* const (&x)[kRows + kLines - 1], int64_t from,
                                         const T* const (&weights)[kRows], int64_t step,
                                         const simd::Vec<T> (&start)[kN], int64_t n, Three edges,
                                         T* const (&to)[kLines], int64_t apart) {
  using V = simd::Vec<T>;
  V sum[kLines][3][kN];  // of the results that the element is the last, second and first of
  const auto add = [&](int64_t i, int low, int high) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int v = 0; v < kN; ++v) {
      V element[kRows + kLines - 1];
      for (int r = 0; r < kRows + kLines - 1; ++r)
        element[r] = simd::load(x[r] + i * from + v * V::kCount);
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
        for (int tap = 2; tap >= 0; --tap) {
          if (tap < low || tap > high) continue;
          const V w = simd::load(weights[r] + v * step + tap * V::kCount);
#pragma GCC unroll 2
          for (int l = 0; l < kLines; ++l)
            sum[l][2 - tap][v] = fma(element[r + l], w, sum[l][2 - tap][v]);
        }
    }
  };
  const auto next = [&]() __attribute__((always_inline)) {
    for (int l = 0; l < kLines; ++l)
      for (int v = 0; v < kN; ++v)
        sum[l][0][v] = sum[l][1][v], sum[l][1][v] = sum[l][2][v], sum[l][2][v] = start[v];
  };
  const auto put = [&](int64_t i) __attribute__((always_inline)) {
    for (int l = 0; l < kLines; ++l)
      for (int v = 0; v < kN; ++v) simd::store(to[l] + i * apart + v * V::kCount, sum[l][0][v]);
  };
  for (int l = 0; l < kLines; ++l)
    for (int v = 0; v < kN; ++v) sum[l][0][v] = sum[l][1][v] = sum[l][2][v] = start[v];
  if (!edges.left) add(0, 0, 0);
  next();
  add(1, 0, 1);
  for (int64_t i = 2; i < n; ++i) {
    next();
    add(i, 0, 2);
    put(i - 2);
  }
  next();
  add(n, 1, 2);
  put(n - 2);
  next();
  if (!edges.right) add(n + 1, 2, 2);
  put(n - 1);
}

/// The weights of windows of three taps: for each register of channels line by line, tap by tap.
template <class T>
void pack_three(const T* weights, int64_t rows, int64_t channels, bool reversed, T* to) {
  constexpr int64_t n = simd::Vec<T>::kCount;
  for (int64_t c = 0; c + n <= channels; c += n)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t tap = 0; tap < 3; ++tap, to += n) {
        const T* from = weights + (row * 3 + (reversed ? 2 - tap : tap)) * channels + c;
        for (int64_t i = 0; i < n; ++i) to[i] = from[i];
      }
}

/// One or two whole lines of such windows, at least two results, channels [0, end) of whole
/// registers; the second line lies `below` the first. Channels before results, so that memory is
/// read as it lies.
template <class T, int kRows, int kLines>
[[gnu::noinline]] void lines_of_three(const Task<T>& t, int64_t count, Three edges, int64_t end,
                                      T* to) {
  using V = simd::Vec<T>;
  constexpr int kRead = kRows + kLines - 1;
  constexpr int64_t kLineSize = 64 / static_cast<int64_t>(sizeof(T));
  constexpr int kRegisters = simd::kVecBytes < 64 ? 2 : 1;
  const int64_t piece = balanced(count, kPiece, 1);
  for (int64_t j = 0, n; j < count; j += n) {
    n = smaller(piece, count - j);
    if (count - j - n == 1) ++n;
    const Three own{edges.left && j == 0, edges.right && j + n == count};
    const T *x[kRead], *weights[kRows];
    T* out[kLines];
    for (int r = 0; r < kRead; ++r) x[r] = t.rows[r].source + j * t.from;
    for (int r = 0; r < kRows; ++r) weights[r] = t.rows[r].packed;
    for (int l = 0; l < kLines; ++l) out[l] = to + l * t.below + j * t.to;
    const auto block = [&](int64_t c, auto registers) __attribute__((always_inline)) {
      constexpr int kN = registers();
      V start[kN];
      for (int v = 0; v < kN; ++v)
        start[v] = t.bias != nullptr ? simd::load(t.bias + c + v * V::kCount) : V(T(0));
      if (kLines == 1 && t.past) {  // all at once: between loads, such stores are slower
        alignas(64) T held[(kPiece + 1) * kN * V::kCount];
        T* const to_held[kLines] = {held};
        slide<T, kRows, kLines, kN>(x, t.from, weights, t.packed_block, start, n, own, to_held,
                                    kN * V::kCount);
        for (int64_t i = 0; i < n; ++i)
          for (int v = 0; v < kN; ++v)
            simd::store_past(out[0] + i * t.to + v * V::kCount,
                             simd::load(held + (i * kN + v) * V::kCount));
      } else {
        slide<T, kRows, kLines, kN>(x, t.from, weights, t.packed_block, start, n, own, out, t.to);
      }
      for (int r = 0; r < kRead; ++r) x[r] += kN * V::kCount;
      for (int r = 0; r < kRows; ++r) weights[r] += kN * t.packed_block;
      for (int l = 0; l < kLines; ++l) out[l] += kN * V::kCount;
    };
    int64_t c = 0;
    for (; c + kLineSize <= end; c += kLineSize) {
      if (t.next != nullptr)
        for (int l = 0; l < kLines; ++l)
          for (int64_t i = 0; i < n; ++i)
            __builtin_prefetch(t.next + l * t.next_below + c + (j + i) * t.from, 0, 2);
      for (int64_t i = 0; i < kLineSize; i += kRegisters * V::kCount)
        block(c + i, std::integral_constant<int, kRegisters>());
    }
    for (; c < end; c += V::kCount) block(c, std::integral_constant<int, 1>());
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

/// Whether the windows of a line are such; at least two results.
inline bool is_three(const ConvLine& line, int64_t size, Three& edges) {
  const Span first = inside(line.reach, line.step, size, line.count);
  const Span last = inside(line.reach + 2 * line.reach_step, line.step, size, line.count);
  edges = {first.first == 1, last.end < line.count};
  return line.taps == 3 && line.reach_step == line.step && line.count >= 2 && first.first <= 1 &&
         first.end == line.count && last.first == 0 && last.end >= line.count - 1;
}

/// Channels from `done` on of a whole line of results: first those at the edges, which miss taps,
/// then the rest.
template <class T>
void line_of_results(const Task<T>& t, const ConvLine& line, int64_t size, int64_t done,
                     int64_t channels, T* to) {
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
      const T* own = packed == nullptr ? nullptr : packed + tap * 3 * simd::Vec<T>::kCount;
      to[count++] = {source + ((at0 * size[1] + at1) * size[2] + line[2].reach) * channels,
                     weights + (tap * p.window[2] + line[2].tap) * channels, own};
    }
  return count;
}

/// Whether a window of three lines lies one line of the source below another.
template <class T> bool lies_below(const Row<T>* window, const Row<T>* below) {
  for (int r = 0; r < 3; ++r)
    if (below[r].weights != window[r].weights) return false;
  return below[0].source == window[1].source && below[1].source == window[2].source;
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
template <class T> struct Products {
  const ConvProblem& p;
  int64_t images, channels;
  const T *source, *weights, *packed, *bias;
  T* result;

  void run(Context& ctx) const {
    const int64_t work = to()[2] * channels * larger(1, p.taps());
    const int64_t per_task = larger(1, kTaskWork / larger(1, work)), lines = rows();
    const bool is_past = past();
    ctx.parallel_for(ceil_div(lines, per_task), [&](int64_t task) {
      const int64_t stop = smaller(lines, (task + 1) * per_task);
      for (int64_t row = task * per_task; row < stop;) row += make(row, stop, is_past);
      if (is_past) simd::end_stores_past();
    });
  }

 private:
  bool backward() const { return p.step == ConvStep::InputGrad; }
  const int64_t (&from() const)[3] { return backward() ? p.out : p.in; }
  const int64_t (&to() const)[3] { return backward() ? p.in : p.out; }
  int64_t rows() const { return images * to()[0] * to()[1]; }
  int64_t sources() const { return images * from()[0] * from()[1] * from()[2] * channels; }
  /// From three quarters of a common last-level cache on, source and result together.
  bool past() const {
    return stores_past(result, (sources() + rows() * to()[2] * channels) * 2 / 3, channels);
  }

  ConvLine line_of(int d, int64_t phase) const {
    const ConvLine line = backward() ? conv_backward_line(p, d, phase) : conv_forward_line(p, d);
    return line.reach_step < 0 ? reversed(line) : line;
  }
  /// What a row of results reads, `across` being its line.
  int window_of(int64_t row, const ConvLine& across, Row<T>* window) const {
    const int64_t i0 = row / to()[1] % to()[0], i1 = row % to()[1];
    const ConvLine line[3] = {line_of(0, i0 % p.stride[0]), line_of(1, i1 % p.stride[1]), across};
    const T* first = source + row / (to()[0] * to()[1]) * (sources() / images);
    return window_rows(p, line, from(), channels, backward() ? i0 / p.stride[0] : i0,
                       backward() ? i1 / p.stride[1] : i1, first, weights, packed, window);
  }

  /// Makes a row of results, or two if they share what they read; says how many.
  int64_t make(int64_t row, int64_t stop, bool is_past) const {
    Row<T> window[kMostRows + 1], below[kMostRows];
    const int64_t phases = backward() ? p.stride[2] : 1, size = from()[2];
    int64_t made = 1;
    for (int64_t phase = 0; phase < phases; ++phase) {
      const ConvLine line = line_of(2, phase);
      Task<T> t{};
      t.rows = window, t.count = window_of(row, line, window);
      t.tap_from = line.reach_step * channels, t.tap_weight = line.tap_step * channels;
      t.from = line.step * channels, t.to = line.stride * channels;
      t.bias = bias, t.past = is_past;
      t.packed_block = p.window[0] * p.window[1] * 3 * simd::Vec<T>::kCount;
      t.below = to()[2] * channels;
      t.next_below = line_of(1, 0).step * size * channels;
      if (is_far<T>(sources()) && t.count > 0) t.next = t.rows[t.count - 1].source + t.next_below;
      T* out = result + (row * to()[2] + line.first) * channels;
      int64_t done = 0;  // channels
      Three edges;
      if (packed != nullptr && t.count >= 1 && t.count <= 3 && is_three(line, size, edges)) {
        done = channels / simd::Vec<T>::kCount * simd::Vec<T>::kCount;
        // Where stores go past the caches, one line of them at a time is faster.
        if (!is_past && phases == 1 && t.count == 3 && row + 1 < stop &&
            window_of(row + 1, line, below) == 3 && lies_below(window, below)) {
          made = 2;
          window[3] = below[2];
          if (t.next != nullptr) t.next += t.next_below;
          lines_of_three<T, 3, 2>(t, line.count, edges, done, out);
        } else if (t.count == 3) {
          lines_of_three<T, 3, 1>(t, line.count, edges, done, out);
        } else if (t.count == 2) {
          lines_of_three<T, 2, 1>(t, line.count, edges, done, out);
        } else {
          lines_of_three<T, 1, 1>(t, line.count, edges, done, out);
        }
      }
      if (done == channels) continue;
      line_of_results(t, line, size, done, channels, out);
      if (made == 1) continue;
      t.rows = below;
      line_of_results(t, line, size, done, channels, out + t.below);
    }
    return made;
  }
};

}  // namespace pyneuro::depthwise
