#include "plan/fuse.h"

#include <algorithm>
#include <optional>

namespace pyneuro {
namespace {

bool dense(const Value& v) { return is_dense(v.layout.shape, v.layout.strides); }

bool is_matrix(const Value& v, const Shape& shape) {
  return matrix_strides(v.layout.shape, v.layout.strides, shape).valid;
}

/// Steps [first, last) of a program as a chain.
class Chain {
 public:
  Chain(const Program& program, const std::vector<int>& last_read, int first)
      : program_(program), last_read_(last_read), first_(first), last_(first) {}

  /// Takes the next step in, if it fits.
  bool grow() {
    const Step& step = program_.steps[size_t(last_)];
    const std::optional<Link> link = link_of(step);
    if (!link) return false;
    inputs_ = link->inputs;
    values_.push_back({step.outputs[0], link->row, link->operands});
    ++last_;
    return true;
  }
  int size() const { return last_ - first_; }
  int last() const { return last_; }

  /// The step before the chain, a product, with the chain on its result; null where the chain does
  /// not read that, or cannot run on parts of it.
  std::optional<Step> step_with(const Step& product) const {
    std::optional<Step> chain = step();
    const Value y = product.outputs[0];
    const Shape& shape = y.layout.shape;
    if (!chain || shape.empty() || values_[0].value.layout.shape != shape || !dense(y)) return {};
    if (std::find(inputs_.begin(), inputs_.end(), y) == inputs_.end()) return {};
    for (const Value& x : inputs_)
      if (!is_matrix(x, shape)) return {};
    Step out{product.op, product.inputs, {y}};
    out.own_inputs = int(product.inputs.size());
    out.inputs.insert(out.inputs.end(), chain->inputs.begin(), chain->inputs.end());
    out.outputs.insert(out.outputs.end(), chain->outputs.begin(), chain->outputs.end());
    out.chain = std::move(chain->op);
    if (is_temporary_until(y.buffer)) give_memory(out);
    return out;
  }

  /// The chain as a step; null where nobody reads it, or too many results would be.
  std::optional<Step> step() const {
    Fused op;
    const auto inputs = int64_t(inputs_.size());
    for (const Made& v : values_) {
      op.steps.push_back(v.row);
      for (int64_t k : v.operands)
        op.steps.push_back(k < 0 ? -1 : k < kStepBase ? k : k - kStepBase + inputs);
    }
    Step out{{}, inputs_, {}};
    for (int i = 0; i < int(values_.size()); ++i)
      if (is_read_later(i)) {
        op.results.push_back(i);
        out.outputs.push_back(values_[size_t(i)].value);
      }
    if (op.results.empty() || op.results.size() > Fused::kMostResults) return std::nullopt;
    out.op = AnyOp(op);
    return out;
  }

 private:
  static constexpr int64_t kStepBase = 1000;  // operands from here on are steps
  struct Made {
    Value value;
    int row;
    std::vector<int64_t> operands;
  };
  struct Link {
    int row;
    std::vector<int64_t> operands;
    std::vector<Value> inputs;
  };

  /// The newest value in a buffer, -1 if the chain has not written it.
  int made(int buffer) const {
    for (int i = int(values_.size()) - 1; i >= 0; --i)
      if (values_[size_t(i)].value.buffer == buffer) return i;
    return -1;
  }

  std::optional<Link> link_of(const Step& step) const {
    Link link{step.op.info().id, {}, inputs_};
    const int operands = fusable(link.row);
    if (operands == 0 || size() == Fused::kMostSteps || step.outputs.size() != 1) return {};
    const Value& y = step.outputs[0];
    const Shape& shape = values_.empty() ? y.layout.shape : values_[0].value.layout.shape;
    if (y.layout.shape != shape || !dense(y)) return {};
    for (int i = 0; i < operands; ++i) {
      const Value& x = step.inputs[size_t(i)];
      if (!is_lanes_of_chain(step, link.row, i)) return {};
      const int from = made(x.buffer);
      if (from >= 0) {  // as it was written, or not at all
        if (!(values_[size_t(from)].value == x)) return {};
        link.operands.push_back(kStepBase + from);
        continue;
      }
      const auto known = std::find(link.inputs.begin(), link.inputs.end(), x);
      link.operands.push_back(known - link.inputs.begin());
      if (known == link.inputs.end()) link.inputs.push_back(x);
    }
    link.operands.resize(3, -1);
    if (link.inputs.size() > Fused::kMostInputs) return {};
    // What the chain reads may be written over element by element, and not otherwise.
    for (const Value& x : link.inputs)
      if (x.buffer == y.buffer && !(x == y)) return {};
    const int before = made(y.buffer);
    if (before >= 0 && !(values_[size_t(before)].value == y)) return {};
    return link;
  }

  /// Whether operand i fits what the chain is computed in, which its first step decides.
  bool is_lanes_of_chain(const Step& step, int row, int i) const {
    const Step& first = program_.steps[size_t(first_)];
    const DType lanes = first.inputs.back().dtype;
    return is_lanes(lanes) && fits_step(row, i, step.inputs[size_t(i)].dtype, lanes);
  }

  /// Whether value i is what its buffer holds after the chain, and someone looks.
  bool is_read_later(int i) const {
    const int buffer = values_[size_t(i)].value.buffer;
    return made(buffer) == i && !is_temporary_until(buffer);
  }

  /// Whether nobody reads a buffer after the chain.
  bool is_temporary_until(int buffer) const {
    return program_.buffers[size_t(buffer)].kind == BufferKind::Temporary &&
           last_read_[size_t(buffer)] < last_;
  }

  /// Has a product that the chain alone reads computed where one of the results will lie, unless
  /// something else is read from there.
  static void give_memory(Step& step) {
    const Value y = step.outputs[0];
    for (size_t i = 1; i < step.outputs.size(); ++i) {
      const Value& result = step.outputs[i];
      const auto lies_there = [&](const Value& x) { return x.buffer == result.buffer; };
      if (result.dtype != y.dtype ||
          std::any_of(step.inputs.begin(), step.inputs.end(), lies_there))
        continue;
      std::replace(step.inputs.begin(), step.inputs.end(), y, result);
      step.outputs[0] = result;
      return;
    }
  }

  const Program& program_;
  const std::vector<int>& last_read_;
  int first_, last_;
  std::vector<Made> values_;
  std::vector<Value> inputs_;
};

/// Whether a chain can run on a step's result. With a vector as b a product has no columns.
bool can_lead(const Step& step) {
  return leads(step.op.info().id) && is_lanes(step.outputs[0].dtype) &&
         (step.op.info().id != op_id<Matmul> || step.inputs[1].layout.shape.size() > 1);
}

/// For each buffer the last step that reads it, -1 for none.
std::vector<int> last_reads(const Program& program) {
  std::vector<int> last(program.buffers.size(), -1);
  for (int s = 0; s < int(program.steps.size()); ++s)
    for (const Value& v : program.steps[size_t(s)].inputs)
      if (v.buffer >= 0) last[size_t(v.buffer)] = s;
  return last;
}

}  // namespace

Program fuse(Program program) {
  const std::vector<int> last_read = last_reads(program);
  std::vector<Step> steps;
  const int count = int(program.steps.size());
  for (int s = 0; s < count;) {
    const Step& first = program.steps[size_t(s)];
    std::optional<Step> fused;
    int next = s + 1;
    const bool leading = can_lead(first);
    for (Chain chain(program, last_read, s + leading); chain.last() < count && chain.grow();) {
      if (!leading && chain.size() == 1) continue;
      std::optional<Step> step = leading ? chain.step_with(first) : chain.step();
      if (step) fused = std::move(step), next = chain.last();
    }
    steps.push_back(fused ? *std::move(fused) : first);
    s = next;
  }
  program.steps = std::move(steps);
  return program;
}

}  // namespace pyneuro
