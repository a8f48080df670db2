// Shape and dtype rules of fused chains: those of their steps, one after the other.
#include "ops/fused.h"

#include <algorithm>

#include "ops/table.h"

namespace pyneuro {
namespace {

template <class... Fs> constexpr int size_of_list(TypeList<Fs...>) { return sizeof...(Fs); }
constexpr int kUnary = size_of_list(formulas::UnaryList{});
constexpr int kBinary = size_of_list(formulas::BinaryList{});

[[noreturn]] void raise_step(int step, std::string_view what) {
  raise(ErrorKind::Argument, join("fused: step ", step, ' ', what));
}

/// A step's spec; its operands' are in `values`, inputs first.
Spec spec_of_step(const Fused& op, int step, const std::vector<Spec>& values, DType lanes) {
  const int row = op.row(step), operands = row < 0 || row >= kOpCount ? 0 : fusable(row);
  if (operands == 0) raise_step(step, "is no elementwise op");
  const Spec* specs[3];
  for (int i = 0; i < 3; ++i) {
    const int k = op.operand(step, i);
    if (i >= operands) {
      if (k != -1) raise_step(step, "has an operand too many");
      continue;
    }
    if (k < 0 || k >= int(values.size())) raise_step(step, "reads what is not there yet");
    specs[i] = &values[size_t(k)];
    if (!fits_step(row, i, specs[i]->dtype, lanes))
      raise(ErrorKind::DType, join("fused: step ", step, " reads ", name(specs[i]->dtype),
                                   " where the chain is computed in ", name(lanes)));
  }
  const char none = 0;  // these ops have no fields
  return op_info(row).infer(&none, Inputs(specs, operands))[0];
}

}  // namespace

int fusable(int row) {
  if (row < kUnary) return 1;
  if (row < kUnary + kBinary) return 2;
  return row == op_id<Where> ? 3 : 0;
}

bool leads(int row) { return row == op_id<Matmul> || row == op_id<Conv>; }

bool fits_step(int row, int i, DType dtype, DType lanes) {
  return row == op_id<Where> && i == 0 ? is_bool(dtype) : dtype == lanes;
}

Specs Fused::infer(Inputs in) const {
  if (steps.empty() || steps.size() % 4 != 0 || size() > kMostSteps)
    raise(ErrorKind::Argument,
          join("fused: ", steps.size(), " numbers are not 1 to ", kMostSteps, " steps of four"));
  if (in.size() < 1 || in.size() > kMostInputs)
    raise(ErrorKind::Argument, join("fused: 1 to ", kMostInputs, " inputs, not ", in.size()));
  std::vector<Spec> values;
  for (int i = 0; i < in.size(); ++i) values.push_back(in[i]);
  DType lanes = DType::Bool;
  for (const Spec& s : values)
    if (!is_bool(s.dtype)) lanes = s.dtype;
  if (!is_lanes(lanes))
    raise(ErrorKind::DType, join("fused: a chain cannot be computed in ", name(lanes)));
  for (int s = 0; s < size(); ++s) {
    values.push_back(spec_of_step(*this, s, values, lanes));
    if (values.back().shape != values[size_t(in.size())].shape)
      raise(ErrorKind::Shape, join("fused: step ", s, " gives ", values.back().shape,
                                   ", but step 0 ", values[size_t(in.size())].shape));
  }
  if (results.empty() || results.size() > kMostResults)
    raise(ErrorKind::Argument,
          join("fused: 1 to ", kMostResults, " results, not ", results.size()));
  std::vector<Spec> out;
  for (int64_t r : results) {
    if (r < 0 || r >= size()) raise(ErrorKind::Argument, join("fused: there is no step ", r));
    if (std::count(results.begin(), results.end(), r) > 1)
      raise(ErrorKind::Argument, join("fused: step ", r, " is given out twice"));
    out.push_back(values[size_t(in.size() + r)]);
  }
  return Specs(std::move(out));
}

}  // namespace pyneuro
