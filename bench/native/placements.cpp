// Ops that only bring elements to other places, and fill: GB/s of what they read and write, and the
// share of a copy. What fills, reads nothing and may exceed it.
#include "measure.h"

namespace pyneuro::bench {
namespace {

/// Second-level cache, memory.
constexpr int64_t kRows[] = {64, 16384};

void copies(Bench& bench, int64_t rows, int64_t length) {
  const Shape shape{rows, length};
  const std::string what = by(shape);
  bench.row(title<Copy>(what), [&] { return moving(Copy{}, {filled(shape)}); });
  bench.row(title<Copy>("transposed, ", what),
            [&] { return moving(Copy{}, {run(Transpose{}, {filled(shape)})}); });
  bench.row(title<Copy>("every other column, ", what), [&] {
    const Slice slice{{0, 0}, {rows, 2 * length}, {1, 2}};
    return moving(Copy{}, {run(slice, {filled({rows, 2 * length})})});
  });
  const Shape image{std::max<int64_t>(1, rows / 64), 8, 8, length};
  bench.row(title<Copy>("channels first, ", by(image)),
            [&] { return moving(Copy{}, {run(Transpose{Axes{0, 3, 1, 2}}, {filled(image)})}); });
  bench.row(title<Concatenate>("two of ", what, " along 1"),
            [&] { return moving(Concatenate{-1}, {filled(shape), filled(shape)}); });
  bench.row(title<SliceGrad>("one row more on each side, ", what),
            [&] { return moving(SliceGrad{{rows + 2, length}, {1, 0}, {1, 1}}, {filled(shape)}); });
  bench.row(title<SliceUpdate>("a half of the columns, ", what), [&] {
    return moving(SliceUpdate{{0, 0}, {1, 1}}, {filled(shape), filled({rows, length / 2})});
  });
  bench.row(title<Full>(what), [&] { return moving(Full{shape, 1.0, DType::Float32}, {}); });
  bench.row(title<Arange>(rows * length),
            [&] { return moving(Arange{0, 1, rows * length, DType::Int32}, {}); });
}

/// Rows of a table, as an embedding takes them and as its gradient gives them back.
void rows_of_table(Bench& bench, int64_t entries, int64_t width, int64_t count) {
  const Shape table{entries, width}, rows{count, width}, indices{count};
  const std::string what = join(count, " of ", by(table));
  const double row_bytes = double(count * width) * sizeof(float);
  bench.row(title<Take>(what), [&] {
    return moving(Take{0}, {filled(table), numbers(indices, entries)}, 2 * row_bytes);
  });
  bench.row(title<TakeGrad>(what), [&] {
    return moving(TakeGrad{0, entries}, {filled(rows), numbers(indices, entries)});
  });
  bench.row(title<ScatterUpdate>("add, ", what), [&] {
    return moving(ScatterUpdate{1}, {filled(table), numbers(indices, entries), filled(rows)});
  });
}

/// One element of each row, as a loss by labels takes it; one-hot codes of the labels.
void along_rows(Bench& bench, int64_t rows, int64_t length) {
  const std::string what = by({rows, length});
  const auto indices = [&] { return numbers({rows, length}, length); };
  bench.row(title<TakeAlongAxis>(what),
            [&] { return moving(TakeAlongAxis{-1}, {filled({rows, length}), indices()}); });
  bench.row(title<TakeAlongAxisGrad>(what), [&] {
    return moving(TakeAlongAxisGrad{-1, length}, {filled({rows, length}), indices()});
  });
  bench.row(title<OneHot>(what),
            [&] { return moving(OneHot{length, -1, DType::Float32}, {numbers({rows}, length)}); });
}

}  // namespace

void placement_rows(Bench& bench) {
  const int64_t length = bench.sized(1024);
  for (const int64_t rows : kRows) copies(bench, bench.sized(rows), length);
  rows_of_table(bench, bench.sized(30000), bench.sized(256), bench.sized(4096));
  for (const int64_t rows : kRows) along_rows(bench, bench.sized(rows) / 4 + 1, length);
}

}  // namespace pyneuro::bench
