// Attention and recurrent layers, forward and backward: GFLOP/s of their products, and the share of
// the multiply-adds that the machine can do.
#include "measure.h"

namespace pyneuro::bench {
namespace {

/// Of a dispatch, all outputs.
std::vector<Array> outputs_of(OpRef op, const std::vector<Array>& inputs) {
  std::vector<const Array*> given;
  for (const Array& a : inputs) given.push_back(&a);
  Outputs found = dispatch(op, given);
  std::vector<Array> all;
  for (int i = 0; i < found.size(); ++i) all.push_back(found[i]);
  return all;
}

/// Two products of all pairs forward, five backward, as the logits are computed again.
void attention_of(Bench& bench, const Shape& shape, int64_t key_heads, bool causal) {
  const int64_t n = shape[0], t = shape[1], heads = shape[2], size = shape[3];
  const Shape keys{n, t, key_heads, size};
  std::string what = by(shape) + (causal ? ", causal" : "");
  if (key_heads != heads) what += join(", ", key_heads, " heads of keys");
  const Attention op{0.125, causal};
  const double pairs = double(n * heads * size) * double(t) * double(causal ? t + 1 : 2 * t) / 2;
  const auto given = [&] { return std::vector{filled(shape), filled(keys), filled(keys)}; };
  bench.row(title<Attention>(what), [&] { return computing(op, given(), 2 * 2 * pairs); });
  bench.row(title<AttentionGrad>(what), [&] {
    std::vector<Array> inputs = given();
    for (const Array& a : outputs_of(op, inputs)) inputs.push_back(a);
    inputs.push_back(filled(shape));
    return computing(AttentionGrad{0.125, causal}, inputs, 5 * 2 * pairs);
  });
}

/// The products of states with the recurrent kernel; what inputs add is another op's.
void recurrent_of(Bench& bench, int64_t batch, int64_t steps, int64_t units) {
  const std::string what = by({batch, steps, units});
  const auto h = [&] { return filled({batch, units}); };
  const auto y = [&] { return filled({batch, steps, units}); };
  const auto x = [&](int64_t gates) { return filled({batch, steps, gates * units}); };
  const auto kernel = [&](int64_t gates) { return filled({units, gates * units}); };
  const auto operations = [&](int64_t gates) {
    return 2.0 * double(batch * steps * units) * double(gates * units);
  };
  const auto lstm = with_defaults<Lstm>();
  const auto gru = with_defaults<Gru>();
  const auto lstm_inputs = [&] { return std::vector{x(4), kernel(4), h(), h()}; };
  const auto gru_inputs = [&] { return std::vector{x(3), kernel(3), filled({3 * units}), h()}; };
  bench.row(title<Lstm>(what), [&] { return computing(lstm, lstm_inputs(), operations(4)); });
  bench.row(title<LstmGrad>(what), [&] {
    const std::vector<Array> found = outputs_of(lstm, lstm_inputs());
    return computing(with_defaults<LstmGrad>(), {kernel(4), found[3], found[4], y(), h(), h()},
                     operations(4));
  });
  bench.row(title<Gru>(what), [&] { return computing(gru, gru_inputs(), operations(3)); });
  bench.row(title<GruGrad>(what), [&] {
    const std::vector<Array> found = outputs_of(gru, gru_inputs());
    return computing(with_defaults<GruGrad>(), {kernel(3), found[2], found[3], y(), h()},
                     operations(3));
  });
}

}  // namespace

void sequence_rows(Bench& bench) {
  const int64_t n = bench.sized(8);
  for (const bool causal : {false, true}) {
    attention_of(bench, {n, bench.sized(256), 8, bench.sized(32)}, 8, causal);
    attention_of(bench, {n, bench.sized(1024), 8, bench.sized(64)}, 8, causal);
  }
  attention_of(bench, {n, bench.sized(256), 8, bench.sized(64)}, 2, true);
  recurrent_of(bench, bench.sized(32), bench.sized(100), bench.sized(128));
  recurrent_of(bench, bench.sized(8), bench.sized(100), bench.sized(512));
}

}  // namespace pyneuro::bench
