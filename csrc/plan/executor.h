// Executor: a Program made ready, and replayed in one call: no shape rule, no allocation but of the
// outputs, no tape.
#pragma once

#include <memory>
#include <mutex>

#include "plan/memory.h"

namespace pyneuro {

class Executor {
 public:
  /// Takes the kernels that are in use now.
  explicit Executor(Program program);

  /// Runs every step on these inputs: dense, with the specs that were recorded. Raises what a
  /// kernel reports; state is written only by the steps that write it, which stand last in a
  /// training step.
  std::vector<Array> replay(std::span<const Array> inputs);

  const Program& program() const { return program_; }
  size_t arena_bytes() const { return placement_.bytes; }
  /// Of other forms of weights, once it was replayed.
  size_t kept_bytes() const;

 private:
  struct Ready {  // a step with its kernel and where its views lie in views_
    const Kernel* kernel;
    const void* op;
    const OpInfo* info;
    const Fused* chain;  // or null
    int first_view, inputs, outputs;
    int chain_inputs,
        chain_outputs;  // views lie as the op's inputs, chain's, op's outputs, chain's
    int kept;           // in kept_, or -1

    In in(const View* views) const { return {views + first_view, inputs}; }
    Out out(const View* views) const {
      return {views + first_view + inputs + chain_inputs, outputs};
    }
    Chained chained(const View* views) const {
      return {chain,
              {views + first_view + inputs, chain_inputs},
              {out(views).views + outputs, chain_outputs}};
    }
  };
  struct Patch {  // a view whose pointer changes with each call
    int view, buffer;
    int64_t bytes;
  };

  struct Keep {  // what a step keeps of its second input, which no step writes
    const Storage* input;
    size_t bytes;
    Array memory{};        // from the first replay on
    bool filled = false;   // from the input as it was at
    uint64_t version = 0;  // this version

    Kept begin();
  };

  char* base(int buffer, char* arena) const;
  void bind(char* arena, std::span<const Array> inputs, std::vector<Array>& outputs);
  void run_steps();
  void make_ready();
  bool writes(int buffer) const;
  void find_kept(const Step& step, Ready& ready);

  Program program_;
  Placement placement_;
  std::vector<Ready> ready_;
  std::vector<View> views_;
  std::vector<Patch> patches_;
  std::vector<Keep> kept_;
  std::vector<int> output_buffers_;  // buffers of kind Output
  std::vector<Array> bound_;         // by buffer: inputs and outputs of the call under way
  size_t scratch_bytes_ = 0;
  std::recursive_mutex
      busy_;  // one call at a time; a host function that replays it again is refused
  bool running_ = false;
};

}  // namespace pyneuro
