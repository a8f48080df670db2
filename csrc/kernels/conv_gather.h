// Where a convolution's results gather from: the positions of rows, the offsets of taps and
// channels within a row, and the stage that holds all of them. Knows of no arithmetic.
#pragma once

#include "kernels/conv_stage.h"

namespace pyneuro {

/// Result positions in order, as nested loops: where each gathers from and where it is written.
/// Loops that run as one are merged, so that the last is as long as can be.
struct Positions {
  int rank = 0;
  int64_t count[4], from[4], to[4];
  int64_t size = 1;

  void add(int64_t n, int64_t from_step, int64_t to_step) {  // from the last dimension on
    size *= n;
    if (n == 1) return;
    if (rank > 0 && from_step == count[rank - 1] * from[rank - 1] &&
        to_step == count[rank - 1] * to[rank - 1]) {
      count[rank - 1] *= n;
      return;
    }
    count[rank] = n, from[rank] = from_step, to[rank] = to_step;
    ++rank;
  }
  void finish() {
    if (rank == 0) rank = 1, count[0] = size, from[0] = to[0] = 0;
  }
  int64_t from_step() const { return from[0]; }
  int64_t to_step() const { return to[0]; }

  /// f(from, to, n) for the runs of equal steps that positions [begin, end) fall into.
  template <class F> void for_runs(int64_t begin, int64_t end, F f) const {
    if (begin >= end) return;
    int64_t index[4], rest = begin;
    for (int d = 0; d < rank; ++d) index[d] = rest % count[d], rest /= count[d];
    for (int64_t i = begin; i < end;) {
      int64_t a = 0, c = 0;
      for (int d = 0; d < rank; ++d) a += index[d] * from[d], c += index[d] * to[d];
      const int64_t n = smaller(count[0] - index[0], end - i);
      f(a, c, n);
      i += n, index[0] += n;
      for (int d = 0; d + 1 < rank && index[d] == count[d]; ++d) index[d] = 0, ++index[d + 1];
    }
  }
};

/// Of `images` images; `channels` is the result's.
inline Positions make_positions(const ConvLine (&line)[3], const ConvStage& stage,
                                const int64_t (&result)[3], int64_t channels, int64_t images) {
  Positions p;
  int64_t pitch = channels;
  for (int d = 2; d >= 0; --d) {
    p.add(line[d].count, line[d].step * stage.stride[d], line[d].stride * pitch);
    pitch *= result[d];
  }
  p.add(images, stage.image, pitch);
  p.finish();
  return p;
}

/// offset[k] for every tap and each of its `inner` channels.
inline void fill_offsets(const ConvLine (&line)[3], const ConvStage& stage, int64_t inner,
                         int64_t* to) {
  const auto reach = [&](int d, int64_t tap) {
    return (line[d].reach + tap * line[d].reach_step - stage.first[d]) * stage.stride[d];
  };
  for (int64_t t0 = 0; t0 < line[0].taps; ++t0)
    for (int64_t t1 = 0; t1 < line[1].taps; ++t1)
      for (int64_t t2 = 0; t2 < line[2].taps; ++t2) {
        const int64_t at = reach(0, t0) + reach(1, t1) + reach(2, t2) + stage.origin;
        for (int64_t c = 0; c < inner; ++c) *to++ = at + c;
      }
}

/// What the lines of all phases read of a source, as a stage.
inline ConvStage stage_of(const ConvProblem& p) {
  const bool backward = p.step == ConvStep::InputGrad;
  int64_t low[3], high[3];
  for (int d = 0; d < 3; ++d) {
    bool any = false;
    low[d] = high[d] = 0;
    for (int64_t phase = 0; phase < (backward ? p.stride[d] : 1); ++phase) {
      const ConvLine line = backward ? conv_backward_line(p, d, phase) : conv_forward_line(p, d);
      if (line.count == 0 || line.taps == 0) continue;
      const int64_t first = line.reach, last = line.reach + (line.taps - 1) * line.reach_step;
      const int64_t from = smaller(first, last),
                    to = larger(first, last) + (line.count - 1) * line.step;
      low[d] = any ? smaller(low[d], from) : from;
      high[d] = any ? larger(high[d], to) : to;
      any = true;
    }
  }
  return backward ? make_stage(p.out, low, high, p.filters, p.dtype)
                  : make_stage(p.in, low, high, p.channels, p.dtype);
}

}  // namespace pyneuro
