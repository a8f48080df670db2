// The gradient of attention by blocks. The shares p of some queries and keys are made again from
// the greatest logit and the sum of each row (Dao et al. 2022, arXiv 2205.14135), then
//
//   dvalue = p^T g    dp = g value^T    dl = p (dp - sum_j g y)    dquery = dl key   dkey = dl^T
//   query
//
// A task has some keys of one key head, whose dkey and dvalue are its own, and walks all queries of
// the heads that share it. Where key heads are few their keys are split among tasks; each has a
// dquery of its own, and they are added up in order.
#include "kernels/attention.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

constexpr int64_t kMostTasks = 16;  // that keys are split for

/// Sizes, and operands as the arithmetic wants them.
template <class T> struct Packed {
  int64_t split_keys, splits;   // keys to a task
  bool narrow;                  // the dtype is another than T
  T *key_columns, *key_panels;  // panels for each key head: key^T times the scale, key
  T* value_columns;             // value^T
  T *query_panels, *g_panels;   // for each head: query, g
  T *scales, *means;            // for each row of each head: 1 / sum, and sum_j g y
  T *query, *g;                 // converted, lying as they came
  T *dquery, *dkey, *dvalue;    // before they are added up or narrowed
  size_t bytes;

  Packed(const AttentionShape& s, void* scratch) {
    const int64_t key_heads = s.batch * s.key_heads, heads = s.batch * s.heads;
    splits = larger(1, smaller(s.key_blocks(), kMostTasks / larger(1, key_heads)));
    split_keys = ceil_div(s.key_blocks(), splits) * kBlockKeys;
    splits = larger(1, ceil_div(s.keys, larger(1, split_keys)));
    narrow = s.dtype != compute_dtype(s.dtype);
    const int64_t query_size = s.batch * s.queries * s.query_row();
    Pieces pieces(scratch);
    key_columns = pieces.take<T>(key_heads * panels_size<T>(s.size, s.keys));
    key_panels = pieces.take<T>(key_heads * panels_size<T>(s.keys, s.size));
    value_columns = pieces.take<T>(key_heads * panels_size<T>(s.value_size, s.keys));
    query_panels = pieces.take<T>(heads * panels_size<T>(s.queries, s.size));
    g_panels = pieces.take<T>(heads * panels_size<T>(s.queries, s.value_size));
    scales = pieces.take<T>(heads * s.queries);
    means = pieces.take<T>(heads * s.queries);
    query = pieces.take<T>(narrow ? query_size : 0);
    g = pieces.take<T>(narrow ? s.batch * s.queries * s.result_row() : 0);
    dquery = pieces.take<T>(narrow || splits > 1 ? splits * query_size : 0);
    dkey = pieces.take<T>(narrow ? s.batch * s.keys * s.key_row() : 0);
    dvalue = pieces.take<T>(narrow ? s.batch * s.keys * s.value_row() : 0);
    bytes = pieces.bytes();
  }
};

const char* element(const View& v, int64_t at) {
  return v.as<const char>() + at * static_cast<int64_t>(size_of(v.dtype));
}

/// Packs a block of keys and values; `unit` counts blocks, then key heads.
template <class T>
void pack_keys(const AttentionShape& s, const Packed<T>& to, In in, T scale, int64_t unit) {
  const int64_t blocks = s.key_blocks(), head = unit / blocks;
  const int64_t begin = unit % blocks * kBlockKeys, end = smaller(s.keys, begin + kBlockKeys);
  const int64_t n = head / s.key_heads, h = head % s.key_heads;
  const char* key = element(in[1], n * s.keys * s.key_row() + h * s.size);
  const char* value = element(in[2], n * s.keys * s.value_row() + h * s.value_size);
  pack_panels_transposed(to.key_columns + head * panels_size<T>(s.size, s.keys), s.dtype, key,
                         s.key_row(), s.size, begin, end, scale);
  pack_panels_transposed(to.value_columns + head * panels_size<T>(s.value_size, s.keys), s.dtype,
                         value, s.value_row(), s.value_size, begin, end, T(1));
  pack_panels(to.key_panels + head * panels_size<T>(s.keys, s.size), s.dtype, key, s.key_row(),
              s.keys, s.size, begin, end);
}

/// Packs a block of queries and their g, and what each row needs; `unit` counts blocks, then heads.
template <class T>
void pack_queries(const AttentionShape& s, const Packed<T>& to, In in, int64_t unit) {
  const int64_t blocks = s.query_blocks(), head = unit / blocks, m = s.value_size;
  const int64_t begin = unit % blocks * kBlockQueries;
  const int64_t end = smaller(s.queries, begin + kBlockQueries);
  const int64_t n = head / s.heads, h = head % s.heads;
  const int64_t first = n * s.queries * s.query_row() + h * s.size;
  const int64_t result = n * s.queries * s.result_row() + h * m;
  pack_panels(to.query_panels + head * panels_size<T>(s.queries, s.size), s.dtype,
              element(in[0], first), s.query_row(), s.queries, s.size, begin, end);
  pack_panels(to.g_panels + head * panels_size<T>(s.queries, m), s.dtype, element(in[5], result),
              s.result_row(), s.queries, m, begin, end);
  with_storage<T>(s.dtype, [&](auto tag) {
    for (int64_t r = begin; r < end; ++r) {
      const auto* y = static_cast<decltype(tag)>(in[3].data) + result + r * s.result_row();
      const auto* g = static_cast<decltype(tag)>(in[5].data) + result + r * s.result_row();
      const auto* q = static_cast<decltype(tag)>(in[0].data) + first + r * s.query_row();
      const int64_t row = head * s.queries + r;
      to.scales[row] = T(1) / static_cast<T>(in[4].as<const double>()[2 * row + 1]);
      to.means[row] = sum_vectors<T, 1>(m, [&](int64_t i, int lanes) {
        if (lanes == Vec<T>::kCount) return load_compute<T>(y + i) * load_compute<T>(g + i);
        return load_compute<T>(y + i, lanes) * load_compute<T>(g + i, lanes);
      });
      if (!to.narrow) continue;
      pack_rows(to.query + first + r * s.query_row(), 0, q, 0, 1, s.size, s.size);
      pack_rows(to.g + result + r * s.result_row(), 0, g, 0, 1, m, m);
    }
  });
}

/// All that a task reads and writes. dquery is the task's own where keys are split.
template <class T> struct Task {
  const AttentionShape& s;
  const Packed<T>& packed;
  const Logits<T>& rule;
  const T *query, *g;
  const double* stats;
  T *dquery, *dkey, *dvalue;
  T scale;
};

/// Whether a mask leaves one of the rows no key.
bool any_without_key(const double* stats, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r)
    if (!(stats[2 * r] > kMaskedLogit)) return true;
  return false;
}

template <class T> void zero_rows(T* to, int64_t row, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, to += row)
    for_vectors<T>(n, [&](int64_t i, int lanes) { store_some(to + i, Vec<T>(T(0)), lanes); });
}

/// A block of queries of head h with a block of keys. Adds to dkey and dvalue, and to dquery if
/// `add`.
template <class T>
void run_block(const Task<T>& t, int64_t n, int64_t h, int64_t first, int64_t key, bool add) {
  using V = Vec<T>;
  const AttentionShape& s = t.s;
  alignas(64) T shares[kBlockQueries * kBlockKeys], slopes[kBlockQueries * kBlockKeys];
  const int64_t rows = smaller(kBlockQueries, s.queries - first), m = s.value_size;
  const int64_t panel = kPanel<T>;
  int64_t count = smaller(kBlockKeys, s.keys - key);
  const int64_t head = n * s.heads + h, key_head = n * s.key_heads + h / s.groups();
  const int64_t row = head * s.queries + first;
  // Of later keys, causal rows have no shares unless they may attend to no key at all.
  if (s.causal && key + count > first + rows && !any_without_key(t.stats + 2 * row, rows))
    count = smaller(count, s.keys_before<T>(first + rows) - key);
  const int64_t at = n * s.queries + first;
  T* dquery = t.dquery + at * s.query_row() + h * s.size;
  if (count <= 0) {
    if (!add) zero_rows(dquery, s.query_row(), rows, s.size);
    return;
  }
  const LeftRows<T> query{t.query + at * s.query_row() + h * s.size, s.query_row(), 1};
  const LeftRows<T> g{t.g + at * s.result_row() + h * m, s.result_row(), 1};
  multiply_block(query, rows, s.size,
                 t.packed.key_columns + key_head * panels_size<T>(s.size, s.keys) + key * s.size,
                 panel * s.size, shares, kBlockKeys, count, false);
  multiply_block(g, rows, m,
                 t.packed.value_columns + key_head * panels_size<T>(m, s.keys) + key * m, panel * m,
                 slopes, kBlockKeys, count, false);
  for (int64_t r = 0; r < rows; ++r) {
    T *p = shares + r * kBlockKeys, *dl = slopes + r * kBlockKeys;
    const Stretch stretch{n, h, first + r, key, count};
    t.rule.finish(stretch, p);
    const T greatest = static_cast<T>(t.stats[2 * (row + r)]);
    const V most(greatest), total(t.packed.scales[row + r]), mean(t.packed.means[row + r]);
    const V scale(t.scale);
    for_vectors<T>(count, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V share = exp_flushed(load_some(p + i, lanes) - most) * total;
      store_some(p + i, share, lanes);
      store_some(dl + i, share * scale * (load_some(dl + i, lanes) - mean), lanes);
    });
    // Elsewhere a masked share is 0.
    if (!(greatest > T(kMaskedLogit))) t.rule.clear(stretch, dl);
  }
  const int64_t key_at = n * s.keys + key, kv = h / s.groups();
  multiply_block(LeftRows<T>{shares, 1, kBlockKeys}, count, rows,
                 t.packed.g_panels + head * panels_size<T>(s.queries, m) + first * panel,
                 panel * s.queries, t.dvalue + key_at * s.value_row() + kv * m, s.value_row(), m,
                 true);
  multiply_block(LeftRows<T>{slopes, 1, kBlockKeys}, count, rows,
                 t.packed.query_panels + head * panels_size<T>(s.queries, s.size) + first * panel,
                 panel * s.queries, t.dkey + key_at * s.key_row() + kv * s.size, s.key_row(),
                 s.size, true);
  multiply_block(LeftRows<T>{slopes, kBlockKeys, 1}, rows, count,
                 t.packed.key_panels + key_head * panels_size<T>(s.keys, s.size) + key * panel,
                 panel * s.keys, dquery, s.query_row(), s.size, add);
}

/// Keys [begin, end) of key head h of batch n.
template <class T>
void run_task(const Task<T>& t, int64_t n, int64_t h, int64_t begin, int64_t end) {
  const AttentionShape& s = t.s;
  const int64_t groups = s.groups(), at = n * s.keys + begin;
  zero_rows(t.dkey + at * s.key_row() + h * s.size, s.key_row(), end - begin, s.size);
  zero_rows(t.dvalue + at * s.value_row() + h * s.value_size, s.value_row(), end - begin,
            s.value_size);
  if (begin == end)  // no keys at all
    zero_rows(t.dquery + n * s.queries * s.query_row() + h * groups * s.size, s.query_row(),
              s.queries, groups * s.size);
  for (int64_t key = begin; key < end; key += kBlockKeys)
    for (int64_t head = h * groups; head < (h + 1) * groups; ++head)
      for (int64_t first = 0; first < s.queries; first += kBlockQueries)
        run_block(t, n, head, first, key, key > begin);
}

/// dquery from the parts of all splits.
template <class T> void add_parts(Context& ctx, const Packed<T>& packed, const View& dquery) {
  const int64_t size = dquery.size();
  const Converter convert = converter(compute_dtype(dquery.dtype), dquery.dtype);
  ctx.parallel_for(ceil_div(size, kSlice), [&](int64_t task) {
    const int64_t at = task * kSlice, n = smaller(kSlice, size - at);
    T* sum = packed.dquery + at;
    for (int64_t split = 1; split < packed.splits; ++split)
      for_vectors<T>(n, [&](int64_t i, int lanes) {
        store_some(sum + i, load_some(sum + i, lanes) + load_some(sum + split * size + i, lanes),
                   lanes);
      });
    convert(dquery.as<char>() + at * static_cast<int64_t>(size_of(dquery.dtype)), sum, n);
  });
}

template <class T>
void run_typed(const AttentionGrad& op, Context& ctx, const AttentionShape& s, In in, Out out) {
  const Packed<T> packed(s, ctx.scratch());
  const Logits<T> rule(op.causal, in, 6);
  const int64_t width = s.size + s.value_size, key_heads = s.batch * s.key_heads;
  const T scale = static_cast<T>(op.scale);
  // Where a task has all keys of a head, it packs that head's operands itself, and has them near.
  if (packed.splits > 1) {
    for_units(ctx, key_heads * s.key_blocks(), kCopyWork * smaller(s.keys, kBlockKeys) * width,
              [&](int64_t unit) { pack_keys(s, packed, in, scale, unit); });
    for_units(ctx, s.batch * s.heads * s.query_blocks(),
              kCopyWork * smaller(s.queries, kBlockQueries) * width,
              [&](int64_t unit) { pack_queries(s, packed, in, unit); });
  }
  Task<T> shared{s,
                 packed,
                 rule,
                 in[0].as<const T>(),
                 in[5].as<const T>(),
                 in[4].as<const double>(),
                 out[0].as<T>(),
                 out[1].as<T>(),
                 out[2].as<T>(),
                 scale};
  if (packed.narrow) {
    shared.query = packed.query, shared.g = packed.g;
    shared.dkey = packed.dkey, shared.dvalue = packed.dvalue;
  }
  const bool parts = packed.narrow || packed.splits > 1;
  const int64_t work = 3 * s.groups() * s.query_blocks() * s.block_work() / packed.splits;
  for_units(ctx, key_heads * packed.splits, work, [&](int64_t unit) {
    const int64_t n = unit / packed.splits / s.key_heads, h = unit / packed.splits % s.key_heads;
    const int64_t split = unit % packed.splits, begin = split * packed.split_keys;
    const int64_t end = smaller(s.keys, begin + packed.split_keys);
    if (packed.splits == 1) {
      for (int64_t i = 0; i < s.key_blocks(); ++i)
        pack_keys(s, packed, in, scale, unit * s.key_blocks() + i);
      for (int64_t i = 0; i < s.groups() * s.query_blocks(); ++i)
        pack_queries(s, packed, in, unit * s.groups() * s.query_blocks() + i);
    }
    Task<T> task = shared;
    if (parts) task.dquery = packed.dquery + split * out[0].size();
    run_task(task, n, h, begin, end);
    if (!packed.narrow) return;
    const int64_t at = n * s.keys + begin;
    narrow_rows(s.dtype, task.dkey, out[1].data, at * s.key_row() + h * s.size, s.key_row(),
                end - begin, s.size);
    narrow_rows(s.dtype, task.dvalue, out[2].data, at * s.value_row() + h * s.value_size,
                s.value_row(), end - begin, s.value_size);
  });
  if (parts) add_parts(ctx, packed, out[0]);
}

AttentionShape shape_of(const AttentionGrad& op, In in) { return {in[0], in[1], in[2], op.causal}; }

size_t scratch(const AttentionGrad& op, In in, Out) noexcept {
  const AttentionShape s = shape_of(op, in);
  return s.dtype == DType::Float64 ? Packed<double>(s, nullptr).bytes
                                   : Packed<float>(s, nullptr).bytes;
}

void run(const AttentionGrad& op, Context& ctx, In in, Out out) noexcept {
  const AttentionShape s = shape_of(op, in);
  if (s.dtype == DType::Float64)
    run_typed<double>(op, ctx, s, in, out);
  else
    run_typed<float>(op, ctx, s, in, out);
}

}  // namespace

Kernel kernel(Tag<AttentionGrad>) { return make_kernel<AttentionGrad, &run, &scratch>(); }

}  // namespace pyneuro
