#include "plan/executor.h"

#include "plan/fuse.h"
#include "runtime/allocator.h"
#include "runtime/thread_pool.h"

namespace pyneuro {
namespace {

/// The arena of this thread, shared by all plans that it replays: their maximum, not their sum.
/// A plan replayed inside another (by a host function) takes an arena of its own.
class Arena {
 public:
  bool busy = false;
  ~Arena() { reset(); }
  char* at_least(size_t bytes) {
    if (bytes > bytes_) {
      reset();
      empty_cache();  // blocks of the steps that ran before would lie idle beside it
      data_ = static_cast<char*>(allocate(bytes));
      bytes_ = bytes;
    }
    return data_;
  }

 private:
  void reset() noexcept {
    if (data_) deallocate(data_, bytes_);
    data_ = nullptr;
    bytes_ = 0;
  }
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace

Executor::Executor(Program program)
    : program_(fuse(std::move(program))), placement_(place(program_)) {
  for (size_t b = 0; b < program_.buffers.size(); ++b)
    if (program_.buffers[b].kind == BufferKind::Output) output_buffers_.push_back(int(b));
  bound_.resize(program_.buffers.size());
  make_ready();
}

void Executor::make_ready() {
  for (const Step& step : program_.steps) {
    const OpRef op = step.op.ref();
    Ready ready{};
    ready.kernel = &cpu_kernel(*op.info), ready.op = op.op, ready.info = op.info;
    ready.first_view = int(views_.size());
    ready.inputs = int(step.inputs.size()), ready.outputs = int(step.outputs.size());
    if (step.chain) {
      ready.chain = static_cast<const Fused*>(step.chain.ref().op);
      ready.chain_inputs = ready.inputs - step.own_inputs, ready.inputs = step.own_inputs;
      ready.chain_outputs = ready.outputs - 1, ready.outputs = 1;
    }
    const auto add = [&](const Value& v) {
      View view{nullptr, v.layout.shape, v.layout.strides, v.dtype, v.buffer >= 0};
      if (v.buffer >= 0)
        patches_.push_back(
            {int(views_.size()), v.buffer, v.layout.offset * int64_t(size_of(v.dtype))});
      views_.push_back(view);
    };
    for (const Value& v : step.inputs) add(v);
    for (const Value& v : step.outputs) add(v);
    if (ready.kernel->scratch)
      scratch_bytes_ =
          std::max(scratch_bytes_,
                   ready.kernel->scratch(op.op, ready.in(views_.data()), ready.out(views_.data())));
    ready_.push_back(ready);
  }
  for (size_t s = 0; s < ready_.size(); ++s) find_kept(program_.steps[s], ready_[s]);
}

bool Executor::writes(int buffer) const {
  for (size_t s = 0; s < ready_.size(); ++s) {
    const Ready& r = ready_[s];
    for (int i = 0; r.info->mutates && i < r.inputs; ++i)
      if (r.info->mutates(r.op, i, r.inputs) &&
          program_.steps[s].inputs[size_t(i)].buffer == buffer)
        return true;
  }
  return false;
}

void Executor::find_kept(const Step& step, Ready& ready) {
  ready.kept = -1;
  const In in = ready.in(views_.data());
  if (!ready.kernel->keeps || !in.has(1)) return;
  const int buffer = step.inputs[1].buffer;
  const Buffer& input = program_.buffers[size_t(buffer)];
  if (input.kind != BufferKind::State && input.kind != BufferKind::Constant) return;
  if (input.held.storage()->borrowed()) return;  // its owner may write without our knowing
  const size_t bytes = ready.kernel->keeps(ready.op, in, ready.out(views_.data()));
  if (bytes == 0 || writes(buffer)) return;
  ready.kept = int(kept_.size());
  kept_.push_back({input.held.storage(), bytes});
}

size_t Executor::kept_bytes() const {
  size_t bytes = 0;
  for (const Keep& keep : kept_) bytes += keep.bytes;
  return bytes;
}

Kept Executor::Keep::begin() {
  if (!memory) memory = Array::empty({Shape{int64_t(bytes)}, DType::UInt8});
  const bool stale = !filled || version != input->version();
  filled = false;  // until the step has run
  version = input->version();
  return {memory.data(), stale};
}

char* Executor::base(int buffer, char* arena) const {
  const Buffer& b = program_.buffers[size_t(buffer)];
  switch (b.kind) {
    case BufferKind::Temporary: return arena + placement_.offsets[size_t(buffer)];
    case BufferKind::State:
    case BufferKind::Constant: return static_cast<char*>(b.held.storage()->data());
    case BufferKind::Input: return static_cast<char*>(bound_[size_t(buffer)].data());
    case BufferKind::Output: return static_cast<char*>(bound_[size_t(buffer)].storage()->data());
  }
  return nullptr;
}

void Executor::bind(char* arena, std::span<const Array> inputs, std::vector<Array>& outputs) {
  if (inputs.size() != program_.inputs.size())
    raise(ErrorKind::Capture, join("replay: ", inputs.size(), " inputs were given, but ",
                                   program_.inputs.size(), " were recorded"));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& v = program_.inputs[i];
    if (inputs[i].spec() != v.spec() || !inputs[i].dense() || !inputs[i].has_elements())
      raise(ErrorKind::Capture, join("replay: input ", i, " is ", inputs[i].spec(), ", but ",
                                     v.spec(), " was recorded"));
    bound_[size_t(v.buffer)] = inputs[i];
  }
  for (int b : output_buffers_) {
    const int64_t bytes = int64_t(program_.buffers[size_t(b)].bytes);
    bound_[size_t(b)] = Array::empty({Shape{bytes}, DType::UInt8});
  }
  for (const Patch& p : patches_) views_[size_t(p.view)].data = base(p.buffer, arena) + p.bytes;
  for (const Value& v : program_.outputs) {
    const Buffer& b = program_.buffers[size_t(v.buffer)];
    const bool held = b.kind == BufferKind::State || b.kind == BufferKind::Constant;
    Storage* storage = (held ? b.held : bound_[size_t(v.buffer)]).storage();
    Layout layout = v.layout;
    if (b.kind == BufferKind::Input) layout.offset += bound_[size_t(v.buffer)].layout().offset;
    storage->retain();
    outputs.emplace_back(storage, layout, v.dtype);
  }
}

void Executor::run_steps() {
  const TeamHold hold;
  for (const Ready& r : ready_) {
    FailState fail;
    // Asked for at each step: a host function may have made this thread's scratch move.
    void* scratch = scratch_bytes_ ? thread_scratch(scratch_bytes_) : nullptr;
    const Chained chained = r.chained(views_.data());
    Keep* const keep = r.kept < 0 ? nullptr : &kept_[size_t(r.kept)];
    const Kept kept = keep ? keep->begin() : Kept{};
    Context ctx(host_services(), scratch, &fail, r.chain ? &chained : nullptr,
                keep ? &kept : nullptr);
    r.kernel->run(r.op, ctx, r.in(views_.data()), r.out(views_.data()));
    fail.check();
    if (keep) keep->filled = true;
    if (!r.info->mutates) continue;
    const Step& step = program_.steps[size_t(&r - ready_.data())];
    for (int i = 0; i < r.inputs; ++i)
      if (r.info->mutates(r.op, i, r.inputs))
        program_.buffers[size_t(step.inputs[size_t(i)].buffer)].held.storage()->bump();
  }
}

std::vector<Array> Executor::replay(std::span<const Array> inputs) {
  thread_local Arena shared;
  Arena own;
  const std::lock_guard lock(busy_);
  if (running_) raise(ErrorKind::Capture, "replay: a plan cannot be replayed inside itself");
  Arena& arena = shared.busy ? own : shared;
  std::vector<Array> outputs;
  struct Running {  // whatever happens, hold no caller's memory beyond the call
    Executor& self;
    Arena& arena;
    ~Running() {
      for (Array& a : self.bound_) a.drop();
      self.running_ = arena.busy = false;
    }
  } running{*this, arena};
  running_ = arena.busy = true;
  bind(arena.at_least(placement_.bytes), inputs, outputs);
  run_steps();
  return outputs;
}

}  // namespace pyneuro
