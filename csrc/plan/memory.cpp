#include "plan/memory.h"

#include <algorithm>
#include <numeric>

namespace pyneuro {
namespace {

constexpr size_t kAlign = 64;

struct Life {
  int buffer;
  int first, last;  // steps
  size_t bytes;
};

/// The input whose memory a step's output takes over, or null. `lives` has the last reads.
const Value* taken_over(const Program& program, const std::vector<Life>& lives, int s) {
  const Step& step = program.steps[size_t(s)];
  const int output = step.op.info().inplace;
  if (step.chain || output < 0 || output >= int(step.outputs.size())) return nullptr;
  const Value& y = step.outputs[size_t(output)];
  const auto temporary = [&](const Value& v) {
    return v.buffer >= 0 && program.buffers[size_t(v.buffer)].kind == BufferKind::Temporary;
  };
  const auto whole = [&](const Value& v) {
    return v.layout.offset == 0 && is_dense(v.layout.shape, v.layout.strides) &&
           program.buffers[size_t(v.buffer)].bytes == program.buffers[size_t(y.buffer)].bytes;
  };
  if (!temporary(y) || lives[size_t(y.buffer)].first != s || !whole(y)) return nullptr;
  for (const Value& x : step.inputs) {
    if (!temporary(x) || lives[size_t(x.buffer)].last != s || x.spec() != y.spec() || !whole(x))
      continue;
    const auto otherwise = [&](const Value& v) { return v.buffer == x.buffer && !(v == x); };
    if (std::none_of(step.inputs.begin(), step.inputs.end(), otherwise)) return &x;
  }
  return nullptr;
}

/// The life of each temporary buffer; `owner` says in which one's memory a buffer lies.
std::vector<Life> lifetimes(const Program& program, std::vector<int>& owner) {
  std::vector<Life> lives(program.buffers.size());
  for (size_t b = 0; b < lives.size(); ++b)
    lives[b] = {int(b), -1, -1, (program.buffers[b].bytes + kAlign - 1) / kAlign * kAlign};
  for (int s = 0; s < int(program.steps.size()); ++s) {
    const auto touch = [&](const Value& v) {
      if (v.buffer < 0) return;
      Life& life = lives[size_t(v.buffer)];
      if (life.first < 0) life.first = s;
      life.last = s;
    };
    for (const Value& v : program.steps[size_t(s)].inputs) touch(v);
    for (const Value& v : program.steps[size_t(s)].outputs) touch(v);
  }
  for (int s = 0; s < int(program.steps.size()); ++s) {
    const Value* x = taken_over(program, lives, s);
    if (x == nullptr) continue;
    const Step& step = program.steps[size_t(s)];
    const int y = step.outputs[size_t(step.op.info().inplace)].buffer;
    owner[size_t(y)] = owner[size_t(x->buffer)];
    lives[size_t(owner[size_t(y)])].last = lives[size_t(y)].last;
  }
  std::erase_if(lives, [&](const Life& l) {
    return l.first < 0 || owner[size_t(l.buffer)] != l.buffer ||
           program.buffers[size_t(l.buffer)].kind != BufferKind::Temporary;
  });
  return lives;
}

}  // namespace

Placement place(const Program& program) {
  std::vector<int> owner(program.buffers.size());
  std::iota(owner.begin(), owner.end(), 0);
  std::vector<Life> lives = lifetimes(program, owner);
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  Placement out{std::vector<size_t>(program.buffers.size(), 0), 0};
  std::vector<Life> placed;
  for (const Life& life : lives) {
    std::vector<std::pair<size_t, size_t>> taken;  // [from, to) of those alive at the same time
    for (const Life& other : placed)
      if (other.first <= life.last && life.first <= other.last) {
        const size_t from = out.offsets[size_t(other.buffer)];
        taken.emplace_back(from, from + other.bytes);
      }
    std::sort(taken.begin(), taken.end());
    size_t at = 0;
    for (const auto& [from, to] : taken) {
      if (at + life.bytes <= from) break;
      at = std::max(at, to);
    }
    out.offsets[size_t(life.buffer)] = at;
    out.bytes = std::max(out.bytes, at + life.bytes);
    placed.push_back(life);
  }
  for (size_t b = 0; b < owner.size(); ++b) out.offsets[b] = out.offsets[size_t(owner[b])];
  return out;
}

}  // namespace pyneuro
