// What an op costs beyond its arithmetic: dispatched one by one, and replayed from a recorded list.
// "median_ns" is for one op, in the step of a network for the whole step.
#include "measure.h"
#include "plan/executor.h"
#include "plan/recorder.h"

namespace pyneuro::bench {
namespace {

void dispatch_add(benchmark::State& run) {
  const Array x = filled({4, 4}), y = filled({4, 4});
  const Array* inputs[] = {&x, &y};
  const Binary<formulas::Add> op;
  constexpr int kCalls = 100;
  measure_parts(run, kCalls, [&] {
    for (int i = 0; i < kCalls; ++i) dispatch(op, inputs);
  });
}

void dispatch_matmul(benchmark::State& run) {
  const Array x = filled({4, 4}), y = filled({4, 4});
  const Array* inputs[] = {&x, &y};
  const Matmul op{false, false};
  constexpr int kCalls = 100;
  measure_parts(run, kCalls, [&] {
    for (int i = 0; i < kCalls; ++i) dispatch(op, inputs);
  });
}

/// Records what `step` does with `inputs`, ready to be replayed.
template <class Step> Executor recorded(std::span<const Array> inputs, Step step) {
  Recorder recorder(inputs, true);
  recorder.start();
  const Array result = step(inputs);
  return Executor(recorder.finish({&result, 1}));
}

/// A chain of additions on 4 x 4: all cost, no work.
void replay_chain(benchmark::State& run) {
  const Array inputs[] = {filled({4, 4})};
  const int64_t steps = run.range(0);
  Executor plan = recorded(inputs, [steps](std::span<const Array> given) {
    Array x = given[0];
    for (int64_t i = 0; i < steps; ++i) x = pyneuro::run(Binary<formulas::Add>{}, {x, given[0]});
    return x;
  });
  measure_parts(run, steps, [&] { plan.replay(inputs); });
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

  /// At a rate of zero: the work is the same, and no number ever becomes small enough to be slow.
  void update(std::initializer_list<const Array*> gradients) const {
    std::vector<const Array*> inputs{&rate_, &count_};
    const Weights* const all[] = {&weights_1_, &bias_1_, &weights_2_, &bias_2_};
    for (const Weights* w : all) inputs.push_back(&w->value);
    inputs.insert(inputs.end(), gradients);
    for (const Weights* w : all) inputs.push_back(&w->mean);
    for (const Weights* w : all) inputs.push_back(&w->square);
    dispatch(AdamUpdate{0.9, 0.999, 1e-7, false}, inputs);
  }

  Array rate_ = run(Full{{}, 0.0, DType::Float32}, {});
  Array count_ = run(Full{{}, 1.0, DType::Float32}, {});
  Array gradient_;
  Weights weights_1_, bias_1_, weights_2_, bias_2_;
};

struct Mnist {
  Perceptron network{32, 784, 128, 10};
  Array inputs[2] = {filled({32, 784}), run(Full{{32}, 3, DType::Int32}, {})};
};

void dispatch_perceptron(benchmark::State& run) {
  const Mnist mnist;
  measure_parts(run, 1, [&] { mnist.network.step(mnist.inputs[0], mnist.inputs[1]); });
}

void replay_perceptron(benchmark::State& run) {
  const Mnist mnist;
  Executor plan = recorded(mnist.inputs, [&](std::span<const Array> given) {
    return mnist.network.step(given[0], given[1]);
  });
  measure_parts(run, 1, [&] { plan.replay(mnist.inputs); });
}

BENCHMARK(dispatch_add)->UseManualTime();
BENCHMARK(dispatch_matmul)->UseManualTime();
BENCHMARK(replay_chain)->ArgName("ops")->Arg(1)->Arg(10)->Arg(100)->UseManualTime();
BENCHMARK(dispatch_perceptron)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(replay_perceptron)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pyneuro::bench
