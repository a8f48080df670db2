#include "plan/program.h"

#include <cstring>

namespace pyneuro {
namespace {

constexpr std::string_view kKindNames[] = {"input", "state", "constant", "temporary", "output"};

bool same_buffer(const Buffer& a, const Buffer& b) {
  if (a.kind != b.kind || a.bytes != b.bytes || a.input != b.input) return false;
  if (a.kind == BufferKind::State) return a.held.storage() == b.held.storage();
  if (a.kind == BufferKind::Constant)
    return a.held.storage() == b.held.storage() ||
           std::memcmp(a.held.storage()->data(), b.held.storage()->data(), a.bytes) == 0;
  return true;
}

void print(std::ostream& out, const Value& v) {
  if (v.buffer < 0)
    out << "none";
  else
    out << '%' << v.buffer << ' ' << v.spec();
}

}  // namespace

std::string difference(const Program& a, const Program& b) {
  const size_t steps = std::min(a.steps.size(), b.steps.size());
  for (size_t i = 0; i < steps; ++i) {
    if (a.steps[i] == b.steps[i]) continue;
    return join("step ", i, " was ", to_text(a.steps[i].op.ref()), " and then ",
                to_text(b.steps[i].op.ref()),
                a.steps[i].op == b.steps[i].op ? " on other values" : "");
  }
  if (a.steps.size() != b.steps.size())
    return join("it ran ", a.steps.size(), " ops and then ", b.steps.size());
  if (a.buffers.size() != b.buffers.size() || a.inputs != b.inputs || a.outputs != b.outputs)
    return "it gave other outputs";
  for (size_t i = 0; i < a.buffers.size(); ++i)
    if (!same_buffer(a.buffers[i], b.buffers[i]))
      return join("a ", kKindNames[int(a.buffers[i].kind)], " of ", a.buffers[i].bytes,
                  " bytes was another value the second time");
  return {};
}

bool agree(const Program& a, const Program& b) { return difference(a, b).empty(); }

std::string to_text(const Program& program) {
  std::ostringstream out;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    out << i << ": ";
    for (size_t k = 0; k < step.outputs.size(); ++k) {
      print(out, step.outputs[k]);
      out << (k + 1 < step.outputs.size() ? ", " : " = ");
    }
    out << to_text(step.op.ref());
    if (step.chain) out << " + " << to_text(step.chain.ref());
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      out << (k ? ", " : "  ");
      print(out, step.inputs[k]);
    }
    out << '\n';
  }
  size_t bytes[5] = {}, number[5] = {};
  for (const Buffer& b : program.buffers) {
    bytes[int(b.kind)] += b.bytes;
    number[int(b.kind)] += 1;
  }
  for (int k = 0; k < 5; ++k)
    if (number[k])
      out << number[k] << ' ' << kKindNames[k] << (number[k] == 1 ? " buffer, " : " buffers, ")
          << bytes[k] << " bytes\n";
  return out.str();
}

}  // namespace pyneuro
