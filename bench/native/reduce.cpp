// Reductions: GB/s of what they read, and the share of what the machine reads. Running sums and
// sorting, which write as much, beside a copy.
#include "measure.h"

namespace pyneuro::bench {
namespace {

/// Second-level cache, last-level cache, memory.
constexpr int64_t kSizes[] = {1 << 16, 1 << 20, 1 << 24};
constexpr int64_t kLength = 1024;

struct Matrix {
  Shape shape;
  Matrix(const Bench& bench, int64_t elements)
      : shape{std::max<int64_t>(1, bench.sized(elements) / kLength), bench.sized(kLength)} {}
};

template <class R> void reduction(Bench& bench, const Shape& shape) {
  using Op = Reduce<R>;
  const bool logical =
      std::is_same_v<R, reductions::All> || std::is_same_v<R, reductions::Any>;  // of bools
  const auto given = [&] {
    const Array ones = run(Full{shape, 1.0, DType::Float32}, {});
    return logical ? run(Cast{DType::Bool}, {ones}) : filled(shape);
  };
  bench.row(title<Op>("all of ", by(shape)), [&] { return moving(Op{Axes{}, false}, {given()}); });
  bench.row(title<Op>("rows of ", by(shape)),
            [&] { return moving(Op{Axes{1}, false}, {given()}); });
  bench.row(title<Op>("columns of ", by(shape)),
            [&] { return moving(Op{Axes{0}, false}, {given()}); });
}

template <class Op> void along(Bench& bench, const Shape& shape, const Op& op) {
  bench.row(title<Op>("rows of ", by(shape)), [&] { return moving(op, {filled(shape)}); });
}

}  // namespace

void reduce_rows(Bench& bench) {
  for (const int64_t elements : kSizes)
    reduction<reductions::Sum>(bench, Matrix(bench, elements).shape);
  const Shape shape = Matrix(bench, 1 << 20).shape;
  for_each_type(TypeList<reductions::Mean, reductions::Prod, reductions::Max, reductions::Min,
                         reductions::All, reductions::Any>{},
                [&]<class R>(std::type_identity<R>) { reduction<R>(bench, shape); });
  along(bench, shape, Extreme<extremes::ArgMax>{-1, false});
  along(bench, shape, Extreme<extremes::ArgMin>{-1, false});
  along(bench, shape, Cumsum{-1, false});
  along(bench, shape, Cumprod{-1, false});
  bench.row(title<LinearRecurrence>("rows of ", by(shape)),
            [&] { return moving(LinearRecurrence{-1, false}, {filled(shape), filled(shape)}); });
  along(bench, shape, Sort{-1, false, -1});
  bench.row(title<Sort>("the 5 largest in rows of ", by(shape)), [&] {
    return moving(Sort{-1, true, std::min<int64_t>(5, shape[1])}, {filled(shape)});
  });
}

}  // namespace pyneuro::bench
