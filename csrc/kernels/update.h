// What the writes to state share: variables follow one another as one long list of elements, which
// is cut into slices (a task may end within one variable and begin within another), and what an
// optimizer step does on the way beside its rule. No rule is here.
#pragma once

#include <cstring>

#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

using simd::Vec;

inline constexpr int64_t kTaskElements = kSlice;

inline int64_t total_of(const View* tensors, int64_t count) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += tensors[i].size();
  return total;
}

inline size_t ends_bytes(int64_t variables) {
  return static_cast<size_t>(variables) * sizeof(int64_t);
}
/// More than any number that for_slices gives a piece.
inline int64_t most_pieces(const View* variables, int64_t count) {
  return ceil_div(total_of(variables, count), kTaskElements) + count;
}

/// Calls f(variable, first element, elements, piece) on what falls into each slice of the list.
/// Each call has a number `piece` of its own, which rises along the list. `ends` is scratch for one
/// number per variable.
template <class F> void for_slices(Context& ctx, const View* variables, int64_t count, F&& f) {
  auto* ends = static_cast<int64_t*>(ctx.scratch());
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) ends[i] = total += variables[i].size();
  ctx.parallel_for(ceil_div(total, kTaskElements), [&](int64_t task) {
    int64_t at = task * kTaskElements;
    const int64_t end = smaller(total, at + kTaskElements);
    int64_t low = 0, high = count - 1;  // the first variable that ends after `at`
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (ends[middle] > at)
        high = middle;
      else
        low = middle + 1;
    }
    for (int64_t i = low; at < end; ++i) {
      const int64_t stop = smaller(end, ends[i]), begin = i == 0 ? 0 : ends[i - 1];
      if (stop > at) f(i, at - begin, stop - at, task + i);
      at = larger(at, stop);
    }
  });
}

/// Whether a conditional op, whose last input says so, leaves everything as it is.
inline bool left_out(bool conditional, In in) {
  return conditional && !*in[in.count - 1].as<bool>();
}

// ---- optimizer steps ----------------------------------------------------------------------------

/// A number given as an array of one, of any real dtype.
inline double number(const View& v) {
  double x;
  converter(v.dtype, DType::Float64)(&x, v.data, 1);
  return x;
}

inline constexpr int kMaxGroups = 5;  // of one dtype, beside the copies
inline constexpr int64_t kPiece =
    1024;  // elements that are worked on at a time, in the nearest cache
inline constexpr size_t kPieceAlign = 64;

/// The tensors of a step, `groups` runs of n, and what is done on the way to it.
struct Work {
  const View* tensors;
  int64_t n;
  int groups;    // without the copies
  bool copies;   // of the variables, in 16 bits: the last run
  double scale;  // of gradients
  double decay;  // the share that is taken off the variables

  const View& at(int group, int64_t i) const { return tensors[group * n + i]; }
};

template <class Op> Work work_of(const Op& op, In in) {
  constexpr int head = Op::kHead;
  const int groups = op.groups();
  return {in.views + head, (in.count - head) / groups, groups - op.copies,
          op.copies,       number(in[head - 1]),       number(in[0]) * op.weight_decay};
}

/// Where a copy is not its variable rounded, someone has written to it: the variable follows.
inline void follow_copy(float* p, const View& copy, const void* rounded, int64_t n) {
  uint16_t own[kPiece];
  converter(DType::Float32, copy.dtype)(own, p, n);
  if (std::memcmp(own, rounded, static_cast<size_t>(n) * sizeof(uint16_t)) == 0) return;
  alignas(kPieceAlign) float given[kPiece];
  converter(copy.dtype, DType::Float32)(given, rounded, n);
  const auto* bits = static_cast<const uint16_t*>(rounded);
  for (int64_t i = 0; i < n; ++i)
    if (bits[i] != own[i]) p[i] = given[i];
}

inline char* place(const View& v, int64_t first) {
  return v.as<char>() + first * static_cast<int64_t>(size_of(v.dtype));
}

/// Brings up to kPiece elements of each of variable i's tensors to `step` as T, and those that it
/// writes back. What is T already is worked on in place; 16-bit floats pass through buffers. Group
/// 1, the gradient, is read only.
template <class T, class Step>
void in_pieces(const Work& work, int64_t i, int64_t first, int64_t n, Step&& step) {
  alignas(kPieceAlign) T pieces[kMaxGroups][kPiece];
  T* data[kMaxGroups];
  for (; n > 0; first += kPiece, n -= kPiece) {
    const int64_t m = smaller(kPiece, n);
    for (int g = 0; g < work.groups; ++g) {
      const View& tensor = work.at(g, i);
      const bool in_place = size_of(tensor.dtype) == sizeof(T);
      data[g] = in_place ? tensor.as<T>() + first : pieces[g];
      if (!in_place) converter(tensor.dtype, DType::Float32)(pieces[g], place(tensor, first), m);
    }
    char* copy = nullptr;
    if constexpr (std::is_same_v<T, float>) {
      if (work.copies) {
        copy = place(work.at(work.groups, i), first);
        follow_copy(data[0], work.at(work.groups, i), copy, m);
      }
    }
    if (work.decay != 0) {
      T* p = data[0];
      const Vec<T> share(static_cast<T>(work.decay));
      for_vectors<T>(m, [&](int64_t k, int lanes) __attribute__((always_inline)) {
        const Vec<T> x = load_some(p + k, lanes);
        store_some(p + k, x - share * x, lanes);
      });
    }
    if (work.scale != 1) {
      const T* g = data[1];
      const Vec<T> scale(static_cast<T>(work.scale));
      for_vectors<T>(m, [&](int64_t k, int lanes) __attribute__((always_inline)) {
        store_some(pieces[1] + k, load_some(g + k, lanes) * scale, lanes);
      });
      data[1] = pieces[1];
    }
    step(data, m);
    for (int g = 0; g < work.groups; ++g) {
      const View& tensor = work.at(g, i);
      if (g != 1 && data[g] == pieces[g])
        converter(DType::Float32, tensor.dtype)(place(tensor, first), pieces[g], m);
    }
    if (copy != nullptr) converter(DType::Float32, work.at(work.groups, i).dtype)(copy, data[0], m);
  }
}

/// Calls f(T, variable, first, elements, piece) on all slices; T is a null pointer to what the
/// variable is computed in.
template <class F> void for_work(Context& ctx, const Work& work, F&& f) {
  for_slices(ctx, work.tensors, work.n,
             [&](int64_t i, int64_t first, int64_t elements, int64_t piece) {
               if (work.at(0, i).dtype == DType::Float64)
                 f(static_cast<double*>(nullptr), i, first, elements, piece);
               else
                 f(static_cast<float*>(nullptr), i, first, elements, piece);
             });
}

template <class Op> size_t update_scratch(const Op& op, In in, Out) noexcept {
  return ends_bytes((in.count - Op::kHead) / op.groups());
}

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
