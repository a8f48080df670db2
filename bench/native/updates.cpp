// Steps of optimizers over many tensors in one call: GB/s of what they read and write, and the
// share of a copy.
#include "measure.h"

namespace pyneuro::bench {
namespace {

constexpr int kTensors = 160;

/// Sizes from a bias's to a large layer's, each four times the one before; `elements` in all.
std::vector<int64_t> sizes_of(int64_t elements) {
  constexpr int kKinds = 8;
  constexpr double kSum = 21845;  // of 4^0 to 4^7
  std::vector<int64_t> sizes;
  for (int i = 0; i < kTensors; ++i) {
    const double share = double(1 << 2 * (i % kKinds)) / kSum * kKinds / kTensors;
    sizes.push_back(std::max<int64_t>(1, int64_t(share * double(elements))));
  }
  return sizes;
}

/// One array of each size; `positive` ones for mean squares.
void add_arrays(std::vector<Array>& to, const std::vector<int64_t>& sizes, bool positive = false) {
  for (const int64_t n : sizes) {
    to.push_back(positive ? run(Unary<formulas::Square>{}, {filled({n})}) : filled({n}));
    to.back().storage()->mark_state();
  }
}

/// `op` with `slots` tensors for each variable.
template <class Op>
void update(Bench& bench, const char* kind, const Op& op, int slots, int64_t elements) {
  const std::vector<int64_t> sizes = sizes_of(elements);
  bench.row(title<Op>(kind, kTensors, " tensors of ", elements), [&] {
    std::vector<Array> inputs = numbers_of_step(Op::signature);
    for (int i = 0; i < 2 + slots; ++i) add_arrays(inputs, sizes, i >= 2);
    return moving(op, inputs);
  });
}

/// What it writes it does not read.
void assign(Bench& bench, int64_t elements) {
  const std::vector<int64_t> sizes = sizes_of(elements);
  bench.row(title<Assign>(kTensors, " tensors of ", elements), [&] {
    std::vector<Array> inputs;
    double bytes = 0;
    for (int i = 0; i < 2; ++i) add_arrays(inputs, sizes);
    for (const Array& a : inputs) bytes += double(a.bytes());
    return moving(Assign{}, inputs, bytes);
  });
}

/// Of all gradients, as clipping by their norm reads them.
void sum_of_squares(Bench& bench, int64_t elements) {
  const std::vector<int64_t> sizes = sizes_of(elements);
  bench.row(title<SumOfSquares>(kTensors, " tensors of ", elements), [&] {
    std::vector<Array> inputs;
    add_arrays(inputs, sizes);
    return moving(SumOfSquares{}, inputs);
  });
}

}  // namespace

void update_rows(Bench& bench) {
  auto momentum = with_defaults<SgdUpdate>();
  momentum.momentum = 0.9;
  auto amsgrad = with_defaults<AdamUpdate>();
  amsgrad.amsgrad = true;
  for (const int64_t elements : {100'000, 25'000'000}) {
    const int64_t n = bench.sized(elements);
    update(bench, "", with_defaults<SgdUpdate>(), 0, n);
    update(bench, "momentum, ", momentum, 1, n);
    update(bench, "", with_defaults<AdamUpdate>(), 2, n);
    update(bench, "amsgrad, ", amsgrad, 3, n);
    update(bench, "", with_defaults<RmspropUpdate>(), 1, n);
    update(bench, "", with_defaults<AdagradUpdate>(), 1, n);
    update(bench, "", with_defaults<LionUpdate>(), 1, n);
    update(bench, "", with_defaults<LambUpdate>(), 2, n);
    sum_of_squares(bench, n);
    assign(bench, n);
  }
}

}  // namespace pyneuro::bench
