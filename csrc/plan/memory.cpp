#include "plan/memory.h"

#include <algorithm>

namespace pyneuro {
namespace {

constexpr size_t kAlign = 64;

struct Life {
  int buffer;
  int first, last;  // steps
  size_t bytes;
};

std::vector<Life> lifetimes(const Program& program) {
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
  std::erase_if(lives, [&](const Life& l) {
    return l.first < 0 || program.buffers[size_t(l.buffer)].kind != BufferKind::Temporary;
  });
  return lives;
}

}  // namespace

Placement place(const Program& program) {
  std::vector<Life> lives = lifetimes(program);
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
  return out;
}

}  // namespace pyneuro
