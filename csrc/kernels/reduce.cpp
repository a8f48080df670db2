// Reductions along any axes, and the cut of their work.
//
// Dimensions merge into groups that are kept or reduced in turn. If the last group is reduced, runs
// of neighbours fold into one number; if it is kept, rows of it fold into one row. Work falls into
// leaves, leaves into slices (a task each), and results of slices combine pairwise in a fixed
// order. All of that follows from shape and axes alone: bits depend neither on strides nor on
// threads.
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/reduction.h"
#include "kernels/tile.h"

namespace pyneuro {
namespace {

/// The loops of one reduction and dtype, without their types.
struct Arithmetic {
  DType dtype;  // of the lanes
  void (*leaf)(void*, const void*, int64_t) noexcept;
  void (*block)(void*, const void*, int64_t, int64_t, int64_t) noexcept;
  void (*combine)(void*, const void*, int64_t) noexcept;
  void (*fill_identity)(void*, int64_t) noexcept;
};

/// Some of the loops around the innermost ones, numbered as one.
struct Loops {
  int count = 0;
  int64_t size[kMaxRank], stride[kMaxRank], total = 1;

  void push(int64_t n, int64_t s) {
    size[count] = n;
    stride[count++] = s;
    total *= n;
  }
  int64_t offset(int64_t index) const {
    if (count == 1) return index * stride[0];
    int64_t at = 0;
    for (int i = count - 1; i >= 0; --i) {
      at += index % size[i] * stride[i];
      index /= size[i];
    }
    return at;
  }
};

constexpr int64_t kShort = 32;  // runs up to this long are reduced side by side, as columns
constexpr int64_t kTaskElements = 2 * kSlice;
constexpr int64_t kMaxStrip = 512;  // columns of one pass
constexpr int64_t kMinWidth = 64;   // narrower rows are taken several at a time

struct Plan {
  bool dense_first = false;          // groups do not merge, or runs lie badly: reduce a dense copy
  bool columns = false;              // rows fold into one row; otherwise runs fold into one number
  Loops kept, reduced;               // outside of what follows
  int64_t n = 1, n_stride = 0;       // the innermost reduced loop
  int64_t cols = 1, col_stride = 0;  // the columns, 1 for runs
  int64_t together = 1;              // rows that pass as one wide row
  int64_t leaf = 1, leaves_per_run = 1, leaves = 1, leaves_per_slice = 1, slices = 1;
  int64_t strip = 1, strips = 1;

  int64_t outputs() const { return kept.total * cols; }
  int64_t units() const { return kept.total * strips * slices; }
  int64_t unit_elements() const {
    return smaller(leaves, leaves_per_slice) * smaller(n, leaf) * strip;
  }
};

struct Group {
  bool reduced;
  int64_t size, stride;
};

/// Groups of x, outermost first; false where strides keep a group from being one loop.
bool make_groups(const Shape& shape, const Strides& strides, const bool* reduced, Group* groups,
                 int& count) {
  count = 0;
  bool uniform = true;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (count > 0 && groups[count - 1].reduced == reduced[i]) {
      Group& last = groups[count - 1];
      uniform &= last.stride == strides[i] * shape[i];
      last.size *= shape[i];
      last.stride = strides[i];
    } else {
      groups[count++] = {reduced[i], shape[i], strides[i]};
    }
  }
  return uniform;
}

void cut_runs(Plan& p) {
  p.leaf = kLeaf;
  p.leaves_per_run = ceil_div(p.n, kLeaf);
  p.leaves = p.reduced.total * p.leaves_per_run;
  p.leaves_per_slice = larger(1, kTaskElements / smaller(p.n, kLeaf));
  p.slices = ceil_div(p.leaves, p.leaves_per_slice);
}

void cut_columns(Plan& p, bool may_widen) {
  if (may_widen && p.cols < kMinWidth) p.together = smaller(p.n, ceil_div(kMinWidth, p.cols));
  p.leaf = kLeafRows * p.together;
  p.leaves_per_run = ceil_div(p.n, p.leaf);
  p.leaves = p.reduced.total * p.leaves_per_run;
  const int64_t leaf_elements = smaller(p.n, p.leaf) * smaller(p.cols, kMaxStrip);
  p.leaves_per_slice = larger(1, kTaskElements / leaf_elements);
  p.slices = ceil_div(p.leaves, p.leaves_per_slice);
  p.strip = balanced(p.cols, kMaxStrip, 16);
  p.strips = ceil_div(p.cols, p.strip);
}

/// Runs whose elements lie apart, while those of some other group lie side by side: one by one,
/// they would fetch every cache line many times.
bool runs_apart(const Group* groups, int count) {
  if (count < 2 || !groups[count - 1].reduced || groups[count - 1].size <= kShort) return false;
  const int64_t apart = groups[count - 1].stride;
  for (int i = 0; i < count - 1; ++i)
    if (groups[i].stride == 1 && (apart > 1 || apart < -1)) return true;
  return false;
}

Plan make_plan(const Axes& axes, const View& x) {
  Plan p;
  bool reduced[kMaxRank] = {};
  for (int i = 0; i < x.rank(); ++i)
    reduced[i] = axes.empty() || axes.contains(i) || axes.contains(i - x.rank());
  Group groups[kMaxRank];
  int count;
  const bool uniform = make_groups(x.shape, x.strides, reduced, groups, count);
  if (!uniform || runs_apart(groups, count)) {
    p.dense_first = true;
    make_groups(x.shape, dense_strides(x.shape), reduced, groups, count);
  }
  if (count > 0 && !groups[count - 1].reduced) {
    p.columns = true;
    p.cols = groups[--count].size;
    p.col_stride = groups[count].stride;
  }
  if (count > 0) {  // the kind changes from group to group, so this one is reduced
    p.n = groups[--count].size;
    p.n_stride = groups[count].stride;
  }
  const bool short_runs = !p.columns && p.n <= kShort;
  if (short_runs && count > 0) {
    p.cols = groups[--count].size;
    p.col_stride = groups[count].stride;
  }
  for (int i = 0; i < count; ++i)
    (groups[i].reduced ? p.reduced : p.kept).push(groups[i].size, groups[i].stride);
  if (p.columns || short_runs)
    cut_columns(p, p.columns);
  else
    cut_runs(p);
  p.columns |= short_runs;
  return p;
}

constexpr int64_t kBufferElements = kGroupRows * kMaxStrip;
constexpr int64_t kMaxWidth = 2 * kMinWidth;  // of rows that pass together

/// A reduction on its way: what tasks share.
struct Job {
  const Arithmetic& arithmetic;
  bool mean = false;
  int64_t elements = 1;  // of each mean
  Plan plan = {};
  const char* x = nullptr;
  int x_size = 0, lane_size = 0, out_size = 0;
  Converter convert = nullptr;  // null where x has the bits of lanes
  bool direct = false;          // loops read x in place
  char* partial = nullptr;      // [kept][slice][column] of lanes, where there are slices
  char* out = nullptr;          // [kept][column]
  Converter finish = nullptr;   // lanes to the output's dtype
};

struct Buffers {
  alignas(64) char rows[kBufferElements * 8];
  alignas(64) char raw[kBufferElements * 8];
};

/// rows x cols elements of x, dense and as lanes.
void gather(const Job& job, Buffers& buffers, const char* from, int64_t rows, int64_t cols,
            int64_t row_stride, int64_t col_stride) {
  const Block source{const_cast<char*>(from), row_stride, col_stride};
  if (job.convert == nullptr) {
    copy_block(job.x_size, {buffers.rows, cols, 1}, source, rows, cols);
  } else if (col_stride == 1 && (rows == 1 || row_stride == cols)) {
    job.convert(buffers.rows, from, rows * cols);
  } else {
    copy_block(job.x_size, {buffers.raw, cols, 1}, source, rows, cols);
    job.convert(buffers.rows, buffers.raw, rows * cols);
  }
}

/// Folds `count` rows of `width`, `pitch` apart, into the first: 1 into 0, 3 into 2 ...; 2 into 0
/// ...
void fold(const Job& job, char* rows, int64_t count, int64_t pitch, int64_t width) {
  const int64_t bytes = pitch * job.lane_size;
  for (int64_t step = 1; step < count; step *= 2)
    for (int64_t i = 0; i + step < count; i += 2 * step)
      job.arithmetic.combine(rows + i * bytes, rows + (i + step) * bytes, width);
}

// ---- one leaf -----------------------------------------------------------------------------------

void leaf_of_run(const Job& job, Buffers& buffers, const char* from, int64_t n, char* result) {
  if (!job.direct) {
    gather(job, buffers, from, 1, n, 0, job.plan.n_stride);
    from = buffers.rows;
  }
  job.arithmetic.leaf(result, from, n);
}

/// Rows, `together` at a time as one wide row, into one wide row.
void wide_leaf(const Job& job, Buffers& buffers, const char* from, int64_t rows, int64_t together,
               int64_t cols, char* result) {
  const Plan& p = job.plan;
  const int64_t width = together * cols, wide_rows = rows / together, pitch = p.n_stride * together;
  if (job.direct) {
    job.arithmetic.block(result, from, pitch, wide_rows, width);
    return;
  }
  alignas(64) char group[kMaxStrip * 8];
  for (int64_t r = 0; r < wide_rows; r += kGroupRows) {
    const int64_t n = smaller(kGroupRows, wide_rows - r);
    gather(job, buffers, from + r * pitch * job.x_size, n * together, cols, p.n_stride,
           p.col_stride);
    job.arithmetic.block(r == 0 ? result : group, buffers.rows, width, n, width);
    if (r > 0) job.arithmetic.combine(result, group, width);
  }
}

/// Rows into one row at `result`, which has room for kMaxWidth lanes.
void leaf_of_rows(const Job& job, Buffers& buffers, const char* from, int64_t rows, int64_t cols,
                  char* result) {
  const Plan& p = job.plan;
  const int64_t rest = rows % p.together, whole = rows - rest;
  if (whole > 0) wide_leaf(job, buffers, from, whole, p.together, cols, result);
  if (rest > 0) {
    alignas(64) char last[kMaxWidth * 8];
    const char* rest_from = from + whole * p.n_stride * job.x_size;
    wide_leaf(job, buffers, rest_from, rest, rest, cols, whole > 0 ? last : result);
    if (whole > 0) job.arithmetic.combine(result, last, rest * cols);
  }
  fold(job, result, whole > 0 ? p.together : rest, cols, cols);
}

// ---- a slice of leaves --------------------------------------------------------------------------

/// Rows of numbers that combine as they come, always two that stand for equally many.
class Pairwise {
 public:
  Pairwise(const Job& job, int64_t cols) : job_(job), pitch_(cols * job.lane_size), cols_(cols) {}
  char* next() { return rows_ + depth_ * pitch_; }
  void push() {
    ++depth_;
    for (int64_t n = ++pushed_; n % 2 == 0; n /= 2) combine_last();
  }
  char* finish() {
    while (depth_ > 1) combine_last();
    return rows_;
  }

 private:
  void combine_last() {
    --depth_;
    job_.arithmetic.combine(rows_ + (depth_ - 1) * pitch_, rows_ + depth_ * pitch_, cols_);
  }

  const Job& job_;
  const int64_t pitch_, cols_;
  int64_t depth_ = 0, pushed_ = 0;
  // As deep as log2(leaves of a slice) + 2, and leaves x columns is at most kTaskElements: most
  // room is needed by the widest strip.
  alignas(64) char rows_[(10 * kMaxStrip + kMaxWidth) * 8];
};

/// Divides where a mean is asked for, and stores with the output's dtype.
void finish(const Job& job, char* sums, int64_t output, int64_t n) {
  auto divide = [&](auto* sum) {
    for (int64_t i = 0; i < n; ++i)
      sum[i] /= static_cast<std::remove_reference_t<decltype(*sum)>>(job.elements);
  };
  if (job.mean && job.lane_size == 4) divide(reinterpret_cast<float*>(sums));
  if (job.mean && job.lane_size == 8) divide(reinterpret_cast<double*>(sums));
  job.finish(job.out + output * job.out_size, sums, n);
}

/// One slice of one strip of columns, or of one run.
void run_unit(const Job& job, Buffers& buffers, int64_t unit) {
  const Plan& p = job.plan;
  const int64_t slice = unit % p.slices, strip = unit / p.slices % p.strips;
  const int64_t kept = unit / p.slices / p.strips;
  const int64_t col = strip * p.strip, cols = smaller(p.strip, p.cols - col);
  const int64_t base = p.kept.offset(kept) + col * p.col_stride;
  const int64_t begin = slice * p.leaves_per_slice;
  const int64_t end = smaller(p.leaves, begin + p.leaves_per_slice);
  Pairwise sums(job, cols);
  for (int64_t q = begin; q < end; ++q) {
    const int64_t run = q / p.leaves_per_run, first = q % p.leaves_per_run * p.leaf;
    const char* from = job.x + (base + p.reduced.offset(run) + first * p.n_stride) * job.x_size;
    const int64_t n = smaller(p.leaf, p.n - first);
    if (p.columns)
      leaf_of_rows(job, buffers, from, n, cols, sums.next());
    else
      leaf_of_run(job, buffers, from, n, sums.next());
    sums.push();
  }
  char* total = sums.finish();
  if (p.slices == 1) return finish(job, total, kept * p.cols + col, cols);
  std::memcpy(job.partial + ((kept * p.slices + slice) * p.cols + col) * job.lane_size, total,
              static_cast<size_t>(cols * job.lane_size));
}

/// Runs of one leaf each, `begin` to `end`, whose results are stored together.
void run_leaves(const Job& job, Buffers& buffers, int64_t begin, int64_t end) {
  constexpr int64_t kTogether = 256;
  alignas(64) char results[kTogether * 8];
  for (; begin < end; begin += kTogether) {
    const int64_t n = smaller(kTogether, end - begin);
    for (int64_t i = 0; i < n; ++i)
      leaf_of_run(job, buffers, job.x + job.plan.kept.offset(begin + i) * job.x_size, job.plan.n,
                  results + i * job.lane_size);
    finish(job, results, begin, n);
  }
}

// ---- all of it ----------------------------------------------------------------------------------

void run_slices(Context& ctx, const Job& job) {
  const Plan& p = job.plan;
  const int64_t units = p.units(), per_task = larger(1, kTaskElements / p.unit_elements());
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    Buffers buffers;
    const int64_t begin = task * per_task, end = smaller(units, begin + per_task);
    if (!p.columns && p.leaves == 1) return run_leaves(job, buffers, begin, end);
    for (int64_t unit = begin; unit < end; ++unit) run_unit(job, buffers, unit);
  });
}

void combine_slices(Context& ctx, const Job& job) {
  const Plan& p = job.plan;
  const int64_t units = p.kept.total * p.strips;
  const int64_t per_task = larger(1, kTaskElements / (p.slices * p.strip));
  ctx.parallel_for(ceil_div(units, per_task), [&](int64_t task) {
    for (int64_t unit = task * per_task; unit < smaller(units, (task + 1) * per_task); ++unit) {
      const int64_t kept = unit / p.strips, col = unit % p.strips * p.strip;
      const int64_t cols = smaller(p.strip, p.cols - col);
      char* rows = job.partial + (kept * p.slices * p.cols + col) * job.lane_size;
      fold(job, rows, p.slices, p.cols, cols);
      finish(job, rows, kept * p.cols + col, cols);
    }
  });
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
size_t bytes_of(const View& v) { return static_cast<size_t>(v.size()) * size_of(v.dtype); }

/// A dense copy of x if the plan needs one, then the results of slices if there are several.
size_t scratch_bytes(const Plan& p, const View& x) {
  size_t bytes = p.dense_first ? aligned(bytes_of(x)) : 0;
  if (p.slices > 1) bytes += static_cast<size_t>(p.outputs() * p.slices) * 8;
  return bytes;
}

bool same_bits(DType a, DType b) {
  return a == b || (is_integer(a) && is_integer(b) && size_of(a) == size_of(b));
}

void reduce(const Arithmetic& arithmetic, bool mean, const Axes& axes, Context& ctx, View x,
            const View& out) {
  if (out.size() == 0) return;
  Job job{.arithmetic = arithmetic, .mean = mean};
  auto* scratch = static_cast<char*>(ctx.scratch());
  job.lane_size = static_cast<int>(size_of(arithmetic.dtype));
  job.out = out.as<char>();
  job.out_size = static_cast<int>(size_of(out.dtype));
  job.finish = converter(arithmetic.dtype, out.dtype);
  job.elements = x.size() / out.size();
  if (x.size() == 0) {
    char nothing[8];
    arithmetic.fill_identity(nothing, 1);
    finish(job, nothing, 0, 1);
    for (int64_t i = 1; i < out.size(); ++i) finish(job, nothing, i, 1);
    return;
  }
  job.plan = make_plan(axes, x);
  const Plan& p = job.plan;
  if (p.dense_first) {
    View dense{scratch, x.shape, dense_strides(x.shape), x.dtype};
    scratch += aligned(bytes_of(x));
    copy_array(ctx, dense, x);
    x = dense;
  }
  job.partial = scratch;
  job.x = x.as<char>();
  job.x_size = static_cast<int>(size_of(x.dtype));
  job.convert =
      same_bits(x.dtype, arithmetic.dtype) ? nullptr : converter(x.dtype, arithmetic.dtype);
  const bool together = p.together == 1 || p.n_stride == p.cols;
  job.direct =
      job.convert == nullptr && (p.columns ? p.col_stride == 1 && together : p.n_stride == 1);
  run_slices(ctx, job);
  if (p.slices > 1) combine_slices(ctx, job);
}

// ---- which loops --------------------------------------------------------------------------------

template <class R, class T, DType dtype> constexpr Arithmetic make_arithmetic() {
  using L = ReductionLoops<R, T>;
  return {dtype, &L::leaf, &L::block, &L::combine, &L::fill_identity};
}

template <class R>
inline constexpr bool is_extreme =
    std::is_same_v<R, reductions::Max> || std::is_same_v<R, reductions::Min>;
template <class R>
inline constexpr bool is_sum =
    std::is_same_v<R, reductions::Sum> || std::is_same_v<R, reductions::Mean>;

/// Sums and products wrap, so lanes need no more bits than the result; order needs x's own numbers.
template <class R> const Arithmetic& arithmetic_for(DType x, DType out) {
  using Loops = std::conditional_t<is_sum<R>, reductions::Sum, R>;
  static constexpr Arithmetic kFloat = make_arithmetic<Loops, float, DType::Float32>();
  static constexpr Arithmetic kDouble = make_arithmetic<Loops, double, DType::Float64>();
  if (x == DType::Float64) return kDouble;
  if (is_floating(x)) return kFloat;
  if constexpr (!std::is_same_v<R, reductions::Mean>) {
    static constexpr Arithmetic kInt32 = make_arithmetic<Loops, int32_t, DType::Int32>();
    static constexpr Arithmetic kInt64 = make_arithmetic<Loops, int64_t, DType::Int64>();
    if constexpr (is_extreme<R>) {
      static constexpr Arithmetic kUInt64 = make_arithmetic<Loops, uint64_t, DType::UInt64>();
      if (x == DType::UInt64) return kUInt64;
      return compute_dtype(x) == DType::Int32 ? kInt32 : kInt64;
    }
    const DType widest = size_of(out) > size_of(x) ? out : x;
    return size_of(widest) == 8 ? kInt64 : kInt32;
  }
  return kFloat;
}

template <class R> void run(const Reduce<R>& op, Context& ctx, In in, Out out) noexcept {
  reduce(arithmetic_for<R>(in[0].dtype, out[0].dtype), std::is_same_v<R, reductions::Mean>, op.axes,
         ctx, in[0], out[0]);
}
template <class R> size_t scratch(const Reduce<R>& op, In in, Out) noexcept {
  return in[0].size() == 0 ? 0 : scratch_bytes(make_plan(op.axes, in[0]), in[0]);
}

}  // namespace

template <class R> Kernel kernel(Tag<Reduce<R>>) {
  return make_kernel<Reduce<R>, &run<R>, &scratch<R>>();
}
template Kernel kernel(Tag<Reduce<reductions::Sum>>);
template Kernel kernel(Tag<Reduce<reductions::Mean>>);
template Kernel kernel(Tag<Reduce<reductions::Prod>>);
template Kernel kernel(Tag<Reduce<reductions::Max>>);
template Kernel kernel(Tag<Reduce<reductions::Min>>);
template Kernel kernel(Tag<Reduce<reductions::All>>);
template Kernel kernel(Tag<Reduce<reductions::Any>>);

}  // namespace pyneuro
