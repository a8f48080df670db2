// Elementwise ops, and draws of random numbers: GB/s of what they read and write, and the share of
// a copy of as many bytes. The output is allocated by each call, as a user's is. Elements are
// float32. Adding may exceed a copy: it writes a third of its bytes, a copy half.
#include "measure.h"

namespace pyneuro::bench {
namespace {

/// Second-level cache, for every op; the first-level cache, the last-level cache, memory.
constexpr int64_t kCached = 1 << 16;
constexpr int64_t kOther[] = {1 << 12, 1 << 20, 1 << 24};

/// From 0.1 to 0.9, where every formula has a value.
Array positive(int64_t n) {
  const Array shrunk =
      run(Binary<formulas::Multiply>{}, {filled({n}), run(Full{{}, 0.8, DType::Float32}, {})});
  return run(Binary<formulas::Add>{}, {shrunk, run(Full{{}, 0.5, DType::Float32}, {})});
}

template <class Op> void formula(Bench& bench, int64_t size, int inputs) {
  const int64_t n = bench.sized(size);
  bench.row(title<Op>(n), [&] {
    std::vector<Array> given;
    for (int i = 0; i < inputs; ++i) given.push_back(positive(n));
    return moving(Op{}, given);
  });
}

/// Every formula in the second-level cache, those that networks are made of at all sizes.
void formulas_of(Bench& bench) {
  for (const int64_t n : kOther) {
    formula<Binary<formulas::Add>>(bench, n, 2);
    formula<Unary<formulas::Relu>>(bench, n, 1);
    formula<Unary<formulas::Exp>>(bench, n, 1);
    formula<Unary<formulas::Tanh>>(bench, n, 1);
    formula<Unary<formulas::Gelu>>(bench, n, 1);
  }
  for_each_type(formulas::UnaryList{},
                [&]<class F>(std::type_identity<F>) { formula<Unary<F>>(bench, kCached, 1); });
  for_each_type(formulas::BinaryList{},
                [&]<class F>(std::type_identity<F>) { formula<Binary<F>>(bench, kCached, 2); });
}

/// A row added to each row of a matrix, as a bias is; the choice between two; halves.
void mixed(Bench& bench, int64_t size) {
  const int64_t n = bench.sized(size), rows = std::max<int64_t>(1, n / 1024), length = n / rows;
  bench.row(title<Binary<formulas::Add>>(by({rows, length}), " and a row"), [&] {
    return moving(Binary<formulas::Add>{}, {filled({rows, length}), filled({length})});
  });
  bench.row(title<Where>(n), [&] {
    const Array x = filled({n}), zero = run(Full{{}, 0.0, DType::Float32}, {});
    return moving(Where{}, {run(Binary<formulas::Less>{}, {x, zero}), x, filled({n})});
  });
  bench.row(title<Cast>("to bfloat16, ", n),
            [&] { return moving(Cast{DType::BFloat16}, {filled({n})}); });
  bench.row(title<Cast>("from bfloat16, ", n),
            [&] { return moving(Cast{DType::Float32}, {filled({n}, DType::BFloat16)}); });
  bench.row(title<Binary<formulas::Add>>("bfloat16, ", n), [&] {
    const Array x = filled({n}, DType::BFloat16);
    return moving(Binary<formulas::Add>{}, {x, filled({n}, DType::BFloat16)});
  });
}

/// relu(tanh(a b + a) b - a) as one op.
void chain(Bench& bench, int64_t size) {
  using namespace formulas;
  const int64_t n = bench.sized(size);
  bench.row(title<Fused>("a chain of 6, ", n), [&] {
    constexpr int64_t a = 0, b = 1, none = -1, step = 2;  // steps count from the inputs' number on
    const Fused op{{op_id<Binary<Multiply>>, a,        b,    none,
                    op_id<Binary<Add>>,      step,     a,    none,
                    op_id<Unary<Tanh>>,      step + 1, none, none,
                    op_id<Binary<Multiply>>, step + 2, b,    none,
                    op_id<Binary<Subtract>>, step + 3, a,    none,
                    op_id<Unary<Relu>>,      step + 4, none, none},
                   {5}};
    return moving(op, {filled({n}), filled({n})});
  });
}

void draws(Bench& bench, int64_t size) {
  const int64_t n = bench.sized(size);
  const auto seed = [] { return numbers({2}, 1000, DType::UInt32); };
  bench.row(title<RandomUniform>(n),
            [&] { return moving(RandomUniform{{n}, 0, 1, DType::Float32}, {seed()}); });
  bench.row(title<RandomNormal>(n),
            [&] { return moving(RandomNormal{{n}, 0, 1, DType::Float32}, {seed()}); });
  bench.row(title<Dropout>(n), [&] { return moving(Dropout{0.5}, {filled({n}), seed()}); });
}

}  // namespace

void elementwise_rows(Bench& bench) {
  formulas_of(bench);
  for (const int64_t n : {int64_t{1} << 16, int64_t{1} << 24}) {
    mixed(bench, n);
    chain(bench, n);
    draws(bench, n);
  }
}

}  // namespace pyneuro::bench
