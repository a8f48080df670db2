// Convolution of any kind as matrix products that gather: row m of A (a result's position) begins
// at an offset of its own in the source, its k-th element (tap and channel) lies offset[k] further,
// so no patch needs to be made. Copied are the kernel, as panels, the source where it needs padding
// or conversion (conv_stage.h), and for dkernel a task's blocks of both factors.
//
//   y, a chunk of images     A = x gathered, [positions, taps C],  B = kernel [taps C, O]
//   dx, for each phase       A = g gathered, [positions, taps O],  B = kernel^T [taps O, C]
//   dkernel                  A = x gathered, [taps C, positions],  B = g [positions, O]
//
// Blocks of k, the cut in tasks and the order of sums follow from the shape alone.
#include "kernels/conv.h"
#include "kernels/conv_gather.h"
#include "kernels/gemm_micro.h"

namespace pyneuro {
namespace {

template <class T> constexpr int64_t kLanes = Vec<T>::kCount;
template <class T> constexpr int64_t kPanel = 2 * kLanes<T>;

constexpr int64_t kBlockK = 512;  // a panel of B about fills a first-level cache
template <class T> constexpr int64_t kBlock = 1024 / sizeof(T);  // positions, for dkernel
constexpr int64_t kSumRows = 168;  // of dkernel, to a task, a multiple of every kMaxRows
constexpr int64_t kTaskRows = 192, kTaskCols = 512;
constexpr int64_t kMostTasks = 64;      // as many as there may be threads, and some to spare
constexpr int64_t kFewTasks = 16;       // fewer leave threads idle
constexpr int64_t kTaskWork = 1 << 20;  // multiply-adds worth a task
constexpr int64_t kPartialBytes = int64_t{16} << 20;

constexpr int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }
/// n in equal pieces of at most `most`, each a multiple of `unit`.
constexpr int64_t even_piece(int64_t n, int64_t most, int64_t unit) {
  return larger(unit, round_up(ceil_div(n, larger(1, ceil_div(n, most))), unit));
}

// ---- one task -----------------------------------------------------------------------------------

/// Where the rows of a task lie in the source and in the result.
template <class T> struct TaskRows {
  const T* from[kTaskRows + kMaxRows];
  T* to[kTaskRows + kMaxRows];

  void find(const Positions& p, int64_t begin, int64_t end, const T* source, T* result) {
    int64_t row = 0;
    p.for_runs(begin, end, [&](int64_t at_source, int64_t at_result, int64_t n) {
      for (int64_t i = 0; i < n; ++i, ++row) {
        from[row] = source + at_source + i * p.from_step();
        to[row] = result + at_result + i * p.to_step();
      }
    });
  }
};

/// How results are cut: rows are positions, or taps and channels for dkernel.
struct Cut { int64_t rows, cols, row_tasks, col_tasks; };
template <class T> Cut make_cut(int64_t rows, int64_t cols, int64_t most, int64_t times) {
  int64_t r = even_piece(rows, most, kMaxRows), c = even_piece(cols, kTaskCols, kPanel<T>);
  // Low tasks read the kernel too often, and it may lie in memory; narrow ones read the source so.
  const auto tasks = [&] { return ceil_div(rows, r) * ceil_div(cols, c) * times; };
  while (tasks() < kFewTasks) {
    if (c > 4 * kPanel<T> && (c >= r || r <= 4 * kMaxRows))
      c = round_up(c / 2, kPanel<T>);
    else if (r > 4 * kMaxRows)
      r = round_up(r / 2, kMaxRows);
    else
      break;
  }
  return {r, c, ceil_div(rows, r), ceil_div(cols, c)};
}

/// A result in its own dtype, computed elsewhere: n elements from `at` on.
template <class T> void narrow(DType dtype, const T* from, void* to, int64_t at, int64_t n) {
  with_storage<T>(dtype, [&](auto tag) {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(tag)>>;
    S* out = static_cast<S*>(to) + at;
    for (int64_t i = 0; i < n; i += kLanes<T>) {
      const int lanes = static_cast<int>(smaller(kLanes<T>, n - i));
      const Vec<T> v = simd::load(from + at + i, lanes);
      if constexpr (std::is_same_v<S, T>)
        simd::store(out + i, v, lanes);
      else
        simd::store_as(out + i, v, lanes);
    }
  });
}

// ---- y and dx -----------------------------------------------------------------------------------

/// Sizes of y's or dx's products; all that scratch and run must agree on.
struct Sizes {
  bool backward, narrowed;
  int64_t source_channels, result_channels;  // of all groups
  int64_t inner, cols;                       // of one
  int64_t phases, images;                    // images at a time
  int64_t result_image;                      // elements
  ConvStage stage;
  size_t offsets, panels, staged, total;  // where they begin in scratch, after the bias

  const int64_t (&result(const ConvProblem& p) const)[3] { return backward ? p.in : p.out; }
};

template <class T> Sizes make_sizes(const ConvProblem& p) {
  Sizes s{};
  s.backward = p.step == ConvStep::InputGrad;
  s.narrowed = p.dtype != compute_dtype(p.dtype);
  s.source_channels = s.backward ? p.filters : p.channels;
  s.result_channels = s.backward ? p.channels : p.filters;
  s.inner = s.source_channels / p.groups, s.cols = s.result_channels / p.groups;
  s.phases = s.backward ? p.stride[0] * p.stride[1] * p.stride[2] : 1;
  s.result_image = s.result_channels * (s.backward ? p.in_pixels() : p.out_pixels());
  s.stage = stage_of(p);
  const int64_t image = (s.stage.copied ? s.stage.image : 0) + (s.narrowed ? s.result_image : 0);
  const int64_t most = kStageBytes / static_cast<int64_t>(sizeof(T));
  s.images = image == 0 ? p.batch : smaller(p.batch, larger(1, most / image));
  const int64_t k = p.taps() * s.inner;
  s.offsets = aligned_bytes<T>(s.result_channels);
  s.panels = s.offsets + aligned_bytes<int64_t>(k);
  s.staged = s.panels + aligned_bytes<T>(p.groups * round_up(s.cols, kPanel<T>) * k);
  s.total = s.staged + (s.stage.copied ? aligned_bytes<T>(s.images * s.stage.image) : 0);
  if (s.narrowed) s.total += aligned_bytes<T>(s.images * s.result_image);
  return s;
}

/// The products of one phase (forward has one): k and where its offsets and panels lie.
template <class T> struct Phase {
  ConvLine line[3];
  int64_t k;
  int64_t* offsets;
  T* panels;  // of each group, of each panel: [k, panel]
};

/// Calls f with each phase in order.
template <class T, class F>
void for_phases(const ConvProblem& p, const Sizes& s, char* scratch, F f) {
  auto* offsets = reinterpret_cast<int64_t*>(scratch + s.offsets);
  T* panels = reinterpret_cast<T*>(scratch + s.panels);
  for (int64_t i = 0; i < s.phases; ++i) {
    Phase<T> phase{};
    int64_t rest = i;
    phase.k = s.inner;
    for (int d = 2; d >= 0; --d) {
      phase.line[d] =
          s.backward ? conv_backward_line(p, d, rest % p.stride[d]) : conv_forward_line(p, d);
      rest /= p.stride[d];
      phase.k *= phase.line[d].taps;
    }
    phase.offsets = offsets, phase.panels = panels;
    f(phase);
    offsets += phase.k;
    panels += p.groups * round_up(s.cols, kPanel<T>) * phase.k;
  }
}

/// A panel of the kernel: its k x panel elements, transposed for dx.
template <class T>
void pack_kernel(const ConvProblem& p, const Sizes& s, const Phase<T>& phase, const void* kernel,
                 int64_t task) {
  constexpr int64_t panel = kPanel<T>;
  const int64_t panels = ceil_div(s.cols, panel), group = task / panels, j = task % panels * panel;
  const int64_t width = smaller(panel, s.cols - j), depth = p.channels / p.groups;
  T* to = phase.panels + task * panel * phase.k;
  const ConvLine(&line)[3] = phase.line;
  with_storage<T>(p.dtype, [&](auto tag) {
    const auto* from = static_cast<decltype(tag)>(kernel);
    for (int64_t t0 = 0; t0 < line[0].taps; ++t0)
      for (int64_t t1 = 0; t1 < line[1].taps; ++t1)
        for (int64_t t2 = 0; t2 < line[2].taps; ++t2) {
          int64_t tap = line[0].tap + t0 * line[0].tap_step;
          tap = tap * p.window[1] + line[1].tap + t1 * line[1].tap_step;
          tap = tap * p.window[2] + line[2].tap + t2 * line[2].tap_step;
          const auto* at = from + tap * depth * p.filters;
          if (s.backward)
            pack_transposed(to, panel, at + j * p.filters + group * s.inner, p.filters, s.inner,
                            width);
          else
            pack_rows(to, panel, at + group * s.cols + j, p.filters, s.inner, width, panel);
          to += s.inner * panel;
        }
  });
}

/// Part of a phase's results: rows [begin, end) of its positions, columns [j0, j1) of a group.
template <class T>
void multiply_part(const Sizes& s, const Phase<T>& phase, const Positions& positions, int64_t begin,
                   int64_t end, int64_t group, int64_t j0, int64_t j1, const T* source, T* result,
                   const T* bias) {
  constexpr int64_t lanes = kLanes<T>, panel = kPanel<T>;
  TaskRows<T> rows;
  rows.find(positions, begin, end, source + group * s.inner, result + group * s.cols);
  const int64_t count = end - begin, strips = ceil_div(count, kMaxRows);
  const T* panels = phase.panels + group * round_up(s.cols, panel) * phase.k;
  const int64_t block = even_piece(phase.k, kBlockK, 8);
  for (int64_t k = 0; k < phase.k || k == 0; k += block) {
    MicroTile<T> tile{};
    tile.k = smaller(block, phase.k - k);
    tile.gather = phase.offsets + k;
    tile.b_k = panel;
    tile.add = k > 0;
    for (int64_t j = j0; j < j1; j += panel) {
      tile.b = panels + j * phase.k + k * panel;
      tile.c_at = j;
      tile.cols = static_cast<int>(smaller(panel, j1 - j));
      if (bias != nullptr && k + block >= phase.k) tile.bias = bias + group * s.cols + j;
      for (int64_t i = 0, row = 0; i < strips; ++i) {
        const int64_t next = count * (i + 1) / strips;
        tile.a_rows = rows.from + row;
        tile.c_rows = rows.to + row;
        micro_kernel<T, true>(static_cast<int>(next - row), tile.cols > lanes ? 2 : 1)(tile);
        row = next;
      }
    }
  }
}

template <class T> void run_products(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const Sizes s = make_sizes<T>(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  T* bias = nullptr;
  if (x.bias != nullptr) {
    bias = reinterpret_cast<T*>(scratch);
    converter(p.dtype, compute_dtype(p.dtype))(bias, x.bias, p.filters);
  }
  for_phases<T>(p, s, scratch, [&](const Phase<T>& phase) {
    fill_offsets(phase.line, s.stage, s.inner, phase.offsets);
    ctx.parallel_for(p.groups * ceil_div(s.cols, kPanel<T>),
                     [&](int64_t task) { pack_kernel(p, s, phase, x.b, task); });
  });
  const auto element = static_cast<int64_t>(size_of(p.dtype));
  T* staged = reinterpret_cast<T*>(scratch + s.staged);
  T* wide = staged;
  if (s.stage.copied) wide += aligned_bytes<T>(s.images * s.stage.image) / sizeof(T);
  const int64_t source_image = s.source_channels * (s.backward ? p.out_pixels() : p.in_pixels());
  for (int64_t first = 0; first < p.batch; first += s.images) {
    const int64_t images = smaller(s.images, p.batch - first);
    const char* from = static_cast<const char*>(x.a) + first * source_image * element;
    char* to = static_cast<char*>(x.c) + first * s.result_image * element;
    if (s.stage.copied) fill_stage(ctx, s.stage, p.dtype, from, images, staged);
    const T* source = s.stage.copied ? staged : reinterpret_cast<const T*>(from);
    T* result = s.narrowed ? wide : reinterpret_cast<T*>(to);
    for_phases<T>(p, s, scratch, [&](const Phase<T>& phase) {
      const Positions positions =
          make_positions(phase.line, s.stage, s.result(p), s.result_channels, images);
      if (positions.size == 0) return;
      int64_t corner = 0;  // the phase's first result
      for (int d = 0; d < 3; ++d) corner = corner * s.result(p)[d] + phase.line[d].first;
      const Cut cut = make_cut<T>(positions.size, s.cols, kTaskRows, p.groups);
      ctx.parallel_for(cut.row_tasks * cut.col_tasks * p.groups, [&](int64_t task) {
        const int64_t j = task % cut.col_tasks * cut.cols, group = task / cut.col_tasks % p.groups;
        const int64_t begin = task / cut.col_tasks / p.groups * cut.rows;
        multiply_part(s, phase, positions, begin, smaller(positions.size, begin + cut.rows), group,
                      j, smaller(s.cols, j + cut.cols), source, result + corner * s.result_channels,
                      bias);
        const int64_t row = first * p.out_pixels(), col = group * s.cols;
        if (x.epilogue && !s.narrowed)  // y is one phase, its positions are its pixels
          x.epilogue.run({row + begin, row + smaller(positions.size, begin + cut.rows), col + j,
                          col + smaller(s.cols, j + cut.cols)});
      });
    });
    if (!s.narrowed) continue;
    const int64_t size = images * s.result_image;
    ctx.parallel_for(ceil_div(size, kSlice), [&](int64_t task) {
      narrow(p.dtype, result, to, task * kSlice, smaller(kSlice, size - task * kSlice));
    });
    const int64_t row = first * p.out_pixels(), rows = images * p.out_pixels();
    if (x.epilogue) x.epilogue.run_rows(ctx, row, row + rows);
  }
}

// ---- dkernel ------------------------------------------------------------------------------------

/// Sizes of dkernel's products. Positions are cut in `splits` parts with a sum each.
struct KernelSizes {
  int64_t rows, cols;  // taps and channels of a group; its filters
  int64_t images, splits;
  bool direct;  // one sum, which is the result itself
  Cut cut;
  ConvStage stage;
  size_t partial, staged, total;  // where they begin in scratch, after the offsets
};

template <class T> KernelSizes make_kernel_sizes(const ConvProblem& p) {
  KernelSizes s{};
  s.rows = p.taps() * (p.channels / p.groups), s.cols = p.filters / p.groups;
  s.stage = stage_of(p);
  const int64_t most = kStageBytes / static_cast<int64_t>(sizeof(T));
  s.images =
      s.stage.copied ? smaller(p.batch, larger(1, most / larger(1, s.stage.image))) : p.batch;
  s.cut = make_cut<T>(s.rows, s.cols, kSumRows, kMostTasks);  // splits give tasks
  const int64_t tasks = s.cut.row_tasks * s.cut.col_tasks * p.groups;
  const int64_t blocks = ceil_div(s.images * p.out_pixels(), kBlock<T>);
  const int64_t size = s.rows * p.filters, bytes = size * static_cast<int64_t>(sizeof(T));
  s.splits = smaller(kMostTasks / tasks, blocks);
  s.splits = smaller(s.splits, size * s.images * p.out_pixels() / p.groups / kTaskWork / tasks);
  s.splits = larger(1, smaller(s.splits, kPartialBytes / larger(1, bytes)));
  s.direct = s.splits == 1 && p.dtype == compute_dtype(p.dtype);
  s.partial = aligned_bytes<int64_t>(s.rows);
  s.staged = s.partial + (s.direct ? 0 : aligned_bytes<T>(s.splits * size));
  s.total = s.staged + (s.stage.copied ? aligned_bytes<T>(s.images * s.stage.image) : 0);
  return s;
}

/// Rows of A for a block of positions, side by side: to[k rows + r] = a[gather[k] + offsets[r]].
/// Whole registers are stored, so what follows in `to` is overwritten.
template <class T>
void pack_gathered(const T* a, const int64_t* offsets, int rows, const int64_t* gather,
                   int64_t positions, T* to) {
  struct Run {
    int64_t at;
    int row, size;
  } runs[kMaxRows];  // rows that lie side by side
  int count = 0;
  for (int r = 0, n; r < rows; r += n) {
    n = 1;
    while (r + n < rows && n < kLanes<T> && offsets[r + n] == offsets[r] + n) ++n;
    runs[count++] = {offsets[r], r, n};
  }
  for (int64_t k = 0; k < positions; ++k, to += rows)
    for (int i = 0; i < count; ++i)
      simd::store(to + runs[i].row, simd::load(a + gather[k] + runs[i].at, runs[i].size));
}

/// Adds the products of positions [begin, end) to a part of one sum. Both factors are copied a
/// block of positions at a time: read where they lie, each position would be a line of the
/// second-level cache at every step (256 filters of 28 x 28: 139 GFLOP/s against 156 on Zen 3).
template <class T>
void add_positions(const ConvProblem& p, const KernelSizes& s, const Positions& positions,
                   int64_t begin, int64_t end, int64_t group, int64_t r0, int64_t j0,
                   const int64_t* offsets, const T* source, const void* g, T* sum, bool add) {
  constexpr int64_t lanes = kLanes<T>, panel = kPanel<T>;
  alignas(64) T a[kBlock<T> * kSumRows + kLanes<T>], b[kBlock<T> * panel];
  int64_t gather[kBlock<T>];
  const int64_t rows = smaller(s.rows - r0, s.cut.rows), j1 = smaller(s.cols, j0 + s.cut.cols);
  const int64_t strips = ceil_div(rows, kMaxRows);
  const T* const own = source + group * (p.channels / p.groups);
  T* const c = sum + r0 * p.filters + group * s.cols;
  for (int64_t k = begin; k < end || k == begin; k += kBlock<T>) {
    const int64_t size = smaller(kBlock<T>, end - k);
    int64_t* next = gather;
    positions.for_runs(k, k + size, [&](int64_t from, int64_t, int64_t n) {
      for (int64_t i = 0; i < n; ++i) *next++ = from + i * positions.from_step();
    });
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t row = rows * i / strips, count = rows * (i + 1) / strips - row;
      pack_gathered(own, offsets + r0 + row, static_cast<int>(count), gather, size, a + row * size);
    }
    MicroTile<T> tile{};
    tile.k = size;
    tile.a_row = 1, tile.c_row = p.filters;
    tile.b = b, tile.b_k = panel;
    tile.add = add || k > begin;
    for (int64_t j = j0; j < j1; j += panel) {
      tile.cols = static_cast<int>(smaller(panel, j1 - j));
      with_storage<T>(p.dtype, [&](auto tag) {
        const auto* from = static_cast<decltype(tag)>(g) + k * p.filters + group * s.cols + j;
        pack_rows(b, panel, from, p.filters, size, tile.cols, panel);
      });
      for (int64_t i = 0; i < strips; ++i) {
        const int64_t row = rows * i / strips, count = rows * (i + 1) / strips - row;
        tile.a = a + row * size, tile.a_k = count;
        tile.c = c + row * p.filters + j;
        micro_kernel<T>(static_cast<int>(count), tile.cols > lanes ? 2 : 1)(tile);
      }
    }
  }
}

template <class T> void run_kernel_grad(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  const KernelSizes s = make_kernel_sizes<T>(p);
  char* scratch = static_cast<char*>(ctx.scratch());
  auto* offsets = reinterpret_cast<int64_t*>(scratch);
  T* sums = s.direct ? static_cast<T*>(x.c) : reinterpret_cast<T*>(scratch + s.partial);
  T* staged = reinterpret_cast<T*>(scratch + s.staged);
  ConvLine line[3];
  for (int d = 0; d < 3; ++d) line[d] = conv_forward_line(p, d);
  fill_offsets(line, s.stage, p.channels / p.groups, offsets);
  const auto element = static_cast<int64_t>(size_of(p.dtype));
  const int64_t size = s.rows * p.filters, tasks = s.cut.row_tasks * s.cut.col_tasks * p.groups;
  for (int64_t first = 0; first < p.batch || first == 0; first += larger(1, s.images)) {
    const int64_t images = smaller(s.images, p.batch - first);
    const char* from = static_cast<const char*>(x.a) + first * p.channels * p.in_pixels() * element;
    const char* g = static_cast<const char*>(x.b) + first * p.filters * p.out_pixels() * element;
    if (s.stage.copied) fill_stage(ctx, s.stage, p.dtype, from, images, staged);
    const T* source = s.stage.copied ? staged : reinterpret_cast<const T*>(from);
    const Positions positions = make_positions(line, s.stage, p.out, p.filters, images);
    const int64_t blocks = ceil_div(positions.size, kBlock<T>);
    ctx.parallel_for(tasks * s.splits, [&](int64_t task) {
      const int64_t split = task / tasks, group = task / s.cut.col_tasks % p.groups;
      const int64_t r = task % tasks / s.cut.col_tasks / p.groups * s.cut.rows;
      const int64_t begin = blocks * split / s.splits * kBlock<T>;
      const int64_t end = smaller(positions.size, blocks * (split + 1) / s.splits * kBlock<T>);
      if (begin >= end && first > 0) return;
      add_positions(p, s, positions, begin, larger(begin, end), group, r,
                    task % s.cut.col_tasks * s.cut.cols, offsets, source, g, sums + split * size,
                    first > 0);
    });
  }
  if (s.direct) return;
  ctx.parallel_for(ceil_div(size, kSlice / 8), [&](int64_t task) {
    const int64_t begin = task * (kSlice / 8), end = smaller(size, begin + kSlice / 8);
    for (int64_t split = 1; split < s.splits; ++split)
      for (int64_t i = begin; i < end; i += kLanes<T>) {
        const int lanes = static_cast<int>(smaller(kLanes<T>, end - i));
        simd::store(sums + i,
                    simd::load(sums + i, lanes) + simd::load(sums + split * size + i, lanes),
                    lanes);
      }
    narrow(p.dtype, sums, x.c, begin, end - begin);
  });
}

// ---- the entry ----------------------------------------------------------------------------------

bool applies(const ConvProblem&) { return true; }

template <class T> size_t scratch_as(const ConvProblem& p) {
  return p.step == ConvStep::KernelGrad ? make_kernel_sizes<T>(p).total : make_sizes<T>(p).total;
}
size_t scratch(const ConvProblem& p) {
  return p.dtype == DType::Float64 ? scratch_as<double>(p) : scratch_as<float>(p);
}

template <class T> void run_as(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  if (p.step == ConvStep::KernelGrad)
    run_kernel_grad<T>(ctx, p, x);
  else
    run_products<T>(ctx, p, x);
}
void run(Context& ctx, const ConvProblem& p, const ConvOperands& x) {
  if (p.dtype == DType::Float64)
    run_as<double>(ctx, p, x);
  else
    run_as<float>(ctx, p, x);
}

}  // namespace

ConvAlgorithm conv_implicit() { return {"implicit", applies, scratch, run, true}; }

}  // namespace pyneuro
