#include "runtime/dispatch.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "runtime/allocator.h"
#include "runtime/thread_pool.h"

namespace pyneuro {
namespace {

thread_local Observer* the_observer = nullptr;
thread_local Device the_default_device = Device::Cpu;

struct Planted {
  std::atomic<Fault> fault{Fault::None};
  std::atomic<int> op{-1};
};
Planted planted;

/// A list made for one call: short ones on the stack, long ones (updates of many variables) on the
/// heap. Elements are set before they are read, so nothing is spent on defaults.
template <class T> class CallList {
 public:
  explicit CallList(int n) {
    if (n > kInline) heap_ = std::make_unique<T[]>(size_t(n));
    at_ = heap_ ? heap_.get() : reinterpret_cast<T*>(inline_);
  }
  CallList(const CallList&) = delete;
  T* data() { return at_; }
  T& operator[](int i) { return at_[i]; }

 private:
  static_assert(std::is_trivially_destructible_v<T>);
  static constexpr int kInline = 6;
  alignas(T) unsigned char inline_[kInline * sizeof(T)];
  std::unique_ptr<T[]> heap_;
  T* at_;
};

void expect_inputs(const OpInfo& op, std::span<const Array* const> inputs) {
  const Signature& sig = op.signature;
  const int n = int(inputs.size());
  if (n < sig.required() || (n > sig.size() && !sig.variadic()))
    raise(ErrorKind::Argument,
          join(sig.name, ": takes ", sig.required(), sig.variadic() ? " or more" : "",
               " inputs, but ", n, " were given"));
  for (int i = 0; i < n; ++i) {
    const bool optional = i < sig.size() && sig.inputs[size_t(i)].back() == '?';
    if (!inputs[size_t(i)] && !optional)
      raise(ErrorKind::Argument, join(sig.name, ": ", sig.input(i), " is None"));
  }
}

/// The device that an op runs on: meta as soon as one input is there.
Device device_of(std::span<const Array* const> inputs) {
  bool any = false;
  for (const Array* a : inputs) {
    if (a && a->device() == Device::Meta) return Device::Meta;
    any |= a != nullptr;
  }
  return any ? Device::Cpu : the_default_device;
}

void spoil(View v) {
  if (v.size() == 0) return;
  if (v.dtype == DType::Float32)
    *v.as<float>() += 1.0f;
  else if (v.dtype == DType::Float64)
    *v.as<double>() += 1.0;
  else
    *v.as<uint8_t>() ^= 1;
}

using Pointers = std::span<const Array* const>;

/// Runs the kernel of `op` on dense or strided arrays as they are, and tells the observer.
void run_kernel(OpRef op, Pointers inputs, Pointers outputs) {
  const Kernel& kernel = cpu_kernel(*op.info);
  const int n = int(inputs.size()), m = int(outputs.size());
  CallList<View> in(n), out(m);
  for (int i = 0; i < n; ++i) {
    new (&in[i]) View(inputs[size_t(i)] ? inputs[size_t(i)]->view() : View{});
    in[i].present = inputs[size_t(i)] != nullptr;
  }
  for (int i = 0; i < m; ++i) new (&out[i]) View(outputs[size_t(i)]->view());
  FailState fail;
  void* scratch = nullptr;
  if (kernel.scratch)
    scratch = thread_scratch(kernel.scratch(op.op, {in.data(), n}, {out.data(), m}));
  Context ctx(host_services(), scratch, &fail);
  kernel.run(op.op, ctx, {in.data(), n}, {out.data(), m});
  fail.check();
  if (planted.fault == Fault::Kernel && planted.op == op.info->id && m > 0) spoil(out[0]);
  if (op.info->mutates)
    for (int i = 0; i < n; ++i)
      if (op.info->mutates(op.op, i, n)) inputs[size_t(i)]->storage()->bump();
  if (the_observer) the_observer->ran(op, inputs, outputs);
}

Array copied(const Array& a) {
  const Array out = Array::empty(a.spec());
  const Array *from = &a, *to = &out;
  const Copy copy{};
  run_kernel(copy, {&from, 1}, {&to, 1});
  return out;
}

/// Outputs as views of input 0. State is copied first: no view may see it change.
Outputs alias(OpRef op, const Array& input, const Specs& specs) {
  Array base = input.storage()->state() ? copied(input) : input;
  Outputs out;
  for (int i = 0; i < specs.size(); ++i) {
    Layout layout;
    if (!op.info->alias(op.op, i, base.layout(), layout)) {
      base = copied(base);
      op.info->alias(op.op, i, base.layout(), layout);
    }
    out.push_back(base.with(layout));
  }
  return out;
}

void expect_state(const OpInfo& op, int input, const Array& a) {
  if (!a.storage()->state())
    raise(ErrorKind::Argument, join(op.signature.name, ": writes to ", op.signature.input(input),
                                    ", input ", input, ", which is no Variable"));
}

Specs infer(OpRef op, Pointers inputs) {
  const int n = int(inputs.size());
  CallList<const Spec*> specs(n);
  for (int i = 0; i < n; ++i) specs[i] = inputs[size_t(i)] ? &inputs[size_t(i)]->spec() : nullptr;
  Specs out = op.info->infer(op.op, Inputs(specs.data(), n));
  if (planted.fault == Fault::Shape && planted.op == op.info->id && out.size() > 0 &&
      !out[0].shape.empty()) {
    std::vector<Spec> wrong;
    for (int i = 0; i < out.size(); ++i) wrong.push_back(out[i]);
    wrong[0].shape[wrong[0].shape.size() - 1] += 1;
    return wrong.size() == 1 ? Specs(wrong[0]) : Specs(std::move(wrong));
  }
  return out;
}

struct HostFunctions {
  std::mutex mutex;
  std::map<int64_t, std::shared_ptr<HostFunction>> all;
  int64_t next = 1;
};
HostFunctions& host_functions() {
  static HostFunctions& f = *new HostFunctions;
  return f;
}

bool call_host(int64_t callback, const View* in, int inputs, const View* out, int outputs,
               void* fail) noexcept {
  auto& state = *static_cast<FailState*>(fail);
  try {
    std::shared_ptr<HostFunction> function;
    {
      const std::lock_guard lock(host_functions().mutex);
      const auto it = host_functions().all.find(callback);
      if (it != host_functions().all.end()) function = it->second;
    }
    if (!function)
      raise(ErrorKind::Argument, join("host_call: no function is registered as ", callback));
    (*function)({in, size_t(inputs)}, {out, size_t(outputs)});
    return true;
  } catch (...) {
    state.keep(std::current_exception());
    return false;
  }
}

struct ThreadScratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~ThreadScratch() {
    if (data) deallocate(data, bytes);
  }
};

}  // namespace

Observer* set_observer(Observer* observer) noexcept {
  return std::exchange(the_observer, observer);
}
Observer* observer() noexcept { return the_observer; }

Device set_default_device(Device device) noexcept {
  return std::exchange(the_default_device, device);
}
Device default_device() noexcept { return the_default_device; }

void plant_fault(Fault fault, int op_id) noexcept {
  planted.op = op_id;
  planted.fault = fault;
}

void FailState::report(void* self, ErrorKind kind, int64_t position, const char* text) noexcept {
  auto& state = *static_cast<FailState*>(self);
  while (state.lock_.test_and_set(std::memory_order_acquire)) {}
  if (!state.failed_.load(std::memory_order_relaxed) || position < state.position_) {
    state.kind_ = kind;
    state.position_ = position;
    std::strncpy(state.text_, text, sizeof state.text_ - 1);
    state.failed_.store(true, std::memory_order_release);
  }
  state.lock_.clear(std::memory_order_release);
}

void FailState::check() const {
  if (error_) std::rethrow_exception(error_);
  if (failed_.load(std::memory_order_acquire)) raise(kind_, text_);
}

const HostServices& host_services() noexcept {
  static const HostServices services{&parallel_for, &call_host, &FailState::report};
  return services;
}

void* thread_scratch(size_t bytes) {
  thread_local ThreadScratch scratch;
  if (bytes > scratch.bytes) {
    if (scratch.data) deallocate(scratch.data, scratch.bytes);
    scratch.data = nullptr;
    scratch.bytes = 0;
    scratch.data = allocate(bytes);
    scratch.bytes = bytes;
  }
  return scratch.data;
}

int64_t register_host_function(HostFunction function) {
  auto& functions = host_functions();
  const std::lock_guard lock(functions.mutex);
  functions.all[functions.next] = std::make_shared<HostFunction>(std::move(function));
  return functions.next++;
}

void unregister_host_function(int64_t callback) {
  auto& functions = host_functions();
  const std::lock_guard lock(functions.mutex);
  functions.all.erase(callback);
}

Outputs dispatch(OpRef op, std::span<const Array* const> inputs) {
  const OpInfo& row = *op.info;
  expect_inputs(row, inputs);
  const Specs specs = infer(op, inputs);
  const int n = int(inputs.size()), m = specs.size();
  Outputs out;
  if (device_of(inputs) == Device::Meta) {
    for (int i = 0; i < m; ++i) out.push_back(Array::empty(specs[i], Device::Meta));
    return out;
  }
  if (row.alias) return alias(op, *inputs[0], specs);
  CallList<const Array*> given(n), made(m);
  std::vector<std::unique_ptr<Array>> copies;
  for (int i = 0; i < n; ++i) {
    given[i] = inputs[size_t(i)];
    if (!given[i]) continue;
    if (row.mutates && row.mutates(op.op, i, n)) expect_state(row, i, *given[i]);
    if (row.strided || given[i]->dense()) continue;
    copies.push_back(std::make_unique<Array>(copied(*given[i])));
    given[i] = copies.back().get();
  }
  for (int i = 0; i < m; ++i) out.push_back(Array::empty(specs[i]));
  for (int i = 0; i < m; ++i) made[i] = &out[i];
  run_kernel(op, {given.data(), size_t(n)}, {made.data(), size_t(m)});
  return out;
}

Array run(OpRef op, std::initializer_list<Array> inputs) {
  std::vector<const Array*> pointers;
  for (const Array& a : inputs) pointers.push_back(a ? &a : nullptr);
  Outputs out = dispatch(op, pointers);
  if (out.size() != 1)
    raise(ErrorKind::Argument, join(op.info->signature.name, ": gives ", out.size(), " outputs"));
  return out[0];
}

}  // namespace pyneuro
