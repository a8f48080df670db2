// The one door through which every op runs: infer, allocate, run, tell the observer.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/array.h"
#include "runtime/backends.h"

namespace pyneuro {

/// Hears what this thread runs. `ran` is called after a kernel has run on the CPU, with what it
/// read and wrote; ops that only alias memory run no kernel and are not told.
class Observer {
 public:
  virtual ~Observer() = default;
  /// A null pointer stands for an absent optional input.
  virtual void ran(OpRef op, std::span<const Array* const> inputs,
                   std::span<const Array* const> outputs) = 0;
  /// A value left the arrays' world (it was printed, compared, turned into a number).
  virtual void read(const Array& array) = 0;
};

/// The observer of this thread, or null; returns the one before.
Observer* set_observer(Observer* observer) noexcept;
Observer* observer() noexcept;

/// Where ops without inputs put their outputs, on this thread; returns the one before.
Device set_default_device(Device device) noexcept;
Device default_device() noexcept;

/// The outputs of one dispatch; nearly always one.
class Outputs {
 public:
  int size() const { return size_; }
  Array& operator[](int i) { return i == 0 ? first_ : rest_[size_t(i - 1)]; }
  void push_back(Array a) {
    if (size_++ == 0)
      first_ = std::move(a);
    else
      rest_.push_back(std::move(a));
  }

 private:
  Array first_;
  std::vector<Array> rest_;
  int size_ = 0;
};

/// Runs an op. A null pointer stands for an absent optional input. Raises Error, and then nothing
/// was written.
Outputs dispatch(OpRef op, std::span<const Array* const> inputs);

/// For ops with one output: y = run(Softmax{-1}, {x}).
Array run(OpRef op, std::initializer_list<Array> inputs);

/// A fault planted by tests, on every thread: the op's kernel spoils its first output element, or
/// its shape rule adds 1 to the last dimension. They prove that the tests would catch one.
enum class Fault { None, Kernel, Shape };
void plant_fault(Fault fault, int op_id) noexcept;

/// Collects what kernels report through Context::fail; raises it as an Error.
class FailState {
 public:
  static void report(void* self, ErrorKind kind, int64_t position, const char* text) noexcept;
  /// Keeps a host function's own exception, which is worth more than our words about it.
  void keep(std::exception_ptr error) noexcept { error_ = std::move(error); }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire) || error_; }
  void check() const;

 private:
  std::atomic<bool> failed_{false};
  std::atomic_flag lock_ = ATOMIC_FLAG_INIT;
  ErrorKind kind_{};
  int64_t position_ = 0;
  char text_[512];  // written when something failed, and only then
  std::exception_ptr error_;
};

/// What kernels get from this runtime.
const HostServices& host_services() noexcept;

/// Memory of this thread for kernels' scratch; grows, and is shared by all that runs on the thread.
void* thread_scratch(size_t bytes);

/// How HostCall reaches its function (Python's, through the bindings). Called on any thread.
using HostFunction =
    std::function<void(std::span<const View> inputs, std::span<const View> outputs)>;
int64_t register_host_function(HostFunction function);
void unregister_host_function(int64_t callback);

}  // namespace pyneuro
