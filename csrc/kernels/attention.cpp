// Attention by blocks: the logits of some queries with some keys are made, turned into shares and
// used up in the first-level cache; what has been summed is scaled down whenever a greater logit
// comes (Milakov and Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022, arXiv 2205.14135).
//
// A task has a block of one head's queries and walks its keys in order. Keys and values lie packed
// in panels, which the tasks of all heads that share them read.
#include <limits>

#include "kernels/attention.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Operands as the arithmetic wants them.
template <class T> struct Packed {
  T *keys, *values;    // of each key head: key^T [size, keys] times the scale, value [keys, size]
  T *query, *results;  // where the dtype is another: the query, and y before it is narrowed
  size_t bytes;

  Packed(const AttentionShape& s, void* scratch) {
    Pieces pieces(scratch);
    const int64_t heads = s.batch * s.key_heads;
    const bool narrow = s.dtype != compute_dtype(s.dtype);
    keys = pieces.take<T>(heads * panels_size<T>(s.size, s.keys));
    values = pieces.take<T>(heads * panels_size<T>(s.keys, s.value_size));
    query = pieces.take<T>(narrow ? s.batch * s.queries * s.query_row() : 0);
    results = pieces.take<T>(narrow ? s.batch * s.queries * s.result_row() : 0);
    bytes = pieces.bytes();
  }
};

/// Packs a block of keys and values; `unit` counts blocks, then key heads.
template <class T>
void pack_unit(const AttentionShape& s, const Packed<T>& to, In in, T scale, int64_t unit) {
  const int64_t blocks = s.key_blocks(), head = unit / blocks;
  const int64_t begin = unit % blocks * kBlockKeys, end = smaller(s.keys, begin + kBlockKeys);
  const int64_t n = head / s.key_heads, h = head % s.key_heads;
  const auto bytes = static_cast<int64_t>(size_of(s.dtype));
  const char* key = in[1].as<const char>() + (n * s.keys * s.key_row() + h * s.size) * bytes;
  const char* value =
      in[2].as<const char>() + (n * s.keys * s.value_row() + h * s.value_size) * bytes;
  pack_panels_transposed(to.keys + head * panels_size<T>(s.size, s.keys), s.dtype, key, s.key_row(),
                         s.size, begin, end, scale);
  pack_panels(to.values + head * panels_size<T>(s.keys, s.value_size), s.dtype, value,
              s.value_row(), s.keys, s.value_size, begin, end);
}

/// What has been seen of a row's keys: the greatest logit and the sum of exp(logit - greatest).
template <class T> struct RowSums { T most[kBlockQueries], total[kBlockQueries]; };

/// The greatest lane, or NaN, in every lane; hmax would branch, and be mispredicted, at each row.
template <class T> Vec<T> greatest_lane(Vec<T> v) {
  const auto fold = [&v]<int h, int... i>(std::integral_constant<int, h>,
                                          std::integer_sequence<int, i...>) {
    v = maximum(v, Vec<T>(__builtin_shufflevector(v.raw, v.raw, (i ^ h)...)));
  };
  constexpr auto lanes = std::make_integer_sequence<int, Vec<T>::kCount>{};
  if constexpr (Vec<T>::kCount > 8) fold(std::integral_constant<int, 8>{}, lanes);
  if constexpr (Vec<T>::kCount > 4) fold(std::integral_constant<int, 4>{}, lanes);
  if constexpr (Vec<T>::kCount > 2) fold(std::integral_constant<int, 2>{}, lanes);
  fold(std::integral_constant<int, 1>{}, lanes);
  return v;
}

/// Turns a stretch of row r's logits into shares, not yet divided by their sum; `y` is what the
/// shares before have added up to, or null.
template <class T> void add_shares(RowSums<T>& sums, int64_t r, T* x, int64_t n, T* y, int64_t m) {
  using V = Vec<T>;
  V most(sums.most[r]);
  for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    const V v = load_some(x + i, lanes);
    most = maximum(most, lanes == V::kCount ? v : select(simd::first_n<T>(lanes), v, most));
  });
  const T greatest = greatest_lane(most)[0];
  const V shift(greatest == T(-kInf) ? T(0) : greatest);  // only -Inf so far: their shares are 0
  const T sum = sum_vectors<T, 2>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    const V share = exp_flushed(load_some(x + i, lanes) - shift);
    store_some(x + i, share, lanes);
    return share;
  });
  if (y != nullptr && greatest != sums.most[r]) {
    const V factor = exp_flushed(V(sums.most[r]) - shift);
    sums.total[r] *= factor[0];
    for_vectors<T>(m, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(y + i, load_some(y + i, lanes) * factor, lanes);
    });
  }
  sums.most[r] = greatest;
  sums.total[r] += sum;
}

template <class T> struct Operands {
  const T* query;
  T* y;
  double* stats;
};

/// A block of one head's queries.
template <class T>
void attend(const AttentionShape& s, const Packed<T>& packed, const Operands<T>& x,
            const Logits<T>& rule, int64_t n, int64_t h, int64_t first) {
  alignas(64) T logits[kBlockQueries * kBlockKeys];
  RowSums<T> sums;
  const int64_t rows = smaller(kBlockQueries, s.queries - first), m = s.value_size;
  for (int64_t r = 0; r < rows; ++r) sums.most[r] = T(-kInf), sums.total[r] = T(0);
  const int64_t at = n * s.queries + first, head = n * s.key_heads + h / s.groups();
  const LeftRows<T> query{x.query + at * s.query_row() + h * s.size, s.query_row(), 1};
  const T* keys = packed.keys + head * panels_size<T>(s.size, s.keys);
  const T* values = packed.values + head * panels_size<T>(s.keys, m);
  T* y = x.y + at * s.result_row() + h * m;
  // Of later keys, causal rows have nothing unless they may attend to no key at all.
  int64_t end = s.causal ? s.keys_before<T>(first + rows) : s.keys;
  for (int64_t key = 0, count; key < end; key += count) {
    count = smaller(kBlockKeys, end - key);
    multiply_block(query, rows, s.size, keys + key * s.size, kPanel<T> * s.size, logits, kBlockKeys,
                   count, false);
    for (int64_t r = 0; r < rows; ++r) {
      rule.finish({n, h, first + r, key, count}, logits + r * kBlockKeys);
      add_shares(sums, r, logits + r * kBlockKeys, count,
                 key == 0 ? nullptr : y + r * s.result_row(), m);
    }
    multiply_block(LeftRows<T>{logits, kBlockKeys, 1}, rows, count, values + key * kPanel<T>,
                   kPanel<T> * s.keys, y, s.result_row(), m, key > 0);
    if (key + count == end && end < s.keys)
      for (int64_t r = 0; r < rows; ++r)
        if (!(sums.most[r] > T(kMaskedLogit))) end = s.keys;
  }
  for (int64_t r = 0; r < rows; ++r) {
    T* row = y + r * s.result_row();
    const Vec<T> factor = Vec<T>(T(1)) / Vec<T>(sums.total[r]);
    for_vectors<T>(m, [&](int64_t i, int lanes) {
      store_some(row + i, s.keys == 0 ? Vec<T>(T(0)) : load_some(row + i, lanes) * factor, lanes);
    });
    double* stats = x.stats + ((n * s.heads + h) * s.queries + first + r) * 2;
    stats[0] = sums.most[r], stats[1] = sums.total[r];
  }
}

template <class T>
void run_typed(const Attention& op, Context& ctx, const AttentionShape& s, In in, Out out) {
  const Packed<T> packed(s, ctx.scratch());
  const Logits<T> rule(op.causal, in, 3);
  const int64_t blocks = s.query_blocks(), width = s.size + s.value_size;
  for_units(ctx, s.batch * s.key_heads * s.key_blocks(),
            kCopyWork * smaller(s.keys, kBlockKeys) * width,
            [&](int64_t unit) { pack_unit(s, packed, in, static_cast<T>(op.scale), unit); });
  Operands<T> x{in[0].as<const T>(), out[0].as<T>(), out[1].as<double>()};
  const bool narrow = s.dtype != compute_dtype(s.dtype);
  if (narrow) {
    const int64_t size = in[0].size();
    const Converter widen = converter(s.dtype, compute_dtype(s.dtype));
    ctx.parallel_for(ceil_div(size, kSlice), [&](int64_t task) {
      const int64_t at = task * kSlice;
      widen(packed.query + at, in[0].as<const char>() + at * static_cast<int64_t>(size_of(s.dtype)),
            smaller(kSlice, size - at));
    });
    x.query = packed.query, x.y = packed.results;
  }
  for_units(ctx, s.batch * s.heads * blocks, s.block_work(), [&](int64_t unit) {
    const int64_t n = unit / blocks / s.heads, h = unit / blocks % s.heads;
    const int64_t first = unit % blocks * kBlockQueries;
    attend(s, packed, x, rule, n, h, first);
    if (narrow)
      narrow_rows(s.dtype, x.y, out[0].data,
                  (n * s.queries + first) * s.result_row() + h * s.value_size, s.result_row(),
                  smaller(kBlockQueries, s.queries - first), s.value_size);
  });
}

AttentionShape shape_of(const Attention& op, In in) { return {in[0], in[1], in[2], op.causal}; }

size_t scratch(const Attention& op, In in, Out) noexcept {
  const AttentionShape s = shape_of(op, in);
  return s.dtype == DType::Float64 ? Packed<double>(s, nullptr).bytes
                                   : Packed<float>(s, nullptr).bytes;
}

void run(const Attention& op, Context& ctx, In in, Out out) noexcept {
  const AttentionShape s = shape_of(op, in);
  if (s.batch * s.heads * s.queries == 0) return;
  if (s.dtype == DType::Float64)
    run_typed<double>(op, ctx, s, in, out);
  else
    run_typed<float>(op, ctx, s, in, out);
}

}  // namespace

Kernel kernel(Tag<Attention>) { return make_kernel<Attention, &run, &scratch>(); }

}  // namespace pyneuro
