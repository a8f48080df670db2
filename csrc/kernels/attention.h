// What attention and its gradient share: the sizes, panels of packed operands, the product of a
// block, and what becomes of a row of logits before softmax (bias, mask, causality).
//
// Heads are far apart in (N, length, heads, size), so whatever a micro-kernel reads as B is copied
// into panels first: [panel][rows][kPanel], zeros behind the last column.
#pragma once

#include "kernels/gemm_micro.h"
#include "kernels/gemm_pack.h"
#include "kernels/lines.h"

namespace pyneuro {
inline namespace PN_SIMD_ABI {

/// The logit where a mask is false, as in Keras: finite, so that a row without any key is the mean
/// of all values. Beside a greater one in its row, a masked logit has a share of exactly 0.
inline constexpr double kMaskedLogit = -1e30;

template <class T> inline constexpr int64_t kPanel = 2 * Vec<T>::kCount;
inline constexpr int64_t kBlockQueries = 48;  // in strips of 4, 6, 8 or 12 rows, as registers allow
inline constexpr int64_t kBlockKeys = 128;    // with 48 queries, 24 KiB of float32 logits
inline constexpr int64_t kPairWork = 1 << 18;  // multiply-adds worth a task
inline constexpr int64_t kCopyWork = 16;  // multiply-adds in the time that an element is copied

/// The sizes of one call, and how its loops are cut.
struct AttentionShape {
  DType dtype;
  int64_t batch, queries, heads, size, keys, key_heads, value_size;
  bool causal;

  AttentionShape(const View& query, const View& key, const View& value, bool is_causal)
      : dtype(query.dtype),
        batch(query.shape[0]),
        queries(query.shape[1]),
        heads(query.shape[2]),
        size(query.shape[3]),
        keys(key.shape[1]),
        key_heads(key.shape[2]),
        value_size(value.shape[3]),
        causal(is_causal) {}

  int64_t groups() const { return heads / key_heads; }
  int64_t query_blocks() const { return ceil_div(queries, kBlockQueries); }
  int64_t key_blocks() const { return ceil_div(keys, kBlockKeys); }
  /// Elements from one position to the next.
  int64_t query_row() const { return heads * size; }
  int64_t result_row() const { return heads * value_size; }
  int64_t key_row() const { return key_heads * size; }
  int64_t value_row() const { return key_heads * value_size; }
  /// The keys before the end of the panel that `position` falls into.
  template <class T> int64_t keys_before(int64_t position) const {
    return smaller(keys, ceil_div(position, kPanel<T>) * kPanel<T>);
  }
  /// Multiply-adds of a block of queries with all keys.
  int64_t block_work() const {
    return smaller(queries, kBlockQueries) * keys * (size + value_size + 8);
  }
};

/// Runs f(i) for i in [0, count), so many to a task that it has kPairWork to do.
template <class F> void for_units(Context& ctx, int64_t count, int64_t work_each, const F& f) {
  const int64_t per_task = larger(1, kPairWork / larger(1, work_each));
  ctx.parallel_for(ceil_div(count, per_task), [&](int64_t task) {
    for (int64_t i = task * per_task; i < smaller(count, (task + 1) * per_task); ++i) f(i);
  });
}

/// Hands out aligned pieces of scratch memory; from a null start it counts their bytes.
class Pieces {
 public:
  explicit Pieces(void* start) : start_(static_cast<char*>(start)) {}
  template <class T> T* take(int64_t elements) {
    T* piece = start_ == nullptr ? nullptr : reinterpret_cast<T*>(start_ + bytes_);
    bytes_ += (static_cast<size_t>(elements) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
  size_t bytes() const { return bytes_; }

 private:
  char* start_;
  size_t bytes_ = 0;
};

// ---- panels -------------------------------------------------------------------------------------

/// Elements of the panels of a matrix.
template <class T> int64_t panels_size(int64_t rows, int64_t cols) {
  return ceil_div(cols, kPanel<T>) * kPanel<T> * rows;
}

/// Rows [begin, end) of a matrix of `rows` rows into its panels. `from` is row 0, which lies in
/// `dtype`, `from_row` elements before the next.
template <class T>
void pack_panels(T* panels, DType dtype, const void* from, int64_t from_row, int64_t rows,
                 int64_t cols, int64_t begin, int64_t end) {
  with_storage<T>(dtype, [&](auto tag) {
    const auto* source = static_cast<decltype(tag)>(from) + begin * from_row;
    for (int64_t j = 0; j < cols; j += kPanel<T>)
      pack_rows(panels + j * rows + begin * kPanel<T>, kPanel<T>, source + j, from_row, end - begin,
                smaller(kPanel<T>, cols - j), kPanel<T>);
  });
}

/// Columns [begin, end) of a transposed matrix of `rows` rows, times `factor`; `from` is column 0,
/// which lies side by side. `begin` is a multiple of a panel.
template <class T>
void pack_panels_transposed(T* panels, DType dtype, const void* from, int64_t from_col,
                            int64_t rows, int64_t begin, int64_t end, T factor) {
  with_storage<T>(dtype, [&](auto tag) {
    const auto* source = static_cast<decltype(tag)>(from);
    for (int64_t j = begin; j < end; j += kPanel<T>) {
      T* to = panels + j * rows;
      const int64_t width = smaller(kPanel<T>, end - j);
      if (width <= Vec<T>::kCount)  // the second vector of each row is not written otherwise
        for (int64_t r = 0; r < rows; ++r)
          simd::store(to + r * kPanel<T> + Vec<T>::kCount, Vec<T>(T(0)));
      pack_transposed(to, kPanel<T>, source + j * from_col, from_col, rows, width);
      if (factor == T(1)) continue;
      for (int64_t i = 0; i < rows * kPanel<T>; i += Vec<T>::kCount)
        simd::store(to + i, simd::load(to + i) * Vec<T>(factor));
    }
  });
}

/// A left factor: how to step through its rows and along k.
template <class T> struct LeftRows {
  const T* data;
  int64_t row, k;
};

/// c[rows, cols] (+)= a[rows, k] b[k, cols]; b lies in panels, `panel` elements apart.
template <class T>
void multiply_block(const LeftRows<T>& a, int64_t rows, int64_t k, const T* b, int64_t panel, T* c,
                    int64_t c_row, int64_t cols, bool add) {
  MicroTile<T> tile{};
  tile.k = k;
  tile.a_row = a.row, tile.a_k = a.k;
  tile.b_k = kPanel<T>;
  tile.c_row = c_row;
  tile.add = add;
  const int64_t strips = ceil_div(rows, kMaxRows);
  for (int64_t j = 0; j < cols; j += kPanel<T>, b += panel) {
    tile.b = b;
    tile.cols = static_cast<int>(smaller(kPanel<T>, cols - j));
    for (int64_t i = 0, row = 0; i < strips; ++i) {
      const int64_t next = rows * (i + 1) / strips;
      tile.a = a.data + row * a.row;
      tile.c = c + row * c_row + j;
      micro_kernel<T>(static_cast<int>(next - row), tile.cols > Vec<T>::kCount ? 2 : 1)(tile);
      row = next;
    }
  }
}

/// Rows of n numbers from the arithmetic's type to the array's.
template <class T>
void narrow_rows(DType dtype, const T* from, void* to, int64_t at, int64_t row, int64_t rows,
                 int64_t n) {
  const Converter convert = converter(compute_dtype(dtype), dtype);
  const auto size = static_cast<int64_t>(size_of(dtype));
  for (int64_t r = 0; r < rows; ++r, at += row)
    convert(static_cast<char*>(to) + at * size, from + at, n);
}

// ---- a row of logits ----------------------------------------------------------------------------

/// A row of a bias or mask that broadcasts to (N, heads, queries, keys).
struct BroadcastRows {
  const View* view = nullptr;  // null: there is none
  int64_t step[4] = {};        // 0 where it has size 1

  BroadcastRows(In in, int input) {
    if (!in.has(input)) return;
    view = &in[input];
    int64_t pitch = 1;
    for (int d = 3, i = view->rank() - 1; d >= 0 && i >= 0; --d, --i) {
      step[d] = view->shape[i] == 1 ? 0 : pitch;
      pitch *= view->shape[i];
    }
  }
  int64_t at(int64_t n, int64_t head, int64_t query, int64_t key) const {
    return n * step[0] + head * step[1] + query * step[2] + key * step[3];
  }
  bool repeats() const { return step[3] == 0; }  // one number for all keys
};

/// Where a stretch of logits stands: those of one query with `count` keys from `key` on.
struct Stretch { int64_t batch, head, query, key, count; };

/// What becomes of logits before softmax. Out of line: inlined into the loop over rows of doubles,
/// GCC 12 breaks down on SSE2, which compares no 64-bit integers.
template <class T> class Logits {
 public:
  Logits(bool causal, In in, int bias) : causal_(causal), bias_(in, bias), mask_(in, bias + 1) {}

  bool masked() const { return mask_.view != nullptr; }

  /// Adds the bias and puts kMaskedLogit where the query may not attend.
  [[gnu::noinline]] void finish(const Stretch& s, T* logits) const {
    using V = Vec<T>;
    if (bias_.view != nullptr) add_bias(s, logits);
    if (!masked() && (!causal_ || s.query >= s.key + s.count - 1)) return;
    for_allowed(s, [&](int64_t i, int lanes, auto allowed) __attribute__((always_inline)) {
      const V x = load_some(logits + i, lanes);
      store_some(logits + i, select(allowed, x, V(T(kMaskedLogit))), lanes);
    });
  }

  /// Puts 0 where the query may not attend.
  [[gnu::noinline]] void clear(const Stretch& s, T* values) const {
    for_allowed(s, [&](int64_t i, int lanes, auto allowed) __attribute__((always_inline)) {
      store_some(values + i, select(allowed, load_some(values + i, lanes), Vec<T>(T(0))), lanes);
    });
  }

 private:
  void add_bias(const Stretch& s, T* logits) const {
    with_storage<T>(bias_.view->dtype, [&](auto tag) {
      const auto* bias =
          static_cast<decltype(tag)>(bias_.view->data) + bias_.at(s.batch, s.head, s.query, s.key);
      const Vec<T> same(load_compute<T>(bias, 1)[0]);
      const bool repeats = bias_.repeats();
      for_vectors<T>(s.count, [&](int64_t i, int lanes) __attribute__((always_inline)) {
        const Vec<T> b = repeats                   ? same
                         : lanes == Vec<T>::kCount ? load_compute<T>(bias + i)
                                                   : load_compute<T>(bias + i, lanes);
        store_some(logits + i, load_some(logits + i, lanes) + b, lanes);
      });
    });
  }

  /// f(i, lanes, mask): where the query may attend to keys i to i + lanes of the stretch.
  template <class F> [[gnu::always_inline]] void for_allowed(const Stretch& s, F&& f) const {
    // Keys up to `last` of the stretch; numbers this small are exact in T.
    const T last = causal_ ? static_cast<T>(larger(-1, smaller(s.query - s.key, s.count)))
                           : static_cast<T>(s.count);
    const uint8_t* mask = nullptr;
    if (masked())
      mask = mask_.view->template as<uint8_t>() + mask_.at(s.batch, s.head, s.query, s.key);
    const bool repeats = mask_.repeats();
    const Vec<T> lane = simd::iota<T>();
    for_vectors<T>(s.count, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      simd::Mask<T> allowed = lane + Vec<T>(static_cast<T>(i)) <= Vec<T>(last);
      if (mask != nullptr) {
        const Vec<T> flags = repeats                   ? Vec<T>(static_cast<T>(*mask))
                             : lanes == Vec<T>::kCount ? simd::load_as<T>(mask + i)
                                                       : simd::load_as<T>(mask + i, lanes);
        allowed = allowed & (flags != Vec<T>(T(0)));
      }
      f(i, lanes, allowed);
    });
  }

  bool causal_;
  BroadcastRows bias_, mask_;
};

}  // namespace PN_SIMD_ABI
}  // namespace pyneuro
