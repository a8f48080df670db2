// Sorting along an axis: each element becomes an unsigned number in the order wanted, with its
// position below it, so that plain comparisons sort stably. x is dense: [outer][n][inner].
#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace pyneuro {
namespace {

/// Key and position of an element that is computed in 4 bytes, in one number.
struct Short {
  using Bits = uint32_t;
  uint64_t both;
  Short() = default;
  Short(Bits key, int64_t at) : both(uint64_t{key} << 32 | static_cast<uint64_t>(at)) {}
  int64_t at() const { return static_cast<int64_t>(both & 0xffffffff); }
  bool operator<(const Short& other) const { return both < other.both; }
};

/// The same for 8 bytes.
struct Long {
  using Bits = uint64_t;
  Bits key;
  int64_t position;
  Long() = default;
  Long(Bits key, int64_t at) : key(key), position(at) {}
  int64_t at() const { return position; }
  bool operator<(const Long& other) const {
    return key != other.key ? key < other.key : position < other.position;
  }
};

/// An unsigned number that compares as x does; NaN is the largest, the zeros are equal.
template <class Bits, class T> Bits ordered(T x) {
  constexpr Bits kTop = Bits(1) << (8 * sizeof(Bits) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return ~Bits(0);
    if (x == 0) x = 0;
    Bits bits;
    std::memcpy(&bits, &x, sizeof bits);
    return (bits & kTop) != 0 ? ~bits : bits | kTop;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Bits>(x) ^ kTop;
  } else {
    return x;
  }
}

/// Where the lines of an array along an axis lie.
struct Lines {
  int64_t outer = 1, n = 1, inner = 1;
  Lines(const Shape& shape, int64_t axis) {
    const int along = static_cast<int>(axis < 0 ? axis + shape.size() : axis);
    for (int i = 0; i < shape.size(); ++i) (i < along ? outer : i == along ? n : inner) *= shape[i];
  }
  int64_t count() const { return outer * inner; }
  /// Element 0 of a line.
  int64_t first(int64_t line) const { return line / inner * n * inner + line % inner; }
};

constexpr int64_t kPiece = 512;

template <class T, class Key>
void read_keys(const View& x, const Lines& lines, int64_t line, DType computed, bool descending,
               Key* keys) {
  const int size = static_cast<int>(size_of(x.dtype));
  const Converter convert = converter(x.dtype, computed);
  alignas(8) char raw[kPiece * 8];
  T values[kPiece];
  char* from = x.as<char>() + lines.first(line) * size;
  for (int64_t at = 0; at < lines.n; at += kPiece) {
    const int64_t m = smaller(kPiece, lines.n - at);
    copy_block(size, {raw, 0, 1}, {from + at * lines.inner * size, 0, lines.inner}, 1, m);
    convert(values, raw, m);
    for (int64_t i = 0; i < m; ++i) {
      const auto key = ordered<typename Key::Bits>(values[i]);
      keys[at + i] = Key(descending ? ~key : key, at + i);
    }
  }
}

template <class T, class Key>
void sort_lines(const Sort& op, Context& ctx, const View& x, const View& values,
                const View& positions, DType computed) {
  const Lines from(x.shape, op.axis), to(values.shape, op.axis);
  const int64_t k = to.n, per_task = larger(1, kSlice / (8 * larger(1, from.n)));
  const auto size = static_cast<int64_t>(size_of(x.dtype));
  auto* all = static_cast<Key*>(ctx.scratch());
  ctx.parallel_for(ceil_div(from.count(), per_task), [&](int64_t task) {
    for (int64_t l = task * per_task; l < smaller(from.count(), (task + 1) * per_task); ++l) {
      Key* keys = all + l * from.n;
      read_keys<T>(x, from, l, computed, op.descending, keys);
      // No two keys are equal, so every way of sorting gives the same.
      if (k < from.n) std::nth_element(keys, keys + (k - 1), keys + from.n);
      std::sort(keys, keys + k);
      const int64_t first = from.first(l), out = to.first(l);
      for (int64_t i = 0; i < k; ++i) {
        const int64_t at = keys[i].at(), place = out + i * to.inner;
        positions.as<int32_t>()[place] = static_cast<int32_t>(at);
        std::memcpy(values.as<char>() + place * size,
                    x.as<const char>() + (first + at * from.inner) * size,
                    static_cast<size_t>(size));
      }
    }
  });
}

DType computed_in(DType d) {
  return d == DType::UInt64 ? d : d == DType::UInt32 ? DType::Int64 : compute_dtype(d);
}

void sort(const Sort& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  const DType d = computed_in(in[0].dtype);
  switch (d) {
    case DType::Int32: return sort_lines<int32_t, Short>(op, ctx, in[0], out[0], out[1], d);
    case DType::Float32: return sort_lines<float, Short>(op, ctx, in[0], out[0], out[1], d);
    case DType::Int64: return sort_lines<int64_t, Long>(op, ctx, in[0], out[0], out[1], d);
    case DType::UInt64: return sort_lines<uint64_t, Long>(op, ctx, in[0], out[0], out[1], d);
    default: return sort_lines<double, Long>(op, ctx, in[0], out[0], out[1], d);
  }
}
size_t sort_scratch(const Sort&, In in, Out) noexcept {
  const size_t key = size_of(computed_in(in[0].dtype)) == 4 ? sizeof(Short) : sizeof(Long);
  return static_cast<size_t>(in[0].size()) * key;
}

}  // namespace

Kernel kernel(Tag<Sort>) { return make_kernel<Sort, &sort, &sort_scratch>(); }

}  // namespace pyneuro
