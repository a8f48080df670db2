// What an op costs beyond its arithmetic: dispatched one by one, and replayed from a recorded list.
// The time given is for one op, or for the whole step of a network.
#include "measure.h"
#include "plan/executor.h"
#include "plan/recorder.h"

namespace pyneuro::bench {
namespace {

/// Records what `step` does with `inputs`, ready to be replayed.
template <class Step> Executor recorded(std::span<const Array> inputs, Step step) {
  Recorder recorder(inputs, true);
  recorder.start();
  const Array result = step(inputs);
  return Executor(recorder.finish({&result, 1}));
}

/// A training step of a perceptron, written as the ops that a tape would run.
class Perceptron {
 public:
  Perceptron(int64_t batch, int64_t features, int64_t hidden, int64_t classes)
      : gradient_(run(Full{{batch}, 1.0 / double(batch), DType::Float32}, {})),
        weights_1_(features, hidden),
        bias_1_(hidden),
        weights_2_(hidden, classes),
        bias_2_(classes) {}

  Array step(const Array& x, const Array& labels) const {
    const Array hidden =
        run(Unary<formulas::Relu>{}, {run(Matmul{}, {x, weights_1_.value, bias_1_.value})});
    const Array logits = run(Matmul{}, {hidden, weights_2_.value, bias_2_.value});
    const Array losses = run(SparseCrossentropy{}, {logits, labels});
    const Array d_logits = run(SparseCrossentropyGrad{}, {logits, labels, gradient_});
    const Array d_weights_2 = run(Matmul{true, false}, {hidden, d_logits});
    const Array d_bias_2 = run(sum_of_rows(), {d_logits});
    const Array d_hidden = run(Binary<formulas::ReluGrad>{},
                               {hidden, run(Matmul{false, true}, {d_logits, weights_2_.value})});
    const Array d_weights_1 = run(Matmul{true, false}, {x, d_hidden});
    const Array d_bias_1 = run(sum_of_rows(), {d_hidden});
    update({&d_weights_1, &d_bias_1, &d_weights_2, &d_bias_2});
    return run(Reduce<reductions::Mean>{}, {losses});
  }

 private:
  struct Weights {
    template <class... Sizes>
    explicit Weights(Sizes... sizes) : value(state({sizes...})), mean(state({sizes...})) {
      square = run(Unary<formulas::Square>{}, {filled({sizes...})});
      square.storage()->mark_state();
    }
    Array value, mean, square;
  };

  static Reduce<reductions::Sum> sum_of_rows() { return {Axes{0}, false}; }

  void update(std::initializer_list<const Array*> gradients) const {
    std::vector<const Array*> inputs;
    for (const Array& number : numbers_) inputs.push_back(&number);
    const Weights* const all[] = {&weights_1_, &bias_1_, &weights_2_, &bias_2_};
    for (const Weights* w : all) inputs.push_back(&w->value);
    inputs.insert(inputs.end(), gradients);
    for (const Weights* w : all) inputs.push_back(&w->mean);
    for (const Weights* w : all) inputs.push_back(&w->square);
    dispatch(with_defaults<AdamUpdate>(), inputs);
  }

  std::vector<Array> numbers_ = numbers_of_step(AdamUpdate::signature);
  Array gradient_;
  Weights weights_1_, bias_1_, weights_2_, bias_2_;
};

struct Mnist {
  Perceptron network{32, 784, 128, 10};
  std::vector<Array> inputs{filled({32, 784}), run(Full{{32}, 3, DType::Int32}, {})};
};

constexpr int64_t kCalls = 100;

/// A small op, called often: all cost, no work.
Work small(OpRef op) {
  const Work one = computing(op, {filled({4, 4}), filled({4, 4})}, 0);
  return {[call = one.call] {
            for (int64_t i = 0; i < kCalls; ++i) call();
          },
          0,
          "",
          {},
          kCalls};
}

Work replayed(Executor* plan, std::vector<Array> inputs, int64_t parts) {
  return {[plan = std::shared_ptr<Executor>(plan), inputs = std::move(inputs)] {
            plan->replay(inputs);
          },
          0,
          "",
          {},
          parts};
}

}  // namespace

void plan_rows(Bench& bench) {
  bench.row("an op's cost, add, 4 x 4", [] { return small(Binary<formulas::Add>{}); });
  bench.row("an op's cost, matmul, 4 x 4", [] { return small(Matmul{}); });
  for (const int64_t steps : {1, 10, 100})
    bench.row(join("an op's cost, add, 4 x 4, replayed, ", steps, " of them"), [steps] {
      const std::vector<Array> inputs{filled({4, 4})};
      auto* plan = new Executor(recorded(inputs, [steps](std::span<const Array> given) {
        Array x = given[0];
        for (int64_t i = 0; i < steps; ++i) x = run(Binary<formulas::Add>{}, {x, given[0]});
        return x;
      }));
      return replayed(plan, inputs, steps);
    });
  const auto mnist = std::make_shared<Mnist>();
  bench.row("a training step of an MLP 784-128-10, dispatched", [&] {
    return Work{[mnist] { mnist->network.step(mnist->inputs[0], mnist->inputs[1]); }, 0, "", {}};
  });
  bench.row("a training step of an MLP 784-128-10, replayed", [&] {
    auto* plan = new Executor(recorded(mnist->inputs, [mnist](std::span<const Array> given) {
      return mnist->network.step(given[0], given[1]);
    }));
    return replayed(plan, mnist->inputs, 1);
  });
}

}  // namespace pyneuro::bench
