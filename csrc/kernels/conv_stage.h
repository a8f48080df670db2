// The source of a convolution as its kernels read it: in place where it can be, otherwise copied
// with its padding, in the arithmetic's type, some images at a time.
#pragma once

#include "kernels/conv.h"
#include "kernels/gemm_pack.h"
#include "kernels/tile.h"

namespace pyneuro {

/// Bytes that copies may take at a time: they stay in a last-level cache.
inline constexpr int64_t kStageBytes = int64_t{8} << 20;

/// An image as [size..., channels], read from position `first` of the source on.
struct ConvStage {
  bool copied;
  int64_t channels;
  int64_t source[3], first[3], size[3];
  int64_t stride[3], image;  // elements from position to position, from image to image
  int64_t origin;            // element of an image at which position 0 lies
};

/// A stage that holds all that three lines read; `lowest` and `highest` are source positions.
inline ConvStage make_stage(const int64_t (&source)[3], const int64_t (&lowest)[3],
                            const int64_t (&highest)[3], int64_t channels, DType dtype) {
  ConvStage s{};
  s.channels = channels;
  s.copied = dtype != compute_dtype(dtype);
  for (int d = 0; d < 3; ++d) {
    s.source[d] = source[d];
    s.copied = s.copied || lowest[d] < 0 || highest[d] >= source[d];
  }
  for (int d = 0; d < 3; ++d) {
    s.first[d] = lowest[d];
    s.size[d] = s.copied ? highest[d] - lowest[d] + 1 : source[d];
  }
  s.stride[2] = channels;
  s.stride[1] = s.stride[2] * s.size[2];
  s.stride[0] = s.stride[1] * s.size[1];
  s.image = s.stride[0] * s.size[0];
  if (!s.copied)
    for (int d = 0; d < 3; ++d) s.origin += s.first[d] * s.stride[d];
  return s;
}

/// Copies `images` images, zeros where the source ends. `from` is the first image.
template <class T>
void fill_stage(Context& ctx, const ConvStage& s, DType dtype, const void* from, int64_t images,
                T* to) {
  const int64_t rows = images * s.size[0] * s.size[1];
  const int64_t per_task = larger(1, kSlice / larger(1, s.stride[1]));
  const int64_t before = larger(0, -s.first[2]);  // positions of zeros on the left
  const int64_t begin = larger(0, s.first[2]);
  const int64_t kept = larger(0, smaller(s.source[2] - begin, s.size[2] - before));
  with_storage<T>(dtype, [&](auto tag) {
    const auto* source = static_cast<decltype(tag)>(from);
    ctx.parallel_for(ceil_div(rows, per_task), [&](int64_t task) {
      const auto zero = [](T* p, int64_t n) {
        for (int64_t i = 0; i < n; ++i) p[i] = T(0);
      };
      for (int64_t r = task * per_task; r < smaller(rows, (task + 1) * per_task); ++r) {
        const int64_t image = r / (s.size[0] * s.size[1]);
        const int64_t d0 = r / s.size[1] % s.size[0] + s.first[0], d1 = r % s.size[1] + s.first[1];
        T* line = to + r * s.stride[1];
        if (d0 < 0 || d0 >= s.source[0] || d1 < 0 || d1 >= s.source[1] || kept == 0) {
          zero(line, s.stride[1]);
          continue;
        }
        const int64_t at = ((image * s.source[0] + d0) * s.source[1] + d1) * s.source[2] + begin;
        const int64_t n = kept * s.channels, left = before * s.channels;
        zero(line, left);
        pack_rows(line + left, 0, source + at * s.channels, 0, 1, n, n);
        zero(line + left + n, s.stride[1] - left - n);
      }
    });
  });
}

/// Bytes of a copy, 64-byte aligned.
template <class T> size_t aligned_bytes(int64_t elements) {
  return (static_cast<size_t>(elements) * sizeof(T) + 63) / 64 * 64;
}

}  // namespace pyneuro
