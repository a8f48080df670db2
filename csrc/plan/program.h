// Program: a flat list of ops over buffers. It knows nothing of gradients, layers or Python.
//
// A buffer is one storage that the recorded ops touched; a value is a buffer seen through a layout,
// so views need no step of their own.
#pragma once

#include <string>
#include <vector>

#include "runtime/dispatch.h"

namespace pyneuro {

enum class BufferKind {
  Input,      // bound at each call
  State,      // the memory of a Variable, bound for good
  Constant,   // read, never written, and not an input: kept as recorded
  Temporary,  // written and read inside
  Output      // written inside, handed out
};

struct Buffer {
  BufferKind kind;
  size_t bytes;
  Array held;      // State and Constant: the storage itself
  int input = -1;  // Input: which one
};

/// A buffer seen through a layout. Absent optional inputs have buffer -1.
struct Value {
  int buffer = -1;
  Layout layout;
  DType dtype = DType::Float32;
  Spec spec() const { return {layout.shape, dtype}; }
  friend bool operator==(const Value&, const Value&) = default;
};

/// An op, and what is read and written. If a chain follows it (fuse.h), `inputs` are the op's own
/// and then the chain's, `outputs` the op's one and then the chain's.
struct Step {
  AnyOp op;
  std::vector<Value> inputs, outputs;
  AnyOp chain{};       // a Fused, or nothing
  int own_inputs = 0;  // before the chain's
  friend bool operator==(const Step&, const Step&) = default;
};

struct Program {
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<Value> inputs, outputs;
};

/// The same steps on the same state with the same constants, bit for bit: a program that was
/// recorded twice and differs depends on something that no tensor shows.
bool agree(const Program& a, const Program& b);

/// Why two programs do not agree, in one line; empty where they do.
std::string difference(const Program& a, const Program& b);

/// A table of steps and buffers for people.
std::string to_text(const Program& program);

}  // namespace pyneuro
