#include "plan/recorder.h"

namespace pyneuro {

Recorder::Recorder(std::span<const Array> inputs, bool strict) : strict_(strict) {
  for (const Array& a : inputs) {
    if (known_.contains(a.storage()->id()))
      raise(ErrorKind::Capture,
            "capture: the same memory was given as two inputs; copy one of them");
    if (a.storage()->state())
      raise(ErrorKind::Capture,
            "capture: a Variable was given as an input; it is state and is "
            "found by itself");
    const int buffer = int(program_.buffers.size());
    program_.buffers.push_back({BufferKind::Input, a.bytes(), {}, int(program_.inputs.size())});
    // A replay gets dense inputs, so the recording must see the input as dense too.
    if (!a.dense()) raise(ErrorKind::Capture, "capture: an input is not dense");
    program_.inputs.push_back({buffer, {a.shape(), a.layout().strides, 0}, a.dtype()});
    known_[a.storage()->id()] = buffer;
    input_offsets_.push_back(a.layout().offset);
  }
}

void Recorder::start() {
  before_ = set_observer(this);
  active_ = true;
}

void Recorder::stop() noexcept {
  if (active_) set_observer(before_);
  active_ = false;
}

int Recorder::buffer_of(const Array& array, bool written) {
  const auto [it, fresh] = known_.try_emplace(array.storage()->id(), int(program_.buffers.size()));
  if (!fresh) return it->second;
  const bool state = array.storage()->state();
  const BufferKind kind = state     ? BufferKind::State
                          : written ? BufferKind::Temporary
                                    : BufferKind::Constant;
  program_.buffers.push_back({kind, array.storage()->bytes(), {}, -1});
  if (kind != BufferKind::Temporary) program_.buffers.back().held = array;
  return it->second;
}

Value Recorder::value_of(const Array& array, bool written) {
  const int buffer = buffer_of(array, written);
  Layout layout = array.layout();
  const Buffer& b = program_.buffers[size_t(buffer)];
  if (b.kind == BufferKind::Input) layout.offset -= input_offsets_[size_t(b.input)];
  return {buffer, layout, array.dtype()};
}

void Recorder::ran(OpRef op, std::span<const Array* const> inputs,
                   std::span<const Array* const> outputs) {
  Step step{AnyOp(op), {}, {}};
  for (const Array* a : inputs) step.inputs.push_back(a ? value_of(*a, false) : Value{});
  for (const Array* a : outputs) step.outputs.push_back(value_of(*a, true));
  program_.steps.push_back(std::move(step));
}

void Recorder::read(const Array& array) {
  // A constant that was never part of the recording (a fresh array of the user's) does no harm.
  if (!known_.contains(array.storage()->id()) && !array.storage()->state()) return;
  poisoned_ = true;
  if (strict_)
    raise(ErrorKind::Capture,
          "the value of a tensor was looked at while its computation was being "
          "recorded; a replay could not know it. Return it instead, or use "
          "ops.where to choose between values");
}

Program Recorder::finish(std::span<const Array> outputs) {
  stop();
  for (const Array& a : outputs) {
    const Value v = value_of(a, false);
    Buffer& b = program_.buffers[size_t(v.buffer)];
    if (b.kind == BufferKind::Temporary) b.kind = BufferKind::Output;
    program_.outputs.push_back(v);
  }
  known_.clear();
  return std::move(program_);
}

}  // namespace pyneuro
